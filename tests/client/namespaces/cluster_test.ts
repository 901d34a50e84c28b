/**
 * Namespaces over several servers: the version is on one of them, items are on
 * all.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertRejects,
} from "@std/assert";
import {
  HashClient,
  type HashClientOptions,
  MemcacheError,
  MemcacheTimeoutError,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../../_runtime.ts";
import { VERSION } from "./_spaces.ts";

const KEYS = Array.from({ length: 60 }, (_, i) => `key${i}`);

/** Three servers, and a client over them. */
interface Cluster {
  readonly servers: readonly MemcachedServer[];
  readonly client: HashClient;
  /** The server that a route belongs to. */
  at(route: string): MemcachedServer;
  /** Makes another client. */
  open(options?: HashClientOptions): HashClient;
}

async function withCluster(
  fn: (cluster: Cluster) => Promise<void>,
  options: HashClientOptions = {},
): Promise<void> {
  const servers = await Promise.all(
    [1, 2, 3].map(() => MemcachedServer.start()),
  );
  const clients: HashClient[] = [];
  const open = (more: HashClientOptions = {}): HashClient => {
    const client = new HashClient(
      servers.map(({ address }) => address),
      { timeout: 3000, ...options, ...more },
    );
    clients.push(client);
    return client;
  };
  const client = open();
  const at = (route: string): MemcachedServer => {
    const [name] = client.serversFor(route);
    const server = servers.find(({ address }) => address === name);
    assert(server !== undefined, name);
    return server;
  };
  try {
    await fn({ servers, client, at, open });
  } finally {
    for (const one of clients) await one.close();
    for (const one of servers) await one.close();
  }
}

test("an invalidation moves no key to another server", async () => {
  await withCluster(async ({ client, at }) => {
    const space = client.namespace("n:");
    const where = async (): Promise<MemcachedServer[]> => {
      await space.setMany(KEYS.map((key) => [key, key] as const));
      return KEYS.map((key) => {
        const server = at(`n:${key}`);
        const line = server.requests.findLast(({ line }) =>
          line.startsWith("set n:") && line.includes(`:${key} `)
        );
        assert(line !== undefined, key);
        return server;
      });
    };
    const before = await where();
    await space.invalidateAll();
    assertEquals((await space.getMany(KEYS)).size, 0);
    const after = await where();
    assert(before.every((server, i) => server === after[i]));
    assertEquals((await space.getMany(KEYS)).size, KEYS.length);
    // A key of its own chooses the server, within the namespace.
    await space.set(["key1", "pair"], 1);
    const { requests } = at("n:key1");
    assert(requests.some(({ line }) => line.includes(":pair ")));
    assertEquals(await space.get(["key1", "pair"]), 1);
  });
});

test("a call asks the server of the version and its own at the same time", async () => {
  await withCluster(async ({ servers, client, at }) => {
    const space = client.namespace("n:");
    await space.setMany(KEYS.map((key) => [key, key] as const));
    const home = at(VERSION);
    for (const server of servers) server.clear();
    const found = await space.getMany(KEYS);
    assertEquals([...found.keys()], KEYS);
    for (const server of servers) {
      const asked = server.requests.filter(({ line }) =>
        line.includes("@version")
      );
      assertEquals(asked.length, server === home ? 1 : 0);
    }
  });
});

test("a version that is late is waited for, within the call's time", async () => {
  await withCluster(async ({ servers, client, at, open }) => {
    const space = client.namespace("n:");
    await space.setMany(KEYS.map((key) => [key, key] as const));
    const home = at(VERSION);
    const key = KEYS.find((key) => at(`n:${key}`) !== home) ?? "";
    const late = home.fault({ kind: "delay", ms: 80, match: "mg" });
    assertEquals(await space.get(key), key);
    assertGreater(late.hits, 0);
    const began = performance.now();
    await assertRejects(
      () => space.get(key, { timeout: 20 }),
      MemcacheTimeoutError,
    );
    const took = performance.now() - began;
    assert(took < 75, `${took} ms`);
    const reason = new Error("enough");
    const controller = new AbortController();
    const given = space.get(key, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 10);
    assertEquals(await given.catch((error) => error), reason);
    // Whoever invalidates meanwhile is heard.
    const other = open().namespace("n:");
    late.heal();
    await other.invalidateAll();
    assertEquals(await space.get(key), undefined);
    assertEquals(servers.length, 3);
  });
});

test("without the version a call fails, or misses with errorsAsMisses", async () => {
  await withCluster(async ({ client, at, open }) => {
    const seen: MemcacheError[] = [];
    const lenient = open({
      errorsAsMisses: true,
      onError: (error) => void seen.push(error),
    });
    const spaces = [client, lenient].map((one) => one.namespace("n:"));
    for (const space of spaces) {
      await space.setMany(KEYS.map((key) => [key, key] as const));
    }
    const home = at(VERSION);
    const key = KEYS.find((key) => at(`n:${key}`) !== home) ?? "";
    await home.stop();
    const error = await assertRejects(() => spaces[0].get(key), MemcacheError);
    assertEquals([error.key, error.command, error.sent], [key, "get", true]);
    const many = await assertRejects(
      () => spaces[0].getMany(KEYS),
      MemcacheError,
    );
    assertGreater(many.failedKeys?.length, 0);
    const stored = await assertRejects(
      () => spaces[0].setMany([[key, 1]]),
      MemcacheError,
    );
    assertEquals(stored.failedKeys, [key]);
    const [, space] = spaces;
    assertEquals(await space.get(key, { default: "none" }), "none");
    assertEquals(seen.length, 1);
    assertEquals(seen[0].key, key);
    assertEquals(await space.has(key), false);
    assertEquals((await space.getMany([key])).size, 0);
    assertEquals(await space.ttl(key), undefined);
    // A change is never a miss.
    await assertRejects(() => space.set(key, 1), MemcacheError);
    assertEquals(await space.getOrSet(key, () => "loaded"), "loaded");
    await home.resume();
  }, { retryAttempts: 1000 });
});

test(
  "a namespace goes on without the server that had its version, empty",
  async () => {
    await withCluster(async ({ client, at, open }) => {
      const space = client.namespace("n:");
      await space.setMany(KEYS.map((key) => [key, key] as const));
      const theirs = open().namespace("n:");
      assertEquals((await theirs.getMany(KEYS)).size, KEYS.length);
      const home = at(VERSION);
      await home.stop();
      // Until it leaves the ring, calls fail; then there is a new version.
      const alive = async (): Promise<void> => {
        for (let i = 0; i < 200; i++) {
          try {
            const key = KEYS.find((key) => at(`n:${key}`) !== home) ?? "";
            assertEquals(await space.get(key), undefined);
            return;
          } catch (error) {
            assert(error instanceof MemcacheError, `${error}`);
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }
        throw new Error("the server has not left the ring");
      };
      await alive();
      assertEquals((await space.getMany(KEYS)).size, 0);
      await space.set("again", 1);
      // It comes back with the version that it had: who has seen a newer one
      // sees nothing of that.
      await home.resume();
      for (let i = 0; i < 200 && at(VERSION) !== home; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assertEquals(at(VERSION), home);
      assertEquals((await space.getMany(KEYS)).size, 0);
      assertEquals((await theirs.getMany(KEYS)).size, 0);
      await space.set("last", 2);
      assertEquals(await theirs.get("last"), 2);
    }, { retryAttempts: 1, retryTimeout: 5, deadTimeout: 100 });
  },
  { timeout: 20_000 },
);

test("deleteFromAll holds in a namespace", async () => {
  await withCluster(async ({ servers, client, open }) => {
    const space = client.namespace("n:");
    await space.set("k", 1);
    await open().namespace("n:").invalidateAll();
    await space.get("other");
    await space.set("k", 2);
    for (const server of servers) server.clear();
    assertEquals(await space.delete("k"), true);
    for (const server of servers) {
      const deletes = server.requests.filter(({ command }) =>
        command === "delete"
      );
      assertEquals(deletes.length, 1);
    }
    assertEquals(await space.delete("k"), false);
    assertEquals(await space.deleteMany(["k", "l"]), true);
    // What it deletes is of the newest version.
    await space.set("k", 3);
    await open().namespace("n:").invalidateAll();
    assertEquals(await space.delete("k"), false);
    await space.set("k", 4);
    assertEquals(await space.delete("k"), true);
    assertEquals(await space.get("k"), undefined);
    await assertRejects(() => space.deleteMany("abc" as never), MemcacheError);
  }, { deleteFromAll: true });
});
