/**
 * `errorsAsMisses`: reads that fail answer as misses.
 *
 * @module
 */
import {
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
} from "@std/assert";
import {
  type ClientOptions,
  type ErrorClass,
  type KeyCommands,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import { type Behaviours, local, rejects, type Traits } from "./stage.ts";

/** The reads, and what a miss is to them. */
const READS: Record<
  string,
  [read: (client: KeyCommands, key: string) => Promise<unknown>, miss: unknown]
> = {
  get: [(c, k) => c.get(k), undefined],
  "get with a default": [(c, k) => c.get(k, { default: 5 }), 5],
  getItem: [(c, k) => c.getItem(k), undefined],
  getMany: [(c, k) => c.getMany([k]), new Map()],
  gets: [(c, k) => c.gets(k), undefined],
  getsMany: [(c, k) => c.getsMany([k]), new Map()],
  gat: [(c, k) => c.gat(k, 0), undefined],
  "gat with a default": [(c, k) => c.gat(k, 0, { default: null }), null],
  gats: [(c, k) => c.gats(k, 0), undefined],
  has: [(c, k) => c.has(k), false],
  getAndTouch: [(c, k) => c.getAndTouch(k, 0), undefined],
};

/** The reads that need meta. */
const META_READS: typeof READS = {
  ttl: [(c, k) => c.ttl(k), undefined],
  size: [(c, k) => c.size(k), undefined],
  peek: [(c, k) => c.peek(k), undefined],
  "peek with a default": [(c, k) => c.peek(k, { default: 5 }), 5],
};

/** The reads of a client. */
function readsOf({ fences = true }: Traits) {
  return Object.entries(fences ? { ...READS, ...META_READS } : READS);
}

/** Options of a client that notes its errors. */
function noting(): { options: ClientOptions; seen: MemcacheError[] } {
  const seen: MemcacheError[] = [];
  const onError = (error: MemcacheError) => {
    seen.push(error);
  };
  return { options: { errorsAsMisses: true, onError }, seen };
}

function assertSeen(
  seen: MemcacheError[],
  expected: ErrorClass,
  about: string,
): void {
  assertEquals(seen.length, 1, about);
  assertInstanceOf(seen.pop(), expected, about);
}

/** Behaviours of the option `errorsAsMisses`. */
export const MISSES: Behaviours = {
  "errorsAsMisses: a server that cannot be reached is a miss": local(async (
    { key, open, traits },
  ) => {
    for (const [title, [read, miss]] of readsOf(traits)) {
      const { options, seen } = noting();
      const dial = () => Promise.reject(new Error("no way"));
      await open({ ...options, dial }, async ({ client }) => {
        assertEquals(await read(client, key()), miss, title);
        assertSeen(seen, MemcacheConnectionError, title);
        if (title !== "has") return;
        await rejects(() => client.set(key(), 1), MemcacheConnectionError);
        await rejects(() => client.delete(key()), MemcacheConnectionError);
        await rejects(() => client.incr(key()), MemcacheConnectionError);
      });
    }
  }),

  "errorsAsMisses: a timeout is a miss": async ({ key, tapped, traits }) => {
    const { options, seen } = noting();
    await tapped(async (tap, { client }) => {
      const mayFail = "servers" in client || (traits.servers ?? 1) > 1;
      await client.set(key(), 1, { timeout: 2000 });
      tap.hold();
      const reads = readsOf(traits);
      await Promise.all(reads.map(async ([title, [read, miss]]) => {
        assertEquals(await read(client, key()), miss, title);
      }));
      assertEquals(seen.length, reads.length);
      for (const error of seen) assertInstanceOf(error, MemcacheTimeoutError);
      await rejects(
        () => client.set(key(), 1),
        // Silence for so long may be a cluster's reason to fail at once.
        mayFail ? MemcacheError : MemcacheTimeoutError,
        { command: "set" },
      );
      tap.release();
    }, { ...options, timeout: 10 });
  },

  "errorsAsMisses: a lost connection is a miss": async (
    { key, ordered, tapped, traits },
  ) => {
    // A connection that has yet to answer its first command gets another try.
    if (!ordered) return;
    const { options, seen } = noting();
    await tapped(async (tap, { client }) => {
      for (const [title, [read, miss]] of readsOf(traits)) {
        const name = key();
        await client.set(name, 1);
        tap.hold();
        tap.sent = "";
        const lost = read(client, name);
        await tap.wrote(name);
        tap.cut();
        assertEquals(await lost, miss, title);
        assertSeen(seen, MemcacheUnexpectedCloseError, title);
        tap.release();
      }
    }, options);
  },

  "errorsAsMisses: what cannot be read is a miss": async (
    { key, open, traits },
  ) => {
    const { options, seen } = noting();
    await open(options, async ({ client }) => {
      const name = key();
      await client.set(name, "no JSON", { flags: 32 });
      for (const [title, [read, miss]] of readsOf(traits)) {
        // What they do not read cannot be unreadable.
        if (["has", "ttl", "size"].includes(title)) continue;
        assertEquals(await read(client, name), miss, title);
        assertSeen(seen, MemcacheSerdeError, title);
      }
    });
  },

  "errorsAsMisses: hits that had arrived are kept": async ({ key, open }) => {
    const { options, seen } = noting();
    await open(options, async ({ client }) => {
      const names = Array.from({ length: 250 }, () => key());
      await client.setMany(names.map((name) => [name, name]));
      await client.set(names[120], "no JSON", { flags: 32 });
      const kept = names.filter((_, i) => i !== 120);
      assertEquals(
        await client.getMany(names),
        new Map(kept.map((name) => [name, name])),
      );
      assertSeen(seen, MemcacheSerdeError, "getMany");
      assertEquals(
        [...(await client.getsMany(names)).keys()].sort(),
        kept.sort(),
      );
      assertSeen(seen, MemcacheSerdeError, "getsMany");
      const got = await Promise.all(names.map((name) => client.get(name)));
      assertEquals(got.filter((value) => value === undefined).length, 1);
      assertSeen(seen, MemcacheSerdeError, "get");
    });
  },

  "errorsAsMisses: take() rejects, whatever fails": async (
    { key, open, traits },
  ) => {
    if (traits.fences === false) return;
    const { options, seen } = noting();
    await open(options, async ({ client }) => {
      const name = key();
      await client.set(name, "no JSON", { flags: 32 });
      await rejects(() => client.take(name), MemcacheSerdeError);
      assertSeen(seen, MemcacheSerdeError, "take");
      assertEquals(await client.has(name), false);
    });
  },

  "errorsAsMisses: illegal input, aborts and a closed client reject": async (
    { key, open, traits },
  ) => {
    const { options, seen } = noting();
    await open(options, async ({ client }) => {
      const reason = new Error("enough");
      for (const [title, [read]] of readsOf(traits)) {
        await rejects(
          () => read(client, "a b"),
          MemcacheIllegalInputError,
          {},
          title,
        );
        assertSeen(seen, MemcacheIllegalInputError, title);
      }
      const signal = AbortSignal.abort(reason);
      const got = await client.get(key(), { signal }).catch((error) => error);
      assertStrictEquals(got, reason);
      await client.close();
      for (const [title, [read]] of readsOf(traits)) {
        await rejects(
          () => read(client, key()),
          MemcacheError,
          { code: "ERR_CLIENT_CLOSED" },
          title,
        );
      }
    });
  },
};
