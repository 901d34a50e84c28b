/**
 * `incr` and `decr`.
 *
 * @module
 */
import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  MemcacheIllegalInputError,
  MemcacheNonNumericError,
  MemcacheSerdeError,
  rawSerde,
} from "@x/memcache";
import {
  assertBytes,
  type Behaviours,
  local,
  refuses,
  rejects,
  utf8,
} from "./stage.ts";

const MAX = 2n ** 64n - 1n;
const SAFE = Number.MAX_SAFE_INTEGER;

/** Behaviours of counters. */
export const COUNTERS: Behaviours = {
  "incr() and decr() answer a miss with undefined": async (
    { client, key },
  ) => {
    const name = key();
    assertStrictEquals(await client.incr(name), undefined);
    assertStrictEquals(await client.decr(name), undefined);
    assertStrictEquals(await client.incr(name, 1n), undefined);
    assertStrictEquals(await client.decr(name, 1n), undefined);
    assertEquals(await client.has(name), false);
  },

  "incr() and decr() count by a number": async ({ client, key }) => {
    const name = key();
    await client.set(name, 10);
    assertStrictEquals(await client.incr(name), 11);
    assertStrictEquals(await client.incr(name, 5), 16);
    assertStrictEquals(await client.decr(name), 15);
    assertStrictEquals(await client.decr(name, 5), 10);
    assertStrictEquals(await client.incr(name, 0), 10);
    assertStrictEquals(await client.decr(name, -0), 10);
    assertStrictEquals(await client.get(name), 10);
  },

  "incr() and decr() count by a bigint": async ({ client, key }) => {
    const name = key();
    await client.set(name, 10n);
    assertStrictEquals(await client.incr(name, 1n), 11n);
    assertStrictEquals(await client.decr(name, 2n), 9n);
    assertStrictEquals(await client.incr(name, MAX - 9n), MAX);
    assertStrictEquals(await client.get(name), MAX);
    assertStrictEquals(await client.decr(name, MAX - 1n), 1n);
  },

  "the delta, not the value, chooses the type of the result": async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, 1n);
    assertStrictEquals(await client.incr(name, 1), 2);
    assertStrictEquals(await client.incr(name, 1n), 3n);
    assertStrictEquals(await client.get(name), 3n);
  },

  "incr() starts again at 0 past 2^64 - 1": async ({ client, key }) => {
    const name = key();
    await client.set(name, MAX);
    assertStrictEquals(await client.incr(name, 1n), 0n);
    await client.set(name, MAX);
    assertStrictEquals(await client.incr(name, MAX), MAX - 1n);
    await client.set(name, MAX - 1n);
    assertStrictEquals(await client.incr(name, 4), 2);
  },

  "decr() stops at 0": async ({ client, key }) => {
    const name = key();
    await client.set(name, 3);
    assertStrictEquals(await client.decr(name, 5), 0);
    assertStrictEquals(await client.decr(name), 0);
    assertStrictEquals(await client.decr(name, MAX), 0n);
    assertStrictEquals(await client.get(name), 0);
  },

  "decr() leaves blanks that no reader minds": async (
    { client, key, open },
  ) => {
    const name = key();
    await client.set(name, 100);
    assertStrictEquals(await client.decr(name, 1), 99);
    assertStrictEquals(await client.get(name), 99);
    assertStrictEquals(await client.decr(name, 90), 9);
    assertStrictEquals(await client.incr(name, 1), 10);
    assertStrictEquals(await client.get(name), 10);
    await client.set(name, 10n);
    await client.decr(name, 1n);
    assertStrictEquals(await client.get(name), 9n);
    await open({ serde: rawSerde }, async ({ client }) => {
      assertBytes(await client.get(name), utf8("9 "));
    });
  },

  "a result past 2^53 - 1 is not rounded to a number": async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, SAFE - 1);
    assertStrictEquals(await client.incr(name, 1), SAFE);
    await rejects(() => client.incr(name, 1), MemcacheSerdeError, {
      key: name,
      command: "incr",
      sent: true,
    });
    assertStrictEquals(await client.get(name), BigInt(SAFE) + 1n);
    await client.set(name, MAX);
    await rejects(() => client.decr(name, 1), MemcacheSerdeError);
    assertStrictEquals(await client.decr(name, 1n), MAX - 2n);
  },

  "a delta that is no unsigned 64-bit number is refused": local(async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, 5);
    const bad: unknown[] = [
      ...[-1, 1.5, NaN, Infinity, SAFE + 1, -1n, MAX + 1n, "1", "1\r\nx"],
      ...[null, {}, [1], true],
    ];
    for (const delta of bad) {
      const about = `delta ${String(delta)}`;
      await refuses(() => client.incr(name, delta as number), about);
      await refuses(() => client.decr(name, delta as number), about);
    }
    assertEquals(await client.get(name), 5);
  }),

  "counting what is no number is an error of its own": async (
    { client, key },
  ) => {
    const values = ["abc", "", "-1", "1.5", { a: 1 }, utf8("1a"), -5];
    for (const value of values) {
      const name = key();
      await client.set(name, value);
      const about = JSON.stringify(value);
      await rejects(() => client.incr(name), MemcacheNonNumericError, {
        code: "ERR_NON_NUMERIC",
        command: "incr",
        key: name,
        sent: true,
      }, about);
      await rejects(
        () => client.decr(name, 1n),
        MemcacheNonNumericError,
        { command: "decr" },
        about,
      );
      assertEquals(await client.get(name), value);
    }
  },

  "text and bytes that are digits can be counted": async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, "5");
    assertStrictEquals(await client.incr(name), 6);
    assertStrictEquals(await client.get(name), "6");
    await client.set(name, utf8("99"));
    assertStrictEquals(await client.incr(name), 100);
    assertBytes(await client.get(name), utf8("100"));
  },

  "initial creates a counter, and the delta is not applied": async (
    { client, key },
  ) => {
    const first = key();
    assertStrictEquals(await client.incr(first, 5, { initial: 10 }), 10);
    assertStrictEquals(await client.incr(first, 5, { initial: 10 }), 15);
    assertStrictEquals(await client.get(first), 15);
    const second = key();
    assertStrictEquals(await client.decr(second, 5n, { initial: MAX }), MAX);
    assertStrictEquals(await client.decr(second, 5n), MAX - 5n);
    const third = key();
    assertStrictEquals(await client.incr(third, 1n, { initial: 0 }), 0n);
    assertStrictEquals(await client.incr(key(), 1, { initial: 7n }), 7);
    assertStrictEquals(await client.incr(key(), 1, { initial: SAFE }), SAFE);
  },

  "an initial that cannot be used is refused": local(
    async ({ client, key }) => {
      const name = key();
      const bad: unknown[] = [
        ...[-1, 1.5, NaN, MAX + 1n, -1n, SAFE + 1, null, {}, "x"],
      ];
      for (const initial of bad) {
        const about = `initial ${String(initial)}`;
        const options = { initial: initial as number };
        await refuses(() => client.incr(name, 1, options), about);
        await refuses(() => client.decr(name, 1n, options), about);
      }
      await refuses(
        () => client.incr(name, 1, { initial: MAX }),
        "an initial past 2^53 - 1 with a number",
      );
      await rejects(
        () => client.incr(name, 1, { initial: 1, noreply: true }),
        MemcacheIllegalInputError,
      );
      assertEquals(await client.has(name), false);
    },
  ),

  "callers at once count every one": async ({ client, key }) => {
    const name = key();
    await client.set(name, 0);
    const counts = await Promise.all(
      Array.from({ length: 100 }, () => client.incr(name)),
    );
    assertEquals(
      counts.toSorted((a, b) => (a ?? 0) - (b ?? 0)),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    assertEquals(await client.get(name), 100);
  },

  "callers at once create one counter": async ({ client, key }) => {
    const name = key();
    const counts = await Promise.all(
      Array.from({ length: 20 }, () => client.incr(name, 1, { initial: 1 })),
    );
    assertEquals(
      counts.toSorted((a, b) => (a ?? 0) - (b ?? 0)),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  },
};
