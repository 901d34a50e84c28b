/**
 * A storage adapter for [Keyv](https://keyv.org), and so for what builds on it,
 * such as `cache-manager`. An entry of its own that imports neither.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { KeyvMemcache } from "@x/memcache/keyv";
 * import Keyv from "keyv";
 *
 * const client = new Client("localhost");
 * const keyv = new Keyv({ store: new KeyvMemcache(client), namespace: "app" });
 * await keyv.disconnect();
 * await client.close();
 * ```
 *
 * @module
 */

import type { KeyCommands } from "../client/commands.ts";
import { checkClient } from "./checks.ts";
import { deleteAll, toSeconds } from "./keys.ts";

export type { KeyCommands };

/** An item as Keyv hands it over. */
export interface KeyvMemcacheEntry {
  /** The key, with Keyv's namespace before it. */
  readonly key: string;
  /** What Keyv has made of the value. */
  readonly value: unknown;
  /** Milliseconds that it is for; it does not expire if absent. */
  readonly ttl?: number | undefined;
}

/**
 * Keeps the items of a Keyv in memcached.
 *
 * - Memcached counts whole seconds, and by a clock that ticks once a second. A
 *   lifetime is rounded up, with a second on top, so that no item goes early;
 *   Keyv itself compares the end to the millisecond, so that none is seen late.
 *   That is why there is no `has` here: Keyv's own one compares, too.
 * - Keyv puts its namespace and a colon before each key. The result has to be a
 *   key of memcached: 250 bytes, no blanks; give the client a `keyEncoder`, such
 *   as `sha256Keys`, where yours may be others.
 * - `clear` lists the keys of the namespace (`client.keys`) and deletes them; it
 *   is for maintenance. It finds no key that a `keyEncoder` has made, and with
 *   Keyv's `useKeyPrefix: false` none that does not begin with the namespace.
 *   Items that are stored meanwhile may stay.
 * - Keyv has iterators only for the databases that it lists, and memcached is
 *   none of them: `keyv.iterator` is `undefined`, `client.keys` lists.
 * - A store or a delete that fails makes Keyv emit `error` and answer `false`; a
 *   `get` that fails is a miss to Keyv, unless `throwOnErrors` is set. The
 *   client's `onError` sees all of them.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { KeyvMemcache } from "@x/memcache/keyv";
 * import { MemcachedServer } from "@x/memcache/testing";
 * import Keyv from "keyv";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * const keyv = new Keyv({ store: new KeyvMemcache(client), namespace: "app" });
 * await keyv.set("user:1", { name: "Ada" }, 60_000); // milliseconds
 * console.log(await keyv.get("user:1")); // { name: "Ada" }
 * console.log(await client.has("app:user:1")); // true
 * await client.close();
 * await server.close();
 * ```
 */
export class KeyvMemcache {
  /** What Keyv and its users may write to; nothing here reads it. */
  readonly opts: Record<string, unknown> = {};
  /** Keyv's namespace: Keyv sets it, and `clear` keeps to it. */
  namespace: string | undefined = undefined;
  readonly #client: KeyCommands;

  /**
   * Makes a storage adapter around a client.
   *
   * @param client Any client, or a namespace of one; it stays the caller's.
   * @throws {MemcacheIllegalInputError} If it is no client.
   */
  constructor(client: KeyCommands) {
    checkClient(client, "getMany");
    this.#client = client;
  }

  /**
   * Reads an item.
   *
   * @param key The key, with the namespace before it.
   * @returns What was stored, `undefined` on a miss.
   */
  get<Value>(key: string): Promise<Value | undefined> {
    return this.#client.get<Value>(key);
  }

  /**
   * Reads many items in one write to each server.
   *
   * @param keys The keys, with the namespace before them.
   * @returns What was stored, in the order of the keys, `undefined` for misses.
   */
  async getMany<Value>(keys: string[]): Promise<Array<Value | undefined>> {
    const found = await this.#client.getMany<Value>(keys);
    return keys.map((key) => found.get(key));
  }

  /**
   * Stores an item.
   *
   * @param key The key, with the namespace before it.
   * @param value What Keyv has made of the value.
   * @param ttl Milliseconds that it is for; it does not expire if absent.
   * @returns Whether it was stored.
   */
  set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    return this.#client.set(key, value, { ttl: toSeconds(ttl) });
  }

  /**
   * Stores many items, sent together, each with a lifetime of its own.
   *
   * @param entries The items.
   * @returns Whether each of them was stored, in their order.
   */
  async setMany(entries: readonly KeyvMemcacheEntry[]): Promise<boolean[]> {
    return await all(
      entries.map(({ key, value, ttl }) => this.set(key, value, ttl)),
    );
  }

  /**
   * Deletes an item.
   *
   * @param key The key, with the namespace before it.
   * @returns Whether it was there.
   */
  delete(key: string): Promise<boolean> {
    return this.#client.delete(key);
  }

  /**
   * Deletes many items, sent together.
   *
   * @param keys The keys, with the namespace before them.
   * @returns Whether all of them were there.
   */
  async deleteMany(keys: string[]): Promise<boolean> {
    const deleted = await all(keys.map((key) => this.#client.delete(key)));
    return deleted.every(Boolean);
  }

  /** Deletes what is in the namespace: one listing of all keys. */
  async clear(): Promise<void> {
    const { namespace } = this;
    await deleteAll(this.#client, namespace ? `${namespace}:` : "");
  }

  /** Lets go of the client's connections; the next command opens them again. */
  disconnect(): Promise<void> {
    return this.#client.disconnect();
  }
}

/** The results of calls; all of them have come to an end if one has failed. */
async function all<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(calls);
  return await Promise.all(calls);
}
