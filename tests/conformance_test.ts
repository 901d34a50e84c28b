/**
 * The conformance suite over real memcached.
 *
 * @module
 */
import { Client } from "@x/memcache";
import { MEMCACHED, over } from "./conformance/servers.ts";

over(MEMCACHED, "Client", (server, options) => {
  const client = new Client(server, options);
  return { client, server: client };
});
