/**
 * Stores and deletes of one key.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type KeyCommands, MemcacheServerError } from "@x/memcache";
import {
  assertBytes,
  type Behaviours,
  local,
  pattern,
  refuses,
  rejects,
  TOO_LARGE,
  utf8,
} from "./stage.ts";

async function casOf(client: KeyCommands, key: string): Promise<bigint> {
  const cas = (await client.gets(key))?.cas;
  assert(cas !== undefined);
  return cas;
}

/** Behaviours of `set`, `add`, `replace`, `append`, `prepend`, `cas`, `delete`. */
export const STORES: Behaviours = {
  "set() replaces value, flags and cas": async ({ client, key }) => {
    const name = key();
    assertEquals(await client.set(name, "first"), true);
    const first = await client.getItem(name);
    assertEquals(await client.set(name, 2), true);
    const second = await client.getItem(name);
    assertEquals([second?.value, second?.flags], [2, 2]);
    assert(first?.cas !== second?.cas);
  },

  "add() stores only where there is nothing": async ({ client, key }) => {
    const name = key();
    assertEquals(await client.add(name, "first"), true);
    assertEquals(await client.add(name, "second"), false);
    assertEquals(await client.get(name), "first");
    await client.delete(name);
    assertEquals(await client.add(name, "third"), true);
    assertEquals(await client.get(name), "third");
  },

  "replace() stores only where there is something": async (
    { client, key },
  ) => {
    const name = key();
    assertEquals(await client.replace(name, "first"), false);
    assertStrictEquals(await client.get(name), undefined);
    await client.set(name, "second");
    assertEquals(await client.replace(name, 3), true);
    assertStrictEquals(await client.get(name), 3);
  },

  "append() and prepend() add to a value and keep its flags": async (
    { client, key },
  ) => {
    const name = key();
    assertEquals(await client.append(name, "c"), false);
    assertEquals(await client.prepend(name, "a"), false);
    assertEquals(await client.has(name), false);
    await client.set(name, "b");
    assertEquals(await client.append(name, "c"), true);
    assertEquals(await client.prepend(name, "a"), true);
    assertEquals(await client.append(name, ""), true);
    assertEquals(await client.append(name, utf8("d")), true);
    assertEquals(await client.get(name), "abcd");
    assertEquals((await client.getItem(name))?.flags, 16);
  },

  "append() and prepend() add bytes as they are": async ({ client, key }) => {
    const name = key();
    const part = utf8("\r\nEND\r\n\0");
    await client.set(name, part);
    await client.append(name, part);
    await client.prepend(name, part);
    assertBytes(await client.get(name), utf8("\r\nEND\r\n\0".repeat(3)));
  },

  "cas() stores what has not changed": async ({ client, key }) => {
    const name = key();
    await client.set(name, "first");
    const cas = await casOf(client, name);
    assertEquals(await client.cas(name, "second", cas), true);
    assertEquals(await client.get(name), "second");
    assertEquals(await client.cas(name, "third", cas), false);
    assertEquals(await client.get(name), "second");
  },

  "cas() answers undefined where there is nothing": async (
    { client, key },
  ) => {
    const name = key();
    assertStrictEquals(await client.cas(name, "value", 1n), undefined);
    assertEquals(await client.has(name), false);
    await client.set(name, "value");
    const cas = await casOf(client, name);
    await client.delete(name);
    assertStrictEquals(await client.cas(name, "value", cas), undefined);
  },

  "cas() takes a bigint, a number and a text": async ({ client, key }) => {
    const name = key();
    await client.set(name, 0);
    const forms: Array<(cas: bigint) => bigint | number | string> = [
      (cas) => cas,
      Number,
      String,
      (cas) => `000${cas}`,
    ];
    for (const [i, form] of forms.entries()) {
      const cas = form(await casOf(client, name));
      assertEquals(await client.cas(name, i, cas), true, String(cas));
      assertEquals(await client.get(name), i);
    }
    const most = [2n ** 64n - 1n, "18446744073709551615", 2 ** 53 - 1];
    for (const cas of most) {
      assertEquals(await client.cas(name, "no", cas), false, String(cas));
    }
  },

  "cas() refuses what is no 64-bit number": local(async ({ client, key }) => {
    const name = key();
    await client.set(name, "old");
    const bad: unknown[] = [
      ...[-1n, 2n ** 64n, -1, 1.5, NaN, Infinity, 2 ** 53, "", "-1", "1.5"],
      ...["0x1", "1 noreply", "18446744073709551616", " 1", "1e3"],
      ...["000000000000000000001", null, undefined, {}, [1], true],
    ];
    for (const cas of bad) {
      await refuses(
        () => client.cas(name, "new", cas as bigint),
        `cas ${String(cas)}`,
      );
    }
    assertEquals(await client.get(name), "old");
  }),

  "cas() notices every way in which an item changes": async (
    { client, key },
  ) => {
    const changes: Array<(key: string) => Promise<unknown>> = [
      (key) => client.set(key, "1"),
      (key) => client.replace(key, "1"),
      (key) => client.append(key, "1"),
      (key) => client.prepend(key, "1"),
      (key) => client.incr(key),
      (key) => client.decr(key),
    ];
    for (const [i, change] of changes.entries()) {
      const name = key();
      await client.set(name, "1");
      const cas = await casOf(client, name);
      await change(name);
      assertEquals(await client.cas(name, "new", cas), false, `change ${i}`);
    }
  },

  "stores take flags in place of the serde's": async ({ client, key }) => {
    const name = key();
    await client.set(name, "5", { flags: 2 });
    assertStrictEquals(await client.get(name), 5);
    await client.set(name, "bytes", { flags: 0 });
    assertBytes(await client.get(name), utf8("bytes"));
    for (const flags of [0xffff_ffff, 1 << 16 | 16, 16]) {
      assertEquals(await client.set(name, "text", { flags }), true);
      const item = await client.getItem(name);
      assertEquals([item?.value, item?.flags], ["text", flags]);
    }
    const cas = await casOf(client, name);
    await client.cas(name, "cas", cas, { flags: 17 });
    assertEquals((await client.getItem(name))?.flags, 17);
    await client.replace(name, "replace", { flags: 18 });
    assertEquals((await client.getItem(name))?.flags, 18);
    await client.delete(name);
    await client.add(name, "add", { flags: 19 });
    assertEquals((await client.getItem(name))?.flags, 19);
  },

  "stores refuse flags that are no 32-bit number": local(async (
    { client, key },
  ) => {
    const name = key();
    const bad: unknown[] = [
      ...[-1, 1.5, 2 ** 32, NaN, Infinity, "0", "1 0 1\r\nx", null, 1n, {}],
    ];
    for (const flags of bad) {
      await refuses(
        () => client.set(name, "value", { flags: flags as number }),
        `flags ${String(flags)}`,
      );
    }
    assertEquals(await client.has(name), false);
  }),

  "set() of a value too large says so, and the old value is gone": async (
    { client, key, traits },
  ) => {
    const name = key();
    await client.set(name, "old");
    const error = await rejects(
      () => client.set(name, TOO_LARGE),
      MemcacheServerError,
      { command: "set", key: name, sent: true },
    );
    if (traits.name !== undefined) assertEquals(error.server, traits.name);
    assertStrictEquals(await client.get(name), undefined);
    assertEquals(await client.set(name, "new"), true);
    assertEquals(await client.get(name), "new");
  },

  "append() beyond the largest value stores nothing": async (
    { client, key },
  ) => {
    const name = key();
    const half = pattern(600_000);
    await client.set(name, half);
    assertEquals(await client.append(name, half), false);
    assertEquals(await client.prepend(name, half), false);
    assertBytes(await client.get(name), half);
  },

  "delete() says whether there was an item": async ({ client, key }) => {
    const name = key();
    assertEquals(await client.delete(name), false);
    await client.set(name, "value");
    assertEquals(await client.delete(name), true);
    assertStrictEquals(await client.get(name), undefined);
    assertEquals(await client.delete(name), false);
  },

  "touch() says whether there was an item, and changes nothing else": async (
    { client, key },
  ) => {
    const name = key();
    assertEquals(await client.touch(name, 60), false);
    await client.set(name, "value");
    const before = await client.getItem(name);
    assertEquals(await client.touch(name, 60), true);
    assertEquals(await client.getItem(name), before);
  },
};
