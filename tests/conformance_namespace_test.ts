/**
 * The conformance suite over namespaces: as long as nobody invalidates them,
 * they are what they are views of.
 *
 * @module
 */
import {
  Client,
  FallbackClient,
  HashClient,
  type KeyCommands,
  type Namespace,
  PooledClient,
  RetryingClient,
} from "@x/memcache";
import { EMBEDDED, MEMCACHED, over, three } from "./conformance/servers.ts";

/** Behaviours that namespaces have in a way of their own. */
const EXCEPT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      "every legal key works with every command",
      "keyPrefix counts towards the length of a key",
      "allowUnicodeKeys sends keys as UTF-8",
      "long keys go with every command and in numbers",
    ].map((title) => [title, "prefix and version take their part of the key"]),
  ),
  ...Object.fromEntries(
    [
      "keyPrefix goes before every key and stays out of every result",
      "keyEncoder sees keys without their prefix",
    ].map((title) => [title, "it looks for the key right behind keyPrefix"]),
  ),
  "maxPending refuses what is too much, at once":
    "the reads of the version count, too",
  ...Object.fromEntries(
    [
      "a value that cannot be stored is refused, and nothing is sent",
      "setMany() sends nothing if a value cannot be stored",
    ].map((title) => [title, "the first call asks for the version before"]),
  ),
  "commands without a reply do not wait for the server":
    "they wait for the version",
};

/** What is a namespace's own: such behaviours, versions and reads of them. */
const OWN = {
  except: EXCEPT,
  hidden:
    /(?:mg|gets?) space:(?:@inner:)?@version[^\r]*\r\n|(?:space|inner):[0-9a-z]{16,17}:/g,
};

/** A namespace of a client; what ends it ends the client, too. */
function viewOf(client: KeyCommands): Namespace {
  const view = client.namespace("space:");
  for (const name of ["disconnect", "close"] as const) {
    Object.defineProperty(view, name, { value: () => client[name]() });
  }
  return view;
}

const AT_ONCE = { retryTimeout: 0, retryAttempts: 1000 };
const embedded = EMBEDDED[0];
const classic = EMBEDDED.find(({ meta }) => !meta) ?? embedded;
const memcached = MEMCACHED[0];
const auto = { ...embedded, protocols: ["auto" as const] };

over(
  [embedded, { ...classic, brief: false }, memcached],
  "namespace of Client",
  (server, options) => ({ client: viewOf(new Client(server, options)) }),
  OWN,
);

over(
  [auto],
  "namespace in a namespace",
  (server, options) => {
    const client = new Client(server, options);
    const outer = viewOf(client);
    const view = outer.namespace("inner:");
    for (const name of ["disconnect", "close"] as const) {
      Object.defineProperty(view, name, { value: () => outer[name]() });
    }
    return { client: view };
  },
  {
    ...OWN,
    except: {
      ...EXCEPT,
      "a value of almost 1 MiB comes back": "a longer key leaves it less room",
    },
  },
);

over(
  [auto, memcached],
  "namespace of PooledClient",
  (server, options) => ({ client: viewOf(new PooledClient(server, options)) }),
  { ...OWN, connections: 4 },
);

over(
  [three(auto)],
  "namespace of HashClient",
  (servers, options) => ({
    client: viewOf(
      new HashClient(servers.split(" "), { ...options, ...AT_ONCE }),
    ),
  }),
  { ...OWN, connections: 3, servers: 3 },
);

over(
  [auto],
  "namespace of RetryingClient",
  (server, options) => ({
    client: viewOf(new RetryingClient(new Client(server, options))),
  }),
  { ...OWN, attempts: 2 },
);

over(
  [auto],
  "namespace of FallbackClient",
  (server, options) => ({
    client: viewOf(new FallbackClient([new Client(server, options)])),
  }),
  OWN,
);
