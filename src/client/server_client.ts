/**
 * The commands for one server, beside those on keys: what a client of one
 * connection and one of a pool have in common.
 *
 * @module
 */

import type { Lane } from "../connection/lane.ts";
import type { CommandOptions } from "../types.ts";
import type {
  Stats,
  StatsConns,
  StatsItems,
  StatsSizes,
  StatsSlabs,
} from "../wire/stats.ts";
import { BaseClient } from "./base_client.ts";
import type { Context } from "./context.ts";
import { LaneExecutor } from "./lane_executor.ts";
import { ServerAdmin } from "./server_admin.ts";
import type {
  FlushOptions,
  RawOptions,
  ServerCommands,
  ShutdownOptions,
} from "./server_commands.ts";

/**
 * What {@linkcode Client} and {@linkcode PooledClient} have in common: every
 * command on keys and for the server. Not to be made directly.
 *
 * @example A function for both kinds of client
 * ```ts
 * import { Client, type ServerClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * async function describe(client: ServerClient): Promise<string> {
 *   const { curr_items: items } = await client.stats();
 *   return `memcached ${await client.version()} with ${items} items`;
 * }
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * console.log(await describe(client));
 * await client.close();
 * await server.close();
 * ```
 */
export class ServerClient extends BaseClient implements ServerCommands {
  readonly #admin: ServerAdmin;

  /** Takes checked options, and the way to the server. */
  constructor(context: Context, lane: Lane) {
    super(context, new LaneExecutor(lane));
    this.#admin = new ServerAdmin(context, lane);
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
