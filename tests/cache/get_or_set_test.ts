/**
 * `getOrSet` against the embedded server: who loads, who waits, what is stored,
 * and what goes over the wire.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Client,
  FallbackClient,
  type GetOrSetOptions,
  HashClient,
  type KeyCommands,
  MemcacheError,
  MemcacheIllegalInputError,
  PooledClient,
  RetryingClient,
  StrictClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { Gate, warm, watch, withPlace } from "./_gates.ts";
import { many, MARKER, never } from "./_calls.ts";

test("getOrSet() reads a hit with one command", () =>
  withPlace(async ({ open, lines }) => {
    const client = await warm(open());
    await client.set("k", { a: 1 });
    await client.set("empty", "");
    lines();
    assertEquals(await client.getOrSet("k", never, { ttl: 60 }), { a: 1 });
    assertEquals(await client.getOrSet("empty", never), "");
    assertEquals(lines(), ["mg k f v", "mg empty f v"]);
    await client.getOrSet("k", never, { ttl: 60, refreshAhead: 9 });
    await client.getOrSet("k", never, { ttl: 60, staleFor: 5 });
    await client.getOrSet("k", never, { ttl: 60, staleIfError: 5 });
    await client.getOrSet("k", never, { ttl: 9, staleFor: 3_000_000 });
    const absolute = Math.floor(Date.now() / 1000) + 3_000_001;
    const [last, ...rest] = lines().reverse();
    assertEquals(rest.reverse(), [
      "mg k f v R11",
      "mg k f v R6",
      "mg k t f v R6",
    ]);
    // More than 30 days go as a date.
    const [, date] = /^mg k f v R(\d+)$/.exec(last) ?? [];
    assert(Math.abs(Number(date) - absolute) < 10, last);
  }));

test("getOrSet() loads once for 1000 callers of a process", () =>
  withPlace(async ({ open, lines, errors }) => {
    const client = await warm(open());
    lines();
    const gate = new Gate<string>();
    const calls = many(
      1000,
      () => client.getOrSet("k", gate.load, { ttl: 60 }),
    );
    await gate.called();
    // Some more, now that the lease is there.
    const later = many(10, () => client.getOrSet("k", gate.load));
    await client.get("k");
    gate.resolve("v");
    assertEquals([...new Set(await calls)], ["v"]);
    assertEquals([...new Set(await later)], ["v"]);
    assertEquals(gate.loads, 1);
    const sent = lines();
    assertEquals(sent.filter((line) => line.startsWith("ms")), [
      `ms k 0 ME F${MARKER} T10 c`,
      sent.find((line) => /^ms k 1 C\d+ F16 T60 c$/.test(line)),
    ]);
    assertEquals(await client.get("k"), "v");
    assertEquals(errors, []);
  }));

test("getOrSet() loads once for several processes, who look less and less often", () =>
  withPlace(async ({ open, server, lines }) => {
    const first = await warm(open());
    const others = await many(3, () => warm(open()));
    const gate = new Gate<number>();
    const value = first.getOrSet("k", gate.load);
    await gate.called();
    lines();
    // At random the pauses are a half shorter: here they are whole.
    const options = { poll: [10, 80], random: () => 0 } as const;
    const waiting = others.map((client) =>
      watch(client.getOrSet("k", never, options))
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert(waiting.every(({ isSettled }) => !isSettled));
    // 0, 10, 25, 48, 81, 132, 208, 288: eight, unless the machine is slow.
    const looks = server.requests.length / others.length;
    assert(looks > 2 && looks <= 9, `${looks} looks`);
    gate.resolve(7);
    assertEquals(await value, 7);
    for (const { promise } of waiting) assertEquals(await promise, 7);
  }));

test("getOrSet() shows nobody else the item that stands for a load", () =>
  withPlace(async ({ open, server }) => {
    const gate = new Gate<string>();
    const value = open().getOrSet("k", gate.load);
    await gate.called();
    const readers = [
      open(),
      await warm(open()),
      await warm(open({ protocol: "classic" })),
    ];
    for (const client of readers) {
      assertEquals(await client.get("k", { default: 5 }), 5);
      assertEquals(await client.gets("k"), undefined);
      assertEquals(await client.getItem("k"), undefined);
      assertEquals(await client.has("k"), false);
      assertEquals(await client.getMany(["k", "x"]), new Map());
      assertEquals(await client.getsMany(["x", "k"]), new Map());
      assertEquals(await client.gat("k", 100, { default: 5 }), 5);
      assertEquals(await client.gats("k", 100), undefined);
      // So many that they share lines.
      const shared = await many(300, () => client.get("k"));
      assertEquals([...new Set(shared)], [undefined]);
    }
    const [item] = server.requests.filter(({ line }) => line.includes("ME"));
    assertEquals(item.data?.length, 0);
    gate.resolve("v");
    assertEquals(await value, "v");
    for (const client of readers) assertEquals(await client.get("k"), "v");
  }));

test("getOrSet() understands the empty item of another client's lease", () =>
  withPlace(async ({ open, server }) => {
    const client = await warm(open());
    const { won } = await client.meta.get("k", { vivify: 10 });
    assertEquals(won, true);
    assertEquals(await client.get("k"), undefined);
    assertEquals(await client.gets("k"), undefined);
    const gate = new Gate<number>();
    const value = watch(client.getOrSet("k", gate.load));
    await client.get("k");
    assertEquals([gate.loads, value.isSettled], [0, false]);
    server.advance(11);
    await gate.called();
    gate.resolve(1);
    assertEquals(await value.promise, 1);
    // An empty value is a value, whoever is to load it anew.
    await client.set("bytes", new Uint8Array(0), { ttl: 100 });
    assertEquals(await client.getOrSet("bytes", never), new Uint8Array(0));
  }));

test("getOrSet() tells all who wait of a load's error, and lets the next load", () =>
  withPlace(async ({ open, lines, errors }) => {
    const client = await warm(open());
    const other = await warm(open());
    const gate = new Gate<number>();
    const calls = Array.from(
      { length: 5 },
      () => client.getOrSet("k", gate.load),
    );
    await gate.called();
    const waiting = other.getOrSet("k", () => 2, { poll: [1, 5] });
    const boom = new RangeError("boom");
    lines();
    gate.reject(boom);
    for (const call of calls) {
      assertEquals(await call.catch((error) => error), boom);
    }
    assert(lines().some((line) => /^md k C\d+$/.test(line)));
    assertEquals(await waiting, 2);
    await client.delete("k");
    const thrown = client.getOrSet("k", () => {
      throw boom;
    });
    assertEquals(await thrown.catch((error) => error), boom);
    const odd = client.getOrSet("k", () => Promise.reject(undefined));
    assertEquals(await odd.then(() => "value", () => "error"), "error");
    assertEquals(await client.getOrSet("k", () => 3), 3);
    assertEquals(errors, []);
  }));

test("getOrSet() stores undefined and null only if asked", () =>
  withPlace(async ({ open, server }) => {
    const client = open();
    const other = await warm(open());
    let loads = 0;
    for (const nothing of [undefined, null]) {
      const load = () => (loads++, nothing);
      assertEquals(await client.getOrSet("k", load), nothing);
      assertEquals(await client.getOrSet("k", load), nothing);
      assertEquals(loads, 2);
      const options = { negativeTtl: 5 };
      assertEquals(await client.getOrSet("k", load, options), nothing);
      assertEquals(await client.getOrSet("k", never), nothing);
      assertEquals(await other.getOrSet("k", never), nothing);
      assertEquals(await other.get("k", { default: 9 }), 9);
      assertEquals(await other.getMany(["k"]), new Map());
      assertEquals(loads, 3);
      server.advance(6);
      assertEquals(await other.getOrSet("k", () => 1, { ttl: 1 }), 1);
      await client.delete("k");
      loads = 0;
    }
  }));

test("getOrSet() keeps that a load failed only if asked", () =>
  withPlace(async ({ open, server }) => {
    const client = open();
    const other = await warm(open());
    const boom = new Error("boom");
    const failing = () => Promise.reject(boom);
    const call = client.getOrSet("k", failing, { errorTtl: 5 });
    assertEquals(await call.catch((error) => error), boom);
    for (const who of [client, other]) {
      const error = await assertRejects(
        () => who.getOrSet("k", never),
        MemcacheError,
      );
      assertEquals([error.code, error.key], ["ERR_LOAD_FAILED", "k"]);
      assertEquals(await who.get("k"), undefined);
    }
    server.advance(6);
    assertEquals(await other.getOrSet("k", () => 1), 1);
  }));

test("getOrSet() overwrites nothing that came while it loaded", () =>
  withPlace(async ({ open }) => {
    const client = open();
    const gate = new Gate<string>();
    const stored = client.getOrSet("stored", gate.load);
    const deleted = client.getOrSet("deleted", gate.load);
    await gate.called(2);
    await client.set("stored", "newer");
    assertEquals(await client.delete("deleted"), true);
    // Who asks after a delete is not given what was loaded before it.
    const after = await client.getOrSet("deleted", () => "after");
    assertEquals(after, "after");
    assertEquals(await client.getOrSet("stored", never), "newer");
    gate.resolve("older");
    assertEquals([await stored, await deleted], ["older", "older"]);
    assertEquals(await client.get("stored"), "newer");
    assertEquals(await client.get("deleted"), "after");
    const gone = new Gate<string>();
    const call = client.getOrSet("gone", gone.load);
    await gone.called();
    await client.delete("gone");
    gone.resolve("v");
    assertEquals(await call, "v");
    assertEquals(await client.get("gone"), undefined);
  }));

test("getOrSet() loads what was kept as absent or failed, and marked as stale", () =>
  withPlace(async ({ open }) => {
    const client = await warm(open());
    const other = await warm(open());
    await client.getOrSet("absent", () => undefined, { negativeTtl: 60 });
    const failing = () => Promise.reject(new Error("boom"));
    await assertRejects(() =>
      client.getOrSet("failed", failing, { errorTtl: 60 })
    );
    for (const key of ["absent", "failed"]) {
      assertEquals(await other.invalidate(key), true);
      const loads = [client, other].map((client) =>
        client.getOrSet(key, () => 1, { poll: [1, 5] })
      );
      assertEquals(await Promise.all(loads), [1, 1]);
      assertEquals(await client.getOrSet(key, never), 1);
    }
  }));

test("getOrSet() loads anew what was marked as stale while it loaded", () =>
  withPlace(async ({ open }) => {
    const [client, other] = [await warm(open()), await warm(open())];
    const gate = new Gate<string>();
    const call = client.getOrSet("k", gate.load, { ttl: 60 });
    await gate.called();
    assertEquals(await other.invalidate("k", { staleFor: 30 }), true);
    // In this process and in others.
    const newer = new Gate<string>();
    const options = { ttl: 60, poll: [1, 5] } as const;
    const calls = [client, other].map((client) =>
      client.getOrSet("k", newer.load, options)
    );
    await newer.called();
    gate.resolve("older");
    assertEquals(await call, "older");
    newer.resolve("newer");
    assertEquals(await Promise.all(calls), ["newer", "newer"]);
    assertEquals(newer.loads, 1);
    assertEquals(await client.get("k"), "newer");
  }));

test("getOrSet() loads in place of a process that has died", () =>
  withPlace(async ({ open, server }) => {
    const dying = open();
    const gate = new Gate<number>();
    const call = dying.getOrSet("k", gate.load, { lease: 30 });
    await gate.called();
    const lives = open();
    const second = new Gate<number>();
    const options = { poll: [1, 5], lease: 30 } as const;
    const waiting = many(
      10,
      () => lives.getOrSet("k", second.load, options),
    );
    await dying.close();
    const error = await call.catch((error) => error);
    assertEquals(error.code, "ERR_CLIENT_CLOSED");
    assertEquals(gate.contexts[0].signal.aborted, true);
    server.advance(31);
    await second.called();
    second.resolve(2);
    assertEquals(await waiting, Array(10).fill(2));
    assertEquals(second.loads, 1);
  }));

test("getOrSet() renews the lease of a load that takes long", () =>
  withPlace(async ({ open, server, lines }) => {
    const client = await warm(open());
    const other = await warm(open());
    const gate = new Gate<number>();
    const call = watch(client.getOrSet("k", gate.load, { lease: 3 }));
    await gate.called();
    const waiting = watch(other.getOrSet("k", never, { poll: [5, 20] }));
    lines();
    // Each time 1 s of ours and 0.9 s of the server's: together more than 3.
    for (let renewals = 0; renewals < 3; renewals++) {
      await server.nextRequest("ms");
      await client.get("after");
      server.advance(0.9);
    }
    assertEquals(waiting.isSettled, false);
    const renewed = lines().filter((line) => line.startsWith("ms"));
    for (const line of renewed) {
      assert(/^ms k 0 C\d+ F\d+ T3 c$/.test(line), line);
    }
    gate.resolve(1);
    assertEquals([await call.promise, await waiting.promise], [1, 1]);
  }));

const BAD: ReadonlyArray<Record<string, unknown>> = [
  ...[{ ttl: 1.5 }, { ttl: NaN }, { ttl: "60" }, { ttl: new Date(NaN) }],
  ...[{ jitter: -0.1 }, { jitter: 1.1 }, { jitter: NaN }, { jitter: "1" }],
  ...[{ refreshAhead: -1 }, { refreshAhead: 0.5 }, { refreshAhead: null }],
  ...[{ ttl: 10, refreshAhead: 10 }, { refresh: "later" }, { refresh: null }],
  ...[{ staleFor: -1 }, { staleFor: Infinity }, { staleIfError: "1" }],
  ...[{ negativeTtl: 0 }, { negativeTtl: 1.5 }, { errorTtl: 0 }],
  ...[{ errorTtl: -5 }, { lease: 1 }, { lease: 3601 }, { lease: 2.5 }],
  ...[{ loadTimeout: -1 }, { loadTimeout: 2 ** 31 }, { loadTimeout: "9" }],
  ...[{ poll: 5 }, { poll: [0, 5] }, { poll: [9, 5] }, { poll: [1] }],
  ...[{ poll: [1, 60_001] }, { poll: ["1", 5] }, { random: 1 }],
  ...[{ timeout: -1 }, { timeout: "1" }, { signal: {} }],
];

test("getOrSet() refuses what it cannot use before it sends anything", () =>
  withPlace(async ({ open, lines, errors }) => {
    const client = await warm(open());
    lines();
    for (const options of BAD) {
      errors.length = 0;
      const error = await assertRejects(
        () => client.getOrSet("k", never, options as GetOrSetOptions),
        MemcacheIllegalInputError,
        undefined,
        JSON.stringify(options),
      );
      assertEquals(error.sent, false);
      assertEquals(errors, [error]);
    }
    for (const load of [undefined, null, 5, "load", {}]) {
      await assertRejects(
        () => client.getOrSet("k", load as unknown as () => 1),
        MemcacheIllegalInputError,
      );
    }
    for (const key of ["", "a b", "x".repeat(251), 5 as unknown as string]) {
      await assertRejects(
        () => client.getOrSet(key, never),
        MemcacheIllegalInputError,
      );
    }
    assertEquals(lines(), []);
  }));

/** Every kind of client around one server, and how it is made. */
const KINDS: Readonly<Record<string, (address: string) => KeyCommands>> = {
  PooledClient: (address) => new PooledClient(address),
  HashClient: (address) => new HashClient([address]),
  RetryingClient: (address) => new RetryingClient(new Client(address)),
  StrictClient: (address) => new StrictClient(new Client(address)),
  FallbackClient: (address) => new FallbackClient([new Client(address)]),
};

for (const [kind, make] of Object.entries(KINDS)) {
  test(`getOrSet() of a ${kind} loads once, for other clients too`, () =>
    withPlace(async ({ server, open }) => {
      const client = make(server.address);
      try {
        const gate = new Gate<string>();
        const calls = many(
          200,
          () => client.getOrSet(["route", "k"], gate.load, { ttl: 60 }),
        );
        await gate.called();
        const other = open().getOrSet("k", never, { poll: [1, 5] });
        gate.resolve("v");
        assertEquals([...new Set(await calls)], ["v"]);
        assertEquals(await other, "v");
        assertEquals(gate.loads, 1);
        assertEquals(await client.getOrSet(["route", "k"], never), "v");
      } finally {
        await client.close();
      }
    }));
}

test("getOrSet() of a FallbackClient loads what no client has", () =>
  withPlace(async ({ server, open }) => {
    const old = open();
    const cold = await MemcachedServer.start();
    await old.set("there", "old");
    const client = new FallbackClient([new Client(cold.address), old]);
    const options = { ttl: 60, refreshAhead: 10 };
    assertEquals(await client.getOrSet("there", never, options), "old");
    assertEquals(await client.getOrSet("nowhere", () => "new"), "new");
    assertEquals(await client.clients[0].get("there"), "old");
    assertEquals(await old.get("nowhere"), undefined);
    // What is loaded anew does not come from there.
    cold.advance(52);
    server.clear();
    const stored = cold.nextRequest("ms");
    assertEquals(await client.getOrSet("there", () => "new", options), "old");
    await stored;
    assertEquals(await client.getOrSet("there", never, options), "new");
    assertEquals(server.requests.length, 0);
    await assertRejects(
      () => client.getOrSet("k", 5 as unknown as () => 1),
      MemcacheIllegalInputError,
    );
    await client.close();
    await cold.close();
  }));
