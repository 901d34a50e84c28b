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
  type MemcacheError,
  MemcacheIllegalInputError,
  MemcacheNoServersError,
  MemcacheSerdeError,
  MemcacheTimeoutError,
  MemcacheUnknownCommandError,
  RendezvousHash,
  type ServerSpec,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { failure, withCluster } from "./_cluster.ts";

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
