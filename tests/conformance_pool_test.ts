/**
 * The conformance suite over pools of connections.
 *
 * @module
 */
import { PooledClient } from "@x/memcache";
import { EMBEDDED, MEMCACHED, over } from "./conformance/servers.ts";

for (const kinds of [MEMCACHED, EMBEDDED]) {
  over(kinds, "PooledClient", (server, options) => {
    const client = new PooledClient(server, options);
    return { client, server: client };
  }, { connections: 4 });
}
