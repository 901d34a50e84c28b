/**
 * The kinds of client that are put to the test.
 *
 * @module
 */
import {
  Client,
  type ClientOptions,
  type KeyCommands,
  RetryingClient,
} from "@x/memcache";
import type { Transport } from "../_memcached.ts";

/** One kind of client. */
export interface Kind {
  /** How many servers it talks to. */
  readonly servers: number;
  /** How it reaches them. Default: TCP. */
  readonly transport?: Transport;
  /** Makes a client of these servers. */
  readonly make: (
    servers: readonly string[],
    options: ClientOptions,
  ) => KeyCommands;
  /** The number of the server that has a key; default: the first one. */
  readonly serverOf?: (servers: readonly string[]) => (key: string) => number;
  /** Whether a key stays with its server, whatever happens. Default: it does. */
  readonly strict?: boolean;
  /** What a call may take that was given `timeout` milliseconds. */
  readonly limitOf?: (timeout: number) => number;
}

/** Every kind, by the name that `--client` takes. */
export const KINDS: Readonly<Record<string, Kind>> = {
  client: {
    servers: 1,
    make: ([server], options) => new Client(server, options),
  },
  classic: {
    servers: 1,
    make: ([server], options) =>
      new Client(server, { ...options, protocol: "classic" }),
  },
  tls: {
    servers: 1,
    transport: "tls",
    make: ([server], options) => new Client(server, options),
  },
  auth: {
    servers: 1,
    transport: "auth",
    make: ([server], options) => new Client(server, options),
  },
  retrying: {
    servers: 1,
    make: ([server], options) =>
      new RetryingClient(new Client(server, options), { retryDelay: 20 }),
  },
};
