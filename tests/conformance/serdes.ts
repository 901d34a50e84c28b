/**
 * Serdes other than the default, given as an option.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  compressedSerde,
  jsonSerde,
  MemcacheSerdeError,
  rawSerde,
  type Serde,
  serdeFrom,
  textSerde,
} from "@x/memcache";
import {
  assertBytes,
  type Behaviours,
  local,
  pattern,
  rejects,
  text,
  utf8,
} from "./stage.ts";

/** Answers later, the first value last. */
function slowSerde(): Serde & { readonly keys: string[] } {
  const keys: string[] = [];
  const turns = async (count: number) => {
    for (let i = 0; i < count; i++) await null;
  };
  return {
    keys,
    async serialize(key: string, value: unknown) {
      keys.push(key);
      await turns(20 - keys.length % 20);
      return { data: JSON.stringify(value), flags: 99 };
    },
    async deserialize(key: string, data: Uint8Array, flags: number) {
      keys.push(key);
      await turns(20 - keys.length % 20);
      return [JSON.parse(text(data)), flags];
    },
  };
}

/** Behaviours of the option `serde`. */
export const SERDES: Behaviours = {
  "rawSerde stores bytes and text, and reads bytes": async (
    { key, open },
  ) => {
    await open({ serde: rawSerde }, async ({ client }) => {
      const name = key();
      await client.set(name, pattern(256));
      assertBytes(await client.get(name), pattern(256));
      await client.set(name, "ä\r\n");
      assertBytes(await client.get(name), utf8("ä\r\n"));
      await client.append(name, "b");
      assertBytes(await client.get(name), utf8("ä\r\nb"));
      assertEquals((await client.getItem(name))?.flags, 0);
      for (const value of [5, null, {}, undefined]) {
        await rejects(() => client.set(name, value), MemcacheSerdeError);
      }
    });
  },

  "textSerde stores and reads text": async ({ key, open }) => {
    await open({ serde: textSerde }, async ({ client }) => {
      const name = key();
      await client.set(name, "ä€😀\0\r\n");
      assertStrictEquals(await client.get(name), "ä€😀\0\r\n");
      assertEquals((await client.getItem(name))?.flags, 0);
      await client.set(name, "");
      assertStrictEquals(await client.get(name), "");
      await rejects(() => client.set(name, 5), MemcacheSerdeError);
    });
  },

  "compressedSerde stores less and reads the same": async (
    { key, open },
  ) => {
    const serde = compressedSerde({ minLength: 100 });
    await open({ serde }, async ({ client }) => {
      const values: unknown[] = [
        "x".repeat(100),
        "x".repeat(101),
        "ä€😀".repeat(1000),
        { a: "y".repeat(10_000) },
        utf8("z".repeat(2000)),
        pattern(256),
        5,
        "x".repeat(200_000),
      ];
      const names = values.map(() => key());
      for (const [i, name] of names.entries()) {
        await client.set(name, values[i]);
      }
      const flags = [16, 24, 24, 40, 8, 0, 2, 24];
      const many = await client.getMany(names);
      for (const [i, name] of names.entries()) {
        const item = await client.getItem(name);
        assertEquals(item?.flags, flags[i], `value ${i}`);
        for (const got of [item?.value, many.get(name)]) {
          if (got instanceof Uint8Array) {
            assertBytes(got, values[i] as Uint8Array);
          } else if (typeof got === "string") assert(got === values[i]);
          else assertEquals(got, values[i]);
        }
      }
    });
  },

  "values that were not compressed are read all the same": async (
    { client, key, open },
  ) => {
    const name = key();
    const value = "x".repeat(1000);
    await client.set(name, value);
    await open({ serde: compressedSerde() }, async ({ client: other }) => {
      assertEquals(await other.get(name), value);
      await other.set(name, value);
    });
    await rejects(() => client.get(name), MemcacheSerdeError);
  },

  "serdeFrom() makes a serde of two functions": async ({ key, open }) => {
    const serde = serdeFrom(
      (_key, value) => [`<${value}>`, 1234],
      (_key, data, flags) => `${text(data)} ${flags}`,
    );
    await open({ serde }, async ({ client }) => {
      const name = key();
      await client.set(name, "a");
      assertEquals(await client.get(name), "<a> 1234");
    });
  },

  "a serde may answer later": async ({ key, open, ordered }) => {
    await open({ serde: slowSerde() }, async ({ client }) => {
      const names = Array.from({ length: 30 }, () => key());
      const stored = names.map((name, i) => client.set(name, i));
      assertEquals(await Promise.all(stored), names.map(() => true));
      const hits = names.map((name, i): [string, unknown] => [name, [i, 99]]);
      const got = await Promise.all(names.map((name) => client.get(name)));
      assertEquals(got, hits.map(([, value]) => value));
      const many = await client.getMany([...names, key()]);
      if (ordered) assertEquals([...many], hits);
      else assertEquals(many, new Map(hits));
      const cas = await client.gets(names[0]);
      assertEquals(cas?.value, [0, 99]);
      assertEquals(await client.cas(names[0], "new", cas?.cas ?? 0n), true);
      assertEquals((await client.getItem(names[0]))?.value, ["new", 99]);
      assertEquals(await client.gat(names[1], 60), [1, 99]);
      assertEquals(await client.setMany({ [names[0]]: 1, [names[1]]: 2 }), []);
      const versions = await client.getsMany(names.slice(0, 2));
      assertEquals(
        [...versions.values()].map(({ value }) => value).toSorted(),
        [[1, 99], [2, 99]],
      );
      const counted = await client.incr(key(), 1, { initial: 5 });
      assertEquals(counted, 5);
    });
  },

  "an abort while a serde is at work stores nothing": local(async (
    { key, tapped },
  ) => {
    let serialized: () => void = () => {};
    const serde: Serde = {
      serialize: () =>
        new Promise((resolve) => {
          serialized = () => resolve({ data: "value", flags: 0 });
        }),
      deserialize: () => "value",
    };
    await tapped(async (tap, { client }) => {
      const calls: Array<
        (key: string, signal: AbortSignal) => Promise<unknown>
      > = [
        (name, signal) => client.set(name, 1, { signal }),
        (name, signal) => client.add(name, 1, { signal, noreply: true }),
        (name, signal) => client.setMany({ [name]: 1 }, { signal }),
      ];
      for (const call of calls) {
        const controller = new AbortController();
        const reason = new Error("enough");
        const aborted = call(key(), controller.signal).catch((error) => error);
        controller.abort(reason);
        serialized();
        assertStrictEquals(await aborted, reason);
      }
      assertEquals(tap.sent, "");
    }, { serde });
  }),

  "a serde is given the caller's key": async ({ key, open }) => {
    const serde = slowSerde();
    const options = { serde, keyPrefix: "prefix:", allowUnicodeKeys: true };
    await open(options, async ({ client }) => {
      const name = key("ü");
      await client.set(["route", name], 1);
      await client.get(["route", name]);
      await client.getMany([["route", name]]);
      assertEquals(serde.keys, [name, name, name]);
    });
  },

  "a serde that fails is an error that says so": async ({ key, open }) => {
    const cause = new RangeError("no");
    const failures: Array<() => unknown> = [
      () => {
        throw cause;
      },
      () => Promise.reject(cause),
    ];
    for (const fail of failures) {
      const serde: Serde = {
        serialize: (key, value) =>
          value === "bad"
            ? fail() as Promise<never>
            : jsonSerde.serialize(key, value),
        deserialize: fail,
      };
      await open({ serde }, async ({ client }) => {
        const name = key();
        const stored = await rejects(
          () => client.set(name, "bad"),
          MemcacheSerdeError,
          { command: "set", key: name, sent: false },
        );
        assertStrictEquals(stored.cause, cause);
        await client.set(name, "good");
        const read = await rejects(() => client.get(name), MemcacheSerdeError, {
          command: "get",
          key: name,
          sent: true,
        });
        assertStrictEquals(read.cause, cause);
        await rejects(() => client.getMany([name]), MemcacheSerdeError);
        await rejects(
          () => client.setMany({ [name]: "good", [key()]: "bad" }),
          MemcacheSerdeError,
        );
        assertEquals(await client.has(name), true);
      });
    }
  },

  "what a serde makes is checked": local(async ({ key, open }) => {
    const bad: unknown[] = [
      ...[undefined, null, 5, "text", {}, { data: "a" }, { flags: 0 }],
      ...[{ data: 5, flags: 0 }, { data: "\ud800", flags: 0 }],
      ...[-1, 1.5, NaN, 2 ** 32, "0 0 1\r\nx\r\nset a 0"].map((flags) => ({
        data: "a",
        flags,
      })),
    ];
    for (const result of bad) {
      const serde = {
        serialize: () => result as never,
        deserialize: () => 1,
      };
      await open({ serde }, async ({ client }) => {
        await rejects(
          () => client.set(key(), 1),
          MemcacheSerdeError,
          { sent: false },
          JSON.stringify(result),
        );
      });
    }
  }),
};
