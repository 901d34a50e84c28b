/**
 * Listings of servers that are old, busy, or many, and of such as break off.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
} from "@std/assert";
import {
  Client,
  HashClient,
  type KeyEntry,
  MemcacheClientError,
  MemcacheConnectionError,
  type MemcacheError,
  MemcacheNoServersError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, startMemcached } from "../_memcached.ts";
import { type Script, ScriptedServer } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { all, failure, until } from "./_feeds.ts";
import { keysOf, sorted } from "./_listing.ts";

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
