/**
 * The commands on keys that every client has: their names, arguments and
 * meanings.
 *
 * @module
 */

import type { CacheCommands } from "../cache/commands.ts";
import type { CommandOptions, Item, Key, Ttl } from "../types.ts";
import type {
  CountOptions,
  GetOptions,
  NoreplyOptions,
  StoreOptions,
  Versioned,
} from "./command_options.ts";
import type { HelperCommands } from "./helper_commands.ts";
import type { InsightCommands } from "./insight_commands.ts";
import type { ListingCommands } from "./listing_commands.ts";
import type { MetaCommands } from "./meta_commands.ts";

export type {
  CountOptions,
  GetOptions,
  NoreplyOptions,
  StoreOptions,
  Versioned,
} from "./command_options.ts";
export type {
  HelperCommands,
  InvalidateOptions,
  UpdateOptions,
  Updater,
} from "./helper_commands.ts";
export type {
  ClientMetrics,
  Explanation,
  InsightCommands,
} from "./insight_commands.ts";
export type { Feed } from "./feed.ts";
export type {
  KeyEntry,
  KeysOptions,
  ListingCommands,
} from "./listing_commands.ts";

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
export interface KeyCommands
  extends ListingCommands, HelperCommands, CacheCommands, InsightCommands {
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
   * Reads a value with its flags, its CAS unique, and the changes that happen
   * only if nobody else has changed the item since: see {@linkcode Item}.
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
   * Makes a namespace: a view of this client whose keys have a prefix of their
   * own, and can all be invalidated at once. It opens nothing, and sends nothing
   * before its first command; make one and keep it.
   *
   * @param prefix Put before its keys, at least 1 byte. With the version behind
   * it, it takes its length and 17 bytes of the 250 that a key may have.
   * @returns The namespace. See {@linkcode Namespace}.
   * @throws {MemcacheIllegalInputError} If the prefix cannot be in a key.
   */
  namespace(prefix: string): Namespace;
  /**
   * Waits until the servers have done all that was sent before. What has become
   * of commands with `noreply` has been told to `onError` by then, as far as the
   * servers say it; what this client was still to send is sent before.
   *
   * Sent as `mn`, or as `version` where the server speaks no meta, on every
   * connection that is open or being opened; nothing is opened for it. Source:
   * protocol.txt, "Meta No-Op".
   *
   * @param options A timeout, a signal.
   * @throws {MemcacheUnexpectedCloseError} If a connection was lost: what
   * became of the commands on it is not known.
   */
  flush(options?: CommandOptions): Promise<void>;
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

/**
 * A view of a client: the same commands over the same connections, on keys of
 * its own. `invalidateAll` makes all of its items misses, for all clients.
 *
 * - The key of an item is `<prefix><version>:<key>`. The version, 16 letters and
 *   digits, is an item itself, with the key `<prefix>@version`; it is made when
 *   there is none. An empty key is refused.
 * - Every call goes out under the version that is known, and in the same write
 *   the server is asked for the version it has: one small read for each call,
 *   shared by all calls that are sent together. If there is a newer version, the
 *   call is carried out again under that one. A call that begins after
 *   `invalidateAll` has resolved, in whatever process, sees nothing that was
 *   stored before it. Only the first call takes a round trip more.
 * - A command that runs at the same time as an invalidation may be carried out
 *   twice, under the old version and under the new one, where nobody sees the
 *   old one. It may be overtaken by a later command then; await those whose
 *   order matters. Values must stay as they are until the call settles, and a
 *   serde may be asked twice.
 * - What `getOrSet` loads belongs to the version under which the load began: no
 *   call that begins after an invalidation is served by it. So do items: their
 *   methods answer as for an item that is gone.
 * - With `noreply` the call waits for the version all the same, not for the
 *   store.
 * - Without the version nothing is known: a call whose version cannot be read
 *   fails, or is a miss with `errorsAsMisses`; `getOrSet` loads then.
 * - Should the server evict or lose the version, or bring back an older one than
 *   this client has seen, a new one is made: the namespace is empty then. Items
 *   of old versions are never seen again; the server drops them in time.
 * - What remains: a cluster's server that was out of the ring may come back with
 *   the version that it had. Clients that have seen a newer one make a new one
 *   at their next call; until then, clients that have not, see items of that
 *   version again. So do clients that disagree about which servers are alive.
 * - On a cluster an item's server is chosen by prefix and key, or by prefix and
 *   routing key, without the version: an invalidation moves nothing. The version
 *   is on one server; each call asks that one and its own at the same time.
 *
 * A namespace in a namespace is invalidated with it. `disconnect` does nothing,
 * and `close` closes the view only: the connections are the client's.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * const users = client.namespace("users:");
 * await users.set("1", { name: "Ada" }, { ttl: 60 });
 * console.log(await users.get("1")); // { name: "Ada" }
 * await users.invalidateAll();
 * console.log(await users.get("1")); // undefined
 * await client.close();
 * await server.close();
 * ```
 */
export interface Namespace extends KeyCommands {
  /** What is put before its keys, those of the namespaces around it included. */
  readonly prefix: string;
  /**
   * Makes all items of the namespace, and of those in it, misses: stores a new
   * version. Takes two round trips, however many items there are.
   *
   * @param options A timeout for all of it, a signal.
   * @throws {MemcacheError} If the new version is not known to be stored.
   */
  invalidateAll(options?: CommandOptions): Promise<void>;
}
