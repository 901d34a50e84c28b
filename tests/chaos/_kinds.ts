/**
 * The kinds of client that are put to the test.
 *
 * @module
 */
import {
  Client,
  type ClientOptions,
  HashClient,
  type HashClientOptions,
  type KeyCommands,
  PooledClient,
  RetryingClient,
} from "@x/memcache";
import type { Transport } from "../_memcached.ts";

/** One kind of client. */
export interface Kind {
  /** How many servers it talks to. */
  readonly servers: number;
  /** How many clients share the load. Default: 4. */
  readonly clients?: number;
  /** Calls that are on their way at the same time. Default: 32. */
  readonly width?: number;
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

/** The number of the server that has a key, as long as all are in the ring. */
function placed(servers: readonly string[]): (key: string) => number {
  const client = new HashClient(servers);
  return (key) => servers.indexOf(client.serversFor(key)[0]);
}

/** Connections come and go all the time. */
const POOL = { maxPoolSize: 4, poolIdleTimeout: 60 };

/** Servers never leave the ring: so keys stay where they are. */
const STAYING: HashClientOptions = { retryAttempts: Number.MAX_SAFE_INTEGER };

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
  pooled: {
    servers: 1,
    // One, with enough to do for several connections.
    clients: 1,
    width: 200,
    make: ([server], options) =>
      new PooledClient(server, { ...options, ...POOL }),
  },
  hash: {
    servers: 3,
    serverOf: placed,
    make: (servers, options) =>
      new HashClient(servers, { ...options, ...STAYING }),
  },
  ejecting: {
    servers: 3,
    strict: false,
    make: (servers, options) =>
      new HashClient(servers, {
        ...options,
        retryAttempts: 1,
        retryTimeout: 100,
        deadTimeout: 400,
      }),
  },
  "pooled-hash": {
    servers: 3,
    clients: 2,
    serverOf: placed,
    make: (servers, options) =>
      new HashClient(servers, {
        ...options,
        ...STAYING,
        ...POOL,
        retryTimeout: 50,
        usePooling: true,
      }),
  },
  "retrying-hash": {
    servers: 3,
    serverOf: placed,
    make: (servers, options) =>
      new RetryingClient(
        new HashClient(servers, {
          ...options,
          ...STAYING,
          retryTimeout: 50,
        }),
        { attempts: 3, retryDelay: 60 },
      ),
  },
};
