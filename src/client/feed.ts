/**
 * What goes on and on, read one by one: the type of listings and logs.
 *
 * @module
 */

/**
 * Values that servers send one after another, to be read by `for await`.
 *
 * Nothing is sent before the first one is asked for, or `opened` is called. A
 * feed has connections of its own, one to each server, and is read no faster
 * than it is asked: what waits has bounded room, and then the servers wait. It
 * closes its connections at its end, when the loop is left, after an error, and
 * with its client. It is not to be read twice.
 *
 * @example
 * ```ts
 * import { Client, type Feed, type KeyEntry } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * async function count(feed: Feed<KeyEntry>): Promise<number> {
 *   let bytes = 0;
 *   for await (const { size } of feed) bytes += size;
 *   return bytes;
 * }
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await client.set("greeting", "hello");
 * console.log(await count(client.keys())); // 72
 * await client.close();
 * await server.close();
 * ```
 */
export interface Feed<T> {
  /**
   * Begins, unless it has begun, and waits until servers send.
   *
   * @returns Settles once what happens from now on is told.
   * @throws {MemcacheError} If it cannot begin.
   */
  opened(): Promise<void>;
  /**
   * Waits for the next value.
   *
   * @returns The value, or that there are no more.
   * @throws {MemcacheError} Once, if it fails; then there are no more.
   */
  next(): Promise<IteratorResult<T, undefined>>;
  /**
   * Closes its connections at once. Who waits for a value is told that there
   * are no more.
   *
   * @returns That there are no more.
   */
  return(): Promise<IteratorResult<T, undefined>>;
  /** The feed itself. */
  [Symbol.asyncIterator](): Feed<T>;
  /** Closes its connections, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}
