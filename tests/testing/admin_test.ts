import { assert, assertEquals } from "@std/assert";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { both, type Peer } from "./_peers.ts";
import { RawClient } from "./_raw.ts";
import { LoneSession } from "./_session.ts";

const DISABLED = "CLIENT_ERROR lru crawler disabled\r\n";
const BUSY = "BUSY currently processing crawler request\r\n";

/** Lines with arguments, good and bad, in the order in which they are sent. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  "lru_crawler": [
    "",
    "bogus",
    "a b c d",
    "enable",
    "enable x",
    "enable noreply",
    "disable x",
    "disable noreply",
    "disable",
    "crawl all",
    "crawl 1",
    "crawl 99",
    "crawl",
    "metadump all",
    "metadump hash",
    "metadump 99",
    "mgdump all",
    "sleep 5",
    "tocrawl 5",
    "enable",
    "crawl all",
    "crawl 1",
    "crawl 01",
    "crawl 1,2,",
    "crawl 1,,2",
    "crawl ,",
    "crawl 63",
    "crawl 64",
    "crawl 1,64",
    "crawl 0",
    "crawl -1",
    "crawl 1.5",
    "crawl x",
    "crawl ALL",
    "crawl 1 noreply",
    "crawl all noreply",
    "crawl",
    "metadump 0",
    "metadump 63",
    "metadump 64",
    "metadump 1,64",
    "metadump ALL",
    "metadump x",
    "metadump ,",
    "metadump",
    "metadump all x",
    "metadump all noreply",
    "mgdump all",
    "sleep 0",
    "sleep 1000000",
    "sleep 1000001",
    "sleep -1",
    "sleep 1.5",
    "sleep x",
    "sleep",
    "sleep 100 5",
    "tocrawl 0",
    "tocrawl 4294967296",
    "tocrawl 99999999999999999999",
    "tocrawl -1",
    "tocrawl x",
    "tocrawl",
    "tocrawl 5 noreply",
  ],
  "lru": [
    "",
    "noreply",
    "bogus",
    "bogus 1",
    "mode",
    "mode noreply",
    "mode FLAT",
    "mode flat",
    "mode flat more words",
    "mode flat noreply",
    "mode segmented",
    "tune",
    "tune noreply",
    "tune 20 40 0.2",
    "tune 20 40 0.2 2.0",
    "tune 20 40 0.2 2.0 noreply",
    "tune 20 40 0.2 2.0 x",
    "tune 40 40 1 1",
    "tune 41 40 1 1",
    "tune 0 0 1 1",
    "tune 1.5 40 1 2",
    "tune -1 40 1 2",
    "tune x 40 1 2",
    "tune 4294967295 1 1 1",
    "tune 4294967296 1 1 1",
    "tune 20 40 -1 2",
    "tune 20 40 0 2",
    "tune 20 40 1 0",
    "tune 20 40 x 2",
    "tune 20 40 1x 2",
    "tune 20 40 1e1 2",
    "tune 20 40 nan 2",
    "tune 20 40 inf 2",
    "tune 20 40 -inf 2",
    "tune 20 40 Infinity 2",
    "tune 20 40 0x1 2",
    "tune 20 40 .5 2.",
    "tune +20 40 +.5 2",
    "tune 20 40 nan INF",
    "temp_ttl",
    "temp_ttl noreply",
    "temp_ttl 0",
    "temp_ttl 60",
    "temp_ttl -1",
    "temp_ttl 1.5",
    "temp_ttl x",
    "temp_ttl 5 6",
    "temp_ttl 5 noreply",
    "temp_ttl 4294967296",
    "temp_ttl 99999999999999999999",
  ],
  "slabs": [
    "",
    "noreply",
    "bogus",
    "bogus noreply",
    "reassign",
    "reassign 1",
    "reassign 1 2",
    "reassign 1 2 3",
    "reassign 1 2 noreply",
    "reassign 1 1",
    "reassign 0 0",
    "reassign 1 1 noreply",
    "reassign 0 1",
    "reassign 1 0",
    "reassign 1 39",
    "reassign 39 1",
    "reassign 40 1",
    "reassign 1 40",
    "reassign 63 1",
    "reassign 64 1",
    "reassign -1 2",
    "reassign 1 -1",
    "reassign 1.5 2",
    "reassign a 1",
    "reassign a 1 noreply",
    "reassign 4294967297 2",
    "automove",
    "automove noreply",
    "automove 0",
    "automove 2",
    "automove 1",
    "automove 3",
    "automove -1",
    "automove 1.5",
    "automove x",
    "automove 1 2",
    "automove 1 2 3",
    "automove 1 noreply",
    "automove 3 noreply",
    "automove x noreply",
  ],
};

/** Waits for the crawler of a real memcached, which is a thread of its own. */
async function rested(client: RawClient): Promise<void> {
  while (true) {
    const stats = await client.fenced("stats\r\n");
    if (stats.includes("STAT lru_crawler_running 0\r\n")) return;
  }
}

/** Waits until the crawler has ended, some time after it was disabled. */
async function disabled(client: RawClient): Promise<void> {
  while (true) {
    const settings = await client.fenced("stats settings\r\n");
    if (settings.includes("STAT lru_crawler no\r\n")) return;
  }
}

/** Asks a line; the crawler of a real memcached may still be at work. */
async function ask(client: RawClient, line: string): Promise<string> {
  // What comes in one packet with a dump would be forgotten.
  const dumps = /metadump|mgdump/.test(line);
  while (true) {
    let reply: string;
    if (dumps) {
      client.write(`${line}\r\n`);
      reply = await client.until("\r\n");
    } else reply = await client.fenced(`${line}\r\n`);
    if (reply !== BUSY) return reply;
  }
}

for (const [command, rests] of Object.entries(LINES)) {
  test(`${command} answers arguments as memcached does`, async () => {
    const { memcached, embedded } = await both(async ({ target }: Peer) => {
      const client = await RawClient.connect(target);
      const replies: string[] = [];
      for (const rest of rests) {
        const line = `${command} ${rest}`.trimEnd();
        replies.push(`${line} -> ${await ask(client, line)}`);
        if (line === "lru_crawler disable") await disabled(client);
      }
      const stats = await client.fenced("stats settings\r\n");
      client.close();
      const rows = stats.split("\r\n").filter((row) =>
        /^STAT (lru|hot|warm|temp|slab)/.test(row)
      );
      return [...replies, ...rows];
    });
    assertEquals(embedded, memcached);
  }, needsMemcached);
}

/** The crawler of a real memcached, which starts by itself too, was at work. */
class Disturbed extends Error {}

/** Takes what ends as given. */
async function dumped(client: RawClient, end: string): Promise<string> {
  const text = end.replace(/[^\w\s]/g, "\\$&");
  const reply = await client.until(new RegExp(`${text}$|${BUSY}`));
  if (!reply.includes(BUSY)) return reply.replace(/ la=\d+/g, "");
  client.close();
  throw new Disturbed();
}

/** Lets both do the same, again if memcached was disturbed. */
async function undisturbed<T>(act: (peer: Peer) => Promise<T>) {
  for (let attempt = 1;; attempt++) {
    try {
      return await both(act);
    } catch (error) {
      if (!(error instanceof Disturbed) || attempt === 20) throw error;
    }
  }
}

test("lru_crawler metadump lists what memcached lists", async () => {
  const { memcached, embedded } = await undisturbed(async ({ target }) => {
    const client = await RawClient.connect(target);
    await client.fenced(
      "set a%b/~c!d\x7f\xff 0 0 1\r\nx\r\nms AAECAw== 1 b T0\r\ny\r\n" +
        `set big 7 0 700\r\n${"x".repeat(700)}\r\nget big\r\n` +
        "ms m 1 I\r\nx\r\nmd m I\r\nset gone 0 -1 1\r\nx\r\n",
    );
    const dumps: string[] = [];
    for (const list of ["all", "hash", "1", "10", "1,10", "2"]) {
      await rested(client);
      client.write(`lru_crawler metadump ${list}\r\n`);
      const dump = await dumped(client, "END\r\n");
      const [end, ...lines] = dump.split("\n").reverse().slice(1);
      dumps.push(list, ...lines.sort(), end);
    }
    client.close();
    return dumps;
  });
  assert(memcached.some((line) => line.startsWith("key=%00%01%02%03 ")));
  assertEquals(embedded, memcached);
}, needsMemcached);

test("lru_crawler metadump is no part of a pipeline", async () => {
  const { memcached, embedded } = await undisturbed(async ({ target }) => {
    const client = await RawClient.connect(target);
    const talk: string[] = [];
    const say = async (text: string, end: string) => {
      // Once it is disabled, it says that it runs for ever.
      if (end !== DISABLED && text.includes("metadump")) await rested(client);
      client.write(text);
      talk.push(await dumped(client, end));
    };
    await say("set a 0 0 1\r\nx\r\n", "STORED\r\n");
    // Behind others it is refused, be they quiet or not.
    await say("mg b\r\nlru_crawler metadump all\r\n", "metadump\r\n");
    await say("mg b q\r\nlru_crawler metadump all\r\n", "metadump\r\n");
    await say("version\r\nlru_crawler metadump x\r\n", "metadump\r\n");
    await say("mn\r\nlru_crawler metadump x\r\n", "id\r\n");
    // But behind those whose replies memcached sends at once.
    await say("mn\r\nlru_crawler metadump all\r\n", "=61\nEND\r\n");
    await say("mg b\r\nget b\r\nlru_crawler metadump 1\r\n", "=61\nEND\r\n");
    // What is behind it waits for what comes next.
    await say("lru_crawler metadump all\r\nmn\r\nget a\r\n", "=61\nEND\r\n");
    await say("v", "END\r\n");
    await say("ersion\r\n", "\r\n");
    await say("lru_crawler metadump all\r\nset b 0 0 3\r\nab", "=61\nEND\r\n");
    await say("c\r\nget b\r\n", "END\r\n");
    await say("lru_crawler disable\r\n", "OK\r\n");
    await disabled(client);
    await say("version\r\nlru_crawler metadump all\r\n", DISABLED);
    client.close();
    return talk;
  });
  assertEquals(embedded, memcached);
}, needsMemcached);

test("lru_crawler metadump is written as the client takes it, and alone", () => {
  const session = new LoneSession();
  const other = session.sibling();
  const count = 20_000;
  for (let i = 0; i < count; i++) {
    other.ask(`set key${i} 0 0 1 noreply\r\nx\r\n`);
  }
  session.blocked = true;
  let dump = session.ask("lru_crawler metadump all\r\n");
  assert(dump.length < 40_000, `${dump.length} bytes at once`);
  // Nobody else can have the crawler now.
  assertEquals(other.ask("lru_crawler metadump all\r\n"), BUSY);
  assertEquals(other.ask("lru_crawler crawl all\r\n"), BUSY);
  // Others go on, and what they take out is not told any more.
  assertEquals(other.ask("delete key0\r\n"), "DELETED\r\n");
  assertEquals(other.ask("set late 0 0 1\r\nx\r\n"), "STORED\r\n");
  // What the client asks meanwhile is answered behind the dump.
  assertEquals(session.ask("version\r\n"), "");
  let pieces = 1;
  while (!dump.includes("END\r\n")) {
    session.drain();
    const piece = session.ask("");
    assert(piece.length < 40_000, `${piece.length} bytes at once`);
    dump += piece;
    pieces++;
  }
  assert(pieces > 50, `${pieces} pieces`);
  session.blocked = false;
  dump += session.ask("");
  const lines = dump.split("\n");
  assertEquals(lines.splice(-3), ["END\r", "VERSION 1.6.18\r", ""]);
  assertEquals(lines.length, count - 1);
  assertEquals(
    new Set(lines.map((line) => line.split(" ")[0])).size,
    count - 1,
  );
  assert(!dump.includes("key=key0 ") && !dump.includes("key=late "));
  assertEquals(other.ask("lru_crawler crawl all\r\n"), "OK\r\n");
});

test("lru_crawler metadump ends with its connection", () => {
  const session = new LoneSession();
  const other = session.sibling();
  for (let i = 0; i < 1000; i++) other.ask(`set ${i} 0 0 1 noreply\r\nx\r\n`);
  session.blocked = true;
  session.ask("lru_crawler metadump all\r\n");
  assertEquals(other.ask("lru_crawler crawl all\r\n"), BUSY);
  session.release();
  assertEquals(other.ask("lru_crawler crawl all\r\n"), "OK\r\n");
});

test(
  "MemcachedServer holds a dump back for a client that does not read",
  async () => {
    const server = await MemcachedServer.start();
    const client = await RawClient.connect(server);
    const value = "k".repeat(200);
    const count = 60_000;
    let stores = "";
    for (let i = 0; i < count; i++) {
      stores += `set ${value}${i} 0 0 1 noreply\r\nx\r\n`;
    }
    await client.fenced(stores);
    client.pause();
    client.write("lru_crawler metadump all\r\n");
    const other = await RawClient.connect(server);
    const written = async () => {
      const stats = await other.fenced("stats\r\n");
      return Number(/STAT bytes_written (\d+)/.exec(stats)?.[1]);
    };
    // It goes on until the buffers of the sockets are full.
    let [before, now] = [-1, 0];
    while (now - before > 20_000 || now < 100_000) {
      [before, now] = [now, await written()];
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const whole = count * 270;
    assert(now < whole * 0.75, `${now} of ${whole} bytes were written`);
    assertEquals(await other.fenced("lru_crawler crawl all\r\n"), BUSY);
    client.resume();
    const dump = await client.until("END\r\n");
    assertEquals(dump.match(/\n/g)?.length, count + 1);
    client.close();
    other.close();
    await server.close();
  },
  { timeout: 30_000 },
);

/** Quiet commands, and whether they say something. */
const QUIET: readonly string[] = [
  "mg K q",
  "mg K q v k O1",
  "mg K q !",
  `mg K q O${"o".repeat(40)}`,
  "mg K q T1.5",
  "ms K 1 q\r\nx",
  "ms K 1 q c k O1\r\nx",
  "ms K 1 q ME\r\nx",
  "ms K 1 q MZ O1\r\nx",
  "ms K 1 q MR\r\nx",
  "ms K 1 q C99999 O2 k\r\nx",
  "ms missing 1 q C5 O2\r\nx",
  "ms missing 1 q MA O2\r\nx",
  "ms missing 1 q MP\r\nx",
  "ms missing 1 q MR\r\nx",
  "ms K 1 q !\r\nx",
  "ms K 1 q O1\r\nxyz",
  "ms K q\r\n",
  `ms ${"k".repeat(251)} 1 q O3\r\nx`,
  `ms K 1048600 q O4\r\n${"x".repeat(1_048_600)}`,
  "mg K q v",
  "ms K 2 q F5\r\n10",
  "mg K q v f O9",
  "mg K q",
  "mg new q N30 v O9",
  "mg new q N30 v",
  "ma K q",
  "ma K q v c O5",
  "ma K q MZ",
  "ma K q C99999 O5 k",
  "ma missing q O5 k",
  "ma made q N30 J5 v O5",
  "ma made q N30 J5 v O5",
  "ma made q MD D999",
  "ms K 1 q\r\nx",
  "ma K q O5",
  "md K q C99999 O6 k",
  "md K q I T30 O6",
  "mg K q v",
  "md K q !",
  `md K q O${"o".repeat(40)}`,
  "md K q O6 k",
  "md K q O6 k",
  "me K q",
];

test("the flag q hides what memcached hides, and nothing else", async () => {
  const { memcached, embedded } = await both(async ({ target }: Peer) => {
    const client = await RawClient.connect(target);
    const replies: string[] = [];
    for (const line of QUIET) {
      const reply = await client.fenced(`${line}\r\n`);
      replies.push(`${line.slice(0, 40)} -> ${reply}`);
    }
    // In one pipeline the order stays, and only what is hidden is missing.
    replies.push(await client.fenced(`${QUIET.join("\r\n")}\r\n`));
    client.close();
    return replies;
  });
  assertEquals(embedded, memcached);
}, needsMemcached);
