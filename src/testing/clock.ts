/**
 * The server's clock: wall time that can be moved, and the seconds that
 * memcached counts in.
 *
 * @module
 */

/** Longest lifetime in seconds that is not taken for a date: 30 days. */
const MAX_RELATIVE = 60 * 60 * 24 * 30;
/** memcached's own clock stands at this second when it starts. */
const FIRST_SECOND = 62;

/** A clock that can be moved. Its seconds are those of memcached. */
export class Clock {
  readonly #base: () => number;
  readonly #origin: number;
  #offset = 0;

  /** Makes a clock over one that gives milliseconds since 1970. */
  constructor(base: () => number) {
    this.#base = base;
    this.#origin = Math.floor(base() / 1000) - FIRST_SECOND;
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#base() + this.#offset;
  }

  set now(ms: number) {
    this.#offset = ms - this.#base();
  }

  /** Moves the clock by seconds, fractions allowed. */
  advance(seconds: number): void {
    this.#offset += seconds * 1000;
  }

  /** Whole seconds as items count them. */
  get seconds(): number {
    return Math.floor(this.now / 1000) - this.#origin;
  }

  /** Whole seconds since 1970 when {@linkcode seconds} was 0. */
  get origin(): number {
    return this.#origin;
  }

  /**
   * Turns an exptime of the protocol into the second that an item ends at, 0
   * for never. A negative exptime is long past (protocol.txt, "Expiration
   * times").
   */
  deadline(exptime: number): number {
    if (exptime === 0) return 0;
    if (exptime < 0) return 1;
    if (exptime <= MAX_RELATIVE) return exptime + this.seconds;
    return Math.max(exptime - this.#origin, 1);
  }
}
