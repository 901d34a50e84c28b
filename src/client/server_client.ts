/**
 * The commands for one server, beside those on keys: what a client of one
 * connection and one of a pool have in common.
 *
 * @module
 */

import type { Lane } from "../connection/lane.ts";
import type { ConnectionOptions } from "../connection/options.ts";
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
import type { Feed } from "./feed.ts";
import { LaneExecutor } from "./lane_executor.ts";
import type { WatchEvent, WatchOptions, WatchTopic } from "./log_events.ts";
import { ServerAdmin } from "./server_admin.ts";
import type {
  FlushOptions,
  RawOptions,
  ServerCommands,
  ShutdownOptions,
} from "./server_commands.ts";
import type {
  CrawlerStart,
  CrawlResult,
  LruTuning,
  ReassignResult,
} from "./tuning_commands.ts";
import { watchLogs } from "./watching.ts";

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
  readonly #context: Context;
  readonly #executor: LaneExecutor;
  readonly #admin: ServerAdmin;

  /** Takes checked options, the way to the server, and how it connects. */
  constructor(context: Context, lane: Lane, connection: ConnectionOptions) {
    const executor = new LaneExecutor(lane, connection);
    super(context, executor);
    this.#executor = executor;
    this.#context = context;
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

  /** Sets the queues' shares. See {@linkcode TuningCommands.lruTune}. */
  lruTune(tuning: LruTuning, options?: CommandOptions): Promise<true> {
    return this.#admin.lruTune(tuning, options);
  }

  /** Sets how many queues there are. See {@linkcode TuningCommands.lruMode}. */
  lruMode(mode: "flat" | "segmented", options?: CommandOptions): Promise<true> {
    return this.#admin.lruMode(mode, options);
  }

  /** Sets what is never evicted. See {@linkcode TuningCommands.lruTempTtl}. */
  lruTempTtl(ttl: number, options?: CommandOptions): Promise<true> {
    return this.#admin.lruTempTtl(ttl, options);
  }

  /** Starts the crawler. See {@linkcode TuningCommands.lruCrawlerEnable}. */
  lruCrawlerEnable(options?: CommandOptions): Promise<CrawlerStart> {
    return this.#admin.lruCrawlerEnable(options);
  }

  /** Stops the crawler. See {@linkcode TuningCommands.lruCrawlerDisable}. */
  lruCrawlerDisable(options?: CommandOptions): Promise<true> {
    return this.#admin.lruCrawlerDisable(options);
  }

  /** Sets the crawler's pauses. See {@linkcode TuningCommands.lruCrawlerSleep}. */
  lruCrawlerSleep(
    microseconds: number,
    options?: CommandOptions,
  ): Promise<true> {
    return this.#admin.lruCrawlerSleep(microseconds, options);
  }

  /** Sets how far it crawls. See {@linkcode TuningCommands.lruCrawlerToCrawl}. */
  lruCrawlerToCrawl(items: number, options?: CommandOptions): Promise<true> {
    return this.#admin.lruCrawlerToCrawl(items, options);
  }

  /** Has it crawl. See {@linkcode TuningCommands.lruCrawlerCrawl}. */
  lruCrawlerCrawl(
    classes: "all" | number | Iterable<number>,
    options?: CommandOptions,
  ): Promise<CrawlResult> {
    return this.#admin.lruCrawlerCrawl(classes, options);
  }

  /** Moves a page. See {@linkcode TuningCommands.slabsReassign}. */
  slabsReassign(
    source: number,
    destination: number,
    options?: CommandOptions,
  ): Promise<ReassignResult> {
    return this.#admin.slabsReassign(source, destination, options);
  }

  /** Sets whether pages move. See {@linkcode TuningCommands.slabsAutomove}. */
  slabsAutomove(mode: 0 | 1 | 2, options?: CommandOptions): Promise<true> {
    return this.#admin.slabsAutomove(mode, options);
  }

  /** Reads the log. See {@linkcode ServerCommands.watch}. */
  watch(
    topics?: WatchTopic | Iterable<WatchTopic>,
    options?: WatchOptions,
  ): Feed<WatchEvent> {
    return watchLogs(this.#context, this.#executor, topics, options);
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
