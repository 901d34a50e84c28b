/**
 * Clients that invalidate, store and read at the same time, by seeded chance:
 * what was stored before an invalidation is never read after it.
 *
 * @module
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  Client,
  type ClientOptions,
  HashClient,
  type KeyCommands,
  type Namespace,
  PooledClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../../_memcached.ts";
import { test } from "../../_runtime.ts";
import { Random } from "../../wire/_random.ts";

const KEYS = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** Waits for as many turns of the event loop as chance says. */
async function turns(random: Random): Promise<void> {
  const count = random.below(4);
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** What was seen in a run. */
interface Tally {
  reads: number;
  hits: number;
  misses: number;
  invalidations: number;
}

/** One who reads while others invalidate, until it is told to end. */
async function read(
  space: Namespace,
  random: Random,
  state: { readonly valid: number; readonly isOver: boolean },
  tally: Tally,
): Promise<void> {
  while (!state.isOver) {
    const least = state.valid;
    const key = KEYS[random.below(KEYS.length)];
    const found = random.below(3) === 0
      ? (await space.getMany<number>(KEYS)).get(key)
      : await space.get<number>(key);
    tally.reads++;
    if (found === undefined) tally.misses++;
    else {
      tally.hits++;
      assert(
        found >= least,
        `read ${found} in a call after the invalidation that began ${least}`,
      );
    }
    await turns(random);
  }
}

/**
 * Every value is the number of the invalidation that it was stored after. No
 * store is under way while one begins: which of the two comes first could not
 * be told. Reads are under way all the time.
 */
async function race(
  seed: number,
  make: () => KeyCommands,
  count: number,
): Promise<Tally> {
  const random = new Random(seed);
  const tally = { reads: 0, hits: 0, misses: 0, invalidations: 0 };
  const clients = [make(), make(), make()];
  // A nested one has two versions to keep up with.
  const spaces = clients.map((client, i) =>
    i === 0 ? client.namespace("r:") : client.namespace("r:")
  );
  const state = { valid: 0, isOver: false };
  const readers = spaces.flatMap((space, i) =>
    [1, 2, 3].map((j) =>
      read(space, new Random(seed + i * 10 + j), state, tally)
    )
  );
  const write = async (): Promise<void> => {
    const from = spaces[random.below(spaces.length)];
    const { valid } = state;
    if (random.below(2) === 0) {
      await from.setMany(KEYS.map((key) => [key, valid] as const));
    } else {
      await Promise.all(
        KEYS.map((key, i) => spaces[i % spaces.length].set(key, valid)),
      );
    }
  };
  const run = async (): Promise<void> => {
    for (let i = 1; i <= count; i++) {
      await write();
      await turns(random);
      const racing = 1 + random.below(3);
      await Promise.all(
        spaces.slice(0, racing).map((space) => space.invalidateAll()),
      );
      tally.invalidations += racing;
      state.valid = i;
      await turns(random);
    }
  };
  try {
    await Promise.race([run(), ...readers]);
  } finally {
    state.isOver = true;
    await Promise.allSettled(readers);
    for (const client of clients) await client.close();
  }
  return tally;
}

function check(tally: Tally, count: number): void {
  assertGreater(tally.reads, count);
  assertGreater(tally.hits, 0);
  assertGreater(tally.misses, 0);
  assertGreater(tally.invalidations, count);
}

const COUNT = 150;
const TIMES: ClientOptions = { timeout: 8000, connectTimeout: 8000 };

const CLIENTS: Record<string, (server: string) => KeyCommands> = {
  Client: (server) => new Client(server, TIMES),
  "classic Client": (server) =>
    new Client(server, { ...TIMES, protocol: "classic" }),
  PooledClient: (server) => new PooledClient(server, TIMES),
};

for (const [name, make] of Object.entries(CLIENTS)) {
  test(
    `no old value is read through namespaces of ${name}, on the embedded server`,
    async () => {
      const server = await MemcachedServer.start();
      check(await race(7, () => make(server.address), COUNT), COUNT);
      await server.close();
    },
    { timeout: 60_000 },
  );

  test(
    `no old value is read through namespaces of ${name}, on memcached`,
    async () => {
      await withMemcached({}, async ({ server }) => {
        check(await race(8, () => make(server), COUNT), COUNT);
      });
    },
    { ...needsMemcached, timeout: 60_000 },
  );
}

test("no old value is read through namespaces of HashClient", async () => {
  const servers = await Promise.all(
    [1, 2, 3].map(() => MemcachedServer.start()),
  );
  const addresses = servers.map(({ address }) => address);
  const tally = await race(9, () => new HashClient(addresses, TIMES), COUNT);
  check(tally, COUNT);
  for (const server of servers) await server.close();
}, { timeout: 60_000 });

test("no version that is taken away brings an old value back", async () => {
  const server = await MemcachedServer.start();
  const random = new Random(10);
  const clients = [1, 2, 3].map(() => new Client(server.address, TIMES));
  const spaces = clients.map((client) => client.namespace("n:"));
  const seen = new Set<string>();
  for (let i = 1; i <= 300; i++) {
    await Promise.all(spaces.map((space, at) => space.set(KEYS[at], i)));
    const values = await Promise.all(
      spaces.map((space) => space.getMany<number>(KEYS)),
    );
    for (const found of values) {
      assertEquals([...found.values()], [i, i, i]);
    }
    const bytes = await clients[0].get<Uint8Array>("n:@version") ?? [];
    const version = String.fromCharCode(...bytes);
    assert(!seen.has(version), `${version} again`);
    seen.add(version);
    // Lost, or an older one comes back, or text that is none.
    const kind = random.below(4);
    if (kind === 0) await clients[0].delete("n:@version");
    else if (kind === 1) await clients[0].flushAll();
    else if (kind === 2) {
      const old = [...seen][random.below(seen.size)];
      const text = old === version ? "none" : old;
      await clients[0].set("n:@version", new TextEncoder().encode(text));
    } else await spaces[random.below(3)].invalidateAll();
    const after = await Promise.all(
      spaces.map((space) => space.getMany<number>(KEYS)),
    );
    for (const found of after) assertEquals([...found.values()], []);
  }
  for (const client of clients) await client.close();
  await server.close();
}, { timeout: 60_000 });
