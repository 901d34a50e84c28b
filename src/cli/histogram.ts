/**
 * How long things took: counts in buckets that grow with the time.
 *
 * @module
 */

/** Buckets between a power of two and the next. */
const FINE = 32;
const BITS = 5;

/** The bars that are shown, by their upper ends in microseconds. */
const BARS: readonly number[] = [50, 100, 200, 500].flatMap((n) =>
  [1, 10, 100, 1000, 10_000].map((times) => n * times)
).sort((a, b) => a - b);

/** Times in microseconds, to within three percent. */
export class Histogram {
  readonly #counts: number[] = [];
  #total = 0;
  #sum = 0;
  #max = 0;

  /** How many there are. */
  get total(): number {
    return this.#total;
  }

  /** Their mean. */
  get mean(): number {
    return this.#total === 0 ? 0 : this.#sum / this.#total;
  }

  /** The longest. */
  get max(): number {
    return this.#max;
  }

  /** Counts one. */
  add(microseconds: number): void {
    const value = Math.max(0, Math.round(microseconds));
    const bucket = bucketOf(value);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#total++;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  /** The time that a share of them, 0 to 1, did not exceed. */
  percentile(share: number): number {
    let left = Math.ceil(share * this.#total);
    for (let i = 0; i < this.#counts.length; i++) {
      left -= this.#counts[i] ?? 0;
      if (left <= 0 && this.#total > 0) return Math.min(endOf(i), this.#max);
    }
    return this.#max;
  }

  /** A bar for each range of times that there are, at most so wide. */
  bars(width: number): string[] {
    const rows: [end: number, count: number][] = [];
    let row = 0;
    for (let i = 0; i < this.#counts.length; i++) {
      const count = this.#counts[i] ?? 0;
      if (count === 0) continue;
      while (row < BARS.length && BARS[row] < endOf(i)) row++;
      const end = BARS[row] ?? Infinity;
      const last = rows[rows.length - 1];
      if (last?.[0] === end) last[1] += count;
      else rows.push([end, count]);
    }
    const most = Math.max(...rows.map(([, count]) => count));
    return rows.map(([end, count]) => {
      const share = count / this.#total;
      const bar = "#".repeat(Math.max(1, Math.round(count / most * width)));
      const limit = end === Infinity ? "more" : `<= ${microText(end)}`;
      return `${limit.padStart(11)} ${
        (share * 100).toFixed(2).padStart(6)
      } % ${bar}`;
    });
  }
}

function bucketOf(value: number): number {
  if (value < FINE) return value;
  const power = Math.floor(Math.log2(value));
  const step = Math.floor(value / 2 ** (power - BITS)) - FINE;
  return FINE + (power - BITS) * FINE + step;
}

/** The largest value of a bucket. */
function endOf(bucket: number): number {
  if (bucket < FINE) return bucket;
  const power = Math.floor((bucket - FINE) / FINE);
  const step = (bucket - FINE) % FINE;
  return (FINE + step + 1) * 2 ** power - 1;
}

/** Microseconds, short. */
export function microText(microseconds: number): string {
  if (microseconds < 1000) return `${Math.round(microseconds)} us`;
  if (microseconds < 1e6) {
    const ms = microseconds / 1000;
    return `${ms < 10 && ms % 1 !== 0 ? ms.toFixed(2) : Math.round(ms)} ms`;
  }
  return `${(microseconds / 1e6).toFixed(1)} s`;
}
