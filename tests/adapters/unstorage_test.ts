/**
 * The driver for unstorage, behind a storage of unstorage itself: what its
 * drivers have to do.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createStorage, type Storage } from "unstorage";
import {
  Client,
  MemcacheConnectionError,
  MemcacheIllegalInputError,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { memcacheDriver } from "@x/memcache/unstorage";
import {
  type Memcached,
  needsMemcached,
  withMemcached,
} from "../_memcached.ts";
import { test } from "../_runtime.ts";

interface Setup {
  readonly client: Client;
  readonly memcached: Memcached;
  readonly storage: Storage;
}

/** A storage over a memcached of its own. */
async function withStorage(
  options: { base?: string; ttl?: number },
  fn: (setup: Setup) => Promise<void>,
): Promise<void> {
  await withMemcached({}, async (memcached) => {
    const client = new Client(memcached.server);
    const storage = createStorage({
      driver: memcacheDriver({ client, ...options }),
    });
    try {
      await fn({ client, memcached, storage });
    } finally {
      await storage.dispose();
      await client.close();
    }
  });
}

const VALUES: readonly (readonly [name: string, value: unknown])[] = [
  ["text", "test_value"],
  ["empty text", ""],
  ["text outside ASCII", "Grüße, 🦊"],
  ["text that looks like JSON", '{"a":'],
  ["an integer", 42],
  ["a fraction", -1.5],
  ["true", true],
  ["false", false],
  ["an object", { test: [1, { "2": null }] }],
  ["an array", ["a", 1, null]],
  ["an object with toJSON", {
    toJSON: () => ({ json: "works" }),
  }],
];

for (const base of ["", "app", "app:cache:"]) {
  test(
    `memcacheDriver() does what drivers do, with the base "${base}"`,
    async () => {
      await withStorage({ base }, async ({ storage }) => {
        assertEquals(await storage.getKeys(), []);
        assertEquals(await storage.hasItem("s1:a"), false);
        assertEquals(await storage.getItem("s1:a"), null);
        assertEquals(await storage.getItemRaw("s1:a"), null);
        await storage.removeItem("s1:a");

        for (const [name, value] of VALUES) {
          await storage.setItem("value", value as string);
          const json = value as { toJSON?: () => unknown };
          const expected = json.toJSON === undefined ? value : json.toJSON();
          assertEquals(
            await storage.getItem("value"),
            expected as string,
            name,
          );
        }
        await storage.removeItem("value");

        await storage.setItem("s1:a", "test_data");
        await storage.setItem("s2:a", "test_data");
        await storage.setItem("s3:a?q=1", "test_data");
        assertEquals(await storage.hasItem("s1:a"), true);
        assertEquals((await storage.getKeys()).sort(), [
          "s1:a",
          "s2:a",
          "s3:a",
        ]);
        assertEquals(await storage.getKeys("s1"), ["s1:a"]);
        assertEquals(await storage.getKeys("s1:a"), []);
        assertEquals(await storage.getItem("s3:a?q=2"), "test_data");

        await storage.removeItem("s1:a");
        assertEquals(await storage.hasItem("s1:a"), false);
        // storage.clear("s2") is for what is mounted there, not for keys.
        await storage.getMount("").driver.clear?.("s2:", {});
        assertEquals(await storage.getKeys(), ["s3:a"]);
        await storage.clear();
        assertEquals(await storage.getKeys(), []);
      });
    },
    needsMemcached,
  );
}

test("memcacheDriver() reads and stores many items", async () => {
  await withStorage({ base: "b" }, async ({ client, storage }) => {
    await storage.setItems<string | { two: number }>([
      { key: "t:1", value: "one" },
      { key: "t:2", value: { two: 2 }, options: { ttl: 100 } },
    ], { ttl: 50 });
    // Of two items that are asked for, one is absent.
    assertEquals(await storage.getItems(["t:1", "t:3", { key: "t:2" }]), [
      { key: "t:1", value: "one" },
      { key: "t:3", value: null },
      { key: "t:2", value: { two: 2 } },
    ]);
    assert([49, 50].includes(await client.ttl("b:t:1") ?? 0));
    assert([99, 100].includes(await client.ttl("b:t:2") ?? 0));
  });
}, needsMemcached);

test("memcacheDriver() keeps bytes, and values, as they are", async () => {
  await withStorage({}, async ({ storage }) => {
    const bytes = new Uint8Array(2000).map((_, i) => i);
    await storage.setItemRaw("raw", bytes);
    assertEquals(await storage.getItemRaw<Uint8Array>("raw"), bytes);
    await storage.setItemRaw("value", { n: 10n ** 20n === 0n });
    assertEquals(await storage.getItemRaw("value"), { n: false });
  });
}, needsMemcached);

test(
  "memcacheDriver() takes a ttl for all, for one, and tells of it",
  async () => {
    await withStorage({ ttl: 30 }, async ({ client, storage }) => {
      await storage.setItem("a", 1);
      await storage.setItem("b", 1, { ttl: 60 });
      await storage.setItem("c", 1, { ttl: 0 });
      await storage.setItemRaw("d", 1);
      assert([29, 30].includes(await client.ttl("a") ?? 0));
      assert([59, 60].includes(await client.ttl("b") ?? 0));
      assertEquals(await client.ttl("c"), -1);
      assert([29, 30].includes(await client.ttl("d") ?? 0));
      const { ttl } = await storage.getMeta("b", { nativeOnly: true });
      assert([59, 60].includes(ttl ?? 0));
      assertEquals({ ...await storage.getMeta("c", { nativeOnly: true }) }, {});
      assertEquals({ ...await storage.getMeta("e") }, {});
      await storage.setMeta("c", { mtime: new Date(5) });
      assertEquals((await storage.getMeta("c")).mtime, new Date(5));
    });
  },
  needsMemcached,
);

test("memcacheDriver() keeps to its mount, and to its base", async () => {
  await withStorage({ base: "x" }, async ({ client, storage }) => {
    await client.setMany({ "x": 1, "xy:1": 2, "y:1": 3 });
    storage.mount("cache", memcacheDriver({ client, base: "y" }));
    assertEquals(await storage.getItem("cache:1"), 3);
    await storage.setItem("cache:2", "b");
    assertEquals(await client.get("y:2"), "b");
    assertEquals((await storage.getKeys()).sort(), ["cache:1", "cache:2"]);
    await storage.clear("cache");
    assertEquals(await client.get("y:1"), undefined);
    await storage.clear();
    assertEquals([...await client.getMany(["x", "xy:1"])].length, 2);
  });
}, needsMemcached);

test("memcacheDriver() rejects what could not be done", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  const driver = memcacheDriver({ client });
  const storage = createStorage({ driver });
  try {
    assertEquals(driver.getInstance(), client);
    await assertRejects(() => storage.setItem("k".repeat(251), "v"));
    // The connection is let go of, and comes back.
    await storage.setItem("k", "v");
    await storage.dispose();
    assertEquals(await storage.getItem("k"), "v");
    await server.close();
    await assertRejects(() => storage.getItem("k"));
    await assertRejects(
      () => storage.setItems([{ key: "a", value: 1 }, { key: "b", value: 2 }]),
      MemcacheConnectionError,
    );
  } finally {
    await client.close();
    await server.close();
  }
});

test("memcacheDriver() refuses what it cannot use", async () => {
  const client = new Client();
  const make = (options: object) => () =>
    memcacheDriver({ client, ...options } as never);
  const cases: Array<readonly [options: object, message: string]> = [
    [{ ttl: 0.5 }, "Cannot send ttl: 0.5"],
    [{ ttl: new Date(NaN) }, "Cannot send ttl: "],
    [{ ttl: "60" }, "Cannot send ttl: "],
    [{ base: 1 }, "Cannot use option base: 1"],
    [{ client: undefined }, "Cannot use option client: undefined"],
  ];
  for (const [options, message] of cases) {
    assertThrows(make(options), MemcacheIllegalInputError, message);
  }
  await client.close();
});
