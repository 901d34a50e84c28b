/**
 * Servers of a `HashClient` that come and go: by calls, and by a discovery.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  HashClient,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheNoServersError,
  MemcacheTimeoutError,
  ModuloHash,
  ServerEvent,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { failure, withCluster } from "./_cluster.ts";

/** Finds a key that belongs to a server. */
function keyOf(client: HashClient, server: string): string {
  for (let i = 0; i < 10_000; i++) {
    if (client.serversFor(`key${i}`)[0] === server) return `key${i}`;
  }
  throw new Error(`Cannot find a key of ${server}`);
}

/** Asks until it is so. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("addServer() and removeServer() work under traffic", async () => {
  await withCluster(3, {}, async (client, servers) => {
    const extra = await MemcachedServer.start();
    const keys = Array.from({ length: 200 }, (_, i) => `key${i}`);
    let isOver = false;
    const traffic = Promise.all(Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const got = await client.getMany(keys);
        for (const [key, value] of got) assertEquals(value, key);
        const missing = keys.filter((key) => !got.has(key));
        await client.setMany(missing.map((key) => [key, key] as const));
      }
    }));
    for (let round = 0; round < 10; round++) {
      assertEquals(client.addServer(extra.address), true);
      assertEquals(client.addServer(extra.address), false);
      await client.set("key", round);
      assertEquals(await client.removeServer(servers[0].address), true);
      assertEquals(await client.removeServer(servers[0].address), false);
      assertEquals(client.addServer(servers[0].address), true);
      assertEquals(await client.removeServer(extra.address), true);
    }
    isOver = true;
    await traffic;
    assertEquals(
      client.servers.map(({ server }) => server).sort(),
      servers.map(({ address }) => address).sort(),
    );
    assertThrows(
      () => client.addServer("localhost:0"),
      MemcacheIllegalInputError,
    );
    await assertRejects(
      () => client.removeServer("localhost:0"),
      MemcacheIllegalInputError,
    );
    await extra.close();
  });
});

test("HashClient tells of its servers by events", async () => {
  const options = { retryAttempts: 1, retryTimeout: 20, deadTimeout: 50 };
  await withCluster(2, options, async (client, servers) => {
    const told: string[] = [];
    const names = new Map(servers.map(({ address }, i) => [address, i]));
    for (
      const type of [
        "connectionopened",
        "connectionlost",
        "serverfailing",
        "serverdead",
        "serverback",
      ] as const
    ) {
      client.events.addEventListener(type, (event) => {
        assertInstanceOf(event, ServerEvent);
        assertEquals(event.type, type);
        const isBad = type !== "connectionopened" && type !== "serverback";
        assertEquals(event.error !== undefined, isBad, type);
        told.push(`${type} ${names.get(event.server)}`);
      });
    }
    assertInstanceOf(client.events, EventTarget);
    const key = keyOf(client, servers[0].address);
    const port = servers[0].port;
    await client.set(key, 1);
    await servers[0].close();
    await until(() => told.includes("connectionlost 0"));
    assertInstanceOf(await failure(client.get(key)), MemcacheConnectionError);
    await until(() => told.includes("serverfailing 0"));
    while (client.servers[0].state !== "dead") {
      await client.get(key).catch(() => {});
    }
    assertEquals(await client.get(key), undefined);
    servers[0] = await MemcachedServer.start({ port });
    while (!told.includes("serverback 0")) {
      await client.get(key).catch(() => {});
    }
    assertEquals(told.filter((text) => text.endsWith("0")).slice(0, 5), [
      "connectionopened 0",
      "connectionlost 0",
      "serverfailing 0",
      "serverdead 0",
      "serverback 0",
    ]);
    await client.set(key, 2);
    assertEquals(client.servers.map(({ state }) => state), ["up", "up"]);
  });
});

test("HashClient follows a discovery", async () => {
  const servers = await Promise.all(
    [1, 2, 3].map(() => MemcachedServer.start()),
  );
  const names = servers.map(({ address }) => address);
  let next: (list: string[]) => void = () => {};
  let isEnded = false;
  async function* lists(): AsyncGenerator<string[]> {
    try {
      for (;;) {
        yield await new Promise<string[]>((resolve) => next = resolve);
      }
    } finally {
      isEnded = true;
    }
  }
  const client = new HashClient(lists(), { timeout: 2000 });
  assertEquals(client.servers, []);
  // Nothing is known yet: these wait.
  const waiting = Promise.all([
    client.set("key1", 1),
    client.getMany(["key1", "key2"]),
    client.setMany({ key3: 3 }),
    client.version(),
  ]);
  await new Promise((resolve) => setTimeout(resolve, 10));
  next(names.slice(0, 2));
  const [stored, , refused, version] = await waiting;
  assertEquals([stored, refused, [...version.keys()]], [
    true,
    [],
    names.slice(0, 2),
  ]);
  assertEquals(
    await client.getMany(["key1", "key3"]),
    new Map([["key1", 1], [
      "key3",
      3,
    ]]),
  );
  next(names.slice(1));
  await until(() => client.servers[0].server === names[1]);
  assertEquals(client.servers.map(({ server }) => server), names.slice(1));
  // The one that stayed was not touched.
  assertEquals(servers[1].connections, 1);
  assertEquals(await client.set("key", 1), true);
  await client.close();
  next(names);
  await until(() => isEnded);
  assertEquals(client.servers.map(({ server }) => server), names.slice(1));
  assertThrows(() => client.addServer("localhost"), MemcacheError, "closed");
  for (const server of servers) await server.close();
});

test("HashClient waits for a list within each command's time", async () => {
  const seen: MemcacheError[] = [];
  const discovery = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<IteratorResult<string[]>>(() => {}),
    }),
  };
  const client = new HashClient(discovery, {
    timeout: 30,
    maxPending: 3,
    onError: (error) => void seen.push(error),
  });
  const calls = [client.get("a"), client.set("a", 1), client.getMany(["a"])];
  const version = failure(client.version());
  const reason = new Error("enough");
  const controller = new AbortController();
  const aborted = client.get("b", { signal: controller.signal })
    .catch((error) => error);
  assertEquals((await failure(client.get("c"))).code, "ERR_OVERLOAD");
  controller.abort(reason);
  assertStrictEquals(await aborted, reason);
  for (const call of [...calls.map(failure), version]) {
    const error = await call;
    assertInstanceOf(error, MemcacheTimeoutError);
    assertEquals(error.sent, false);
  }
  assertEquals(seen.length, 5);
  const late = failure(client.get("d", { timeout: 0 }));
  await client.close();
  assertEquals((await late).code, "ERR_CLIENT_CLOSED");
});

test("HashClient tells why nothing was discovered, and asks again", async () => {
  await withCluster(1, {}, async (_, [{ address }]) => {
    const seen: MemcacheError[] = [];
    let asked = 0;
    const discovery = {
      async *[Symbol.asyncIterator](): AsyncGenerator<string[]> {
        if (asked++ === 0) throw new Error("no such endpoint");
        yield [];
        yield [address];
      },
    };
    const client = new HashClient(discovery, {
      onError: (error) => void seen.push(error),
    });
    const error = await failure(client.get("key"));
    assertInstanceOf(error, MemcacheNoServersError);
    assert(error.message.includes("no such endpoint"), error.message);
    // An empty list is none; the next one counts.
    const second = client.get("key", { timeout: 2000 });
    assertInstanceOf(await failure(second), MemcacheNoServersError);
    assertEquals(await client.get("key"), undefined);
    assertEquals(asked, 2);
    assert(seen.length >= 3, `${seen}`);
    await client.close();
  });
});

test("HashClient goes on with a discovery after a list that its hasher refuses", async () => {
  await withCluster(2, {}, async (_, servers) => {
    const [a, b] = servers.map(({ port }) => ({ host: "127.0.0.1", port }));
    const seen: MemcacheError[] = [];
    const hasher = new ModuloHash({ variant: "gomemcache" });
    const client = new HashClient(
      (async function* () {
        yield [a];
        yield [a, { ...b, weight: 2 }];
        yield [b];
      })(),
      { hasher, onError: (error) => void seen.push(error) },
    );
    assertEquals(await client.get("key"), undefined);
    await until(() => client.servers[0].server === servers[1].address);
    assertEquals(client.servers.length, 1);
    assertEquals(seen.map(({ code }) => code), ["ERR_ILLEGAL_INPUT"]);
    assertEquals(await client.set("key", 1), true);
    await client.close();
  });
});

test("HashClient keeps the last list of a discovery that ends", async () => {
  await withCluster(1, {}, async (_, [{ address }]) => {
    const client = new HashClient((async function* () {
      yield [address];
    })());
    assertEquals(await client.set("key", 1), true);
    assertEquals(await client.get("key"), 1);
    await client.close();
  });
});
