/**
 * A list of servers that stays as it is.
 *
 * @module
 */

import { parseServer, type ServerSpec } from "../conn/address.ts";
import { MemcacheIllegalInputError } from "../errors.ts";
import type { Discovery } from "./discovery.ts";

/**
 * Makes a discovery of servers that are known: one list, which never changes.
 *
 * @example
 * ```ts
 * import { staticServers } from "@x/memcache";
 *
 * const discovery = staticServers(["10.0.0.1", "10.0.0.2:11212"]);
 * for await (const servers of discovery) {
 *   console.log(servers.map(String)); // ["10.0.0.1", "10.0.0.2:11212"]
 * }
 * ```
 *
 * @param servers The servers, at least one; read once, at the call.
 * @returns The discovery. Each iteration gives the list and ends.
 * @throws {MemcacheIllegalInputError} If there is none, or an address is none.
 */
export function staticServers(servers: Iterable<ServerSpec>): Discovery {
  const list = Object.freeze([...servers]);
  if (list.length === 0) {
    throw new MemcacheIllegalInputError(
      "Cannot use list of servers: it is empty",
      { sent: false },
    );
  }
  for (const server of list) parseServer(server);
  return {
    async *[Symbol.asyncIterator]() {
      yield list;
    },
  };
}
