/**
 * What every client can do with one item beyond the classic commands: names,
 * arguments and meanings.
 *
 * @module
 */

import type { CommandOptions, Key, Ttl } from "../types.ts";
import type { GetOptions } from "./command_options.ts";

/** Options of `invalidate`. */
export interface InvalidateOptions extends CommandOptions {
  /**
   * For how long the stale value may still be read: seconds, `0` for ever, or a
   * `Date`. If absent, the item ends when it would have ended anyway.
   */
  staleFor?: Ttl;
}

/** Options of `update`. */
export interface UpdateOptions extends CommandOptions {
  /**
   * Lifetime of what is stored, counted from each store.
   *
   * @default {0}
   */
  ttl?: Ttl;
  /**
   * How often it is tried when others keep changing the item, from 1 on: the
   * number of attempts.
   *
   * @default {20}
   */
  attempts?: number;
  /**
   * Milliseconds for all attempts, the function and the delays included, `0` for
   * none, at most 2^31 - 1. If absent, each command has the client's own, and the
   * function takes its time.
   */
  timeout?: number;
}

/**
 * Makes of a value what is to be stored in its place.
 *
 * @param value What is stored, `undefined` if nothing is.
 * @returns The new value; `undefined` leaves everything as it is.
 */
export type Updater<T> = (
  value: T | undefined,
) => T | undefined | Promise<T | undefined>;

/**
 * Commands on one item that are made of flags of the meta protocol.
 *
 * All but `getAndTouch` and `update` need memcached 1.6 or later, and a client
 * whose `protocol` is not `"classic"`: else they reject with a
 * {@linkcode MemcacheUnknownCommandError}, and nothing is sent.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await client.set("code", "4711", { ttl: 60 });
 * console.log(await client.ttl("code")); // 60
 * console.log(await client.size("code")); // 4
 * console.log(await client.take("code")); // "4711", for one caller only
 * console.log(await client.take("code")); // undefined
 * await client.close();
 * await server.close();
 * ```
 */
export interface HelperCommands {
  /**
   * Tells how long an item has left. It does not count as a read.
   *
   * Sent as `mg` with `t` and `u`. Source: protocol.txt, "Meta Get".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options A timeout, a signal.
   * @returns Seconds, -1 for an item without an end, `undefined` on a miss.
   */
  ttl(key: Key, options?: CommandOptions): Promise<number | undefined>;
  /**
   * Tells how large a stored value is. It does not count as a read.
   *
   * Sent as `mg` with `s` and `u`. Source: protocol.txt, "Meta Get".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options A timeout, a signal.
   * @returns Bytes of the value as the serde has stored it, key and header not
   * counted; `undefined` on a miss.
   */
  size(key: Key, options?: CommandOptions): Promise<number | undefined>;
  /**
   * Reads a value as if nobody had: the item is not bumped in the LRU, and not
   * marked as fetched.
   *
   * Sent as `mg` with `u`. Source: protocol.txt, "Meta Get".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options The default, a timeout, a signal.
   * @returns The value, or on a miss the default or `undefined`.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  peek<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined>;
  /**
   * Reads a value for the last time: it is gone afterwards. Of callers at the
   * same time one gets it.
   *
   * What fails on the way back is lost, so it is an error with `errorsAsMisses`
   * too, and never attempted again unless it was surely not sent.
   *
   * Sent as `mg` with `T-1`. Source: protocol.txt, "Meta Get".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options The default, a timeout, a signal.
   * @returns The value, or on a miss the default or `undefined`.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  take<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined>;
  /**
   * Reads a value and sets a new lifetime: `gat` by a name that says so.
   *
   * Sent as `mg` with `T`, or `gat`. Source: protocol.txt, "Get And Touch".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param ttl The lifetime from now on, in seconds or as a `Date`.
   * @param options The default, a timeout, a signal.
   * @returns The value, or on a miss the default or `undefined`.
   * @throws {MemcacheSerdeError} If the stored bytes cannot be read.
   */
  getAndTouch<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: GetOptions<T>,
  ): Promise<T | undefined>;
  /**
   * Marks an item as stale in place of deleting it, so that one reader computes
   * a new value while the others are served the old one.
   *
   * `get` and its kin still answer the old value. Readers of the meta protocol
   * are told that it is stale, and the first of them that it `won`: it is the
   * one to store a new value. A store takes the mark away, and a `cas` that was
   * read before fails. `getOrSet` does all of this by itself.
   *
   * Every `mg` is such a reader, a `get` that travels as one too: it is told,
   * and has no use for it. Read such items by `getOrSet` or `meta.get`.
   *
   * Sent as `md` with `I`. Source: protocol.txt, "Meta Delete".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param options How long the stale value may be read, a timeout, a signal.
   * @returns Whether there was such an item.
   */
  invalidate(key: Key, options?: InvalidateOptions): Promise<boolean>;
  /**
   * Changes a value by a function, so that no change of others is lost: reads
   * it, calls the function, stores the result if the item has not changed
   * meanwhile, and begins again if it has.
   *
   * The function may be called more than once, with a value of its own each
   * time; it may be async. Updates of a key that begin on the same client take
   * turns, of a second at most while others wait, so that they do not have to
   * begin again because of each other. Between attempts passes a random time
   * (full jitter): at most twice what the attempt took, and twice as much each
   * time, up to a second.
   *
   * Sent as `gets` or `mg`, then `cas`, or `add` where there was none. Source:
   * protocol.txt, "Storage commands".
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param fn Makes the new value; what it throws is what the call rejects with.
   * @param options Lifetime, attempts, a timeout for all of it, a signal.
   * @returns What was stored, or `undefined` if `fn` has left it as it was.
   * @throws {MemcacheCasError} If others have changed the item during every
   * attempt.
   * @throws {MemcacheSerdeError} If a value cannot be read, or not be stored.
   * @throws {MemcacheServerError} If the server keeps no CAS uniques (`-C`).
   */
  update<T = unknown>(
    key: Key,
    fn: Updater<T>,
    options?: UpdateOptions,
  ): Promise<T | undefined>;
}
