import { assertEquals } from "@std/assert";
import { test } from "../_runtime.ts";
import { LoneSession } from "./_session.ts";

type Exchange = readonly [send: string, reply: string];

// All replies of this file are recorded from memcached 1.6.18.
const BAD_FORMAT = "CLIENT_ERROR bad command line format\r\n";
const BAD_CLASS = "BADCLASS invalid class id\r\n";
const BAD_CLASSES = "BADCLASS invalid src or dst class id\r\n";
const NO_SPARE = "NOSPARE source class has no spare pages\r\n";
const BAD_EXPTIME = "CLIENT_ERROR invalid exptime argument\r\n";
const DELETE_USAGE =
  "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
const AGES = "ERROR hot/warm age factors must be greater than 0\r\n";
const DETAIL_USAGE = "CLIENT_ERROR usage: stats detail on|off|dump\r\n";
const OK = "OK\r\n";
const ERROR = "ERROR\r\n";
const END = "END\r\n";

const LINES: readonly Exchange[] = [
  ["lru_crawler", ERROR],
  ["lru_crawler enable", "ERROR failed to start lru crawler thread\r\n"],
  ["lru_crawler disable", OK],
  ["lru_crawler disable", OK],
  ["lru_crawler enable", OK],
  ["lru_crawler enable noreply", ERROR],
  ["lru_crawler sleep 100", OK],
  ["lru_crawler sleep 100 noreply", ERROR],
  ["lru_crawler sleep abc", BAD_FORMAT],
  [
    "lru_crawler sleep 10000000",
    "CLIENT_ERROR sleep must be one second or less\r\n",
  ],
  ["lru_crawler sleep", ERROR],
  ["lru_crawler tocrawl 10", OK],
  ["lru_crawler tocrawl abc", BAD_FORMAT],
  ["lru_crawler tocrawl", ERROR],
  ["lru_crawler crawl all", OK],
  ["lru_crawler crawl 1", OK],
  ["lru_crawler crawl 1,2,3", OK],
  ["lru_crawler crawl 63", OK],
  ["lru_crawler crawl 64", BAD_CLASS],
  ["lru_crawler crawl 0", BAD_CLASS],
  ["lru_crawler crawl 1,abc", BAD_CLASS],
  ["lru_crawler crawl hash", "ERROR an unknown error happened\r\n"],
  ["lru_crawler crawl", ERROR],
  ["lru_crawler metadump all", END],
  ["lru_crawler metadump hash", END],
  ["lru_crawler metadump 1,2", END],
  ["lru_crawler metadump abc", BAD_CLASS],
  ["lru_crawler metadump all foo", ERROR],
  ["lru_crawler metadump", ERROR],
  ["lru_crawler mgdump all", ERROR],
  ["lru_crawler bogus x", ERROR],
  ["lru", ERROR],
  ["lru mode", ERROR],
  ["lru mode flat", OK],
  ["lru mode segmented x", OK],
  ["lru mode flat noreply", ""],
  ["lru mode bogus", ERROR],
  ["lru tune 10 25 0.1 2.0", OK],
  ["lru tune 1 2 3 4 5", OK],
  ["lru tune 10 25", ERROR],
  ["lru tune 60 60 0.1 2.0", "ERROR hot and warm pcts must not exceed 80\r\n"],
  ["lru tune 10 25 0 2.0", AGES],
  ["lru tune 10 25 1 0", AGES],
  ["lru tune -1 25 1 1", ERROR],
  ["lru tune a b c d", ERROR],
  ["lru temp_ttl 60", OK],
  ["lru temp_ttl -1", OK],
  ["lru temp_ttl 5 noreply", ""],
  ["lru temp_ttl abc", ERROR],
  ["lru temp_ttl", ERROR],
  ["lru bogus 1", ERROR],
  ["slabs", ERROR],
  ["slabs reassign 1", ERROR],
  ["slabs reassign 1 2", NO_SPARE],
  ["slabs reassign 1 2 noreply", ERROR],
  ["slabs reassign 1 1", "SAME src and dst class are identical\r\n"],
  ["slabs reassign 0 1", NO_SPARE],
  ["slabs reassign 1 0", NO_SPARE],
  ["slabs reassign 200 1", BAD_CLASSES],
  ["slabs reassign 1 40", BAD_CLASSES],
  ["slabs reassign -1 1", BAD_CLASSES],
  ["slabs reassign a b", BAD_FORMAT],
  ["slabs automove 0", OK],
  ["slabs automove 2", OK],
  ["slabs automove 1 2", OK],
  ["slabs automove 1 noreply", ""],
  ["slabs automove 3", ERROR],
  ["slabs automove 9223372036854775808", OK],
  ["slabs automove abc", BAD_FORMAT],
  ["slabs automove", ERROR],
  ["slabs bogus 1", ERROR],
  ["watch bogus", ERROR],
  ["watch fetchers x", ERROR],
  ["stats bogus", ERROR],
  ["stats reset", "RESET\r\n"],
  ["stats detail", DETAIL_USAGE],
  ["stats detail bogus", DETAIL_USAGE],
  ["stats detail dump", END],
  ["stats cachedump 1", "CLIENT_ERROR bad command line\r\n"],
  ["stats cachedump 1 10", END],
  ["stats cachedump 63 10", END],
  ["stats cachedump 64 10", "CLIENT_ERROR Illegal slab id\r\n"],
  ["stats cachedump a 10", BAD_FORMAT],
  ["stats items", END],
  ["stats slabs", "STAT active_slabs 0\r\nSTAT total_malloced 0\r\nEND\r\n"],
  ["stats extstore", END],
  ["stats sizes", "STAT sizes_status disabled\r\nEND\r\n"],
  ["stats sizes_enable", "STAT sizes_status enabled\r\n"],
  ["stats sizes", END],
  ["stats sizes_disable", "STAT sizes_status disabled\r\n"],
  ["refresh_certs", "Error TLS not enabled\r\n"],
  ["verbosity noreply", ""],
  ["verbosity 1 2", OK],
  ["verbosity 1 2 3", ERROR],
  ["verbosity -1", BAD_FORMAT],
  ["verbosity 99999999999999999999", BAD_FORMAT],
  ["version foo", "VERSION 1.6.18\r\n"],
  ["bget a", END],
  ["config get cluster", ERROR],
  ["cache_memlimit 64 noreply", ""],
  ["cache_memlimit 64 foo", OK],
  ["cache_memlimit 64 foo bar", ERROR],
  [
    "cache_memlimit 1000000001",
    "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n",
  ],
  ["cache_memlimit 8", OK],
  ["cache_memlimit -1", ERROR],
  ["shutdown foo", "ERROR: shutdown not enabled\r\n"],
  ["flush_all 1 2", OK],
  ["flush_all 1 2 3", ERROR],
  ["flush_all foo noreply", ""],
  ["flush_all noreply foo", BAD_EXPTIME],
  ["flush_all 1.5", BAD_EXPTIME],
  ["flush_all 99999999999999999999", BAD_EXPTIME],
  ["gat noreply", BAD_EXPTIME],
  ["touch a 5 6", "NOT_FOUND\r\n"],
  ["touch a noreply", ""],
  ["incr a 5 6", "NOT_FOUND\r\n"],
  ["incr a 5 6 7", ERROR],
  ["delete a noreply 0", DELETE_USAGE],
  ["delete a 0 noreply", ""],
  ["delete a 0 0", DELETE_USAGE],
  ["me k1 b", BAD_FORMAT],
  ["me azE= b", "EN\r\n"],
  ["mg YR== b k", "EN kYQ== b\r\n"],
  ["mg YW=j b k", "EN kYWA= b\r\n"],
  ["mg YQ==YQ== b k", "EN kYQ== b\r\n"],
  ["mg YW\tJj b k", "EN kYWJj b\r\n"],
  ["mg -_-_ b k", "CLIENT_ERROR error decoding key\r\n"],
  ["mg a k k", "CLIENT_ERROR duplicate flag\r\n"],
  ["ms k 2147483646", BAD_FORMAT],
  ["ms k -2 q", BAD_FORMAT],
];

test("Session answers command lines as memcached does", () => {
  const session = new LoneSession();
  for (const [line, reply] of LINES) {
    assertEquals(session.ask(`${line}\r\n`), reply, line);
  }
});

/** Several exchanges with one session, which also sees the ones before. */
const TALKS: Readonly<Record<string, readonly Exchange[]>> = {
  "a get with a key that is too long answers for no key": [
    ["set a 0 0 1\r\nx\r\n", "STORED\r\n"],
    [`get a ${"a ".repeat(40)}${"k".repeat(251)}\r\n`, BAD_FORMAT],
  ],
  "a NUL ends the line": [
    ["set a\0b 0 0 1\r\nv\r\n", ERROR + ERROR],
    ["set a 0 0 1\r\nx\r\n", "STORED\r\n"],
    ["get a\0b\r\n", "VALUE a 0 1\r\nx\r\nEND\r\n"],
  ],
  "a longer number is a new item, and what ma sets on it is lost": [
    ["set k 0 0 1\r\n9\r\n", "STORED\r\n"],
    ["ma k T100 t c v\r\n", "VA 2 t100 c2\r\n10\r\n"],
    ["mg k t c v\r\n", "VA 2 t-1 c2\r\n10\r\n"],
    ["ma k T100 t c v\r\n", "VA 2 t100 c3\r\n11\r\n"],
    ["mg k t c v\r\n", "VA 2 t100 c3\r\n11\r\n"],
  ],
  "ms alone makes a binary key, and a new item forgets it": [
    ["ms azI= 1 b\r\n9\r\n", "HD\r\n"],
    ["mg k2 k v\r\n", "VA 1 kazI= b\r\n9\r\n"],
    ["ma k2 v k\r\n", "VA 2 kk2\r\n10\r\n"],
    ["mg k2 k v\r\n", "VA 2 kk2\r\n10\r\n"],
    ["md k2 k\r\n", "HD kk2\r\n"],
    ["ma azI= b N0 k\r\n", "HD kazI= b\r\n"],
    ["mg k2 k\r\n", "HD kk2\r\n"],
    ["ms azI= 1 b\r\nx\r\n", "HD\r\n"],
    ["ms k2 1 MA k\r\ny\r\n", "HD kk2\r\n"],
    ["mg k2 k v\r\n", "VA 2 kk2\r\nxy\r\n"],
  ],
  "append makes a stale item fresh, incr in place does not": [
    ["ms st 1\r\nx\r\n", "HD\r\n"],
    ["md st I T30\r\n", "HD\r\n"],
    ["append st 0 0 1\r\nz\r\n", "STORED\r\n"],
    ["mg st t v\r\n", "VA 2 t30\r\nxz\r\n"],
    ["set n 0 0 1\r\n1\r\n", "STORED\r\n"],
    ["md n I T30\r\n", "HD\r\n"],
    ["incr n 1\r\n", "2\r\n"],
    ["mg n t v\r\n", "VA 1 t30 X W\r\n2\r\n"],
  ],
  "an opaque that is too long is found when half is done": [
    [
      `mg new N30 O${"o".repeat(33)} v\r\n`,
      "CLIENT_ERROR opaque token too long\r\n",
    ],
    ["mg new v t\r\n", "VA 0 t30\r\n\r\n"],
    [
      `md new O${"o".repeat(33)}\r\n`,
      "CLIENT_ERROR opaque token too long\r\n",
    ],
    ["mg new v\r\n", "VA 0\r\n\r\n"],
  ],
  "meta commands have at most 19 words": [
    [
      "mg a k t s f c h l v u q O1 T1 N1 R1 P1 L1 I C1\r\n",
      "CLIENT_ERROR options flags are too long\r\n",
    ],
    [
      "mg a k t s f c h l v u q O1 T1 N1 R1 P1 L1 I\r\n",
      "VA 0 ka t-1 s0 f0 c1 h0 l0 O1 W\r\n\r\n",
    ],
    [
      "ms a 1 k s f c h l v u q P L I O1 T1 N1 R1 D1\r\nx\r\n",
      `CLIENT_ERROR options flags too long\r\n${ERROR}`,
    ],
  ],
  "incr asks for the version before it asks for a number": [
    ["ms a 1\r\nx\r\n", "HD\r\n"],
    ["ma a C99\r\n", "EX\r\n"],
    ["ms a 0\r\n\r\n", "HD\r\n"],
    [
      "ma a C99\r\n",
      "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    ],
  ],
  "stats detail counts by prefix": [
    ["stats detail on\r\n", OK],
    ["set a:b 0 0 1\r\nx\r\n", "STORED\r\n"],
    ["get a:b\r\n", "VALUE a:b 0 1\r\nx\r\nEND\r\n"],
    ["get a:c\r\n", END],
    ["mg a:b v\r\n", "VA 1\r\nx\r\n"],
    ["delete a:b\r\n", "DELETED\r\n"],
    ["set plain 0 0 1\r\nx\r\n", "STORED\r\n"],
    ["gat 0 a:x\r\n", END],
    ["touch a:x 1\r\n", "NOT_FOUND\r\n"],
    ["incr a:x 1\r\n", "NOT_FOUND\r\n"],
    ["stats detail dump\r\n", "PREFIX a get 3 hit 1 set 1 del 1\r\nEND\r\n"],
    ["stats detail off\r\n", OK],
  ],
  "stats sizes counts what was stored since it was enabled": [
    ["set a 0 0 3\r\nabc\r\n", "STORED\r\n"],
    ["stats sizes_enable\r\n", "STAT sizes_status enabled\r\n"],
    ["set f9 0 0 3\r\nabc\r\n", "STORED\r\n"],
    ["stats sizes\r\n", "STAT 64 1\r\nEND\r\n"],
  ],
  "a watcher hears nothing more": [
    ["watch fetchers mutations\r\n", OK],
    ["mn\r\nget a\r\n", ""],
  ],
};

for (const [name, talk] of Object.entries(TALKS)) {
  test(`Session does as memcached: ${name}`, () => {
    const session = new LoneSession();
    for (const [send, reply] of talk) {
      assertEquals(session.ask(send), reply, send);
    }
  });
}

test("Session closes on requests of a browser", () => {
  for (const line of ["GET / HTTP/1.1", "POST /x HTTP/1.0", "HTTP/1.1"]) {
    const session = new LoneSession();
    assertEquals(session.ask(`${line}\r\n`), "");
    assertEquals(session.closed, true, line);
  }
});

test("Session closes on lines that memcached has no room for", () => {
  const CASES: readonly (readonly [sends: string[], closed: boolean])[] = [
    [["z".repeat(2048)], false],
    [["z".repeat(2049)], true],
    [["z".repeat(2000), "z".repeat(49)], true],
    [["gat 0 " + "b ".repeat(2000)], true],
    [["get " + "b ".repeat(2000)], false],
    [["   gets " + "b ".repeat(2000)], false],
    [[" ".repeat(101) + "get " + "b ".repeat(2000)], true],
    [["z".repeat(16_380) + "\r\n"], false],
    [["z".repeat(16_384) + "\r\n"], true],
    [["gat 0 " + "b ".repeat(10_000) + "\r\n"], true],
    [["get " + "b ".repeat(10_000) + "\r\n"], false],
  ];
  for (const [sends, closed] of CASES) {
    const session = new LoneSession();
    for (const send of sends) session.ask(send);
    assertEquals(session.closed, closed, sends[0].slice(0, 20));
  }
});

test("lru_crawler metadump lists items with bare line feeds", () => {
  const session = new LoneSession();
  session.ask("set a%b/~c!d\x7f\xff 0 0 1\r\nx\r\n");
  session.ask("ms AAECAw== 1 b T100\r\ny\r\n");
  session.ask("mg AAECAw== b\r\n");
  const binary = "key=%00%01%02%03 exp=1700000100 la=1700000000 cas=2 " +
    "fetch=yes cls=1 size=64\n";
  const odd = "key=a%25b%2F~c%21d%7F%FF exp=-1 la=1700000000 cas=1 " +
    "fetch=no cls=1 size=70\n";
  assertEquals(
    session.ask("lru_crawler metadump all\r\n"),
    `${binary}${odd}END\r\n`,
  );
  assertEquals(session.ask("lru_crawler metadump 2\r\n"), END);
});
