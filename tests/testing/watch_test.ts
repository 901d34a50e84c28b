import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { both, type Peer } from "./_peers.ts";
import { RawClient } from "./_raw.ts";
import { LoneSession } from "./_session.ts";

const BIG = "x".repeat(1_048_600);
const BIG_LINE = `${BIG.length}\r\n${BIG}\r\n`;

/** What a client does, each with what it is to show. */
const DEEDS: readonly string[] = [
  "get a\r\n",
  "set a 0 0 3\r\nabc\r\n",
  "set a 0 0 3\r\nabcde\r\n",
  "get a b a\r\ngets a\r\n",
  "gat 100 a b\r\ntouch a 50\r\ntouch zz 50\r\n",
  "add a 0 0 1\r\nx\r\nadd b 5 100 1\r\n1\r\n",
  "replace zz 0 0 1\r\nx\r\nreplace a 7 60 5\r\nhello\r\n",
  "append b 0 0 1\r\n2\r\nprepend b 0 0 1\r\n3\r\nappend zz 0 0 1\r\n2\r\n",
  "cas b 0 0 1 999\r\nx\r\ncas zz 0 0 1 9\r\nx\r\ncas b 0 30 1 5\r\n5\r\n",
  "set n 0 0 1\r\n9\r\nincr n 1\r\nincr n 999\r\ndecr n 1\r\nincr zz 1\r\n",
  "incr a 1\r\nset n 0 0 1 noreply\r\n9\r\nincr n 1 noreply\r\n",
  "delete n\r\ndelete n\r\ndelete b noreply\r\ndelete a 0\r\n",
  "set e 0 -1 1\r\nx\r\nget e\r\nget e\r\n",
  "set e 0 -1 1\r\nx\r\nadd e 0 0 1\r\nx\r\n",
  "set f 0 0 1\r\nx\r\nflush_all\r\nget f\r\nget f\r\n",
  "set f 0 0 1\r\nx\r\nmg f T-1 v\r\nmg f v\r\n",
  "mg b v\r\nmg zz v\r\nmg b v u\r\nmg b t T100 v\r\n",
  "mg v N30 v\r\nmg v v R50\r\nmg v q k\r\n",
  "ms m 3 T100\r\nabc\r\nms m 2 ME\r\nab\r\nms m 2 MA\r\nab\r\n",
  "ms m 2 MP q\r\nab\r\nms zz 2 MR\r\nab\r\nms m 2 C1\r\nab\r\n",
  "ms m 2 C1 I\r\nab\r\nms zz 2 C5\r\nab\r\nms m 0 T20\r\n\r\n",
  "ms bm9yYg== 2 b\r\nab\r\nmg bm9yYg== b v\r\n",
  "md m I T30\r\nmd m C1\r\nmd m\r\nmd m\r\n",
  "ma c\r\nma c N0 J13\r\nma c\r\nma c D99\r\nma c C1\r\nma c MD q\r\n",
  "me c\r\nme zz\r\n",
  `set a 0 0 1\r\nx\r\nset a 3 5 ${BIG_LINE}append a 3 5 ${BIG_LINE}`,
  `set a 3 5 ${BIG.length} noreply\r\n${BIG}\r\nms a ${BIG_LINE}get a\r\n`,
  "set half 0 0 600000\r\n" + BIG.slice(0, 600_000) + "\r\n",
  "append half 0 0 600000\r\n" + BIG.slice(0, 600_000) + "\r\nmg half s\r\n",
  "set k%20x#\xe9/~. 0 0 1\r\nx\r\nget k%20x#\xe9/~.\r\n",
  `get a ${"k".repeat(251)}\r\nset a 0 0 abc\r\nmg a !\r\n`,
  `mg a O${"o".repeat(40)}\r\nmd a O${"o".repeat(40)}\r\nmd a !\r\n`,
  "stats items\r\nversion\r\n",
];

/** Leaves out what no two runs have in common. */
function blank(line: string): string {
  return line
    .replace(/^ts=\d+\.\d{1,6} gid=\d+ /, "")
    .replace(/ (cfd|rport)=-?\d+/g, " $1=_")
    // memcached has nothing sensible there.
    .replace(/(status=too_large .* clsid=)\d+/, "$1_")
    // A negative number of seconds that nobody expected.
    .replace(/ ttl=42\d{8} /, " ttl=past ");
}

/** What a watcher is told of the deeds. */
async function watched(
  { target }: Peer,
  topics: string,
  deeds: readonly string[],
): Promise<string[]> {
  const watcher = await RawClient.connect(target);
  watcher.write(`watch${topics}\r\n`);
  assertEquals(await watcher.until("\r\n"), "OK\r\n");
  const client = await RawClient.connect(target);
  for (const deed of deeds) await client.fenced(deed);
  const other = await RawClient.connect(target);
  other.write("quit\r\n");
  await other.read(Infinity);
  const third = await RawClient.connect(target);
  await third.fenced("get third\r\n");
  await third.rest();
  const fourth = await RawClient.connect(target);
  fourth.write("z".repeat(3000));
  await fourth.read(Infinity);
  await client.fenced("set last 0 0 1\r\nx\r\nget last\r\n");
  const topic = topics === " mutations" ? "item_store" : "item_get";
  const log = await watcher.until(
    new RegExp(`type=${topic} key=last status=(stored|found) .*\\n$`),
  );
  client.close();
  watcher.close();
  assert(!log.includes("\r"), "the lines of a log end with a bare LF");
  return log.trimEnd().split("\n").map(blank);
}

for (
  const topics of ["", " mutations", " fetchers mutations evictions connevents"]
) {
  test(`watch${topics} streams what memcached streams`, async () => {
    const { memcached, embedded } = await both((peer) =>
      watched(peer, topics, DEEDS)
    );
    assert(memcached.length > 20);
    assertEquals(embedded, memcached);
  }, { ...needsMemcached, timeout: 60_000 });
}

test("watch connevents names unix sockets as memcached does", async () => {
  const folder = mkdtempSync(join(tmpdir(), "memcache-"));
  const { memcached, embedded } = await both(async ({ target }) => {
    const watcher = await RawClient.connect(target);
    watcher.write("watch connevents\r\n");
    await watcher.until("OK\r\n");
    const client = await RawClient.connect(target);
    client.write("quit\r\n");
    await client.read(Infinity);
    const log = await watcher.until(/conn_close .*\n$/);
    watcher.close();
    return log.trimEnd().split("\n").map(blank);
  }, {
    real: { transport: "unix" },
    embedded: { path: join(folder, "m.sock") },
  });
  rmSync(folder, { recursive: true });
  assertEquals(embedded, memcached);
}, needsMemcached);

test("watch connevents says why a connection ended", async () => {
  const server = await MemcachedServer.start({ idleTimeout: 50 });
  const watcher = await RawClient.connect(server);
  watcher.write("watch connevents\r\n");
  await watcher.until("OK\r\n");
  const idle = await RawClient.connect(server);
  await idle.read(Infinity);
  const log = await watcher.until(/conn_close .*\n/);
  assertMatch(
    log,
    /conn_close rip=127\.0\.0\.1 rport=\d+ transport=tcp reason=idle_timeout cfd=12\n/,
  );
  const other = await RawClient.connect(server);
  other.write("watch connevents\r\n");
  await other.until("OK\r\n");
  other.close();
  assertMatch(await watcher.until(/conn_close .*\n/), /reason=error cfd=13\n$/);
  await server.close();
});

test("watch evictions has the form that memcached gives it", async () => {
  const value = "y".repeat(20_000);
  const { memcached, embedded } = await both(async ({ target }) => {
    const watcher = await RawClient.connect(target);
    watcher.write("watch evictions\r\n");
    await watcher.until("OK\r\n");
    const client = await RawClient.connect(target);
    for (let i = 0; i < 300; i++) {
      const ttl = i === 0 ? 0 : 1000;
      await client.fenced(`set key${i} 0 ${ttl} 20000\r\n${value}\r\n`);
    }
    const log = await watcher.until(/key=key1 .*\n/);
    client.close();
    watcher.close();
    return log.split("\n").slice(0, 2).map(blank)
      .map((line) => line.replace(/ttl=(1000|99\d)/, "ttl=_"));
  }, { real: { args: ["-m", "2"] }, embedded: { memoryLimit: 2_000_000 } });
  assertEquals(memcached, [
    "type=eviction key=key0 fetch=no ttl=-1 la=0 clsid=25 size=20000",
    "type=eviction key=key1 fetch=no ttl=_ la=0 clsid=25 size=20000",
  ]);
  assertEquals(embedded, memcached);
}, needsMemcached);

test("watch refuses what memcached refuses, with its words", async () => {
  const lines = [
    "watch bogus",
    "watch fetchers bogus",
    "watch noreply",
    "watch fetchers noreply",
    "watch deletions",
    "watch proxycmds",
  ];
  const ok = ["sysevents", "rawcmds", "proxyreqs", "proxyevents", "proxyuser"];
  const { memcached, embedded } = await both(async ({ target }) => {
    const replies: string[] = [];
    const client = await RawClient.connect(target);
    for (const line of lines) replies.push(await client.fenced(`${line}\r\n`));
    const watchers: RawClient[] = [];
    for (let i = 0; i < 21; i++) {
      const watcher = await RawClient.connect(target);
      watcher.write(`watch ${ok[i % ok.length]}\r\n`);
      replies.push(await watcher.until("\r\n"));
      watchers.push(watcher);
    }
    // The one too many goes on as an ordinary connection.
    replies.push(await watchers[20].fenced("get a\r\n"));
    for (const watcher of watchers) watcher.close();
    client.close();
    return replies;
  });
  assertEquals(embedded, memcached);
}, needsMemcached);

test("watch takes its numbers from one row, and the clock of the server", () => {
  const session = new LoneSession();
  session.ask("watch mutations\r\n");
  const other = session.sibling();
  other.ask("set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\n");
  assertEquals(
    session.ask("get a\r\n"),
    "ts=1700000000.500000 gid=2 type=item_store key=a status=stored " +
      "cmd=set ttl=0 clsid=1 cfd=12 size=1\n" +
      "ts=1700000000.500000 gid=3 type=item_store key=b status=stored " +
      "cmd=set ttl=0 clsid=1 cfd=12 size=1\n",
  );
  session.advance(-0.495_991);
  other.ask("set a 0 0 1\r\nx\r\n");
  // memcached does not pad the microseconds.
  assertMatch(session.ask(""), /^ts=1700000000\.4009 gid=4 /);
});

test("watch deletions is known from 1.6.20 on", () => {
  assertEquals(
    new LoneSession().ask("watch deletions\r\n"),
    "ERROR\r\n",
  );
  const session = new LoneSession({ version: "1.6.20" });
  assertEquals(session.ask("watch deletions\r\n"), "OK\r\n");
  session.sibling().ask(
    "set a 0 0 4\r\nabcd\r\ndelete a\r\ndelete a\r\n" +
      "set b%1 0 0 2\r\nab\r\nmd b%1 I\r\nmd b%1\r\nmd b%1\r\n",
  );
  assertEquals(session.ask("").split("\n").map(blank), [
    "type=deleted key=a cmd=delete clsid=1 size=4",
    "type=deleted key=b%251 cmd=md clsid=1 size=2",
    "",
  ]);
});

test("watch leaves lines out that a client does not take, and says how many", () => {
  const session = new LoneSession();
  session.ask("watch fetchers\r\n");
  session.blocked = true;
  const other = session.sibling();
  const many = 5000;
  for (let i = 0; i < many; i++) other.ask(`get ${i}\r\n`);
  session.blocked = false;
  const first = session.ask("");
  other.ask("get last\r\n");
  const [skipped, last, end] = session.ask("").split("\n");
  const told = first.trimEnd().split("\n").length;
  assertEquals(skipped, `skipped=${many - told}`);
  assertMatch(last, /key=last status=not_found/);
  assertEquals(end, "");
  // memcached's buffer has 256 KiB.
  assert(told > 2000, `only ${told} lines were told`);
  const { watchers } = session.state;
  assertEquals([watchers.sent, watchers.skipped], [told + 1, many - told]);
});
