/**
 * `Client`: one server, one pipelined connection.
 *
 * @module
 */

import type { ServerSpec } from "../conn/address.ts";
import { Connection } from "../connection/connection.ts";
import { type ClientOptions, readOptions } from "./options.ts";
import { ServerClient } from "./server_client.ts";

/**
 * A client for one server: one connection, opened by the first command,
 * pipelined, reopened when it is lost.
 *
 * Commands of the same turn of the event loop leave in one write. There is no
 * need for a pool to have many commands in flight.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address, { timeout: 500 });
 * await client.set("greeting", "hello", { ttl: 60 });
 * console.log(await client.get("greeting")); // "hello"
 * await client.close();
 * await server.close();
 * ```
 */
export class Client extends ServerClient {
  /**
   * Makes a client; nothing is opened until the first command.
   *
   * @param server Where the server is. Default `"localhost:11211"`.
   * @param options See {@linkcode ClientOptions}.
   * @throws {MemcacheIllegalInputError} If one of them cannot be used.
   */
  constructor(
    server: ServerSpec = "localhost:11211",
    options: ClientOptions = {},
  ) {
    const { context, connection } = readOptions(server, options);
    super(context, new Connection(connection), connection);
  }
}
