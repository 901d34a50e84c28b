/**
 * Many commands at once: each caller gets its own result.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { MemcacheNonNumericError, MemcacheSerdeError } from "@x/memcache";
import { assertBytes, type Behaviours, pattern, rejects } from "./stage.ts";

/** A repeatable sequence of integers from 0 to `below` - 1. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** Behaviours of commands in flight at the same time. */
export const FLOW: Behaviours = {
  "1000 commands of all kinds each get their own result": async (
    { client, key, ordered, traits },
  ) => {
    const next = random(1);
    const text = key("text");
    const kinds: Array<(name: string, i: number) => Promise<void>> = [
      async (name, i) => assertEquals(await client.get(name), `${i}`),
      async (name, i) => assertEquals((await client.gets(name))?.value, `${i}`),
      async (name, i) => assertEquals(await client.gat(name, 60), `${i}`),
      async (name) => assertEquals((await client.getItem(name))?.key, name),
      async (name) => assertEquals(await client.get(`${name}-`), undefined),
      async (name) => assertEquals(await client.has(name), true),
      async (name) => assertEquals(await client.has(`${name}-`), false),
      async (name, i) =>
        assertEquals(await client.incr(name, 1n), BigInt(i) + 1n),
      async (name) => assertEquals(await client.delete(name), true),
      async (name) => assertEquals(await client.delete(`${name}-`), false),
      async (name) => assertEquals(await client.add(name, 1), false),
      async (name) => assertEquals(await client.replace(`${name}-`, 1), false),
      async (name, i) => assertEquals(await client.set(name, i), true),
      async (name) => assertEquals(await client.touch(name, 60), true),
      async (name) => assertEquals(await client.cas(name, 1, 1n), false),
      async (name) =>
        assertEquals(await client.cas(`${name}-`, 1, 1n), undefined),
      async (name, i) => {
        const got = await client.getMany([`${name}-`, name, name]);
        assertEquals([...got], [[name, `${i}`]]);
      },
      async (name) => {
        // Without a fence the error below may be its own, for all that can be
        // known; on one connection this seed keeps them apart.
        const noreply = ordered || (traits.fences ?? true);
        await client.append(name, "x", { noreply });
      },
      async () =>
        void await rejects(
          () => client.incr(text),
          MemcacheNonNumericError,
          { key: text },
        ),
    ];
    const names = Array.from({ length: 1000 }, () => key());
    await client.setMany(names.map((name, i) => [name, `${i}`]));
    await client.set(text, "text");
    await Promise.all(
      names.map((name, i) => kinds[next(kinds.length)](name, i)),
    );
  },

  "many gets of one turn each get their own value or miss": async (
    { client, key },
  ) => {
    const names = Array.from({ length: 1000 }, () => key());
    const hits = names.filter((_, i) => i % 3 !== 0);
    await client.setMany(hits.map((name) => [name, name]));
    for (const count of [2, 15, 16, 100, 127, 128, 129, 250, 1000]) {
      const some = names.slice(0, count);
      const got = await Promise.all(
        some.map((name, i) => client.get<unknown>(name, { default: i })),
      );
      const expected = some.map((name, i) => i % 3 !== 0 ? name : i);
      // As text: much faster for so many.
      assertEquals(
        JSON.stringify(got),
        JSON.stringify(expected),
        `${count} gets`,
      );
    }
  },

  "many gets of few keys each get a value": async ({ client, key }) => {
    const [a, b, c] = [key(), key(), key()];
    await client.setMany({ [a]: pattern(1000), [c]: pattern(20) });
    const got = await Promise.all(
      Array.from(
        { length: 600 },
        (_, i) => client.get<Uint8Array>([a, b, c, a][i % 4]),
      ),
    );
    for (const [i, value] of got.entries()) {
      if (i % 4 === 1) assertEquals(value, undefined);
      else assertBytes(value, pattern(i % 4 === 2 ? 20 : 1000), `get ${i}`);
    }
    got[0]?.fill(0);
    assertBytes(got[3], pattern(1000));
  },

  "one unreadable value among many gets fails its own caller": async (
    { client, key },
  ) => {
    const names = Array.from({ length: 300 }, () => key());
    await client.setMany(names.map((name) => [name, name]));
    await client.set(names[150], "no JSON", { flags: 32 });
    const got = await Promise.allSettled(names.map((name) => client.get(name)));
    for (const [i, outcome] of got.entries()) {
      if (i !== 150) {
        assertEquals(outcome, { status: "fulfilled", value: names[i] });
      } else {
        assert(outcome.status === "rejected");
        assert(outcome.reason instanceof MemcacheSerdeError);
        assertEquals(outcome.reason.key, names[150]);
      }
    }
  },

  "many gets mixed with other commands keep their results": async (
    { client, key },
  ) => {
    const names = Array.from({ length: 400 }, () => key());
    await client.setMany(names.map((name) => [name, name]));
    const other = key();
    await client.set(other, 0);
    const got = await Promise.all(names.map(async (name, i) => {
      if (i % 50 !== 49) return await client.get(name);
      await client.incr(other);
      return name;
    }));
    assertEquals(got, names);
    assertEquals(await client.get(other), 8);
  },

  "commands of one turn are carried out in their order": async (
    { client, key, ordered },
  ) => {
    if (!ordered) return;
    const name = key();
    const results = await Promise.all<unknown>([
      client.get(name),
      client.set(name, 1),
      client.get(name),
      client.add(name, 2),
      client.incr(name),
      client.get(name),
      client.gets(name).then((item) => item?.value),
      client.delete(name),
      client.get(name),
      client.has(name),
      client.add(name, "a"),
      client.append(name, "b"),
      client.getMany([name]),
      client.touch(name, -1),
      client.get(name),
    ]);
    assertEquals(results, [
      ...[undefined, true, 1, false, 2, 2, 2, true, undefined, false],
      ...[true, true, new Map([[name, "ab"]]), true, undefined],
    ]);
  },

  "the order holds among many": async ({ client, key, ordered }) => {
    if (!ordered) return;
    const name = key();
    const steps = Array.from({ length: 300 }, (_, i) => i);
    const got = await Promise.all(steps.map(async (i) => {
      const stored = client.set(name, i, { noreply: i % 2 === 0 });
      const read = client.get(name);
      await stored;
      return await read;
    }));
    assertEquals(got, steps);
  },

  "large values in both directions do not wait for each other": async (
    { key, open },
  ) => {
    await open({}, async ({ client }) => {
      const names = Array.from({ length: 12 }, () => key());
      const value = pattern(300_000);
      await client.setMany(names.slice(0, 6).map((name) => [name, value]));
      const results = await Promise.all([
        ...names.slice(0, 6).map((name) => client.get(name)),
        ...names.slice(6).map((name) => client.set(name, value)),
        ...names.slice(0, 6).map((name) => client.get(name)),
      ]);
      for (const [i, result] of results.entries()) {
        if (i >= 6 && i < 12) assertEquals(result, true);
        else assertBytes(result, value, `get ${i}`);
      }
    });
  },

  "clients do not see each other's replies": async ({ key, open }) => {
    await open({}, async ({ client: first }) => {
      await open({}, async ({ client: second }) => {
        const names = Array.from({ length: 100 }, () => key());
        await first.setMany(names.map((name, i) => [name, i]));
        const got = await Promise.all(
          names.map((name, i) => (i % 2 ? first : second).get(name)),
        );
        assertEquals(got, names.map((_, i) => i));
      });
    });
  },

  "commands issued by the results of others go on": async (
    { client, key },
  ) => {
    const chains = Array.from({ length: 30 }, async (_, i) => {
      const name = key();
      for (let step = 0; step < 10; step++) {
        await client.set(name, [i, step]);
        assertEquals(await client.get(name), [i, step]);
      }
    });
    await Promise.all(chains);
  },
};
