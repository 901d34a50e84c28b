/**
 * Values: what is stored is what comes back.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { MemcacheSerdeError, rawSerde } from "@x/memcache";
import {
  assertBytes,
  type Behaviours,
  local,
  pattern,
  rejects,
  text,
  utf8,
} from "./stage.ts";

/** Texts that look like the protocol, and others that are easy to get wrong. */
const TEXTS: readonly string[] = [
  ...["", " ", "a", "END", "END\r\n", "\r\n", "\r", "\n", "\0", "\r\nEND\r\n"],
  ...["VALUE key 0 5\r\nhello\r\nEND\r\n", "VALUE ", "STORED\r\n", "EN\r\n"],
  ...[
    "VA 5 f0 v\r\nhello\r\n",
    "HD\r\n",
    "MN\r\n",
    "ERROR\r\n",
    "SERVER_ERROR",
  ],
  ...["set a 0 0 1\r\na\r\n", "5", "-0", "true", "null", "[1]", "a\0b", "\x7f"],
  ...["ä", "€", "😀", "\ufeffBOM", "\ufffd", "e\u0301", "\u2028", "日本語"],
  ...["\u0080", "\u07ff\u0800", "\uffff", "\u{10000}\u{10ffff}", "ÿ\xa0\xad"],
];

const NUMBERS: readonly number[] = [
  ...[0, -0, 1, -1, 42, 2 ** 31, 2 ** 32, -(2 ** 31), 1e15],
  ...[Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  ...[0.5, -1.5, 0.1 + 0.2, 1e21, 2 ** 53, -(2 ** 53), 1e300, 5e-324],
];

const BIGINTS: readonly bigint[] = [
  ...[0n, 1n, -1n, 2n ** 53n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 70n)],
  ...[10n ** 1000n],
];

const OBJECTS: readonly unknown[] = [
  ...[null, true, false, [], {}, [null], [[[]]], { a: { b: [1, "2", null] } }],
  ...[{ "": "" }, { "a b": "\r\n" }, ["END\r\n"], [0.5, -1e-7], {
    __proto__: null,
  }],
  ...[
    { nested: "x".repeat(50_000) },
    Array.from({ length: 1000 }, (_, i) => i),
  ],
];

/** Sizes around those of buffers, packets and pages. */
const SIZES: readonly number[] = [
  ...[0, 1, 2, 3, 63, 64, 65, 255, 256, 1000],
  ...[4096, 8192, 16_384, 32_768, 36_864, 65_536, 131_072].flatMap((size) => [
    ...[size - 40, size - 2, size - 1, size, size + 1, size + 2],
  ]),
  ...[100_000, 250_000],
];

/** The largest value that memcached takes by default, for short keys. */
const LARGEST = 1024 * 1024 - 100;

const REFUSED: ReadonlyArray<() => unknown> = [
  () => undefined,
  () => NaN,
  () => Infinity,
  () => -Infinity,
  () => () => 1,
  () => Symbol("a"),
  () => new Map([[1, 2]]),
  () => new Set([1]),
  () => [undefined],
  () => [NaN],
  () => ({ a: [Infinity] }),
  () => ({ a: 1n }),
  () => "\ud800",
  () => "a\udc00b",
  () => new Float64Array(2),
  () => new ArrayBuffer(2),
  () => new Date(NaN),
  () => Promise.resolve(1),
  () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    return cycle;
  },
  () => ({
    toJSON() {
      throw new Error("no");
    },
  }),
];

/** Behaviours of values with the default serde. */
export const VALUES: Behaviours = {
  "text comes back as it was": async ({ client, key }) => {
    for (const value of TEXTS) {
      const name = key();
      await client.set(name, value);
      assertStrictEquals(await client.get(name), value);
      assertStrictEquals((await client.gets(name))?.value, value);
    }
  },

  "numbers and bigints come back as they were": async ({ client, key }) => {
    for (const value of [...NUMBERS, ...BIGINTS]) {
      const name = key();
      await client.set(name, value);
      assertStrictEquals(await client.get(name), value);
    }
  },

  "what JSON can carry comes back": async ({ client, key }) => {
    for (const value of OBJECTS) {
      const name = key();
      await client.set(name, value);
      const got = await client.get(name);
      assertEquals(JSON.stringify(got), JSON.stringify(value));
      assertEquals(typeof got, typeof value);
    }
    const name = key();
    await client.set(name, { at: new Date(0), none: undefined });
    assertEquals(await client.get(name), { at: "1970-01-01T00:00:00.000Z" });
  },

  "bytes that look like the protocol come back": async ({ client, key }) => {
    for (const value of TEXTS) {
      const name = key();
      await client.set(name, utf8(value));
      assertBytes(await client.get(name), utf8(value), JSON.stringify(value));
    }
  },

  "all of them come back from one getMany()": async ({ client, key }) => {
    const values = [...TEXTS, ...NUMBERS, ...BIGINTS];
    const names = values.map(() => key());
    await client.setMany(names.map((name, i) => [name, values[i]]));
    const got = await client.getMany(names);
    for (const [i, name] of names.entries()) {
      assertStrictEquals(got.get(name), values[i]);
    }
  },

  "bytes of every size come back": async ({ client, key }) => {
    const names = SIZES.map((size) => key(`size${size}`));
    for (const [i, name] of names.entries()) {
      const value = pattern(SIZES[i]);
      assertEquals(await client.set(name, value), true);
      assertBytes(await client.get(name), value, name);
    }
    const got = await client.getMany(names);
    for (const [i, name] of names.entries()) {
      assertBytes(got.get(name), pattern(SIZES[i]), name);
    }
  },

  "values of every size come back in one turn": async ({ client, key }) => {
    const names = SIZES.map(() => key());
    await Promise.all(
      names.map((name, i) => client.set(name, pattern(SIZES[i]))),
    );
    const got = await Promise.all(names.map((name) => client.get(name)));
    for (const [i, value] of got.entries()) {
      assertBytes(value, pattern(SIZES[i]), `${SIZES[i]} bytes`);
    }
  },

  "a value of almost 1 MiB comes back": async ({ client, key }) => {
    const [bytes, long] = [key(), key()];
    const value = pattern(LARGEST);
    await client.set(bytes, value);
    assertBytes(await client.get(bytes), value);
    const characters = "ä€😀 text\r\n".repeat(50_000);
    await client.set(long, characters);
    assert(await client.get(long) === characters);
    assertBytes(await client.get(bytes), value);
  },

  "values share no memory with what was given or read before": async (
    { client, key },
  ) => {
    const name = key();
    const given = pattern(300);
    await client.set(name, given);
    given.fill(0);
    const first = await client.get<Uint8Array>(name);
    assertBytes(first, pattern(300));
    await client.set(key(), pattern(100_000).fill(7));
    const second = await client.get<Uint8Array>(name);
    second?.fill(1);
    assertBytes(first, pattern(300));
    assertBytes(await client.get(name), pattern(300));
  },

  "bytes are stored whatever kind of view they are": async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, pattern(100).subarray(10, 20));
    assertBytes(await client.get(name), pattern(20).slice(10));
    await client.set(name, new (class extends Uint8Array {})([1, 2, 3]));
    assertBytes(await client.get(name), Uint8Array.of(1, 2, 3));
  },

  "a value that cannot be stored is refused, and nothing is sent": local(async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      for (const [i, make] of REFUSED.entries()) {
        const name = key();
        const calls: Record<string, () => Promise<unknown>> = {
          set: () => client.set(name, make()),
          add: () => client.add(name, make()),
          replace: () => client.replace(name, make()),
          append: () => client.append(name, make()),
          prepend: () => client.prepend(name, make()),
          cas: () => client.cas(name, make(), 1n),
        };
        const all = Object.entries(calls);
        for (const [command, call] of i === 0 ? all : all.slice(0, 1)) {
          await rejects(
            call,
            MemcacheSerdeError,
            { code: "ERR_SERDE", command, key: name, sent: false },
            `${command} of ${make}`,
          );
        }
      }
      assertEquals(tap.sent, "");
    });
  }),

  "stored bytes that cannot be read are an error that says so": async (
    { key, ordered, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      const cases: Array<[data: string | Uint8Array, flags: number]> = [
        ["{", 32],
        ["", 32],
        ["abc", 2],
        ["", 2],
        ["1.5", 4],
        [Uint8Array.of(0xff), 16],
        [Uint8Array.of(0xff), 32],
        ["anything", 1],
      ];
      for (const [data, flags] of cases) {
        const name = key();
        await client.set(name, data, { flags });
        const reads: Array<[() => Promise<unknown>, command: string]> = [
          [() => client.get(name), "get"],
          [() => client.get(name, { default: 1 }), "get"],
          [() => client.getItem(name), "gets"],
          [() => client.gets(name), "gets"],
          [() => client.gat(name, 0), "gat"],
          [() => client.gats(name, 0), "gats"],
        ];
        for (const [read, command] of reads) {
          await rejects(
            read,
            MemcacheSerdeError,
            { command, key: name, sent: true },
            `flags ${flags}`,
          );
        }
        assertEquals(await client.set(name, "good"), true);
        assertEquals(await client.get(name), "good");
      }
      if (ordered) assertEquals(tap.connects, 1);
    });
  },

  "flags of others leave bytes as they are": async ({ client, key, open }) => {
    const name = key();
    await client.set(name, "bytes", { flags: 0x8000_0000 });
    assertBytes(await client.get(name), utf8("bytes"));
    await client.set(name, "text");
    await open({ serde: rawSerde }, async ({ client }) => {
      assertEquals(text(await client.get(name) ?? utf8("")), "text");
    });
  },
};
