/**
 * Namespaces: what is visible after an invalidation, what is sent for it, and
 * what becomes of versions that are lost.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import {
  BaseClient,
  Client,
  type Dial,
  dial,
  type KeyCommands,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../../_memcached.ts";
import { test } from "../../_runtime.ts";
import {
  linesOf,
  storeVersion,
  VERSION,
  versionAt,
  withSpaces,
} from "./_spaces.ts";

test("invalidateAll() of another client is seen by the very next call", async () => {
  await withSpaces(async ({ space, theirs }) => {
    await space.setMany({ a: 1, b: 2 });
    assertEquals(await theirs.get("a"), 1);
    await theirs.invalidateAll();
    assertEquals(await space.get("a"), undefined);
    assertEquals((await space.getMany(["a", "b"])).size, 0);
    assertEquals(await space.set("a", 3), true);
    assertEquals(await theirs.get("a"), 3);
    await space.invalidateAll();
    assertEquals(await theirs.has("a"), false);
    assertEquals(await space.has("a"), false);
  });
});

test(
  "invalidateAll() holds for every transport of changes, on memcached",
  async () => {
    await withMemcached({}, async ({ server, options }) => {
      const clients = [1, 2].map(() => new Client(server, options));
      const [space, theirs] = clients.map((client) => client.namespace("n:"));
      const calls: Record<string, (on: KeyCommands) => Promise<unknown>> = {
        get: (on) => on.get("k"),
        gets: (on) => on.gets("k"),
        getItem: (on) => on.getItem("k"),
        gat: (on) => on.gat("k", 60),
        has: async (on) => await on.has("k") || undefined,
        replace: async (on) => await on.replace("k", 1) || undefined,
        append: async (on) => await on.append("k", "1") || undefined,
        prepend: async (on) => await on.prepend("k", "1") || undefined,
        incr: (on) => on.incr("k"),
        decr: (on) => on.decr("k"),
        touch: async (on) => await on.touch("k", 60) || undefined,
        delete: async (on) => await on.delete("k") || undefined,
        getMany: async (on) => (await on.getMany(["k"])).get("k"),
        getsMany: async (on) => (await on.getsMany(["k"])).get("k"),
        "meta.get": async (on) => (await on.meta.get("k")).value,
        "meta.getMany": async (on) => (await on.meta.getMany(["k"]))[0].value,
        "meta.arithmetic": async (on) => (await on.meta.arithmetic("k")).value,
        "meta.delete": async (on) =>
          (await on.meta.delete("k")).status === "deleted" || undefined,
        "meta.debug": (on) => on.meta.debug("k"),
      };
      for (const [title, call] of Object.entries(calls)) {
        await space.set("k", 5);
        assertNotEquals(await call(space), undefined, title);
        await space.set("k", 5);
        await theirs.invalidateAll();
        assertEquals(await call(space), undefined, title);
      }
      await space.set("k", 5);
      const { cas } = await space.gets("k") ?? { cas: 0n };
      await theirs.invalidateAll();
      assertEquals(await space.cas("k", 6, cas), undefined);
      assertEquals(await space.add("k", 7), true);
      await theirs.invalidateAll();
      assertEquals(await space.incr("k", 1, { initial: 9 }), 9);
      await theirs.invalidateAll();
      // Nobody is told what becomes of it, and it is stored all the same.
      assertEquals(await space.set("k", 10, { noreply: true }), true);
      assertEquals(await space.get("k"), 10);
      assertEquals(await theirs.get("k"), 10);
      for (const client of clients) await client.close();
    });
  },
  needsMemcached,
);

test("a call asks for the version in the same write, and shares the question", async () => {
  await withSpaces(async ({ server, space }) => {
    assertEquals(await space.get("a"), undefined);
    const [version] = linesOf(server).flatMap((line) =>
      /^mg n:(\w{16}):a f v$/.exec(line)?.[1] ?? []
    );
    assertEquals(version.length, 16);
    const ask = `mg ${VERSION} f v`;
    const mg = (key: string) => `mg n:${version}:${key} f v`;
    await space.get("a");
    assertEquals(linesOf(server), [ask, mg("a")]);
    await Promise.all(["a", "b", "c"].map((key) => space.get(key)));
    // A lone call does not wait for others to come.
    assertEquals(linesOf(server), [ask, mg("a"), ask, mg("b"), mg("c")]);
    await Promise.all(["a", "b", "c"].map((key) => space.get(key)));
    assertEquals(linesOf(server), [ask, mg("a"), mg("b"), mg("c")]);
    await space.getMany(["a", "b"]);
    assertEquals(linesOf(server), [
      ask,
      `get n:${version}:a n:${version}:b`,
    ]);
    await space.setMany({ a: "x", b: "y" });
    assertEquals(linesOf(server), [
      ask,
      `set n:${version}:a 16 0 1`,
      ask,
      `set n:${version}:b 16 0 1`,
    ]);
    await Promise.all([space.get("a"), space.get("b", { timeout: 999 })]);
    // Another deadline needs a question of its own.
    assertEquals(linesOf(server), [ask, mg("a"), ask, mg("b")]);
    await space.meta.get("a", { returnTtl: true });
    assertEquals(linesOf(server), [ask, `mg n:${version}:a v f t`]);
    assertEquals(await space.getMany([]), new Map());
    await assertRejects(() => space.get("a b"), MemcacheIllegalInputError);
    await assertRejects(() => space.set("a", NaN), MemcacheSerdeError);
    assertEquals(linesOf(server), []);
  });
});

test("a lone call and its question leave in one write", async () => {
  const writes: string[] = [];
  const noting: Dial = async (address, options) => {
    const conn = await dial(address, options);
    const write = conn.write.bind(conn);
    conn.write = (bytes) => {
      writes.push(String.fromCharCode(...bytes));
      return write(bytes);
    };
    return conn;
  };
  await withSpaces(async ({ client, space }) => {
    await space.set("a", 1);
    await client.get("b");
    writes.length = 0;
    for (let i = 0; i < 3; i++) {
      await space.get("a");
      assertEquals(writes.length, i + 1);
      assert(/^mg n:@version [^\r]*\r\nmg n:\w+:a /.test(writes[i]), writes[i]);
    }
    await client.get("b");
    assertEquals(writes.length, 4);
  }, { dial: noting });
});

test("many calls of one turn share one question", async () => {
  await withSpaces(async ({ server, space }) => {
    await space.set("a", 1);
    for (const most of [2, 1]) {
      server.clear();
      const values = await Promise.all(
        Array.from({ length: 1000 }, () => space.get("a")),
      );
      assert(values.every((value) => value === 1));
      const asked = linesOf(server).filter((line) => line.includes("@version"));
      assertEquals(asked.length, most);
    }
  });
});

// Without a timeout, there is no deadline that tells a question from a new one.
for (const timeout of [5000, 0]) {
  test(`a question that has been sent is shared by nobody (${timeout} ms)`, async () => {
    await withSpaces(async ({ server, space, theirs }) => {
      await space.set("a", "old");
      await theirs.get("a");
      server.clear();
      // What is answered late is answered as it was when the command came.
      const fault = server.fault({
        kind: "delay",
        ms: 100,
        match: ({ line }) => line.startsWith(`mg ${VERSION}`),
        times: 1,
      });
      const arrived = server.nextRequest("mg");
      const first = space.get("a");
      await arrived;
      assertEquals(fault.hits, 1);
      await theirs.invalidateAll();
      const second = space.get("a");
      assertEquals([await first, await second], ["old", undefined]);
      const asked = linesOf(server).filter((line) =>
        line.includes(`mg ${VERSION} f`)
      );
      // The call that was carried out again has asked once more.
      assertEquals(asked.length, 3);
    }, { timeout });
  });
}

test("the first call of a view asks for the version first, once", async () => {
  await withSpaces(async ({ server, client, space, theirs }) => {
    await Promise.all(["a", "b", "c"].map((key) => space.set(key, 1)));
    const lines = linesOf(server);
    assertEquals(lines.slice(0, 2), [
      `gets ${VERSION}`,
      `add ${VERSION} 0 0 16`,
    ]);
    const version = await versionAt(client);
    server.clear();
    await theirs.get("a");
    assertEquals(linesOf(server).slice(0, 3), [
      `gets ${VERSION}`,
      `mg ${VERSION} f v`,
      `mg n:${version}:a f v`,
    ]);
  });
});

test("what is refused asks for no version, nor does what needs no server", async () => {
  await withSpaces(async ({ server, space }) => {
    const calls: Array<() => Promise<unknown>> = [
      () => space.get(""),
      () => space.get("a\r\nb"),
      // Who has no types may give anything.
      () => space.get(5 as never),
      () => space.getMany("abc" as never),
      () => space.getMany({ a: 1 } as never),
      () => space.deleteMany({ a: 1 } as never),
      () => space.getOrSet("a", () => 1, { signal: 5 as never }),
      () => space.set("a", 1, { ttl: 1.5 }),
      () => space.get("a", { timeout: -1 }),
      () => space.get("a", { timeout: 5n as never }),
      () => space.incr("a", -1),
      () => space.meta.get(""),
    ];
    for (const call of calls) {
      const error = await assertRejects(call, MemcacheIllegalInputError);
      assertEquals(error.sent, false);
    }
    const boom = new Error("boom");
    const evil = {
      get noreply(): boolean {
        throw boom;
      },
    };
    assertEquals(await space.set("a", 1, evil).catch((error) => error), boom);
    assertEquals(await space.setMany([]), []);
    const { signal } = { signal: AbortSignal.abort("gone") };
    assertEquals(
      await space.get("a", { signal }).catch((reason) => reason),
      "gone",
    );
    assertEquals(server.requests.length, 0);
    await space.get("a");
    server.clear();
    for (const call of calls) {
      await assertRejects(call, MemcacheIllegalInputError);
    }
    assertEquals(await space.set("a", 1, evil).catch((error) => error), boom);
    assertEquals(
      await space.getOrSet("a", () => 1, { signal }).catch((reason) => reason),
      "gone",
    );
    assertEquals(server.requests.length, 0);
  });
});

test("a namespace whose version is gone is empty, and stays so", async () => {
  await withSpaces(async ({ client, space, other, theirs }) => {
    await space.set("a", 1);
    assertEquals(await theirs.get("a"), 1);
    const lost = await versionAt(client);
    assertEquals(await client.delete(VERSION), true);
    // The items are still there, as they are after an eviction.
    assertEquals(await client.get(`n:${lost}:a`), 1);
    assertEquals(await space.get("a"), undefined);
    const made = await versionAt(client);
    assert(made > lost);
    assertEquals(await theirs.get("a"), undefined);
    assertEquals(await versionAt(client), made);
    await theirs.set("a", 2);
    assertEquals(await space.get("a"), 2);
    await other.flushAll();
    assertEquals(await space.get("a"), undefined);
    assert(await versionAt(client) > made);
  });
});

test("a client that knows of no version makes one that none had before", async () => {
  await withSpaces(async ({ server, client, space }) => {
    await space.set("a", 1);
    const lost = await versionAt(client);
    await client.delete(VERSION);
    const fresh = new Client(server.address);
    assertEquals(await fresh.namespace("n:").get("a"), undefined);
    assertNotEquals(await versionAt(client), lost);
    assertEquals(await space.get("a"), undefined);
    await fresh.close();
  });
});

test("an older version is replaced by a new one, not by the one that was seen", async () => {
  await withSpaces(async ({ client, space, theirs }) => {
    await space.set("a", "first");
    const first = await versionAt(client);
    await space.invalidateAll();
    await space.set("a", "second");
    const second = await versionAt(client);
    // As a server of a cluster does that comes back.
    await storeVersion(client, first);
    // Who has not seen the newer one sees what was, until somebody has.
    assertEquals(await theirs.get("a"), "first");
    assertEquals(await space.get("a"), undefined);
    const third = await versionAt(client);
    assert(third > second && second > first);
    assertEquals(await theirs.get("a"), undefined);
    await theirs.set("a", "third");
    assertEquals(await space.get("a"), "third");
  });
});

test("what is no version is replaced by one", async () => {
  await withSpaces(async ({ client, space }) => {
    const texts = ["no version", "x".repeat(5000), "0".repeat(15), "Ü"];
    for (const text of texts) {
      await space.set("a", 1);
      await storeVersion(client, text);
      assertEquals(await space.get("a"), undefined, text);
      assertEquals((await versionAt(client)).length, 16, text);
    }
    await client.set(VERSION, new Uint8Array([255, 0, 13, 10]));
    await space.set("a", 1);
    assertEquals(await space.get("a"), 1);
  });
});

test("clients that make a version at the same time agree on one", async () => {
  const server = await MemcachedServer.start();
  const clients = Array.from({ length: 20 }, () => new Client(server.address));
  const spaces = clients.map((client) => client.namespace("n:"));
  await Promise.all(spaces.map((space, i) => space.set(`${i}`, i)));
  for (const space of spaces) {
    const keys = Array.from(spaces, (_, i) => `${i}`);
    assertEquals((await space.getMany(keys)).size, spaces.length);
  }
  await Promise.all(spaces.map((space) => space.invalidateAll()));
  const version = await versionAt(clients[0]);
  await spaces[0].set("a", 1);
  for (const space of spaces) {
    assertEquals(await space.get("0"), undefined);
    assertEquals(await space.get("a"), 1);
  }
  assertEquals(await versionAt(clients[1]), version);
  for (const client of clients) await client.close();
  await server.close();
});

test("a call whose version is taken away again and again fails in the end", async () => {
  await withSpaces(async ({ server, space, other }) => {
    await space.set("a", 1);
    // Every version is gone again before it is asked for.
    const work = async (): Promise<void> => {
      for (;;) {
        await server.nextRequest(({ line }) => line.includes(`${VERSION} 0 0`));
        await other.delete(VERSION);
      }
    };
    work().catch(() => {});
    await other.delete(VERSION);
    const ends = await Promise.allSettled([space.get("a"), space.get("b")]);
    for (const end of ends) {
      if (end.status === "fulfilled") assertEquals(end.value, undefined);
      else assertInstanceOf(end.reason, MemcacheError);
    }
  });
});

test("a namespace in a namespace is invalidated with it, and not the other way", async () => {
  await withSpaces(async ({ server, client, space, theirs }) => {
    const inner = space.namespace("m:");
    assertEquals(inner.prefix, "n:m:");
    const same = theirs.namespace("m:");
    await space.set("k", "outer");
    await inner.set("k", "inner");
    assertEquals(await same.get("k"), "inner");
    assertEquals(await theirs.get("k"), "outer");
    await same.invalidateAll();
    assertEquals(await inner.get("k"), undefined);
    assertEquals(await space.get("k"), "outer");
    await inner.set("k", "again");
    await theirs.invalidateAll();
    assertEquals(await inner.get("k"), undefined);
    assertEquals(await same.get("k"), undefined);
    assertEquals(await space.get("k"), undefined);
    // One question for each, in the same write; the outer one is shared.
    await inner.set("k", 1);
    await space.set("k", 2);
    server.clear();
    await Promise.all([inner.get("k"), space.get("k"), inner.get("l")]);
    const asked = linesOf(server).filter((line) => line.includes("@version"));
    assertEquals(asked, [`mg ${VERSION} f v`, "mg n:@m:@version f v"]);
    // It has nothing in common with a namespace of the same text.
    const apart = client.namespace("n:m:");
    assertEquals(await apart.get("k"), undefined);
    await apart.invalidateAll();
    assertEquals(await inner.get("k"), 1);
  });
});

test("close() of a namespace closes the view, and disconnect() nothing", async () => {
  await withSpaces(async ({ client, space }) => {
    await space.set("a", 1);
    const pending = space.get("a");
    await space.disconnect();
    await space.close();
    await space.close();
    assertEquals(await pending, 1);
    for (
      const call of [
        () => space.get("a"),
        () => space.getMany([]),
        () => space.meta.get("a"),
        () => space.invalidateAll(),
        () => space.getOrSet("a", () => 1),
      ]
    ) {
      const error = await assertRejects(call, MemcacheError);
      assertEquals(error.code, "ERR_CLIENT_CLOSED");
    }
    const again = client.namespace("n:");
    assertEquals(await again.get("a"), 1);
    await client.close();
    const error = await assertRejects(() => again.get("a"), MemcacheError);
    assertEquals(error.code, "ERR_CLIENT_CLOSED");
    await assertRejects(() => again.invalidateAll(), MemcacheError);
  });
});

test("a namespace has every method that clients have on keys", async () => {
  const client = new Client("localhost:1");
  const space: object = client.namespace("n:");
  let place: object = BaseClient.prototype;
  const missing: string[] = [];
  while (place !== Object.prototype) {
    for (const name of Object.getOwnPropertyNames(place)) {
      if (!(name in space)) missing.push(name);
    }
    place = Object.getPrototypeOf(place);
  }
  assertEquals(missing, []);
  const { meta } = client;
  let metaPlace: object = Object.getPrototypeOf(meta);
  while (metaPlace !== Object.prototype) {
    for (const name of Object.getOwnPropertyNames(metaPlace)) {
      if (name === "constructor") continue;
      assert(name in client.namespace("n:").meta, `meta.${name}`);
    }
    metaPlace = Object.getPrototypeOf(metaPlace);
  }
  await client.close();
});
