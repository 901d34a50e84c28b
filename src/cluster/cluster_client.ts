/**
 * The commands for all servers of a cluster, beside those on keys.
 *
 * @module
 */

import { BaseClient } from "../client/base_client.ts";
import { type Context, observe } from "../client/context.ts";
import { whenReady } from "../client/executor.ts";
import type { Feed } from "../client/feed.ts";
import type {
  Stats,
  StatsConns,
  StatsItems,
  StatsSizes,
  StatsSlabs,
} from "../client/lanes.ts";
import type {
  WatchEvent,
  WatchOptions,
  WatchTopic,
} from "../client/log_events.ts";
import { ServerAdmin } from "../client/server_admin.ts";
import type {
  FlushOptions,
  RawOptions,
  ShutdownOptions,
} from "../client/server_commands.ts";
import type {
  CrawlerStart,
  CrawlResult,
  LruTuning,
  ReassignResult,
} from "../client/tuning_commands.ts";
import { watchLogs } from "../client/watching.ts";
import type { CommandOptions } from "../types.ts";
import type { ClusterCommands } from "./commands.ts";
import { gatherFrom, MemberExecutor } from "./everywhere.ts";
import type { RingExecutor } from "./ring_executor.ts";

/**
 * What a {@linkcode HashClient} is, but for the servers that come and go: every
 * command on keys, and for all servers. Not to be made directly.
 *
 * @example
 * ```ts
 * import { type ClusterClient, HashClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * async function describe(client: ClusterClient): Promise<string> {
 *   const versions = await client.version();
 *   return [...versions.values()].join(", ");
 * }
 *
 * const server = await MemcachedServer.start();
 * const client = new HashClient([server.address]);
 * console.log(await describe(client)); // "1.6.18"
 * await client.close();
 * await server.close();
 * ```
 */
export class ClusterClient extends BaseClient implements ClusterCommands {
  readonly #context: Context;
  readonly #executor: RingExecutor;

  /** Takes checked options, and the way to the servers. */
  constructor(context: Context, executor: RingExecutor) {
    super(context, executor);
    this.#context = context;
    this.#executor = executor;
  }

  /** Reads statistics. See {@linkcode ClusterCommands.stats}. */
  stats(...args: string[]): Promise<Map<string, Stats>> {
    return this.#onAll("stats", undefined, (admin) => admin.stats(...args));
  }

  /** Reads the settings. See {@linkcode ClusterCommands.statsSettings}. */
  statsSettings(options?: CommandOptions): Promise<Map<string, Stats>> {
    return this.#onAll(
      "stats",
      options,
      (admin) => admin.statsSettings(options),
    );
  }

  /** Reads items by class. See {@linkcode ClusterCommands.statsItems}. */
  statsItems(options?: CommandOptions): Promise<Map<string, StatsItems>> {
    return this.#onAll("stats", options, (admin) => admin.statsItems(options));
  }

  /** Reads slab classes. See {@linkcode ClusterCommands.statsSlabs}. */
  statsSlabs(options?: CommandOptions): Promise<Map<string, StatsSlabs>> {
    return this.#onAll("stats", options, (admin) => admin.statsSlabs(options));
  }

  /** Reads item sizes. See {@linkcode ClusterCommands.statsSizes}. */
  statsSizes(options?: CommandOptions): Promise<Map<string, StatsSizes>> {
    return this.#onAll("stats", options, (admin) => admin.statsSizes(options));
  }

  /** Reads connections. See {@linkcode ClusterCommands.statsConns}. */
  statsConns(options?: CommandOptions): Promise<Map<string, StatsConns>> {
    return this.#onAll("stats", options, (admin) => admin.statsConns(options));
  }

  /** Reads the versions. See {@linkcode ClusterCommands.version}. */
  version(options?: CommandOptions): Promise<Map<string, string>> {
    return this.#onAll("version", options, (admin) => admin.version(options));
  }

  /** Makes all items invalid. See {@linkcode ClusterCommands.flushAll}. */
  flushAll(options?: FlushOptions): Promise<Map<string, boolean>> {
    return this.#onAll(
      "flush_all",
      options,
      (admin) => admin.flushAll(options),
    );
  }

  /** Sets the log level. See {@linkcode ClusterCommands.verbosity}. */
  verbosity(
    level: number,
    options?: CommandOptions,
  ): Promise<Map<string, boolean>> {
    return this.#onAll(
      "verbosity",
      options,
      (admin) => admin.verbosity(level, options),
    );
  }

  /** Sets memory limits. See {@linkcode ClusterCommands.cacheMemlimit}. */
  cacheMemlimit(
    megabytes: number,
    options?: CommandOptions,
  ): Promise<Map<string, boolean>> {
    return this.#onAll(
      "cache_memlimit",
      options,
      (admin) => admin.cacheMemlimit(megabytes, options),
    );
  }

  /** Sends a line as it is. See {@linkcode ClusterCommands.rawCommand}. */
  rawCommand(
    command: string | Uint8Array,
    options?: RawOptions,
  ): Promise<Map<string, Uint8Array>> {
    return this.#onAll(
      "raw",
      options,
      (admin) => admin.rawCommand(command, options),
    );
  }

  /** Sets the queues' shares. See {@linkcode ClusterCommands.lruTune}. */
  lruTune(
    tuning: LruTuning,
    options?: CommandOptions,
  ): Promise<Map<string, true>> {
    return this.#onAll(
      "lru",
      options,
      (admin) => admin.lruTune(tuning, options),
    );
  }

  /** Sets how many queues there are. See {@linkcode ClusterCommands.lruMode}. */
  lruMode(
    mode: "flat" | "segmented",
    options?: CommandOptions,
  ): Promise<Map<string, true>> {
    return this.#onAll("lru", options, (admin) => admin.lruMode(mode, options));
  }

  /** Sets what is never evicted. See {@linkcode ClusterCommands.lruTempTtl}. */
  lruTempTtl(
    ttl: number,
    options?: CommandOptions,
  ): Promise<Map<string, true>> {
    return this.#onAll(
      "lru",
      options,
      (admin) => admin.lruTempTtl(ttl, options),
    );
  }

  /** Starts the crawler. See {@linkcode ClusterCommands.lruCrawlerEnable}. */
  lruCrawlerEnable(
    options?: CommandOptions,
  ): Promise<Map<string, CrawlerStart>> {
    return this.#onAll(
      "lru_crawler",
      options,
      (admin) => admin.lruCrawlerEnable(options),
    );
  }

  /** Stops the crawler. See {@linkcode ClusterCommands.lruCrawlerDisable}. */
  lruCrawlerDisable(options?: CommandOptions): Promise<Map<string, true>> {
    return this.#onAll(
      "lru_crawler",
      options,
      (admin) => admin.lruCrawlerDisable(options),
    );
  }

  /** Sets the crawler's pauses. See {@linkcode ClusterCommands.lruCrawlerSleep}. */
  lruCrawlerSleep(
    microseconds: number,
    options?: CommandOptions,
  ): Promise<Map<string, true>> {
    return this.#onAll(
      "lru_crawler",
      options,
      (admin) => admin.lruCrawlerSleep(microseconds, options),
    );
  }

  /** Sets how far it crawls. See {@linkcode ClusterCommands.lruCrawlerToCrawl}. */
  lruCrawlerToCrawl(
    items: number,
    options?: CommandOptions,
  ): Promise<Map<string, true>> {
    return this.#onAll(
      "lru_crawler",
      options,
      (admin) => admin.lruCrawlerToCrawl(items, options),
    );
  }

  /** Has it crawl. See {@linkcode ClusterCommands.lruCrawlerCrawl}. */
  lruCrawlerCrawl(
    classes: "all" | number | Iterable<number>,
    options?: CommandOptions,
  ): Promise<Map<string, CrawlResult>> {
    return this.#onAll(
      "lru_crawler",
      options,
      (admin) => admin.lruCrawlerCrawl(classes, options),
    );
  }

  /** Moves a page. See {@linkcode ClusterCommands.slabsReassign}. */
  slabsReassign(
    source: number,
    destination: number,
    options?: CommandOptions,
  ): Promise<Map<string, ReassignResult>> {
    return this.#onAll(
      "slabs",
      options,
      (admin) => admin.slabsReassign(source, destination, options),
    );
  }

  /** Sets whether pages move. See {@linkcode ClusterCommands.slabsAutomove}. */
  slabsAutomove(
    mode: 0 | 1 | 2,
    options?: CommandOptions,
  ): Promise<Map<string, true>> {
    return this.#onAll(
      "slabs",
      options,
      (admin) => admin.slabsAutomove(mode, options),
    );
  }

  /** Reads the logs. See {@linkcode ClusterCommands.watch}. */
  watch(
    topics?: WatchTopic | Iterable<WatchTopic>,
    options?: WatchOptions,
  ): Feed<WatchEvent> {
    return watchLogs(this.#context, this.#executor, topics, options);
  }

  /** Says goodbye. See {@linkcode ClusterCommands.quit}. */
  quit(options?: CommandOptions): Promise<Map<string, void>> {
    return this.#onAll("quit", options, (admin) => admin.quit(options));
  }

  /** Stops the servers. See {@linkcode ClusterCommands.shutdown}. */
  shutdown(options?: ShutdownOptions): Promise<Map<string, void>> {
    return this.#onAll("shutdown", options, (admin) => admin.shutdown(options));
  }

  /** Asks every server, whatever its health. */
  #onAll<T>(
    command: string,
    options: CommandOptions | undefined,
    call: (admin: ServerAdmin) => Promise<T>,
  ): Promise<Map<string, T>> {
    const ask = () =>
      gatherFrom(
        this.#context,
        this.#executor,
        this.#executor.members,
        (own, member) =>
          call(new ServerAdmin(own, new MemberExecutor(member, true))),
        command,
      );
    const fail = (error: unknown) => {
      observe(this.#context, error);
      throw error;
    };
    try {
      const ready = whenReady(this.#context, this.#executor, command, options);
      // At once, where that can be: a command keeps its place among others.
      return ready === undefined ? ask() : ready.then(ask, fail);
    } catch (error) {
      return Promise.reject(error).catch(fail);
    }
  }
}
