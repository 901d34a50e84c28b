/**
 * `getOrSet`: what every client makes of it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { MemcacheSerdeError } from "@x/memcache";
import { type Behaviours, local, refuses } from "./stage.ts";

const never = (): never => {
  throw new Error("It was not to be loaded");
};

/** A load that a test lets go on. */
function gate<T>() {
  let open: (value: T) => void = () => {};
  let call: () => void = () => {};
  const value = new Promise<T>((resolve) => open = resolve);
  const called = new Promise<void>((resolve) => call = resolve);
  const load = (): Promise<T> => {
    load.count++;
    call();
    return value;
  };
  load.count = 0;
  return { load, open, called };
}

/** Behaviours of `getOrSet`. */
export const CACHE: Behaviours = {
  "getOrSet: a hit is not loaded, whatever its value": async (
    { client, key },
  ) => {
    for (const value of ["v", "", 0, false, { a: [1] }, 5n]) {
      const k = key();
      await client.set(k, value);
      assertEquals(await client.getOrSet(k, never, { ttl: 60 }), value);
    }
  },

  "getOrSet: what is not there is loaded once, and stored": async (
    { client, key },
  ) => {
    const k = key();
    const { load, open, called } = gate<{ a: number }>();
    const calls = Array.from(
      { length: 100 },
      () => client.getOrSet(k, load, { ttl: 60 }),
    );
    await called;
    open({ a: 1 });
    for (const value of await Promise.all(calls)) assertEquals(value, { a: 1 });
    assertEquals(load.count, 1);
    assertEquals(await client.get(k), { a: 1 });
    assertEquals(await client.getOrSet(k, never), { a: 1 });
  },

  "getOrSet: two clients load once": async ({ client, key, open }) => {
    const k = key();
    await open({}, async ({ client: other }) => {
      const { load, open, called } = gate<string>();
      const first = client.getOrSet(k, load);
      await called;
      const second = other.getOrSet(k, never, { poll: [1, 5] });
      assertEquals(await other.has(k), false);
      open("v");
      assertEquals([await first, await second], ["v", "v"]);
      assertEquals(load.count, 1);
    });
  },

  "getOrSet: a load in progress is a miss to all reads": async (
    { client, key },
  ) => {
    const k = key();
    const { load, open, called } = gate<string>();
    const call = client.getOrSet(k, load);
    await called;
    assertEquals(await client.get(k, { default: "none" }), "none");
    assertEquals(await client.gat(k, 60, { default: "none" }), "none");
    assertEquals(await client.getMany([k]), new Map());
    assertEquals(await client.getsMany([k]), new Map());
    assertEquals(await client.has(k), false);
    open("v");
    assertEquals(await call, "v");
    assertEquals(await client.has(k), true);
  },

  "getOrSet: the error of a load reaches who waits, and is not kept": async (
    { client, key },
  ) => {
    const k = key();
    const boom = new RangeError("boom");
    const failing = () => Promise.reject(boom);
    const calls = [1, 2, 3].map(() => client.getOrSet(k, failing));
    for (const call of calls) {
      assertEquals(await call.catch((error) => error), boom);
    }
    assertEquals(await client.getOrSet(k, () => 1), 1);
  },

  "getOrSet: undefined and null are kept only if asked": async (
    { client, key },
  ) => {
    for (const nothing of [undefined, null]) {
      const k = key();
      assertEquals(await client.getOrSet(k, () => nothing), nothing);
      const options = { negativeTtl: 60 };
      assertEquals(await client.getOrSet(k, () => nothing, options), nothing);
      assertEquals(await client.getOrSet(k, never), nothing);
      assertEquals(await client.has(k), false);
    }
  },

  "getOrSet: what was stored or deleted meanwhile stays so": async (
    { client, key },
  ) => {
    const [stored, deleted] = [key(), key()];
    for (const k of [stored, deleted]) {
      const { load, open, called } = gate<string>();
      const call = client.getOrSet(k, load);
      await called;
      if (k === stored) await client.set(k, "newer");
      else await client.delete(k);
      open("older");
      assertEquals(await call, "older");
    }
    assertEquals(await client.get(stored), "newer");
    assertEquals(await client.has(deleted), false);
  },

  "getOrSet: an abort, or a timeout, ends one call": async (
    { client, key },
  ) => {
    const k = key();
    const { load, open, called } = gate<string>();
    const control = new AbortController();
    const { signal } = control;
    const aborted = client.getOrSet(k, load, { signal });
    const late = client.getOrSet(k, load, { timeout: 50 });
    const call = client.getOrSet(k, load);
    await called;
    const reason = new Error("enough");
    control.abort(reason);
    assertEquals(await aborted.catch((error) => error), reason);
    const error = await late.catch((error) => error);
    assertEquals(error.code, "ERR_TIMEOUT");
    open("v");
    assertEquals(await call, "v");
    assertEquals(load.count, 1);
  },

  "getOrSet: a value that cannot be stored is returned": async (
    { key, open },
  ) => {
    const seen: unknown[] = [];
    const onError = (error: unknown) => void seen.push(error);
    await open({ onError }, async ({ client }) => {
      const k = key();
      const fn = () => 1;
      assertEquals(await client.getOrSet(k, () => fn), fn);
      assert(seen.some((error) => error instanceof MemcacheSerdeError));
      assertEquals(await client.getOrSet(k, () => 2), 2);
    });
  },

  "getOrSet: what cannot be used is refused": local(async (
    { client, key },
  ) => {
    const k = key();
    const bad = [
      ...[{ ttl: 1.5 }, { jitter: 2 }, { lease: 1 }, { staleFor: -1 }],
      ...[{ ttl: 5, refreshAhead: 5 }, { negativeTtl: 0 }, { timeout: -1 }],
    ];
    for (const options of bad) {
      const about = JSON.stringify(options);
      await refuses(() => client.getOrSet(k, never, options), about);
    }
    const load = 5 as unknown as () => 1;
    await refuses(() => client.getOrSet(k, load), "load");
    await refuses(() => client.getOrSet("a b", never), "key");
  }),

  "getOrSet: close() ends who waits": async ({ key, open }) => {
    const { load, open: end, called } = gate<string>();
    await open({}, async ({ client }) => {
      const call = client.getOrSet(key(), load);
      const settled = call.catch((error) => error.code);
      await called;
      await client.close();
      assertEquals(await settled, "ERR_CLIENT_CLOSED");
    });
    end("v");
  },
};
