/**
 * The seam between what knows the servers of a cluster and what uses them.
 *
 * @module
 */

import type { ServerSpec } from "../conn/address.ts";

/**
 * Tells the servers of a cluster, now and whenever they change.
 *
 * An async iterable of whole lists:
 *
 * - The first list comes as soon as it is known, a later one only when it
 *   differs. Lists are whole: a server that is not in the new one has left.
 * - An iteration that ends says that the last list stays as it is; so does one
 *   that throws, and whoever iterates keeps the last list.
 * - The iterator's `return()` ends the iteration at once, also while a `next()`
 *   waits: that one resolves as done. It leaves no timer and no connection.
 *   A generator of yours may do less: its `return()` waits for what it awaits,
 *   so nobody should wait for it in turn.
 * - Every iteration stands alone; nothing happens before the first `next()`.
 * - Waiting keeps no process alive, for the first list either: that is up to
 *   whoever waits.
 *
 * Lists are never empty: a cluster without servers is a failed look-up, which is
 * reported, and the last list stays.
 *
 * Any async iterable of lists will do, such as a generator of yours.
 *
 * @example
 * ```ts
 * import type { Discovery } from "@x/memcache";
 *
 * async function* fromFile(): AsyncGenerator<string[]> {
 *   yield ["10.0.0.1:11211", "10.0.0.2:11211"];
 * }
 * const discovery: Discovery = fromFile();
 * for await (const servers of discovery) console.log(servers.length); // 2
 * ```
 */
export type Discovery = AsyncIterable<readonly ServerSpec[]>;
