/**
 * `getOrSet` and values that are there: loads before their end, and old ones
 * after it.
 */
import { assert, assertEquals } from "@std/assert";
import type { GetOrSetOptions } from "@x/memcache";
import { test } from "../_runtime.ts";
import { Gate, until, warm, watch, withPlace } from "./_gates.ts";
import { many, never, REFRESH } from "./_calls.ts";

test("getOrSet() loads anew before the end, and nobody waits", () =>
  withPlace(async ({ open, server, errors }) => {
    const clients = await many(3, () => warm(open()));
    const gate = new Gate<number>();
    const ask = () =>
      Promise.all(
        clients.flatMap((client) =>
          Array.from(
            { length: 20 },
            () => client.getOrSet("k", gate.load, REFRESH),
          )
        ),
      );
    await clients[0].getOrSet("k", () => 1, REFRESH);
    server.advance(47);
    await ask();
    assertEquals(gate.loads, 0);
    server.advance(2);
    assertEquals([...new Set(await ask())], [1]);
    await gate.called();
    assertEquals(gate.contexts[0].isRefresh, true);
    assertEquals([...new Set(await ask())], [1]);
    assertEquals(gate.loads, 1);
    const stored = server.nextRequest("ms");
    gate.resolve(2);
    await stored;
    assertEquals([...new Set(await ask())], [2]);
    // Its lifetime has begun anew.
    server.advance(46);
    assertEquals([...new Set(await ask())], [2]);
    assertEquals(gate.loads, 1);
    assertEquals(errors, []);
  }));

test("getOrSet() lets the next caller load anew after a failure", () =>
  withPlace(async ({ open, server, errors }) => {
    const client = await warm(open());
    await client.getOrSet("k", () => 1, REFRESH);
    server.advance(52);
    const gate = new Gate<number>();
    assertEquals(await client.getOrSet("k", gate.load, REFRESH), 1);
    await gate.called();
    const boom = new Error("boom");
    gate.reject(boom);
    await until(() => errors.length > 0);
    assertEquals(errors.map(({ code, cause }) => [code, cause]), [
      ["ERR_LOAD_FAILED", boom],
    ]);
    const other = await warm(open());
    assertEquals(await other.getOrSet("k", gate.load, REFRESH), 1);
    await gate.called(2);
    const stored = server.nextRequest("ms");
    gate.resolve(2);
    await stored;
    assertEquals(await client.getOrSet("k", never, REFRESH), 2);
  }));

test("getOrSet() waits for a load that is due if told to", () =>
  withPlace(async ({ open, server, errors }) => {
    const client = await warm(open());
    const other = await warm(open());
    const options = { ...REFRESH, refresh: "wait" } as const;
    await client.getOrSet("k", () => 1, options);
    server.advance(52);
    const gate = new Gate<number>();
    const first = watch(client.getOrSet("k", gate.load, options));
    await gate.called();
    // It is the load of that one caller.
    assertEquals(await client.getOrSet("k", never, options), 1);
    assertEquals(await other.getOrSet("k", never, options), 1);
    assertEquals(first.isSettled, false);
    gate.resolve(2);
    assertEquals(await first.promise, 2);
    server.advance(52);
    // The old value is still there if the load fails.
    const failing = () => Promise.reject(new Error("boom"));
    assertEquals(await client.getOrSet("k", failing, options), 2);
    assertEquals(errors.map(({ code }) => code), ["ERR_LOAD_FAILED"]);
    assertEquals(await other.getOrSet("k", () => 3, options), 3);
  }));

test("getOrSet() returns old values for staleFor seconds while one loads", () =>
  withPlace(async ({ open, server, lines }) => {
    const client = await warm(open());
    const other = await warm(open());
    const options = { ttl: 10, staleFor: 20 };
    lines();
    await client.getOrSet("k", () => 1, options);
    assert(lines().some((line) => line.includes(" T30 ")));
    server.advance(9);
    assertEquals(await client.getOrSet("k", never, options), 1);
    server.advance(2);
    const gate = new Gate<number>();
    assertEquals(await client.getOrSet("k", gate.load, options), 1);
    assertEquals(await other.getOrSet("k", never, options), 1);
    await gate.called();
    const stored = server.nextRequest("ms");
    gate.resolve(2);
    await stored;
    assertEquals(await other.getOrSet("k", never, options), 2);
    server.advance(31);
    assertEquals(await other.getOrSet("k", () => 3, options), 3);
  }));

test("getOrSet() returns old values for staleIfError seconds if the load fails", () =>
  withPlace(async ({ open, server, errors }) => {
    const client = await warm(open());
    const other = await warm(open());
    const options = {
      ...{ ttl: 10, staleIfError: 100, poll: [1, 5] },
    } as GetOrSetOptions;
    await client.getOrSet("k", () => 1, options);
    server.advance(11);
    const gate = new Gate<number>();
    const calls = [
      ...Array.from(
        { length: 5 },
        () => watch(client.getOrSet("k", gate.load, options)),
      ),
    ];
    await gate.called();
    // Who asks elsewhere waits too, and is served by the same failure.
    calls.push(watch(other.getOrSet("k", never, options)));
    await other.get("k");
    await client.get("k");
    assert(calls.every(({ isSettled }) => !isSettled));
    gate.reject(new Error("boom"));
    for (const { promise } of calls) assertEquals(await promise, 1);
    assertEquals(gate.loads, 1);
    assertEquals(errors.map(({ code }) => code), ["ERR_LOAD_FAILED"]);
    // The next one tries again.
    assertEquals(await other.getOrSet("k", () => 2, options), 2);
    assertEquals(await client.getOrSet("k", never, options), 2);
    server.advance(111);
    const gone = client.getOrSet("k", () => Promise.reject(9), options);
    assertEquals(await gone.catch((error) => error), 9);
  }));

test("getOrSet() loads a value anew that was marked as stale", () =>
  withPlace(async ({ open, server }) => {
    const client = await warm(open());
    const other = await warm(open());
    await client.getOrSet("k", () => 1, { ttl: 60 });
    await client.meta.delete("k", { invalidate: true, touch: 30 });
    const gate = new Gate<number>();
    assertEquals(await client.getOrSet("k", gate.load, { ttl: 60 }), 1);
    assertEquals(await other.getOrSet("k", never, { ttl: 60 }), 1);
    await gate.called();
    const stored = server.nextRequest("ms");
    gate.resolve(2);
    await stored;
    assertEquals(await other.getOrSet("k", never, { ttl: 60 }), 2);
    assertEquals(gate.loads, 1);
  }));

for (const refresh of ["wait", "background"] as const) {
  test(`getOrSet() has somebody load after a failure, whenever one asks (${refresh})`, async () => {
    const options = { ttl: 1, staleFor: 600, refresh } as const;
    await withPlace(async ({ open }) => {
      const client = await warm(open());
      // Between the failure and the hand-over to others there are some turns.
      for (let hops = 0; hops < 40; hops++) {
        const key = `k${hops}`;
        await client.getOrSet(key, () => "old", options);
        await client.touch(key, 500);
        const gate = new Gate<string>();
        const first = client.getOrSet(key, gate.load, options);
        await gate.called();
        gate.reject(new Error("boom"));
        for (let i = 0; i < hops; i++) await undefined;
        let loads = 0;
        const load = () => `new ${++loads}`;
        const second = client.getOrSet(key, load, options);
        assertEquals(await first, "old");
        await second;
        await client.get("nothing");
        // Whoever asks next, if not that one, gets it.
        for (let i = 0; i < 3 && loads === 0; i++) {
          await client.getOrSet(key, load, options);
          await until(() => loads > 0 || i < 2);
        }
        assertEquals(loads, 1, `after ${hops} hops`);
      }
    });
  });
}

test("getOrSet() passes on what a caller has won from a load that fails", () =>
  withPlace(async ({ open, errors }) => {
    const options: GetOrSetOptions = { ttl: 60, refresh: "wait", staleFor: 60 };
    const client = await warm(open());
    const other = await warm(open());
    await client.getOrSet("k", () => 1, options);
    await client.meta.delete("k", { invalidate: true, touch: 30 });
    const gate = new Gate<number>();
    const first = client.getOrSet("k", gate.load, options);
    await gate.called();
    // Somebody else marks it once more: the next one who asks wins it again.
    await other.meta.delete("k", { invalidate: true, touch: 30 });
    const second = client.getOrSet("k", never, options);
    await client.get("nothing");
    gate.reject(new Error("boom"));
    assertEquals([await first, await second], [1, 1]);
    assertEquals(errors.map(({ code }) => code), ["ERR_LOAD_FAILED"]);
    await client.get("nothing");
    await client.get("nothing");
    assertEquals(await other.getOrSet("k", () => 2, options), 2);
  }));
