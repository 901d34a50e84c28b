/**
 * The order of commands on a pool: who has to see what was sent before.
 */
import { assertEquals } from "@std/assert";
import { test } from "../_runtime.ts";
import { failure } from "../connection/_calls.ts";
import { classic, type Peer } from "../_scripted.ts";
import {
  distinct,
  Held,
  type Pair,
  peersOf,
  spread,
  withPool,
} from "./_pools.ts";

/** Sends a get to each connection that has nothing to do, and keeps the answer. */
async function occupy({ server, client }: Pair, count: number): Promise<Held> {
  const held = new Held(server, ({ line }) => line.includes("busy"));
  for (let i = 0; i < count; i++) {
    client.get(`busy-${i}`).catch(() => {});
    await held.until(i + 1);
  }
  assertEquals(
    Array.from({ length: count }, (_, i) => peersOf(server, `busy-${i}`)),
    Array.from({ length: count }, (_, i) => [i]),
  );
  return held;
}

test("PooledClient sends commands of a key behind a change of it", async () => {
  await withPool({}, { protocol: "classic" }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 4);
    const keys = Array.from({ length: 50 }, (_, i) => `key-${i}-`);
    const got = await Promise.all(keys.map((key, i) =>
      Promise.all([
        client.set(key, i),
        client.get(key),
        client.incr(key, 1),
        client.gets<number>(key).then((item) => item?.value),
        client.delete(key),
        client.get(key),
      ])
    ));
    assertEquals(
      got,
      keys.map((_, i) => [true, i, i + 1, i + 1, true, undefined]),
    );
    // Each went one way, and all of them all ways.
    const ways = keys.map((key) => peersOf(server, key));
    assertEquals(ways.filter(({ length }) => length !== 1), []);
    assertEquals(distinct(ways.flat()).length, 4);
  });
});

test("PooledClient lets a key go any way once its change is acknowledged", async () => {
  await withPool({}, { maxPoolSize: 2 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 2);
    const held = await occupy(pair, 1);
    await client.set("key", 1);
    assertEquals(peersOf(server, "set key"), [1]);
    held.release();
    await client.get("other");
    assertEquals(await client.get("key"), 1);
    assertEquals(peersOf(server, "mg key"), [0]);
  });
});

test("PooledClient shows a store without reply to what follows it", async () => {
  await withPool({}, { maxPoolSize: 3 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 3);
    // What is slow is busy: the store goes by the last, the reads could go by
    // any that is less busy.
    const held = await occupy(pair, 2);
    await client.set("key", 1, { noreply: true });
    held.release();
    const got = await Promise.all([
      client.get("key"),
      client.gat("key", 60),
      client.getMany(["key", "other"]),
      client.incr("key", 1),
    ]);
    assertEquals(got, [1, 1, new Map([["key", 1]]), 2]);
    for (const line of ["ms key", "mg key", "get key", "incr key"]) {
      assertEquals(peersOf(server, line), [2], line);
    }
    // The server has answered behind it: no more reason to go there.
    await client.get("key");
    await client.touch("key", 60);
    assertEquals(peersOf(server, "touch key"), [0]);
  });
});

test("PooledClient sends commands without reply by one connection", async () => {
  await withPool({}, { defaultNoreply: true }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 4);
    await Promise.all(
      Array.from({ length: 300 }, (_, i) => client.set(`quiet-${i}`, i)),
    );
    const values = await client.getMany(
      Array.from({ length: 300 }, (_, i) => `quiet-${i}`),
    );
    assertEquals(values.size, 300);
    assertEquals(peersOf(server, "ms quiet"), [0]);
    await client.flushAll({ noreply: true });
    assertEquals(await client.get("quiet-7"), undefined);
  });
});

test("PooledClient remembers so many keys at most, then takes all for changed", async () => {
  await withPool({}, { maxPoolSize: 2, defaultNoreply: true }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 2);
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        Array.from({ length: 3000 }, (_, i) => client.set(`q-${i}`, round)),
      );
      const gets = await Promise.all(
        Array.from({ length: 100 }, (_, i) => client.get(`q-${i * 29}`)),
      );
      assertEquals(distinct(gets), [round]);
    }
    assertEquals(peersOf(server, "ms q-").length, 1);
  });
});

test("PooledClient keeps others away from an error that nobody can be blamed for", async () => {
  const options = {
    maxPoolSize: 2,
    protocol: "classic",
    timeout: 5000,
  } as const;
  await withPool({ command: classic }, options, async (pair) => {
    const { server, client, errors } = pair;
    await spread(pair, 2);
    server.script = (command, peer) =>
      command.line.startsWith("set bad")
        ? "SERVER_ERROR out of memory storing object\r\n"
        : peer.reply(command);
    await client.set("bad", 1, { noreply: true });
    const others = await Promise.all(
      Array.from({ length: 100 }, (_, i) => client.set(`good-${i}`, i)),
    );
    assertEquals(distinct(others), [true]);
    assertEquals([peersOf(server, "set bad"), peersOf(server, "set good")], [
      [0],
      [1],
    ]);
    // The read that follows it meets the error, and is sent again.
    assertEquals(await client.get("bad"), undefined);
    assertEquals(errors.map(({ command }) => command), ["set"]);
  });
});

test("PooledClient forgets a change that has failed", async () => {
  await withPool({}, { maxPoolSize: 2 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 2);
    let slow: Peer | undefined;
    const held = new Held(server, (_, peer) => peer === (slow ??= peer));
    const controller = new AbortController();
    const { signal } = controller;
    const store = failure(client.set("key", 1, { timeout: 100 }));
    const behind = failure(client.get("key", { signal }));
    await held.until(2);
    assertEquals(peersOf(server, "mg key"), [slow?.number]);
    controller.abort("enough");
    assertEquals(String(await behind), "enough");
    assertEquals((await store).code, "ERR_TIMEOUT");
    // Its connection is as slow as before.
    assertEquals(await client.get("key"), undefined);
    assertEquals(peersOf(server, "mg key"), [0, 1]);
    held.release();
  });
});
