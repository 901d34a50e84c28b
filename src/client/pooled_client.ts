/**
 * `PooledClient`: one server, as many connections as the load needs.
 *
 * @module
 */

import type { ServerSpec } from "../conn/address.ts";
import { Pool, type PoolLimits } from "../pool/pool.ts";
import {
  type ClientOptions,
  readNumber,
  readOptions,
  readTimeout,
  refuse,
} from "./options.ts";
import { ServerClient } from "./server_client.ts";

/** Options of a {@linkcode PooledClient}. Every one may be left out. */
export interface PooledClientOptions extends ClientOptions {
  /**
   * Most connections, a whole number from 1 to 65535. They are opened one by
   * one, when those that there are have enough to do; see {@linkcode Pool}.
   *
   * @default {4}
   */
  maxPoolSize?: number;
  /**
   * Milliseconds after which a connection that has nothing to do is closed,
   * 0 for never, to 2^31 - 1.
   *
   * @default {0}
   */
  poolIdleTimeout?: number;
}

/**
 * Checks the options that a pool has of its own.
 *
 * @throws {MemcacheIllegalInputError} If one of them cannot be used.
 */
export function readPoolLimits(options: PooledClientOptions): PoolLimits {
  const name = "maxPoolSize";
  const maxPoolSize = readNumber(name, options.maxPoolSize, 4, 1, 65_535);
  if (!Number.isInteger(maxPoolSize)) {
    refuse(name, maxPoolSize, "a whole number from 1 to 65535");
  }
  const poolIdleTimeout = readTimeout(
    options.poolIdleTimeout,
    0,
    "poolIdleTimeout",
  );
  return Object.freeze({ maxPoolSize, poolIdleTimeout });
}

/**
 * A client for one server over a pool of connections, each of them pipelined.
 *
 * One connection is enough for many small commands at a time. A pool is for
 * large values, which hold up nothing but what shares their connection, and for
 * servers that serve connections in parallel. How a connection is chosen and
 * when one is opened is told at {@linkcode Pool}; `maxPending` holds for each,
 * and a command is refused with a {@linkcode MemcacheOverloadError} when all of
 * them have so many. 32 MiB of values may wait to be sent, over all.
 *
 * Commands of one key go by the same connection as long as a change of that key
 * is on its way, and those that ask for no reply share one: a read of a key sees
 * the store that was called before it, awaited or not. Otherwise commands have
 * an order only where one awaits another: a store that is called after a read,
 * or a `getMany` or `flushAll` after a store that is not yet acknowledged, may
 * overtake it; use a {@linkcode Client} where that matters. A store that has
 * timed out may still be carried out, also after a later one that went by
 * another connection.
 *
 * Every connection authenticates, and has TLS, for itself. `rawCommand` goes by
 * any one of them: what a command changes in its connection only, it changes in
 * that one. `quit`, `disconnect` and `close` end them all, `quit` and `close` of
 * a client that nobody uses open none. An idle pool keeps no process alive.
 *
 * @example
 * ```ts
 * import { PooledClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new PooledClient(server.address, {
 *   maxPoolSize: 8,
 *   poolIdleTimeout: 30_000,
 * });
 * const image = new Uint8Array(500_000);
 * await client.set("image", image);
 * const [bytes, missing] = await Promise.all([
 *   client.get<Uint8Array>("image"),
 *   client.get("title"),
 * ]);
 * console.log(bytes?.length, missing); // 500000 undefined
 * await client.close();
 * await server.close();
 * ```
 */
export class PooledClient extends ServerClient {
  readonly #pool: Pool;

  /**
   * Makes a client; nothing is opened until the first command.
   *
   * @param server Where the server is. Default `"localhost:11211"`.
   * @param options See {@linkcode PooledClientOptions}.
   * @throws {MemcacheIllegalInputError} If one of them cannot be used.
   */
  constructor(
    server: ServerSpec = "localhost:11211",
    options: PooledClientOptions = {},
  ) {
    const { context, connection } = readOptions(server, options);
    const pool = new Pool(connection, readPoolLimits(options));
    super(context, pool, connection);
    this.#pool = pool;
  }

  /** The connections, with their counters. */
  get pool(): Pool {
    return this.#pool;
  }
}
