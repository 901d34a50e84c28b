/**
 * The conformance suite over clients around clients: as long as nothing fails,
 * they are what they wrap.
 *
 * @module
 */
import {
  Client,
  type ClientOptions,
  FallbackClient,
  HashClient,
  type KeyCommands,
  PooledClient,
  RetryingClient,
  type ServerCommands,
} from "@x/memcache";
import { EMBEDDED, MEMCACHED, over, three } from "./conformance/servers.ts";

type Wrap = (
  server: string,
  options: ClientOptions,
) => { client: KeyCommands; server?: ServerCommands };

/** A server that is failing is not left alone: the next command tries it. */
const AT_ONCE = { retryTimeout: 0, retryAttempts: 1000 };

/** What is wrapped in what, and how often it attempts what fails. */
const WRAPPED: Record<string, readonly [attempts: number, wrap: Wrap]> = {
  "RetryingClient": [2, (server, options) => {
    const client = new RetryingClient(new Client(server, options));
    return { client, server: client };
  }],
  "RetryingClient in RetryingClient": [2, (server, options) => {
    const inner = new RetryingClient(new Client(server, options), {
      attempts: 1,
    });
    const client = new RetryingClient(inner);
    return { client, server: client };
  }],
  "FallbackClient": [1, (server, options) => {
    const client = new Client(server, options);
    return { client: new FallbackClient([client]), server: client };
  }],
  "FallbackClient in RetryingClient": [2, (server, options) => {
    const client = new Client(server, options);
    const fallback = new FallbackClient([client]);
    return { client: new RetryingClient(fallback), server: client };
  }],
  "RetryingClient in FallbackClient": [2, (server, options) => {
    const client = new RetryingClient(new Client(server, options));
    return { client: new FallbackClient([client]), server: client };
  }],
  "HashClient in RetryingClient": [2, (server, options) => ({
    client: new RetryingClient(
      new HashClient([server], { ...options, ...AT_ONCE }),
    ),
  })],
  "HashClient in FallbackClient": [1, (server, options) => ({
    client: new FallbackClient([
      new HashClient([server], { ...options, ...AT_ONCE }),
    ]),
  })],
};

const embedded = EMBEDDED[0];
const memcached = MEMCACHED[0];
for (const [name, [attempts, wrap]] of Object.entries(WRAPPED)) {
  // How they are nested makes no difference to a transport or a protocol.
  const alone = !name.includes(" in ");
  const kinds = alone
    ? [embedded, memcached]
    : [{ ...embedded, protocols: ["auto" as const] }];
  over(kinds, name, wrap, { attempts });
}

over(
  [{ ...three(embedded), protocols: ["auto"] }],
  "HashClient in RetryingClient",
  (servers, options) => ({
    client: new RetryingClient(
      new HashClient(servers.split(" "), { ...options, ...AT_ONCE }),
    ),
  }),
  { connections: 3, servers: 3, attempts: 2 },
);

over(
  [{ ...embedded, protocols: ["auto"] }],
  "PooledClient in RetryingClient in FallbackClient",
  (server, options) => {
    const client = new RetryingClient(new PooledClient(server, options));
    return { client: new FallbackClient([client]), server: client };
  },
  { connections: 4, attempts: 2 },
);
