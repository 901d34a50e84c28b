/**
 * Numbers that look random and are the same in every run.
 *
 * @module
 */

/** A stream of numbers that its seed alone decides. */
export class Random {
  #state: number;

  /** Starts at a seed. */
  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  }

  /** The next 32 bits (xorshift, behind a mix that hides its first steps). */
  bits(): number {
    let x = this.#state = this.#state + 0x6d2b79f5 >>> 0;
    x = Math.imul(x ^ x >>> 16, 0x85ebca6b);
    x = Math.imul(x ^ x >>> 13, 0xc2b2ae35);
    return (x ^ x >>> 16) >>> 0;
  }

  /** A whole number from 0 to below `limit`, at most 2^32. */
  below(limit: number): number {
    return Math.floor(this.bits() / 0x100000000 * limit);
  }

  /** One of some things. */
  pick<T>(things: ReadonlyArray<T>): T {
    return things[this.below(things.length)];
  }

  /** `true` in one of `count` times. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }
}
