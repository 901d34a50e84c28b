/**
 * Items and the commands on one item, as far as the conformance suite does not
 * tell: what they are to other libraries, what is sent, and what wrappers make
 * of them.
 */
import { deepStrictEqual } from "node:assert";
import { inspect } from "node:util";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  Client,
  FallbackClient,
  type Item,
  jsonSerde,
  MemcacheCasError,
  type MemcacheError,
  MemcacheIllegalInputError,
  MemcacheNotFoundError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
  RetryingClient,
  StrictClient,
  textSerde,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { type Command, withServer } from "../_scripted.ts";
import { rejects } from "../conformance/stage.ts";

/** Runs a test with an embedded server and a client of it. */
async function withClient(
  use: (client: Client, server: MemcachedServer) => Promise<void>,
): Promise<void> {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  try {
    await use(client, server);
  } finally {
    await client.close();
    await server.close();
  }
}

async function itemOf(client: Client | StrictClient): Promise<Item<number>> {
  const item = await client.getItem<number>("k");
  assert(item !== undefined);
  return item;
}

test("Item is the plain object that it was to every library", () =>
  withClient(async (client) => {
    await client.set("k", 5);
    const item = await itemOf(client);
    const plain = { key: "k", value: 5, flags: 2, cas: item.cas };
    deepStrictEqual(item, plain);
    deepStrictEqual(plain, item);
    const { Bun } = globalThis as {
      Bun?: { deepEquals(a: unknown, b: unknown, strict: boolean): boolean };
    };
    for (const strict of [false, true]) {
      assert(Bun?.deepEquals(item, plain, strict) ?? true);
      assert(Bun?.deepEquals(plain, item, strict) ?? true);
    }
    assertEquals(inspect(item), inspect(plain));
    assertEquals(
      JSON.stringify(
        item,
        (_, value) => typeof value === "bigint" ? "" : value,
      ),
      '{"key":"k","value":5,"flags":2,"cas":""}',
    );
    const listed: string[] = [];
    for (const name in item) listed.push(name);
    assertEquals(listed, ["key", "value", "flags", "cas"]);
    assertEquals(Object.isFrozen(item), false);
    assertStrictEquals(await item.incr(), 6);
    deepStrictEqual(item, { ...plain, cas: item.cas });
  }));

/** The lines that a server was sent, with `O` for its opaque token. */
function linesOf({ requests }: MemcachedServer, from: number): string[] {
  return requests.slice(from).map(({ line }) => line.replace(/ O\d+/, " O"));
}

test("commands on one item are one command each", () =>
  withClient(async (client, server) => {
    await client.set("k", 5);
    const { cas } = await itemOf(client);
    const item = await itemOf(client);
    // Those that store ask the version, once.
    await client.meta.set("k", 5, { mode: "add" });
    const from = server.requests.length;
    await client.ttl("k");
    await client.size("k");
    await client.peek("k");
    await client.getAndTouch("k", 9);
    await item.set(6, { ttl: 7 });
    await item.append("1", {});
    await item.prepend("2");
    await item.incr(3);
    await item.decr(3n);
    await client.invalidate("k");
    await client.invalidate("k", { staleFor: 30 });
    await client.take("k");
    assertStrictEquals(await item.delete(), undefined);
    assertEquals(
      linesOf(server, from),
      [
        "mg k u t s f O",
        "mg k u t s f O",
        "mg k u f v O",
        "mg k T9 f v O",
        `ms k 1 F2 T7 C${cas} c O`,
        `ms k 1 MA C${cas + 1n} c O`,
        `ms k 1 MP C${cas + 2n} c O`,
        `ma k D3 C${cas + 3n} v c O`,
        `ma k MD D3 C${cas + 4n} v c O`,
        "md k I O",
        "md k I T30 O",
        "mg k T-1 f v O",
        `md k C${cas + 5n} O`,
      ].map((line) => line.replace(" MI", "")),
    );
  }));

test(
  "ttl(), size() and peek() leave no trace of a read",
  () =>
    withMemcached({}, async ({ server }) => {
      const client = new Client(server);
      await client.set("k", "value");
      await client.ttl("k");
      await client.size("k");
      await client.peek("k");
      const untouched = await client.meta.get("k", { returnHitBefore: true });
      assertStrictEquals(untouched.hitBefore, false);
      // A read as such, to see that it would have been seen.
      assertStrictEquals((await client.meta.debug("k"))?.fetched, true);
      await client.close();
    }),
  needsMemcached,
);

test("ttl(), size() and peek() know the signs of getOrSet", () =>
  withClient(async (client) => {
    let during: unknown[] = [];
    await client.getOrSet("k", async () => {
      during = await Promise.all([
        client.ttl("k"),
        client.size("k"),
        client.peek("k"),
        client.getItem("k"),
      ]);
      return "value";
    }, { ttl: 60 });
    assertEquals(during, [undefined, undefined, undefined, undefined]);
    assertStrictEquals(await client.size("k"), 5);
    // What a lease of any client has made is no value, either.
    await client.meta.get("stub", { vivify: 30 });
    assertStrictEquals(await client.ttl("stub"), undefined);
    assertStrictEquals(await client.peek("stub"), undefined);
  }));

/** Replies that are not to the question, by the command that gets them. */
const FOREIGN: ReadonlyArray<
  readonly [
    name: string,
    act: (client: Client) => Promise<unknown>,
    bend: (reply: string) => string,
  ]
> = [
  ["ttl", (c) => c.ttl("k"), (reply) => reply.replace(/ t-1/, "")],
  ["ttl", (c) => c.ttl("k"), (reply) => reply.replace(/ t-1/, " t-2")],
  ["ttl", (c) => c.ttl("k"), (reply) => reply.replace(/ O\d+/, " O1234567")],
  ["size", (c) => c.size("k"), (reply) => reply.replace(/ s1/, " sx")],
  ["size", (c) => c.size("k"), () => "HD\r\n"],
  ["peek", (c) => c.peek("k"), (reply) => reply.replace(/ O\d+/, "")],
  ["take", (c) => c.take("k"), (reply) => reply.replace(/ f2/, "")],
  ["invalidate", (c) => c.invalidate("k"), () => "HD O1234567\r\n"],
  ["invalidate", (c) => c.invalidate("k"), () => "NF\r\n"],
  ["item.set", setItem, (reply) => reply.replace(/ c9/, "")],
  ["item.set", setItem, (reply) => reply.replace(/ O\d+/, " O1234567")],
  ["item.set", setItem, (reply) => reply.replace(/^HD/, "MN")],
  ["item.set", setItem, () => "STORED\r\n"],
  ["incr", beginCount, (reply) => reply.replace(/ O\d+/, " O1234567")],
  ["incr", beginCount, (reply) => reply.replace("\r\n5", "\r\nx")],
];

async function setItem(client: Client): Promise<unknown> {
  return await (await client.getItem("k"))?.set(6);
}

async function beginCount(client: Client): Promise<unknown> {
  return await client.incr("k", 1, { initial: 5 });
}

/** Answers of memcached that the scripted server does not know. */
function answer({ name, args }: Command): string | undefined {
  const opaque = args.find((arg) => /^O\d/.test(arg));
  if (name === "md") return `HD ${opaque}\r\n`;
  if (name === "ms") return `HD c9 ${opaque}\r\n`;
  if (name === "ma") return `VA 1 ${opaque}\r\n5\r\n`;
  if (name !== "mg" || !args.includes("u")) return undefined;
  if (args.includes("v")) return `VA 1 f2 ${opaque}\r\n5\r\n`;
  return `HD t-1 s1 f2 ${opaque}\r\n`;
}

for (const [i, [name, act, bend]] of FOREIGN.entries()) {
  test(`${name}() takes no reply that cannot be its own (${i})`, () =>
    withServer({
      command: (command, peer) => {
        const reply = answer(command) ?? peer.reply(command);
        // What comes before the command is answered as it should be.
        const bends = peer.number === 0 &&
          (command.name !== "mg" || !name.startsWith("item")) &&
          command.args.some((arg) => /^O/.test(arg));
        return bends ? bend(reply) : reply;
      },
    }, async (server) => {
      server.items.set("k", { flags: "2", data: "5", cas: 1 });
      const client = new Client(server.address, {
        serde: name === "incr" ? textSerde : jsonSerde,
      });
      await client.version();
      await rejects(() => act(client), MemcacheUnknownError, { key: "k" });
      assertEquals(String(await client.get("k")), "5");
      assertEquals(server.peers.length, 2);
      await client.close();
    }));
}

test("take() is not sent again when the connection is lost", () =>
  withClient(async (client, server) => {
    const retrying = new RetryingClient(client, { attempts: 3 });
    await client.set("k", "once");
    server.fault({ kind: "drop", match: "mg", times: 1 });
    await rejects(() => retrying.take("k"), MemcacheUnexpectedCloseError, {
      sent: true,
    });
    // It was carried out: the value is lost, and nobody gets it twice.
    assertStrictEquals(await client.take("k"), undefined);
    server.fault({ kind: "drop", match: "mg", times: 1 });
    assertStrictEquals(await retrying.ttl("k"), undefined);
  }));

test("Item's methods are told of a deadline that is for both commands of touch", () =>
  withClient(async (client, server) => {
    await client.set("k", 5);
    const item = await itemOf(client);
    server.fault({ kind: "stall", match: "ms" });
    const begin = performance.now();
    await rejects(
      () => item.touch(60, { timeout: 50 }),
      MemcacheTimeoutError,
      { key: "k", sent: true },
    );
    const took = performance.now() - begin;
    assert(took >= 49 && took < 1000, `${took} ms`);
  }));

test("an item's touch() sends no value for an item that has changed", () =>
  withClient(async (client, server) => {
    await client.set("k", 5);
    const item = await itemOf(client);
    await client.set("k", 6);
    const from = server.requests.length;
    assertStrictEquals(await item.touch(60), false);
    assertEquals(linesOf(server, from), ["mg k c f v O"]);
  }));

test("Item's methods reject with the reason of an abort", () =>
  withClient(async (client) => {
    await client.set("k", 5);
    const item = await itemOf(client);
    const reason = new Error("enough");
    const options = { signal: AbortSignal.abort(reason) };
    for (
      const call of [
        () => item.set(1, options),
        () => item.append("1", options),
        () => item.incr(1, options),
        () => item.touch(1, options),
        () => item.delete(options),
      ]
    ) {
      assertStrictEquals(await call().catch((error) => error), reason);
    }
    assertEquals(await client.get("k"), 5);
  }));

test("onError sees what an item's methods refuse", async () => {
  const server = await MemcachedServer.start({ meta: false });
  const seen: MemcacheError[] = [];
  const client = new Client(server.address, {
    onError: (error) => {
      seen.push(error);
    },
  });
  await client.set("k", 5);
  const item = await itemOf(client);
  await rejects(() => item.incr(), MemcacheUnknownCommandError);
  await rejects(() => client.ttl("k"), MemcacheUnknownCommandError);
  assertStrictEquals(await item.set(6), true);
  await rejects(() => item.set(7), MemcacheIllegalInputError);
  assertEquals(seen.map(({ code }) => code), [
    "ERR_UNKNOWN_COMMAND",
    "ERR_UNKNOWN_COMMAND",
    "ERR_ILLEGAL_INPUT",
  ]);
  await client.close();
  await server.close();
});

test("an item that changes at once changes once", () =>
  withClient(async (client) => {
    await client.set("k", 5);
    const item = await itemOf(client);
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => item.incr()),
    );
    assertEquals(outcomes.filter((one) => one !== false), [6]);
    assertEquals(await client.get("k"), 6);
    // The one that was done has moved it on.
    assertStrictEquals(await item.incr(), 7);
  }));

test("StrictClient's items throw what StrictClient throws", () =>
  withClient(async (wrapped) => {
    const client = new StrictClient(wrapped);
    await client.set("k", 5);
    const item = await itemOf(client);
    assertStrictEquals(await item.incr(), 6);
    assertStrictEquals(await item.set(7), true);
    assertStrictEquals(await item.touch(60), true);
    assertEquals(item.cas, (await client.gets("k")).cas);
    await client.set("k", 8);
    const changed = { key: "k", sent: true, code: "ERR_CAS" };
    await rejects(() => item.incr(), MemcacheCasError, changed);
    await rejects(() => item.set(1), MemcacheCasError, changed);
    await rejects(() => item.append("1"), MemcacheCasError, changed);
    await rejects(() => item.touch(1), MemcacheCasError, changed);
    await rejects(() => item.delete(), MemcacheCasError, changed);
    await client.delete("k");
    for (
      const call of [
        () => item.prepend("1"),
        () => item.decr(),
        () => item.touch(1),
        () => item.delete(),
      ]
    ) {
      await rejects(call, MemcacheNotFoundError, { key: "k", sent: true });
    }
    await rejects(() => item.set(undefined), Error);
    const own = await wrapped.getItem("k");
    assertStrictEquals(own, undefined);
  }));

test("FallbackClient's items change the first client's alone", async () => {
  const servers = [
    await MemcachedServer.start(),
    await MemcachedServer.start(),
  ];
  const clients = servers.map(({ address }) => new Client(address));
  const client = new FallbackClient(clients);
  const [first, second] = clients;
  await second.set("k", 5, { ttl: 100 });

  const foreign = await client.getItem<number>("k");
  assertEquals<unknown>(foreign, { key: "k", value: 5, flags: 2, cas: 0n });
  await rejects(async () => await foreign?.incr(), MemcacheIllegalInputError, {
    key: "k",
    sent: false,
  });
  assertEquals(await second.get("k"), 5);

  assert((await client.ttl("k") ?? 0) > 90);
  assertEquals(await client.size("k"), 1);
  assertEquals(await client.peek<number>("k", { default: 1 }), 5);
  assertEquals(await client.peek<number>("none", { default: 1 }), 1);
  assertEquals(await client.getAndTouch("k", 50), 5);
  assert((await second.ttl("k") ?? 0) > 90);
  assertStrictEquals(await client.take("k"), undefined);
  assertStrictEquals(await client.invalidate("k"), false);

  const seen: unknown[] = [];
  const add = (value: number | undefined) => {
    seen.push(value);
    return (value ?? 0) + 1;
  };
  assertStrictEquals(await client.update("k", add), 6);
  assertStrictEquals(await client.update("k", add), 7);
  assertStrictEquals(await client.update("none", add), 1);
  assertEquals(seen, [5, 6, undefined]);
  assertEquals([await first.get("k"), await second.get("k")], [7, 5]);

  const own = await client.getItem<number>("k");
  assertStrictEquals(await own?.decr(), 6);
  assertEquals(await client.take("k"), 6);
  assertEquals(await client.get("k"), 5);
  await client.close();
  for (const server of servers) await server.close();
});
