/**
 * A driver for [unstorage](https://unstorage.unjs.io), the storage of Nitro and
 * Nuxt. An entry of its own that does not import it.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { memcacheDriver } from "@x/memcache/unstorage";
 * import { createStorage } from "unstorage";
 *
 * const client = new Client("localhost");
 * const storage = createStorage({ driver: memcacheDriver({ client }) });
 * await storage.dispose();
 * await client.close();
 * ```
 *
 * @module
 */

import type { KeyCommands } from "../client/commands.ts";
import type { Ttl } from "../types.ts";
import { toExptime } from "../wire/ttl.ts";
import { checkClient, checkText } from "./checks.ts";
import { deleteAll, listKeys } from "./keys.ts";

export type { KeyCommands, Ttl };

/** Options of {@linkcode memcacheDriver}. */
export interface MemcacheDriverOptions {
  /** Any client, or a namespace of one; it stays the caller's. */
  client: KeyCommands;
  /**
   * What is put before each key, with a colon behind it.
   *
   * @default {""}
   */
  base?: string;
  /**
   * Seconds that items are kept, 0 for as long as there is memory; `ttl` among
   * the options of `setItem` and `setItems` goes before it.
   *
   * @default {0}
   */
  ttl?: Ttl;
}

/** What unstorage hands on of a call's options. */
export interface MemcacheItemOptions {
  /** Seconds that the item is kept; the driver's own are used if absent. */
  ttl?: Ttl;
}

/** One item of a call about many. */
export interface MemcacheDriverItem {
  /** The key, as unstorage writes it. */
  key: string;
  /** Options of this item. */
  options?: MemcacheItemOptions;
}

/** The driver, in the form that unstorage asks for. */
export interface MemcacheDriver {
  /** Its name, "memcache". */
  readonly name: string;
  /** What it was made with. */
  readonly options: MemcacheDriverOptions;
  /**
   * Returns the client.
   *
   * @returns The client.
   */
  getInstance(): KeyCommands;
  /**
   * Tells whether there is an item.
   *
   * @param key The key, as unstorage writes it.
   * @returns Whether it is there.
   */
  hasItem(key: string): Promise<boolean>;
  /**
   * Reads an item.
   *
   * @param key The key, as unstorage writes it.
   * @returns What is stored, `null` on a miss.
   */
  getItem(key: string): Promise<MemcacheStored>;
  /**
   * Reads many items in one write to each server.
   *
   * @param items The keys.
   * @returns The items in the order of the keys, `null` for misses.
   */
  getItems(
    items: readonly MemcacheDriverItem[],
  ): Promise<Array<{ key: string; value: MemcacheStored }>>;
  /**
   * Reads an item as it was stored, bytes among them.
   *
   * @param key The key, as unstorage writes it.
   * @returns What is stored, `null` on a miss.
   */
  getItemRaw(key: string): Promise<unknown>;
  /**
   * Stores an item.
   *
   * @param key The key, as unstorage writes it.
   * @param value The text that unstorage has made of the value.
   * @param options Seconds that it is kept.
   */
  setItem(
    key: string,
    value: string,
    options?: MemcacheItemOptions,
  ): Promise<void>;
  /**
   * Stores many items, sent together.
   *
   * @param items Keys, texts, and options of each.
   * @param options Those of all that have none of their own.
   */
  setItems(
    items: ReadonlyArray<MemcacheDriverItem & { value: string }>,
    options?: MemcacheItemOptions,
  ): Promise<void>;
  /**
   * Stores an item as the client's serde does, bytes as bytes.
   *
   * @param key The key, as unstorage writes it.
   * @param value What the client's serde can store.
   * @param options Seconds that it is kept.
   */
  setItemRaw(
    key: string,
    value: unknown,
    options?: MemcacheItemOptions,
  ): Promise<void>;
  /**
   * Deletes an item.
   *
   * @param key The key, as unstorage writes it.
   */
  removeItem(key: string): Promise<void>;
  /**
   * Tells how many seconds an item has left.
   *
   * @param key The key, as unstorage writes it.
   * @returns The seconds as `ttl`, which an item without an end has not; `null`
   * on a miss.
   */
  getMeta(key: string): Promise<{ ttl?: number } | null>;
  /**
   * Lists the keys that begin with a base.
   *
   * @param base How the keys begin.
   * @returns The keys, in no order.
   */
  getKeys(base?: string): Promise<string[]>;
  /**
   * Deletes the keys that begin with a base.
   *
   * @param base How the keys begin.
   */
  clear(base?: string): Promise<void>;
  /** Lets go of the client's connections; the next command opens them again. */
  dispose(): Promise<void>;
}

/** What a driver of unstorage may answer. */
export type MemcacheStored = string | number | boolean | object | null;

/**
 * Makes a driver for unstorage that keeps its items in memcached.
 *
 * - Keys are those of unstorage (`a:b:c`), behind `base`. They have to be keys
 *   of memcached: 250 bytes, no blanks; give the client a `keyEncoder`, such as
 *   `sha256Keys`, where yours may be others.
 * - `ttl` is in seconds, as with unstorage's other drivers. Memcached's clock
 *   ticks once a second: an item may go up to a second early.
 * - `getKeys` and `clear` list the keys of the servers (`client.keys`): they are
 *   for maintenance, and do not find keys that a `keyEncoder` has made.
 * - `setItemRaw` stores what the client's serde stores: bytes and values come
 *   back as what they were, where `setItem` makes text of them.
 * - A store that the server refuses, and a server that cannot be reached, reject
 *   the call, as with unstorage's other drivers.
 *
 * `getMeta` needs a server with meta commands to tell of the `ttl`.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 * import { memcacheDriver } from "@x/memcache/unstorage";
 * import { createStorage } from "unstorage";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * const storage = createStorage({
 *   driver: memcacheDriver({ client, base: "app", ttl: 3600 }),
 * });
 * await storage.setItem("users:1", { name: "Ada" }, { ttl: 60 });
 * console.log(await storage.getItem("users:1")); // { name: "Ada" }
 * console.log(await storage.getKeys("users")); // ["users:1"]
 * console.log(await client.has("app:users:1")); // true
 * await client.close();
 * await server.close();
 * ```
 *
 * @param options The client, and what is put before keys.
 * @returns The driver, for `createStorage` or `storage.mount`.
 * @throws {MemcacheIllegalInputError} If an option cannot be used.
 */
export function memcacheDriver(options: MemcacheDriverOptions): MemcacheDriver {
  const { client, ttl = 0 } = options;
  checkClient(client, "getMany");
  checkText("base", options.base ?? "");
  toExptime(ttl, Date.now() / 1000);
  const base = (options.base ?? "").replace(/:+$/, "");
  const prefix = base === "" ? "" : `${base}:`;

  async function store(
    key: string,
    value: unknown,
    itemOptions: MemcacheItemOptions | undefined,
    commonOptions?: MemcacheItemOptions,
  ): Promise<void> {
    const lifetime = itemOptions?.ttl ?? commonOptions?.ttl ?? ttl;
    const isStored = await client.set(prefix + key, value, { ttl: lifetime });
    if (!isStored) throw new Error("Cannot store item: the server refused it");
  }

  async function read(key: string): Promise<MemcacheStored> {
    return await client.get<NonNullable<MemcacheStored>>(prefix + key) ?? null;
  }

  return {
    name: "memcache",
    options,
    getInstance: () => client,
    hasItem: (key) => client.has(prefix + key),
    getItem: read,
    async getItems(items) {
      const keys = items.map(({ key }) => prefix + key);
      const found = await client.getMany<NonNullable<MemcacheStored>>(keys);
      return items.map(({ key }) => ({
        key,
        value: found.get(prefix + key) ?? null,
      }));
    },
    getItemRaw: read,
    setItem: (key, value, itemOptions) => store(key, value, itemOptions),
    async setItems(items, commonOptions) {
      const stores = items.map(({ key, value, options: itemOptions }) =>
        store(key, value, itemOptions, commonOptions)
      );
      await Promise.allSettled(stores);
      await Promise.all(stores);
    },
    setItemRaw: (key, value, itemOptions) => store(key, value, itemOptions),
    async removeItem(key) {
      await client.delete(prefix + key);
    },
    async getMeta(key) {
      const left = await client.ttl(prefix + key);
      if (left === undefined) return null;
      return left < 0 ? {} : { ttl: left };
    },
    async getKeys(of) {
      const keys = await listKeys(client, prefix + (of ?? ""));
      return keys.map((key) => key.slice(prefix.length));
    },
    clear: (of) => deleteAll(client, prefix + (of ?? "")),
    dispose: () => client.disconnect(),
  };
}
