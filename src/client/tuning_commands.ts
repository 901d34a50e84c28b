/**
 * The commands that tune a server: their names, arguments and meanings.
 *
 * @module
 */

import type { CommandOptions } from "../types.ts";

/** How a server divides its memory among its queues. See `lruTune`. */
export interface LruTuning {
  /** Percent of the memory for new items, a whole number from 0 to 80. */
  hot: number;
  /**
   * Percent of the memory for items in use, a whole number; with `hot` at most
   * 80.
   */
  warm: number;
  /**
   * How long a new item may stay unread, as a share of the age of the coldest
   * items: 0.000001 to 1000000.
   */
  hotMaxFactor: number;
  /** The same of an item in use. */
  warmMaxFactor: number;
}

/** What becomes of `lruCrawlerEnable`. */
export type CrawlerStart = "ok" | "notStarted";

/** What becomes of `lruCrawlerCrawl`. */
export type CrawlResult = "ok" | "busy" | "badClass" | "notStarted";

/** What becomes of `slabsReassign`. */
export type ReassignResult =
  | "ok"
  | "busy"
  | "badClass"
  | "noSpare"
  | "notFull"
  | "unsafe"
  | "same";

/** Commands that change how a server keeps its items while it runs. */
export interface TuningCommands {
  /**
   * Sets how much memory the queues of new items and of items in use get (`lru
   * tune`).
   *
   * Source: protocol.txt, "LRU Tuning".
   *
   * @param tuning All four settings.
   * @param options A timeout, a signal.
   * @returns `true`.
   */
  lruTune(tuning: LruTuning, options?: CommandOptions): Promise<true>;
  /**
   * Sets whether there is one queue for each slab class or several (`lru mode`).
   *
   * Source: protocol.txt, "LRU Tuning".
   *
   * @param mode `"segmented"` needs a server with its LRU maintainer, which is
   * the default.
   * @param options A timeout, a signal.
   * @returns `true`.
   * @throws {MemcacheUnknownCommandError} If the server cannot do that.
   */
  lruMode(
    mode: "flat" | "segmented",
    options?: CommandOptions,
  ): Promise<true>;
  /**
   * Sets which items are so short-lived that they are never evicted (`lru
   * temp_ttl`).
   *
   * Source: protocol.txt, "LRU Tuning".
   *
   * @param ttl Those with a lifetime of less than so many seconds, 0 to
   * 2^31 - 1; -1 for none.
   * @param options A timeout, a signal.
   * @returns `true`.
   */
  lruTempTtl(ttl: number, options?: CommandOptions): Promise<true>;
  /**
   * Starts the thread that frees items that have expired (`lru_crawler enable`).
   * It runs by default.
   *
   * Source: protocol.txt, "LRU_Crawler".
   *
   * @param options A timeout, a signal.
   * @returns `"ok"`, or `"notStarted"`: as a rule since it runs already, of which
   * the server says no more than that it failed to start it.
   */
  lruCrawlerEnable(options?: CommandOptions): Promise<CrawlerStart>;
  /**
   * Stops the thread that frees items that have expired (`lru_crawler disable`).
   * Without it, `keys` cannot list anything.
   *
   * Source: protocol.txt, "LRU_Crawler".
   *
   * @param options A timeout, a signal.
   * @returns `true`.
   */
  lruCrawlerDisable(options?: CommandOptions): Promise<true>;
  /**
   * Sets how long the crawler sleeps between items (`lru_crawler sleep`).
   *
   * Source: protocol.txt, "LRU_Crawler".
   *
   * @param microseconds 0 for not at all, to 1000000.
   * @param options A timeout, a signal.
   * @returns `true`.
   */
  lruCrawlerSleep(
    microseconds: number,
    options?: CommandOptions,
  ): Promise<true>;
  /**
   * Sets how many items of a slab class the crawler looks at in one run
   * (`lru_crawler tocrawl`).
   *
   * Source: protocol.txt, "LRU_Crawler".
   *
   * @param items 0 for all, to 2^32 - 1.
   * @param options A timeout, a signal.
   * @returns `true`.
   */
  lruCrawlerToCrawl(items: number, options?: CommandOptions): Promise<true>;
  /**
   * Has the crawler free what has expired in some slab classes (`lru_crawler
   * crawl`). The answer comes before it is done.
   *
   * Source: protocol.txt, "LRU_Crawler".
   *
   * @param classes Numbers of slab classes from 1 to 63, or `"all"`.
   * @param options A timeout, a signal.
   * @returns `"ok"`; `"busy"` if it is at work, `"badClass"` if the server has no
   * such class, `"notStarted"` if there is nothing to look at.
   * @throws {MemcacheClientError} If the crawler is off.
   */
  lruCrawlerCrawl(
    classes: "all" | number | Iterable<number>,
    options?: CommandOptions,
  ): Promise<CrawlResult>;
  /**
   * Moves a page of memory from one slab class to another (`slabs reassign`).
   * The answer comes before it is done.
   *
   * Source: protocol.txt, "Slabs Reassign".
   *
   * @param source Number of the class that gives, 1 to 63; -1 for any, 0 for
   * the pool of pages that none has.
   * @param destination Number of the class that gets, 0 to 63.
   * @param options A timeout, a signal.
   * @returns `"ok"`, or why it does not move: see protocol.txt.
   * @throws {MemcacheError} If the server does not move pages at all.
   */
  slabsReassign(
    source: number,
    destination: number,
    options?: CommandOptions,
  ): Promise<ReassignResult>;
  /**
   * Sets whether the server moves pages by itself (`slabs automove`).
   *
   * Source: protocol.txt, "Slabs Automove".
   *
   * @param mode 0 for no, 1 for yes, 2 for one with every eviction, which is not
   * for long.
   * @param options A timeout, a signal.
   * @returns `true`.
   */
  slabsAutomove(mode: 0 | 1 | 2, options?: CommandOptions): Promise<true>;
}
