/**
 * How many retries are allowed: a share of the calls, so that an outage does
 * not multiply the load.
 *
 * @module
 */

/** Retries that may be saved up; as many are there at first. */
const MOST = 100;

/** Retries a second that are allowed however few calls there are. */
const FLOOR = 10;

/** A bucket of tokens: calls and time put in, retries take out. */
export class RetryBudget {
  readonly #share: number;
  readonly #most: number;
  #tokens: number;
  #filledAt: number;

  /** Allows `share` retries for each call, from 0 on. */
  constructor(share: number) {
    this.#share = share;
    this.#most = share === Infinity ? Infinity : MOST;
    this.#tokens = this.#most;
    this.#filledAt = performance.now();
  }

  /** Notes a call. */
  earn(): void {
    this.#tokens += this.#share;
  }

  /** Takes one retry, if there is one. */
  spend(): boolean {
    const at = performance.now();
    const earned = (at - this.#filledAt) * (FLOOR / 1000);
    this.#filledAt = at;
    this.#tokens = Math.min(this.#most, this.#tokens + earned);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
