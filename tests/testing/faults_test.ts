import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "@x/memcache";
import { type Fault, MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { RawClient } from "./_raw.ts";

const HIT = "VALUE a 0 1\r\n1\r\nEND\r\n";
const VERSION = "VERSION 1.6.18\r\n";

/** Starts a server with an item `a` and connects to it. */
async function start(): Promise<[MemcachedServer, RawClient]> {
  const server = await MemcachedServer.start();
  const client = await RawClient.connect(server);
  await client.ask("set a 0 0 1\r\n1\r\n", "STORED\r\n");
  return [server, client];
}

interface Case {
  readonly name: string;
  readonly fault: Fault;
  readonly send: string;
  readonly reply: string;
  readonly closed?: boolean;
}

const CASES: readonly Case[] = [
  {
    name: "drop closes in place of a reply",
    fault: { kind: "drop", match: "get" },
    send: "version\r\nget a\r\nversion\r\n",
    reply: VERSION,
    closed: true,
  },
  {
    name: "cut closes after a part of the reply",
    fault: { kind: "cut", bytes: 15, match: "get" },
    send: "version\r\nget a\r\nversion\r\n",
    reply: VERSION + HIT.slice(0, 15),
    closed: true,
  },
  {
    name: "cut closes after all of a shorter reply",
    fault: { kind: "cut", bytes: 100, match: "get" },
    send: "get a\r\nversion\r\n",
    reply: HIT,
    closed: true,
  },
  {
    name: "garbage takes the place of a reply",
    fault: { kind: "garbage", bytes: "\x00?\r\n", match: "get" },
    send: "version\r\nget a\r\nversion\r\n",
    reply: `${VERSION}\x00?\r\n${VERSION}`,
  },
  {
    name: "garbage goes before a reply",
    fault: {
      kind: "garbage",
      bytes: new Uint8Array([0xff]),
      place: "before",
      match: "get",
    },
    send: "get a\r\nversion\r\n",
    reply: `\xff${HIT}${VERSION}`,
  },
  {
    name: "garbage goes after a reply",
    fault: {
      kind: "garbage",
      bytes: "END\r\n",
      place: "after",
      match: ({ line }) => line === "get a",
    },
    send: "get a\r\nget b\r\n",
    reply: `${HIT}END\r\nEND\r\n`,
  },
  {
    name: "swallow leaves a reply out",
    fault: { kind: "swallow", match: "get" },
    send: "version\r\nget a\r\nversion\r\n",
    reply: VERSION + VERSION,
  },
  {
    name: "delay keeps the order",
    fault: { kind: "delay", ms: 5, match: "get" },
    send: "version\r\nget a\r\nversion\r\nget a\r\n",
    reply: VERSION + HIT + VERSION + HIT,
  },
  {
    name: "a fault strikes a store when its data is there",
    fault: {
      kind: "garbage",
      bytes: "NOT_STORED\r\n",
      match: ({ data }) => data?.[0] === 0x32,
    },
    send: "set b 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\nget b\r\n",
    reply: "STORED\r\nNOT_STORED\r\nVALUE b 0 1\r\n2\r\nEND\r\n",
  },
  {
    name: "a fault strikes a store that its line rules out",
    fault: { kind: "swallow", match: "set" },
    send: "set b x 0 1\r\nversion\r\n",
    reply: VERSION,
  },
];

for (const { name, fault, send, reply, closed = false } of CASES) {
  test(`MemcachedServer.fault() ${name}`, async () => {
    const [server, client] = await start();
    const order = server.fault(fault);
    client.write(send);
    assertEquals(await client.read(closed ? Infinity : reply.length), reply);
    assertEquals(client.ended, closed);
    assert(order.hits > 0);
    // Healed, everything is as before.
    server.heal();
    const again = await RawClient.connect(server);
    assertEquals(await again.ask("get a\r\n", HIT), HIT);
    again.close();
    assertEquals(await client.rest(), "");
    await server.close();
  });
}

test("MemcachedServer.fault() delay holds a reply back by its time", async () => {
  const [server, client] = await start();
  server.fault({ kind: "delay", ms: 60, match: "get" });
  const other = await RawClient.connect(server);
  const started = performance.now();
  client.write("get a\r\n");
  // Others are not held up.
  assertEquals(await other.ask("version\r\n", VERSION), VERSION);
  assert(performance.now() - started < 60);
  assertEquals(await client.read(HIT.length), HIT);
  assert(performance.now() - started >= 59);
  await server.close();
});

test("MemcachedServer.fault() drop carries the command out unless told not to", async () => {
  for (const execute of [true, false]) {
    const [server, client] = await start();
    server.fault({ kind: "drop", match: "incr", times: 1, execute });
    client.write("incr a 1\r\n");
    assertEquals(await client.read(1), "");
    const again = await RawClient.connect(server);
    const hit = `VALUE a 0 1\r\n${execute ? 2 : 1}\r\nEND\r\n`;
    assertEquals(await again.ask("get a\r\n", hit), hit);
    await server.close();
  }
});

test("MemcachedServer.fault() stall silences a connection until it is healed", async () => {
  const [server, client] = await start();
  const order = server.fault({ kind: "stall", match: "incr" });
  const other = await RawClient.connect(server);
  const seen = server.nextRequest("incr");
  client.write("version\r\nincr a 1\r\nget a\r\n");
  await seen;
  client.write("incr a 1\r\n");
  // What came before is answered, the rest is not carried out.
  assertEquals(await client.read(VERSION.length), VERSION);
  assertEquals(await other.ask("get a\r\n", HIT), HIT);
  assertEquals(order.hits, 1);
  server.heal();
  const rest = "2\r\nVALUE a 0 1\r\n2\r\nEND\r\n3\r\n";
  assertEquals(await client.read(rest.length), rest);
  await server.close();
});

test("MemcachedServer.fault() stall reads no more", async () => {
  const [server, client] = await start();
  server.fault({ kind: "stall", match: "version" });
  const seen = server.nextRequest("version");
  client.write("version\r\n");
  await seen;
  const before = server.requests.length;
  for (let i = 0; i < 100; i++) client.write("mn\r\n");
  const other = await RawClient.connect(server);
  await other.ask("mn\r\n", "MN\r\n");
  assertEquals(server.requests.length, before + 1);
  server.heal();
  const rest = VERSION + "MN\r\n".repeat(100);
  assertEquals(await client.read(rest.length), rest);
  await server.close();
});

test("MemcachedServer.fault() stall strikes again after it was healed", async () => {
  const [server, client] = await start();
  const first = server.fault({ kind: "stall", match: "get" });
  const second = server.fault({ kind: "stall", match: "version" });
  const seen = server.nextRequest("get");
  client.write("get a\r\nversion\r\nget a\r\n");
  await seen;
  first.heal();
  assertEquals(await client.read(HIT.length), HIT);
  assertEquals([first.hits, second.hits], [1, 1]);
  second.heal();
  assertEquals(await client.read((VERSION + HIT).length), VERSION + HIT);
  await server.close();
});

test("MemcachedServer.fault() refuse closes new connections", async () => {
  const [server, client] = await start();
  server.fault({ kind: "refuse", times: 1 });
  const refused = await RawClient.connect(server).catch(() => undefined);
  assertEquals(await refused?.read(1) ?? "", "");
  // Those that are open go on, and the next one is let in.
  assertEquals(await client.ask("get a\r\n", HIT), HIT);
  const next = await RawClient.connect(server);
  assertEquals(await next.ask("get a\r\n", HIT), HIT);
  await server.close();
});

test("MemcachedServer.fault() greet sends bytes before anything was asked", async () => {
  const [server] = await start();
  const greeting = "ERROR Too many open connections\r\n";
  const order = server.fault({ kind: "greet", bytes: greeting });
  const greeted = await RawClient.connect(server);
  assertEquals(await greeted.read(greeting.length), greeting);
  assertEquals(await greeted.ask("version\r\n", VERSION), VERSION);
  order.heal();
  server.fault({ kind: "greet", bytes: greeting, close: true });
  const turnedAway = await RawClient.connect(server);
  assertEquals(await turnedAway.read(Infinity), greeting);
  await server.close();
});

test("MemcachedServer.fault() strikes as often as told, the first one first", async () => {
  const [server, client] = await start();
  const first = server.fault({ kind: "garbage", bytes: "1\r\n", times: 2 });
  const second = server.fault({ kind: "garbage", bytes: "2\r\n" });
  client.write("mn\r\n".repeat(4));
  assertEquals(await client.read(12), "1\r\n1\r\n2\r\n2\r\n");
  assertEquals([first.hits, second.hits], [2, 2]);
  second.heal();
  assertEquals(await client.ask("mn\r\n", "MN\r\n"), "MN\r\n");
  await server.close();
});

test("MemcachedServer.fault() strikes noreply commands too", async () => {
  const [server, client] = await start();
  server.fault({ kind: "drop", match: "delete" });
  client.write("delete a noreply\r\n");
  assertEquals(await client.read(1), "");
  const again = await RawClient.connect(server);
  assertEquals(await again.ask("get a\r\n", "END\r\n"), "END\r\n");
  await server.close();
});

test("MemcachedServer.fault() refuses numbers out of their range", async () => {
  const server = await MemcachedServer.start();
  const FAULTS: readonly Fault[] = [
    { kind: "delay", ms: -1 },
    { kind: "delay", ms: NaN },
    { kind: "cut", bytes: -1 },
    { kind: "swallow", times: 0 },
  ];
  for (const fault of FAULTS) {
    assertThrows(() => server.fault(fault), MemcacheIllegalInputError);
  }
  await server.close();
});
