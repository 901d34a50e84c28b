/**
 * `StrictClient`: a miss or a refused store is an error, as in memcached2.
 *
 * @module
 */

import { ClientAround } from "./around.ts";
import { MemcacheNotStoredError } from "./errors.ts";
import type {
  CountOptions,
  GetOptions,
  InvalidateOptions,
  KeyCommands,
  Namespace,
  NoreplyOptions,
  StoreOptions,
  UpdateOptions,
  Updater,
  Versioned,
} from "./client/commands.ts";
import type { GetOrSetOptions, LoadContext } from "./cache/options.ts";
import { namespaced } from "./namespaced.ts";
import {
  changed,
  found,
  notFound,
  stored,
  strictItem,
  valueOf,
} from "./strict/outcomes.ts";
import type { CommandOptions, Item, Key, Ttl } from "./types.ts";

/**
 * A client around another that throws where the other one answers with a miss.
 *
 * - `get`, `getItem`, `gets`, `gat`, `gats`, `getAndTouch`, `peek`, `take`, `ttl`,
 *   `size`: {@linkcode MemcacheNoValueError} on a miss; a `default` is returned
 *   instead where one is given.
 * - `set`, `add`, `replace`, `append`, `prepend`:
 *   {@linkcode MemcacheNotStoredError} when not stored.
 * - `cas`, and all methods of an {@linkcode Item}: {@linkcode MemcacheCasError}
 *   when the item has changed, {@linkcode MemcacheNotFoundError} when it is gone.
 * - `delete`, `touch`, `incr`, `decr`, `invalidate`:
 *   {@linkcode MemcacheNotFoundError}.
 * - `setMany`: {@linkcode MemcacheNotStoredError} with `failedKeys`.
 *
 * `has` and the other calls with many keys answer as ever: a missing key is
 * what they are there to tell. With `noreply` nothing is known, so nothing is
 * thrown.
 *
 * @example
 * ```ts
 * import { Client, MemcacheNoValueError, StrictClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new StrictClient(new Client(server.address));
 * try {
 *   await client.get("nothing");
 * } catch (error) {
 *   console.log(error instanceof MemcacheNoValueError); // true
 * }
 * await client.close();
 * await server.close();
 * ```
 */
export class StrictClient<C extends KeyCommands = KeyCommands>
  extends ClientAround<C>
  implements KeyCommands {
  readonly #client: C;

  /** Wraps a client; closing this one closes it. */
  constructor(client: C) {
    super([client]);
    this.#client = client;
  }

  /** The client that is wrapped. */
  get client(): C {
    return this.#client;
  }

  /**
   * Reads a value.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options The default, a timeout, a signal.
   * @returns The value, or the default.
   * @throws {MemcacheNoValueError} On a miss without a default.
   */
  async get<T = unknown>(
    key: Key,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    return found(await this.#client.get(key, options), options, "get", key);
  }

  /**
   * Reads an item.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options A timeout, a signal.
   * @returns The item.
   * @throws {MemcacheNoValueError} On a miss.
   */
  async getItem<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Item<T>> {
    const item = await this.#client.getItem<T>(key, options);
    return strictItem(valueOf(item, "gets", key));
  }

  /** Reads many values; hits only. See {@linkcode KeyCommands.getMany}. */
  getMany<T = unknown>(
    keys: Iterable<Key>,
    options?: CommandOptions,
  ): Promise<Map<string, T>> {
    return this.#client.getMany(keys, options);
  }

  /**
   * Reads a value and its version.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options A timeout, a signal.
   * @returns Value and CAS unique.
   * @throws {MemcacheNoValueError} On a miss.
   */
  async gets<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Versioned<T>> {
    return valueOf(await this.#client.gets<T>(key, options), "gets", key);
  }

  /** Reads many with versions. See {@linkcode KeyCommands.getsMany}. */
  getsMany<T = unknown>(
    keys: Iterable<Key>,
    options?: CommandOptions,
  ): Promise<Map<string, Versioned<T>>> {
    return this.#client.getsMany(keys, options);
  }

  /**
   * Reads a value and touches it.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param ttl The lifetime from now on, in seconds or as a `Date`.
   * @param options The default, a timeout, a signal.
   * @returns The value, or the default.
   * @throws {MemcacheNoValueError} On a miss without a default.
   */
  async gat<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    const value = await this.#client.gat(key, ttl, options);
    return found(value, options, "gat", key);
  }

  /**
   * Reads a value and its version, and touches it.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param ttl The lifetime from now on, in seconds or as a `Date`.
   * @param options A timeout, a signal.
   * @returns Value and CAS unique.
   * @throws {MemcacheNoValueError} On a miss.
   */
  async gats<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: CommandOptions,
  ): Promise<Versioned<T>> {
    return valueOf(await this.#client.gats<T>(key, ttl, options), "gats", key);
  }

  /** Asks whether a key is stored. See {@linkcode KeyCommands.has}. */
  has(key: Key, options?: CommandOptions): Promise<boolean> {
    return this.#client.has(key, options);
  }

  /**
   * Stores a value.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the wrapped client's serde can store.
   * @param options Lifetime, flags, noreply, a timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheNotStoredError} If a proxy refuses it.
   */
  async set(key: Key, value: unknown, options?: StoreOptions): Promise<true> {
    return stored(await this.#client.set(key, value, options), "set", key);
  }

  /**
   * Stores a value where there is none.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the wrapped client's serde can store.
   * @param options Lifetime, flags, noreply, a timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheNotStoredError} If there is one.
   */
  async add(key: Key, value: unknown, options?: StoreOptions): Promise<true> {
    return stored(await this.#client.add(key, value, options), "add", key);
  }

  /**
   * Stores a value where there is one.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the wrapped client's serde can store.
   * @param options Lifetime, flags, noreply, a timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheNotStoredError} If there is none.
   */
  async replace(
    key: Key,
    value: unknown,
    options?: StoreOptions,
  ): Promise<true> {
    return stored(
      await this.#client.replace(key, value, options),
      "replace",
      key,
    );
  }

  /**
   * Adds bytes behind a value.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the wrapped client's serde can store.
   * @param options Noreply, a timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheNotStoredError} If there is none, or no room.
   */
  async append(
    key: Key,
    value: unknown,
    options?: StoreOptions,
  ): Promise<true> {
    return stored(
      await this.#client.append(key, value, options),
      "append",
      key,
    );
  }

  /**
   * Adds bytes before a value.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the wrapped client's serde can store.
   * @param options Noreply, a timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheNotStoredError} If there is none, or no room.
   */
  async prepend(
    key: Key,
    value: unknown,
    options?: StoreOptions,
  ): Promise<true> {
    return stored(
      await this.#client.prepend(key, value, options),
      "prepend",
      key,
    );
  }

  /**
   * Stores a value if the item has not changed.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param value What the wrapped client's serde can store.
   * @param cas The CAS unique, 0 to 2^64 - 1; text in decimal digits.
   * @param options Lifetime, flags, noreply, a timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheCasError} If it has.
   * @throws {MemcacheNotFoundError} If it is gone.
   */
  async cas(
    key: Key,
    value: unknown,
    cas: bigint | number | string,
    options?: StoreOptions,
  ): Promise<true> {
    const outcome = await this.#client.cas(key, value, cas, options);
    if (outcome === true) return true;
    throw outcome === undefined ? notFound("cas", key) : changed("cas", key);
  }

  /**
   * Stores many values.
   *
   * @param entries Pairs of key and value, or a plain object.
   * @param options Lifetime and flags of all, noreply, a timeout, a signal.
   * @returns An empty array.
   * @throws {MemcacheNotStoredError} If one was refused; `failedKeys` has them.
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
  async setMany(
    entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
    options?: StoreOptions,
  ): Promise<string[]> {
    const refused = await this.#client.setMany(entries, options);
    if (refused.length === 0) return refused;
    const error = new MemcacheNotStoredError(
      `Cannot store ${refused.length} of the values: the server refused them, see failedKeys`,
      { command: "set", sent: true },
    );
    error.failedKeys = Object.freeze(refused);
    throw error;
  }

  /**
   * Deletes an item.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options Noreply, a timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheNotFoundError} If there is none.
   */
  async delete(key: Key, options?: NoreplyOptions): Promise<true> {
    if (await this.#client.delete(key, options)) return true;
    throw notFound("delete", key);
  }

  /** Deletes many items. See {@linkcode KeyCommands.deleteMany}. */
  deleteMany(keys: Iterable<Key>, options?: NoreplyOptions): Promise<true> {
    return this.#client.deleteMany(keys, options);
  }

  /**
   * Adds to a counter.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param delta 0 to 2^64 - 1; its type is the type of the result. Default 1.
   * @param options A value to begin with, noreply, a timeout, a signal.
   * @returns The new value; `undefined` with `noreply`.
   * @throws {MemcacheNotFoundError} If there is none, and no `initial`.
   */
  async incr<D extends number | bigint = number>(
    key: Key,
    delta?: D,
    options?: CountOptions,
  ): Promise<(D extends bigint ? bigint : number) | undefined> {
    const count = await this.#client.incr(key, delta, options);
    if (count !== undefined || options?.noreply) return count;
    throw notFound("incr", key);
  }

  /**
   * Takes from a counter.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param delta 0 to 2^64 - 1; its type is the type of the result. Default 1.
   * @param options A value to begin with, noreply, a timeout, a signal.
   * @returns The new value; `undefined` with `noreply`.
   * @throws {MemcacheNotFoundError} If there is none, and no `initial`.
   */
  async decr<D extends number | bigint = number>(
    key: Key,
    delta?: D,
    options?: CountOptions,
  ): Promise<(D extends bigint ? bigint : number) | undefined> {
    const count = await this.#client.decr(key, delta, options);
    if (count !== undefined || options?.noreply) return count;
    throw notFound("decr", key);
  }

  /**
   * Sets a new lifetime.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param ttl The lifetime from now on, in seconds or as a `Date`.
   * @param options Noreply, a timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheNotFoundError} If there is no such item.
   */
  async touch(key: Key, ttl: Ttl, options?: NoreplyOptions): Promise<true> {
    if (await this.#client.touch(key, ttl, options)) return true;
    throw notFound("touch", key);
  }

  /** Tells what is left. See {@linkcode HelperCommands.ttl}. */
  async ttl(key: Key, options?: CommandOptions): Promise<number> {
    return valueOf(await this.#client.ttl(key, options), "mg", key);
  }

  /** Tells how large it is. See {@linkcode HelperCommands.size}. */
  async size(key: Key, options?: CommandOptions): Promise<number> {
    return valueOf(await this.#client.size(key, options), "mg", key);
  }

  /** Reads without a trace. See {@linkcode HelperCommands.peek}. */
  async peek<T = unknown>(
    key: Key,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    return found(await this.#client.peek(key, options), options, "mg", key);
  }

  /** Reads for the last time. See {@linkcode HelperCommands.take}. */
  async take<T = unknown>(
    key: Key,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    return found(await this.#client.take(key, options), options, "mg", key);
  }

  /** Reads and touches. See {@linkcode HelperCommands.getAndTouch}. */
  getAndTouch<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    return this.gat(key, ttl, options);
  }

  /** Marks as stale. See {@linkcode HelperCommands.invalidate}. */
  async invalidate(key: Key, options?: InvalidateOptions): Promise<true> {
    if (await this.#client.invalidate(key, options)) return true;
    throw notFound("md", key);
  }

  /** Changes by a function. See {@linkcode HelperCommands.update}. */
  update<T = unknown>(
    key: Key,
    fn: Updater<T>,
    options?: UpdateOptions,
  ): Promise<T | undefined> {
    return this.#client.update(key, fn, options);
  }

  /**
   * Makes a namespace that is as strict. See {@linkcode KeyCommands.namespace}.
   *
   * @param prefix Put before its keys.
   * @returns A client around the namespace of the wrapped client.
   */
  namespace(prefix: string): StrictClient<Namespace> & Namespace {
    const view = this.#client.namespace(prefix);
    return namespaced(new StrictClient(view), [view]);
  }

  /** Reads a value, or loads it. See {@linkcode KeyCommands.getOrSet}. */
  getOrSet<T>(
    key: Key,
    load: (key: string, context: LoadContext) => T | Promise<T>,
    options?: GetOrSetOptions,
  ): Promise<T> {
    return this.#client.getOrSet(key, load, options);
  }
}
