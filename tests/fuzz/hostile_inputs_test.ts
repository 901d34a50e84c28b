/**
 * Whatever is given to whatever method: one well-formed command is sent for the
 * keys that were given, or nothing is, not even a connection opened.
 */
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import {
  Client,
  type ClientOptions,
  MemcacheIllegalInputError,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { Random } from "../wire/_random.ts";
import {
  type attempt,
  combinations,
  isRefusal,
  keySetups,
  PROTOCOLS,
  Recorder,
  tryAll,
} from "./_attempts.ts";
import { bytesOf, CommandReader, latin1 } from "./_commands.ts";
import { META_PLACES, metaMethods } from "./_meta_places.ts";
import { methodsOf, type Place, PLACES } from "./_places.ts";
import { BYTES, hostileText, THINGS } from "./_things.ts";

const ALL: Readonly<Record<string, readonly Place[]>> = {
  ...PLACES,
  ...META_PLACES,
};

test("every method of Client has hostile inputs", () => {
  assertEquals(Object.keys(PLACES).sort(), methodsOf(Client));
  assertEquals(Object.keys(META_PLACES).sort(), metaMethods());
  for (const [method, places] of Object.entries(ALL)) {
    assertGreater(places.length, 0, method);
  }
});

test(
  "Client sends one well-formed command for a hostile key, or nothing",
  async () => {
    const ways = await tryAll(
      combinations(ALL, [...THINGS, ...BYTES], keySetups(), true),
    );
    assertGreater(ways.refused, 40_000);
    assertGreater(ways.sent, 5_000);
  },
  { timeout: 120_000 },
);

test(
  "Client sends one well-formed command for a key of random text, or nothing",
  async () => {
    const random = new Random(6);
    const texts = Array.from({ length: 30 }, () => hostileText(random));
    const ways = await tryAll(combinations(ALL, texts, keySetups(), true));
    assertGreater(ways.refused, 8_000);
    assertGreater(ways.sent, 5_000);
  },
  { timeout: 120_000 },
);

test(
  "Client sends one well-formed command for hostile numbers, options and values, or nothing",
  async () => {
    const ways = await tryAll(combinations(ALL, THINGS, PROTOCOLS, false));
    assertGreater(ways.refused, 20_000);
    assertGreater(ways.sent, 10_000);
  },
  { timeout: 120_000 },
);

test("stats() sends hostile arguments as they are, or not at all", async () => {
  const random = new Random(7);
  const texts = Array.from({ length: 3000 }, () => hostileText(random));
  const [place] = PLACES.stats;
  const ways = await tryAll(
    texts.map((text) => ["stats", place, text, PROTOCOLS[0]] as const)
      .map(([...args]) => args as Parameters<typeof attempt>),
  );
  assertGreater(ways.refused, 1000);
  assertGreater(ways.sent, 100);
});

test("Client takes no hostile prefix", async () => {
  const random = new Random(8);
  const texts = Array.from({ length: 300 }, () => hostileText(random));
  let refused = 0;
  let taken = 0;
  for (const allowUnicodeKeys of [false, true]) {
    for (const { name, make } of [...THINGS, ...texts]) {
      const keyPrefix = make() as string;
      const recorder = new Recorder();
      const { dial } = recorder;
      let client: Client;
      try {
        client = new Client("x:1", { keyPrefix, allowUnicodeKeys, dial });
      } catch (error) {
        assert(error instanceof MemcacheIllegalInputError, `${name}: ${error}`);
        refused++;
        continue;
      }
      await client.get("k").catch(() => {});
      const { fault, commands } = recorder;
      assertEquals(fault, undefined, name);
      const sent = commands.map(({ keys }) => keys).flat();
      const full = latin1(new TextEncoder().encode(`${keyPrefix ?? ""}k`));
      assertEquals(sent, full.length > 250 ? [] : [full], name);
      await client.close();
      taken++;
    }
  }
  assertGreater(refused, 300);
  assertGreater(taken, 50);
});

test(
  "Client sends nothing of what a hostile serde or encoder gives",
  async () => {
    for (const { name, make } of THINGS) {
      const thing = make() as never;
      const serdes: ReadonlyArray<NonNullable<ClientOptions["serde"]>> = [
        { serialize: () => thing, deserialize: () => 1 },
        {
          serialize: () => ({ data: "v", flags: thing }),
          deserialize: () => 1,
        },
        { serialize: () => ({ data: thing, flags: 1 }), deserialize: () => 1 },
      ];
      const setups: ClientOptions[] = serdes.map((serde) => ({ serde }));
      setups.push({ keyEncoder: () => thing });
      for (const [i, options] of setups.entries()) {
        const recorder = new Recorder();
        recorder.asksVersion = true;
        const { dial } = recorder;
        const client = new Client("x:1", { ...options, dial, timeout: 500 });
        const about = `${name}, ${i}`;
        const calls = i < 3
          ? [
            client.set("k", 1),
            client.setMany({ k: 1 }),
            client.cas("k", 1, 1),
            client.meta.set("k", 1),
          ]
          : [client.set("a b", 1), client.get("a b"), client.getMany(["a b"])];
        const ends = await Promise.allSettled(calls);
        assertEquals(recorder.fault, undefined, about);
        for (const end of ends) {
          if (end.status === "fulfilled") continue;
          assert(isRefusal(end.reason), `${about}: ${end.reason}`);
        }
        if (ends.every(({ status }) => status === "rejected")) {
          assertEquals(recorder.text, "", about);
        }
        for (const { keys, data } of recorder.commands) {
          if (i < 3) assertEquals(keys, ["k"], about);
          if (i === 2 && typeof thing === "string") {
            assertEquals(data, latin1(new TextEncoder().encode(thing)), about);
          }
        }
        await client.close();
      }
    }
  },
  { timeout: 60_000 },
);

test("the parser that judges takes no malformed line", () => {
  const good = [
    ...["get k\r\n", "gets k k2\r\n", "gat -1 k\r\n", "mg k f v O1\r\n"],
    ...["set k 0 0 2\r\n\r\n\r\n", "cas k 1 5 0 7 noreply\r\n\r\n", "mn\r\n"],
    ...[
      "incr k 18446744073709551615\r\n",
      "touch k 0 noreply\r\n",
      "stats\r\n",
    ],
    ...[
      "flush_all 0 noreply\r\n",
      "shutdown graceful\r\n",
      "delete noreply\r\n",
    ],
  ];
  for (const text of good) {
    const reader = new CommandReader();
    assertEquals([reader.feed(text).length, reader.rest], [1, ""], text);
  }
  const bad = [
    ...["get\r\n", "get \r\n", "get  k\r\n", "get k \r\n", "GET k\r\n", "\r\n"],
    ...["set k 0 0\r\n", "set k -1 0 1\r\nx\r\n", "set k 0 1.5 1\r\nx\r\n"],
    ...["set k 0 0 1\r\nxx\r\n", "set k 0 0 1 0\r\nx\r\n", "delete k 0\r\n"],
    ...["incr k -1\r\n", "incr k 01\r\n", "touch k\r\n", "flush_all x\r\n"],
    ...[`get ${"x".repeat(251)}\r\n`, "get a\x7f\r\n", "get a\0\r\n", "a\r\n"],
    ...[
      "mn x\r\n",
      "version x\r\n",
      "get a\nb\r\n",
      `gat 1${" k".repeat(2e3)}\r\n`,
    ],
  ];
  for (const text of bad) {
    assertThrows(() => new CommandReader().feed(text), Error, undefined, text);
  }
  assertEquals(latin1(bytesOf("\0\xff\r\n")), "\0\xff\r\n");
});
