/**
 * A pool while its server is down, full, or lets nobody in.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import {
  dial,
  MemcacheConnectionError,
  type PooledClientOptions,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import type { Peer } from "../_scripted.ts";
import { failure, outcome, outcomes, pause } from "../connection/_calls.ts";
import { distinct, Held, peersOf, spread, withPool } from "./_pools.ts";

/** A transport that may be told to fail, and notes its attempts. */
class Gate {
  /** When attempts began. */
  readonly attempts: number[] = [];
  /** Most of them at the same time. */
  most = 0;
  /** What attempts fail with, if they are to. */
  failure: Error | undefined = undefined;
  /** Whether attempts neither succeed nor fail. */
  mute = false;
  #going = 0;

  readonly dial: NonNullable<PooledClientOptions["dial"]> = async (
    address,
    options,
  ) => {
    this.attempts.push(performance.now());
    this.most = Math.max(this.most, ++this.#going);
    try {
      await pause(2);
      if (this.mute) await new Promise(() => {});
      if (this.failure !== undefined) throw this.failure;
      return await dial(address, options);
    } finally {
      this.#going--;
    }
  };

  /** Begins to count anew. */
  clear(): void {
    this.attempts.length = 0;
    this.most = 0;
  }
}

test("PooledClient tries a server that is down by turns, and not often", async () => {
  const gate = new Gate();
  const options = { dial: gate.dial, maxPoolSize: 50, timeout: 500 };
  await withPool({}, options, async ({ client }) => {
    gate.failure = new Error("refused");
    const end = performance.now() + 2000;
    let calls = 0;
    const failed = new Set<string>();
    while (performance.now() < end) {
      const ends = await outcomes(
        Array.from({ length: 500 }, (_, i) => client.get(`${i}`)),
      );
      calls += ends.length;
      for (const { error } of ends) failed.add(error?.code ?? "none");
      await pause(1);
    }
    const first = gate.attempts[0];
    const soon = gate.attempts.filter((at) => at - first < 2000).length;
    assert(soon <= 20, `${soon} attempts for ${calls} calls`);
    assert(soon >= 5, `${soon} attempts only`);
    assertLess(gate.most, 5);
    assertEquals([...failed], ["ERR_CONNECTION"]);
    assertEquals(client.pool.counters.size <= 1, true);
  });
});

test("PooledClient comes back by one connection, and then by all", async () => {
  const gate = new Gate();
  const options = { dial: gate.dial, maxPoolSize: 4 };
  await withPool({}, options, async (pair) => {
    const { server, client } = pair;
    await spread(pair, 4);
    gate.failure = new Error("refused");
    for (const peer of server.peers) peer.end();
    await server.until(() => server.peers.every(({ closed }) => closed));
    while (!(await outcome(client.get("a"))).error) await pause(1);
    while (gate.attempts.length < 8) await outcome(client.get("a"));
    gate.clear();
    gate.failure = undefined;
    let answers: Array<() => void> | undefined = [];
    server.script = (command, peer) => {
      if (answers === undefined) return peer.reply(command);
      answers.push(() => peer.answer(command));
      return undefined;
    };
    while (gate.attempts.length === 0) {
      await outcome(client.get("a", { timeout: 1 }));
    }
    // The others wait until the first has been answered.
    const calls = outcomes(
      Array.from({ length: 1000 }, (_, i) => client.get(`${i}`)),
    );
    await server.until(() => server.peers.length === 5);
    await pause(20);
    assertEquals(gate.attempts.length, 1);
    const kept = answers;
    answers = undefined;
    for (const answer of kept) answer();
    const ends = await calls;
    assertEquals(distinct(ends.map(({ error }) => error)), [undefined]);
    // One alone has been enough so far.
    assertEquals(client.pool.counters.size, 1);
    // If the machine is busy they may come too late to be of use at first.
    while (client.pool.counters.size < 4) {
      await outcomes(
        Array.from({ length: 1000 }, (_, i) => client.incr(`${i}`)),
      );
    }
    assertEquals(gate.attempts.length, 4);
  });
});

test("PooledClient goes on with the connections that a full server has let in", async () => {
  const accept = (): void => {};
  await withPool({ accept }, { maxPoolSize: 4 }, async ({ server, client }) => {
    await client.get("warm");
    server.accept = (peer) => peer.end("ERROR Too many open connections\r\n");
    while (server.peers.length === 1) {
      const calls = await outcomes(
        Array.from(
          { length: 1000 },
          (_, i) => i % 2 ? client.incr(`${i}`) : client.get(`${i}`),
        ),
      );
      assertEquals(distinct(calls.map(({ error }) => error)), [undefined]);
    }
    assertEquals(peersOf(server, "incr").filter((peer) => peer > 0), []);
    while (client.pool.counters.size > 1) await pause(1);
  });
});

test("PooledClient sends by another what waits for a connection that fails", async () => {
  const gate = new Gate();
  await withPool(
    {},
    { dial: gate.dial },
    async ({ server, client, errors }) => {
      await client.get("warm");
      gate.failure = new MemcacheConnectionError("no route");
      while (gate.attempts.length === 1) {
        const calls = Array.from(
          { length: 1000 },
          (_, i) => client.incr(`${i}`),
        );
        assertEquals(distinct(await Promise.all(calls)), [undefined]);
      }
      assertEquals([server.peers.length, errors], [1, []]);
    },
  );
});

test("PooledClient sends by another what waits for a connection that hangs", async () => {
  const gate = new Gate();
  await withPool(
    {},
    { dial: gate.dial },
    async ({ server, client, errors }) => {
      await client.get("warm");
      gate.mute = true;
      for (let round = 0; round < 3; round++) {
        const start = performance.now();
        const calls = Array.from(
          { length: 600 },
          (_, i) => client.incr(`${i}`),
        );
        assertEquals(distinct(await Promise.all(calls)), [undefined]);
        assertLess(performance.now() - start, 4000);
        // One more at a time than the open connection has: none goes to others.
        await Promise.all([client.get("a"), client.get("b"), client.get("c")]);
      }
      assert(gate.attempts.length > 1);
      assertEquals([server.peers.length, errors], [1, []]);
    },
  );
});

test("PooledClient passes commands on, and keeps its promise to others", async () => {
  const gate = new Gate();
  const options = { dial: gate.dial, maxPoolSize: 7, timeout: 100 };
  await withPool({}, options, async ({ server, client }) => {
    const patient = { timeout: 8000 };
    const gets = (count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, i) => client.get(`${i}`, patient)),
      );
    const held = new Held(server);
    const first = gets(200);
    await server.until(() => server.peers.length === 2);
    held.release();
    await first;
    // As many as may be are on their way, and stay there.
    gate.mute = true;
    gate.clear();
    while (gate.attempts.length < 4) await gets(600);
    let silent: Peer | undefined;
    server.script = (command, peer) =>
      peer === (silent ??= peer) ? undefined : peer.reply(command);
    const vain = failure(client.incr("a", 1));
    const controller = new AbortController();
    const { signal } = controller;
    const kept = failure(client.incr("a", 1, { ...patient, signal }));
    const read = client.get("a", patient);
    assertEquals((await vain).code, "ERR_TIMEOUT");
    await server.until(() => silent?.closed === true);
    assertEquals(peersOf(server, " a"), [silent?.number]);
    // The read waits for a connection where the others have theirs by now.
    const others = gets(600);
    assertEquals(client.pool.connections.length, 7);
    await Promise.all([read, others]);
    assertEquals(gate.attempts.length, 4);
    controller.abort("enough");
    assertEquals(String(await kept), "enough");
  });
});

test("PooledClient closes while connections are being opened", async () => {
  const gate = new Gate();
  gate.mute = true;
  await withPool({}, { dial: gate.dial }, async ({ client }) => {
    const calls = outcomes(
      Array.from({ length: 1000 }, (_, i) => client.incr(`${i}`)),
    );
    while (gate.attempts.length < 4) await pause(1);
    assertEquals(client.pool.counters.size, 4);
    await client.close();
    const codes = (await calls).map(({ error }) => error?.code);
    assertEquals(distinct(codes), ["ERR_CLIENT_CLOSED"]);
    assertEquals(client.pool.pending, 0);
  });
});
