/**
 * `getOrSet` and what cannot be stored or read, lifetimes, and servers without
 * meta commands.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Client,
  type GetOrSetOptions,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { Gate, warm, watch, withPlace } from "./_gates.ts";
import { many, MARKER, never, REFRESH } from "./_calls.ts";

test("set() does not take the flags of getOrSet", () =>
  withPlace(async ({ open }) => {
    const options = { flags: MARKER };
    await assertRejects(
      () => open().set("k", 1, options),
      MemcacheIllegalInputError,
    );
  }));

test("getOrSet() returns what cannot be stored, and tells onError", () =>
  withPlace(async ({ open, errors }) => {
    const client = open();
    const fn = () => 1;
    assertEquals(await client.getOrSet("fn", () => fn), fn);
    assertEquals(errors.map((error) => error instanceof MemcacheSerdeError), [
      true,
    ]);
    errors.length = 0;
    const large = "x".repeat(2_000_000);
    assertEquals(await client.getOrSet("large", () => large), large);
    assertEquals(errors.map(({ code }) => code), ["ERR_VALUE_REFUSED"]);
    // Nobody has to wait for their leases.
    assertEquals(await client.getOrSet("fn", () => 2), 2);
    assertEquals(await client.getOrSet("large", () => 3), 3);
    const slow = open({
      serde: {
        serialize: () => Promise.reject(new Error("no")),
        deserialize: (_, data) => data,
      },
    });
    assertEquals(await slow.getOrSet("slow", () => 4), 4);
    assertEquals(await client.getOrSet("slow", () => 5), 5);
  }));

test("getOrSet() works with a serde that takes its time", () =>
  withPlace(async ({ open, lines }) => {
    const serde = {
      serialize: (_: string, value: unknown) =>
        Promise.resolve({ data: `${value}`, flags: 0 }),
      deserialize: (_: string, data: Uint8Array) =>
        Promise.resolve(new TextDecoder().decode(data)),
    };
    const client = await warm(open({ serde }));
    assertEquals(await client.getOrSet("k", () => "v", REFRESH), "v");
    assertEquals(await client.getOrSet("k", never, REFRESH), "v");
    assert(lines().some((line) => /^ms k 1 C\d+ F0 T60 c$/.test(line)));
  }));

test("getOrSet() rejects where reads fail, and loads where failures are misses", async () => {
  const server = await MemcachedServer.start();
  const { address } = server;
  await server.close();
  const errors: MemcacheError[] = [];
  const onError = (error: MemcacheError) => void errors.push(error);
  const strict = new Client(address);
  await assertRejects(
    () => strict.getOrSet("k", never),
    MemcacheConnectionError,
  );
  const client = new Client(address, { errorsAsMisses: true, onError });
  const gate = new Gate<number>();
  const calls = many(20, () => client.getOrSet("k", gate.load));
  await gate.called();
  gate.resolve(1);
  assertEquals(await calls, Array(20).fill(1));
  assertEquals(gate.loads, 1);
  assert(errors.every((error) => error instanceof MemcacheConnectionError));
  await Promise.all([strict.close(), client.close()]);
});

test("getOrSet() loads in place of what cannot be read if failures are misses", () =>
  withPlace(async ({ open, errors }) => {
    const client = await warm(open());
    await client.set("k", "{", { flags: 32 });
    await assertRejects(() => client.getOrSet("k", never), MemcacheSerdeError);
    const tolerant = await warm(open({ errorsAsMisses: true }));
    errors.length = 0;
    assertEquals(await tolerant.getOrSet("k", () => 1), 1);
    assertEquals(errors.map((error) => error instanceof MemcacheSerdeError), [
      true,
    ]);
    assertEquals(await client.getOrSet("k", never), 1);
  }));

for (const how of ["classic client", "server without meta"]) {
  test(`getOrSet() has leases by add with a ${how}, and says so once`, () =>
    withPlace(async ({ open, server, errors, lines }) => {
      const options = how === "classic client"
        ? { protocol: "classic" } as const
        : {};
      const client = await warm(open(options));
      const other = await warm(open(options));
      lines();
      const gate = new Gate<string>();
      const value = many(
        50,
        () => client.getOrSet("k", gate.load, { ttl: 60, staleFor: 30 }),
      );
      await gate.called();
      const waiting = other.getOrSet("k", never, { poll: [1, 5] });
      assertEquals(await other.get("k"), undefined);
      gate.resolve("v");
      assertEquals([...new Set(await value)], ["v"]);
      assertEquals(await waiting, "v");
      const sent = lines();
      assert(sent.includes(`add k ${MARKER} 10 0`), `${sent}`);
      // No seconds longer: nobody would be told that it is old.
      assert(sent.some((line) => /^cas k 16 60 1 \d+$/.test(line)), `${sent}`);
      assertEquals(errors.map(({ code }) => code), ["ERR_NO_META"]);
      // A load that fails gives its lease back.
      const failing = client.getOrSet("x", () => Promise.reject(7));
      assertEquals(await failing.catch((error) => error), 7);
      assertEquals(await other.getOrSet("x", () => 8), 8);
      // Whoever dies is survived.
      const dead = new Gate<number>();
      const dying = open(options);
      const call = dying.getOrSet("y", dead.load);
      await dead.called();
      const survivor = other.getOrSet("y", () => 9, { poll: [1, 5] });
      await dying.close();
      await assertRejects(() => call, MemcacheError);
      server.advance(11);
      assertEquals(await survivor, 9);
      const codes = errors.map(({ code }) => code);
      assertEquals(codes.filter((code) => code === "ERR_NO_META").length, 3);
    }, { meta: how === "classic client" }));
}

test("getOrSet() renews a lease without meta, too", () =>
  withPlace(async ({ open, server }) => {
    const client = await warm(open({ protocol: "classic" }));
    const other = await warm(open({ protocol: "classic" }));
    const gate = new Gate<number>();
    const call = watch(client.getOrSet("k", gate.load, { lease: 3 }));
    await gate.called();
    const waiting = watch(other.getOrSet("k", never, { poll: [5, 20] }));
    for (let renewals = 0; renewals < 2; renewals++) {
      await server.nextRequest("cas");
      await client.get("after");
      server.advance(0.9);
    }
    assertEquals(waiting.isSettled, false);
    gate.resolve(1);
    assertEquals([await call.promise, await waiting.promise], [1, 1]);
  }));

test("getOrSet() spreads lifetimes by jitter, and takes dates", () =>
  withPlace(async ({ open, lines }) => {
    const client = await warm(open());
    const stored = async (options: GetOrSetOptions): Promise<number> => {
      await client.delete("k");
      lines();
      await client.getOrSet("k", () => 1, options);
      const [, exptime] = /^ms k 1 \S+ F2 T(-?\d+) c$/m.exec(
        lines().join("\n"),
      ) ?? [];
      return Number(exptime);
    };
    const half = () => 0.5;
    assertEquals(await stored({ ttl: 100 }), 100);
    assertEquals(await stored({}), 0);
    assertEquals(await stored({ ttl: -1 }), -1);
    assertEquals(await stored({ ttl: 100, jitter: 0.4, random: half }), 80);
    assertEquals(await stored({ ttl: 100, jitter: 1, random: () => 0.999 }), 1);
    assertEquals(await stored({ ttl: 0, jitter: 1, random: half }), 0);
    assertEquals(
      await stored({ ttl: 9, jitter: 1, random: () => 0.9, refreshAhead: 5 }),
      7,
    );
    assertEquals(await stored({ ttl: 60, staleFor: 5, staleIfError: 40 }), 100);
    const now = Math.floor(Date.now() / 1000);
    const date = new Date((now + 500) * 1000);
    assertEquals(await stored({ ttl: date, staleFor: 7 }), now + 507);
    const far = await stored({ ttl: 2_592_000, staleFor: 10 });
    assert(Math.abs(far - now - 2_592_010) < 10, `${far}`);
  }));
