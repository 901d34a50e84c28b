/**
 * Medians of rounds, their spread, and ratios within a round.
 *
 * @module
 */

/** The value at a share of the way through sorted ones, interpolated. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/** The median. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Half of the range between the quartiles, over the median. */
export function spread(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / 2 /
    median(values);
}

/** What each round of one came to against the same round of another. */
export function ratios(
  values: readonly number[],
  others: readonly number[],
): number[] {
  return values.slice(0, others.length).map((value, i) => value / others[i]);
}
