/**
 * The command that loads what is not there.
 *
 * @module
 */

import type { Key } from "../types.ts";
import type { GetOrSetOptions, LoadContext } from "./options.ts";

/** The part of the commands on keys that makes values itself. */
export interface CacheCommands {
  /**
   * Reads a value, and loads and stores it if there is none; of all who ask at
   * the same time, in all processes, one loads.
   *
   * - A hit is one `mg`, as for `get`.
   * - On a miss the first one who asks stores an empty item under the key, its
   *   lease, and loads. Others of the same process wait for that load, those of
   *   other processes look again and again. Reads of this module answer a miss
   *   for such an item. Who loads renews the lease; if it dies, the lease ends
   *   after `lease` seconds, and another one loads.
   * - What was loaded is stored only if the lease is still there: what has been
   *   stored meanwhile stays, what has been deleted stays deleted.
   * - With `refreshAhead`, `staleFor`, or after a value was marked as stale, one
   *   caller loads anew, and all others get the value that there is. Any read by
   *   `mg` of a value that was marked as stale takes that turn, `get` too: if no
   *   load follows, the next one is due a second after `loadTimeout`.
   * - A value that cannot be stored is returned all the same, and the error goes
   *   to `onError`. An error of the load reaches all who wait for it, and the
   *   next caller loads again. `undefined` and `null` are not stored.
   * - A read that fails rejects; with `errorsAsMisses` it counts as a miss, and
   *   the value is loaded once in this process, and stored only if it can be
   *   known that nothing has changed.
   * - An abort, or the `timeout` of a call, which is for all of it, ends that
   *   call only. Without a `timeout` a call waits as long as the load takes, see
   *   `loadTimeout`; each command of it has the client's own.
   * - A server without meta commands has leases, too, by `add`, but tells nobody
   *   when to load anew: `onError` is told once (`code` is `"ERR_NO_META"`).
   *
   * `append`, `incr`, `touch` and the like see the empty item while a value is
   * loaded: keep them from the keys of `getOrSet`. A load that asks for its own
   * key waits for itself, until `loadTimeout` ends it.
   *
   * Sent as `mg`, `ms` and `md`, or as `get`, `gets`, `add` and `cas`. Source:
   * protocol.txt, "Meta Get", "Meta Set" and "Meta Delete".
   *
   * @example
   * ```ts
   * import { Client } from "@x/memcache";
   * import { MemcachedServer } from "@x/memcache/testing";
   *
   * const server = await MemcachedServer.start();
   * const client = new Client(server.address);
   * let loads = 0;
   * const user = () =>
   *   client.getOrSet("user:1", async (key) => {
   *     loads++;
   *     return await Promise.resolve({ key, name: "Ada" }); // from a database
   *   }, { ttl: 60, refreshAhead: 10, staleIfError: 3600 });
   *
   * const users = await Promise.all([user(), user(), user()]);
   * console.log(users.length, loads); // 3 1
   * console.log(await client.get("user:1")); // { key: "user:1", name: "Ada" }
   * await client.close();
   * await server.close();
   * ```
   *
   * @param key 1 to 250 bytes, prefix included.
   * @param load Makes the value of the caller's key; it is called with a signal
   * that says when nobody needs it any more.
   * @param options Lifetimes, what is kept of failures, a timeout, a signal.
   * @returns The value that is stored, or that was loaded.
   * @throws What `load` throws; {@linkcode MemcacheTimeoutError} after
   * `loadTimeout`; {@linkcode MemcacheError} with the code `"ERR_LOAD_FAILED"`
   * where a failure is kept (`errorTtl`).
   */
  getOrSet<T>(
    key: Key,
    load: (key: string, context: LoadContext) => T | Promise<T>,
    options?: GetOrSetOptions,
  ): Promise<T>;
}
