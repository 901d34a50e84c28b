/**
 * What clients can do with one item beyond the classic commands.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type KeyCommands,
  MemcacheCasError,
  MemcacheIllegalInputError,
  MemcacheNonNumericError,
  MemcacheSerdeError,
  MemcacheUnknownCommandError,
  rawSerde,
  textSerde,
} from "@x/memcache";
import {
  type Behaviours,
  local,
  refuses,
  rejects,
  type Stage,
} from "./stage.ts";

/** Whether client and server speak meta with each other. */
function meta({ traits }: Stage): boolean {
  return traits.fences ?? true;
}

/** What is refused where no meta is spoken. */
const META_ONLY: Readonly<
  Record<string, (client: KeyCommands, key: string) => Promise<unknown>>
> = {
  ttl: (client, key) => client.ttl(key),
  size: (client, key) => client.size(key),
  peek: (client, key) => client.peek(key),
  take: (client, key) => client.take(key),
  invalidate: (client, key) => client.invalidate(key),
};

/** What an item's methods come to where it has changed, or is gone. */
const CHANGES: Readonly<
  Record<
    string,
    (item: Awaited<ReturnType<typeof itemOf>>) => Promise<unknown>
  >
> = {
  set: (item) => item.set(7),
  append: (item) => item.append("0"),
  prepend: (item) => item.prepend("1"),
  incr: (item) => item.incr(),
  decr: (item) => item.decr(1n),
  touch: (item) => item.touch(60),
  delete: (item) => item.delete(),
};

async function itemOf(client: KeyCommands, key: string) {
  const item = await client.getItem<number>(key);
  assert(item !== undefined, "no item");
  return item;
}

/** Behaviours of `ttl`, `size`, `peek`, `take`, `invalidate`, items, `update`. */
export const ITEMS: Behaviours = {
  "what needs meta is refused without it, and nothing is sent": async (
    stage,
  ) => {
    if (meta(stage)) return;
    const { client, key } = stage;
    const name = key();
    await client.set(name, 5);
    for (const [title, act] of Object.entries(META_ONLY)) {
      await rejects(
        () => act(client, name),
        MemcacheUnknownCommandError,
        { sent: false, key: name },
        title,
      );
    }
    assertEquals(await client.get(name), 5);
    assertEquals(await client.getAndTouch(name, 60), 5);
  },

  "ttl() tells the seconds that are left": async (stage) => {
    if (!meta(stage)) return;
    const { client, key } = stage;
    const name = key();
    assertStrictEquals(await client.ttl(name), undefined);
    await client.set(name, 1);
    assertStrictEquals(await client.ttl(name), -1);
    await client.touch(name, 100);
    const left = await client.ttl(name) ?? NaN;
    assert(left >= 97 && left <= 100, `${left} s`);
    await client.set(name, 1, { ttl: 40 * 86_400 });
    const days = (await client.ttl(name) ?? NaN) / 86_400;
    assert(Math.abs(days - 40) < 0.1, `${days} days`);
  },

  "size() tells the bytes of the stored value": async (stage) => {
    if (!meta(stage)) return;
    const { client, key } = stage;
    const name = key();
    assertStrictEquals(await client.size(name), undefined);
    for (
      const [value, bytes] of [["", 0], ["ü", 2], [12345, 5], [[1, 2], 5]]
    ) {
      await client.set(name, value);
      assertStrictEquals(await client.size(name), bytes);
    }
    const large = new Uint8Array(100_000);
    await client.set(name, large);
    assertStrictEquals(await client.size(name), large.length);
  },

  "peek() reads the value or the default": async (stage) => {
    if (!meta(stage)) return;
    const { client, key } = stage;
    const name = key();
    assertStrictEquals(await client.peek(name), undefined);
    assertStrictEquals(await client.peek<unknown>(name, { default: 0 }), 0);
    await client.set(name, { a: 1 });
    assertEquals(await client.peek<unknown>(name, { default: 0 }), { a: 1 });
  },

  "take() reads the value for the last time": async (stage) => {
    if (!meta(stage)) return;
    const { client, key } = stage;
    const name = key();
    assertStrictEquals(await client.take(name), undefined);
    assertStrictEquals(await client.take<unknown>(name, { default: 0 }), 0);
    await client.set(name, "once", { ttl: 100 });
    assertEquals(await client.take(name), "once");
    assertStrictEquals(await client.take(name), undefined);
    assertEquals(await client.has(name), false);
    assertEquals(await client.add(name, "again"), true);
    assertEquals(await client.take(name), "again");
  },

  "take() gives a value to one of many callers": async (stage) => {
    if (!meta(stage)) return;
    const { client, key, open } = stage;
    await open({}, async ({ client: other }) => {
      for (let i = 0; i < 5; i++) {
        const name = key();
        await client.set(name, "one");
        const taken = await Promise.all(
          Array.from(
            { length: 20 },
            (_, i) => (i % 2 === 0 ? client : other).take(name),
          ),
        );
        assertEquals(taken.filter((value) => value !== undefined), ["one"]);
      }
    });
  },

  "getAndTouch() reads and sets a lifetime": async (stage) => {
    const { client, key } = stage;
    const name = key();
    assertStrictEquals(await client.getAndTouch(name, 60), undefined);
    assertEquals(
      await client.getAndTouch<unknown>(name, 60, { default: 1 }),
      1,
    );
    await client.set(name, "value");
    assertEquals(await client.getAndTouch(name, 60), "value");
    if (meta(stage)) assert((await client.ttl(name) ?? 0) > 50);
    assertEquals(await client.getAndTouch(name, -1), "value");
    assertEquals(await client.has(name), false);
  },

  "invalidate() keeps the value for whoever reads": async (stage) => {
    if (!meta(stage)) return;
    const { client, key } = stage;
    const name = key();
    assertStrictEquals(await client.invalidate(name), false);
    await client.set(name, "old", { ttl: 500 });
    const before = await client.gets(name);
    assertStrictEquals(await client.invalidate(name), true);
    assertEquals(await client.meta.get(name, { returnTtl: true }), {
      ...{ status: "hit", value: "old", won: true, stale: true },
      ttl: await client.ttl(name),
    });
    assert((await client.ttl(name) ?? 0) > 490);
    assertEquals(await client.get(name), "old");
    assertEquals(await client.cas(name, "lost", before?.cas ?? 0n), false);
    assertStrictEquals(await client.invalidate(name, { staleFor: 20 }), true);
    const left = await client.ttl(name) ?? NaN;
    assert(left >= 17 && left <= 20, `${left} s`);
    await client.set(name, "new");
    assertEquals(await client.meta.get(name), { status: "hit", value: "new" });
    assertStrictEquals(await client.invalidate(name, { staleFor: -1 }), true);
    assertEquals(await client.has(name), false);
  },

  "an item is a plain object to whoever looks at it": async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, "value");
    const item = await itemOf(client, name);
    const { cas } = item;
    const plain: unknown = { key: name, value: "value", flags: 16, cas };
    assertEquals<unknown>(item, plain);
    assertEquals<unknown>({ ...item }, plain);
    assertEquals<unknown>(structuredClone(item), plain);
    assertEquals(Object.getPrototypeOf(item), Object.prototype);
    assertEquals(Object.keys(item), ["key", "value", "flags", "cas"]);
    assertEquals(typeof item.set, "function");
  },

  "an item's set() stores what others have not changed": async (stage) => {
    const { client, key } = stage;
    const name = key();
    await client.set(name, "a");
    const item = await itemOf(client, name);
    assertStrictEquals(await item.set({ b: 1 }, { ttl: 100 }), true);
    assertEquals(await client.get(name), { b: 1 });
    assertEquals(item.value as unknown, "a");
    if (!meta(stage)) {
      assertStrictEquals(item.cas, 0n);
      await rejects(() => item.set("c"), MemcacheIllegalInputError, {
        sent: false,
        key: name,
      });
      return;
    }
    assertEquals(item.cas, (await client.gets(name))?.cas);
    assert((await client.ttl(name) ?? 0) > 90);
    assertStrictEquals(await item.set("c", { flags: 32 }), true);
    await rejects(() => client.get(name), MemcacheSerdeError);
    await client.set(name, "d");
    assertStrictEquals(await item.set("e"), false);
    assertEquals(await client.get(name), "d");
  },

  "an item's changes follow one another": async (stage) => {
    if (!meta(stage)) return;
    const { client, key } = stage;
    const name = key();
    await client.set(name, "b", { ttl: 500 });
    const text = await itemOf(client, name);
    assertStrictEquals(await text.append("c"), true);
    assertStrictEquals(await text.prepend("a"), true);
    assertEquals(await client.get(name), "abc");
    assertStrictEquals(await text.touch(100), true);
    const left = await client.ttl(name) ?? NaN;
    assert(left >= 97 && left <= 100, `${left} s`);
    assertEquals(await client.get(name), "abc");
    assertEquals((await itemOf(client, name)).flags, 16);
    assertStrictEquals(await text.set(5), true);
    assertStrictEquals(await text.incr(), 6);
    assertStrictEquals(await text.incr(4n), 10n);
    assertStrictEquals(await text.decr(3), 7);
    assertStrictEquals(await text.decr(100n), 0n);
    assertEquals(await client.get(name), 0);
    assertEquals(text.cas, (await client.gets(name))?.cas);
    assertStrictEquals(await text.delete(), true);
    assertEquals(await client.has(name), false);
    for (const [title, change] of Object.entries(CHANGES)) {
      const gone = text as Awaited<ReturnType<typeof itemOf>>;
      assertStrictEquals(await change(gone), undefined, title);
    }
  },

  "an item's changes leave alone what others have changed": async (stage) => {
    const { client, key } = stage;
    for (const [title, change] of Object.entries(CHANGES)) {
      const anywhere = title === "set" || title === "touch";
      if (!meta(stage) && !anywhere) continue;
      const name = key();
      await client.set(name, 5);
      const item = await itemOf(client, name);
      await client.set(name, 6);
      const { cas } = await itemOf(client, name);
      assertStrictEquals(await change(item), false, title);
      assertEquals((await itemOf(client, name)).cas, cas, title);
      assertEquals(await client.get(name), 6, title);
      await client.delete(name);
      assertStrictEquals(await change(item), undefined, title);
      assertEquals(await client.has(name), false, title);
    }
  },

  "an item's guarded methods are refused without meta": async (stage) => {
    if (meta(stage)) return;
    const { client, key } = stage;
    const name = key();
    await client.set(name, 5);
    const item = await itemOf(client, name);
    for (const [title, change] of Object.entries(CHANGES)) {
      if (title === "set" || title === "touch") continue;
      await rejects(
        () => change(item),
        MemcacheUnknownCommandError,
        { sent: false, key: name },
        title,
      );
    }
    assertEquals(await client.get(name), 5);
    assertStrictEquals(await item.touch(-1), true);
    assertEquals(await client.has(name), false);
  },

  "an item's touch() keeps the stored bytes, not what became of the value":
    async (stage) => {
      const { client, key } = stage;
      const name = key();
      await client.set(name, { list: [1] });
      const item = await client.getItem<{ list: number[] }>(name);
      item?.value.list.push(2);
      assertStrictEquals(await item?.touch(100), true);
      assertEquals(await client.get(name), { list: [1] });
    },

  "an item's methods refuse what cannot be sent": async (stage) => {
    const { client, key } = stage;
    const name = key();
    await client.set(name, 5);
    const item = await itemOf(client, name);
    await rejects(() => item.set(undefined), MemcacheSerdeError, {
      sent: false,
    });
    await refuses(() => item.set(1, { ttl: 1.5 }), "a fraction as ttl");
    await refuses(() => item.touch(NaN), "NaN as ttl");
    if (meta(stage)) {
      await refuses(() => item.incr(-1), "a delta below 0");
      await client.set(name, "text");
      const text = await itemOf(client, name);
      await rejects(() => text.incr(), MemcacheNonNumericError);
    }
    const { set } = item;
    await refuses(() => set.call({} as typeof item, 1), "no item");
    assertEquals(item.cas > 0n, true);
  },

  "update() stores what the function makes of the value": async (
    { client, key },
  ) => {
    const name = key();
    const seen: unknown[] = [];
    const add = (value: number | undefined): number => {
      seen.push(value);
      return (value ?? 0) + 1;
    };
    assertStrictEquals(await client.update(name, add), 1);
    assertStrictEquals(await client.update(name, add, { ttl: 100 }), 2);
    assertStrictEquals(
      await client.update<number>(name, (value) => Promise.resolve(add(value))),
      3,
    );
    assertEquals(await client.get(name), 3);
    assertEquals(seen, [undefined, 1, 2]);
  },

  "update() leaves all as it is for undefined, and for what is thrown": async (
    { client, key },
  ) => {
    const name = key();
    const nothing = () => undefined;
    assertStrictEquals(await client.update(name, nothing), undefined);
    assertEquals(await client.has(name), false);
    await client.set(name, "value");
    const before = await client.gets(name);
    assertStrictEquals(await client.update(name, nothing), undefined);
    const reason = new Error("no");
    for (
      const fn of [() => Promise.reject(reason), () => {
        throw reason;
      }]
    ) {
      const error = await client.update(name, fn).catch((error) => error);
      assertStrictEquals(error, reason);
    }
    assertEquals(await client.gets(name), before);
  },

  "update() begins again when others have changed the item": async (
    { client, key },
  ) => {
    const name = key();
    await client.set(name, ["a"]);
    const seen: unknown[] = [];
    const stored = await client.update<string[]>(name, async (value) => {
      seen.push(value);
      if (seen.length === 1) await client.set(name, ["b"]);
      if (seen.length === 2) await client.delete(name);
      if (seen.length === 3) await client.add(name, ["d"]);
      return [...value ?? [], "mine"];
    });
    assertEquals(seen, [["a"], ["b"], undefined, ["d"]]);
    assertEquals(stored, ["d", "mine"]);
    assertEquals(await client.get(name), ["d", "mine"]);
  },

  "update() gives up after its attempts": async ({ client, key }) => {
    const name = key();
    let calls = 0;
    const lose = async () => {
      await client.set(name, ++calls);
      return "mine";
    };
    await rejects(
      () => client.update(name, lose, { attempts: 3 }),
      MemcacheCasError,
      { code: "ERR_CAS", key: name, sent: true },
    );
    assertEquals([calls, await client.get(name)], [3, 3]);
  },

  "update() counts every one of many at once": async (
    { client, key, open },
  ) => {
    const name = key();
    type Count = { count: number };
    const add = (value: Count | undefined): Count => ({
      count: (value?.count ?? 0) + 1,
    });
    await open({}, async ({ client: other }) => {
      const counts = await Promise.all(
        Array.from(
          { length: 60 },
          (_, i) => (i % 2 === 0 ? client : other).update(name, add),
        ),
      );
      assertEquals(
        counts.map((one) => one?.count ?? 0).toSorted((a, b) => a - b),
        Array.from({ length: 60 }, (_, i) => i + 1),
      );
    });
    assertEquals(await client.get(name), { count: 60 });
  },

  "update() refuses what it cannot use": local(async ({ client, key }) => {
    const name = key();
    const keep = (value: unknown) => value;
    await refuses(
      () => client.update(name, "fn" as unknown as () => 1),
      "no function",
    );
    for (const attempts of [0, -1, 1.5, NaN, "2" as unknown as number]) {
      await refuses(() => client.update(name, keep, { attempts }), "attempts");
    }
    await refuses(() => client.update(name, keep, { ttl: 1.5 }), "ttl");
    await refuses(() => client.update(name, keep, { timeout: -1 }), "timeout");
    await refuses(() => client.update("a b", keep), "key");
  }),

  "counters without flags begin by one command": async (stage) => {
    for (const serde of [rawSerde, textSerde]) {
      await stage.tapped(async (tap, { client }) => {
        const name = stage.key();
        await client.get(name);
        tap.sent = "";
        const counts = [
          await client.incr(name, 5, { initial: 7, ttl: 100 }),
          await client.incr(name, 5n, { initial: 7, ttl: 100 }),
          await client.decr(name, 2, { initial: 7 }),
        ];
        assertEquals(counts, [7, 12n, 10]);
        const commands = tap.sent.match(/^(?:ma|incr|decr|add) /gm);
        // The first may be sent before it is known what the server speaks.
        if (meta(stage) && stage.ordered) {
          assertEquals(commands, ["ma ", "ma ", "ma "]);
        }
        const item = await client.getItem(name);
        assertEquals(item?.flags, 0);
        assertEquals(
          serde === textSerde ? item?.value : String(item?.value),
          serde === textSerde ? "10" : String(new TextEncoder().encode("10")),
        );
        if (!meta(stage)) return;
        assert((await client.ttl(name) ?? 0) > 90);
        const empty = stage.key();
        const most = 2n ** 64n - 1n;
        assertEquals(await client.decr(empty, 1n, { initial: most }), most);
        assertStrictEquals(await client.ttl(empty), -1);
        await rejects(
          () => client.decr(empty, 1, { initial: 0 }),
          MemcacheSerdeError,
        );
      }, { serde });
    }
  },
};
