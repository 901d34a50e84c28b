/**
 * The command that lists keys: its name, arguments and meaning.
 *
 * @module
 */

import type { CommandOptions } from "../types.ts";
import type { Feed } from "./feed.ts";

/** Options of `keys`. */
export interface KeysOptions extends CommandOptions {
  /**
   * How the keys have to begin, behind the client's own `keyPrefix`.
   *
   * @default {""}
   */
  prefix?: string;
  /**
   * Milliseconds to wait for a server whose crawler is at work on something
   * else, 0 for none, to 2^31 - 1.
   *
   * @default {5000}
   */
  busyTimeout?: number;
  /**
   * Milliseconds between two keys that are asked for, after which the listing is
   * given up if its server has to wait meanwhile, 0 for none, to 2^31 - 1.
   *
   * @default {60000}
   */
  maxPause?: number;
}

/** What a server tells of an item, but for its value. */
export interface KeyEntry {
  /** Name of the server. */
  readonly server: string;
  /**
   * The key without the client's `keyPrefix`: text; bytes where it is no UTF-8,
   * as binary keys may be.
   */
  readonly key: string | Uint8Array;
  /**
   * Seconds that it has left by the server's clock, -1 where it does not expire.
   */
  readonly ttl: number;
  /** Seconds since it was last read or stored, within a minute or so. */
  readonly lastAccess: number;
  /** The CAS unique. */
  readonly cas: bigint;
  /** Whether it has been read since it was stored. */
  readonly fetched: boolean;
  /** Number of its slab class. */
  readonly slabClass: number;
  /** Bytes that it takes: value, key and header. */
  readonly size: number;
  /** The number stored beside the value; only newer servers tell. */
  readonly flags?: number;
}

/** What lists the keys of a client. */
export interface ListingCommands {
  /**
   * Lists all keys that begin with the client's `keyPrefix`, in no order, with
   * what the servers tell of their items (`lru_crawler metadump`), on a
   * connection of its own.
   *
   * What is stored or deleted meanwhile may be in it or not. Keys are those of
   * commands, without the prefix, but for those that a `keyEncoder` has made:
   * these are as they were stored. A `HashClient` lists its servers one after
   * another; a key that has moved from one to another may come twice. A server
   * that fails is an error, once the others have been listed: a listing that
   * ends without one is whole. With memcached before 1.6.9 items that move
   * within the server meanwhile may be left out.
   *
   * The servers are read no faster than the keys are asked for. A server whose
   * listing waits cannot free what has expired meanwhile, nor list anything for
   * others: read into an array first what you want to work on at leisure.
   * `timeout` is how long a server may be silent.
   *
   * Source: protocol.txt, "LRU_Crawler".
   *
   * @example Delete what belongs to a user
   * ```ts
   * import { Client } from "@x/memcache";
   * import { MemcachedServer } from "@x/memcache/testing";
   *
   * const server = await MemcachedServer.start();
   * const client = new Client(server.address);
   * await client.setMany({ "user:1:name": "Ada", "user:2:name": "Grace" });
   * for await (const { key } of client.keys({ prefix: "user:1:" })) {
   *   if (typeof key === "string") await client.delete(key);
   * }
   * console.log(await client.has("user:1:name")); // false
   * await client.close();
   * await server.close();
   * ```
   *
   * @param options How the keys begin, timeouts, a signal.
   * @returns The keys, once they are asked for.
   * @throws {MemcacheServerError} By the feed, if the crawler of a server stays
   * busy (`code` is `"ERR_BUSY"`).
   * @throws {MemcacheClientError} By the feed, if the crawler is off.
   */
  keys(options?: KeysOptions): Feed<KeyEntry>;
}
