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
  type KeyEntry,
  type KeysOptions,
  MemcacheClientError,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheNoServersError,
  MemcacheOverloadError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
  PooledClient,
  RetryingClient,
  StrictClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import {
  needsMemcached,
  startMemcached,
  TRANSPORTS,
  withMemcached,
} from "../_memcached.ts";
import { type Script, ScriptedServer } from "../_scripted.ts";
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

const utf8 = { allowUnicodeKeys: true };

function keysOf(entries: readonly KeyEntry[]): Array<string | Uint8Array> {
  return entries.map(({ key }) => key);
}

function sorted(entries: readonly KeyEntry[]): string[] {
  return keysOf(entries).map(String).sort();
}

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

/** A server that answers as a memcached of some version, but for a listing. */
function listing(
  replies: readonly string[],
  { version = "1.6.18", running = ["0"] } = {},
): Script {
  const left = [...replies];
  const states = [...running];
  return ({ line }, peer) => {
    if (line === "version") return `VERSION ${version}\r\n`;
    if (line === "stats") {
      const state = states.length > 1 ? states.shift() : states[0];
      return `STAT time 1000\r\nSTAT lru_crawler_running ${state}\r\nEND\r\n`;
    }
    const reply = left.length > 1 ? left.shift() : left[0];
    if (reply?.endsWith("<end>")) {
      peer.end(reply.slice(0, -5));
      return undefined;
    }
    return reply;
  };
}

const ENTRY = "key=a exp=-1 la=990 cas=1 fetch=no cls=1 size=63\n";

async function withListing<T>(
  script: Script,
  run: (client: Client, server: ScriptedServer) => Promise<T>,
): Promise<T> {
  const server = await ScriptedServer.start({ command: script });
  const client = new Client(server.address, { timeout: 500 });
  try {
    return await run(client, server);
  } finally {
    await client.close();
    await server.close();
  }
}

test("keys() goes by the server's clock, and walks its hash table", async () => {
  const lines = ENTRY +
    "key=b exp=1100 la=400 cas=18446744073709551615 fetch=yes cls=2 size=9 flags=4294967295\n" +
    "key=c exp=900 la=2000 cas=2 fetch=no cls=3 size=1\n";
  await withListing(listing([`${lines}END\r\n`]), async (client, server) => {
    const entries = await all(client.keys());
    const name = server.address;
    const item = { server: name, fetched: false };
    assertEquals(entries, [
      {
        ...item,
        key: "a",
        ttl: -1,
        lastAccess: 10,
        cas: 1n,
        slabClass: 1,
        size: 63,
      },
      {
        ...item,
        key: "b",
        ttl: 100,
        lastAccess: 600,
        cas: 18446744073709551615n,
        fetched: true,
        slabClass: 2,
        size: 9,
        flags: 4294967295,
      },
      {
        ...item,
        key: "c",
        ttl: 0,
        lastAccess: 0,
        cas: 2n,
        slabClass: 3,
        size: 1,
      },
    ]);
    assertEquals(server.peers[0].lines, [
      "version",
      "stats",
      "lru_crawler metadump hash",
    ]);
  });
  for (const version of ["1.6.8", "1.5.22", "unknown"]) {
    const script = listing(["OK\r\nEND\r\n"], { version });
    await withListing(script, async (client, server) => {
      assertEquals(await all(client.keys()), []);
      assertEquals(server.peers[0].lines[2], "lru_crawler metadump all");
    });
  }
});

const BUSY = "BUSY currently processing crawler request\r\n";

test("keys() waits for a crawler that is busy", async () => {
  const script = listing([BUSY, BUSY, `${ENTRY}END\r\n`], {
    running: ["1", "1", "0"],
  });
  await withListing(script, async (client, server) => {
    assertEquals(keysOf(await all(client.keys())), ["a"]);
    const { lines } = server.peers[0];
    // It is not even asked while its statistics say that it is at work.
    assertEquals(lines.indexOf("lru_crawler metadump hash"), 4);
    assertEquals(lines.filter((line) => line.startsWith("lru")).length, 3);
  });
});

test("keys() waits for a busy crawler as long as busyTimeout", async () => {
  for (const script of [listing([BUSY]), listing([""], { running: ["1"] })]) {
    await withListing(script, async (client) => {
      for (const busyTimeout of [0, 60]) {
        const begun = performance.now();
        const error = await failure(client.keys({ busyTimeout }).next());
        assertInstanceOf(error, MemcacheServerError);
        assertEquals(error.code, "ERR_BUSY");
        assert(error.message.includes("try again"), error.message);
        const took = performance.now() - begun;
        assert(took >= busyTimeout && took < busyTimeout + 2000, `${took}`);
      }
      // An abort ends the wait.
      const control = new AbortController();
      const feed = client.keys({ signal: control.signal });
      const reason = new Error("enough");
      const aborted = failure(feed.next());
      setTimeout(() => control.abort(reason), 20);
      assertStrictEquals(await aborted as unknown, reason);
    });
  }
});

test("keys() takes no listing for whole that is not", async () => {
  const cases: ReadonlyArray<
    [string, abstract new (...args: never[]) => Error]
  > = [
    [`${ENTRY}<end>`, MemcacheUnexpectedCloseError],
    [`${ENTRY}EN<end>`, MemcacheUnexpectedCloseError],
    [`${ENTRY}key=b exp=-1 <end>`, MemcacheUnexpectedCloseError],
    [ENTRY, MemcacheTimeoutError],
    [`${ENTRY}key=b exp=-1 la=1 cas=1\nEND\r\n`, MemcacheUnknownError],
    [
      `${ENTRY}key=%G exp=-1 la=1 cas=1 fetch=no cls=1 size=1\nEND\r\n`,
      MemcacheUnknownError,
    ],
    [`${ENTRY}hello\r\nEND\r\n`, MemcacheUnknownError],
    [`${ENTRY}SERVER_ERROR out of memory\r\n`, MemcacheServerError],
    [`${ENTRY}ERROR\r\n`, MemcacheUnknownCommandError],
  ];
  for (const [reply, Class] of cases) {
    await withListing(listing([reply]), async (client, server) => {
      const feed = client.keys({ timeout: 100 });
      assertEquals((await feed.next()).value?.key, "a");
      const error = await failure(feed.next());
      assertInstanceOf(error, Class, reply);
      assertEquals([error.server, error.command], [
        server.address,
        "lru_crawler",
      ]);
      assertEquals((await feed.next()).done, true);
      await until(() => server.peers[0].closed);
    });
  }
});

test("keys() tells why a server lists nothing", async () => {
  const scripts: ReadonlyArray<
    [Script, abstract new (...args: never[]) => Error, string]
  > = [
    [
      listing(["ERROR\r\n"]),
      MemcacheUnknownCommandError,
      "ERR_UNKNOWN_COMMAND",
    ],
    [listing(["CLIENT_ERROR x\r\n"]), MemcacheClientError, "ERR_CLIENT"],
    [
      listing(["ERROR an unknown error happened\r\n"]),
      MemcacheClientError,
      "ERR_CLIENT",
    ],
    [
      () => "ERROR Too many open connections\r\n",
      MemcacheConnectionError,
      "ERR_TOO_MANY_CONNECTIONS",
    ],
    [
      () => "CLIENT_ERROR unauthenticated\r\n",
      MemcacheConnectionError,
      "ERR_AUTH",
    ],
    [
      () => "HTTP/1.1 400 Bad Request\r\n",
      MemcacheUnknownError,
      "ERR_UNKNOWN_REPLY",
    ],
    [() => undefined, MemcacheTimeoutError, "ERR_TIMEOUT"],
  ];
  for (const [script, Class, code] of scripts) {
    await withListing(script, async (client) => {
      const shown: MemcacheError[] = [];
      const error = await failure(client.keys({ timeout: 100 }).next());
      assertInstanceOf(error, Class);
      assertEquals(error.code, code);
      assertEquals(shown, []);
    });
  }
  const client = new Client("127.0.0.1:1");
  assertInstanceOf(
    await failure(client.keys().next()),
    MemcacheConnectionError,
  );
  await client.close();
});

test("keys() of a HashClient lists one server after another", async () => {
  const servers = await Promise.all([1, 2, 3].map(() => startMemcached()));
  const names = servers.map(({ server }) => server);
  const client = new HashClient(names, { keyPrefix: "p:", usePooling: true });
  const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
  await client.setMany(keys.map((key) => [key, key] as const));
  const entries = await all(client.keys());
  assertEquals(sorted(entries), [...keys].sort());
  for (const { server, key } of entries) {
    assertEquals(client.serversFor(String(key))[0], server);
  }
  assertEquals(new Set(entries.map(({ server }) => server)).size, 3);

  // One that is down is an error, once the others have been listed.
  await servers[0].kill();
  const found: KeyEntry[] = [];
  const error = await failure((async () => {
    for await (const entry of client.keys()) found.push(entry);
  })());
  assertInstanceOf(error, MemcacheConnectionError);
  assertEquals(error.server, names[0]);
  assertEquals(
    found.length,
    entries.filter(({ server }) => server !== names[0]).length,
  );
  await servers[1].kill();
  const two = await failure(all(client.keys()));
  assertEquals(two.errors?.map(({ server }) => server), names.slice(0, 2));
  await client.close();
  assertEquals((await failure(client.keys().next())).code, "ERR_CLIENT_CLOSED");
  await servers[2].kill();
  const none = new HashClient([]);
  assertInstanceOf(await failure(none.keys().next()), MemcacheNoServersError);
  await none.close();
}, { ...needsMemcached, timeout: 20_000 });

test("keys() and watch() wait for a list of servers", async () => {
  const server = await MemcachedServer.start();
  let listed: (list: string[]) => void = () => {};
  const servers = {
    async *[Symbol.asyncIterator]() {
      yield await new Promise<string[]>((resolve) => listed = resolve);
    },
  };
  const client = new HashClient(servers);
  const waiting = all(client.keys());
  const watching = client.watch().opened();
  await new Promise((resolve) => setTimeout(resolve, 20));
  listed([server.address]);
  assertEquals(await waiting, []);
  await watching;
  await client.close();
  await server.close();

  const never = new HashClient({
    async *[Symbol.asyncIterator]() {
      yield await new Promise<string[]>(() => {});
    },
  });
  const late = await failure(never.keys({ timeout: 30 }).next());
  assertInstanceOf(late, MemcacheTimeoutError);
  const lost = failure(never.keys({ timeout: 0 }).next());
  await never.close();
  assertEquals((await lost).code, "ERR_CLIENT_CLOSED");
});

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
