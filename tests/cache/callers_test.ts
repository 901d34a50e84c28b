/**
 * `getOrSet` and those who wait: aborts, timeouts and the end of a client.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemcacheError, MemcacheTimeoutError } from "@x/memcache";
import { test } from "../_runtime.ts";
import { Gate, warm, withPlace } from "./_gates.ts";
import { never } from "./_calls.ts";

test("getOrSet() ends one caller, not the load of others", () =>
  withPlace(async ({ open, errors }) => {
    const client = open();
    const gate = new Gate<number>();
    const first = new AbortController();
    await client.meta.set("warm", 1);
    const calls = [
      client.getOrSet("k", gate.load, { signal: first.signal }),
      client.getOrSet("k", gate.load, { timeout: 200 }),
      client.getOrSet("k", gate.load),
    ];
    // On a machine that is busy it may be over before anybody looks.
    for (const call of calls) call.catch(() => {});
    await gate.called();
    const reason = new Error("enough");
    first.abort(reason);
    assertEquals(await calls[0].catch((error) => error), reason);
    const late = await assertRejects(() => calls[1], MemcacheTimeoutError);
    assertEquals([late.command, late.key], ["getOrSet", "k"]);
    assertEquals(errors, [late]);
    assertEquals(gate.contexts[0].signal.aborted, false);
    gate.resolve(1);
    assertEquals(await calls[2], 1);
    assertEquals(gate.loads, 1);
    const gone = AbortSignal.abort(reason);
    const call = client.getOrSet("x", never, { signal: gone });
    assertEquals(await call.catch((error) => error), reason);
    // Who leaves before the first answer has nothing loaded.
    const early = new AbortController();
    const { signal } = early;
    const before = client.getOrSet("early", gate.load, { signal });
    early.abort(reason);
    assertEquals(await before.catch((error) => error), reason);
    await client.get("early");
    assertEquals(gate.loads, 1);
  }));

test("getOrSet() tells a load that nobody waits for it, and stores what comes", () =>
  withPlace(async ({ open, server }) => {
    const client = open();
    const gate = new Gate<number>();
    const control = new AbortController();
    const { signal } = control;
    const calls = Array.from(
      { length: 3 },
      () => client.getOrSet("k", gate.load, { signal }),
    );
    await gate.called();
    control.abort();
    for (const call of calls) await assertRejects(() => call);
    assertEquals(gate.contexts[0].signal.aborted, true);
    // Who comes now is not given the load of those who have gone.
    const waiting = client.getOrSet("k", never, { poll: [1, 5] });
    gate.resolve(1);
    assertEquals(await waiting, 1);
    assertEquals(await client.get("k"), 1);
    const left = new AbortController();
    const failing = client.getOrSet("x", gate.load, { signal: left.signal });
    await gate.called(2);
    left.abort();
    await assertRejects(() => failing);
    const newcomer = client.getOrSet("x", () => 2, { poll: [1, 5] });
    await client.get("x");
    gate.reject(new Error("boom"));
    assertEquals(await newcomer, 2);
    const heeds = client.getOrSet(
      "heeds",
      (_, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
      { timeout: 30 },
    );
    const released = server.nextRequest("md");
    await assertRejects(() => heeds, MemcacheTimeoutError);
    await released;
    assertEquals(await client.getOrSet("heeds", () => 2), 2);
  }));

test("getOrSet() ends a load that takes too long", () =>
  withPlace(async ({ open }) => {
    const client = open();
    const gate = new Gate<number>();
    const options = { loadTimeout: 30 };
    const error = await assertRejects(
      () => client.getOrSet("k", gate.load, options),
      MemcacheTimeoutError,
    );
    assert(error.message.includes("loadTimeout"), error.message);
    assertEquals(gate.contexts[0].signal.reason, error);
    assertEquals(await client.getOrSet("k", () => 1), 1);
    // What comes too late is not stored.
    gate.resolve(2);
    assertEquals(await client.getOrSet("k", never), 1);
  }));

test("getOrSet() of a client that is closed rejects, and leaves nothing behind", () =>
  withPlace(async ({ open }) => {
    const client = open();
    const other = open();
    const gate = new Gate<number>();
    const loading = client.getOrSet("k", gate.load);
    await gate.called();
    const waiting = other.getOrSet("k", never);
    await other.get("k");
    await Promise.all([client.close(), other.close()]);
    for (const call of [loading, waiting, client.getOrSet("k", never)]) {
      const error = await assertRejects(() => call, MemcacheError);
      assertEquals(error.code, "ERR_CLIENT_CLOSED");
    }
    gate.resolve(1);
  }));

test("getOrSet() gives a silent server no more than the client's own timeout", () =>
  withPlace(async ({ open, server }) => {
    const client = await warm(open({ timeout: 50, errorsAsMisses: true }));
    server.fault({ kind: "swallow", match: "mg", times: 1 });
    const start = performance.now();
    assertEquals(await client.getOrSet("k", () => 1, { timeout: 8000 }), 1);
    const took = performance.now() - start;
    assert(took < 4000, `${took} ms`);
  }));
