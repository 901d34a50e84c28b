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
  type HashClientOptions,
  KetamaHash,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheNoServersError,
  MemcacheSerdeError,
  MemcacheTimeoutError,
  MemcacheUnknownCommandError,
  ModuloHash,
  RendezvousHash,
  ServerEvent,
  type ServerSpec,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";

/** Runs `fn` with a cluster of embedded servers, and closes all. */
async function withCluster(
  count: number,
  options: HashClientOptions,
  fn: (client: HashClient, servers: MemcachedServer[]) => Promise<void>,
): Promise<void> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => MemcachedServer.start()),
  );
  const client = new HashClient(servers.map(({ address }) => address), options);
  try {
    await fn(client, servers);
  } finally {
    await client.close();
    for (const server of servers) await server.close();
  }
}

/** What a call rejects with. */
async function failure(call: Promise<unknown>): Promise<MemcacheError> {
  const error = await call.then(() => undefined, (error) => error);
  assertInstanceOf(error, MemcacheError);
  return error;
}

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

test("HashClient() refuses what it cannot use", () => {
  const servers: unknown[] = [
    ...["localhost", undefined, null, 5, {}, ["localhost:99999"], [undefined]],
    ...[["a", 5]],
  ];
  for (const given of servers) {
    assertThrows(
      () => new HashClient(given as ServerSpec[]),
      MemcacheIllegalInputError,
      "Cannot use",
    );
  }
  const options: Array<Record<string, unknown>> = [
    { retryAttempts: -1 },
    { retryAttempts: 1.5 },
    { retryAttempts: "2" },
    { retryTimeout: -1 },
    { retryTimeout: NaN },
    { deadTimeout: "60" },
    { deleteFromAll: 1 },
    { usePooling: 1 },
    { maxPoolSize: 0 },
    { poolIdleTimeout: -1 },
    { hasher: {} },
    { hasher: null },
    { hasher: { addNode() {}, removeNode() {} } },
    { hashTags: "{" },
    { hashTags: 5 },
    { timeout: -1 },
    { serde: 5 },
    { dial: 5 },
  ];
  for (const given of options) {
    assertThrows(
      () => new HashClient(["localhost"], given as HashClientOptions),
      MemcacheIllegalInputError,
      "Cannot use",
      JSON.stringify(given),
    );
  }
  assertThrows(
    () => new HashClient(["/run/m.sock"], { tls: true }),
    MemcacheIllegalInputError,
  );
});

test("HashClient() takes a name once, with its last weight", async () => {
  const client = new HashClient([
    { host: "a", weight: 1 },
    "b",
    { host: "a", weight: 3 },
  ]);
  assertEquals(client.servers, [
    { server: "a:11211", weight: 3, state: "up", pending: 0 },
    { server: "b:11211", weight: 1, state: "up", pending: 0 },
  ]);
  await client.close();
});

test("HashClient places keys by its hasher", async () => {
  const names = ["10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211"];
  for (const make of [() => new RendezvousHash(), () => new KetamaHash()]) {
    const expected = make();
    for (const name of names) expected.addNode(name);
    const client = new HashClient(names, { hasher: make() });
    for (let i = 0; i < 100; i++) {
      const key = `key${i}`;
      assertEquals(client.serversFor(key)[0], expected.getNode(key));
      assertEquals(client.serversFor([key, "other"]), client.serversFor(key));
    }
    await client.close();
  }
});

test("HashClient with hashTags keeps keys with a tag together", async () => {
  await withCluster(3, { hashTags: "{}" }, async (client, servers) => {
    const keys = Array.from({ length: 30 }, (_, i) => `{user:1}:${i}`);
    await client.setMany(keys.map((key) => [key, 1] as const));
    assertEquals((await client.getMany(keys)).size, 30);
    const [owner] = client.serversFor("user:1");
    for (const key of keys) assertEquals(client.serversFor(key)[0], owner);
    const items = [...(await client.stats()).entries()].map(([name, stats]) =>
      [name, stats.curr_items] as const
    );
    assertEquals(items.find(([, count]) => count !== 0), [owner, 30]);
    assertEquals(servers.length, 3);
  });
});

/** Whether a request is one of `setMany` or `deleteMany`. */
function isChange({ line }: { readonly line: string }): boolean {
  return /^(?:ms|set|md|delete) /.test(line);
}

test("HashClient changes many keys of servers beside a silent one", async () => {
  for (const usePooling of [false, true]) {
    const options = { usePooling, timeout: 500 };
    await withCluster(3, options, async (client, [silent, ...servers]) => {
      const keys = Array.from({ length: 3000 }, (_, i) => `key${i}`);
      const lost = keys.filter((key) =>
        client.serversFor(key)[0] === silent.address
      );
      silent.fault({ kind: "stall", match: isChange });
      for (
        const call of [
          () => client.setMany(keys.map((key) => [key, key] as const)),
          () => client.deleteMany(keys),
        ]
      ) {
        const error = await failure(call());
        assertEquals(error.server, silent.address);
        assertEquals(error.failedKeys, lost);
        await client.removeServer(silent.address);
        client.addServer(silent.address);
      }
      // Each has had all of its keys, once for each call.
      const items = await Promise.all(
        servers.map(async ({ address }) => {
          const stats = (await client.stats()).get(address);
          return Number(stats?.total_items);
        }),
      );
      assertEquals(items[0] + items[1], keys.length - lost.length);
    });
  }
});

test("setMany() of a HashClient tells all keys that a bad value has cost", async () => {
  await withCluster(2, {}, async (client) => {
    const keys = Array.from({ length: 2500 }, (_, i) => `key${i}`);
    const bad = 2400;
    const entries = keys.map((key, i) =>
      [key, i === bad ? () => 1 : key] as const
    );
    const error = await failure(client.setMany(entries));
    assertInstanceOf(error, MemcacheSerdeError);
    const failed = new Set(error.failedKeys);
    assert(failed.has(keys[bad]));
    const stored = await client.getMany(keys);
    // Every key is either stored or told to be lost.
    assertEquals(
      keys.filter((key) => stored.has(key) === failed.has(key)),
      [],
    );
    assertEquals(stored.size + failed.size, keys.length);
  });
});

test("HashClient with usePooling opens more connections under load", async () => {
  const options = { usePooling: true, maxPoolSize: 2 };
  await withCluster(2, options, async (client, servers) => {
    const keys = Array.from({ length: 2000 }, (_, i) => `key${i}`);
    await Promise.all(keys.map((key) => client.set(key, key)));
    const got = await Promise.all(keys.map((key) => client.get(key)));
    assertEquals(got, keys);
    assertEquals(servers.map(({ connections }) => connections), [2, 2]);
  });
  await withCluster(2, {}, async (client, servers) => {
    const keys = Array.from({ length: 2000 }, (_, i) => `key${i}`);
    await Promise.all(keys.map((key) => client.set(key, key)));
    assertEquals(servers.map(({ connections }) => connections), [1, 1]);
  });
});

test("HashClient asks all servers, and answers by their names", async () => {
  await withCluster(3, {}, async (client, servers) => {
    const names = servers.map(({ address }) => address);
    const version = await client.version();
    assertEquals([...version], names.map((name) => [name, "1.6.18"]));
    await client.setMany(
      Array.from({ length: 60 }, (_, i) => [`key${i}`, i] as const),
    );
    const stats = await client.stats();
    assertEquals([...stats.keys()], names);
    const counts = [...stats.values()].map(({ curr_items }) =>
      Number(curr_items)
    );
    assertEquals(counts.reduce((sum, count) => sum + count), 60);
    assert(counts.every((count) => count > 0));
    assertEquals((await client.statsSettings()).size, 3);
    assertEquals((await client.statsItems()).size, 3);
    assertEquals((await client.statsSlabs()).size, 3);
    assertEquals((await client.statsSizes()).size, 3);
    assertEquals((await client.statsConns()).size, 3);
    assertEquals(
      [...(await client.verbosity(1)).values()],
      Array(3).fill(true),
    );
    const limits = await client.cacheMemlimit(100);
    assertEquals([...limits.values()], [true, true, true]);
    const raw = await client.rawCommand("version");
    for (const reply of raw.values()) {
      assertEquals(new TextDecoder().decode(reply), "VERSION 1.6.18");
    }
    assertEquals([...(await client.flushAll()).values()], [true, true, true]);
    assertEquals((await client.getMany(["key1", "key2", "key3"])).size, 0);
    assertEquals([...(await client.quit()).keys()], names);
    assertEquals(await client.set("key", 1), true);
    const refused = await failure(client.shutdown());
    assertInstanceOf(refused, MemcacheUnknownCommandError);
    assertEquals(refused.errors?.length, 3);
  });
});

test("HashClient tells what the other servers answered", async () => {
  await withCluster(3, { timeout: 2000 }, async (client, servers) => {
    const names = servers.map(({ address }) => address);
    await servers[1].close();
    const seen: MemcacheError[] = [];
    const other = new HashClient(names, {
      onError: (error) => void seen.push(error),
      errorsAsMisses: true,
    });
    for (const each of [client, other]) {
      const error = await failure(each.version());
      assertInstanceOf(error, MemcacheConnectionError);
      assertEquals(error.server, names[1]);
      assertEquals([...error.results ?? []], [
        [names[0], "1.6.18"],
        [names[2], "1.6.18"],
      ]);
    }
    assertEquals(seen.length, 1);
    await other.close();
  });
});

test("HashClient checks commands for all servers once", async () => {
  const seen: MemcacheError[] = [];
  const client = new HashClient(["localhost:1", "localhost:2"], {
    onError: (error) => void seen.push(error),
  });
  const calls: Array<() => Promise<unknown>> = [
    () => client.verbosity(-1),
    () => client.stats("a\r\nb"),
    () => client.rawCommand(""),
    () => client.flushAll({ delay: 1.5 }),
    () => client.version({ timeout: -1 }),
  ];
  for (const [i, call] of calls.entries()) {
    const error = await failure(call());
    assertInstanceOf(error, MemcacheIllegalInputError, `${i}`);
    assertEquals(seen.length, 1, `${i}`);
    assertStrictEquals(seen.pop(), error);
  }
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const got: unknown = await client.version({ signal }).catch((error) => error);
  assertStrictEquals(got, reason);
  await client.close();
  assertEquals((await failure(client.version())).code, "ERR_CLIENT_CLOSED");
});

test("HashClient without servers has none to ask", async () => {
  const client = new HashClient([]);
  assertInstanceOf(await failure(client.version()), MemcacheNoServersError);
  assertInstanceOf(await failure(client.get("k")), MemcacheNoServersError);
  assertEquals(client.serversFor("k"), []);
  await client.close();
  assertEquals((await failure(client.version())).code, "ERR_CLIENT_CLOSED");
  assertEquals((await failure(client.get("k"))).code, "ERR_CLIENT_CLOSED");
});

test("delete() with deleteFromAll leaves no copy anywhere", async () => {
  await withCluster(3, { deleteFromAll: true }, async (client, servers) => {
    const single = servers.map(({ address }) => new HashClient([address]));
    for (const one of single) await one.setMany({ a: 1, b: 2, c: 3 });
    assertEquals(await client.delete("a"), true);
    assertEquals(await client.delete("a"), false);
    assertEquals(await client.deleteMany(["b", "c"]), true);
    for (const one of single) {
      assertEquals((await one.getMany(["a", "b", "c"])).size, 0);
      await one.set("d", 1);
    }
    assertEquals(await client.delete("d", { noreply: true }), true);
    await assertRejects(() => client.delete("a b"), MemcacheIllegalInputError);
    // A copy that may be left is an error.
    await servers[2].close();
    const error = await failure(client.delete("e"));
    assertEquals(error.server, servers[2].address);
    const many = await failure(client.deleteMany(["e", "f"]));
    assertEquals(many.failedKeys, ["e", "f"]);
    for (const one of single) await one.close();
  });
});

test("delete() with deleteFromAll waits for the list of servers", async () => {
  await withCluster(2, {}, async (_, servers) => {
    const single = servers.map(({ address }) => new HashClient([address]));
    for (const one of single) await one.setMany({ a: 1, b: 2 });
    const client = new HashClient(
      (async function* () {
        yield servers.map(({ address }) => address);
      })(),
      { deleteFromAll: true },
    );
    const deleted = [client.delete("a"), client.deleteMany(["b"])];
    assertEquals(await Promise.all(deleted), [true, true]);
    for (const one of single) {
      assertEquals((await one.getMany(["a", "b"])).size, 0);
      await one.close();
    }
    await client.close();
    const never = new HashClient({
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<string[]>>(() => {}),
      }),
    }, { deleteFromAll: true, timeout: 20 });
    assertInstanceOf(await failure(never.delete("a")), MemcacheTimeoutError);
    await never.close();
  });
});

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
