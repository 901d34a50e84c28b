/**
 * The transports by name, and the one of the runtime at hand. An adapter is
 * loaded when the first connection is opened, so that importing this module
 * runs nothing and works on every runtime.
 *
 * @module
 */

import { MemcacheConnectionError } from "../errors.ts";
import type { Conn, Dial } from "./conn.ts";

function has(runtime: "Bun" | "Deno"): boolean {
  const api = (globalThis as { [name: string]: unknown })[runtime];
  return typeof (api as { connect?: unknown } | undefined)?.connect ===
    "function";
}

function need(runtime: "Bun" | "Deno"): void {
  if (has(runtime)) return;
  throw new MemcacheConnectionError(
    `Cannot connect by dial${runtime}: this runtime is not ${runtime}`,
    { sent: false },
  );
}

/**
 * Opens a connection by Deno's own sockets; by `node:tls` where TLS comes with
 * `caCerts`, with a client certificate or without verification, which Deno's
 * own TLS cannot do over a socket that is connected.
 *
 * Of TCP keep-alive Deno can only switch the system's settings on: `idle`,
 * `interval` and `count` have no effect.
 *
 * @example
 * ```ts
 * import { Client, dialDeno } from "@x/memcache";
 *
 * const client = new Client("localhost:11211", { dial: dialDeno });
 * ```
 *
 * @param address Where the server is.
 * @param options How to connect.
 * @returns The connection, once bytes can be sent.
 * @throws {MemcacheConnectionError} The runtime is not Deno. Else the
 * runtime's own error, or the reason of `options.signal`.
 */
export const dialDeno: Dial = async (
  address,
  options,
): Promise<Conn> => {
  need("Deno");
  return (await import("./deno.ts")).dialDeno(address, options);
};

/**
 * Opens a connection by Bun's own sockets.
 *
 * Of TCP keep-alive Bun sets `idle` only: `interval` and `count` have no
 * effect, ten probes follow, one a second.
 *
 * @example
 * ```ts
 * import { Client, dialBun } from "@x/memcache";
 *
 * const client = new Client("localhost:11211", { dial: dialBun });
 * ```
 *
 * @param address Where the server is.
 * @param options How to connect.
 * @returns The connection, once bytes can be sent.
 * @throws {MemcacheConnectionError} The runtime is not Bun. Else the
 * runtime's own error, or the reason of `options.signal`.
 */
export const dialBun: Dial = async (
  address,
  options,
): Promise<Conn> => {
  need("Bun");
  return (await import("./bun.ts")).dialBun(address, options);
};

/**
 * Opens a connection by `node:net` and `node:tls`, which Deno and Bun have
 * too.
 *
 * TCP keep-alive is set in full by Node 24 and later. Before that, and in Deno
 * and Bun, `idle` only: `interval` and `count` have no effect, ten probes
 * follow, one a second.
 *
 * @example
 * ```ts
 * import { Client, dialNode } from "@x/memcache";
 *
 * const client = new Client("localhost:11211", { dial: dialNode });
 * ```
 *
 * @param address Where the server is.
 * @param options How to connect.
 * @returns The connection, once bytes can be sent.
 * @throws The runtime's own error, or the reason of `options.signal`.
 */
export const dialNode: Dial = async (
  address,
  options,
): Promise<Conn> => {
  return (await import("./node.ts")).dialNode(address, options);
};

/**
 * Opens a connection by the transport of the runtime at hand: Bun's, Deno's,
 * else Node's. The default of every client.
 *
 * @example A transport that counts connections
 * ```ts
 * import { Client, dial } from "@x/memcache";
 *
 * let opened = 0;
 * const client = new Client("localhost:11211", {
 *   dial: (address, options) => (opened++, dial(address, options)),
 * });
 * ```
 *
 * @param address Where the server is.
 * @param options How to connect.
 * @returns The connection, once bytes can be sent.
 * @throws The runtime's own error, or the reason of `options.signal`.
 */
export const dial: Dial = (address, options): Promise<Conn> =>
  (has("Bun") ? dialBun : has("Deno") ? dialDeno : dialNode)(address, options);
