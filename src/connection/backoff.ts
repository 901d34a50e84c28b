/**
 * How connection attempts are spaced while a server cannot be reached.
 *
 * @module
 */

/** Longest pause between two attempts, in milliseconds. */
const MAX_PAUSE = 1000;

/** Upper bound of the pause after the second failure in a row. */
const FIRST_PAUSE = 50;

/**
 * Full jitter: the pause is drawn evenly from zero to a bound that doubles with
 * every failure. One failure alone costs no pause.
 */
export class Backoff {
  /** Failures since the last success. */
  failures = 0;
  /** No attempt may start before this time. */
  readyAt = 0;
  /** What the last attempt failed with. */
  cause: unknown = undefined;

  readonly #random: () => number;

  /** Draws from `random`, which gives 0 to 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Notes a failed attempt. */
  failed(at: number, cause: unknown): void {
    this.failures++;
    this.cause = cause;
    const bound = this.failures < 2
      ? 0
      : Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** (this.failures - 2));
    this.readyAt = at + bound * this.#random();
  }

  /** Notes that the server has answered. */
  succeeded(): void {
    this.failures = 0;
    this.readyAt = 0;
    this.cause = undefined;
  }
}
