/**
 * What a client tells of itself.
 *
 * @module
 */

import type { Key } from "../types.ts";
import type { Explanation } from "./explaining.ts";
import type { ClientMetrics } from "./metrics.ts";

export type { ClientMetrics, Explanation };

/** What a client tells of itself; nothing is sent for it. */
export interface InsightCommands {
  /**
   * Tells what has been counted so far: hits, misses, errors and latencies by
   * server and command, bytes, connections. Also after `close()`.
   *
   * @returns Plain data, a copy.
   */
  metrics(): ClientMetrics;
  /**
   * Tells which server a key is on now and why, how that server is, and what its
   * last error was. It takes microseconds; while servers of a cluster are dead up
   * to half a millisecond, and `RecentKeys` forgets: not for every command.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @returns The server, those that would have the key after it, and a sentence.
   * @throws {MemcacheIllegalInputError} If it is no key that could be sent.
   */
  explain(key: Key): Explanation;
}
