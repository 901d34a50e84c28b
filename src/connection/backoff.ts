/**
 * How connection attempts are spaced while a server cannot be reached.
 *
 * @module
 */

/** Upper bound of the pause after the second failure in a row, in ms. */
const FIRST_PAUSE = 50;

/** Upper bound of a pause in the first moments of an outage. */
const EAGER_PAUSE = 350;

/** Most attempts in the first moments, whatever chance has it. */
const EAGER_ATTEMPTS = 18;

/** How long the first moments are: what is restarted is back by then. */
const EAGER_TIME = 2000;

/** Pauses after that: about one attempt a second, spread over the fleet. */
const MIN_PAUSE = 500;
const MAX_PAUSE = 1300;

/**
 * Full jitter at first: the pause is drawn evenly from zero to a bound that
 * doubles with every failure. One failure alone costs no pause.
 */
export class Backoff {
  /** Failures since the last success. */
  failures = 0;
  /** No attempt may start before this time. */
  readyAt = 0;
  /** What the last attempt failed with. */
  cause: unknown = undefined;

  readonly #random: () => number;
  #since = 0;

  /** Draws from `random`, which gives 0 to 1. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Notes a failed attempt. */
  failed(at: number, cause: unknown): void {
    this.failures++;
    this.cause = cause;
    this.readyAt = at + this.#pause(at);
  }

  /** Notes that the server has answered. */
  succeeded(): void {
    this.failures = 0;
    this.readyAt = 0;
    this.cause = undefined;
  }

  #pause(at: number): number {
    if (this.failures === 1) {
      this.#since = at;
      return 0;
    }
    if (at - this.#since >= EAGER_TIME) {
      return MIN_PAUSE + (MAX_PAUSE - MIN_PAUSE) * this.#random();
    }
    if (this.failures >= EAGER_ATTEMPTS) {
      return this.#since + EAGER_TIME - at + EAGER_PAUSE * this.#random();
    }
    const bound = FIRST_PAUSE * 2 ** (this.failures - 2);
    return Math.min(EAGER_PAUSE, bound) * this.#random();
  }
}
