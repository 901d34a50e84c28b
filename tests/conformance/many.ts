/**
 * Calls with many keys.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type Key,
  type KeyCommands,
  type MemcacheError,
  MemcacheSerdeError,
  MemcacheServerError,
} from "@x/memcache";
import {
  type Behaviours,
  local,
  refuses,
  rejects,
  TOO_LARGE,
} from "./stage.ts";

/** Numbers of keys: none, one, around a line of 100, many. */
const COUNTS = [0, 1, 2, 99, 100, 101, 200, 1000];

/** Stores values under keys that begin alike; every third is left out. */
async function fill(client: KeyCommands, prefix: string): Promise<string[]> {
  const keys = Array.from({ length: 1000 }, (_, i) => `${prefix}:${i}`);
  const entries = keys.map((key, i): [string, number] => [key, i]);
  assertEquals(await client.setMany(entries.filter(isHit)), []);
  return keys;
}

function isHit(_: unknown, i: number): boolean {
  return i % 3 !== 1;
}

/** Behaviours of `getMany`, `getsMany`, `setMany` and `deleteMany`. */
export const MANY: Behaviours = {
  "getMany() and getsMany() answer the hits among any number of keys": async (
    { client, key, ordered },
  ) => {
    const keys = await fill(client, key());
    for (const count of COUNTS) {
      const some = keys.slice(0, count);
      const hits = some.map((key, i): [string, number] => [key, i])
        .filter(isHit);
      const got = [...await client.getMany<number>(some)];
      const items = await client.getsMany<number>(some);
      const values = [...items].map(([key, { value }]) => [key, value]);
      for (const list of ordered ? [] : [got, values]) {
        list.sort(([, a], [, b]) => Number(a) - Number(b));
      }
      // As text: much faster for so many.
      const expected = JSON.stringify(hits);
      assertEquals(JSON.stringify(got), expected, `${count} keys`);
      assertEquals(JSON.stringify(values), expected, `${count} keys`);
      for (const [key, item] of [...items].slice(0, 1)) {
        assertEquals(item, await client.gets(key));
      }
    }
    assertEquals(await client.deleteMany(keys.slice(0, 900)), true);
    const left = await client.getMany(keys);
    assertEquals([...left.values()].length, 67);
    assertEquals(await client.deleteMany(keys), true);
    assertEquals((await client.getMany(keys)).size, 0);
  },

  "calls with no keys send nothing": async ({ tapped }) => {
    await tapped(async (tap, { client }) => {
      assertEquals(await client.getMany([]), new Map());
      assertEquals(await client.getsMany(new Set<string>()), new Map());
      assertEquals(await client.setMany({}), []);
      assertEquals(await client.setMany([]), []);
      assertEquals(await client.deleteMany([]), true);
      assertEquals([tap.connects, tap.sent], [0, ""]);
    });
  },

  "a key that is given twice is one hit": async ({ client, key }) => {
    const [a, b, c] = [key(), key(), key()];
    await client.setMany({ [a]: "a", [c]: "c" });
    const keys = [a, b, a, c, b, c, a];
    const got = await client.getMany(keys);
    assertEquals(got, new Map([[a, "a"], [c, "c"]]));
    assertEquals((await client.getsMany(keys)).size, 2);
    const many = Array.from({ length: 300 }, (_, i) => [a, b, c][i % 3]);
    assertEquals(await client.getMany(many), got);
  },

  "keys may come from any iterable": async ({ client, key }) => {
    const [a, b] = [key(), key()];
    function* keys(): Generator<string> {
      yield a;
      yield b;
    }
    assertEquals(await client.setMany(new Map([[a, 1], [b, 2]])), []);
    const expected = new Map([[a, 1], [b, 2]]);
    assertEquals(await client.getMany(keys()), expected);
    assertEquals(await client.getMany(new Set([a, b])), expected);
    assertEquals(
      await client.getMany(new Map([[a, 0], [b, 0]]).keys()),
      expected,
    );
    assertEquals(await client.deleteMany(keys()), true);
    assertEquals((await client.getMany([a, b])).size, 0);
  },

  "calls with many keys take routing keys": async ({ client, key }) => {
    const [a, b, c] = [key(), key(), key()];
    const keys: Key[] = [["route", a], b, ["route", c]];
    await client.setMany(keys.map((key, i) => [key, i]));
    const expected = new Map([[a, 0], [b, 1], [c, 2]]);
    assertEquals(await client.getMany(keys), expected);
    assertEquals([...(await client.getsMany(keys)).keys()].length, 3);
    assertEquals(await client.get(["route", a]), 0);
    await client.deleteMany(keys);
    assertEquals(await client.getMany(keys), new Map());
  },

  "one key that cannot be sent refuses the whole call": local(async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      const good = key();
      for (const bad of ["", "a b", "a\r\nb", 5, null, undefined, ["a"]]) {
        const keys = [good, bad as string, good];
        const about = `key ${String(bad)}`;
        await refuses(() => client.getMany(keys), about);
        await refuses(() => client.getsMany(keys), about);
        await refuses(() => client.deleteMany(keys), about);
        const entries = keys.map((key): [string, string] => [key, "value"]);
        await refuses(() => client.setMany(entries), about);
      }
      const lists: unknown[] = ["abc", 5, null, undefined, { a: 1 }];
      for (const bad of lists) {
        const about = `keys ${String(bad)}`;
        await refuses(() => client.getMany(bad as string[]), about);
        await refuses(() => client.getsMany(bad as string[]), about);
        await refuses(() => client.deleteMany(bad as string[]), about);
      }
      for (const bad of ["abc", 5, null, undefined]) {
        await refuses(
          () => client.setMany(bad as unknown as []),
          `entries ${String(bad)}`,
        );
      }
      assertEquals(tap.sent, "");
    });
  }),

  "a key list that fails by itself rejects": local(async ({ client }) => {
    const broken: Iterable<string> = {
      [Symbol.iterator]() {
        throw new TypeError("broken");
      },
    };
    await rejects(() => client.getMany(broken), TypeError);
    await rejects(() => client.getsMany(broken), TypeError);
    await rejects(() => client.deleteMany(broken), TypeError);
    await rejects(
      () => client.setMany(broken as unknown as Iterable<[Key, unknown]>),
      TypeError,
    );
  }),

  "setMany() takes an object, a Map and pairs": async ({ client, key }) => {
    const [a, b] = [key(), key()];
    assertEquals(await client.setMany({ [a]: "a1", [b]: [1] }), []);
    assertEquals(await client.get(a), "a1");
    assertEquals(await client.get(b), [1]);
    assertEquals(await client.setMany(new Map([[a, "a2"]])), []);
    assertEquals(await client.get(a), "a2");
    assertEquals(await client.setMany([[a, "a3"], [b, utf8Value]]), []);
    assertEquals(
      await client.getMany([a, b]),
      new Map<string, unknown>([[a, "a3"], [b, utf8Value]]),
    );
  },

  "setMany() stores entries in their order": async ({ client, key }) => {
    const name = key();
    const entries = Array.from(
      { length: 10 },
      (_, i): [string, number] => [name, i],
    );
    assertEquals(await client.setMany(entries), []);
    assertEquals(await client.get(name), 9);
  },

  "setMany() gives every entry flags": async ({ client, key }) => {
    const [a, b] = [key(), key()];
    await client.setMany({ [a]: "a", [b]: "b" }, { flags: 17 });
    assertEquals((await client.getItem(a))?.flags, 17);
    assertEquals((await client.getItem(b))?.flags, 17);
  },

  "setMany() lists what the server refused and stores the rest": async (
    { key, open },
  ) => {
    const errors: MemcacheError[] = [];
    const onError = (error: MemcacheError) => errors.push(error);
    await open({ onError }, async ({ client }) => {
      const [a, b, c, d] = [key(), key(), key(), key()];
      const entries = { [a]: "a", [b]: TOO_LARGE, [c]: "c", [d]: TOO_LARGE };
      assertEquals(await client.setMany(entries), [b, d]);
      assertEquals(
        await client.getMany([a, b, c, d]),
        new Map([[a, "a"], [c, "c"]]),
      );
      // Who answers first is told first.
      assertEquals(
        errors.map((error) => error.key ?? "").sort(),
        [b, d].sort(),
      );
      assert(errors.every((error) => error instanceof MemcacheServerError));
    });
  },

  "setMany() sends nothing if a value cannot be stored": async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      const [a, b, c] = [key(), key(), key()];
      const call = () => client.setMany({ [a]: 1, [b]: NaN, [c]: 3 });
      const error = await rejects(call, MemcacheSerdeError, {
        key: b,
        sent: false,
      });
      assertEquals(error.failedKeys, [a, b, c]);
      assertEquals(tap.sent, "");
      assertEquals((await client.getMany([a, b, c])).size, 0);
    });
  },

  "getMany() reads large values among small ones": async (
    { client, key },
  ) => {
    const names = Array.from({ length: 20 }, () => key());
    const values = names.map((name, i) => name.repeat(i % 4 === 0 ? 9000 : i));
    await client.setMany(names.map((name, i) => [name, values[i]]));
    const got = await client.getMany(names);
    for (const [i, name] of names.entries()) {
      assert(got.get(name) === values[i], name);
    }
  },

  "a value that cannot be read fails getMany()": async ({ client, key }) => {
    const [a, b, c] = [key(), key(), key()];
    await client.setMany({ [a]: "a", [c]: "c" });
    await client.set(b, "no JSON", { flags: 32 });
    await rejects(() => client.getMany([a, b, c]), MemcacheSerdeError, {
      key: b,
      command: "get",
      sent: true,
    });
    await rejects(() => client.getsMany([a, b]), MemcacheSerdeError, {
      key: b,
      command: "gets",
    });
    assertEquals(await client.getMany([a, c]), new Map([[a, "a"], [c, "c"]]));
  },
};

const utf8Value = { text: "ä€😀\r\nEND\r\n" };
