/**
 * `FallbackClient`: reads walk a list of clients, writes go to the first.
 *
 * @module
 */

import { ClientAround } from "./around.ts";
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
import { moveOn, NO_CAS } from "./client/item.ts";
import type { GetOrSetOptions, LoadContext } from "./cache/options.ts";
import { MemcacheError, MemcacheIllegalInputError } from "./errors.ts";
import { namespaced } from "./namespaced.ts";
import {
  foreign,
  inOrder,
  textOf,
  timeLeft,
  withoutDefault,
} from "./fallback/walk.ts";
import type { CommandOptions, Item, Key, Ttl } from "./types.ts";

/**
 * A client around several: what the first does not have is read from the next.
 * For the time in which a new cluster is empty, and the old one is still there.
 *
 * - Reads ask the clients in their order; the first hit wins. Many-key reads ask
 *   the next client for the keys that are still missing.
 * - Everything else goes to the first client only. Nothing is ever written to
 *   the others, nor copied from them: `gat`, `gats` and `getAndTouch` touch in the
 *   first, and read from the others; `take` takes from the first alone; `update`
 *   adds to the first what it makes of a value of another. What is deleted from the first is read from the next,
 *   if that has it.
 * - `getOrSet` is the first client's, which loads what the others do not have.
 * - An error of one client ends the call: it is no miss. With the option
 *   `errorsAsMisses` of a client it is, and the next one is asked.
 * - A value of another client than the first comes with the `cas` 0, which no
 *   item has: a `cas` with it stores nothing, and answers `undefined` as long as
 *   the first has no such item: then `add`. The methods of such an item are
 *   refused.
 * - A `timeout` given with a call is for all clients together; without one, each
 *   has its own.
 * - `flush`, `disconnect` and `close` are for all of them; commands for a server are those
 *   of `clients`.
 *
 * @example
 * ```ts
 * import { Client, FallbackClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const [warm, cold] = [await MemcachedServer.start(), await MemcachedServer.start()];
 * const old = new Client(warm.address, { errorsAsMisses: true });
 * await old.set("user:1", "Ada");
 *
 * const client = new FallbackClient([new Client(cold.address), old]);
 * console.log(await client.get("user:1")); // "Ada", from the old one
 * await client.set("user:1", "Ada L."); // to the new one
 * console.log(await old.get("user:1")); // "Ada"
 * await client.close(); // both
 * await warm.close();
 * await cold.close();
 * ```
 */
export class FallbackClient<C extends KeyCommands = KeyCommands>
  extends ClientAround<C>
  implements KeyCommands {
  readonly #clients: readonly C[];

  /**
   * Takes the clients, at least one; closing this one closes them.
   *
   * @throws {MemcacheIllegalInputError} If there is none.
   */
  constructor(clients: Iterable<C>) {
    const given: unknown = clients;
    const list = typeof given === "object" && given !== null &&
        Symbol.iterator in given
      ? [...clients]
      : [];
    if (list.length === 0) {
      throw new MemcacheIllegalInputError(
        "Cannot use list of clients: it must have at least one",
        { sent: false },
      );
    }
    super(list);
    this.#clients = Object.freeze(list);
  }

  /** The clients, in the order in which reads ask them. */
  get clients(): readonly C[] {
    return this.#clients;
  }

  /**
   * Makes a namespace over those of the clients: each has a version of its own,
   * and `invalidateAll` changes them all. See {@linkcode KeyCommands.namespace}.
   *
   * @param prefix Put before its keys.
   * @returns A client around the namespaces.
   */
  namespace(prefix: string): FallbackClient<Namespace> & Namespace {
    const views = this.#clients.map((client) => client.namespace(prefix));
    return namespaced(new FallbackClient(views), views);
  }

  /** Reads a value of the first that has it. See {@linkcode KeyCommands.get}. */
  async get<T = unknown>(
    key: Key,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    const value = await this.#walk(
      withoutDefault(options),
      (client, left) => client.get<T>(key, left),
    );
    return value === undefined ? options?.default : value;
  }

  /** Reads an item of the first that has it. See {@linkcode KeyCommands.getItem}. */
  getItem<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Item<T> | undefined> {
    return this.#walk(
      options,
      async (client, left) =>
        this.#ownItem(client, await client.getItem<T>(key, left)),
    );
  }

  /** Reads many values, each where it is. See {@linkcode KeyCommands.getMany}. */
  getMany<T = unknown>(
    keys: Iterable<Key>,
    options?: CommandOptions,
  ): Promise<Map<string, T>> {
    return this.#walkMany(
      keys,
      options,
      (client, rest, left) => client.getMany<T>(rest, left),
    );
  }

  /** Reads value and version. See {@linkcode KeyCommands.gets}. */
  gets<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Versioned<T> | undefined> {
    return this.#walk(
      options,
      async (client, left) =>
        this.#own(client, await client.gets<T>(key, left)),
    );
  }

  /** Reads many with versions. See {@linkcode KeyCommands.getsMany}. */
  getsMany<T = unknown>(
    keys: Iterable<Key>,
    options?: CommandOptions,
  ): Promise<Map<string, Versioned<T>>> {
    return this.#walkMany<Versioned<T>>(
      keys,
      options,
      (client, rest, left) => client.getsMany<T>(rest, left),
      foreign,
    );
  }

  /** Reads and touches, in the first only. See {@linkcode KeyCommands.gat}. */
  async gat<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    const value = await this.#walk(
      withoutDefault(options),
      (client, left) =>
        client === this.#first
          ? client.gat<T>(key, ttl, left)
          : client.get<T>(key, left),
    );
    return value === undefined ? options?.default : value;
  }

  /** Reads with version, touches the first's. See {@linkcode KeyCommands.gats}. */
  gats<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: CommandOptions,
  ): Promise<Versioned<T> | undefined> {
    return this.#walk(
      options,
      async (client, left) =>
        this.#own(
          client,
          client === this.#first
            ? await client.gats<T>(key, ttl, left)
            : await client.gets<T>(key, left),
        ),
    );
  }

  /** Asks whether one has the key. See {@linkcode KeyCommands.has}. */
  async has(key: Key, options?: CommandOptions): Promise<boolean> {
    const found = await this.#walk(
      options,
      async (client, left) => await client.has(key, left) || undefined,
    );
    return found ?? false;
  }

  /** Stores in the first. See {@linkcode KeyCommands.set}. */
  set(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#first.set(key, value, options);
  }

  /** Stores in the first if it has none. See {@linkcode KeyCommands.add}. */
  add(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#first.add(key, value, options);
  }

  /** Stores in the first if it has one. See {@linkcode KeyCommands.replace}. */
  replace(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#first.replace(key, value, options);
  }

  /** Adds bytes behind the first's value. See {@linkcode KeyCommands.append}. */
  append(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#first.append(key, value, options);
  }

  /** Adds bytes before the first's value. See {@linkcode KeyCommands.prepend}. */
  prepend(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#first.prepend(key, value, options);
  }

  /** Stores in the first if unchanged there. See {@linkcode KeyCommands.cas}. */
  cas(
    key: Key,
    value: unknown,
    cas: bigint | number | string,
    options?: StoreOptions,
  ): Promise<boolean | undefined> {
    return this.#first.cas(key, value, cas, options);
  }

  /** Stores many values in the first. See {@linkcode KeyCommands.setMany}. */
  setMany(
    entries: Iterable<readonly [Key, unknown]>,
    options?: StoreOptions,
  ): Promise<string[]>;
  /** Stores many values, also those of an object's own properties. */
  setMany(
    entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
    options?: StoreOptions,
  ): Promise<string[]>;
  setMany(
    entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
    options?: StoreOptions,
  ): Promise<string[]> {
    return this.#first.setMany(entries, options);
  }

  /** Deletes from the first. See {@linkcode KeyCommands.delete}. */
  delete(key: Key, options?: NoreplyOptions): Promise<boolean> {
    return this.#first.delete(key, options);
  }

  /** Deletes many from the first. See {@linkcode KeyCommands.deleteMany}. */
  deleteMany(keys: Iterable<Key>, options?: NoreplyOptions): Promise<true> {
    return this.#first.deleteMany(keys, options);
  }

  /** Adds to a counter of the first. See {@linkcode KeyCommands.incr}. */
  incr<D extends number | bigint = number>(
    key: Key,
    delta?: D,
    options?: CountOptions,
  ): Promise<(D extends bigint ? bigint : number) | undefined> {
    return this.#first.incr(key, delta, options);
  }

  /** Takes from a counter of the first. See {@linkcode KeyCommands.decr}. */
  decr<D extends number | bigint = number>(
    key: Key,
    delta?: D,
    options?: CountOptions,
  ): Promise<(D extends bigint ? bigint : number) | undefined> {
    return this.#first.decr(key, delta, options);
  }

  /** Sets a new lifetime in the first. See {@linkcode KeyCommands.touch}. */
  touch(key: Key, ttl: Ttl, options?: NoreplyOptions): Promise<boolean> {
    return this.#first.touch(key, ttl, options);
  }

  /** Tells what is left, where it is. See {@linkcode HelperCommands.ttl}. */
  ttl(key: Key, options?: CommandOptions): Promise<number | undefined> {
    return this.#walk(options, (client, left) => client.ttl(key, left));
  }

  /** Tells how large it is, where it is. See {@linkcode HelperCommands.size}. */
  size(key: Key, options?: CommandOptions): Promise<number | undefined> {
    return this.#walk(options, (client, left) => client.size(key, left));
  }

  /** Reads without a trace. See {@linkcode HelperCommands.peek}. */
  async peek<T = unknown>(
    key: Key,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    const value = await this.#walk(
      withoutDefault(options),
      (client, left) => client.peek<T>(key, left),
    );
    return value === undefined ? options?.default : value;
  }

  /** Takes from the first only. See {@linkcode HelperCommands.take}. */
  take<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined> {
    return this.#first.take(key, options);
  }

  /** Reads, touches in the first. See {@linkcode HelperCommands.getAndTouch}. */
  getAndTouch<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    return this.gat(key, ttl, options);
  }

  /** Marks the first's as stale. See {@linkcode HelperCommands.invalidate}. */
  invalidate(key: Key, options?: InvalidateOptions): Promise<boolean> {
    return this.#first.invalidate(key, options);
  }

  /**
   * Changes in the first by a function, which is given what another has where
   * the first has nothing. See {@linkcode HelperCommands.update}.
   */
  update<T = unknown>(
    key: Key,
    fn: Updater<T>,
    options?: UpdateOptions,
  ): Promise<T | undefined> {
    // The first client knows what is wrong with anything else.
    if (typeof fn !== "function") return this.#first.update(key, fn, options);
    const signal = options?.signal;
    return this.#first.update<T>(key, async (value) => {
      if (value !== undefined) return await fn(value);
      for (const client of this.#clients.slice(1)) {
        const found = await client.get<T>(key, { signal });
        if (found !== undefined) return await fn(found);
      }
      return await fn(undefined);
    }, options);
  }

  /**
   * Reads a value of the first. What that does not have is read from the others,
   * or loaded, once for all who ask. See {@linkcode KeyCommands.getOrSet}.
   */
  getOrSet<T>(
    key: Key,
    load: (key: string, context: LoadContext) => T | Promise<T>,
    options?: GetOrSetOptions,
  ): Promise<T> {
    // The first client knows what is wrong with anything else.
    if (typeof load !== "function") {
      return this.#first.getOrSet(key, load, options);
    }
    return this.#first.getOrSet(key, async (name, context) => {
      const { signal, isRefresh } = context;
      // What the others have is no newer than what is to be loaded anew.
      for (const client of isRefresh ? [] : this.#clients.slice(1)) {
        const found = await client.get<T>(key, { signal });
        if (found !== undefined) return found;
      }
      return await load(name, context);
    }, options);
  }

  get #first(): C {
    return this.#clients[0];
  }

  /** What a client has read, with the `cas` of none if it is not the first's. */
  #own<V extends Versioned<unknown> | undefined>(client: C, found: V): V {
    return found === undefined || client === this.#first
      ? found
      : foreign(found);
  }

  /** The same of an item, whose methods are refused then. */
  #ownItem<I extends Item | undefined>(client: C, found: I): I {
    if (found !== undefined && client !== this.#first) moveOn(found, NO_CAS);
    return found;
  }

  /** Asks one client after another, until one has an answer. */
  async #walk<T, O extends CommandOptions>(
    options: O | undefined,
    read: (client: C, options: O | undefined) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const left = timeLeft(options);
    for (const client of this.#clients) {
      const found = await read(client, left());
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Asks one client after another for the keys that are still missing. */
  async #walkMany<T>(
    keys: Iterable<Key>,
    options: CommandOptions | undefined,
    read: (
      client: C,
      keys: Iterable<Key>,
      options: CommandOptions | undefined,
    ) => Promise<Map<string, T>>,
    adopt: (value: T) => T = (value) => value,
  ): Promise<Map<string, T>> {
    const given: unknown = keys;
    // The client knows what is wrong with anything else.
    const all = typeof given === "object" && given !== null &&
        Symbol.iterator in given
      ? [...keys]
      : undefined;
    const left = timeLeft(options);
    let found = await read(this.#first, all ?? keys, left());
    if (all === undefined) return found;
    const add = (more: ReadonlyMap<string, unknown>): Map<string, T> => {
      // They have the type that the caller says they have.
      const typed = more as ReadonlyMap<string, T>;
      return more.size === 0 ? found : inOrder(all, found, typed, adopt);
    };
    for (const client of this.#clients.slice(1)) {
      const missing = all.filter((key) => !found.has(textOf(key)));
      if (missing.length === 0) break;
      try {
        found = add(await read(client, missing, left()));
      } catch (error) {
        if (error instanceof MemcacheError) {
          error.values = add(error.values ?? new Map());
          error.failedKeys ??= Object.freeze(missing.map(textOf));
        }
        throw error;
      }
    }
    return found;
  }
}
