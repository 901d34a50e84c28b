/**
 * What is counted of commands, as users see it.
 *
 * @module
 */

import type { Histogram } from "./histogram.ts";
import type { CommandStats } from "./server_stats.ts";

/**
 * How long the answers to a command took, in milliseconds: from the call, or the
 * turn of the event loop that it was made in, until the reply has arrived. To
 * within an eighth.
 */
export interface LatencyMetrics {
  /** How many answers there were. */
  readonly count: number;
  /** Their mean in milliseconds, 0 if there were none. */
  readonly mean: number;
  /** The longest in milliseconds. */
  readonly max: number;
  /** What half of them did not exceed, in milliseconds. */
  readonly p50: number;
  /** What 90 % of them did not exceed, in milliseconds. */
  readonly p90: number;
  /** What 99 % of them did not exceed, in milliseconds. */
  readonly p99: number;
  /** What 99.9 % of them did not exceed, in milliseconds. */
  readonly p999: number;
  /**
   * How many took so many milliseconds at most, and more than the bucket before:
   * those that are not empty, in ascending order.
   */
  readonly buckets: ReadonlyArray<
    { readonly upTo: number; readonly count: number }
  >;
}

/** What is counted of one command for one server. */
export interface CommandMetrics {
  /**
   * How often it has come to its end, well or not. A `getMany` is one for each
   * 100 keys, a `setMany` or `deleteMany` one for each key. What is refused
   * before it could be sent, such as an illegal key, does not count.
   */
  readonly calls: number;
  /**
   * Items that the server had: read, deleted, touched or counted, or replaced
   * by `cas`; other stores are neither hits nor misses. Also those that stand
   * for no value, see `getOrSet`, and counters that `ma` has just made. Unknown
   * where no reply was asked for.
   */
  readonly hits: number;
  /** Items that the server did not have, in the same commands. */
  readonly misses: number;
  /** How often it was given up by its caller's signal. */
  readonly aborted: number;
  /**
   * How often it has failed, by the codes of the errors. Commands that asked for
   * no reply count as well, as far as `onError` is told of them: what is told of
   * several at once is one failure.
   */
  readonly errors: Readonly<Record<string, number>>;
  /** How long it took where it was answered, and has not failed. */
  readonly latency: LatencyMetrics;
}

/** Tells what has been counted so far. */
export function commandMetrics(stats: CommandStats): CommandMetrics {
  const { calls, hits, misses, aborted, errors, latency } = stats;
  return {
    ...{ calls, hits, misses, aborted },
    errors: Object.fromEntries(errors ?? []),
    latency: latencyMetrics(latency),
  };
}

function latencyMetrics(histogram: Histogram): LatencyMetrics {
  const share = (of: number) => histogram.percentile(of) / 1000;
  return {
    count: histogram.count,
    mean: histogram.mean / 1000,
    max: histogram.max / 1000,
    p50: share(0.5),
    p90: share(0.9),
    p99: share(0.99),
    p999: share(0.999),
    buckets: [...histogram.buckets()].map(({ end, count }) => ({
      upTo: end / 1000,
      count,
    })),
  };
}
