/**
 * The storage adapter for Keyv: Keyv's own suite, and what it does not ask.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "@std/assert";
import keyvSuite from "@keyv/test-suite";
import { createCache } from "cache-manager";
import Keyv from "keyv";
import {
  Client,
  MemcacheConnectionError,
  MemcacheIllegalInputError,
  sha256Keys,
} from "@x/memcache";
import { KeyvMemcache } from "@x/memcache/keyv";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { Collector } from "./_vitest.ts";

/** A server for one test, with a client of it. */
async function withClient(
  fn: (client: Client, server: MemcachedServer) => Promise<void>,
): Promise<void> {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  try {
    await fn(client, server);
  } finally {
    await client.close();
    await server.close();
  }
}

/** The tests of Keyv's suite; `store` makes what they store in. */
function collect(store: () => KeyvMemcache): Collector {
  const collector = new Collector();
  // The suite names vitest's own type; it calls beforeEach, afterEach and it.
  const vitest = collector as unknown as Parameters<typeof keyvSuite>[0];
  keyvSuite(vitest, Keyv, store);
  return collector;
}

test("KeyvMemcache passes the suite of Keyv", async (t) => {
  await withMemcached({}, async ({ server }) => {
    const client = new Client(server);
    const collector = collect(() => new KeyvMemcache(client));
    assert(collector.tests.length > 30);
    for (const [name, body] of collector.tests) {
      await t.step(name, () => collector.run(body));
    }
    await client.close();
  });
}, { ...needsMemcached, timeout: 30_000 });

test("KeyvMemcache serves as a store of cache-manager", async () => {
  await withClient(async (client) => {
    const cache = createCache({
      stores: [new Keyv({ store: new KeyvMemcache(client), namespace: "c" })],
    });
    let loads = 0;
    const load = () => Promise.resolve({ n: ++loads });
    assertEquals(await cache.wrap("a", load, 60_000), { n: 1 });
    assertEquals(await cache.wrap("a", load, 60_000), { n: 1 });
    await cache.mset([{ key: "b", value: 1 }, { key: "d", value: 2 }]);
    assertEquals(await cache.mget(["b", "d", "e"]), [1, 2, undefined]);
    assertEquals(await client.has("c:b"), true);
    await cache.del("a");
    assertEquals(await cache.wrap("a", load), { n: 2 });
    await client.set("other", 1);
    await cache.clear();
    assertEquals(await cache.get("b"), undefined);
    assertEquals(await client.get("other"), 1);
    await cache.disconnect();
  });
});

const LIFETIMES: readonly [ms: number | undefined, ttl: number | undefined][] =
  [
    [undefined, -1],
    [Infinity, -1],
    [1, 2],
    [999, 2],
    [1000, 2],
    [1001, 3],
    [86_400_000, 86_401],
    [0, undefined],
    [-5, undefined],
  ];

test("KeyvMemcache.set() keeps an item no shorter than it was told", async () => {
  await withClient(async (client) => {
    const store = new KeyvMemcache(client);
    for (const [ms, expected] of LIFETIMES) {
      assertEquals(await store.set("k", "v", ms), true);
      const result = await client.meta.get("k", { returnTtl: true });
      const ttl = result.status === "hit" ? result.ttl : undefined;
      // A second may have begun in between.
      const isIt = ttl === expected ||
        (expected !== undefined && expected > 0 && ttl === expected - 1);
      assert(isIt, `${ms}: ${ttl}`);
    }
  });
});

test("KeyvMemcache.setMany() and deleteMany() tell of each item", async () => {
  await withClient(async (client) => {
    const store = new KeyvMemcache(client);
    const entries = [{ key: "a", value: "1" }, { key: "b", value: 2, ttl: 9 }];
    assertEquals(await store.setMany(entries), [true, true]);
    assertEquals(await store.getMany(["b", "none", "a"]), [2, undefined, "1"]);
    assertEquals(await store.deleteMany(["a", "none"]), false);
    assertEquals(await store.deleteMany(["b"]), true);
    const keyv = new Keyv({ store });
    assertEquals(
      await keyv.setMany([{ key: "x", value: { y: 1 } }]),
      [true],
    );
    assertEquals(await keyv.get(["x", "z"]), [{ y: 1 }, undefined]);
    assertEquals(await keyv.has("x"), true);
  });
});

test("KeyvMemcache.clear() keeps to its namespace, to the colon", async () => {
  await withClient(async (client) => {
    const keys = Array.from({ length: 2500 }, (_, i) => `ab:${i}`);
    await client.setMany(keys.map((key) => [key, 1] as const));
    await client.setMany({ "abc:1": 1, ab: 2 });
    const keyv = new Keyv({ store: new KeyvMemcache(client), namespace: "ab" });
    await keyv.clear();
    assertEquals((await client.getMany(keys)).size, 0);
    assertEquals(await client.get("abc:1"), 1);
    assertEquals(await client.get("ab"), 2);
  });
});

test("KeyvMemcache leaves keys to the client's keyEncoder", async () => {
  await withClient(async (client, server) => {
    const keyv = new Keyv({ store: new KeyvMemcache(client) });
    const errors: unknown[] = [];
    keyv.on("error", (error: unknown) => errors.push(error));
    const key = `a key ${"x".repeat(300)}`;
    assertEquals(await keyv.set(key, 1), false);
    assertEquals(errors.length, 1);
    const encoding = new Client(server.address, { keyEncoder: sha256Keys });
    const long = new Keyv({ store: new KeyvMemcache(encoding) });
    assertEquals(await long.set(key, 1), true);
    assertEquals(await long.get(key), 1);
    await encoding.close();
  });
});

test("KeyvMemcache hands failures to Keyv, and comes back", async () => {
  await withClient(async (client, server) => {
    const store = new KeyvMemcache(client);
    const keyv = new Keyv({ store });
    const errors: unknown[] = [];
    keyv.on("error", (error: unknown) => errors.push(error));
    assertEquals(await keyv.set("a", 1), true);
    await keyv.disconnect();
    assertEquals(await keyv.get("a"), 1);
    await server.close();
    assertEquals(await keyv.set("a", 2), false);
    assertEquals(await keyv.get("a"), undefined);
    assertInstanceOf(await store.get("a").catch((e) => e), Error);
    assertEquals(await keyv.delete(["a", "b"]), false);
    assert(errors.some((error) => error instanceof MemcacheConnectionError));
  });
});

test("KeyvMemcache refuses what is no client", () => {
  for (const none of [undefined, {}, new Map()]) {
    assertThrows(
      () => new KeyvMemcache(none as never),
      MemcacheIllegalInputError,
      "Cannot use option client: ",
    );
  }
});
