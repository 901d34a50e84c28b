/**
 * `Client`: one server, one pipelined connection.
 *
 * @module
 */

import type { ServerSpec } from "../conn/address.ts";
import { Connection } from "../connection/connection.ts";
import type { CommandOptions } from "../types.ts";
import type {
  Stats,
  StatsConns,
  StatsItems,
  StatsSizes,
  StatsSlabs,
} from "../wire/stats.ts";
import { BaseClient } from "./base_client.ts";
import type {
  FlushOptions,
  RawOptions,
  ServerCommands,
  ShutdownOptions,
} from "./server_commands.ts";
import type { Executor } from "./executor.ts";
import { type ClientOptions, readOptions } from "./options.ts";
import { ServerAdmin } from "./server_admin.ts";

/** One connection as an executor: there is only one way to go. */
class SingleExecutor implements Executor {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  execute(request: Parameters<Connection["execute"]>[0]): void {
    this.#connection.execute(request);
  }

  get closed(): boolean {
    return this.#connection.closed;
  }

  disconnect(): Promise<void> {
    this.#connection.disconnect();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }
}

/**
 * A client for one server: one connection, opened by the first command,
 * pipelined, reopened when it is lost.
 *
 * Commands of the same turn of the event loop leave in one write. There is no
 * need for a pool to have many commands in flight.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address, { timeout: 500 });
 * await client.set("greeting", "hello", { ttl: 60 });
 * console.log(await client.get("greeting")); // "hello"
 * await client.close();
 * await server.close();
 * ```
 */
export class Client extends BaseClient implements ServerCommands {
  readonly #admin: ServerAdmin;

  /**
   * Makes a client; nothing is opened until the first command.
   *
   * @param server Where the server is. Default `"localhost:11211"`.
   * @param options See {@linkcode ClientOptions}.
   * @throws {MemcacheIllegalInputError} If one of them cannot be used.
   */
  constructor(
    server: ServerSpec = "localhost:11211",
    options: ClientOptions = {},
  ) {
    const { context, connection } = readOptions(server, options);
    const executor = new SingleExecutor(new Connection(connection));
    super(context, executor);
    this.#admin = new ServerAdmin(context, executor);
  }

  /** Reads statistics. See {@linkcode ServerCommands.stats}. */
  stats(...args: string[]): Promise<Stats> {
    return this.#admin.stats(...args);
  }

  /** Reads the settings. See {@linkcode ServerCommands.statsSettings}. */
  statsSettings(options?: CommandOptions): Promise<Stats> {
    return this.#admin.statsSettings(options);
  }

  /** Reads items by class. See {@linkcode ServerCommands.statsItems}. */
  statsItems(options?: CommandOptions): Promise<StatsItems> {
    return this.#admin.statsItems(options);
  }

  /** Reads slab classes. See {@linkcode ServerCommands.statsSlabs}. */
  statsSlabs(options?: CommandOptions): Promise<StatsSlabs> {
    return this.#admin.statsSlabs(options);
  }

  /** Reads item sizes. See {@linkcode ServerCommands.statsSizes}. */
  statsSizes(options?: CommandOptions): Promise<StatsSizes> {
    return this.#admin.statsSizes(options);
  }

  /** Reads connections. See {@linkcode ServerCommands.statsConns}. */
  statsConns(options?: CommandOptions): Promise<StatsConns> {
    return this.#admin.statsConns(options);
  }

  /** Reads the version. See {@linkcode ServerCommands.version}. */
  version(options?: CommandOptions): Promise<string> {
    return this.#admin.version(options);
  }

  /** Makes all items invalid. See {@linkcode ServerCommands.flushAll}. */
  flushAll(options?: FlushOptions): Promise<boolean> {
    return this.#admin.flushAll(options);
  }

  /** Sets the log level. See {@linkcode ServerCommands.verbosity}. */
  verbosity(level: number, options?: CommandOptions): Promise<boolean> {
    return this.#admin.verbosity(level, options);
  }

  /** Sets the memory limit. See {@linkcode ServerCommands.cacheMemlimit}. */
  cacheMemlimit(
    megabytes: number,
    options?: CommandOptions,
  ): Promise<boolean> {
    return this.#admin.cacheMemlimit(megabytes, options);
  }

  /** Sends a line as it is. See {@linkcode ServerCommands.rawCommand}. */
  rawCommand(
    command: string | Uint8Array,
    options?: RawOptions,
  ): Promise<Uint8Array> {
    return this.#admin.rawCommand(command, options);
  }

  /** Says goodbye. See {@linkcode ServerCommands.quit}. */
  quit(options?: CommandOptions): Promise<void> {
    return this.#admin.quit(options);
  }

  /** Stops the server. See {@linkcode ServerCommands.shutdown}. */
  shutdown(options?: ShutdownOptions): Promise<void> {
    return this.#admin.shutdown(options);
  }
}
