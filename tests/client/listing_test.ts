import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  Client,
  FallbackClient,
  HashClient,
  type KeysOptions,
  MemcacheClientError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheOverloadError,
  MemcacheUnexpectedCloseError,
  PooledClient,
  RetryingClient,
  StrictClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, TRANSPORTS, withMemcached } from "../_memcached.ts";
import { ScriptedServer } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import {
  all,
  Counter,
  failure,
  fill,
  some,
  until,
  withClient,
} from "./_feeds.ts";
import { keysOf, sorted } from "./_listing.ts";

const utf8 = { allowUnicodeKeys: true };

/** What listings do on any server. */
async function lists(server: string): Promise<void> {
  await withClient(server, { ...utf8, keyPrefix: "app:" }, async (client) => {
    await withClient(server, utf8, (other) => other.set("apple", 1));
    await client.set("a", 1);
    await client.set("ü%=", "three", { ttl: 1000 });
    await client.set("user:1", 1, { ttl: 4_000_000 });
    await client.get("a");
    const entries = await all(client.keys());
    assertEquals(sorted(entries), ["a", "user:1", "ü%="]);
    const [a] = entries.filter(({ key }) => key === "a");
    const [later] = entries.filter(({ key }) => key === "ü%=");
    const [last] = entries.filter(({ key }) => key === "user:1");
    assertEquals([a.ttl, a.fetched, later.fetched], [-1, true, false]);
    assert(later.ttl >= 990 && later.ttl <= 1001, `${later.ttl}`);
    assert(last.ttl >= 3_999_990 && last.ttl <= 4_000_001, `${last.ttl}`);
    const versions = await client.getsMany(["a", "ü%=", "user:1"]);
    for (const entry of entries) {
      assertEquals(entry.cas, versions.get(String(entry.key))?.cas);
      assertEquals(entry.server, server);
      assert(entry.lastAccess >= 0 && entry.lastAccess < 60);
      assertGreater(entry.slabClass, 0);
      assertGreater(entry.size, 50);
    }
    const found = await all(client.keys({ prefix: "user:" }));
    assertEquals(keysOf(found), ["user:1"]);
    assertEquals(await all(client.keys({ prefix: "no" })), []);
    // The commands' own connection is free meanwhile, and afterwards.
    assertEquals(await client.get("a"), 1);
  });
}

test("keys() lists what is stored, with and without a prefix", async () => {
  await withMemcached({}, ({ server }) => lists(server));
}, needsMemcached);

test("keys() does the same on the embedded server", async () => {
  const server = await MemcachedServer.start();
  await lists(server.address);
  await server.close();
});

for (const transport of TRANSPORTS) {
  test(`keys() connects as the client does: ${transport}`, async () => {
    await withMemcached({ transport }, async ({ server, options }) => {
      await withClient(server, options, async (client) => {
        await client.set("a", 1);
        assertEquals(keysOf(await all(client.keys())), ["a"]);
      });
      if (transport !== "auth") return;
      const wrong = { auth: { username: "tester", password: "wrong" } };
      await withClient(server, wrong, async (client) => {
        const error = await failure(client.keys().next());
        assertEquals(error.code, "ERR_AUTH");
      });
    });
  }, needsMemcached);
}

test("keys() gives keys that are no text as bytes", async () => {
  await withMemcached({}, async ({ server }) => {
    await withClient(server, {}, async (client) => {
      const [key, other] = [Uint8Array.of(97, 255, 0, 32), new Uint8Array(186)];
      await client.meta.set(key, "x");
      await client.meta.set(other.fill(0xfe), "x");
      const found = keysOf(await all(client.keys()));
      assertEquals(
        found.map((key) => key.length).sort((a, b) => a - b),
        [4, 186],
      );
      for (const bytes of found) assertInstanceOf(bytes, Uint8Array);
      assertEquals(found.find((found) => found.length === 4), key);
    });
    await withClient(server, { keyPrefix: "a" }, async (client) => {
      const found = keysOf(await all(client.keys()));
      assertEquals(found, [Uint8Array.of(255, 0, 32)]);
    });
  });
}, needsMemcached);

const COUNT = 200_000;

for (const transport of ["tcp", "tls"] as const) {
  test(`keys() lists ${COUNT} keys, each once, over ${transport}`, async () => {
    await withMemcached({ transport, args: ["-m", "256"] }, async (server) => {
      const { options } = server;
      if (transport === "tcp") await fill(server.port, COUNT);
      else {
        await withClient(server.server, options, async (client) => {
          for (let i = 0; i < COUNT; i += 20_000) {
            const entries = Array.from({ length: 20_000 }, (_, j) => {
              const key = `key:${String(i + j).padStart(6, "0")}`;
              return [key, "hello"] as const;
            });
            await client.setMany(entries);
          }
        });
      }
      const counter = new Counter();
      const all = { ...options, dial: counter.dial };
      await withClient(server.server, all, async (client) => {
        const found = new Uint8Array(COUNT);
        let entries = 0;
        for await (const { key } of client.keys()) {
          entries++;
          found[Number(String(key).slice(4))]++;
        }
        assertEquals(entries, COUNT);
        assert(found.every((count) => count === 1));
        assertEquals([counter.dials, counter.open.size], [1, 0]);
        assertGreater(counter.received, 14_000_000);

        // A reader that stops after ten, and one that leaves.
        counter.received = 0;
        const feed = client.keys();
        const other = new Client(server.server, options);
        for (let i = 0; i < 10; i++) await feed.next();
        assertEquals(
          (await other.stats()).lru_crawler_running,
          1,
          "the listing is not held up",
        );
        let before = -1;
        await until(async () => {
          // No more comes.
          const isStill = before === counter.received;
          before = counter.received;
          await other.version();
          return isStill;
        });
        // 256 KiB wait; up to 512 KiB more may have been read at once (Bun).
        assertLess(counter.received, 1_200_000);
        // Another listing waits in vain, and the server for nobody: it has one
        // thread, which would be stuck if it were asked to crawl now.
        const busy = client.keys({ busyTimeout: 100 });
        assertEquals((await failure(busy.next())).code, "ERR_BUSY");
        await other.version();
        await feed.return();
        assertEquals(counter.open.size, 0);
        await until(async () =>
          (await other.stats()).lru_crawler_running === 0
        );
        assertEquals(await feed.next(), { value: undefined, done: true });
        await other.close();
      });
    });
  }, { ...needsMemcached, timeout: 60_000 });
}

test("keys() closes its connection when the loop is left", async () => {
  await withMemcached({}, async ({ server, port }) => {
    await fill(port, 1000);
    const counter = new Counter();
    await withClient(server, { dial: counter.dial }, async (client) => {
      assertEquals((await some(client.keys(), 10)).length, 10);
      assertEquals([counter.dials, counter.open.size], [1, 0]);
      const { curr_connections: now } = await client.stats();
      await until(async () =>
        (await client.stats()).curr_connections as number <= Number(now)
      );
    });
  });
}, needsMemcached);

test("keys() reads on where the transport cannot be paused", async () => {
  await withMemcached({ args: ["-m", "256"] }, async ({ server, port }) => {
    await fill(port, COUNT);
    const counter = new Counter(false);
    await withClient(server, { dial: counter.dial }, async (client) => {
      const feed = client.keys();
      await feed.next();
      // It is more than may wait: this reader has been too slow.
      await until(() => counter.open.size === 0);
      const error = await failure(feed.next());
      assertInstanceOf(error, MemcacheOverloadError);
      assertEquals((await feed.next()).done, true);
      assertLess(counter.received, 10_000_000);
    });
  });
}, { ...needsMemcached, timeout: 30_000 });

test("keys() is given up by a signal, and by the client", async () => {
  await withMemcached({}, async ({ server, port }) => {
    await fill(port, 20_000);
    const counter = new Counter();
    const client = new Client(server, { dial: counter.dial });
    const reason = new Error("enough");
    const control = new AbortController();
    const early = client.keys({ signal: AbortSignal.abort(reason) });
    assertStrictEquals(await failure(early.next()) as unknown, reason);
    assertEquals([counter.dials, (await early.next()).done], [0, true]);

    const feed = client.keys({ signal: control.signal });
    await feed.next();
    const pending = Promise.all([feed.opened(), feed.next()]);
    await pending;
    control.abort(reason);
    assertEquals(counter.open.size, 0);
    assertStrictEquals(await failure(feed.next()) as unknown, reason);
    assertEquals((await feed.next()).done, true);

    const other = client.keys();
    await other.next();
    await client.disconnect();
    assertInstanceOf(
      await failure(other.next()),
      MemcacheUnexpectedCloseError,
    );
    const last = client.keys();
    await last.next();
    const opening = client.keys();
    const lost = failure(opening.next());
    await client.close();
    assertEquals((await lost).code, "ERR_CLIENT_CLOSED");
    assertEquals((await failure(last.next())).code, "ERR_CLIENT_CLOSED");
    const late = client.keys();
    assertEquals((await failure(late.next())).code, "ERR_CLIENT_CLOSED");
    assertEquals(counter.open.size, 0);
  });
}, needsMemcached);

test("keys() answers many calls of next() in their order", async () => {
  await withMemcached({}, async ({ server }) => {
    await withClient(server, {}, async (client) => {
      for (let i = 0; i < 5; i++) await client.set(`k${i}`, i);
      const feed = client.keys();
      const results = await Promise.all(
        Array.from({ length: 8 }, () => feed.next()),
      );
      assertEquals(
        results.map(({ done }) => done),
        [false, false, false, false, false, true, true, true],
      );
      const keys = results.map(({ value }) => value?.key).filter(Boolean);
      assertEquals(new Set(keys).size, 5);
    });
  });
}, needsMemcached);

test("return() ends a feed for who waits", async () => {
  const server = await ScriptedServer.start({ command: () => undefined });
  const client = new Client(server.address);
  const feed = client.keys();
  const next = feed.next();
  await until(() => server.peers.length === 1);
  assertEquals(await feed.return(), { value: undefined, done: true });
  assertEquals(await next, { value: undefined, done: true });
  await until(() => server.peers[0].closed);
  await client.close();
  await server.close();
});

test("keys() refuses hostile options, and connects to nothing", async () => {
  const server = await ScriptedServer.start();
  const shown: MemcacheError[] = [];
  const client = new Client(server.address, {
    onError: (error) => shown.push(error),
  });
  const hostile = [
    { prefix: 1 },
    { prefix: null },
    { timeout: -1 },
    { timeout: "1" },
    { busyTimeout: NaN },
    { maxPause: 2 ** 31 },
    { signal: {} },
  ];
  for (const options of hostile) {
    const feed = client.keys(options as unknown as KeysOptions);
    const error = await failure(feed.next());
    assertInstanceOf(error, MemcacheIllegalInputError);
    assertEquals(error.sent, false);
  }
  assertEquals([server.peers.length, shown.length], [0, hostile.length]);
  await client.close();
  await server.close();
});

test(
  "keys() says that the crawler is off, and how to switch it on",
  async () => {
    await withMemcached({}, async ({ server }) => {
      await withClient(server, {}, async (client) => {
        assertEquals(await client.lruCrawlerDisable(), true);
        const error = await failure(client.keys().next());
        assertInstanceOf(error, MemcacheClientError);
        assert(error.message.includes("lruCrawlerEnable()"), error.message);
        assertEquals(await client.lruCrawlerEnable(), "ok");
        assertEquals(await all(client.keys()), []);
      });
    });
  },
  needsMemcached,
);

test("keys() is there on every client", async () => {
  const server = await MemcachedServer.start();
  const make = () => new PooledClient(server.address);
  const one = make();
  await one.set("a", 1);
  const empty = await MemcachedServer.start();
  const clients = [
    one,
    new StrictClient(make()),
    new RetryingClient(make()),
    new FallbackClient([make(), new Client(empty.address)]),
    new HashClient([server.address]),
  ];
  for (const client of clients) {
    assertEquals(keysOf(await all(client.keys())), ["a"]);
    await client.close();
    await assertRejects(() => client.keys().next(), MemcacheError);
  }
  const client = make();
  const space = client.namespace("n:");
  await space.set("b", 1);
  assertEquals(keysOf(await all(space.keys())), ["b"]);
  await space.invalidateAll();
  assertEquals(keysOf(await all(space.keys())), []);
  await space.set("c", 1);
  assertEquals(keysOf(await all(space.keys({ prefix: "c" }))), ["c"]);
  await client.close();
  await server.close();
  await empty.close();
});
