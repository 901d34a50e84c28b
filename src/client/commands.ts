/**
 * The commands on keys that every client has: their names, arguments and
 * meanings.
 *
 * @module
 */

import type { CommandOptions, Item, Key, Ttl } from "../types.ts";
import type { MetaCommands } from "./meta_commands.ts";

/** Options of `get` and `gat`. */
export interface GetOptions<T = unknown> extends CommandOptions {
  /**
   * What a miss resolves to.
   *
   * @default {undefined}
   */
  default?: T;
}

/** Options of commands that may go without a reply. */
export interface NoreplyOptions extends CommandOptions {
  /**
   * Sends the command without asking for a reply: resolves once the bytes are
   * handed to the transport. Errors that the server sends for it all the same
   * go to `onError`.
   *
   * @default {the client's `defaultNoreply`; `false` for cas, incr and decr}
   */
  noreply?: boolean;
}

/** Options of stores. */
export interface StoreOptions extends NoreplyOptions {
  /**
   * Lifetime of the item.
   *
   * @default {0}
   */
  ttl?: Ttl;
  /**
   * The number stored beside the value, 0 to 2^32 - 1; overrides the serde's,
   * which is used if absent.
   */
  flags?: number;
}

/** Options of `incr` and `decr`. */
export interface CountOptions extends NoreplyOptions {
  /**
   * Creates a missing counter with this value, to which the delta is not
   * applied: 0 to 2^64 - 1, a safe integer if given as a number. It needs a
   * reply. If absent, a missing counter stays missing.
   */
  initial?: number | bigint;
  /**
   * Lifetime of a counter that is created.
   *
   * @default {0}
   */
  ttl?: Ttl;
}

/** A value with the version of its item. */
export interface Versioned<T> {
  /** The value. */
  value: T;
  /** The CAS unique. */
  cas: bigint;
}

/**
 * Commands on keys. A miss is a value, `undefined` or `false`, never an error.
 *
 * Every method rejects with a {@linkcode MemcacheIllegalInputError} before a
 * byte is written when an argument cannot be sent, with a
 * {@linkcode MemcacheTimeoutError} after `timeout`, with the signal's reason
 * after an abort, and with the other errors of the tree as the server or the
 * connection fails.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await client.set("user:1", { name: "Ada" }, { ttl: 60 });
 * console.log(await client.get("user:1")); // { name: "Ada" }
 * await client.close();
 * await server.close();
 * ```
 */
export interface KeyCommands {
  /**
   * Reads a value.
   *
   * Sent as `mg`, or as `get`, alone or with the keys of other callers.
   * Source: protocol.txt, "Retrieval command" and "Meta Get".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options The default, a timeout, a signal.
   * @returns The value, or on a miss the default or `undefined`.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  get<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined>;
  /**
   * Reads a value with its flags and its CAS unique.
   *
   * Sent as `mg` or `gets`. Source: protocol.txt, "Retrieval command".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options A timeout, a signal.
   * @returns The item, or `undefined` on a miss.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  getItem<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Item<T> | undefined>;
  /**
   * Reads many values at once.
   *
   * Sent as `get` lines of up to 100 keys, pipelined. Source:
   * protocol.txt, "Retrieval command".
   *
   * @param keys The keys; none resolves to an empty map without a byte sent.
   * @param options A timeout for all of it, a signal.
   * @returns The hits, by the caller's keys and in their order.
   * @throws {MemcacheSerdeError} If stored bytes cannot be read.
   * @throws {MemcacheError} If a server failed; once the others have answered,
   * with their `values`, and the `failedKeys`.
   */
  getMany<T = unknown>(
    keys: Iterable<Key>,
    options?: CommandOptions,
  ): Promise<Map<string, T>>;
  /**
   * Reads a value with its CAS unique, for a later `cas`.
   *
   * Sent as `mg` or `gets`. Source: protocol.txt, "Retrieval command".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options A timeout, a signal.
   * @returns Value and CAS unique, or `undefined` on a miss.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  gets<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Versioned<T> | undefined>;
  /**
   * Reads many values with their CAS uniques.
   *
   * Sent as `gets` lines of up to 100 keys. Source: protocol.txt, "Retrieval
   * command".
   *
   * @param keys The keys.
   * @param options A timeout for all of it, a signal.
   * @returns The hits, by the caller's keys.
   * @throws {MemcacheSerdeError} If stored bytes cannot be read.
   * @throws {MemcacheError} If a server failed; as `getMany`.
   */
  getsMany<T = unknown>(
    keys: Iterable<Key>,
    options?: CommandOptions,
  ): Promise<Map<string, Versioned<T>>>;
  /**
   * Reads a value and sets a new lifetime.
   *
   * Sent as `mg` with `T`, or `gat`. Source: protocol.txt, "Get And Touch".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param ttl The lifetime from now on, in seconds or as a `Date`.
   * @param options The default, a timeout, a signal.
   * @returns The value, or on a miss the default or `undefined`.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  gat<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: GetOptions<T>,
  ): Promise<T | undefined>;
  /**
   * Reads a value with its CAS unique and sets a new lifetime.
   *
   * Sent as `mg` with `T`, or `gats`. Source: protocol.txt, "Get And Touch".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param ttl The lifetime from now on, in seconds or as a `Date`.
   * @param options A timeout, a signal.
   * @returns Value and CAS unique, or `undefined` on a miss.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  gats<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: CommandOptions,
  ): Promise<Versioned<T> | undefined>;
  /**
   * Asks whether a key is stored.
   *
   * Sent as `mg` without its value, or as `get`. Source: protocol.txt, "Meta
   * Get".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options A timeout, a signal.
   * @returns Whether there is such an item.
   */
  has(key: Key, options?: CommandOptions): Promise<boolean>;
  /**
   * Stores a value, whatever was there.
   *
   * Bytes are those of the call, but for 24 KiB and more: these are sent from
   * where they lie, and must stay as they are until the promise settles.
   *
   * Source: protocol.txt, "Storage commands".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the client's serde can store.
   * @param options Lifetime, flags, noreply, a timeout, a signal.
   * @returns `true`; `false` where a proxy answers `NOT_STORED`.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   * @throws {MemcacheServerError} If the value is too large; what was stored
   * under the key before is gone then.
   */
  set(key: Key, value: unknown, options?: StoreOptions): Promise<boolean>;
  /**
   * Stores a value if the key has none.
   *
   * Source: protocol.txt, "Storage commands".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the client's serde can store.
   * @param options Lifetime, flags, noreply, a timeout, a signal.
   * @returns `false` when the key has a value already.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  add(key: Key, value: unknown, options?: StoreOptions): Promise<boolean>;
  /**
   * Stores a value if the key has one.
   *
   * Source: protocol.txt, "Storage commands".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the client's serde can store.
   * @param options Lifetime, flags, noreply, a timeout, a signal.
   * @returns `false` when the key has no value.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  replace(key: Key, value: unknown, options?: StoreOptions): Promise<boolean>;
  /**
   * Adds bytes behind the stored ones; flags and lifetime stay as they are.
   *
   * The value goes through the serde: with `jsonSerde` append text to text.
   * Source: protocol.txt, "Storage commands".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the client's serde can store.
   * @param options Noreply, a timeout, a signal.
   * @returns `false` when the key has no value, or the sum is too large.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  append(key: Key, value: unknown, options?: StoreOptions): Promise<boolean>;
  /**
   * Adds bytes before the stored ones; flags and lifetime stay as they are.
   *
   * Source: protocol.txt, "Storage commands".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the client's serde can store.
   * @param options Noreply, a timeout, a signal.
   * @returns `false` when the key has no value, or the sum is too large.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  prepend(key: Key, value: unknown, options?: StoreOptions): Promise<boolean>;
  /**
   * Stores a value if the item has not changed since its CAS unique was read.
   *
   * Source: protocol.txt, "Storage commands".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the client's serde can store.
   * @param cas The CAS unique, 0 to 2^64 - 1; text in decimal digits.
   * @param options Lifetime, flags, noreply, a timeout, a signal.
   * @returns `true` when stored, `false` when the item has changed, `undefined`
   * when it is gone.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  cas(
    key: Key,
    value: unknown,
    cas: bigint | number | string,
    options?: StoreOptions,
  ): Promise<boolean | undefined>;
  /**
   * Stores many values, pipelined.
   *
   * Source: protocol.txt, "Storage commands".
   *
   * @param entries Pairs of key and value, or a plain object.
   * @param options Lifetime and flags of all, noreply, a timeout, a signal.
   * @returns The caller's keys that the server did not store.
   * @throws {MemcacheError} If the connection failed; `failedKeys` has the keys
   * that are not known to be stored.
   */
  setMany(
    entries: Iterable<readonly [Key, unknown]>,
    options?: StoreOptions,
  ): Promise<string[]>;
  /** Stores many values, also those of an object's own properties. */
  setMany(
    entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
    options?: StoreOptions,
  ): Promise<string[]>;
  /**
   * Deletes an item.
   *
   * Source: protocol.txt, "Deletion".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options Noreply, a timeout, a signal.
   * @returns Whether there was such an item.
   */
  delete(key: Key, options?: NoreplyOptions): Promise<boolean>;
  /**
   * Deletes many items, pipelined.
   *
   * Source: protocol.txt, "Deletion".
   *
   * @param keys The keys.
   * @param options Noreply, a timeout for all of it, a signal.
   * @returns `true`, once all are acknowledged.
   * @throws {MemcacheError} If the connection failed; `failedKeys` has the keys
   * that are not known to be deleted.
   */
  deleteMany(keys: Iterable<Key>, options?: NoreplyOptions): Promise<true>;
  /**
   * Adds to a counter; past 2^64 - 1 it starts again at 0.
   *
   * Source: protocol.txt, "Increment/Decrement".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param delta 0 to 2^64 - 1; its type is the type of the result. Default 1.
   * @param options A value to begin with, noreply, a timeout, a signal.
   * @returns The new value, or `undefined` on a miss.
   * @throws {MemcacheNonNumericError} If the stored value is no number.
   * @throws {MemcacheSerdeError} If the result is past 2^53 - 1 and the delta is
   * a number.
   */
  incr<D extends number | bigint = number>(
    key: Key,
    delta?: D,
    options?: CountOptions,
  ): Promise<(D extends bigint ? bigint : number) | undefined>;
  /**
   * Takes from a counter; below 0 it stays at 0.
   *
   * Source: protocol.txt, "Increment/Decrement".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param delta 0 to 2^64 - 1; its type is the type of the result. Default 1.
   * @param options A value to begin with, noreply, a timeout, a signal.
   * @returns The new value, or `undefined` on a miss.
   * @throws {MemcacheNonNumericError} If the stored value is no number.
   * @throws {MemcacheSerdeError} If the result is past 2^53 - 1 and the delta is
   * a number.
   */
  decr<D extends number | bigint = number>(
    key: Key,
    delta?: D,
    options?: CountOptions,
  ): Promise<(D extends bigint ? bigint : number) | undefined>;
  /**
   * Sets a new lifetime without reading the value.
   *
   * Source: protocol.txt, "Touch".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param ttl The lifetime from now on, in seconds or as a `Date`.
   * @param options Noreply, a timeout, a signal.
   * @returns Whether there is such an item.
   */
  touch(key: Key, ttl: Ttl, options?: NoreplyOptions): Promise<boolean>;
  /** The meta protocol as it is: its commands with all of their flags. */
  readonly meta: MetaCommands;
  /**
   * Lets go of the connections at once. What is pending fails with a
   * {@linkcode MemcacheUnexpectedCloseError}; the next command connects again.
   */
  disconnect(): Promise<void>;
  /**
   * Closes the client for good. What is pending rejects at once, as later
   * commands do (`code` is `"ERR_CLIENT_CLOSED"`). Closing twice is fine.
   */
  close(): Promise<void>;
}
