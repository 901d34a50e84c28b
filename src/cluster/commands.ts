/**
 * The commands for all servers of a cluster: their names, arguments and
 * meanings.
 *
 * @module
 */

import type {
  Stats,
  StatsConns,
  StatsItems,
  StatsSizes,
  StatsSlabs,
} from "../client/lanes.ts";
import type {
  FlushOptions,
  RawOptions,
  ShutdownOptions,
} from "../client/server_commands.ts";
import type { Feed } from "../client/feed.ts";
import type {
  WatchEvent,
  WatchOptions,
  WatchTopic,
} from "../client/log_events.ts";
import type {
  CrawlerStart,
  CrawlResult,
  LruTuning,
  ReassignResult,
} from "../client/tuning_commands.ts";
import type { CommandOptions } from "../types.ts";

/**
 * The commands of {@linkcode ServerCommands}, sent to every server at once:
 * also to those that are failing or out of the ring, since what is meant for
 * all is meant for them. Results are by the servers' names, in the order in
 * which the servers came.
 *
 * Where servers fail, the call rejects with one error: `server` names them,
 * `results` has the results of the others, and where there is more than one,
 * `errors` has the error of each. `errorsAsMisses` does not apply.
 */
export interface ClusterCommands {
  /**
   * Reads statistics. See {@linkcode ServerCommands.stats}.
   *
   * @param args What to ask for, such as `"settings"`.
   * @returns The statistics of each server.
   */
  stats(...args: string[]): Promise<Map<string, Stats>>;
  /**
   * Reads the settings (`stats settings`).
   *
   * @param options A timeout, a signal.
   * @returns The settings of each server.
   */
  statsSettings(options?: CommandOptions): Promise<Map<string, Stats>>;
  /**
   * Reads the statistics of items by slab class (`stats items`).
   *
   * @param options A timeout, a signal.
   * @returns Those of each server.
   */
  statsItems(options?: CommandOptions): Promise<Map<string, StatsItems>>;
  /**
   * Reads the statistics of slab classes (`stats slabs`).
   *
   * @param options A timeout, a signal.
   * @returns Those of each server.
   */
  statsSlabs(options?: CommandOptions): Promise<Map<string, StatsSlabs>>;
  /**
   * Reads how many items there are of each size (`stats sizes`).
   *
   * @param options A timeout, a signal.
   * @returns The sizes of each server.
   */
  statsSizes(options?: CommandOptions): Promise<Map<string, StatsSizes>>;
  /**
   * Reads the servers' connections (`stats conns`).
   *
   * @param options A timeout, a signal.
   * @returns Those of each server.
   */
  statsConns(options?: CommandOptions): Promise<Map<string, StatsConns>>;
  /**
   * Reads the servers' versions.
   *
   * @param options A timeout, a signal.
   * @returns The version of each server.
   */
  version(options?: CommandOptions): Promise<Map<string, string>>;
  /**
   * Makes all items of all servers invalid. A server that cannot be reached
   * keeps its items, and would come back with them: that is an error.
   *
   * @param options The delay in seconds, noreply, a timeout, a signal.
   * @returns `true` for each server.
   */
  flushAll(options?: FlushOptions): Promise<Map<string, boolean>>;
  /**
   * Sets how much the servers log.
   *
   * @param level 0 to 2^32 - 1.
   * @param options A timeout, a signal.
   * @returns `true` for each server.
   */
  verbosity(
    level: number,
    options?: CommandOptions,
  ): Promise<Map<string, boolean>>;
  /**
   * Sets how much memory each server uses for items.
   *
   * @param megabytes 0 to 2^32 - 1.
   * @param options A timeout, a signal.
   * @returns `true` for each server.
   */
  cacheMemlimit(
    megabytes: number,
    options?: CommandOptions,
  ): Promise<Map<string, boolean>>;
  /**
   * Sends a line as it is, and reads up to a token. See
   * {@linkcode ServerCommands.rawCommand}.
   *
   * @param command The line.
   * @param options The token that ends the reply, a timeout, a signal.
   * @returns The reply of each server, without the token.
   */
  rawCommand(
    command: string | Uint8Array,
    options?: RawOptions,
  ): Promise<Map<string, Uint8Array>>;
  /**
   * Sets how much memory the queues get (`lru tune`). See {@linkcode TuningCommands.lruTune}.
   *
   * @param tuning All four settings.
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  lruTune(
    tuning: LruTuning,
    options?: CommandOptions,
  ): Promise<Map<string, true>>;
  /**
   * Sets whether there is one queue for each slab class or several (`lru mode`). See {@linkcode TuningCommands.lruMode}.
   *
   * @param mode `"segmented"` needs servers with their LRU maintainer.
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  lruMode(
    mode: "flat" | "segmented",
    options?: CommandOptions,
  ): Promise<Map<string, true>>;
  /**
   * Sets which items are never evicted (`lru temp_ttl`). See {@linkcode TuningCommands.lruTempTtl}.
   *
   * @param ttl Seconds, 0 to 2^31 - 1; -1 for none.
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  lruTempTtl(ttl: number, options?: CommandOptions): Promise<Map<string, true>>;
  /**
   * Starts the threads that free what has expired (`lru_crawler enable`). See {@linkcode TuningCommands.lruCrawlerEnable}.
   *
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  lruCrawlerEnable(
    options?: CommandOptions,
  ): Promise<Map<string, CrawlerStart>>;
  /**
   * Stops the threads that free what has expired (`lru_crawler disable`). See {@linkcode TuningCommands.lruCrawlerDisable}.
   *
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  lruCrawlerDisable(options?: CommandOptions): Promise<Map<string, true>>;
  /**
   * Sets how long the crawlers sleep between items (`lru_crawler sleep`). See {@linkcode TuningCommands.lruCrawlerSleep}.
   *
   * @param microseconds 0 to 1000000.
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  lruCrawlerSleep(
    microseconds: number,
    options?: CommandOptions,
  ): Promise<Map<string, true>>;
  /**
   * Sets how many items the crawlers look at in a run (`lru_crawler tocrawl`). See {@linkcode TuningCommands.lruCrawlerToCrawl}.
   *
   * @param items 0 for all, to 2^32 - 1.
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  lruCrawlerToCrawl(
    items: number,
    options?: CommandOptions,
  ): Promise<Map<string, true>>;
  /**
   * Has the crawlers free what has expired (`lru_crawler crawl`). See {@linkcode TuningCommands.lruCrawlerCrawl}.
   *
   * @param classes Numbers of slab classes from 1 to 63, or `"all"`.
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  lruCrawlerCrawl(
    classes: "all" | number | Iterable<number>,
    options?: CommandOptions,
  ): Promise<Map<string, CrawlResult>>;
  /**
   * Moves a page from one slab class to another (`slabs reassign`). See {@linkcode TuningCommands.slabsReassign}.
   *
   * @param source Number of the class that gives, -1 for any.
   * @param destination Number of the class that gets.
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  slabsReassign(
    source: number,
    destination: number,
    options?: CommandOptions,
  ): Promise<Map<string, ReassignResult>>;
  /**
   * Sets whether the servers move pages by themselves (`slabs automove`). See {@linkcode TuningCommands.slabsAutomove}.
   *
   * @param mode 0 for no, 1 for yes, 2 for one with every eviction.
   * @param options A timeout, a signal.
   * @returns What became of it on each server.
   */
  slabsAutomove(
    mode: 0 | 1 | 2,
    options?: CommandOptions,
  ): Promise<Map<string, true>>;
  /**
   * Reads the logs of all servers as they are written (`watch`), in the order in
   * which they come; each event has its `server`. See
   * {@linkcode ServerCommands.watch}. If one server fails, the feed does.
   *
   * @param topics What to tell of.
   * @param options How long a server may be silent, a signal.
   * @returns The events, once they are asked for.
   */
  watch(
    topics?: WatchTopic | Iterable<WatchTopic>,
    options?: WatchOptions,
  ): Feed<WatchEvent>;
  /**
   * Says goodbye to all: what is pending is answered, then the servers close
   * the connections. The client stays usable.
   *
   * @param options A timeout, a signal.
   * @returns The names of the servers, once all connections are closed.
   */
  quit(options?: CommandOptions): Promise<Map<string, void>>;
  /**
   * Stops all servers that were started with `-A`.
   *
   * @param options Whether to wait for what is running.
   * @returns The names of the servers, once all have ended.
   */
  shutdown(options?: ShutdownOptions): Promise<Map<string, void>>;
}
