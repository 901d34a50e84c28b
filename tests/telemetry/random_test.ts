/**
 * What `metrics()` counts of random workloads, held against what each memcached
 * counts itself.
 */
import { assertEquals } from "@std/assert";
import {
  type BaseClient,
  Client,
  type ClientOptions,
  HashClient,
  PooledClient,
} from "@x/memcache";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";

/** Numbers from 0 to below 1, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** `cas` is left out: a `getOrSet` counts its own as `ms`. */
const COUNTED = ["get", "touch", "delete", "incr", "decr"];

/** What a memcached has counted: hits and misses. */
async function countedBy(asking: Client): Promise<number[]> {
  const stats = await asking.stats() as Record<string, number>;
  return ["hits", "misses"].map((end) =>
    COUNTED.reduce((sum, name) => sum + stats[`${name}_${end}`], 0)
  );
}

/** A client of all servers. */
type Make = (
  servers: readonly string[],
  options: ClientOptions,
) => BaseClient;

const CLIENTS: Record<string, { servers: 1 | 2; make: Make }> = {
  Client: {
    servers: 1,
    make: ([server], options) => new Client(server, options),
  },
  PooledClient: {
    servers: 1,
    make: ([server], options) =>
      new PooledClient(server, { ...options, maxPoolSize: 3 }),
  },
  HashClient: {
    servers: 2,
    make: (servers, options) => new HashClient(servers, options),
  },
};

/** Makes one random call; those of one command are noted under its name. */
function callOf(
  client: BaseClient,
  random: () => number,
  calls: Map<string, number>,
  isMeta: boolean,
): Promise<unknown> {
  const upTo = (limit: number) => Math.floor(random() * limit);
  const keyOf = (what = "key") => `${what}${upTo(60)}`;
  const key = keyOf();
  const one = (name: string, call: Promise<unknown>) => {
    calls.set(name, (calls.get(name) ?? 0) + 1);
    return call;
  };
  const keys = () => Array.from({ length: 1 + upTo(250) }, (_, i) => `key${i}`);
  const all: Array<() => Promise<unknown>> = [
    () => client.get(key),
    () => client.get(key),
    () => client.getMany(keys()),
    () => client.getsMany(keys()),
    () => client.gets(key),
    () => client.has(key),
    () => client.gat(key, 60),
    () => client.getItem(key),
    () => one("set", client.set(key, "1")),
    () => one("set", client.set(key, "1".repeat(upTo(5000)))),
    () => client.set(key, "2", { noreply: true }),
    () => client.setMany(keys().slice(0, 20).map((key) => [key, "1"])),
    () => one("append", client.append(key, "3")),
    () => one("prepend", client.prepend(key, "3")),
    () => one("touch", client.touch(key, 60)),
    () => one("incr", client.incr(keyOf("count"), 2)),
    () => one("decr", client.decr(keyOf("count"), 1n)),
    () => client.add(keyOf("count"), "7"),
    () => client.delete(key),
    () => client.deleteMany(keys().slice(0, 7)),
    () => client.update(keyOf("update"), () => "new"),
    () => client.namespace("space:").get(key),
    () => client.namespace("space:").set(key, "4"),
  ];
  if (isMeta) {
    all.push(
      () => client.take(key),
      () => client.peek(key),
      () => client.ttl(key),
      () => client.size(key),
      () => client.getOrSet(keyOf("load"), () => "value", { ttl: 60 }),
      () => client.getOrSet(keyOf("none"), () => undefined, { ttl: 60 }),
      () => client.meta.get(key),
      () => client.meta.get(key, { quiet: true }),
      () => client.meta.getMany(keys()),
      () => client.meta.delete(key),
      () => client.meta.set(key, "5", { quiet: true }),
    );
  }
  return all[upTo(all.length)]();
}

for (const [name, { servers, make }] of Object.entries(CLIENTS)) {
  for (const protocol of ["auto", "classic", "meta"] as const) {
    test(
      `metrics() counts a random workload as memcached does (${name}, ${protocol})`,
      async () => {
        await withMemcached({}, async (first) => {
          await withMemcached({}, async (second) => {
            const addresses = [first.server, second.server].slice(0, servers);
            for (const seed of [1, 2]) {
              const random = randomOf(seed);
              const client = make(addresses, { protocol, timeout: 8000 });
              const asking = addresses.map((server) => new Client(server));
              const before = await Promise.all(asking.map(countedBy));
              const calls = new Map<string, number>();
              for (let round = 0; round < 12; round++) {
                // From 128 on gets share lines.
                const count = 1 + Math.floor(random() * random() * 400);
                await Promise.all(
                  Array.from(
                    { length: count },
                    () => callOf(client, random, calls, protocol !== "classic"),
                  ),
                );
                if (random() < 0.2) await client.disconnect();
              }
              await client.flush();
              const after = await Promise.all(asking.map(countedBy));
              const { servers: told } = client.metrics();
              const all = new Map<string, number>();
              for (const [i, { commands, inFlight }] of told.entries()) {
                let [hits, misses] = [0, 0];
                for (const [name, of] of Object.entries(commands)) {
                  all.set(name, (all.get(name) ?? 0) + of.calls);
                  assertEquals([of.errors, of.aborted], [{}, 0]);
                  if (name === "cas") continue;
                  hits += of.hits;
                  misses += of.misses;
                }
                assertEquals(inFlight, 0);
                assertEquals(
                  [hits, misses],
                  after[i].map((count, end) => count - before[i][end]),
                );
              }
              for (const name of ["append", "prepend", "touch"]) {
                assertEquals([name, all.get(name)], [name, calls.get(name)]);
              }
              await client.close();
              for (const one of asking) await one.close();
            }
          });
        });
      },
      { ...needsMemcached, timeout: 60_000 },
    );
  }
}
