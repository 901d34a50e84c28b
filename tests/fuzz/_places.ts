/**
 * Every place of every method where a caller gives something, and what may be
 * sent for it.
 *
 * @module
 */
import type { Client, Feed } from "@x/memcache";

/** A client as who has no types sees it. */
export type Loose = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** Where something can be given. */
export interface Place {
  /** For who reads a failure. */
  readonly name: string;
  /** The commands that may be sent. */
  readonly sends: readonly string[];
  /**
   * How many of them: exactly one, or none, or as many as there are keys, or
   * one after another as they are answered.
   */
  readonly count: "one" | "none" | "any";
  /** Whether the thing is a key, or has keys in it. */
  readonly ofKeys: boolean;
  /** Makes the call. */
  call(client: Loose, thing: unknown): Promise<unknown>;
}

const READS = ["get", "gets", "gat", "gats", "mg"];

/** A method by its name; those of the meta protocol begin with `meta.`. */
function method(client: Loose, name: string): Loose[string] {
  const { meta } = client as unknown as { meta: Loose };
  return name.startsWith("meta.")
    ? meta[name.slice(5)].bind(meta)
    : client[name].bind(client);
}

/** A call with something hostile in it. */
export type Call = (client: Loose, thing: unknown) => Promise<unknown>;

/** Places with the same commands. */
export function places(
  sends: readonly string[],
  count: Place["count"],
  ofKeys: boolean,
  calls: Readonly<Record<string, Call>>,
): Place[] {
  return Object.entries(calls).map(([name, call]) => ({
    name,
    sends,
    count,
    ofKeys,
    call,
  }));
}

/** The options of a method, each as something hostile, and all of them so. */
export function options(
  names: readonly string[],
  call: (client: Loose, options: unknown) => Promise<unknown>,
): Record<string, Call> {
  const calls: Record<string, Call> = { options: call };
  for (const name of [...names, "timeout", "signal"]) {
    calls[name] = (client, thing) => call(client, { [name]: thing });
  }
  return calls;
}

/** A method of one key: `rest` is what stands between key and options. */
export function keyed(
  name: string,
  sends: readonly string[],
  rest: readonly unknown[],
  names: readonly string[],
  more: Readonly<Record<string, Call>> = {},
  count: Place["count"] = "one",
): Place[] {
  const keys: Record<string, Call> = {
    key: (client, thing) => method(client, name)(thing, ...rest),
    "key of a pair": (client, thing) =>
      method(client, name)(["r", thing], ...rest),
  };
  if (names.includes("noreply")) {
    keys["key without reply"] = (client, thing) =>
      method(client, name)(thing, ...rest, { noreply: true });
  }
  const others: Record<string, Call> = {
    "route of a pair": (client, thing) =>
      method(client, name)([thing, "k"], ...rest),
    ...options(names, (client, all) => method(client, name)("k", ...rest, all)),
    ...more,
  };
  return [
    ...places(sends, count, true, keys),
    ...places(sends, count, false, others),
  ];
}

function store(method: string): Place[] {
  const names = ["ttl", "flags", "noreply"];
  return keyed(method, [method], ["v"], names, {
    value: (client, thing) => client[method]("k", thing),
    "ttl without reply": (client, thing) =>
      client[method]("k", "v", { ttl: thing, noreply: true }),
  });
}

function counter(method: string): Place[] {
  const names = ["ttl", "noreply"];
  const fixed = keyed(method, [method], [1], names, {
    delta: (client, thing) => client[method]("n", thing),
  });
  // A counter that is not there takes two commands.
  const created = places([method, "add"], "any", false, {
    initial: (client, thing) => client[method]("k", 1, { initial: thing }),
    "ttl of initial": (client, thing) =>
      client[method]("k", 1, { initial: 1, ttl: thing }),
    "noreply of initial": (client, thing) =>
      client[method]("k", 1, { initial: 1, noreply: thing }),
    "bigint initial": (client, thing) =>
      client[method]("k", 1n, { initial: thing }),
  });
  const createdKey = places([method, "add"], "any", true, {
    "key of initial": (client, thing) =>
      client[method](thing, 1, { initial: 1 }),
  });
  return [...fixed, ...created, ...createdKey];
}

function many(
  method: string,
  sends: readonly string[],
  names: readonly string[],
): Place[] {
  return [
    ...places(sends, "any", true, {
      keys: (client, thing) => client[method](thing),
      "one of the keys": (client, thing) => client[method](["k", thing]),
      "key of a pair": (client, thing) => client[method]([["r", thing], "k"]),
    }),
    ...places(
      sends,
      "any",
      false,
      options(names, (client, all) => client[method](["k", "k2"], all)),
    ),
  ];
}

function admin(
  method: string,
  sends: readonly string[],
  names: readonly string[] = [],
): Place[] {
  return places(
    sends,
    "one",
    false,
    options(names, (client, all) => client[method](all)),
  );
}

function order(method: string, sends: string): Place[] {
  return places([sends], "one", false, {
    number: (client, thing) => client[method](thing),
    ...options([], (client, all) => client[method](5, all)),
  });
}

const GETS = ["gets", "mg"];
const STORE = ["ttl", "flags", "noreply"];

const TUNING = { hot: 20, warm: 40, hotMaxFactor: 0.2, warmMaxFactor: 2 };

/** The methods that give feeds, not promises. */
type Feeds = Record<
  "keys" | "watch",
  (...args: unknown[]) => Feed<unknown>
>;

function feeds(client: Loose): Feeds {
  return client as unknown as Feeds;
}

/** Asks a feed for something, and leaves it. */
async function first(feed: Feed<unknown>): Promise<void> {
  await feed.opened();
  await feed.return();
}

/** Every method of a client, and its places. */
export const PLACES: Readonly<Record<string, readonly Place[]>> = {
  // What is sent for a good one is tested with namespaces.
  namespace: places([], "none", false, {
    prefix: (client, thing) =>
      Promise.resolve().then(() => void client.namespace(thing)),
  }),
  get: keyed("get", ["get", "mg"], [], ["default"]),
  getItem: keyed("getItem", GETS, [], []),
  gets: keyed("gets", GETS, [], []),
  has: keyed("has", ["get", "mg"], [], []),
  gat: keyed("gat", ["gat", "mg"], [60], ["default"], {
    ttl: (client, thing) => client.gat("k", thing),
  }),
  gats: keyed("gats", ["gats", "mg"], [60], [], {
    ttl: (client, thing) => client.gats("k", thing),
  }),
  getMany: many("getMany", READS, []),
  getsMany: many("getsMany", READS, []),
  set: store("set"),
  add: store("add"),
  replace: store("replace"),
  append: store("append"),
  prepend: store("prepend"),
  cas: keyed("cas", ["cas"], ["v", 1], STORE, {
    value: (client, thing) => client.cas("k", thing, 1),
    cas: (client, thing) => client.cas("k", "v", thing),
  }),
  setMany: [
    ...places(["set"], "any", true, {
      entries: (client, thing) => client.setMany(thing),
      entry: (client, thing) => client.setMany([["k", 1], thing]),
      key: (client, thing) => client.setMany([["k", 1], [thing, 1]]),
      "key of a pair": (client, thing) => client.setMany([[["r", thing], 1]]),
    }),
    ...places(["set"], "any", false, {
      value: (client, thing) => client.setMany({ k: thing }),
      ...options(STORE, (client, all) => client.setMany({ k: 1, k2: 2 }, all)),
    }),
  ],
  delete: keyed("delete", ["delete"], [], ["noreply"]),
  deleteMany: many("deleteMany", ["delete"], ["noreply"]),
  incr: counter("incr"),
  decr: counter("decr"),
  touch: keyed("touch", ["touch"], [60], ["noreply"], {
    ttl: (client, thing) => client.touch("k", thing),
  }),
  getOrSet: keyed(
    "getOrSet",
    [...READS, "ms", "md", "add", "cas"],
    [() => "v"],
    [
      ...["ttl", "jitter", "refreshAhead", "refresh", "staleFor"],
      ...["staleIfError", "negativeTtl", "errorTtl", "lease"],
      ...["loadTimeout", "poll", "random"],
    ],
    {
      // What a function of the caller's throws is the caller's own.
      load: (client, thing) =>
        client.getOrSet("k", typeof thing === "function" ? () => "v" : thing),
    },
    "any",
  ),
  ttl: keyed("ttl", ["mg"], [], []),
  size: keyed("size", ["mg"], [], []),
  peek: keyed("peek", ["mg"], [], ["default"]),
  take: keyed("take", ["mg"], [], ["default"]),
  getAndTouch: keyed("getAndTouch", ["gat", "mg"], [60], ["default"], {
    ttl: (client, thing) => client.getAndTouch("k", thing),
  }),
  invalidate: keyed("invalidate", ["md"], [], ["staleFor"]),
  update: keyed("update", ["gets", "mg", "add", "cas"], [() => "v"], [
    "ttl",
    "attempts",
  ], {
    fn: (client, thing) => client.update("k", thing),
    "what fn makes": (client, thing) => client.update("k", () => thing),
  }, "any"),
  stats: places(["stats"], "one", false, {
    argument: (client, thing) => client.stats(thing),
    "second argument": (client, thing) => client.stats("items", thing),
  }),
  statsSettings: admin("statsSettings", ["stats"]),
  statsItems: admin("statsItems", ["stats"]),
  statsSlabs: admin("statsSlabs", ["stats"]),
  statsSizes: admin("statsSizes", ["stats"]),
  statsConns: admin("statsConns", ["stats"]),
  version: admin("version", ["version"]),
  flushAll: admin("flushAll", ["flush_all"], ["delay", "noreply"]),
  verbosity: order("verbosity", "verbosity"),
  cacheMemlimit: order("cacheMemlimit", "cache_memlimit"),
  rawCommand: places(["raw"], "one", false, {
    command: (client, thing) => client.rawCommand(thing),
    ...options(["endToken"], (client, all) => client.rawCommand("raw", all)),
  }),
  lruTune: [
    ...places(["lru"], "one", false, {
      tuning: (client, thing) => client.lruTune(thing),
      hot: (client, thing) => client.lruTune({ ...TUNING, hot: thing }),
      warm: (client, thing) => client.lruTune({ ...TUNING, warm: thing }),
      hotMaxFactor: (client, thing) =>
        client.lruTune({ ...TUNING, hotMaxFactor: thing }),
      warmMaxFactor: (client, thing) =>
        client.lruTune({ ...TUNING, warmMaxFactor: thing }),
      ...options([], (client, all) => client.lruTune(TUNING, all)),
    }),
  ],
  lruMode: places(["lru"], "one", false, {
    mode: (client, thing) => client.lruMode(thing),
    ...options([], (client, all) => client.lruMode("flat", all)),
  }),
  lruTempTtl: order("lruTempTtl", "lru"),
  lruCrawlerEnable: admin("lruCrawlerEnable", ["lru_crawler"]),
  lruCrawlerDisable: admin("lruCrawlerDisable", ["lru_crawler"]),
  lruCrawlerSleep: order("lruCrawlerSleep", "lru_crawler"),
  lruCrawlerToCrawl: order("lruCrawlerToCrawl", "lru_crawler"),
  lruCrawlerCrawl: places(["lru_crawler"], "one", false, {
    classes: (client, thing) => client.lruCrawlerCrawl(thing),
    "one of the classes": (client, thing) => client.lruCrawlerCrawl([1, thing]),
    ...options([], (client, all) => client.lruCrawlerCrawl("all", all)),
  }),
  slabsReassign: places(["slabs"], "one", false, {
    source: (client, thing) => client.slabsReassign(thing, 1),
    destination: (client, thing) => client.slabsReassign(1, thing),
    ...options([], (client, all) => client.slabsReassign(1, 2, all)),
  }),
  slabsAutomove: places(["slabs"], "one", false, {
    mode: (client, thing) => client.slabsAutomove(thing),
    ...options([], (client, all) => client.slabsAutomove(1, all)),
  }),
  // Feeds: what they send is sent when the first value is asked for.
  keys: places(
    ["version", "stats", "lru_crawler"],
    "any",
    false,
    options(
      ["prefix", "busyTimeout", "maxPause"],
      (client, all) => first(feeds(client).keys(all)),
    ),
  ),
  watch: places(["version", "watch"], "any", false, {
    topics: (client, thing) => first(feeds(client).watch(thing)),
    "one of the topics": (client, thing) =>
      first(feeds(client).watch(["fetchers", thing])),
    ...options(
      [],
      (client, all) => first(feeds(client).watch("fetchers", all)),
    ),
  }),
  quit: places(
    ["quit"],
    "any",
    false,
    options([], (client, all) => client.quit(all)),
  ),
  shutdown: admin("shutdown", ["shutdown"], ["graceful"]),
  metrics: places([], "none", false, {
    argument: async (client, thing) => await client.metrics(thing),
  }),
  explain: places([], "none", false, {
    key: async (client, thing) => await client.explain(thing),
  }),
  // It opens nothing, and waits for nothing where nothing is open.
  flush: places(["mn", "version"], "any", false, {
    ...options([], (client, all) => client.flush(all)),
  }),
  disconnect: places([], "none", false, {
    argument: (client, thing) => client.disconnect(thing),
  }),
  close: places([], "none", false, {
    argument: (client, thing) => client.close(thing),
  }),
};

/** Names of the methods of a client, those of its parents included. */
export function methodsOf(client: typeof Client): string[] {
  const names = new Set<string>();
  let prototype: object = client.prototype;
  while (prototype !== Object.prototype) {
    const members = Object.getOwnPropertyDescriptors(prototype);
    for (const [name, { value }] of Object.entries(members)) {
      if (typeof value === "function") names.add(name);
    }
    prototype = Object.getPrototypeOf(prototype);
  }
  names.delete("constructor");
  return [...names].sort();
}
