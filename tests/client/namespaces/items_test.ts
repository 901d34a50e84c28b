/**
 * What a namespace does with items, functions of callers, and commands without a
 * reply.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Client, type Item, MemcacheError } from "@x/memcache";
import { needsMemcached, withMemcached } from "../../_memcached.ts";
import { test } from "../../_runtime.ts";
import { linesOf, VERSION, withSpaces } from "./_spaces.ts";

const CHANGES: Record<string, (item: Item) => Promise<unknown>> = {
  set: (item) => item.set(7),
  append: (item) => item.append("1"),
  prepend: (item) => item.prepend("1"),
  incr: (item) => item.incr(2),
  decr: (item) => item.decr(2),
  touch: (item) => item.touch(60),
  delete: (item) => item.delete(),
};

test(
  "methods of an item change nothing of a version that is no more",
  async () => {
    await withMemcached({}, async ({ server }) => {
      const clients = [1, 2].map((one) =>
        new Client(server, { timeout: 4000 + one })
      );
      const [space, theirs] = clients.map((client) => client.namespace("n:"));
      for (const [title, change] of Object.entries(CHANGES)) {
        await space.set("k", 5);
        const item = await space.getItem("k");
        assert(item !== undefined);
        assertEquals({ ...item }, {
          key: "k",
          value: 5,
          flags: 2,
          cas: item.cas,
        });
        const done = await change(item);
        assert(done !== undefined && done !== false, title);
        await space.set("k", 5);
        const gone = await space.getItem("k");
        assert(gone !== undefined);
        await theirs.invalidateAll();
        assertEquals(await change(gone), undefined, title);
        assertEquals(await space.get("k"), undefined, title);
        await theirs.set("k", 6);
        assertEquals(await change(gone), undefined, title);
        assertEquals(await space.get("k"), 6, title);
      }
      const item = await space.getItem("k");
      await theirs.set("k", 8);
      assertEquals(await item?.set(9), false);
      await space.close();
      const error = await assertRejects(
        () => item?.set(9) ?? Promise.resolve(),
        MemcacheError,
      );
      assertEquals(error.code, "ERR_CLIENT_CLOSED");
      for (const client of clients) await client.close();
    });
  },
  needsMemcached,
);

test("update() gives its function no value of a version that is no more", async () => {
  await withSpaces(async ({ space, theirs }) => {
    await space.set("k", 5);
    await theirs.invalidateAll();
    const seen: unknown[] = [];
    const value = await space.update<number>("k", (value) => {
      seen.push(value);
      return (value ?? 100) + 1;
    });
    assertEquals([value, seen], [101, [undefined]]);
    await Promise.all(
      Array.from(
        { length: 40 },
        (_, i) =>
          (i % 2 === 0 ? space : theirs).update<number>(
            "k",
            (value) => (value ?? 0) + 1,
            { attempts: 100 },
          ),
      ),
    );
    assertEquals(await space.get("k"), 141);
    const failure = new Error("no");
    assertEquals(
      await space.update("k", () => {
        throw failure;
      }).catch((error) => error),
      failure,
    );
  });
});

test("helpers see nothing of a version that is no more", async () => {
  await withSpaces(async ({ space, theirs }) => {
    await space.set("k", "value", { ttl: 60 });
    assertEquals(await space.ttl("k"), 60);
    assertEquals(await space.size("k"), 5);
    assertEquals(await space.peek("k"), "value");
    assertEquals(await space.getAndTouch("k", 30), "value");
    assertEquals(await space.invalidate("k"), true);
    await theirs.invalidateAll();
    assertEquals(
      await Promise.all([
        space.ttl("k"),
        space.size("k"),
        space.peek("k", { default: 1 }),
        space.getAndTouch("k", 30),
        space.take("k"),
        space.invalidate("k"),
      ]),
      [undefined, undefined, 1, undefined, undefined, false],
    );
    await theirs.set("k", "new");
    assertEquals(await space.take("k"), "new");
    assertEquals(await theirs.get("k"), undefined);
  });
});

test("stores without a reply go where they belong, and flush() waits for that", async () => {
  await withSpaces(async ({ server, client, space, theirs }) => {
    await space.get("k");
    await theirs.invalidateAll();
    const stores = Array.from(
      { length: 20 },
      (_, i) => space.set(`k${i}`, i, { noreply: true }),
    );
    await space.flush();
    assertEquals(
      (await theirs.getMany(Array.from({ length: 20 }, (_, i) => `k${i}`)))
        .size,
      20,
    );
    assertEquals([...new Set(await Promise.all(stores))], [true]);
    // Under the old version, and once more under the new one.
    const versions = new Set(
      linesOf(server).flatMap((line) =>
        /n:(\w{16}):k\d+ /.exec(line)?.[1] ?? []
      )
        .filter((version) => version !== ""),
    );
    assertEquals(versions.size, 2);
    assertEquals(await space.incr("k1", 1, { noreply: true }), undefined);
    assertEquals(await space.delete("k2", { noreply: true }), true);
    await space.flush();
    assertEquals(await theirs.get("k1"), 2);
    assertEquals(await theirs.get("k2"), undefined);
    assertEquals(await client.has(VERSION), true);
    await assertRejects(
      () => space.flush({ signal: AbortSignal.abort(new Error("enough")) }),
      Error,
      "enough",
    );
  });
});

test("defaultNoreply holds in a namespace", async () => {
  await withSpaces(async ({ space, theirs }) => {
    await space.set("k", 1);
    await theirs.get("k");
    await theirs.invalidateAll();
    await space.set("k", 2);
    await space.setMany({ a: 1, b: 2 });
    await space.flush();
    assertEquals(
      await theirs.getMany(["k", "a", "b"]),
      new Map([["k", 2], ["a", 1], ["b", 2]]),
    );
  }, { defaultNoreply: true });
});
