/**
 * The conformance suite over clients of many servers: with one server, where
 * commands for it are the same but for a `Map`, and with three.
 *
 * @module
 */
import {
  type CommandOptions,
  type FlushOptions,
  HashClient,
  type LruTuning,
  type RawOptions,
  type ServerCommands,
  type ShutdownOptions,
  type WatchOptions,
  type WatchTopic,
} from "@x/memcache";
import {
  EMBEDDED,
  type Kind,
  MEMCACHED,
  over,
  three,
} from "./conformance/servers.ts";

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
  lruTune(tuning: LruTuning, options?: CommandOptions) {
    return only(this.#client.lruTune(tuning, options));
  }
  lruMode(mode: "flat" | "segmented", options?: CommandOptions) {
    return only(this.#client.lruMode(mode, options));
  }
  lruTempTtl(ttl: number, options?: CommandOptions) {
    return only(this.#client.lruTempTtl(ttl, options));
  }
  lruCrawlerEnable(options?: CommandOptions) {
    return only(this.#client.lruCrawlerEnable(options));
  }
  lruCrawlerDisable(options?: CommandOptions) {
    return only(this.#client.lruCrawlerDisable(options));
  }
  lruCrawlerSleep(microseconds: number, options?: CommandOptions) {
    return only(this.#client.lruCrawlerSleep(microseconds, options));
  }
  lruCrawlerToCrawl(items: number, options?: CommandOptions) {
    return only(this.#client.lruCrawlerToCrawl(items, options));
  }
  lruCrawlerCrawl(
    classes: "all" | number | Iterable<number>,
    options?: CommandOptions,
  ) {
    return only(this.#client.lruCrawlerCrawl(classes, options));
  }
  slabsReassign(from: number, to: number, options?: CommandOptions) {
    return only(this.#client.slabsReassign(from, to, options));
  }
  slabsAutomove(mode: 0 | 1 | 2, options?: CommandOptions) {
    return only(this.#client.slabsAutomove(mode, options));
  }
  watch(topics?: WatchTopic | Iterable<WatchTopic>, options?: WatchOptions) {
    return this.#client.watch(topics, options);
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

/** What makes no difference to a protocol is run over one of them. */
function once(kind: Kind): Kind {
  return { ...kind, protocols: ["auto"] };
}

for (const usePooling of [false, true]) {
  const name = usePooling ? "pooled HashClient" : "HashClient";
  const connections = usePooling ? 4 : 1;
  const one = usePooling ? [memcached] : [...MEMCACHED, embedded];
  over(one, name, (server, options) => {
    const client = new HashClient([server], { ...options, usePooling });
    return { client, server: new OnlyServer(client) };
  }, { connections });
  const several = [memcached, embedded].map(three);
  over(
    usePooling ? several.map(once) : several,
    name,
    (servers, options) => ({
      client: new HashClient(servers.split(" "), { ...options, usePooling }),
    }),
    { connections: 3 * connections, servers: 3 },
  );
}
