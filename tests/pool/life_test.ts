/**
 * How connections of a pool end: idle, let go, drained, closed, lost.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  MemcacheError,
  MemcacheUnexpectedCloseError,
  type PooledClientOptions,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { failure, outcome, outcomes } from "../connection/_calls.ts";
import { distinct, Held, peersOf, spread, withPool } from "./_pools.ts";

test("PooledClient closes what was idle for poolIdleTimeout", async () => {
  await withPool({}, { maxPoolSize: 3, poolIdleTimeout: 60 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 3);
    const start = performance.now();
    let used = start;
    // One of them is always in use.
    while (client.pool.counters.size > 1) {
      used = performance.now();
      await client.get("used");
    }
    const after = performance.now() - start;
    assert(after >= 55, `closed after ${after} ms`);
    assertEquals(peersOf(server, "used"), [0]);
    await server.until(() => server.peers.every(({ closed }) => closed));
    assert(performance.now() - used >= 55);
    const { size, opened, closed } = client.pool.counters;
    assertEquals({ size, opened, closed }, { size: 0, opened: 3, closed: 3 });
    assertEquals(await client.set("again", 1), true);
    assertEquals(await client.get("again"), 1);
    assertEquals(client.pool.counters.opened, 4);
  });
});

test("PooledClient does not call idle who waits for a reply", async () => {
  await withPool({}, { poolIdleTimeout: 30 }, async ({ server, client }) => {
    await client.get("warm");
    const held = new Held(server);
    const slow = client.get("slow");
    await held.until(1);
    await new Promise((resolve) => setTimeout(resolve, 90));
    assertEquals(client.pool.counters.size, 1);
    held.release();
    assertEquals(await slow, undefined);
    await server.until(() => server.peers[0].closed);
  });
});

test("PooledClient does not call idle whose callers have been promised time", async () => {
  const options = { maxPoolSize: 1, poolIdleTimeout: 20, timeout: 100 };
  await withPool({}, options, async ({ server, client }) => {
    await client.get("warm");
    const silent = new Set<unknown>();
    server.script = (command, peer) => {
      if (command.name === "incr") silent.add(peer);
      return silent.has(peer) ? undefined : peer.reply(command);
    };
    // The first waits in vain: so the silent connection is replaced.
    const vain = failure(client.incr("a", 1));
    const kept = failure(client.incr("a", 1, { timeout: 400 }));
    const read = client.get("a", { timeout: 8000 });
    assertEquals((await vain).code, "ERR_TIMEOUT");
    assertEquals(await read, undefined);
    assertEquals(silent.has(server.last), false);
    const { code, sent } = await kept;
    assertEquals([code, sent], ["ERR_TIMEOUT", true]);
    await server.until(() => server.last.closed);
  });
});

test("PooledClient keeps idle connections without poolIdleTimeout", async () => {
  await withPool({}, { maxPoolSize: 2 }, async (pair) => {
    await spread(pair, 2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assertEquals(pair.client.pool.counters.size, 2);
  });
});

test("quit() says goodbye on every connection, behind what is in flight", async () => {
  await withPool({}, { maxPoolSize: 3 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 3);
    const replies: Array<() => void> = [];
    server.script = (command, peer) => {
      if (peer.number > 2) return peer.reply(command);
      replies.push(() => {
        if (command.name === "quit") peer.end();
        else peer.answer(command);
      });
      return undefined;
    };
    const counts = Array.from({ length: 9 }, (_, i) => client.incr(`${i}`));
    await server.until(() => replies.length === 9);
    const quit = client.quit();
    // What comes after it does not have to wait for it.
    assertEquals(await client.get("next"), undefined);
    assertEquals(peersOf(server, "next"), [3]);
    await server.until(() => replies.length === 12);
    for (const reply of replies) reply();
    assertEquals(distinct(await Promise.all(counts)), [undefined]);
    await quit;
    assertEquals(peersOf(server, "quit"), [0, 1, 2]);
    assertEquals(client.pool.counters.size, 1);
    server.script = (_, peer) => {
      peer.end();
      return undefined;
    };
    await client.quit({ timeout: 5000 });
    await client.quit();
    assertEquals(client.pool.counters.size, 0);
  });
});

test("quit() costs no connection if its options cannot be used", async () => {
  await withPool({}, { maxPoolSize: 2 }, async (pair) => {
    const { client } = pair;
    await spread(pair, 2);
    const error = await failure(client.quit({ timeout: -1 }));
    assertEquals(error.code, "ERR_ILLEGAL_INPUT");
    const reason = new Error("enough");
    const { error: given } = await outcome(
      client.quit({ signal: AbortSignal.abort(reason) }),
    );
    assertEquals(given as unknown, reason);
    assertEquals(client.pool.counters.closed, 0);
  });
});

test("disconnect() lets go of all, and the pool stays usable", async () => {
  await withPool({}, { maxPoolSize: 3 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 3);
    const held = new Held(server);
    const calls = outcomes(
      Array.from({ length: 30 }, (_, i) => client.incr(`n${i}`)),
    );
    await held.until(30);
    await client.disconnect();
    for (const { error } of await calls) {
      assertInstanceOf(error, MemcacheUnexpectedCloseError);
      assertEquals(error.sent, true);
    }
    await server.until(() => server.peers.every(({ closed }) => closed));
    held.release();
    assertEquals(client.pool.counters.size, 0);
    assertEquals(await client.set("key", 1), true);
    assertEquals(server.peers.length, 4);
  });
});

test("close() is final, for those too that only finish what they owe", async () => {
  await withPool({}, { maxPoolSize: 2 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 2);
    const held = new Held(server);
    const first = outcomes([client.incr("a"), client.incr("b")]);
    await held.until(2);
    const quit = outcome(client.quit());
    const second = outcomes([client.incr("c"), client.incr("d")]);
    await held.until(4);
    await client.close();
    for (const { error } of [...await first, ...await second, await quit]) {
      assertEquals(error?.code, "ERR_CLIENT_CLOSED");
    }
    assertEquals((await failure(client.get("a"))).code, "ERR_CLIENT_CLOSED");
    assertEquals(client.pool.closed, true);
    await server.until(() => server.peers.every(({ closed }) => closed));
    await client.close();
  });
});

test("Pool.drain() finishes what is in flight everywhere, and closes", async () => {
  await withPool({}, { maxPoolSize: 3 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 3);
    const held = new Held(server);
    const calls = Array.from({ length: 30 }, (_, i) => client.get(`n${i}`));
    await held.until(30);
    const drained = client.pool.drain();
    const late = await failure(client.get("late"));
    assertInstanceOf(late, MemcacheError);
    assertEquals([late.code, late.sent], ["ERR_CLIENT_CLOSED", false]);
    held.release();
    assertEquals(distinct(await Promise.all(calls)), [undefined]);
    await drained;
    await server.until(() => server.peers.every(({ closed }) => closed));
    assertEquals(client.pool.counters.size, 0);
  });
});

test("PooledClient replaces a silent connection, and the others go on", async () => {
  await withPool({}, { maxPoolSize: 2, timeout: 150 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 2);
    const [mute] = server.peers;
    server.script = (command, peer) =>
      peer === mute ? undefined : peer.reply(command);
    const store = await failure(client.set("key", 1));
    assertEquals(store.code, "ERR_TIMEOUT");
    await server.until(() => mute.closed);
    assertEquals(await client.set("key", 2), true);
    assertEquals(await client.get("key"), 2);
  });
});

test("PooledClient forgets connections that the server has closed", async () => {
  await withPool({}, {}, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 4);
    for (const peer of server.peers) peer.end();
    await server.until(() => server.peers.every(({ closed }) => closed));
    assertEquals(await client.set("key", 1), true);
    assertEquals(await client.get("key"), 1);
    const { size, opened, closed } = client.pool.counters;
    assertEquals({ size, opened, closed }, { size: 1, opened: 5, closed: 4 });
  });
});

test("PooledClient is disposed of by closing it", async () => {
  const options: PooledClientOptions = { maxPoolSize: 2 };
  await withPool({}, options, async (pair) => {
    await spread(pair, 2);
    await pair.client[Symbol.asyncDispose]();
    await pair.server.until(() =>
      pair.server.peers.every(({ closed }) => closed)
    );
    assertEquals(pair.client.pool.closed, true);
  });
});
