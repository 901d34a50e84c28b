/**
 * The lines of `stats` as typed values (protocol.txt, "Statistics").
 *
 * What is a number, a boolean or text follows pymemcache; see `typed`.
 *
 * @module
 */

/**
 * The `STAT` lines of a reply, each split at its first two blanks: the name,
 * and the rest of the line as it came (empty where there is none).
 */
export type StatPairs = ReadonlyArray<readonly [name: string, value: string]>;

/**
 * One statistic. Integers and decimals are numbers, a bigint past 2^53 - 1;
 * `yes`, `no`, `on`, `off` and the counters that mean yes or no are booleans;
 * all else is text, whole.
 */
export type StatValue = number | bigint | boolean | string;

/**
 * Statistics by memcached's own names, such as `curr_items`.
 *
 * @example
 * ```ts
 * import type { Stats } from "@x/memcache";
 *
 * function hitRate(stats: Stats): number {
 *   return Number(stats.get_hits) / Number(stats.cmd_get);
 * }
 * console.log(hitRate({ cmd_get: 4, get_hits: 3 })); // 0.75
 * ```
 */
export type Stats = Record<string, StatValue>;

/** Statistics of items, by slab class. */
export type StatsItems = Map<number, Record<string, StatValue>>;

/** Statistics of connections, by file descriptor of the server. */
export type StatsConns = Map<number, Record<string, StatValue>>;

/**
 * How many items there are of which size, in bytes; sizes are multiples of 32.
 */
export type StatsSizes = Array<[size: number, count: number]>;

/** Statistics of the server's memory. */
export interface StatsSlabs {
  /** Number of slab classes that hold memory. */
  active_slabs: number;
  /** Bytes that all slab classes hold. */
  total_malloced: number | bigint;
  /** Statistics by slab class. */
  slabs: Map<number, Record<string, StatValue>>;
}

/**
 * Names whose values are text whatever they look like: addresses, paths,
 * names and versions.
 */
const TEXTS: ReadonlySet<string> = new Set([
  "addr",
  "binding_protocol",
  "domain_socket",
  "hash_algorithm",
  "inter",
  "libevent",
  "listen_addr",
  "memory_file",
  "ssl_ca_cert",
  "ssl_chain_cert",
  "ssl_ciphers",
  "ssl_key",
  "ssl_min_version",
  "stat_key_prefix",
  "state",
  "version",
]);

/** Names whose integers mean yes or no, as pymemcache reads them. */
const BOOLEANS: ReadonlySet<string> = new Set([
  "cas_enabled",
  "detail_enabled",
  "hash_is_expanding",
  "maxconns_fast",
  "slab_automove",
  "slab_reassign",
  "slab_reassign_running",
]);

/** Longest text that is read as a number: 128 bits, and a hostile line's end. */
const MAX_NUMBER_LENGTH = 40;

// As memcached prints them: a leading zero or a plus sign is none of its own.
const INTEGER = /^-?(?:0|[1-9][0-9]*)$/;
const DECIMAL = /^-?(?:0|[1-9][0-9]*)\.[0-9]+$/;
const OCTAL = /^[0-7]{1,11}$/;
// Old servers wrote the microseconds behind a colon.
const COLON_DECIMAL = /^(0|[1-9][0-9]*):([0-9]+)$/;
const GROUPED = /^(0|[1-9][0-9]{0,14}):(.+)$/s;

/**
 * Reads `stats` and all its kinds that have no form of their own.
 *
 * @param pairs The lines; of two with one name the later counts.
 */
export function toStats(pairs: StatPairs): Stats {
  const stats: Stats = {};
  for (const [name, value] of pairs) put(stats, name, typed(name, value));
  return stats;
}

/**
 * Reads `stats items`. Lines of another form than `items:1:number` are left
 * out.
 *
 * @param pairs The lines.
 * @returns Statistics by slab class, in the server's order.
 */
export function toStatsItems(pairs: StatPairs): StatsItems {
  const items: StatsItems = new Map();
  for (const [name, value] of pairs) {
    if (name.startsWith("items:")) putGrouped(items, name.slice(6), value);
  }
  return items;
}

/**
 * Reads `stats slabs`. The two totals are 0 where the server names none; lines
 * of another form than theirs and `1:chunk_size` are left out.
 *
 * @param pairs The lines.
 */
export function toStatsSlabs(pairs: StatPairs): StatsSlabs {
  const result: StatsSlabs = {
    active_slabs: 0,
    total_malloced: 0,
    slabs: new Map(),
  };
  for (const [name, value] of pairs) {
    if (name === "active_slabs") {
      const count = typed(name, value);
      if (typeof count === "number") result.active_slabs = count;
    } else if (name === "total_malloced") {
      const bytes = typed(name, value);
      if (typeof bytes === "number" || typeof bytes === "bigint") {
        result.total_malloced = bytes;
      }
    } else putGrouped(result.slabs, name, value);
  }
  return result;
}

/**
 * Reads `stats sizes`. Lines that are no pair of integers are left out, such
 * as `sizes_status disabled`, which is all that comes where sizes are not
 * tracked.
 *
 * @param pairs The lines.
 * @returns Sizes and counts in the server's order.
 */
export function toStatsSizes(pairs: StatPairs): StatsSizes {
  const sizes: StatsSizes = [];
  for (const [name, value] of pairs) {
    const size = typed("", name);
    const count = typed("", value);
    if (Number.isSafeInteger(size) && Number.isSafeInteger(count)) {
      // isSafeInteger is true for numbers alone.
      sizes.push([size as number, count as number]);
    }
  }
  return sizes;
}

/**
 * Reads `stats conns`. Lines of another form than `28:addr` are left out.
 *
 * @param pairs The lines.
 * @returns Statistics by file descriptor, in the server's order.
 */
export function toStatsConns(pairs: StatPairs): StatsConns {
  const conns: StatsConns = new Map();
  for (const [name, value] of pairs) putGrouped(conns, name, value);
  return conns;
}

/** Puts `1:chunk_size` under 1; anything else is left out. */
function putGrouped(
  groups: Map<number, Record<string, StatValue>>,
  name: string,
  value: string,
): void {
  const match = GROUPED.exec(name);
  if (match === null) return;
  const id = Number(match[1]);
  let group = groups.get(id);
  if (group === undefined) groups.set(id, group = {});
  put(group, match[2], typed(match[2], value));
}

/** Sets a property of its own under any name that a server may choose. */
function put(stats: Stats, name: string, value: StatValue): void {
  if (name === "__proto__") {
    // An assignment would reach for the prototype.
    Object.defineProperty(stats, name, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  } else stats[name] = value;
}

/** Gives a statistic its type. */
function typed(name: string, text: string): StatValue {
  if (TEXTS.has(name)) return text;
  // pymemcache takes any other word here for no.
  if (name === "auth_enabled_sasl") return text === "yes";
  if (name === "umask") return OCTAL.test(text) ? parseInt(text, 8) : text;
  if (text === "yes" || text === "on") return true;
  if (text === "no" || text === "off") return false;
  if (text.length > MAX_NUMBER_LENGTH) return text;
  if (INTEGER.test(text)) {
    const number = Number(text) + 0;
    if (BOOLEANS.has(name)) return number !== 0;
    return Number.isSafeInteger(number) ? number : BigInt(text);
  }
  if (DECIMAL.test(text)) return Number(text) + 0;
  if (name === "rusage_user" || name === "rusage_system") {
    const match = COLON_DECIMAL.exec(text);
    if (match !== null) return Number(`${match[1]}.${match[2]}`);
  }
  return text;
}
