/**
 * What every client has: the classic commands on keys, and what the meta
 * protocol adds to them.
 *
 * @module
 */

import type { GetOrSetOptions, LoadContext } from "../cache/options.ts";
import type { Key } from "../types.ts";
import { Caching } from "./caching.ts";
import type { KeyCommands, Namespace } from "./commands.ts";
import type { Context } from "./context.ts";
import type { Executor } from "./executor.ts";
import { KeyClient } from "./key_client.ts";
import { MetaClient } from "./meta_client.ts";
import type { MetaCommands } from "./meta_commands.ts";
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

  /** Takes checked options, and the way to the servers. */
  constructor(context: Context, executor: Executor) {
    super(context, executor);
    this.#context = context;
    this.#executor = executor;
    this.#meta = new MetaClient(context, executor);
  }

  /** The meta protocol as it is. See {@linkcode MetaCommands}. */
  get meta(): MetaCommands {
    return this.#meta;
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
