/**
 * `getOrSet` in a namespace: one load for all, and none for a version that is no
 * more.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertRejects,
} from "@std/assert";
import { Client, HashClient, MemcacheError } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../../_memcached.ts";
import { test } from "../../_runtime.ts";
import { VERSION, withSpaces } from "./_spaces.ts";

/** A load that ends when it is told to. */
class Held {
  /** How often it was called. */
  calls = 0;
  readonly #ends: Array<(value: unknown) => void> = [];
  readonly #began: Array<() => void> = [];

  readonly load = (): Promise<unknown> => {
    this.calls++;
    for (const tell of this.#began.splice(0)) tell();
    return new Promise((resolve) => this.#ends.push(resolve));
  };

  /** Resolves when it is called the next time. */
  called(): Promise<void> {
    return new Promise((resolve) => this.#began.push(resolve));
  }

  /** Ends what has been waiting longest. */
  end(value: unknown): void {
    this.#ends.shift()?.(value);
  }
}

test("getOrSet() in a namespace loads once for all who ask", async () => {
  await withSpaces(async ({ server, space, theirs }) => {
    const held = new Held();
    const called = held.called();
    const calls = Array.from(
      { length: 50 },
      () => space.getOrSet("k", held.load, { ttl: 60 }),
    );
    await called;
    const more = Array.from(
      { length: 50 },
      () => space.getOrSet("k", held.load),
    );
    held.end("loaded");
    assertEquals(new Set(await Promise.all([...calls, ...more])).size, 1);
    assertEquals(held.calls, 1);
    assertEquals(await theirs.getOrSet("k", held.load), "loaded");
    assertEquals(held.calls, 1);
    server.clear();
    assertEquals(await space.getOrSet("k", held.load), "loaded");
    assertEquals(
      server.requests.map(({ line }) => line.split(" ", 2).join(" ")).map((
        line,
      ) => line.replace(/:\w{16}:/, ":")),
      [`mg ${VERSION}`, "mg n:k"],
    );
  });
});

test("a load that began before invalidateAll() is not served after it", async () => {
  await withSpaces(async ({ space, theirs }) => {
    const held = new Held();
    const called = held.called();
    const before = space.getOrSet("k", held.load, { ttl: 60 });
    await called;
    await theirs.invalidateAll();
    // It neither waits for the old load, nor is it answered by it.
    const again = held.called();
    const after = space.getOrSet("k", held.load, { ttl: 60 });
    await again;
    assertEquals(held.calls, 2);
    held.end("old");
    assertEquals(await before, "old");
    assertEquals(await theirs.get("k"), undefined);
    held.end("new");
    assertEquals(await after, "new");
    assertEquals(await theirs.get("k"), "new");
    assertEquals(await space.getOrSet("k", held.load), "new");
    assertEquals(held.calls, 2);
  });
});

test(
  "what an old load resolves to after an invalidation is never read",
  async () => {
    await withMemcached({}, async ({ server }) => {
      const clients = [1, 2].map(() => new Client(server));
      const [space, theirs] = clients.map((client) => client.namespace("n:"));
      for (let i = 0; i < 20; i++) {
        const key = `k${i}`;
        const held = new Held();
        const called = held.called();
        const before = space.getOrSet(key, held.load, { ttl: 60 });
        await called;
        await theirs.invalidateAll();
        held.end("old");
        assertEquals(await before, "old");
        assertEquals(await space.get(key), undefined);
        assertEquals(await theirs.get(key), undefined);
        assertEquals(await space.getOrSet(key, () => "new"), "new");
      }
      for (const client of clients) await client.close();
    });
  },
  needsMemcached,
);

test("a load is not called for a version that is no more", async () => {
  await withSpaces(async ({ space, theirs }) => {
    assertEquals(await space.getOrSet("k", () => "first"), "first");
    await theirs.invalidateAll();
    let calls = 0;
    const load = () => ++calls;
    assertEquals(await space.getOrSet("k", load), 1);
    assertEquals(calls, 1);
    await theirs.invalidateAll();
    // A miss under the old version as well as under the new one.
    assertEquals(await space.getOrSet("other", load), 2);
    assertEquals(calls, 2);
    assertEquals(await theirs.getOrSet("other", load), 2);
  });
});

test("a load's failure reaches its callers, and is not kept", async () => {
  await withSpaces(async ({ space }) => {
    const failure = new Error("no database");
    const fail = () => Promise.reject(failure);
    const ends = await Promise.allSettled([
      space.getOrSet("k", fail),
      space.getOrSet("k", fail),
    ]);
    for (const end of ends) {
      assert(end.status === "rejected" && end.reason === failure);
    }
    assertEquals(await space.getOrSet("k", () => "good"), "good");
    const own = new MemcacheError("from another cache");
    const error = await assertRejects(
      () => space.getOrSet("l", () => Promise.reject(own)),
    );
    assertEquals(error, own);
  }, { errorsAsMisses: true });
});

test("an old value is served while it is loaded anew, within a version only", async () => {
  await withSpaces(async ({ server, space, theirs }) => {
    const options = { ttl: 10, staleFor: 100 };
    let value = 1;
    const load = () => value;
    assertEquals(await space.getOrSet("k", load, options), 1);
    server.advance(20);
    value = 2;
    assertEquals(await space.getOrSet("k", load, options), 1);
    for (let i = 0; i < 100 && await space.get("k") !== 2; i++);
    assertEquals(await space.getOrSet("k", load, options), 2);
    server.advance(20);
    value = 3;
    await theirs.invalidateAll();
    assertEquals(await space.getOrSet("k", load, options), 3);
  });
});

test("close() of the client settles what a namespace loads", async () => {
  await withSpaces(async ({ client, space }) => {
    const held = new Held();
    await space.get("k");
    const called = held.called();
    const calls = [1, 2].map(() => space.getOrSet("k", held.load));
    await called;
    await client.close();
    for (const call of calls) {
      const error = await assertRejects(() => call, MemcacheError);
      assertEquals(error.code, "ERR_CLIENT_CLOSED");
    }
    held.end("late");
  });
});

test("an abort ends a call of getOrSet(), and not the load of others", async () => {
  await withSpaces(async ({ space }) => {
    const held = new Held();
    await space.get("k");
    const called = held.called();
    const { signal, abort } = (() => {
      const controller = new AbortController();
      return {
        signal: controller.signal,
        abort: () => controller.abort("enough"),
      };
    })();
    const given = space.getOrSet("k", held.load, { signal });
    const other = space.getOrSet("k", held.load);
    await called;
    abort();
    assertEquals(await given.catch((reason) => reason), "enough");
    held.end("value");
    assertEquals(await other, "value");
    assertEquals(held.calls, 1);
  });
});

test("getOrSet() loads where nothing can be known, if errors are misses", async () => {
  const server = await MemcachedServer.start();
  const { address } = server;
  for (const make of [Client, HashClient]) {
    // Each takes the one server in its own way.
    const client = make === Client
      ? new Client(address, { errorsAsMisses: true })
      : new HashClient([address], { errorsAsMisses: true });
    const space = client.namespace("n:");
    await space.set("k", "stored");
    await server.stop();
    const held = new Held();
    const called = held.called();
    const calls = Array.from(
      { length: 20 },
      () => space.getOrSet("k", held.load),
    );
    await called;
    held.end("loaded");
    assertEquals([...new Set(await Promise.all(calls))], ["loaded"]);
    assertEquals(held.calls, 1);
    await server.resume();
    await client.close();
  }
  const strict = new Client(address);
  const space = strict.namespace("n:");
  await space.get("k");
  await server.close();
  await assertRejects(() => space.getOrSet("k", () => 1), MemcacheError);
  await strict.close();
  assertGreater(server.requests.length, 0);
});
