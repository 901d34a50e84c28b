import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertStrictEquals,
} from "@std/assert";
import {
  Client,
  type Feed,
  HashClient,
  MemcacheConnectionError,
  MemcacheIllegalInputError,
  MemcacheNoServersError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
  PooledClient,
  RetryingClient,
  type WatchEvent,
  type WatchTopic,
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
import { Counter, failure, some, until, withClient } from "./_feeds.ts";

/** The events of a feed up to one that is wanted. */
async function upTo(
  feed: Feed<WatchEvent>,
  isWanted: (event: WatchEvent) => boolean,
): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const event of feed) {
    events.push(event);
    if (isWanted(event)) break;
  }
  return events;
}

/** What logs tell on any server. */
async function tells(server: string): Promise<void> {
  await withClient(server, { keyPrefix: "p:" }, async (client) => {
    const feed = client.watch(["fetchers", "mutations", "connevents"]);
    await feed.opened();
    const before = Date.now();
    await client.set("a%b", "x", { ttl: 60 });
    await client.get("a%b");
    await client.get("nothing");
    await client.quit();
    const told = await upTo(feed, ({ type }) => type === "conn_close");
    for (const event of told) {
      assert(event.type !== "skipped");
      assertEquals(event.server, server);
      assert(Math.abs(event.timestamp - before) < 60_000, `${event.timestamp}`);
      assertGreater(event.gid, 0);
    }
    const seen = told.map((event) => {
      switch (event.type) {
        case "item_get":
          return `get ${event.key} ${event.status} ${event.size}`;
        case "item_store":
          return `${event.command} ${event.key} ${event.status} ${event.ttl} ${event.size}`;
        default:
          return event.type;
      }
    });
    const wanted = [
      "conn_new",
      "set p:a%b stored 60 1",
      "get p:a%b found 1",
      "get p:nothing not_found 0",
      "conn_close",
    ];
    assertEquals(seen.filter((line) => wanted.includes(line)), wanted);
  });
}

test("watch() tells what happens", async () => {
  await withMemcached({}, ({ server }) => tells(server));
}, needsMemcached);

test("watch() does the same on the embedded server", async () => {
  const server = await MemcachedServer.start();
  await tells(server.address);
  await server.close();
});

test("watch() tells of evictions", async () => {
  await withMemcached({ args: ["-m", "2"] }, async ({ server }) => {
    await withClient(server, {}, async (client) => {
      const feed = client.watch("evictions");
      await feed.opened();
      const value = new Uint8Array(100_000);
      for (let i = 0; i < 100; i++) await client.set(`k${i}`, value);
      const [event] = await some(feed, 1);
      assert(event.type === "eviction");
      assert(/^k\d+$/.test(String(event.key)));
      assertEquals([event.fetched, event.ttl, event.size], [
        false,
        -1,
        100_000,
      ]);
    });
  });
}, needsMemcached);

for (const transport of TRANSPORTS) {
  test(`watch() connects as the client does: ${transport}`, async () => {
    await withMemcached({ transport }, async ({ server, options }) => {
      await withClient(server, options, async (client) => {
        const feed = client.watch();
        await feed.opened();
        await client.get("a");
        const [event] = await some(feed, 1);
        assertEquals([event.type, event.server], ["item_get", server]);
      });
    });
  }, needsMemcached);
}

test("watch() closes its connection when the loop is left", async () => {
  await withMemcached({}, async ({ server }) => {
    const counter = new Counter();
    await withClient(server, { dial: counter.dial }, async (client) => {
      const feed = client.watch();
      await feed.opened();
      await client.get("a");
      assertEquals(counter.open.size, 2);
      await some(feed, 1);
      assertEquals([counter.open.size, (await feed.next()).done], [1, true]);
      await until(async () => (await client.stats()).log_watchers === 0);
    });
  });
}, needsMemcached);

test("watch() is given up by a signal, and by the client", async () => {
  await withMemcached({}, async ({ server }) => {
    const counter = new Counter();
    const client = new Client(server, { dial: counter.dial });
    const reason = new Error("enough");
    const control = new AbortController();
    const feed = client.watch("fetchers", { signal: control.signal });
    const next = failure(feed.next());
    await feed.opened();
    control.abort(reason);
    assertStrictEquals(await next as unknown, reason);
    assertEquals(counter.open.size, 0);
    const other = client.watch();
    const lost = failure(other.next());
    await other.opened();
    await client.close();
    assertEquals((await lost).code, "ERR_CLIENT_CLOSED");
    assertEquals(counter.open.size, 0);
  });
}, needsMemcached);

test(
  "watch() waits without an end, or for as long as its timeout",
  async () => {
    await withMemcached({}, async ({ server }) => {
      await withClient(server, { timeout: 100 }, async (client) => {
        const patient = client.watch();
        let isOver = false;
        const waiting = patient.next().then(() => isOver = true);
        const error = await failure(
          client.watch("fetchers", { timeout: 200 }).next(),
        );
        assertInstanceOf(error, MemcacheTimeoutError);
        assertEquals(isOver, false);
        await client.get("a");
        await waiting;
        await patient.return();
      });
    });
  },
  needsMemcached,
);

test("watch() says how much it was too slow for", async () => {
  await withMemcached({}, async ({ server }) => {
    const counter = new Counter();
    await withClient(server, { timeout: 0 }, async (client) => {
      await withClient(server, { dial: counter.dial }, async (watcher) => {
        const feed = watcher.watch("fetchers");
        await feed.opened();
        const keys = Array.from({ length: 5000 }, (_, i) => `k${i}`);
        const skipped = async () => {
          await client.getMany(keys);
          return Number((await client.stats()).log_watcher_skipped);
        };
        // The server's room and the system's buffers are used up some time.
        while (await skipped() === 0);
        assertLess(counter.received, 1_200_000);
        // It goes on where there is room again.
        let isOver = false;
        const reading = upTo(feed, ({ type }) => type === "skipped")
          .finally(() => isOver = true);
        while (!isOver) await skipped();
        const [last] = (await reading).reverse();
        assert(last.type === "skipped");
        assertEquals(last.server, server);
        assertGreater(last.count, 0);
      });
    });
  });
}, { ...needsMemcached, timeout: 60_000 });

test("watch() asks for nothing that the server does not know", async () => {
  await withMemcached({}, async ({ server }) => {
    await withClient(server, {}, async (client) => {
      const feed = client.watch(["fetchers", "deletions"]);
      const error = await failure(feed.next());
      assertInstanceOf(error, MemcacheIllegalInputError);
      assert(error.message.includes("1.6.20"), error.message);
      assert(error.message.includes("1.6.18"), error.message);
    });
  });
}, needsMemcached);

test("watch() refuses what is no topic, and connects to nothing", async () => {
  const server = await ScriptedServer.start();
  const client = new Client(server.address);
  const hostile = [
    "bogus",
    "",
    "fetchers mutations",
    "fetchers\r\nflush_all",
    ["fetchers", "x"],
    [],
    5,
    null,
    {},
    [["fetchers"]],
  ];
  for (const topics of hostile) {
    const feed = client.watch(topics as unknown as WatchTopic);
    assertInstanceOf(await failure(feed.next()), MemcacheIllegalInputError);
  }
  for (const options of [{ timeout: -1 }, { signal: 1 }]) {
    const feed = client.watch("fetchers", options as { timeout: number });
    assertInstanceOf(await failure(feed.opened()), MemcacheIllegalInputError);
  }
  assertEquals(server.peers.length, 0);
  await client.close();
  await server.close();
});

/** A server that answers `version` and `watch`. */
function log(answer: string, version = "1.6.45"): Script {
  return ({ line, name }, peer) => {
    if (line === "version") return `VERSION ${version}\r\n`;
    if (name !== "watch") return "ERROR\r\n";
    if (!answer.endsWith("<end>")) return answer;
    peer.end(answer.slice(0, -5));
    return undefined;
  };
}

test("watch() sends the topics once, with deletions where they are known", async () => {
  const line = "ts=5.25 gid=3 type=deleted key=a cmd=md clsid=1 size=4\n";
  const command = log(`OK\r\n${line}`);
  const server = await ScriptedServer.start({ command });
  const client = new Client(server.address);
  const topics: WatchTopic[] = ["deletions", "fetchers", "deletions"];
  const [event] = await some(client.watch(topics), 1);
  assertEquals(event, {
    server: server.address,
    timestamp: 5000.025,
    gid: 3,
    type: "deleted",
    key: "a",
    command: "md",
    slabClass: 1,
    size: 4,
  });
  assertEquals(server.peers[0].lines, ["version", "watch deletions fetchers"]);
  await some(client.watch(), 1);
  assertEquals(server.peers[1].lines[1], "watch fetchers mutations evictions");
  await client.close();
  await server.close();
});

test("watch() tells what ended it", async () => {
  const entry = "ts=5.25 gid=3 type=x\n";
  const cases: ReadonlyArray<
    [string, abstract new (...args: never[]) => Error, string]
  > = [
    ["ERROR\r\n", MemcacheUnknownCommandError, "ERR_UNKNOWN_COMMAND"],
    [
      "WATCHER_TOO_MANY log watcher limit reached\r\n",
      MemcacheServerError,
      "ERR_BUSY",
    ],
    [
      "WATCHER_FAILED failed to add log watcher\r\n",
      MemcacheUnknownError,
      "ERR_UNKNOWN_REPLY",
    ],
    [
      `OK\r\n${entry}<end>`,
      MemcacheUnexpectedCloseError,
      "ERR_UNEXPECTED_CLOSE",
    ],
    [
      `OK\r\n${entry}ts=5.2<end>`,
      MemcacheUnexpectedCloseError,
      "ERR_UNEXPECTED_CLOSE",
    ],
    [`OK\r\n${entry}hello\n`, MemcacheUnknownError, "ERR_UNKNOWN_REPLY"],
    [`OK\r\n${"x".repeat(70_000)}`, MemcacheUnknownError, "ERR_UNKNOWN_REPLY"],
  ];
  for (const [answer, Class, code] of cases) {
    const server = await ScriptedServer.start({ command: log(answer) });
    const client = new Client(server.address);
    const feed = client.watch();
    const error = await failure((async () => {
      for await (const event of feed) assertEquals(event.type, "other");
    })());
    assertInstanceOf(error, Class, answer.slice(0, 40));
    assertEquals([error.code, error.server, error.command], [
      code,
      server.address,
      "watch",
    ]);
    await until(() => server.peers[0].closed);
    await client.close();
    await server.close();
  }
});

test("watch() of a HashClient tells of all servers", async () => {
  const servers = await Promise.all([1, 2, 3].map(() => startMemcached()));
  const names = servers.map(({ server }) => server);
  const client = new HashClient(names);
  const feed = client.watch("mutations");
  await feed.opened();
  const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
  await client.setMany(keys.map((key) => [key, 1] as const));
  const events = await some(feed, keys.length);
  assertEquals(
    events.map((event) => event.type === "item_store" && event.key).sort(),
    [...keys].sort(),
  );
  for (const event of events) {
    assert(event.type === "item_store");
    assertEquals(event.server, client.serversFor(String(event.key))[0]);
  }
  assertEquals(new Set(events.map(({ server }) => server)).size, 3);
  // One that ends is the end of it all.
  const other = client.watch("mutations");
  await other.opened();
  const lost = failure(other.next());
  await servers[1].kill();
  const error = await lost;
  assertInstanceOf(error, MemcacheUnexpectedCloseError);
  assertEquals([error.server, (await other.next()).done], [names[1], true]);
  const none = await failure(client.watch().next());
  assertInstanceOf(none, MemcacheConnectionError);
  assertEquals(none.server, names[1]);
  await client.close();
  await servers[0].kill();
  await servers[2].kill();
  const empty = new HashClient([]);
  const reason = await failure(empty.watch().next());
  assertInstanceOf(reason, MemcacheNoServersError);
  await empty.close();
}, { ...needsMemcached, timeout: 20_000 });

test("watch() is there on clients of other kinds", async () => {
  const server = await MemcachedServer.start();
  for (
    const client of [
      new PooledClient(server.address),
      new RetryingClient(new Client(server.address)),
      new HashClient([server.address]),
    ]
  ) {
    const feed = client.watch("fetchers");
    await feed.opened();
    await client.get("a");
    const [event] = await some(feed, 1);
    assertEquals(event.type, "item_get");
    await client.close();
  }
  await server.close();
});
