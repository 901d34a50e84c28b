import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  Client,
  HashClient,
  type LruTuning,
  MemcacheClientError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
  PooledClient,
  RetryingClient,
  type TuningCommands,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { ScriptedServer } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { failure, until, withClient } from "./_feeds.ts";

const TUNING: LruTuning = {
  hot: 10,
  warm: 25,
  hotMaxFactor: 0.1,
  warmMaxFactor: 2,
};

/** What the commands do to any server. */
async function tunes(client: Client): Promise<void> {
  const settings = () => client.statsSettings();
  assertEquals(await client.lruTune(TUNING), true);
  const tuned = await settings();
  assertEquals([tuned.hot_lru_pct, tuned.warm_lru_pct], [10, 25]);
  assertEquals([tuned.hot_max_factor, tuned.warm_max_factor], [0.1, 2]);
  assertEquals(await client.lruTune({ ...TUNING, hot: 0, warm: 80 }), true);

  assertEquals(await client.lruMode("flat"), true);
  assertEquals((await settings()).lru_segmented, false);
  assertEquals(await client.lruMode("segmented"), true);
  assertEquals((await settings()).lru_segmented, true);

  assertEquals(await client.lruTempTtl(61), true);
  assertEquals((await settings()).temporary_ttl, 61);
  assertEquals(await client.lruTempTtl(-1), true);
  assertEquals((await settings()).temp_lru, false);

  assertEquals(await client.lruCrawlerEnable(), "notStarted");
  assertEquals(await client.lruCrawlerSleep(200), true);
  assertEquals(await client.lruCrawlerToCrawl(300), true);
  const crawler = await settings();
  assertEquals([crawler.lru_crawler_sleep, crawler.lru_crawler_tocrawl], [
    200,
    300,
  ]);
  assertEquals(await client.lruCrawlerCrawl("all"), "ok");
  assertEquals(await client.lruCrawlerDisable(), true);
  assertEquals(await client.lruCrawlerDisable(), true);
  // It may have to finish what it is at.
  await until(async () => (await settings()).lru_crawler === false);
  const error = await failure(client.lruCrawlerCrawl("all"));
  assertInstanceOf(error, MemcacheClientError);
  assertEquals(await client.lruCrawlerEnable(), "ok");
  assertEquals((await settings()).lru_crawler, true);
  const listed = await client.lruCrawlerCrawl(new Set([1, 2]));
  assert(listed === "ok" || listed === "busy", listed);

  assertEquals(await client.slabsReassign(1, 1), "same");
  assertEquals(await client.slabsReassign(1, 2), "noSpare");
  assertEquals(await client.slabsReassign(1, 63), "badClass");
  for (const mode of [0, 1, 2] as const) {
    assertEquals(await client.slabsAutomove(mode), true);
    assertEquals(Boolean((await settings()).slab_automove), mode > 0);
  }
}

test("a server is tuned, and its answers are read", async () => {
  await withMemcached({}, ({ server }) => withClient(server, {}, tunes));
}, needsMemcached);

test("the embedded server is tuned in the same way", async () => {
  const server = await MemcachedServer.start();
  await withClient(server.address, {}, tunes);
  await server.close();
});

test("slabsReassign() moves a page", async () => {
  await withMemcached({ args: ["-m", "8"] }, async ({ server }) => {
    await withClient(server, {}, async (client) => {
      const small = new Uint8Array(1000);
      for (let i = 0; i < 4000; i++) void client.set(`small${i}`, small);
      await client.set("large", new Uint8Array(100_000));
      const { slabs } = await client.statsSlabs();
      const [from, to] = [...slabs.keys()];
      const answer = await client.slabsReassign(from, to);
      assertEquals(answer, "ok");
    });
  });
}, needsMemcached);

const CALLS: Readonly<
  Record<
    keyof TuningCommands,
    readonly [line: string, call: (client: Client) => Promise<unknown>]
  >
> = {
  lruTune: ["lru tune 10 25 0.1 2", (client) => client.lruTune(TUNING)],
  lruMode: ["lru mode flat", (client) => client.lruMode("flat")],
  lruTempTtl: ["lru temp_ttl -1", (client) => client.lruTempTtl(-1)],
  lruCrawlerEnable: [
    "lru_crawler enable",
    (client) => client.lruCrawlerEnable(),
  ],
  lruCrawlerDisable: [
    "lru_crawler disable",
    (client) => client.lruCrawlerDisable(),
  ],
  lruCrawlerSleep: [
    "lru_crawler sleep 1000000",
    (client) => client.lruCrawlerSleep(1_000_000),
  ],
  lruCrawlerToCrawl: [
    "lru_crawler tocrawl 4294967295",
    (client) => client.lruCrawlerToCrawl(4294967295),
  ],
  lruCrawlerCrawl: [
    "lru_crawler crawl 1,63",
    (client) => client.lruCrawlerCrawl([1, 63, 1]),
  ],
  slabsReassign: [
    "slabs reassign -1 0",
    (client) => client.slabsReassign(-1, 0),
  ],
  slabsAutomove: ["slabs automove 2", (client) => client.slabsAutomove(2)],
};

/** What a server may answer, by the command that may be answered so. */
const ANSWERS: Readonly<
  Partial<Record<keyof TuningCommands, Readonly<Record<string, unknown>>>>
> = {
  lruCrawlerEnable: {
    "ERROR failed to start lru crawler thread": "notStarted",
  },
  lruCrawlerCrawl: {
    "BUSY currently processing crawler request": "busy",
    "BADCLASS invalid class id": "badClass",
    "NOTSTARTED no items to crawl": "notStarted",
  },
  slabsReassign: {
    "BUSY currently processing reassign request": "busy",
    "BADCLASS invalid src or dst class id": "badClass",
    "NOSPARE source class has no spare pages": "noSpare",
    "NOTFULL dest class has spare memory": "notFull",
    "UNSAFE": "unsafe",
    "SAME src and dst class are identical": "same",
  },
};

test("each command is one line, and knows the answers that are its own", async () => {
  let answer = "OK";
  const server = await ScriptedServer.start({
    command: ({ name }, peer) => {
      if (name === "mn") return "MN\r\n";
      return peer.commands.length > 0 ? `${answer}\r\n` : undefined;
    },
  });
  const client = new Client(server.address, { timeout: 2000 });
  const words = new Set(
    Object.values(ANSWERS).flatMap((answers) => Object.keys(answers)),
  );
  for (const [name, [line, call]] of Object.entries(CALLS)) {
    const own = ANSWERS[name as keyof TuningCommands] ?? {};
    answer = "OK";
    const isWord = own === ANSWERS.slabsReassign ||
      name === "lruCrawlerCrawl" ||
      name === "lruCrawlerEnable";
    assertEquals(await call(client), isWord ? "ok" : true, name);
    assertEquals(server.last.lines[server.last.lines.length - 1], line);
    for (const word of words) {
      answer = word;
      const known = own[word] ??
        Object.entries(own).find(([own]) =>
          own.split(" ")[0] === word.split(" ")[0]
        )?.[1];
      if (known !== undefined && !word.startsWith("ERROR")) {
        assertEquals(await call(client), known, `${name}: ${word}`);
      } else if (own[word] !== undefined) {
        assertEquals(await call(client), own[word]);
      } else {
        const error = await failure(call(client));
        const Class = word.startsWith("ERROR")
          ? MemcacheUnknownCommandError
          : MemcacheUnknownError;
        assertInstanceOf(error, Class, `${name}: ${word}`);
      }
    }
  }
  for (const word of ["OKAY", "BUSYBODY", "ok", "STORED", "END", "HD"]) {
    answer = word;
    const error = await failure(client.slabsReassign(1, 2));
    assertInstanceOf(error, MemcacheUnknownError, word);
  }
  answer = "CLIENT_ERROR bad command line format";
  const error = await failure(client.lruCrawlerSleep(1));
  assertInstanceOf(error, MemcacheClientError);
  await client.close();
  await server.close();
});

test("numbers are checked before a byte is written", async () => {
  const server = await ScriptedServer.start();
  const client = new Client(server.address);
  const bad = [NaN, Infinity, 1.5, "1", null, undefined, {}, 1n, true, "1\r\n"];
  const refused: Array<Promise<unknown>> = [];
  const any = client as unknown as Record<
    string,
    (...args: unknown[]) => Promise<unknown>
  >;
  for (const value of bad) {
    for (const name of ["hot", "warm"]) {
      refused.push(any.lruTune({ ...TUNING, [name]: value }));
    }
    if (value !== 1.5) {
      for (const name of ["hotMaxFactor", "warmMaxFactor"]) {
        refused.push(any.lruTune({ ...TUNING, [name]: value }));
      }
    }
    refused.push(
      any.lruMode(value),
      any.lruTempTtl(value),
      any.lruCrawlerSleep(value),
      any.lruCrawlerToCrawl(value),
      any.lruCrawlerCrawl(value),
      any.lruCrawlerCrawl([1, value]),
      any.slabsReassign(value, 1),
      any.slabsReassign(1, value),
      any.slabsAutomove(value),
    );
  }
  const cases: ReadonlyArray<[string, unknown[]]> = [
    ["lruTune", [{ ...TUNING, hot: 81 }]],
    ["lruTune", [{ ...TUNING, hot: -1 }]],
    ["lruTune", [{ ...TUNING, hot: 60, warm: 21 }]],
    ["lruTune", [{ ...TUNING, hotMaxFactor: 0 }]],
    ["lruTune", [{ ...TUNING, warmMaxFactor: 1e-7 }]],
    ["lruTune", [{ ...TUNING, warmMaxFactor: 1e21 }]],
    ["lruTune", [null]],
    ["lruMode", ["Flat"]],
    ["lruTempTtl", [-2]],
    ["lruTempTtl", [2 ** 31]],
    ["lruCrawlerSleep", [1_000_001]],
    ["lruCrawlerSleep", [-1]],
    ["lruCrawlerToCrawl", [2 ** 32]],
    ["lruCrawlerCrawl", [0]],
    ["lruCrawlerCrawl", [64]],
    ["lruCrawlerCrawl", [[]]],
    ["lruCrawlerCrawl", ["1"]],
    ["slabsReassign", [-2, 1]],
    ["slabsReassign", [64, 1]],
    ["slabsReassign", [1, -1]],
    ["slabsAutomove", [3]],
    ["slabsAutomove", [-1]],
  ];
  for (const [name, args] of cases) refused.push(any[name](...args));
  for (const end of await Promise.allSettled(refused)) {
    assert(end.status === "rejected");
    assertInstanceOf(end.reason, MemcacheIllegalInputError);
    assertEquals(end.reason.sent, false);
  }
  assertEquals(server.peers.length, 0);
  await client.close();
  await server.close();
});

test("clients of other kinds tune servers, too", async () => {
  const servers = await Promise.all([1, 2].map(() => MemcachedServer.start()));
  const [one, two] = servers.map(({ address }) => address);
  for (
    const client of [
      new PooledClient(one),
      new RetryingClient(new Client(one)),
    ]
  ) {
    assertEquals(await client.lruTune(TUNING), true);
    assertEquals(await client.slabsReassign(1, 1), "same");
    await client.close();
  }
  const client = new HashClient([one, two]);
  const on = <T>(value: T) => new Map([[one, value], [two, value]]);
  assertEquals(await client.lruTune(TUNING), on(true as const));
  assertEquals(await client.lruMode("flat"), on(true as const));
  assertEquals(await client.lruTempTtl(5), on(true as const));
  assertEquals(await client.lruCrawlerDisable(), on(true as const));
  assertEquals<unknown>(await client.lruCrawlerEnable(), on("ok"));
  assertEquals(await client.lruCrawlerSleep(5), on(true as const));
  assertEquals(await client.lruCrawlerToCrawl(5), on(true as const));
  assertEquals<unknown>(await client.lruCrawlerCrawl("all"), on("ok"));
  assertEquals<unknown>(await client.slabsReassign(1, 1), on("same"));
  assertEquals(await client.slabsAutomove(1), on(true as const));
  const error = await failure(client.lruCrawlerSleep(-1));
  assertInstanceOf(error, MemcacheIllegalInputError);
  await client.close();
  assertInstanceOf(await failure(client.lruMode("flat")), MemcacheError);
  for (const server of servers) await server.close();
});
