/**
 * The conformance suite over clients of many servers: with one server, where
 * commands for it are the same but for a `Map`, and with three.
 *
 * @module
 */
import {
  type ClientOptions,
  type CommandOptions,
  type FlushOptions,
  HashClient,
  type RawOptions,
  type ServerCommands,
  type ShutdownOptions,
} from "@x/memcache";
import { EMBEDDED, MEMCACHED, over, three } from "./conformance/servers.ts";

/** The commands of a cluster of one for its server: each `Map` has one entry. */
class OnlyServer implements ServerCommands {
  readonly #client: HashClient;

  constructor(client: HashClient) {
    this.#client = client;
  }

  stats(...args: string[]) {
    return only(this.#client.stats(...args));
  }
  statsSettings(options?: CommandOptions) {
    return only(this.#client.statsSettings(options));
  }
  statsItems(options?: CommandOptions) {
    return only(this.#client.statsItems(options));
  }
  statsSlabs(options?: CommandOptions) {
    return only(this.#client.statsSlabs(options));
  }
  statsSizes(options?: CommandOptions) {
    return only(this.#client.statsSizes(options));
  }
  statsConns(options?: CommandOptions) {
    return only(this.#client.statsConns(options));
  }
  version(options?: CommandOptions) {
    return only(this.#client.version(options));
  }
  flushAll(options?: FlushOptions) {
    return only(this.#client.flushAll(options));
  }
  verbosity(level: number, options?: CommandOptions) {
    return only(this.#client.verbosity(level, options));
  }
  cacheMemlimit(megabytes: number, options?: CommandOptions) {
    return only(this.#client.cacheMemlimit(megabytes, options));
  }
  rawCommand(command: string | Uint8Array, options?: RawOptions) {
    return only(this.#client.rawCommand(command, options));
  }
  quit(options?: CommandOptions) {
    return only(this.#client.quit(options));
  }
  shutdown(options?: ShutdownOptions) {
    return only(this.#client.shutdown(options));
  }
}

/** The one value of a map. */
async function only<T>(results: Promise<Map<string, T>>): Promise<T> {
  const values = [...(await results).values()];
  if (values.length !== 1) throw new Error(`${values.length} results, not 1`);
  return values[0];
}

const [memcached] = MEMCACHED;
const [embedded] = EMBEDDED;

over([...MEMCACHED, embedded], "HashClient", (server, options) => {
  const client = new HashClient([server], options);
  return { client, server: new OnlyServer(client) };
});

over(
  [memcached, embedded].map(three),
  "HashClient",
  (servers: string, options: ClientOptions) => ({
    client: new HashClient(servers.split(" "), options),
  }),
  { connections: 3, servers: 3 },
);
