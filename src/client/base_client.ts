/**
 * What every client has: the classic commands on keys, and what the meta
 * protocol adds to them.
 *
 * @module
 */

import type { GetOrSetOptions, LoadContext } from "../cache/options.ts";
import type { CommandOptions, Item, Key, Ttl } from "../types.ts";
import { Caching } from "./caching.ts";
import type {
  GetOptions,
  InvalidateOptions,
  KeyCommands,
  Namespace,
  UpdateOptions,
  Updater,
} from "./commands.ts";
import type { Context } from "./context.ts";
import type { Executor } from "./executor.ts";
import { explainKey, type Explanation } from "./explaining.ts";
import { ItemClient } from "./item_client.ts";
import type { Feed } from "./feed.ts";
import { KeyClient } from "./key_client.ts";
import { listKeys } from "./listing.ts";
import type { KeyEntry, KeysOptions } from "./listing_commands.ts";
import { MetaClient } from "./meta_client.ts";
import type { MetaCommands } from "./meta_commands.ts";
import { type ClientMetrics, readMetrics } from "./metrics.ts";
import { makeNamespace } from "./namespaces/namespace_client.ts";

/**
 * What {@linkcode Client} and its kin have in common: every command on keys.
 * Not to be made directly.
 *
 * @example A function for every kind of client
 * ```ts
 * import { type BaseClient, Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * async function visit(client: BaseClient, page: string): Promise<void> {
 *   await client.incr(`visits:${page}`, 1, { initial: 1 });
 * }
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await visit(client, "home");
 * await client.close();
 * await server.close();
 * ```
 */
export class BaseClient extends KeyClient implements KeyCommands {
  readonly #context: Context;
  readonly #executor: Executor;
  readonly #meta: MetaClient;
  #caching: Caching | undefined = undefined;
  readonly #items: ItemClient;

  /** Takes checked options, and the way to the servers. */
  constructor(context: Context, executor: Executor) {
    super(context, executor);
    this.#context = context;
    this.#executor = executor;
    this.#meta = new MetaClient(context, executor);
    this.#items = new ItemClient(context, executor, this.#meta, this);
  }

  /** The meta protocol as it is. See {@linkcode MetaCommands}. */
  get meta(): MetaCommands {
    return this.#meta;
  }

  /** Reads an item. See {@linkcode KeyCommands.getItem}. */
  getItem<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Item<T> | undefined> {
    return this.#items.getItem(key, options);
  }

  /** Lists all keys. See {@linkcode KeyCommands.keys}. */
  keys(options?: KeysOptions): Feed<KeyEntry> {
    return listKeys(this.#context, this.#executor, options);
  }

  /** Tells what is left of an item. See {@linkcode HelperCommands.ttl}. */
  ttl(key: Key, options?: CommandOptions): Promise<number | undefined> {
    return this.#items.ttl(key, options);
  }

  /** Tells how large a value is. See {@linkcode HelperCommands.size}. */
  size(key: Key, options?: CommandOptions): Promise<number | undefined> {
    return this.#items.size(key, options);
  }

  /** Reads without a trace. See {@linkcode HelperCommands.peek}. */
  peek<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined> {
    return this.#items.peek(key, options);
  }

  /** Reads for the last time. See {@linkcode HelperCommands.take}. */
  take<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined> {
    return this.#items.take(key, options);
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
  invalidate(key: Key, options?: InvalidateOptions): Promise<boolean> {
    return this.#items.invalidate(key, options);
  }

  /** Changes by a function. See {@linkcode HelperCommands.update}. */
  update<T = unknown>(
    key: Key,
    fn: Updater<T>,
    options?: UpdateOptions,
  ): Promise<T | undefined> {
    return this.#items.update(key, fn, options);
  }

  /** Reads a value, or loads it. See {@linkcode KeyCommands.getOrSet}. */
  getOrSet<T>(
    key: Key,
    load: (key: string, context: LoadContext) => T | Promise<T>,
    options?: GetOrSetOptions,
  ): Promise<T> {
    const caching = this.#caching ??= new Caching(
      this.#context,
      this.#executor,
    );
    return caching.getOrSet(key, load, options);
  }

  /** Tells what was counted. See {@linkcode InsightCommands.metrics}. */
  metrics(): ClientMetrics {
    return readMetrics(this.#executor);
  }

  /** Tells where a key goes. See {@linkcode InsightCommands.explain}. */
  explain(key: Key): Explanation {
    return explainKey(this.#context, this.#executor, key);
  }

  /** Closes for good. See {@linkcode KeyCommands.close}. */
  override close(): Promise<void> {
    this.#caching?.close();
    return super.close();
  }

  /** Makes a view of its own keys. See {@linkcode KeyCommands.namespace}. */
  namespace(prefix: string): Namespace {
    return makeNamespace({
      context: this.#context,
      executor: this.#executor,
      make: (context, executor) => new BaseClient(context, executor),
    }, prefix);
  }
}
