/**
 * `getOrSet` where servers fail: while one loads, while others wait, and when a
 * value is to be stored.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Client, MemcacheError, MemcacheTimeoutError } from "@x/memcache";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { Gate, until, warm, watch, withPlace } from "./_gates.ts";

const never = (): never => {
  throw new Error("It was not to be loaded");
};

test(
  "getOrSet() returns what it loaded when the server has died meanwhile",
  () =>
    withMemcached({}, async (memcached) => {
      const errors: MemcacheError[] = [];
      const client = new Client(memcached.server, {
        onError: (error) => void errors.push(error),
      });
      const gate = new Gate<number>();
      const calls = Array.from(
        { length: 20 },
        () => client.getOrSet("k", gate.load),
      );
      await gate.called();
      await memcached.kill();
      gate.resolve(1);
      assertEquals(await Promise.all(calls), Array(20).fill(1));
      assert(errors.length > 0);
      // An empty server has no lease: the next caller loads, and stores.
      await memcached.restart();
      const again = async (): Promise<unknown> => {
        try {
          return await client.getOrSet("k", () => 2);
        } catch {
          return undefined;
        }
      };
      for (let tries = 0; await again() !== 2; tries++) {
        assert(tries < 200);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assertEquals(await client.getOrSet("k", never), 2);
      await client.close();
    }),
  needsMemcached,
);

for (const errorsAsMisses of [false, true]) {
  test(
    `getOrSet() of who waits ${
      errorsAsMisses ? "loads" : "rejects"
    } when the server dies`,
    () =>
      withMemcached({}, async (memcached) => {
        const first = new Client(memcached.server);
        const gate = new Gate<number>();
        const loading = first.getOrSet("k", gate.load);
        await gate.called();
        const second = new Client(memcached.server, { errorsAsMisses });
        const other = new Gate<number>();
        const waiting = Array.from(
          { length: 20 },
          () => watch(second.getOrSet("k", other.load, { poll: [1, 5] })),
        );
        await second.get("k");
        await memcached.kill();
        if (errorsAsMisses) {
          await other.called();
          other.resolve(2);
        }
        for (const { promise } of waiting) {
          if (errorsAsMisses) assertEquals(await promise, 2);
          else await assertRejects(() => promise, MemcacheError);
        }
        assertEquals(other.loads, errorsAsMisses ? 1 : 0);
        gate.resolve(1);
        assertEquals(await loading, 1);
        await Promise.all([first.close(), second.close()]);
      }),
    needsMemcached,
  );
}

test(
  "getOrSet() goes on over a server that is silent for a while",
  () =>
    withMemcached({}, async (memcached) => {
      const client = await warm(new Client(memcached.server, { timeout: 100 }));
      const gate = new Gate<number>();
      const call = client.getOrSet("k", gate.load, { lease: 2 });
      await gate.called();
      memcached.pause();
      // It may take a moment until all of its threads stand still.
      while (await client.get("x").then(() => true, () => false));
      gate.resolve(1);
      assertEquals(await call, 1);
      await assertRejects(
        () => client.getOrSet("k", never),
        MemcacheTimeoutError,
      );
      memcached.resume();
      // Neither the value nor the end of the lease may have got through.
      const tolerant = new Client(memcached.server, { errorsAsMisses: true });
      const value = await tolerant.getOrSet("k", () => 2, { poll: [1, 5] });
      assert(value === 1 || value === 2);
      await Promise.all([client.close(), tolerant.close()]);
    }),
  needsMemcached,
);

test("getOrSet() rejects, and does not load, where the lease cannot be had", () =>
  withPlace(async ({ open, server }) => {
    const client = await warm(open({ timeout: 200 }));
    for (const command of ["mg", "ms"]) {
      const bad = "SERVER_ERROR out of order\r\n";
      server.fault({ kind: "garbage", bytes: bad, match: command, times: 1 });
      await assertRejects(() => client.getOrSet("k", never), MemcacheError);
      // The lease may be there, although nobody was told so.
      await client.delete("k");
    }
    const tolerant = await warm(open({ timeout: 200, errorsAsMisses: true }));
    server.fault({ kind: "drop", match: "ms", times: 1 });
    assertEquals(await tolerant.getOrSet("k", () => 1), 1);
    await client.delete("k");
    assertEquals(await client.getOrSet("k", () => 2), 2);
  }));

test("getOrSet() keeps a value whose store was lost on its way to its callers", () =>
  withPlace(async ({ open, server, errors }) => {
    const client = await warm(open());
    for (const kind of ["drop", "swallow"] as const) {
      errors.length = 0;
      const own = await warm(open({ timeout: 100 }));
      server.fault({
        kind,
        match: ({ line }) => /^ms k 1 C/.test(line),
        times: 1,
      });
      assertEquals(await own.getOrSet("k", () => 1), 1);
      assert(errors.length > 0, kind);
      // It had arrived all the same: that is what the lost word was about.
      assertEquals(await client.getOrSet("k", never), 1);
      await client.delete("k");
    }
  }));

test("getOrSet() survives that a server loses everything while it loads", () =>
  withPlace(async ({ open, server }) => {
    const client = await warm(open());
    const gate = new Gate<number>();
    const call = client.getOrSet("k", gate.load);
    await gate.called();
    await client.flushAll();
    server.advance(2);
    // The lease is gone: another one loads, and the first stores nothing.
    assertEquals(await client.getOrSet("k", () => 2), 2);
    gate.resolve(1);
    assertEquals(await call, 1);
    assertEquals(await client.get("k"), 2);
  }));

test(
  "getOrSet() loads anew a stale value whose turn a plain get took, on memcached",
  () =>
    withMemcached({}, async (memcached) => {
      const client = await warm(new Client(memcached.server));
      await client.getOrSet("k", () => "old", { ttl: 60 });
      await client.meta.delete("k", { invalidate: true, touch: 30 });
      // The turn is gone with this, although nobody loads.
      assertEquals(await client.get("k"), "old");
      const seen = await client.meta.get("k");
      assertEquals([seen.stale, seen.alreadyWon], [true, true]);
      let loads = 0;
      const options = { ttl: 60, loadTimeout: 200 };
      const ask = () => client.getOrSet("k", () => (loads++, "new"), options);
      const start = performance.now();
      await until(() => {
        ask().catch(() => {});
        return loads > 0;
      }, "a load");
      const took = performance.now() - start;
      assert(took > 1100 && took < 4000, `${took} ms`);
      await until(() => loads === 1);
      assertEquals(await client.getOrSet("k", never, options), "new");
      assertEquals(loads, 1);
      await client.close();
    }),
  needsMemcached,
);
