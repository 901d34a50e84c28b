/**
 * The conformance suite over the embedded server.
 *
 * @module
 */
import { Client } from "@x/memcache";
import { EMBEDDED, over } from "./conformance/servers.ts";

over(EMBEDDED, "Client", (server, options) => {
  const client = new Client(server, options);
  return { client, server: client };
});
