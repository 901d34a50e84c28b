/**
 * How long things took: counts in buckets that grow with the time.
 *
 * @module
 */

/** The longest time that is told from longer ones: 2^31 - 1 microseconds. */
const LONGEST = 2_147_483_647;

/** Powers of two that there is room for at first: with 8 buckets each, 16 ms. */
const USUAL = 12;

/** Times in whole microseconds. */
export class Histogram {
  readonly #bits: number;
  #counts: Float64Array;
  #count = 0;
  #sum = 0;
  #max = 0;

  /**
   * Takes how fine the buckets are: there are `2 ** bits` of them between a power
   * of two and the next.
   */
  constructor(bits: number) {
    this.#bits = bits;
    this.#counts = new Float64Array(USUAL << bits);
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Their mean, 0 if there is none. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** The longest, 0 if there is none. */
  get max(): number {
    return this.#max;
  }

  /** Counts one: a whole number, not below 0. */
  add(microseconds: number): void {
    const value = microseconds < LONGEST ? microseconds : LONGEST;
    const bits = this.#bits;
    const shift = 31 - bits - Math.clz32(value);
    const bucket = shift > 0 ? (shift << bits) + (value >> shift) : value;
    if (bucket >= this.#counts.length) this.#grow();
    this.#counts[bucket]++;
    this.#count++;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  /** There are few that long, and most histograms have none. */
  #grow(): void {
    const counts = new Float64Array((32 - this.#bits) << this.#bits);
    counts.set(this.#counts);
    this.#counts = counts;
  }

  /** The time that a share of them, 0 to 1, did not exceed. */
  percentile(share: number): number {
    let left = Math.ceil(share * this.#count);
    if (left === 0) return 0;
    for (const { end, count } of this.buckets()) {
      left -= count;
      if (left <= 0) return Math.min(end, this.#max);
    }
    return this.#max;
  }

  /** The buckets that are not empty, each with the longest time it counts. */
  *buckets(): Iterable<{ end: number; count: number }> {
    for (let i = 0; i < this.#counts.length; i++) {
      const count = this.#counts[i];
      if (count > 0) yield { end: this.#endOf(i), count };
    }
  }

  #endOf(bucket: number): number {
    const fine = 2 ** this.#bits;
    if (bucket < fine) return bucket;
    const shift = Math.floor(bucket / fine) - 1;
    return (bucket - shift * fine + 1) * 2 ** shift - 1;
  }
}
