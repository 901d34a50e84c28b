/**
 * The commands for a server itself: their names, arguments and meanings.
 *
 * @module
 */

import type { CommandOptions } from "../types.ts";
import type {
  Stats,
  StatsConns,
  StatsItems,
  StatsSizes,
  StatsSlabs,
} from "../wire/stats.ts";
import type { Feed } from "./feed.ts";
import type { WatchEvent, WatchOptions, WatchTopic } from "./log_events.ts";
import type { TuningCommands } from "./tuning_commands.ts";
import type { NoreplyOptions } from "./commands.ts";

/** Options of `flushAll`. */
export interface FlushOptions extends NoreplyOptions {
  /**
   * Seconds to wait before the items are invalid, from 0 on.
   *
   * @default {0}
   */
  delay?: number;
}

/** Options of `rawCommand`. */
export interface RawOptions extends CommandOptions {
  /**
   * What ends the reply.
   *
   * @default {"\r\n"}
   */
  endToken?: string;
}

/** Options of `shutdown`. */
export interface ShutdownOptions extends CommandOptions {
  /**
   * Lets the server finish what is running first.
   *
   * @default {false}
   */
  graceful?: boolean;
}

/** Commands for one server itself, rather than for its items. */
export interface ServerCommands extends TuningCommands {
  /**
   * Reads statistics, typed: numbers, booleans, `bigint` past 2^53, else text.
   *
   * Source: protocol.txt, "Statistics".
   *
   * @param args What to ask for, such as `"settings"`; none for the general
   * ones. `"reset"`, `"sizes_enable"` and `"detail on"` resolve to `{}`.
   * @returns A plain object with memcached's own names.
   */
  stats(...args: string[]): Promise<Stats>;
  /**
   * Reads the server's settings (`stats settings`).
   *
   * @param options A timeout, a signal.
   * @returns A plain object with memcached's own names.
   */
  statsSettings(options?: CommandOptions): Promise<Stats>;
  /**
   * Reads the statistics of items by slab class (`stats items`).
   *
   * @param options A timeout, a signal.
   * @returns By slab class, with memcached's own names.
   */
  statsItems(options?: CommandOptions): Promise<StatsItems>;
  /**
   * Reads the statistics of slab classes (`stats slabs`).
   *
   * @param options A timeout, a signal.
   * @returns The totals, and the classes by number.
   */
  statsSlabs(options?: CommandOptions): Promise<StatsSlabs>;
  /**
   * Reads how many items there are of each size (`stats sizes`).
   *
   * @param options A timeout, a signal.
   * @returns Pairs of size in bytes and count; none where the server does not
   * track sizes.
   */
  statsSizes(options?: CommandOptions): Promise<StatsSizes>;
  /**
   * Reads the server's connections (`stats conns`).
   *
   * @param options A timeout, a signal.
   * @returns By the server's file descriptors, with memcached's own names.
   */
  statsConns(options?: CommandOptions): Promise<StatsConns>;
  /**
   * Reads the server's version.
   *
   * @param options A timeout, a signal.
   * @returns Text such as `"1.6.18"`.
   */
  version(options?: CommandOptions): Promise<string>;
  /**
   * Makes all items invalid, at once or later.
   *
   * Source: protocol.txt, "flush_all".
   *
   * @param options The delay in seconds, noreply, a timeout, a signal.
   * @returns `true`.
   */
  flushAll(options?: FlushOptions): Promise<boolean>;
  /**
   * Sets how much the server logs.
   *
   * @param level 0 to 2^32 - 1.
   * @param options A timeout, a signal.
   * @returns `true`.
   */
  verbosity(level: number, options?: CommandOptions): Promise<boolean>;
  /**
   * Sets how much memory the server uses for items.
   *
   * @param megabytes 0 to 2^32 - 1.
   * @param options A timeout, a signal.
   * @returns `true`.
   */
  cacheMemlimit(megabytes: number, options?: CommandOptions): Promise<boolean>;
  /**
   * Sends a line as it is, and reads up to a token.
   *
   * A string is one line: empty, or with CR or LF in it, it is refused. Bytes
   * are sent as they are. CRLF is added to both.
   *
   * @param command The line.
   * @param options The token that ends the reply, a timeout, a signal.
   * @returns The reply without the token.
   * @throws {MemcacheClientError} If the reply begins with an error line.
   */
  rawCommand(
    command: string | Uint8Array,
    options?: RawOptions,
  ): Promise<Uint8Array>;
  /**
   * Reads the server's log as it is written (`watch`), on a connection of its
   * own.
   *
   * What is in the log is up to the server: with `"fetchers"`, for instance, a
   * `set` looks its item up, too. Keys have their prefix, and are bytes where
   * they are no UTF-8. Entries may come out of order; their `gid` has it. For a
   * reader that is too slow the server leaves entries out, and says how many:
   * `{ type: "skipped" }`. The feed has no end: leave the loop, abort it by a
   * signal, or call its `return`. A connection that is lost is an error.
   *
   * Source: protocol.txt, "Watchers".
   *
   * @example
   * ```ts
   * import { Client } from "@x/memcache";
   * import { MemcachedServer } from "@x/memcache/testing";
   *
   * const server = await MemcachedServer.start();
   * const client = new Client(server.address);
   * const events = client.watch("fetchers");
   * await events.opened();
   * await client.get("greeting");
   * for await (const event of events) {
   *   if (event.type !== "item_get") continue;
   *   console.log(event.key, event.status); // "greeting" "not_found"
   *   break;
   * }
   * await client.close();
   * await server.close();
   * ```
   *
   * @param topics `"fetchers"`, `"mutations"`, `"evictions"`, `"connevents"`, of a
   * proxy `"proxyreqs"`, `"proxyevents"` and `"proxyuser"`, and from memcached
   * 1.6.20 on `"deletions"`. The first three if absent.
   * @param options How long it may be silent, a signal.
   * @returns The events, once they are asked for.
   * @throws {MemcacheIllegalInputError} By the feed, if a topic is none, or the
   * server's version does not know it.
   */
  watch(
    topics?: WatchTopic | Iterable<WatchTopic>,
    options?: WatchOptions,
  ): Feed<WatchEvent>;
  /**
   * Says goodbye: what is pending is answered, then the server closes the
   * connection. The client stays usable.
   *
   * @param options A timeout, a signal.
   */
  quit(options?: CommandOptions): Promise<void>;
  /**
   * Stops the server, if it was started with `-A`.
   *
   * @param options Whether to wait for what is running.
   * @throws {MemcacheUnknownCommandError} If the server was started without.
   */
  shutdown(options?: ShutdownOptions): Promise<void>;
}
