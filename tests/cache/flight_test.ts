/**
 * Loads and flights in a time that stands still, over items in memory: leases,
 * their ends, and how long who waits waits.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { readPlan } from "../../src/cache/options.ts";
import type { Waiting } from "../../src/cache/port.ts";
import { MemcacheTimeoutError } from "../../src/errors.ts";
import { test } from "../_runtime.ts";
import { hanging, play, taking } from "./_memory.ts";

test("Flight renews its lease, so that a load of any length runs once", () =>
  play(async (time, memory, make) => {
    const [a, b] = [make(), make()];
    const load = taking(25_000, "v");
    const first = a.getOrSet(load, { lease: 3 });
    await time.settle();
    const second = b.getOrSet(load, { lease: 3 });
    await time.tick(25_600);
    assertEquals([await first, await second], ["v", "v"]);
    assertEquals(load.count, 1);
    const renewals = memory.times("renew");
    assertEquals(renewals.slice(0, 3), [1000, 2000, 3000]);
    assertEquals(renewals.length, 24);
  }));

test("Flight gives up a lease that is no more, and stores nothing", () =>
  play(async (time, memory, make) => {
    const { getOrSet } = make();
    const call = getOrSet(taking(10_000, "v"), { lease: 3 });
    await time.tick(1500);
    memory.items.delete("k");
    await time.tick(9000);
    assertEquals(await call, "v");
    assertEquals(memory.times("renew"), [1000, 2000]);
    // Not even tried.
    assertEquals(memory.times("put"), []);
    assertEquals(memory.times("no put"), []);
  }));

test("Flight makes a lease of an old value before it ends, so that nobody else loads", () =>
  play(async (time, memory, make) => {
    const [a, b] = [make(), make()];
    const options = { ttl: 8, refreshAhead: 4, lease: 3 };
    memory.put("k", "old", 5);
    const load = taking(12_000, "new");
    assertEquals(await a.getOrSet(load, options), "old");
    await time.tick(3900);
    assertEquals(await b.getOrSet(load, options), "old");
    // In the last second it may end at any time.
    await time.tick(200);
    assertEquals(memory.find("k")?.mark, "computing");
    const waiting = [a, b].map(({ getOrSet }) => getOrSet(load, options));
    await time.tick(7800);
    assertEquals(load.count, 1);
    await time.tick(600);
    assertEquals(await Promise.all(waiting), ["new", "new"]);
    assertEquals(load.count, 1);
    assertEquals(memory.times("renew").slice(0, 3), [4000, 5000, 6000]);
    assertEquals(memory.times("lease"), []);
    // A failure gives it back.
    memory.put("k", "old", 2);
    const failing = () =>
      new Promise((_, reject) => setTimeout(() => reject("boom"), 3000));
    assertEquals(await a.getOrSet(failing, options), "old");
    await time.tick(2000);
    const next = b.getOrSet(taking(10, "next"), options);
    await time.tick(1600);
    assertEquals(await next, "next");
  }));

test("Flight loads on while its renewals are lost, and leaves the key to others", () =>
  play(async (time, memory, make) => {
    const [a, b] = [make(), make()];
    const call = a.getOrSet(taking(8000, "a"), { lease: 3 });
    await time.settle();
    a.port.isCutOff = true;
    const other = b.getOrSet(taking(8000, "b"), { lease: 3 });
    await time.tick(3600);
    assertEquals(memory.times("lease").length, 2);
    await time.tick(10_000);
    assertEquals([await call, await other], ["a", "b"]);
    assertEquals(memory.find("k")?.value, "b");
  }));

test("Flight looks after pauses that grow, up to the longest", () =>
  play(async (time, memory, make) => {
    const { getOrSet } = make();
    memory.put("k", "", 3600, "computing");
    const call = getOrSet(hanging, {
      poll: [100, 500],
      loadTimeout: 2000,
      lease: 2,
    });
    const ended = assertRejects(() => call, MemcacheTimeoutError);
    await time.tick(2900);
    assertEquals(memory.times("look"), [
      ...[100, 250, 475, 812.5, 1312.5, 1812.5, 2312.5, 2812.5],
    ]);
    // Whoever loads is alive.
    memory.put("k", "", 3600, "computing");
    await time.tick(2000);
    await ended;
    // It waits for `loadTimeout` and one lease.
    const last = memory.times("look").at(-1) ?? 0;
    assert(last > 4000 && last < 4600, `${last}`);
  }));

test("Flight shortens pauses by up to a half at random", () =>
  play(async (time, memory, make) => {
    const { getOrSet } = make();
    memory.put("k", "", 60, "computing");
    const call = getOrSet(hanging, { poll: [100, 100], random: () => 0.999 });
    await time.tick(1000);
    const looks = memory.times("look");
    assertEquals(looks.length, 19);
    assert(looks[0] > 50 && looks[0] < 51, `${looks[0]}`);
    memory.put("k", "v", 60);
    await time.tick(100);
    assertEquals(await call, "v");
  }));

test("Flight takes over a lease that was touched, but not renewed", () =>
  play(async (time, memory, make) => {
    const { getOrSet } = make();
    memory.put("k", "", 86_400, "computing");
    const load = taking(10, "v");
    const call = getOrSet(load, { loadTimeout: 5000 });
    await time.tick(5900);
    assertEquals(load.count, 0);
    await time.tick(1000);
    assertEquals(await call, "v");
    assertEquals(memory.find("k")?.value, "v");
  }));

test("Flight does not take over a lease that is renewed", () =>
  play(async (time, memory, make) => {
    const { getOrSet } = make();
    memory.put("k", "", 60, "computing");
    const load = taking(10, "v");
    const call = getOrSet(load, { loadTimeout: 5000, lease: 60 });
    for (let i = 0; i < 10; i++) {
      await time.tick(4000);
      memory.put("k", "", 60, "computing");
    }
    assertEquals(load.count, 0);
    memory.put("k", "theirs", 60);
    await time.tick(600);
    assertEquals(await call, "theirs");
  }));

test("Loads has a value loaded anew whose turn was taken in vain", () =>
  play(async (time, memory, make) => {
    const { getOrSet } = make();
    memory.put("k", "old", 3600);
    const item = memory.find("k");
    assert(item !== undefined);
    // As after `get` of a value that was marked as stale.
    item.isStale = item.isTaken = true;
    const load = taking(10, "new");
    const options = { ttl: 60, loadTimeout: 1000 };
    const seen: unknown[] = [];
    for (let i = 0; i < 60; i++) {
      seen.push(await getOrSet(load, options));
      await time.tick(100);
    }
    assertEquals(load.count, 1);
    const turns = memory.times("hand");
    assertEquals(turns.length, 1);
    // The time of a load, and a second.
    assert(turns[0] >= 2000 && turns[0] <= 2200, `${turns[0]}`);
    assertEquals(seen.at(0), "old");
    assertEquals(seen.at(-1), "new");
  }));

test("Loads leaves a value alone that another loads anew in time, again and again", () =>
  play(async (time, memory, make) => {
    const { getOrSet } = make();
    const load = taking(10, "mine");
    const options = { ttl: 60, loadTimeout: 1000 };
    for (let i = 0; i < 200; i++) {
      if (i % 9 === 0) {
        memory.put("k", "theirs", 3600);
        const item = memory.find("k");
        assert(item !== undefined);
        item.isTaken = true;
      }
      assertEquals(await getOrSet(load, options), "theirs");
      await time.tick(100);
    }
    assertEquals(load.count, 0);
    assertEquals(memory.times("hand"), []);
  }));

test("Loads keeps a turn for errorTtl seconds after a failure", () =>
  play(async (time, memory, make) => {
    const { getOrSet, port } = make();
    memory.put("k", "old", 15);
    const options = { ttl: 10, staleFor: 100, errorTtl: 5 };
    const failing = () => Promise.reject(new Error("boom"));
    assertEquals(await getOrSet(failing, options), "old");
    await time.tick(4000);
    assertEquals(port.errors.length, 1);
    assertEquals(await getOrSet(failing, options), "old");
    assertEquals(memory.times("hand"), []);
    await time.tick(1500);
    assertEquals(memory.times("hand"), [5000]);
    assertEquals(await getOrSet(() => "new", options), "old");
    await time.settle();
    assertEquals(await getOrSet(failing, options), "new");
  }));

test("Loads gives a value that a caller wins to who waits for it", () =>
  play(async (time, memory, make) => {
    const { getOrSet, port } = make();
    const options = { ttl: 10, staleIfError: 100 };
    memory.put("k", "old", 50);
    const item = memory.find("k");
    assert(item !== undefined);
    item.isTaken = true;
    const load = taking(10, "new");
    const waiting = getOrSet(load, { ...options, poll: [400, 400] });
    await time.tick(100);
    assertEquals(load.count, 0);
    // The other process gives its turn back, and a call comes first.
    item.isTaken = false;
    const second = getOrSet(load, options);
    await time.tick(50);
    assertEquals([await waiting, await second], ["new", "new"]);
    assertEquals(load.count, 1);
    assertEquals(port.errors, []);
  }));

test("Flight does not begin to load when all its callers have gone", () =>
  play(async (time, memory, make) => {
    const { port, loads } = make();
    let leave: () => void = () => {};
    port.wait = () =>
      new Promise((_, reject) => leave = () => reject(new Error("gone")));
    const lease = port.lease.bind(port);
    port.lease = async (call) => {
      await time.settle();
      leave();
      // Until the last caller is known to be gone.
      await time.settle();
      return await lease(call);
    };
    const load = taking(10, "v");
    const call: Waiting = {
      ...{ key: "k", wireKey: "k", route: "k", plan: readPlan({}), load },
      ...{ deadline: 0, patience: 0, signal: undefined, order: 1 },
    };
    const answer = loads.answer(call, { state: "missing" });
    await assertRejects(() => Promise.resolve(answer), Error, "gone");
    await time.settle();
    assertEquals([load.count, memory.times("release").length], [0, 1]);
  }));

test("Flight looks no more when all its callers have gone", () =>
  play(async (time, memory, make) => {
    const { port, loads } = make();
    memory.put("k", "", 3600, "computing");
    const look = port.look.bind(port);
    port.look = async (call) => {
      const seen = await look(call);
      // They leave while it is on its way.
      leave();
      await time.settle();
      return seen;
    };
    let leave: () => void = () => {};
    port.wait = () =>
      new Promise((_, reject) => leave = () => reject(new Error("gone")));
    const call: Waiting = {
      ...{ key: "k", wireKey: "k", route: "k", plan: readPlan({}) },
      ...{ deadline: 0, patience: 0, signal: undefined, order: 1 },
      load: hanging,
    };
    const seen = port.see("k", 0);
    const answer = Promise.resolve(loads.answer(call, seen));
    const gone = assertRejects(() => answer, Error, "gone");
    await time.tick(5000);
    await gone;
    assertEquals(memory.times("look").length, 1);
  }));

test("Loads keeps no turn where the old value is for failures alone", () =>
  play(async (time, memory, make) => {
    const { getOrSet } = make();
    const options = { ttl: 10, staleIfError: 100, errorTtl: 50 };
    memory.put("k", "old", 60);
    const failing = () => Promise.reject(new Error("boom"));
    assertEquals(await getOrSet(failing, options), "old");
    assertEquals(await getOrSet(() => "new", options), "new");
    assertEquals(time.timers, 0);
  }));

test("Loads.close() ends what waits, loads, or keeps a turn", () =>
  play(async (time, memory, make) => {
    const { getOrSet, loads } = make();
    const closed = new Error("closed");
    const loading = getOrSet(hanging, { lease: 3 });
    await time.settle();
    loads.close(() => closed);
    assertEquals(await loading.catch((error) => error), closed);
    memory.put("k", "", 60, "computing");
    const waiting = getOrSet(hanging);
    await time.settle();
    loads.close(() => closed);
    assertEquals(await waiting.catch((error) => error), closed);
    memory.put("k", "old", 15);
    const options = { ttl: 10, staleFor: 100, errorTtl: 5 };
    await getOrSet(() => Promise.reject(1), options);
    await time.settle();
    assertEquals(time.timers, 1);
    loads.close(() => closed);
    await time.settle();
    assertEquals(time.timers, 0);
  }));
