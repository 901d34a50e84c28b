import { assert, assertEquals } from "@std/assert";
import { test } from "../_runtime.ts";
import { readVectors } from "../_vectors.ts";
import { LoneSession } from "./_session.ts";

test("Session counts in stats what memcached counts", () => {
  const COUNTS: readonly (readonly [string, Record<string, number>])[] = [
    ["get a b\r\n", { cmd_get: 2, get_misses: 2 }],
    ["mg a T30\r\n", { cmd_get: 1, get_misses: 1 }],
    ["mg a N30\r\n", { cmd_get: 1, get_hits: 1, total_items: 1 }],
    ["mg a T30\r\n", { cmd_touch: 1, touch_hits: 1 }],
    ["gat 10 a b\r\n", { cmd_touch: 2, touch_hits: 1, touch_misses: 1 }],
    ["touch a 1\r\n", { cmd_touch: 1, touch_hits: 1 }],
    ["me a\r\nme b\r\n", { cmd_meta: 2 }],
    ["md b\r\nmd a C99\r\n", { delete_misses: 2 }],
    ["md a\r\n", { delete_hits: 1 }],
    ["ma n\r\n", { incr_misses: 1 }],
    ["ma n N0\r\n", { total_items: 1 }],
    ["ma n\r\n", { incr_hits: 1 }],
    ["ma n MD\r\ndecr n 1\r\n", { decr_hits: 2 }],
    ["ma n C99\r\n", {}],
    ["decr x 1\r\n", { decr_misses: 1 }],
    ["ms s 1\r\nx\r\n", { cmd_set: 1, total_items: 1 }],
    ["ms s 1 C5000\r\nx\r\n", { cmd_set: 1, cas_badval: 1 }],
    ["ms x 1 C5\r\nx\r\n", { cmd_set: 1, cas_misses: 1 }],
    ["ms s 1 MA C999\r\nx\r\n", { cmd_set: 1 }],
    ["cas x 0 0 1 1\r\nx\r\n", { cmd_set: 1, cas_misses: 1 }],
    ["set s 0 0 1\r\nxyz\r\n", { cmd_set: 1 }],
    ["set s 0 0 2000000\r\n", { store_too_large: 1 }],
  ];
  const session = new LoneSession();
  const { values } = session.state.counters;
  for (const [send, counts] of COUNTS) {
    const before = { ...values };
    session.ask(send);
    const changed = Object.entries(values).flatMap(([name, count]) => {
      const more = count - before[name as keyof typeof before];
      return more === 0 || name === "bytes_read" ? [] : [[name, more]];
    });
    assertEquals(Object.fromEntries(changed), counts, send);
  }
});

test("stats reports the names that memcached reports, in its order", () => {
  const { cases } = readVectors<
    { cases: { args: string[]; reply: string }[] }
  >("stats.json");
  // Slab classes are those of one run: the names of one class will do.
  const names = (reply: string) => [
    ...new Set(
      reply.split("\r\n").map((line) =>
        line.replace(/\d+:/, "n:").split(" ").slice(0, 2).join(" ")
      ),
    ),
  ];
  for (const args of ["", "settings", "items", "slabs"]) {
    const recorded = cases.find((c) =>
      c.args.join(" ") === args && c.reply.length > 500
    );
    assert(recorded !== undefined);
    const session = new LoneSession();
    session.ask("set a 0 0 1\r\n1\r\n");
    assertEquals(
      names(session.ask(`stats ${args}\r\n`)),
      names(recorded.reply),
      args,
    );
  }
});

test("stats reports items, settings and counts", () => {
  const session = new LoneSession({ maxItemSize: 2048, version: "1.5.0" });
  session.ask(
    "set a 0 0 1\r\n1\r\nset b 0 5 400\r\n" + "x".repeat(400) + "\r\n",
  );
  session.ask(
    "get a\r\ncache_memlimit 128\r\nverbosity 7\r\nlru mode flat\r\n",
  );
  const stat = (args: string) => (name: string) =>
    new RegExp(`STAT ${name} (.*)\r\n`).exec(
      session.ask(`stats${args}\r\n`),
    )?.[1];
  const general = stat("");
  assertEquals(general("version"), "1.5.0");
  assertEquals(general("time"), "1700000000");
  assertEquals(general("uptime"), "2");
  assertEquals(general("cmd_get"), "1");
  assertEquals(general("curr_items"), "2");
  assertEquals(general("bytes"), "521");
  assertEquals(general("limit_maxbytes"), "134217728");
  const settings = stat(" settings");
  assertEquals(settings("item_size_max"), "2048");
  assertEquals(settings("verbosity"), "2");
  assertEquals(settings("lru_segmented"), "no");
  assertEquals(settings("tcpport"), "11211");
  assertEquals(settings("inter"), "127.0.0.1");
  assertEquals(stat(" items")("items:8:mem_requested"), "460");
  assertEquals(stat(" slabs")("8:chunk_size"), "480");
  assertEquals(stat(" slabs")("active_slabs"), "2");
  assertEquals(
    session.ask("stats cachedump 8 0\r\n"),
    "ITEM b [400 b; 1700000005 s]\r\nEND\r\n",
  );
  session.advance(5);
  assertEquals(general("curr_items"), "1");
  assertEquals(general("uptime"), "7");
  session.ask("stats reset\r\n");
  assertEquals(general("cmd_get"), "0");
});
