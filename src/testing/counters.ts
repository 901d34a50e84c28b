/**
 * What the server counts for `stats`.
 *
 * @module
 */

/** The counters that `stats reset` sets to 0. */
export const COUNTERS = [
  "total_connections",
  "rejected_connections",
  "cmd_get",
  "cmd_set",
  "cmd_flush",
  "cmd_touch",
  "cmd_meta",
  "get_hits",
  "get_misses",
  "get_expired",
  "get_flushed",
  "delete_misses",
  "delete_hits",
  "incr_misses",
  "incr_hits",
  "decr_misses",
  "decr_hits",
  "cas_misses",
  "cas_hits",
  "cas_badval",
  "touch_hits",
  "touch_misses",
  "store_too_large",
  "store_no_memory",
  "auth_cmds",
  "auth_errors",
  "bytes_read",
  "bytes_written",
  "total_items",
  "evictions",
] as const;

/** The name of a counter, as in the reply to `stats`. */
export type Counter = typeof COUNTERS[number];

/** The counts of one key prefix, for `stats detail dump`. */
export interface PrefixCounts {
  /** Keys asked for. */
  get: number;
  /** Keys found. */
  hit: number;
  /** Stores. */
  set: number;
  /** Deletes. */
  del: number;
}

/** Everything that is counted. */
export class Counters {
  /** The counters by name. */
  readonly values: Record<Counter, number> = Object.fromEntries(
    COUNTERS.map((name) => [name, 0]),
  ) as Record<Counter, number>;
  /** The counts by key prefix, gathered while `stats detail` is on. */
  readonly prefixes: Map<string, PrefixCounts> = new Map();
  /** Whether `stats detail` is on. */
  detail = false;

  /** Counts one more. */
  add(name: Counter, count = 1): void {
    this.values[name] += count;
  }

  /** Counts for the key's prefix, the part before the first colon. */
  addPrefix(key: string, what: keyof PrefixCounts): void {
    if (!this.detail) return;
    const end = key.indexOf(":");
    if (end === -1) return;
    const prefix = key.slice(0, end);
    let counts = this.prefixes.get(prefix);
    if (counts === undefined) {
      this.prefixes.set(prefix, counts = { get: 0, hit: 0, set: 0, del: 0 });
    }
    counts[what]++;
  }

  /** Sets all counters to 0. */
  reset(): void {
    for (const name of COUNTERS) this.values[name] = 0;
    this.prefixes.clear();
  }
}
