/**
 * The meta protocol as it is: the same by every client.
 *
 * @module
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  MemcacheError,
  MemcacheNonNumericError,
  MemcacheServerError,
  MemcacheUnknownCommandError,
  type MetaCommands,
  type MetaKey,
  StrictClient,
} from "@x/memcache";
import {
  type Behaviour,
  type Behaviours,
  local,
  refuses,
  rejects,
  type Stage,
  TOO_LARGE,
  utf8,
} from "./stage.ts";

const STORED = { status: "stored" } as const;
const MISS = { status: "miss" } as const;

/** A behaviour that there is only where meta is spoken. */
function spoken(
  behave: (meta: MetaCommands, stage: Stage) => Promise<void>,
): Behaviour<Stage> {
  return async (stage) => {
    if (stage.traits.fences === false) return;
    await behave(stage.client.meta, stage);
  };
}

/** Every call there is, for a key. */
function calls(
  meta: MetaCommands,
  key: MetaKey,
): ReadonlyArray<() => Promise<unknown>> {
  return [
    () => meta.get(key),
    () => meta.getMany([key]),
    () => meta.set(key, "v"),
    () => meta.delete(key),
    () => meta.arithmetic(key),
    () => meta.debug(key),
  ];
}

/** Behaviours of `client.meta`. */
export const META: Behaviours = {
  "without meta commands each is refused before it is sent": async (stage) => {
    if (stage.traits.fences !== false) return;
    await stage.tapped(async (tap, { client }) => {
      const name = stage.key();
      const all = [...calls(client.meta, name), () => client.meta.noop()];
      for (const call of all) {
        await rejects(call, MemcacheUnknownCommandError, {
          code: "ERR_UNKNOWN_COMMAND",
          sent: false,
        });
      }
      assert(!/^m[gsdae] /m.test(tap.sent), tap.sent);
      assertEquals(await client.get(name), undefined);
    });
  },

  "meta.get() and meta.set() tell what there is": spoken(
    async (meta, { client, key }) => {
      const name = key();
      assertEquals(await meta.get(name), MISS);
      assertEquals(await meta.set(name, { a: [1] }, { ttl: 100 }), STORED);
      const { ttl = 0, cas, lastAccess, ...rest } = await meta.get(name, {
        returnTtl: true,
        returnCas: true,
        returnSize: true,
        returnFlags: true,
        returnHitBefore: true,
        returnLastAccess: true,
        returnKey: true,
        opaque: "o",
        noBump: true,
      });
      assertEquals(rest, {
        status: "hit",
        value: { a: [1] },
        flags: 32,
        size: 9,
        hitBefore: false,
        key: name,
        opaque: "o",
      });
      assert(ttl > 96 && ttl <= 100, `${ttl}`);
      assert(lastAccess !== undefined && lastAccess <= 4, `${lastAccess}`);
      assertEquals(cas, (await client.gets(name))?.cas);
      assertEquals(await meta.get(name, { returnValue: false }), {
        status: "hit",
      });
      assertEquals(await client.get(name), { a: [1] });
    },
  ),

  "meta.set() stores in every mode": spoken(async (meta, { client, key }) => {
    const name = key();
    const none = { status: "notStored" };
    for (const mode of ["replace", "append", "prepend"] as const) {
      assertEquals(await meta.set(name, "x", { mode }), none as unknown, mode);
    }
    assertEquals(await meta.set(name, "b", { mode: "add" }), STORED);
    assertEquals(await meta.set(name, "x", { mode: "add" }), none as unknown);
    assertEquals(await meta.set(name, "c", { mode: "append" }), STORED);
    assertEquals(await meta.set(name, "a", { mode: "prepend" }), STORED);
    assertEquals(await client.get(name), "abc");
    assertEquals(await meta.set(name, "d", { mode: "replace" }), STORED);
    assertEquals(await meta.set(name, "e", { mode: "set", flags: 16 }), STORED);
    assertEquals(await client.get(name), "e");
  }),

  "meta.set() and meta.delete() compare the version": spoken(
    async (meta, { key }) => {
      const name = key();
      const gone = { status: "notFound" };
      assertEquals(
        await meta.set(name, "x", { compareCas: 1 }),
        gone as unknown,
      );
      assertEquals(await meta.delete(name, { compareCas: 1 }), gone as unknown);
      const { cas = 0n } = await meta.set(name, 1, { returnCas: true });
      assert(cas > 0n);
      const exists = { status: "exists" };
      const other = { compareCas: cas + 5n };
      assertEquals(await meta.set(name, 2, other), exists as unknown);
      assertEquals(await meta.delete(name, other), exists as unknown);
      assertEquals(await meta.arithmetic(name, other), exists as unknown);
      const next = await meta.set(name, 2, {
        compareCas: String(cas),
        returnCas: true,
      });
      assertEquals(next.status, "stored");
      assert(next.cas !== cas && next.cas !== undefined);
      assertEquals(await meta.delete(name, { compareCas: next.cas }), {
        status: "deleted",
      });
      assertEquals(await meta.get(name), MISS);
    },
  ),

  "meta.arithmetic() counts": spoken(async (meta, { client, key }) => {
    const name = key();
    assertEquals(await meta.arithmetic(name), { status: "notFound" });
    const made = await meta.arithmetic(name, { vivify: 0, initial: 5 });
    assertEquals(made, { status: "stored", value: 5 });
    assertEquals(await meta.arithmetic(name), { status: "stored", value: 6 });
    assertEquals(await meta.arithmetic(name, { delta: 4n, mode: "decr" }), {
      status: "stored",
      value: 2n,
    });
    assertEquals(await meta.arithmetic(name, { delta: 9, mode: "decr" }), {
      status: "stored",
      value: 0,
    });
    assertEquals(await meta.arithmetic(name, { returnValue: false }), STORED);
    assertEquals(await client.incr(name), 2);
    await client.set(name, "text");
    await rejects(() => meta.arithmetic(name), MemcacheNonNumericError, {
      command: "ma",
      key: name,
      sent: true,
    });
  }),

  "meta.getMany() answers in the order of its keys, each by its flags": spoken(
    async (meta, { client, key }) => {
      const names = Array.from({ length: 30 }, () => key());
      await client.setMany(names.map((name) => [name, name] as const));
      const none = key();
      const results = await meta.getMany([
        ...names,
        none,
        [names[3], { returnValue: false, opaque: "three" }],
        utf8(names[4]),
        names[5],
      ], { returnFlags: true });
      const hits = names.map((value) => ({ status: "hit", value, flags: 16 }));
      assertEquals(results as unknown[], [
        ...hits,
        MISS,
        { status: "hit", opaque: "three" },
        hits[4],
        hits[5],
      ]);
      assertEquals(await meta.getMany([]), []);
    },
  ),

  "one wins the lease of a missing item, and of one that is stale": spoken(
    async (meta, { key }) => {
      const name = key();
      const ask = () =>
        Promise.all([1, 2, 3].map(() => meta.get(name, { vivify: 60 })));
      const count = (results: Array<{ won?: true; alreadyWon?: true }>) => [
        results.filter(({ won }) => won).length,
        results.filter(({ alreadyWon }) => alreadyWon).length,
      ];
      const missing = await ask();
      assertEquals(count(missing), [1, 2]);
      assert(
        missing.every(({ status, value }) =>
          status === "hit" && value === undefined
        ),
      );
      await meta.set(name, "v", { ttl: 20 });
      assertEquals(count(await ask()), [0, 0]);
      const early = await Promise.all(
        [1, 2, 3].map(() => meta.get(name, { recache: 60 })),
      );
      assertEquals(count(early), [1, 2]);
      assert(early.every(({ value }) => value === "v"));
      const { cas = 0n } = await meta.get(name, { returnCas: true });
      assertEquals(await meta.delete(name, { invalidate: true, touch: 60 }), {
        status: "deleted",
      });
      const stale = await ask();
      assertEquals(count(stale), [1, 2]);
      assert(stale.every(({ value, stale }) => value === "v" && stale));
      // A value made of what is outdated is stored, and stale.
      assertEquals(
        await meta.set(name, "w", { compareCas: cas, invalidate: true }),
        STORED,
      );
      assertEquals((await meta.get(name)).stale, true);
      await meta.set(name, "x");
      assertEquals(await meta.get(name), { status: "hit", value: "x" });
    },
  ),

  "meta.get() with a touch that is past takes the value away": spoken(
    async (meta, { client, key }) => {
      const name = key();
      await client.set(name, "v");
      assertEquals(await meta.get(name, { touch: -1 }), {
        status: "hit",
        value: "v",
      });
      assertEquals(await meta.get(name), MISS);
    },
  ),

  "keys of bytes name what their text names": spoken(
    async (meta, { client, key }) => {
      const name = key();
      assertEquals(await meta.set(utf8(name), "v", { returnKey: true }), {
        status: "stored",
        key: utf8(name),
      });
      assertEquals(await client.get(name), "v");
      assertEquals((await meta.debug(utf8(name)))?.fetched, true);
      const odd = [
        `${name} with blanks`,
        `${name}\r\n\0é`,
        Uint8Array.of(0xff),
      ];
      for (const one of odd) {
        await meta.set(one, 1);
        assertEquals(await meta.get(one, { returnKey: true }), {
          status: "hit",
          value: 1,
          key: one,
        });
        assertEquals(await meta.delete(one), { status: "deleted" });
        assertEquals(await meta.debug(one), undefined);
      }
    },
  ),

  "quiet changes no result": spoken(async (meta, { key }) => {
    const [name, none, counter] = [key(), key(), key()];
    const quiet = true;
    const results = await Promise.all([
      meta.set(name, "v", { quiet }),
      meta.get(none, { quiet, opaque: "o", returnKey: true }),
      meta.delete(none, { quiet }),
      meta.set(none, "x", { quiet, mode: "replace" }),
      meta.arithmetic(counter, { quiet, vivify: 0, returnValue: false }),
    ]);
    assertEquals(results as unknown[], [
      STORED,
      { ...MISS, opaque: "o", key: none },
      { status: "notFound" },
      { status: "notStored" },
      STORED,
    ]);
    assertEquals(await meta.get(name, { quiet, returnCas: false }), {
      status: "hit",
      value: "v",
    });
    assertEquals(await meta.arithmetic(counter, { quiet }), {
      status: "stored",
      value: 1,
    });
    const { cas } = await meta.set(name, "w", { quiet, returnCas: true });
    assert(cas !== undefined);
    assertEquals(await meta.delete(name, { quiet }), { status: "deleted" });
    const many = await meta.getMany([name, counter, none], { quiet });
    assertEquals(many.map(({ status }) => status), ["miss", "hit", "miss"]);
  }),

  "meta.debug() and meta.noop() ask the server": spoken(
    async (meta, { key }) => {
      const name = key();
      assertEquals(await meta.debug(name), undefined);
      const { cas } = await meta.set(name, "v", { ttl: 100, returnCas: true });
      const told = await meta.debug(name);
      assert(told !== undefined);
      assertEquals([told.cas, told.fetched], [cas, false]);
      assert(told.ttl > 96 && told.ttl <= 100, `${told.ttl}`);
      assert(told.size > 0 && told.slabClass > 0 && told.lastAccess <= 4);
      await meta.get(name);
      assertEquals((await meta.debug(name))?.fetched, true);
      assertEquals(await meta.noop(), undefined);
    },
  ),

  "a value that is too large is refused, and what was there is gone": spoken(
    async (meta, { key }) => {
      for (const quiet of [false, true]) {
        const name = key();
        await meta.set(name, "small");
        const error = await rejects(
          () => meta.set(name, TOO_LARGE, { quiet }),
          MemcacheServerError,
          { code: "ERR_VALUE_REFUSED", command: "ms", key: name },
        );
        assertInstanceOf(error, MemcacheError);
        assertEquals(await meta.get(name), MISS);
      }
    },
  ),

  "a flag that the server's version does not know is refused, and named":
    spoken(
      async (meta, { tapped, key }) => {
        await tapped(async (tap, { client }) => {
          const name = key();
          const all = [
            () => client.meta.get(name, { newCas: 5 }),
            () => client.meta.get(name, { compareCas: 5 }),
            () => client.meta.set(name, "v", { mode: "append", vivify: 5 }),
            () => client.meta.set(name, "v", { returnSize: true }),
            () => client.meta.delete(name, { removeValue: true }),
            () => client.meta.arithmetic(name, { newCas: 5 }),
          ];
          for (const call of all) {
            await refuses(call, `${call}`);
          }
          assert(!/^m[gsda] /m.test(tap.sent), tap.sent);
          // Once on each connection.
          const asked = tap.sent.match(/^version\r/mg) ?? [];
          assert(asked.length >= 1 && asked.length <= tap.connects);
        });
        await meta.noop();
      },
    ),

  "what cannot be sent is refused": local(async ({ client, key }) => {
    const name = key();
    const { meta } = client;
    for (const bad of ["", "x".repeat(251), 5, null, new Uint8Array(187)]) {
      for (const call of calls(meta, bad as string)) {
        await refuses(call, `key ${bad}`);
      }
    }
    const options: Array<() => Promise<unknown>> = [
      () => meta.get(name, { touch: 1.5 }),
      () => meta.get(name, { recache: -1 }),
      () => meta.get(name, { opaque: "a b" }),
      () => meta.get(name, { opaque: "x".repeat(32) }),
      () => meta.get(name, { returnTtl: 1 as unknown as boolean }),
      () => meta.set(name, "v", { flags: 2 ** 32 }),
      () => meta.set(name, "v", { mode: "S" as "set" }),
      () => meta.set(name, "v", { vivify: 5 }),
      () => meta.set(name, "v", { invalidate: true }),
      () => meta.delete(name, { touch: 5 }),
      () => meta.delete(name, { compareCas: -1 }),
      () => meta.arithmetic(name, { delta: -1 }),
      () => meta.arithmetic(name, { initial: 1 }),
      () => meta.get(name, "v" as unknown as object),
    ];
    for (const call of options) await refuses(call, `${call}`);
  }),

  "a call that was given up rejects with the reason": local(
    async ({ client, key }) => {
      const reason = new Error("given up");
      const signal = AbortSignal.abort(reason);
      const { meta } = client;
      const name = key();
      const all: Array<() => Promise<unknown>> = [
        () => meta.get(name, { signal }),
        () => meta.getMany([name], { signal }),
        () => meta.set(name, "v", { signal }),
        () => meta.delete(name, { signal }),
        () => meta.arithmetic(name, { signal }),
        () => meta.debug(name, { signal }),
        () => meta.noop({ signal }),
      ];
      for (const call of all) {
        assertEquals(await call().catch((error) => error), reason);
      }
    },
  ),

  "a closed client has no meta commands": async ({ open, key }) => {
    await open({}, async ({ client }) => {
      const { meta } = client;
      await client.close();
      for (const call of [...calls(meta, key()), () => meta.noop()]) {
        await rejects(call, MemcacheError, { code: "ERR_CLIENT_CLOSED" });
      }
    });
  },

  "for a StrictClient a miss of the meta protocol is a status, too": spoken(
    async (_, { client, key }) => {
      const strict = new StrictClient(client);
      const name = key();
      assertEquals(await strict.meta.get(name), MISS);
      assertEquals(await strict.meta.delete(name), { status: "notFound" });
      await strict.meta.set(name, "v");
      assertEquals(await strict.get(name), "v");
    },
  ),
};
