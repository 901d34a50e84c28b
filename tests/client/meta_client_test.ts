/** `client.meta` over one connection, over several, and over several servers. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
} from "@std/assert";
import {
  Client,
  HashClient,
  MemcacheError,
  MemcacheIllegalInputError,
  type MetaGetEntry,
  type MetaGetOptions,
  PooledClient,
  rawSerde,
  RetryingClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { ScriptedServer, withServer } from "../_scripted.ts";
import {
  acquaint,
  failure,
  warm,
  watched,
  withPair,
} from "../connection/_calls.ts";

test("getMany() sends all keys, each with its own flags, in one write", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ server, client }) => {
    await client.setMany({ a: "1", b: "2", c: "3" });
    const from = server.last.lines.length;
    const writes = traffic.writes.length;
    const entries: MetaGetEntry[] = [
      "a",
      ["b", { returnCas: true }],
      ["route", "c"],
      new Uint8Array([97]),
      [["route", "a"], { returnValue: false, opaque: "x" }],
      ["none", {}],
      "a",
    ];
    const results = await client.meta.getMany(entries, { returnCas: true });
    assertEquals(results, [
      { status: "hit", value: "1", cas: 1n },
      { status: "hit", value: "2", cas: 1n },
      { status: "hit", value: "3", cas: 1n },
      // Base64 is not read by this server.
      { status: "miss" },
      { status: "hit", opaque: "x" },
      { status: "miss" },
      { status: "hit", value: "1", cas: 1n },
    ]);
    assertEquals(traffic.writes.length - writes, 1);
    const lines = server.last.lines.slice(from).map((line) =>
      line.replace(/ O\d+$/, "")
    );
    assertEquals(lines, [
      "mg a v f c",
      "mg b v f c",
      "mg c v f c",
      "mg YQ== b v f c",
      "mg a Ox",
      "mg none v f",
      "mg a v f c",
    ]);
  });
});

test("getMany() of a thousand keys is one write, of none none", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ server, client }) => {
    assertEquals(await client.meta.getMany([]), []);
    assertEquals(traffic.attempts.length, 0);
    await warm(client);
    const writes = traffic.writes.length;
    const keys = Array.from({ length: 1000 }, (_, i) => `key${i}`);
    const results = await client.meta.getMany(keys);
    assertEquals(results, keys.map(() => ({ status: "miss" })));
    assertEquals(traffic.writes.length - writes, 1);
    assertEquals(server.peers.length, 1);
    // A generator is read once.
    const some = await client.meta.getMany(keys.values(), { quiet: true });
    assertEquals(some.length, 1000);
  });
});

test("getMany() refuses as a whole what cannot be sent", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    const bad: unknown[] = [
      ["a", ""],
      ["a", ["b", { touch: 1.5 }]],
      ["a", ["b", { opaque: "" }]],
      ["a", "x".repeat(251)],
      ["a", [["r", "b", "c"], {}]],
      ["a", undefined],
      "abc",
      5,
      undefined,
      { a: 1 },
    ];
    for (const entries of bad) {
      const call = client.meta.getMany(entries as string[]);
      assertInstanceOf(await failure(call), MemcacheIllegalInputError);
    }
    assertEquals(server.peers.length, 0);
    assertEquals(errors.length, bad.length);
    const reason = new Error("given up");
    const signal = AbortSignal.abort(reason);
    const given = await failure(client.meta.getMany(["a"], { signal }));
    assertStrictEquals(given, reason as unknown);
    assertEquals(server.peers.length, 0);
  });
});

test("getMany() has one timeout for all keys", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await warm(client);
    server.script = (command, peer) =>
      command.args[0] === "a" ? peer.answer(command) as undefined : undefined;
    const error = await failure(
      client.meta.getMany(["a", "b", "c"], { timeout: 40 }),
    );
    assertEquals(error.code, "ERR_TIMEOUT");
    assertEquals(error.failedKeys, ["b", "c"]);
    assertEquals([...error.values ?? []], [["a", { status: "miss" }]]);
  });
});

test("getMany() tells what failed, and what the others answered", async () => {
  const servers = await Promise.all(
    [0, 1, 2].map(() => ScriptedServer.start()),
  );
  const [, dead] = servers;
  const client = new HashClient(servers.map(({ address }) => address), {
    retryAttempts: 1000,
    retryTimeout: 0,
  });
  const keys = Array.from({ length: 30 }, (_, i) => `key${i}`);
  await client.setMany(keys.map((key) => [key, key] as const));
  const all = await client.meta.getMany(keys);
  assertEquals(all, keys.map((value) => ({ status: "hit", value })));
  const lost = keys.filter((key) => client.serversFor(key)[0] === dead.address);
  assert(lost.length > 2 && lost.length < 20);
  await dead.close();
  const error = await failure(client.meta.getMany(keys));
  assertInstanceOf(error, MemcacheError);
  assertEquals(error.failedKeys, lost);
  assertEquals(error.server, dead.address);
  assertEquals(error.command, "mg");
  assertEquals(error.key, undefined);
  const read = [...error.values ?? []];
  assertEquals(
    read,
    keys.filter((key) => !lost.includes(key))
      .map((key) => [key, { status: "hit", value: key }] as const),
  );
  // It is as the error of getMany() itself.
  const classic = await failure(client.getMany(keys));
  assertEquals([...classic.failedKeys ?? []].sort(), [...lost].sort());
  // noop() asks all of them, and says which did not answer.
  const noop = await failure(client.meta.noop());
  assertEquals(noop.server, dead.address);
  await servers[2].close();
  const two = await failure(client.meta.getMany(keys));
  assertEquals(two.errors?.length, 2);
  assertMatch(two.message, /^2 servers failed, /);
  assertEquals(
    two.failedKeys?.length,
    keys.length - (two.values?.size ?? 0),
  );
  await client.close();
  await servers[0].close();
});

test("noop() leaves out servers that are dead, as all commands do", async () => {
  const servers = await Promise.all([0, 1].map(() => ScriptedServer.start()));
  const client = new HashClient(servers.map(({ address }) => address), {
    retryAttempts: 0,
  });
  await client.meta.noop();
  for (const server of servers) {
    assertEquals(server.last.lines.filter((line) => line === "mn").length, 2);
  }
  await servers[1].close();
  // The end of a connection is no proof yet, a refused one is.
  const fails = () => client.meta.noop().then(() => false, () => true);
  let failures = 0;
  while (failures < 5 && await fails()) failures++;
  assert(failures === 1 || failures === 2, `${failures} failures`);
  await client.close();
  await servers[0].close();
});

test("getMany() stands where it was called among the commands of its turn", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await warm(client);
    const from = server.last.lines.length;
    const [, many, , last] = await Promise.all([
      client.set("a", "1"),
      client.meta.getMany(["a", "b"]),
      client.set("a", "2"),
      client.meta.getMany(["a"], { quiet: true }),
    ]);
    assertEquals(many, [{ status: "hit", value: "1" }, { status: "miss" }]);
    assertEquals(last, [{ status: "hit", value: "2" }]);
    const names = server.last.lines.slice(from).map((line) =>
      line.split(" ")[0]
    );
    assertEquals(names, ["set", "mg", "mg", "set", "mg", "mn"]);
  });
});

test("noop() settles after what was sent before it", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await warm(client);
    let isSet = false;
    client.set("a", 1).then(() => isSet = true);
    const noop = client.meta.noop().then(() => assert(isSet));
    await Promise.all([noop, client.get("a")]);
    assertEquals(
      server.last.lines.slice(-3).map((line) => line.split(" ")[0]),
      ["set", "mn", "mg"],
    );
  });
});

test(
  "PooledClient keeps the order of meta commands of one key in one turn",
  async () => {
    const server = await MemcachedServer.start();
    const client = new PooledClient(server.address, { maxPoolSize: 4 });
    // So that all connections are open, and the next one is another one.
    const fill = () =>
      Promise.all(Array.from({ length: 400 }, (_, i) => client.get(`x${i}`)));
    await fill();
    for (let i = 0; i < 200; i++) {
      const key = `key${i}`;
      const load = Array.from({ length: i % 7 }, (_, n) => client.get(`l${n}`));
      const [, one, , two, , three, four, five] = await Promise.all([
        client.meta.set(key, i),
        client.meta.get(key),
        client.meta.set(key, i + 1, { quiet: true }),
        client.get(key),
        client.meta.arithmetic(key, { delta: 5, quiet: i % 2 === 0 }),
        client.meta.get(key),
        client.meta.delete(key, { quiet: true }),
        client.meta.get(key),
        ...load,
      ]);
      assertEquals(one, { status: "hit", value: i });
      assertEquals(two, i + 1);
      assertEquals(three, { status: "hit", value: i + 6 });
      assertEquals([four, five], [{ status: "deleted" }, { status: "miss" }]);
      // Text and bytes name the same item.
      const [, bytes, debug] = await Promise.all([
        client.meta.set(key, "v", { ttl: 60 }),
        client.meta.get(new TextEncoder().encode(key)),
        client.meta.debug(key),
      ]);
      assertEquals(bytes, { status: "hit", value: "v" });
      assert(debug !== undefined);
      const [, touched] = await Promise.all([
        client.meta.get(key, { touch: -1 }),
        client.meta.get(key),
      ]);
      assertEquals(touched, { status: "miss" });
      if (i % 50 === 0) await fill();
    }
    await client.close();
    await server.close();
  },
  { timeout: 30_000 },
);

test("lifetimes past 30 days and dates mean what they say", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address, { serde: rawSerde });
  const DAY = 86_400;
  const left = async (flags: MetaGetOptions = {}) =>
    (await client.meta.get("k", { ...flags, returnTtl: true })).ttl ?? NaN;
  const near = (ttl: number, wanted: number) =>
    assert(Math.abs(ttl - wanted) <= 2, `${ttl}, not ${wanted}`);
  const { meta } = client;
  for (const days of [1, 29, 30, 31, 400]) {
    await meta.set("k", "v", { ttl: days * DAY });
    near(await left(), days * DAY);
    await meta.set("k", "v", { ttl: new Date(Date.now() + days * DAY * 1000) });
    near(await left(), days * DAY);
    await meta.set("k", "v");
    assertEquals(await left(), -1);
    // What is left is told behind the change.
    near(await left({ touch: days * DAY }), days * DAY);
    await meta.delete("k", { invalidate: true, touch: days * DAY });
    near(await left(), days * DAY);
    await meta.delete("k");
    near(await left({ vivify: days * DAY }), days * DAY);
    await meta.delete("k");
    const { ttl } = await meta.arithmetic("k", {
      vivify: days * DAY,
      returnTtl: true,
    });
    near(ttl ?? NaN, days * DAY);
    near(
      (await meta.arithmetic("k", { touch: days * DAY + 5, returnTtl: true }))
        .ttl ?? NaN,
      days * DAY + 5,
    );
    near((await meta.debug("k"))?.ttl ?? NaN, days * DAY + 5);
  }
  await meta.set("k", "v", { ttl: -1 });
  assertEquals(await meta.get("k"), { status: "miss" });
  await meta.set("k", "v", { ttl: new Date(0) });
  assertEquals(await meta.get("k"), { status: "miss" });
  for (const ttl of [1.5, NaN, Infinity, new Date(NaN), "60", {}, null]) {
    const calls = [
      () => meta.set("k", "v", { ttl: ttl as number }),
      () => meta.get("k", { touch: ttl as number }),
      () => meta.get("k", { vivify: ttl as number }),
      () => meta.delete("k", { invalidate: true, touch: ttl as number }),
      () => meta.arithmetic("k", { vivify: ttl as number }),
    ];
    for (const call of calls) {
      assertInstanceOf(await failure(call), MemcacheIllegalInputError);
    }
  }
  await client.close();
  await server.close();
});

test(
  "RetryingClient attempts again what does no harm twice, and nothing else",
  async () => {
    const again: ReadonlyArray<
      (client: RetryingClient<Client>) => Promise<unknown>
    > = [
      ({ meta }) => meta.get("k"),
      ({ meta }) => meta.get("k", { touch: 60, quiet: true }),
      ({ meta }) => meta.getMany(["k", ["l", { returnTtl: true }]]),
      ({ meta }) => meta.set("k", "v"),
      ({ meta }) => meta.set("k", "v", { mode: "replace" }),
      ({ meta }) => meta.delete("k"),
      ({ meta }) => meta.debug("k"),
      ({ meta }) => meta.noop(),
    ];
    const once: typeof again = [
      ({ meta }) => meta.get("k", { vivify: 60 }),
      ({ meta }) => meta.get("k", { recache: 60 }),
      ({ meta }) => meta.get("k", { touch: -1 }),
      ({ meta }) => meta.get("k", { touch: new Date(0) }),
      ({ meta }) => meta.getMany(["k", ["l", { vivify: 60 }]]),
      ({ meta }) => meta.getMany(["k"], { recache: 60 }),
      ({ meta }) => meta.set("k", "v", { mode: "add" }),
      ({ meta }) => meta.set("k", "v", { mode: "append" }),
      ({ meta }) => meta.set("k", "v", { compareCas: 5 }),
      ({ meta }) => meta.delete("k", { compareCas: 5 }),
      ({ meta }) => meta.delete("k", { invalidate: true }),
      ({ meta }) => meta.arithmetic("k"),
    ];
    for (const [calls, connections] of [[again, 2], [once, 1]] as const) {
      for (const call of calls) {
        await withServer({}, async (server) => {
          const inner = new Client(server.address);
          const client = new RetryingClient(inner);
          await acquaint(inner);
          const good = server.script;
          let probes = 0;
          server.script = (command, peer) => {
            // The first one is lost once it was carried out; noop() is a probe's.
            if (command.name === "mn" && probes++ > 0) {
              return peer.answer(command) as undefined;
            }
            server.script = good;
            peer.end();
            return undefined;
          };
          const result = await call(client).catch((error) => error);
          const about = `${call}: ${result}`;
          assertEquals(server.peers.length, connections, about);
          if (connections === 1) assertInstanceOf(result, MemcacheError, about);
          await client.close();
        });
      }
    }
  },
  { timeout: 20_000 },
);
