/** Replies to meta commands: whose they are, and what they may say. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type Client,
  type ClientOptions,
  MemcacheError,
  MemcacheSerdeError,
  MemcacheUnknownError,
  rawSerde,
} from "@x/memcache";
import { test } from "../../_runtime.ts";
import type { Command, Script } from "../../_scripted.ts";
import { failure, type Pair, warm, withPair } from "../../connection/_calls.ts";

type Call = (client: Client) => Promise<unknown>;

/** Answers meta commands with what `say` makes of the opaque token. */
function saying(say: (opaque: string, command: Command) => string): Script {
  return (command, peer) => {
    const { name, args } = command;
    if (!/^m[gsdae]$/.test(name) || args[0] === "warm") {
      return peer.answer(command) as undefined;
    }
    const opaque = args.find((flag) => flag[0] === "O")?.slice(1) ?? "none";
    return peer.send(say(opaque, command)) as undefined;
  };
}

function withSaying(
  say: (opaque: string, command: Command) => string,
  use: (pair: Pair) => Promise<void>,
  options: ClientOptions = {},
): Promise<void> {
  return withPair({ command: saying(say) }, options, async (pair) => {
    await warm(pair.client);
    await use(pair);
  });
}

const get: Call = ({ meta }) => meta.get("k");
const fact: Call = ({ meta }) => meta.get("k", { returnValue: false });
const ttl: Call = ({ meta }) =>
  meta.get("k", { returnValue: false, returnTtl: true });
const key: Call = ({ meta }) => meta.get("k", { returnKey: true });
const own: Call = ({ meta }) => meta.get("k", { opaque: "mine" });
const set: Call = ({ meta }) => meta.set("k", "v");
const cas: Call = ({ meta }) => meta.set("k", "v", { returnCas: true });
const remove: Call = ({ meta }) => meta.delete("k");
const count: Call = ({ meta }) => meta.arithmetic("k");
const silentCount: Call = ({ meta }) =>
  meta.arithmetic("k", { returnValue: false });
const created: Call = (client) => client.incr("k", 1, { initial: 5 });
const debug: Call = ({ meta }) => meta.debug("k");
const noop: Call = ({ meta }) => meta.noop();

const FACTS = "exp=-1 la=5 cas=9 fetch=no cls=1 size=63";

/** Replies that cannot be those of their commands. `@` is the token. */
const FOREIGN: ReadonlyArray<readonly [reply: string, call: Call]> = [
  // Another token, none where there is one, half of it.
  ["VA 1 f16 O999999999\r\nx\r\n", get],
  ["VA 1 f16 O@1\r\nx\r\n", get],
  ["VA 1 f16 O0@\r\nx\r\n", get],
  ["VA 1 f16\r\nx\r\n", get],
  ["VA 1 f16 O\r\nx\r\n", get],
  ["EN O999999999\r\n", get],
  ["HD O999999999\r\n", set],
  ["HD\r\n", set],
  ["NS\r\n", set],
  ["HD\r\n", remove],
  ["NF O999999999\r\n", remove],
  ["VA 1 O999999999\r\n1\r\n", count],
  ["NF\r\n", count],
  ["VA 1 f16 OMINE\r\nx\r\n", own],
  ["VA 1 f16 Omine2\r\nx\r\n", own],
  // The token of two.
  ["VA 1 f16 O@ O999999999\r\nx\r\n", get],
  // Another key, though the token is right.
  ["VA 1 f16 O@ kother\r\nx\r\n", get],
  ["VA 1 f16 O@ kother\r\nx\r\n", key],
  ["EN O@ kother\r\n", key],
  ["HD O@ kK\r\n", set],
  ["HD O@ ka2s= b\r\n", fact],
  // Words of other commands.
  ["HD O@\r\n", get],
  ["VA 1 f16 O@\r\nx\r\n", fact],
  ["NF O@\r\n", get],
  ["NS O@\r\n", get],
  ["EX O@\r\n", get],
  ["EN O@\r\n", set],
  ["VA 1 O@\r\nx\r\n", set],
  ["EN O@\r\n", remove],
  ["NS O@\r\n", remove],
  ["VA 1 O@\r\nx\r\n", remove],
  ["HD O@\r\n", count],
  ["EN O@\r\n", count],
  ["VA 1 O@\r\n1\r\n", silentCount],
  ["STORED\r\n", set],
  ["END\r\n", get],
  ["VALUE k 16 1\r\nx\r\nEND\r\n", get],
  ["1\r\n", count],
  ["MN\r\n", get],
  ["MN\r\n", set],
  ["OK\r\n", remove],
  ["HD O@\r\n", noop],
  // The words of `incr`, in whose place `ma` has been sent.
  ["NOT_FOUND\r\n", created],
  ["7\r\n", created],
  ["HD O@\r\n", created],
  ["NF O@\r\n", created],
  // What was asked for and is not there, or cannot be.
  ["VA 1 O@\r\nx\r\n", get],
  ["HD O@\r\n", ttl],
  ["HD O@ tx\r\n", ttl],
  ["HD O@ t-5\r\n", ttl],
  ["VA 1 f16 O@\r\nx\r\n", key],
  ["HD O@\r\n", cas],
  ["HD O@ c-1\r\n", cas],
  ["VA 1 f4294967296 O@\r\nx\r\n", get],
  // No number.
  ["VA 1 O@\r\nx\r\n", count],
  ["VA 0 O@\r\n\r\n", count],
  ["VA 2 O@\r\n-1\r\n", count],
  ["VA 3 O@\r\n1.5\r\n", count],
  ["VA 20 O@\r\n18446744073709551616\r\n", count],
  ["VA 2 O@\r\n 1\r\n", count],
  // Of what is known of an item.
  [`ME other ${FACTS}\r\n`, debug],
  [`ME\r\n`, debug],
  [`ME k\r\n`, debug],
  [`ME k exp=-1 la=5 cas=9 fetch=no cls=1\r\n`, debug],
  [`ME k exp=x la=5 cas=9 fetch=no cls=1 size=63\r\n`, debug],
  [`ME k exp=-1 la=-5 cas=9 fetch=no cls=1 size=63\r\n`, debug],
  [
    `ME k exp=-1 la=5 cas=18446744073709551616 fetch=no cls=1 size=6\r\n`,
    debug,
  ],
  [`ME k exp=-1 la=5 cas=9 fetch=maybe cls=1 size=63\r\n`, debug],
  ["HD\r\n", debug],
];

test(
  "a reply that cannot be a command's own ends the connection, and gives nothing",
  async () => {
    for (const [reply, call] of FOREIGN) {
      const say = (opaque: string) => reply.replaceAll("@", opaque);
      const script = saying(say);
      let isNoop = false;
      await withPair(
        {
          command: (command, peer) =>
            isNoop && command.name === "mn"
              ? peer.send(say("1")) as undefined
              : script(command, peer),
        },
        { serde: rawSerde },
        async ({ server, client }) => {
          await warm(client);
          isNoop = call === noop;
          // What is behind it must not be given anything either.
          const [error, behind] = await Promise.all([
            failure(call(client)),
            client.get("warm").catch((error) => error),
          ]);
          assertInstanceOf(error, MemcacheUnknownError, reply);
          assertEquals(error.code, "ERR_UNKNOWN_REPLY", reply);
          assert(
            behind === undefined || behind instanceof MemcacheError,
            `${reply}: ${behind}`,
          );
          isNoop = false;
          await client.get("warm");
          assertEquals(server.peers.length, 2, reply);
        },
      );
    }
  },
  { timeout: 30_000 },
);

/** Replies in forms that are rare, and what they mean. */
const FINE: ReadonlyArray<
  readonly [reply: string, call: Call, result: unknown]
> = [
  ["EN\r\n", get, { status: "miss" }],
  ["EN O@\r\n", get, { status: "miss" }],
  ["EN O@ kk\r\n", get, { status: "miss" }],
  ["EN kk O@\r\n", key, { status: "miss", key: "k" }],
  ["EN\r\n", key, { status: "miss" }],
  ["EN aw== b O@\r\n", get, { status: "miss" }],
  ["HD O@ kaw== b\r\n", fact, { status: "hit" }],
  ["HD kk O@\r\n", set, { status: "stored" }],
  ["HD  O@  \r\n", set, { status: "stored" }],
  ["HD O@ y7 nX S5\r\n", set, { status: "stored" }],
  ["HD O@ c0\r\n", set, { status: "stored" }],
  ["HD O@ c7\r\n", cas, { status: "stored", cas: 7n }],
  ["EX O@ c0\r\n", cas, { status: "exists" }],
  ["NF O@ c0\r\n", cas, { status: "notFound" }],
  ["NS O@\r\n", cas, { status: "notStored" }],
  ["HD O@ t-1\r\n", ttl, { status: "hit", ttl: -1 }],
  ["HD t0 O@ W X\r\n", ttl, { status: "hit", ttl: 0, won: true, stale: true }],
  ["HD O@ X Z\r\n", fact, { status: "hit", stale: true, alreadyWon: true }],
  ["VA 2 O@\r\n9 \r\n", count, { status: "stored", value: 9 }],
  ["VA 2 O@ t5 c5\r\n07\r\n", count, { status: "stored", value: 7 }],
  ["EX O@\r\n", count, { status: "exists" }],
  ["NS O@\r\n", count, { status: "notStored" }],
  ["HD O@\r\n", silentCount, { status: "stored" }],
  ["VA 1 Omine f0\r\nx\r\n", own, {
    status: "hit",
    value: Uint8Array.of(120),
    opaque: "mine",
  }],
  ["EN\r\n", debug, undefined],
  [`ME k ${FACTS}\r\n`, debug, {
    ttl: -1,
    lastAccess: 5,
    cas: 9n,
    fetched: false,
    slabClass: 1,
    size: 63,
  }],
  [`ME aw== size=1 cls=2 fetch=yes cas=0 la=0 exp=-60 new=1\r\n`, debug, {
    ttl: 60,
    lastAccess: 0,
    cas: 0n,
    fetched: true,
    slabClass: 2,
    size: 1,
  }],
];

test("a meta reply is read in every form that it may have", async () => {
  for (const [reply, call, wanted] of FINE) {
    await withSaying(
      (opaque) => reply.replaceAll("@", opaque),
      async ({ server, client }) => {
        assertEquals(await call(client), wanted, reply);
        await client.get("warm");
        assertEquals(server.peers.length, 1, reply);
      },
      { serde: rawSerde },
    );
  }
}, { timeout: 30_000 });

test("the tokens of callers are theirs, and may be alike", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await client.set("a", "1");
    await client.set("b", "2");
    const results = await Promise.all(
      ["a", "b", "none"].map((key) => client.meta.get(key, { opaque: "same" })),
    );
    assertEquals(results, [
      { status: "hit", value: "1", opaque: "same" },
      { status: "hit", value: "2", opaque: "same" },
      { status: "miss", opaque: "same" },
    ]);
    const lines = server.lines.filter((line) => line.startsWith("mg"));
    assert(lines.every((line) => line.endsWith(" Osame")), lines.join());
  });
});

test("an empty value that is to be recached is a value, an item made by vivify has none", async () => {
  const cases: ReadonlyArray<
    readonly [flags: string, options: object, value: unknown]
  > = [
    ["W", { vivify: 60 }, undefined],
    ["W", { recache: 60 }, new Uint8Array(0)],
    ["W X", { vivify: 60 }, new Uint8Array(0)],
    ["Z", {}, undefined],
    ["Z X", {}, new Uint8Array(0)],
    ["", { vivify: 60 }, new Uint8Array(0)],
  ];
  for (const [flags, options, value] of cases) {
    await withSaying((opaque) => `VA 0 f0 O${opaque} ${flags}\r\n\r\n`, async (
      { client },
    ) => {
      const result = await client.meta.get("k", options);
      assertEquals(result.value, value as unknown, flags);
    }, { serde: rawSerde });
  }
});

test("arithmetic() does not round what is past 2^53 - 1", async () => {
  await withSaying(
    (opaque) => `VA 16 O${opaque}\r\n9007199254740992\r\n`,
    async (
      { client },
    ) => {
      const error = await failure(client.meta.arithmetic("k"));
      assertInstanceOf(error, MemcacheSerdeError);
      assertEquals([error.sent, error.key], [true, "k"]);
      assertEquals(await client.meta.arithmetic("k", { delta: 1n }), {
        status: "stored",
        value: 2n ** 53n,
      });
    },
  );
});

test(
  "error lines fail the meta command that they answer, and no other",
  async () => {
    const lines: ReadonlyArray<readonly [line: string, code: string]> = [
      ["SERVER_ERROR out of memory storing object", "ERR_VALUE_REFUSED"],
      ["SERVER_ERROR object too large for cache", "ERR_VALUE_REFUSED"],
      [
        "CLIENT_ERROR cannot increment or decrement non-numeric value",
        "ERR_NON_NUMERIC",
      ],
      ["CLIENT_ERROR invalid flag", "ERR_CLIENT"],
      ["ERROR", "ERR_UNKNOWN_COMMAND"],
    ];
    for (const [line, code] of lines) {
      for (const call of [get, set, remove, count, debug]) {
        await withSaying(() => `${line}\r\n`, async ({ client }) => {
          const error = await failure(call(client));
          assertEquals([error.code, error.key], [code, "k"], line);
          assertEquals(await client.get("warm"), undefined);
        });
      }
    }
  },
  { timeout: 30_000 },
);
