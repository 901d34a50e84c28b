/**
 * Keys, watch, dump and restore, run in this process.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  appendFileSync,
  existsSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Client } from "../../mod.ts";
import { MemcachedServer } from "../../src/testing/mod.ts";
import {
  DumpReader,
  encodeEnd,
  encodeItem,
  HEAD,
  type Kept,
} from "../../src/cli/dump_file.ts";
import { UsageError } from "../../src/cli/failure.ts";
import { test } from "../_runtime.ts";
import { run } from "./_inside.ts";
import { withFiles, withServer } from "./_with.ts";

const TIMEOUT = { timeout: 60_000 };

/** Items of every kind: all bytes, empty, hours to live, odd keys. */
async function fill(client: Client, many = 0): Promise<void> {
  const bytes = Uint8Array.from({ length: 512 }, (_, i) => i % 256);
  await client.set("all_bytes", bytes, {
    flags: 4_294_967_040,
  });
  await client.set("empty", "");
  await client.set("hours", "text", { ttl: 7200 });
  await client.meta.set("ключ с пробелом", "unicode");
  await client.meta.set(new Uint8Array([255, 1, 10, 37]), "binary");
  await client.setMany(
    Array.from({ length: many }, (_, i) => [`many:${i}`, `value ${i}`]),
  );
}

/** Everything that a server holds, to be compared. */
async function contents(client: Client): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  const entries = [];
  for await (const entry of client.keys()) entries.push(entry);
  for (const { key } of entries) {
    const { value, flags, ttl } = await client.meta.get(key, {
      returnFlags: true,
      returnTtl: true,
    });
    all[String(key)] = [value, flags, ttl];
  }
  return all;
}

test(
  "memcache keys lists keys by prefix, also as JSON",
  withServer(async (memcache, _server, client) => {
    await fill(client);
    const { out, code } = await memcache(["keys", "--prefix", "h"]);
    assertEquals([out, code], ["hours\n", 0]);
    const json = await memcache(["keys", "--json"]);
    const entries = json.out.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(
      entries.map(({ key, keyBase64 }) => key ?? keyBase64).sort(),
      ["/wEKJQ==", "all_bytes", "empty", "hours", "ключ с пробелом"],
    );
    const long = await memcache(["keys", "--long", "--prefix", "hours"]);
    assertMatch(long.out, / B +[12]h \d+m +\d+s ago +new +hours\n$/);
    const two = await memcache(["keys", "--limit", "2"]);
    assertEquals(two.out.split("\n").length, 3);
  }),
  TIMEOUT,
);

test(
  "memcache watch prints events until there are enough, or an interrupt",
  withServer(async (memcache, server, client) => {
    const watching = server.nextRequest("watch");
    const events = memcache(["watch", "mutations", "--count", "1"]);
    await watching;
    await client.set("k", "value");
    const { out, code } = await events;
    assertMatch(out, /^\d\d:\d\d:\d\d\.\d{3} item_store key=k status=stored /);
    assertEquals(code, 0);
    let interrupt = () => {};
    const again = server.nextRequest("watch");
    const endless = memcache(["watch", "--json"], {
      onStart: (end) => interrupt = end,
      onWrite: () => interrupt(),
    });
    await again;
    await client.get("k");
    const ended = await endless;
    assertEquals([ended.code, ended.error], [0, ""]);
    assertEquals(JSON.parse(ended.out.split("\n")[0]).key, "k");
    const unknown = await memcache(["watch", "nonsense"]);
    assertEquals(unknown.code, 2);
  }),
  TIMEOUT,
);

test(
  "memcache dump and restore keep keys, values, flags and lifetimes",
  withServer(async (memcache, _server, client) => {
    await withFiles({}, async (folder) => {
      const file = join(folder, "items");
      await fill(client, 1000);
      const before = await contents(client);
      const dumped = await memcache(["dump", file]);
      assertEquals(dumped.code, 0);
      assertMatch(dumped.error, /^memcache: dumped 1005 items, /);
      assertEquals((await memcache(["dump", file])).code, 2);
      await memcache(["flush"]);
      const restored = await memcache(["restore", file]);
      assertEquals(restored.code, 0);
      assertMatch(restored.error, /^memcache: restored 1005 items, \d+s\n$/);
      const after = await contents(client);
      const ttls = [before, after].map(({ hours }) =>
        (hours as unknown[]).pop()
      );
      assert(Number(ttls[0]) - Number(ttls[1]) <= 3, `${ttls}`);
      assertEquals(after, before);
      assert(!existsSync(`${file}.progress`));
      await client.set("hours", "changed");
      const added = await memcache(["restore", "--add", file]);
      assertMatch(
        added.error,
        /restored 0 items, \d+s, 1005 were there already/,
      );
      assertEquals(await client.get("hours"), "changed");
    });
  }),
  TIMEOUT,
);

test(
  "memcache dump goes on when its server comes back, or when it is resumed",
  withServer(async (memcache, server, client) => {
    await withFiles({}, async (folder) => {
      const file = join(folder, "items");
      await fill(client, 1000);
      const before = await contents(client);
      let reads = 0;
      const fault = server.fault({
        kind: "drop",
        times: 3,
        match: ({ line }) => line.startsWith("mg ") && ++reads > 500,
      });
      const waited = await memcache(["dump", file]);
      assertEquals([waited.code, fault.hits], [0, 3]);
      assertMatch(waited.error, /waiting up to 30 s\nmemcache: going on\n/);
      reads = 0;
      const broken = server.fault({
        kind: "drop",
        match: ({ line }) => line.startsWith("mg ") && ++reads > 500,
      });
      const failed = await memcache(["dump", "--force", "--wait", "0", file]);
      assert(broken.hits > 0);
      assertEquals(failed.code, 3);
      assertMatch(
        failed.error,
        /items are in .*; memcache dump --resume .* goes on/,
      );
      const half = readFileSync(file).length;
      server.heal();
      // As if it had been killed while it wrote.
      appendFileSync(file, "item half 0 -1 1 100\nabc");
      const resumed = await memcache(["dump", "--resume", file]);
      assertEquals(resumed.code, 0);
      assertMatch(
        resumed.error,
        /dumped 1005 items, .* [1-9]\d* of them from before/,
      );
      assert(readFileSync(file).length > half);
      await memcache(["flush"]);
      await memcache(["restore", file]);
      assertEquals(Object.keys(await contents(client)).length, 1005);
      assertEquals(Object.keys(before).length, 1005);
    });
  }),
  TIMEOUT,
);

test(
  "memcache dump says that a server was restarted meanwhile",
  withServer(async (memcache, server, client) => {
    await withFiles({}, async (folder) => {
      await fill(client, 600);
      server.nextRequest(({ line }) => line.startsWith("mg "))
        .then(async () => {
          server.advance(100);
          await server.restart();
        });
      const { code, error } = await memcache(["dump", join(folder, "items")]);
      assertEquals(code, 3);
      assertMatch(error, /was restarted meanwhile/);
    });
  }),
  TIMEOUT,
);

test("memcache dump and restore do without meta commands", async () => {
  const server = await MemcachedServer.start({ meta: false });
  const client = new Client(server.address);
  try {
    await withFiles({}, async (folder) => {
      const file = join(folder, "items");
      const memcache = (...args: string[]) =>
        run(["-s", server.address, ...args]);
      await client.set("hours", "text", { ttl: 7200 });
      await client.set("bytes", new Uint8Array([0, 10, 255]));
      assertEquals((await memcache("dump", file)).code, 0);
      await memcache("flush");
      const { code, error } = await memcache("restore", file);
      assertEquals(code, 0);
      assertMatch(error, /restored 2 items/);
      assertEquals(await client.get("hours"), "text");
      assertEquals(await client.get("bytes"), new Uint8Array([0, 10, 255]));
      const { out } = await memcache("keys", "--json", "--prefix", "hours");
      assert(JSON.parse(out).ttl > 7100);
      const added = await memcache("restore", "--add", file);
      assertMatch(added.error, /2 were there already/);
      const item = await memcache("item", "hours");
      assertEquals(item.code, 3);
    });
  } finally {
    await client.close();
    await server.close();
  }
}, TIMEOUT);

test(
  "memcache restore waits for its server, and goes on where it ended",
  withServer(async (memcache, server, client) => {
    await withFiles({}, async (folder) => {
      const file = join(folder, "items");
      await fill(client, 1000);
      await memcache(["dump", file]);
      await memcache(["flush"]);
      let stores = 0;
      const fault = server.fault({
        kind: "drop",
        match: ({ line }) => line.startsWith("ms ") && ++stores > 500,
      });
      const failed = await memcache(["restore", "--wait", "0", file]);
      assertEquals(failed.code, 3);
      assert(fault.hits > 0);
      assertMatch(failed.error, /items were stored; memcache restore --resume/);
      const { offset } = JSON.parse(readFileSync(`${file}.progress`, "utf8"));
      assert(offset > 1000);
      server.heal();
      server.clear();
      const resumed = await memcache(["restore", "--resume", file]);
      assertEquals(resumed.code, 0);
      const again = server.requests.filter(({ command }) => command === "ms");
      assert(again.length < 900, `${again.length} stores`);
      assertEquals(Object.keys(await contents(client)).length, 1005);
    });
  }),
  TIMEOUT,
);

test(
  "memcache restore says that a server was restarted meanwhile",
  withServer(async (memcache, server, client) => {
    await withFiles({}, async (folder) => {
      const file = join(folder, "items");
      await fill(client, 600);
      await memcache(["dump", file]);
      let stores = 0;
      server.nextRequest(({ line }) => line.startsWith("ms ") && ++stores > 300)
        .then(async () => {
          server.advance(100);
          await server.restart();
        });
      const { code, error } = await memcache(["restore", file]);
      assertEquals(code, 3);
      assertMatch(
        error,
        /was restarted meanwhile: what was stored before is gone/,
      );
      assertEquals((await memcache(["restore", file])).code, 0);
      assertEquals(Object.keys(await contents(client)).length, 605);
    });
  }),
  TIMEOUT,
);

test(
  "memcache restore leaves out what has expired, and tells what is refused",
  withServer(async (memcache, _server, client) => {
    await withFiles({}, async (folder) => {
      const file = join(folder, "items");
      const now = Math.floor(Date.now() / 1000);
      const item = (key: string, more: Partial<Kept>): Uint8Array =>
        encodeItem({
          ...{ key, flags: 0, ttl: -1, time: now },
          value: new Uint8Array(3),
          ...more,
        });
      writeFileSync(file, HEAD);
      appendFileSync(file, item("old", { ttl: 50, time: now - 60 }));
      appendFileSync(file, item("young", { ttl: 500, time: now - 60 }));
      appendFileSync(file, item("large", { value: new Uint8Array(2_000_000) }));
      const { code, error } = await memcache(["restore", file]);
      assertEquals(code, 3);
      assertMatch(error, /^memcache: large: .*\n/);
      assertMatch(
        error,
        /restored 1 items, \d+s, 1 had expired, 1 were refused/,
      );
      assertMatch(error, /was not finished/);
      const ttl = await client.ttl("young");
      assert(ttl !== undefined && ttl > 430 && ttl <= 440, `${ttl}`);
      await memcache(["restore", "--restart-ttl", file]);
      const anew = await client.ttl("old");
      assert(anew !== undefined && anew > 40, `${anew}`);
      assertEquals((await memcache(["restore", join(folder, "none")])).code, 2);
    });
  }),
  TIMEOUT,
);

/** The bytes of a small file. */
const SAMPLE: readonly Kept[] = [
  {
    key: "a b%\n",
    flags: 7,
    ttl: 60,
    time: 1,
    value: new Uint8Array([10, 13]),
  },
  {
    key: new Uint8Array([255]),
    flags: 0,
    ttl: -1,
    time: 2,
    value: new Uint8Array(0),
  },
];

async function readAll(
  chunks: Uint8Array[],
): Promise<[Kept[], number | undefined]> {
  async function* give(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const reader = new DumpReader(give());
  await reader.begin();
  const items: Kept[] = [];
  for (let item; (item = await reader.next()) !== undefined;) {
    const { end: _, ...kept } = item;
    items.push(kept);
  }
  return [items, reader.items];
}

function sampleBytes(): Uint8Array {
  const text = (text: string) => [...new TextEncoder().encode(text)];
  return Uint8Array.from([
    ...text(HEAD),
    ...SAMPLE.flatMap((item) => [...encodeItem(item)]),
    ...text(encodeEnd(2)),
  ]);
}

test("DumpReader reads what was written, however it is cut", async () => {
  const bytes = sampleBytes();
  for (let cut = 0; cut <= bytes.length; cut++) {
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
    assertEquals(await readAll(parts), [[...SAMPLE], 2], `cut at ${cut}`);
  }
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  assertEquals(await readAll(single), [[...SAMPLE], 2]);
});

test("DumpReader reads the whole items of a file that ends early", async () => {
  const bytes = sampleBytes();
  for (let length = HEAD.length; length < bytes.length; length++) {
    const [items, total] = await readAll([bytes.subarray(0, length)]);
    assertEquals(items, SAMPLE.slice(0, items.length));
    assertEquals(total, undefined);
  }
});

test("DumpReader refuses what is no dump", async () => {
  for (
    const text of [
      "",
      "memcache-dump 2\n",
      "\u007fELF\n",
      `${HEAD}item a 0 -1 1 99999999999\n`,
      `${HEAD}item a 4294967296 -1 1 0\n\n`,
      `${HEAD}item a%zz 0 -1 1 0\n\n`,
      `${HEAD}item a 0 -1 1 1\nxx`,
      `${HEAD}${"x".repeat(5000)}`,
      `${HEAD}nonsense\n`,
    ]
  ) {
    await assertRejects(
      () => readAll([new TextEncoder().encode(text)]),
      UsageError,
      "Cannot read the file",
      text,
    );
  }
});
