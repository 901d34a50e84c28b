/**
 * When a pool opens connections, and which of them a command goes by.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  MemcacheIllegalInputError,
  MemcacheOverloadError,
  PooledClient,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { failure, outcome, pause } from "../connection/_calls.ts";
import { Held, peersOf, spread, withPool } from "./_pools.ts";

test("PooledClient needs one connection for 64 gets in flight", async () => {
  await withPool({}, {}, async ({ server, client }) => {
    assertEquals(client.pool.counters, {
      ...{ size: 0, idle: 0, busy: 0, pending: 0, opened: 0, closed: 0 },
    });
    await client.get("warm");
    const held = new Held(server);
    const gets = Array.from({ length: 64 }, (_, i) => client.get(`${i}`));
    assertEquals(client.pool.pending, 64);
    await held.until(64);
    assertEquals(client.pool.counters, {
      ...{ size: 1, idle: 0, busy: 1, pending: 64, opened: 1, closed: 0 },
    });
    held.release();
    await Promise.all(gets);
    assertEquals(client.pool.counters, {
      ...{ size: 1, idle: 1, busy: 0, pending: 0, opened: 1, closed: 0 },
    });
    for (let i = 0; i < 100; i++) await client.get(`${i}`);
    assertEquals(server.peers.length, 1);
  });
});

test("PooledClient opens another connection when all are full, up to maxPoolSize", async () => {
  await withPool({}, { maxPoolSize: 3 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 3);
    const held = new Held(server);
    const gets = Array.from({ length: 1500 }, (_, i) => client.get(`k${i}`));
    await server.until(() =>
      server.peers.every(({ lines }) => lines.some((l) => l.includes("k1")))
    );
    assertEquals(client.pool.counters.busy, 3);
    held.release();
    await Promise.all(gets);
    assertEquals(server.peers.length, 3);
    assertEquals(client.pool.counters.opened, 3);
  });
});

test("PooledClient sends each command by the least busy connection", async () => {
  await withPool({}, { protocol: "classic" }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 4);
    const held = new Held(server);
    const calls = Array.from({ length: 40 }, (_, i) => client.incr(`n${i}`));
    await held.until(40);
    const counts = server.peers.map(({ lines }) =>
      lines.filter((line) => line.startsWith("incr n")).length
    );
    assertEquals(counts, [10, 10, 10, 10]);
    held.release();
    await Promise.all(calls);
    // One at a time, the first does all of it.
    for (let i = 0; i < 10; i++) await client.decr(`n${i}`);
    assertEquals(peersOf(server, "decr n"), [0]);
  });
});

test("PooledClient lets a value that is arriving hold up no other command", async () => {
  await withPool({}, {}, async ({ server, client }) => {
    const size = 40_000;
    server.items.set("large", {
      ...{ flags: "16", data: "v".repeat(size), cas: 1 },
    });
    await client.get("warm");
    const rest: Array<() => void> = [];
    server.script = (command, peer) => {
      const reply = peer.reply(command);
      // What follows it on its connection has to wait.
      if (rest.length > 0 && peer.number === 0) {
        rest.push(() => peer.send(reply));
      } else if (reply.length < size) return reply;
      else {
        peer.send(reply.slice(0, 10_000));
        rest.push(() => peer.send(reply.slice(10_000)));
      }
      return undefined;
    };
    const large = client.get<string>("large");
    await server.until(() => rest.length > 0);
    // The begin of it may still be on its way.
    let tries = 0;
    do tries++; while (
      await outcome(client.get("small", { timeout: 20 })).then(timedOut)
    );
    assertEquals([server.peers.length, rest.length], [2, tries]);
    for (const send of rest) send();
    assertEquals((await large)?.length, size);
  });
});

test("PooledClient lets a value that is being sent hold up no other command", async () => {
  await withPool({}, {}, async ({ server, client }) => {
    await client.get("warm");
    const [peer] = server.peers;
    peer.pause();
    const large = client.set("large", new Uint8Array(900_000));
    assertEquals(await client.get("small"), undefined);
    assertEquals(server.peers.length, 2);
    peer.resume();
    assertEquals(await large, true);
  });
});

test("PooledClient goes round a connection that owes replies and is silent", async () => {
  await withPool({}, {}, async (pair) => {
    const { server, client } = pair;
    await client.get("warm");
    const held = new Held(server, ({ line }) => line.includes("mute"));
    const mute = client.get("mute");
    await held.until(1);
    await pause(60);
    assertEquals(await client.get("other"), undefined);
    assertEquals([peersOf(server, "mute"), peersOf(server, "other")], [[0], [
      1,
    ]]);
    for (let i = 0; i < 20; i++) await client.get(`more-${i}`);
    assertEquals(peersOf(server, "more"), [1]);
    held.release();
    assertEquals(await mute, undefined);
    // What has been heard of takes its turn again.
    await client.get("back");
    assertEquals(peersOf(server, "back"), [0]);
  });
});

test("PooledClient refuses at once when all connections have maxPending", async () => {
  for (const noreply of [false, true]) {
    const options = { maxPoolSize: 2, maxPending: 3 };
    await withPool({}, options, async ({ server, client, errors }) => {
      await client.get("warm");
      const held = new Held(server);
      const calls = Array.from({ length: 6 }, (_, i) => client.incr(`${i}`));
      const refused = await failure(
        noreply ? client.set("k", 1, { noreply }) : client.get("k"),
      );
      assertInstanceOf(refused, MemcacheOverloadError);
      assert(refused.message.includes("maxPending"), refused.message);
      assertEquals([refused.sent, refused.server], [false, server.address]);
      assertEquals(errors, [refused]);
      await held.until(6);
      assertEquals(server.peers.length, 2);
      held.release();
      assertEquals((await Promise.all(calls)).length, 6);
      assertEquals(await client.set("k", 1, { noreply }), true);
      assertEquals(await client.get("k"), 1);
    });
  }
});

test("PooledClient lets 32 MiB of values wait, over all connections", async () => {
  await withPool({}, { maxPoolSize: 4 }, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 4);
    server.reads = false;
    for (const peer of server.peers) peer.pause();
    const value = new Uint8Array(1_000_000);
    const calls = Array.from(
      { length: 100 },
      (_, i) => outcome(client.set(`k${i}`, value)),
    );
    const first = await Promise.race(calls);
    assertInstanceOf(first.error, MemcacheOverloadError);
    // One goes to each transport besides.
    const { pending } = client.pool;
    assert(pending >= 33 && pending <= 33 + 4, `${pending} wait`);
    await client.disconnect();
    await Promise.all(calls);
  });
});

test("PooledClient refuses options that cannot be used", () => {
  for (
    const maxPoolSize of [0, -1, 1.5, NaN, 65_536, "4" as never, null as never]
  ) {
    assertThrows({ maxPoolSize }, "maxPoolSize");
  }
  for (const poolIdleTimeout of [-1, NaN, Infinity, "1" as never]) {
    assertThrows({ poolIdleTimeout }, "poolIdleTimeout");
  }
});

function assertThrows(
  options: ConstructorParameters<typeof PooledClient>[1],
  name: string,
): void {
  let error: unknown;
  try {
    new PooledClient("localhost", options);
  } catch (thrown) {
    error = thrown;
  }
  assertInstanceOf(error, MemcacheIllegalInputError);
  assert(error.message.includes(name), error.message);
}

function timedOut({ error }: { error?: { code: string } }): boolean {
  return error?.code === "ERR_TIMEOUT";
}
