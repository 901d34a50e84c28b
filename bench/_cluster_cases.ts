/**
 * What a cluster costs: one server beside `Client`, and many keys on three
 * servers beside the clients from npm.
 *
 * @module
 */
import { createRequire } from "node:module";
import { Client, HashClient } from "../mod.ts";

/** One thing to be done many times. */
export interface ClusterCase {
  /** The scenario. */
  readonly group: string;
  /** Whose. */
  readonly name: string;
  /** Operations of one run. */
  readonly count: number;
  /** Does it once; rejects where an answer is wrong. */
  run(): Promise<void>;
}

/** Cases with what closes their clients. */
export interface ClusterCases {
  readonly cases: readonly ClusterCase[];
  /** Clients that could not be had, and why. */
  readonly missing: readonly string[];
  close(): Promise<void>;
}

/** A client of three servers. */
interface ManyClient {
  set(key: string, value: string): Promise<unknown>;
  getMany(keys: readonly string[]): Promise<(key: string) => unknown>;
  close(): Promise<unknown> | void;
}

type Done<T> = (error: unknown, value: T) => void;

function settle<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => error ? reject(error) : resolve(value));
  });
}

const VALUE = "v".repeat(100);

interface Memjs {
  Client: {
    create(servers: string, options: object): {
      get(key: string): Promise<{ value: unknown }>;
      set(key: string, value: string, options: object): Promise<unknown>;
      close(): void;
    };
  };
}

type Memcached = new (servers: string[], options: object) => {
  set(key: string, value: string, ttl: number, done: Done<boolean>): void;
  getMulti(keys: readonly string[], done: Done<Record<string, string>>): void;
  end(): void;
};

interface Memcache {
  Memcache: new (options: object) => {
    set(key: string, value: string): Promise<unknown>;
    gets(keys: readonly string[]): Promise<Map<string, string>>;
    disconnect(): Promise<void>;
  };
}

interface MemcacheClient {
  MemcacheClient: new (options: object) => {
    set(key: string, value: string, options: object): Promise<unknown>;
    get(keys: readonly string[]): Promise<Record<string, { value: string }>>;
    shutdown(): void;
  };
}

/** Clients from npm, each as its documentation has it for several servers. */
const PEERS: Readonly<
  Record<string, (module: never, servers: readonly string[]) => ManyClient>
> = {
  memjs: ({ Client }: Memjs, servers) => {
    const client = Client.create(servers.join(","), {});
    return {
      set: (key, value) => client.set(key, value, {}),
      getMany: async (keys) => {
        const read = async (key: string) =>
          String((await client.get(key)).value);
        const values = await Promise.all(keys.map(read));
        const found = new Map(keys.map((key, i) => [key, values[i]]));
        return (key) => found.get(key);
      },
      close: () => client.close(),
    };
  },
  memcached: (Memcached: Memcached, servers) => {
    const client = new Memcached([...servers], { poolSize: 1 });
    return {
      set: (key, value) =>
        settle<boolean>((done) => client.set(key, value, 0, done)),
      getMany: async (keys) => {
        const found = await settle<Record<string, string>>((done) =>
          client.getMulti(keys, done)
        );
        return (key) => found[key];
      },
      close: () => client.end(),
    };
  },
  memcache: ({ Memcache }: Memcache, servers) => {
    const client = new Memcache({ nodes: [...servers] });
    return {
      set: (key, value) => client.set(key, value),
      getMany: async (keys) => {
        const found = await client.gets(keys);
        return (key) => found.get(key);
      },
      close: () => client.disconnect(),
    };
  },
  "memcache-client": ({ MemcacheClient }: MemcacheClient, servers) => {
    const client = new MemcacheClient({
      server: {
        servers: servers.map((server) => ({ server, maxConnections: 1 })),
      },
    });
    return {
      set: (key, value) => client.set(key, value, { lifetime: 0 }),
      getMany: async (keys) => {
        const found = await client.get(keys);
        return (key) => found[key]?.value;
      },
      close: () => client.shutdown(),
    };
  },
};

/** Many callers at the same time. */
function callers(count: number, call: (i: number) => Promise<void>) {
  return async (): Promise<void> => {
    await Promise.all(Array.from({ length: count }, (_, i) => call(i)));
  };
}

/**
 * Makes the cases.
 *
 * @param servers Three addresses.
 * @param packages Where the clients from npm are; none if absent.
 */
export async function clusterCases(
  servers: readonly string[],
  packages?: string,
): Promise<ClusterCases> {
  const missing: string[] = [];
  const cases: ClusterCase[] = [];
  const closing: Array<() => Promise<unknown> | void> = [];
  const keys = Array.from({ length: 64 }, (_, i) => `cluster:one:${i}`);
  const ones = {
    Client: new Client(servers[0]),
    HashClient: new HashClient([servers[0]]),
    "HashClient, pooled": new HashClient([servers[0]], { usePooling: true }),
  };
  for (const [name, client] of Object.entries(ones)) {
    closing.push(() => client.close());
    await client.setMany(keys.map((key) => [key, VALUE] as const));
    cases.push({
      group: "one server, 64 gets in flight",
      name,
      count: 64,
      run: callers(64, async (i) => {
        if (await client.get(keys[i]) !== VALUE) throw new Error(name);
      }),
    }, {
      group: "one server, 64 sets in flight",
      name,
      count: 64,
      run: callers(64, async (i) => {
        if (!await client.set(keys[i], VALUE)) throw new Error(name);
      }),
    });
  }
  const three = new HashClient(servers);
  const clients: Record<string, ManyClient> = {
    HashClient: {
      set: (key, value) => three.set(key, value),
      getMany: async (keys) => {
        const found = await three.getMany(keys);
        return (key) => found.get(key);
      },
      close: () => three.close(),
    },
  };
  if (packages !== undefined) {
    const require = createRequire(`${packages}/`);
    for (const [name, open] of Object.entries(PEERS)) {
      // Each is given its own module.
      clients[name] = open(require(name) as never, servers);
    }
  }
  for (const [name, client] of Object.entries(clients)) {
    closing.push(() => client.close());
    const keys = Array.from({ length: 100 }, (_, i) => `${name}:key:${i}`);
    const run = async () => {
      const found = await client.getMany(keys);
      for (const key of keys) {
        if (found(key) !== VALUE) throw new Error(`${name}: ${key} is wrong`);
      }
    };
    try {
      for (const key of keys) await client.set(key, VALUE);
      await run();
    } catch (error) {
      missing.push(`${name}: ${error}`);
      continue;
    }
    const group = "getMany of 100 keys over 3 servers";
    cases.push({ group: `${group}, one call`, name, count: 100, run });
    const eight = callers(8, run);
    cases.push({ group: `${group}, 8 at once`, name, count: 800, run: eight });
  }
  const close = async () => {
    for (const end of closing) await end();
  };
  return { cases, missing, close };
}
