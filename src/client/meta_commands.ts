/**
 * The meta protocol as it is: its commands, their flags with full names, and
 * what they answer.
 *
 * @module
 */

import type { CommandOptions, Ttl } from "../types.ts";

/**
 * A key of a meta command. Bytes, and text that a plain key cannot carry
 * (blanks, control characters, text outside of ASCII), go as base64 with the
 * flag `b`: at most 250 bytes encoded, 186 or fewer as they are, prefix
 * included. The item is the one that the same bytes name as a plain key.
 *
 * On a cluster the first of a pair chooses the server. Without a pair, bytes
 * that are UTF-8 choose as their text would, others by their base64.
 */
export type MetaKey =
  | string
  | Uint8Array
  | readonly [routingKey: string, key: string | Uint8Array];

/** What every meta command with a key may be told. */
export interface MetaOptions extends CommandOptions {
  /**
   * A token of the caller's, which the server sends back (`O`): 1 to 31 bytes
   * of visible ASCII. Replies are verified without it, too.
   */
  opaque?: string;
  /**
   * Leaves the most likely answer out (`q`): the call knows it when a later
   * answer comes, be it that of the `mn` which ends each write of quiet
   * commands. Results are as ever: where the answer returns something, as a
   * counter does unless `returnValue` is `false`, it is not left out; nor is
   * that to a value of 900 bytes or more.
   *
   * An error line does not say whose it is. Where several quiet commands may
   * have earned it, all of them reject, with all their keys in `failedKeys`.
   *
   * @default {false}
   */
  quiet?: boolean;
  /**
   * Returns the key as the server has it (`k`).
   *
   * @default {false}
   */
  returnKey?: boolean;
}

/** The flags of `mg`. */
export interface MetaGetOptions extends MetaOptions {
  /**
   * Returns the value (`v`, and `f` for the serde).
   *
   * @default {true}
   */
  returnValue?: boolean;
  /**
   * Returns the 32-bit number stored with the value (`f`).
   *
   * @default {false}
   */
  returnFlags?: boolean;
  /**
   * Returns the CAS unique (`c`).
   *
   * @default {false}
   */
  returnCas?: boolean;
  /**
   * Returns the seconds that are left (`t`).
   *
   * @default {false}
   */
  returnTtl?: boolean;
  /**
   * Returns the bytes of the stored value (`s`).
   *
   * @default {false}
   */
  returnSize?: boolean;
  /**
   * Returns whether the item has been read before (`h`).
   *
   * @default {false}
   */
  returnHitBefore?: boolean;
  /**
   * Returns the seconds since the item was last read (`l`).
   *
   * @default {false}
   */
  returnLastAccess?: boolean;
  /**
   * Reads without counting as an access: no bump in the LRU (`u`).
   *
   * @default {false}
   */
  noBump?: boolean;
  /** Sets this lifetime (`T`). */
  touch?: Ttl;
  /**
   * Creates the item on a miss, empty and with this lifetime, and answers it as
   * a hit: `won` for the first who asks, `alreadyWon` for the others (`N`).
   */
  vivify?: Ttl;
  /**
   * `won` for one caller when fewer than this many seconds are left (`R`), 0 to
   * 2^31 - 1; for none if absent.
   */
  recache?: number;
  /**
   * The CAS unique that an item made by `vivify` gets (`E`), 0 to 2^64 - 1; the
   * server's next if absent. memcached 1.6.27 and later.
   */
  newCas?: bigint | number | string;
  /**
   * Reads only if the CAS unique is another one (`C`), 0 to 2^64 - 1; always if
   * absent. memcached 1.6.40 and later.
   */
  compareCas?: bigint | number | string;
}

/** How `ms` stores. */
export type MetaSetMode = "set" | "add" | "append" | "prepend" | "replace";

/** The flags of `ms`. */
export interface MetaSetOptions extends MetaOptions {
  /**
   * Lifetime of the item (`T`).
   *
   * @default {0}
   */
  ttl?: Ttl;
  /**
   * The number stored beside the value, 0 to 2^32 - 1 (`F`); overrides the
   * serde's, which is used if absent.
   */
  flags?: number;
  /**
   * How to store (`M`).
   *
   * @default {"set"}
   */
  mode?: MetaSetMode;
  /**
   * Stores only if the CAS unique is this one (`C`), 0 to 2^64 - 1; always if
   * absent.
   */
  compareCas?: bigint | number | string;
  /**
   * The CAS unique that the item gets (`E`), 0 to 2^64 - 1; the server's next if
   * absent. memcached 1.6.27 and later.
   */
  newCas?: bigint | number | string;
  /**
   * Stores also if `compareCas` is older than the item's CAS unique, and marks
   * the item as stale then (`I`).
   *
   * @default {false}
   */
  invalidate?: boolean;
  /**
   * With mode `"append"` or `"prepend"`: stores on a miss, with this lifetime
   * (`N`). memcached 1.6.20 and later.
   */
  vivify?: Ttl;
  /**
   * Returns the CAS unique that the item has now (`c`).
   *
   * @default {false}
   */
  returnCas?: boolean;
  /**
   * Returns the bytes of the stored value (`s`). memcached 1.6.20 and later.
   *
   * @default {false}
   */
  returnSize?: boolean;
}

/** The flags of `md`. */
export interface MetaDeleteOptions extends MetaOptions {
  /**
   * Deletes only if the CAS unique is this one (`C`), 0 to 2^64 - 1; always if
   * absent.
   */
  compareCas?: bigint | number | string;
  /**
   * The CAS unique that an item gets which stays (`E`), 0 to 2^64 - 1; the
   * server's next if absent. memcached 1.6.27 and later.
   */
  newCas?: bigint | number | string;
  /**
   * Marks the item as stale in place of deleting it (`I`): one caller is told
   * `won`, all are told `stale`.
   *
   * @default {false}
   */
  invalidate?: boolean;
  /** With `invalidate`: the lifetime of the stale item (`T`). */
  touch?: Ttl;
  /**
   * Removes the value, and keeps the item (`x`). memcached 1.6.27 and later.
   *
   * @default {false}
   */
  removeValue?: boolean;
}

/** The flags of `ma`. */
export interface MetaArithmeticOptions<D extends number | bigint = number>
  extends MetaOptions {
  /**
   * Which way to count (`M`).
   *
   * @default {"incr"}
   */
  mode?: "incr" | "decr";
  /**
   * How much (`D`), 0 to 2^64 - 1; its type is the type of the value.
   *
   * @default {1}
   */
  delta?: D;
  /** Creates a missing counter with this lifetime (`N`). */
  vivify?: Ttl;
  /**
   * With `vivify`: the value of a counter that is created, to which the delta
   * is not applied (`J`), 0 to 2^64 - 1.
   *
   * @default {0}
   */
  initial?: number | bigint;
  /** Sets this lifetime (`T`). */
  touch?: Ttl;
  /**
   * Counts only if the CAS unique is this one (`C`), 0 to 2^64 - 1; always if
   * absent.
   */
  compareCas?: bigint | number | string;
  /**
   * The CAS unique that the item gets (`E`), 0 to 2^64 - 1; the server's next if
   * absent. memcached 1.6.27 and later.
   */
  newCas?: bigint | number | string;
  /**
   * Returns the new value (`v`).
   *
   * @default {true}
   */
  returnValue?: boolean;
  /**
   * Returns the seconds that are left (`t`).
   *
   * @default {false}
   */
  returnTtl?: boolean;
  /**
   * Returns the CAS unique that the item has now (`c`).
   *
   * @default {false}
   */
  returnCas?: boolean;
}

/** What every meta command may answer, as far as it was asked for. */
export interface MetaResult {
  /** The key as the server has it (`returnKey`). */
  key?: string | Uint8Array;
  /** The caller's own token. */
  opaque?: string;
  /** The CAS unique (`returnCas`). */
  cas?: bigint;
}

/** What `mg` answers. */
export interface MetaGetResult<T = unknown> extends MetaResult {
  /** Whether there is such an item. */
  status: "hit" | "miss";
  /**
   * The value; absent on a miss, and on an item made by `vivify` that nobody
   * has stored into. An empty value with the flags 0 looks like one to whoever
   * is told `alreadyWon`.
   */
  value?: T;
  /** The number stored with the value. */
  flags?: number;
  /**
   * Seconds that are left, after `touch` and `vivify`; -1: it does not expire.
   * Of an item that a negative `touch` has just expired memcached 1.6.18 tells
   * a negative number plus 2^32.
   */
  ttl?: number;
  /** Bytes of the stored value. */
  size?: number;
  /** Whether it had been read before. */
  hitBefore?: boolean;
  /** Seconds since it was last read. */
  lastAccess?: number;
  /** Whether this caller is the one who should store a new value (`W`). */
  won?: true;
  /** Whether the item has been marked as stale (`X`). */
  stale?: true;
  /** Whether another caller was told that it won (`Z`). */
  alreadyWon?: true;
}

/** What `ms` answers. */
export interface MetaSetResult extends MetaResult {
  /**
   * `"notStored"`: the mode does not allow it. `"exists"`: the CAS unique is
   * another one. `"notFound"`: there is no such item.
   */
  status: "stored" | "notStored" | "exists" | "notFound";
  /** Bytes of the stored value. */
  size?: number;
}

/** What `md` answers. */
export interface MetaDeleteResult extends MetaResult {
  /**
   * `"deleted"`: deleted, or marked as stale if that was asked for. `"exists"`:
   * the CAS unique is another one.
   */
  status: "deleted" | "notFound" | "exists";
}

/** What `ma` answers. */
export interface MetaArithmeticResult<D extends number | bigint = number>
  extends MetaResult {
  /**
   * `"stored"`: counted, or created. `"exists"`: the CAS unique is another one.
   * `"notStored"`: it could not be created.
   */
  status: "stored" | "notFound" | "exists" | "notStored";
  /** The new value, of the delta's type. */
  value?: D extends bigint ? bigint : number;
  /** Seconds that are left; -1: it does not expire. */
  ttl?: number;
}

/** What `me` tells of an item. */
export interface MetaDebugResult {
  /**
   * Seconds that are left; -1: it does not expire. memcached 1.6.18 tells -1 of
   * the last second, too.
   */
  ttl: number;
  /** Seconds since it was last read or stored. */
  lastAccess: number;
  /** The CAS unique. */
  cas: bigint;
  /** Whether it has been read since it was stored. */
  fetched: boolean;
  /** Its slab class. */
  slabClass: number;
  /** Bytes that it takes: header, key and value. */
  size: number;
}

/** A key of {@linkcode MetaCommands.getMany}, alone or with flags of its own. */
export type MetaGetEntry =
  | MetaKey
  | readonly [key: MetaKey, flags: MetaGetOptions];

/**
 * The meta protocol. Every answer has a `status`, and beside it what was asked
 * for. A refused store or a miss is a status, never an error.
 *
 * A server without meta commands, or `protocol: "classic"`, is a
 * {@linkcode MemcacheUnknownCommandError} before a byte is sent; a flag that the
 * server's version does not know is a {@linkcode MemcacheIllegalInputError} that
 * says which version does. The other errors are those of
 * {@linkcode KeyCommands}.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await client.meta.set("user:1", "Ada", { ttl: 60 });
 * console.log(await client.meta.get("user:1", { returnTtl: true }));
 * // { status: "hit", value: "Ada", ttl: 60 }
 * await client.close();
 * await server.close();
 * ```
 */
export interface MetaCommands {
  /**
   * Reads an item, or what is known of it (`mg`).
   *
   * Source: protocol.txt, "Meta Get".
   *
   * @param key 1 to 250 bytes, prefix included and encoded.
   * @param flags What to return and what to do beside it, a timeout, a signal.
   * @returns The answer.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  get<T = unknown>(
    key: MetaKey,
    flags?: MetaGetOptions,
  ): Promise<MetaGetResult<T>>;
  /**
   * Reads many items, pipelined in one write to each server.
   *
   * Source: protocol.txt, "Meta Get".
   *
   * @param entries The keys, each alone or with flags of its own.
   * @param flags The flags of those without; a timeout and a signal for all of
   * it, which entries have none of.
   * @returns The answers in the order of the keys.
   * @throws {MemcacheError} If a part failed, once all have settled: one error
   * with what each server said, the `failedKeys`, and the answers of the others
   * as its `values`.
   */
  getMany<T = unknown>(
    entries: Iterable<MetaGetEntry>,
    flags?: MetaGetOptions,
  ): Promise<Array<MetaGetResult<T>>>;
  /**
   * Stores a value (`ms`).
   *
   * Source: protocol.txt, "Meta Set".
   *
   * @param key 1 to 250 bytes, prefix included and encoded.
   * @param value What the client's serde can store.
   * @param flags How to store, what to return, a timeout, a signal.
   * @returns The answer.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   * @throws {MemcacheServerError} If the value is too large; what was stored
   * under the key before is gone then.
   */
  set(
    key: MetaKey,
    value: unknown,
    flags?: MetaSetOptions,
  ): Promise<MetaSetResult>;
  /**
   * Deletes an item, or marks it as stale (`md`).
   *
   * Source: protocol.txt, "Meta Delete".
   *
   * @param key 1 to 250 bytes, prefix included and encoded.
   * @param flags What to do, a timeout, a signal.
   * @returns The answer.
   */
  delete(key: MetaKey, flags?: MetaDeleteOptions): Promise<MetaDeleteResult>;
  /**
   * Counts (`ma`).
   *
   * Source: protocol.txt, "Meta Arithmetic".
   *
   * @param key 1 to 250 bytes, prefix included and encoded.
   * @param flags How to count, what to return, a timeout, a signal.
   * @returns The answer.
   * @throws {MemcacheNonNumericError} If the stored value is no number.
   * @throws {MemcacheSerdeError} If the value is past 2^53 - 1 and the delta is
   * a number.
   */
  arithmetic<D extends number | bigint = number>(
    key: MetaKey,
    flags?: MetaArithmeticOptions<D>,
  ): Promise<MetaArithmeticResult<D>>;
  /**
   * Tells what the server knows of an item, without touching it (`me`).
   *
   * Source: protocol.txt, "Meta Debug".
   *
   * @param key 1 to 250 bytes, prefix included and encoded; as base64 with
   * memcached 1.6.10 and later.
   * @param options A timeout, a signal.
   * @returns What it knows, or `undefined` on a miss.
   */
  debug(
    key: MetaKey,
    options?: CommandOptions,
  ): Promise<MetaDebugResult | undefined>;
  /**
   * Asks each server for an answer that says nothing (`mn`), by one connection
   * to it: what was sent on that before has been done.
   *
   * Source: protocol.txt, "Meta No-Op".
   *
   * @param options A timeout, a signal.
   */
  noop(options?: CommandOptions): Promise<void>;
}
