/**
 * How long things took, as it is shown.
 *
 * @module
 */

import { Histogram } from "../telemetry/histogram.ts";

/** Buckets between a power of two and the next, as a power: 32, 3 % each. */
const BITS = 5;

/** The bars that are shown, by their upper ends in microseconds. */
const BARS: readonly number[] = [50, 100, 200, 500].flatMap((n) =>
  [1, 10, 100, 1000, 10_000].map((times) => n * times)
).sort((a, b) => a - b);

/** Makes a histogram of times in microseconds, to within three percent. */
export function makeHistogram(): Histogram {
  return new Histogram(BITS);
}

/** A bar for each range of times that there are, at most so wide. */
export function barsOf(histogram: Histogram, width: number): string[] {
  const rows: [end: number, count: number][] = [];
  let row = 0;
  for (const bucket of histogram.buckets()) {
    while (row < BARS.length && BARS[row] < bucket.end) row++;
    const end = BARS[row] ?? Infinity;
    const last = rows[rows.length - 1];
    if (last?.[0] === end) last[1] += bucket.count;
    else rows.push([end, bucket.count]);
  }
  const most = Math.max(...rows.map(([, count]) => count));
  return rows.map(([end, count]) => {
    const share = count / histogram.count;
    const bar = "#".repeat(Math.max(1, Math.round(count / most * width)));
    const limit = end === Infinity ? "more" : `<= ${microText(end)}`;
    return `${limit.padStart(11)} ${
      (share * 100).toFixed(2).padStart(6)
    } % ${bar}`;
  });
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
