/**
 * Reads of one key.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { assertBytes, type Behaviours, rejects, utf8 } from "./stage.ts";
import { MemcacheSerdeError } from "@x/memcache";

/** Behaviours of `get`, `getItem`, `gets`, `gat`, `gats` and `has`. */
export const READS: Behaviours = {
  "get() reads what set() stored": async ({ client, key }) => {
    const name = key();
    assertEquals(await client.set(name, "value"), true);
    assertEquals(await client.get(name), "value");
    assertEquals(await client.set(name, { next: [1] }), true);
    assertEquals(await client.get(name), { next: [1] });
  },

  "get() answers a miss with undefined": async ({ client, key }) => {
    assertStrictEquals(await client.get(key()), undefined);
  },

  "get() answers a miss with the default, whatever it is": async (
    { client, key },
  ) => {
    for (const value of [0, "", null, false, undefined, { a: 1 }]) {
      const got = await client.get<unknown>(key(), { default: value });
      assertStrictEquals(got, value);
    }
  },

  "get() answers a hit with the value, not the default": async (
    { client, key },
  ) => {
    for (const value of [0, "", null, false]) {
      const name = key();
      await client.set(name, value);
      const got = await client.get<unknown>(name, { default: "default" });
      assertStrictEquals(got, value);
    }
  },

  "get() does not take a stored null for a miss": async ({ client, key }) => {
    const name = key();
    await client.set(name, null);
    assertStrictEquals(await client.get(name), null);
    assertEquals(await client.has(name), true);
  },

  "set() refuses undefined and leaves the old value": async (
    { client, key },
  ) => {
    const name = key();
    await rejects(() => client.set(name, undefined), MemcacheSerdeError, {
      key: name,
      command: "set",
      sent: false,
    });
    assertEquals(await client.has(name), false);
    await client.set(name, "old");
    await rejects(() => client.set(name, undefined), MemcacheSerdeError);
    assertEquals(await client.get(name), "old");
  },

  "getItem() reads value, flags and cas by the caller's key": async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, "value");
    const item = await client.getItem(name);
    const cas = (await client.gets(name))?.cas;
    assert(cas !== undefined && cas > 0n);
    // It has methods, too, of which no comparison knows.
    assertEquals<unknown>(item, { key: name, value: "value", flags: 16, cas });
    assertStrictEquals(await client.getItem(key()), undefined);
  },

  "getItem() reads the flags of every kind of value": async (
    { client, key },
  ) => {
    const cases: Array<[value: unknown, flags: number]> = [
      ["text", 16],
      [5, 2],
      [5n, 4],
      [utf8("bytes"), 0],
      [[1.5], 32],
    ];
    for (const [value, flags] of cases) {
      const name = key();
      await client.set(name, value);
      const item = await client.getItem(name);
      assertEquals([item?.value, item?.flags], [value, flags]);
    }
  },

  "gets() reads the value and its cas": async ({ client, key }) => {
    const name = key();
    await client.set(name, [1]);
    const first = await client.gets(name);
    assert(first !== undefined);
    assertEquals(Object.keys(first).sort(), ["cas", "value"]);
    assertEquals(first.value, [1]);
    assertEquals(typeof first.cas, "bigint");
    assertEquals((await client.gets(name))?.cas, first.cas);
    await client.set(name, [1]);
    assert((await client.gets(name))?.cas !== first.cas);
    assertStrictEquals(await client.gets(key()), undefined);
  },

  "gat() and gats() read as get() and gets() do": async ({ client, key }) => {
    const name = key();
    await client.set(name, "value");
    assertEquals(await client.gat(name, 60), "value");
    assertEquals(await client.gats(name, 60), await client.gets(name));
    assertStrictEquals(await client.gat(key(), 60), undefined);
    assertStrictEquals(await client.gats(key(), 60), undefined);
    assertStrictEquals(await client.gat(key(), 60, { default: null }), null);
    assertEquals(await client.gat(name, 60, { default: "no" }), "value");
  },

  "gat() and gats() with a negative ttl read for the last time": async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, "value");
    assertEquals(await client.gat(name, -1), "value");
    assertStrictEquals(await client.get(name), undefined);
    await client.set(name, "value");
    assertEquals((await client.gats(name, new Date(1000)))?.value, "value");
    assertEquals(await client.has(name), false);
  },

  "has() says whether there is an item": async ({ client, key }) => {
    const name = key();
    assertEquals(await client.has(name), false);
    await client.set(name, "");
    assertEquals(await client.has(name), true);
    assertStrictEquals(await client.get(name), "");
    await client.delete(name);
    assertEquals(await client.has(name), false);
  },

  "has() does not care what the value is": async ({ client, key }) => {
    const name = key();
    await client.set(name, "no JSON", { flags: 32 });
    assertEquals(await client.has(name), true);
    await rejects(() => client.get(name), MemcacheSerdeError);
  },

  "reads of one key take a routing key with it": async ({ client, key }) => {
    const name = key();
    const pair = ["route", name] as const;
    await client.set(pair, utf8("value"));
    assertBytes(await client.get(pair), utf8("value"));
    assertEquals((await client.getItem(pair))?.key, name);
    assertBytes((await client.gets(pair))?.value, utf8("value"));
    assertBytes(await client.gat(pair, 60), utf8("value"));
    assertBytes((await client.gats(pair, 60))?.value, utf8("value"));
    assertEquals(await client.has(pair), true);
    assertEquals(await client.touch(pair, 60), true);
    assertEquals(await client.delete(pair), true);
    assertEquals(await client.get(pair), undefined);
  },
};
