/**
 * Listening sockets: TCP, TLS and unix domain, on all three runtimes.
 *
 * @module
 */

import { createServer, type Server, type Socket } from "node:net";
import type { CheckedOptions } from "./options.ts";

/** A listening socket. */
export interface Listener {
  /** The TCP port, 0 for a unix domain socket. */
  readonly port: number;
  /** Stops listening and resolves when the address is free. */
  close(): Promise<void>;
}

/** What a listener tells its user. */
export interface ListenerEvents {
  /** A socket was accepted; with TLS, its handshake is still to come. */
  accepted(socket: Socket): void;
  /** A socket can be used. */
  ready(socket: Socket): void;
}

/** Starts to listen; rejects with the runtime's error. */
export async function listen(
  options: CheckedOptions,
  port: number,
  events: ListenerEvents,
): Promise<Listener> {
  const server = await makeServer(options, events);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
    if (options.path !== undefined) server.listen({ path: options.path });
    else server.listen({ port, host: options.hostname });
  });
  // A socket that breaks while it is accepted is no failure of the server.
  server.on("error", () => {});
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null && "port" in address
      ? address.port
      : 0,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function makeServer(
  options: CheckedOptions,
  events: ListenerEvents,
): Promise<Server> {
  const { tls } = options;
  if (tls === undefined) {
    return createServer((socket) => {
      events.accepted(socket);
      events.ready(socket);
    });
  }
  // Loaded when it is needed, since it takes a while.
  const { createServer: createTlsServer } = await import("node:tls");
  const server = createTlsServer(
    {
      cert: tls.cert,
      key: tls.key,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      requestCert: tls.requestClientCert ?? false,
      rejectUnauthorized: tls.requestClientCert ?? false,
    },
    (socket) => events.ready(socket),
  );
  server.on("connection", (socket: Socket) => events.accepted(socket));
  server.on("tlsClientError", () => {});
  return server;
}
