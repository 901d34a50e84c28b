import { assertEquals } from "@std/assert";
import { test } from "../_runtime.ts";
import { LoneSession } from "./_session.ts";

test("Session refuses values above the limit and forgets the old ones", () => {
  const session = new LoneSession({ maxItemSize: 1024 });
  const big = `${"x".repeat(1024)}\r\n`;
  const CASES: readonly (readonly [line: string, left: boolean])[] = [
    ["set a 0 0 1024", false],
    ["add a 0 0 1024", true],
    ["append a 0 0 1024", true],
    ["cas a 0 0 1024 1", true],
    ["ms a 1024", false],
    ["ms a 1024 ME", false],
    ["ms a 1024 q", false],
  ];
  for (const [line, left] of CASES) {
    session.ask("set a 0 0 1\r\nx\r\n");
    assertEquals(
      session.ask(`${line}\r\n${big}get a\r\n`),
      "SERVER_ERROR object too large for cache\r\n" +
        (left ? "VALUE a 0 1\r\nx\r\nEND\r\n" : "END\r\n"),
      line,
    );
  }
  // Header, version, key and line end take 62 bytes for a key of 3 bytes.
  session.ask(`set abc 0 0 962\r\n${"x".repeat(962)}\r\n`);
  assertEquals(session.ask("mg abc s\r\n"), "HD s962\r\n");
  assertEquals(session.ask("append abc 0 0 1\r\nx\r\n"), "NOT_STORED\r\n");
});

test("flush_all with a delay ends items at its time", () => {
  const session = new LoneSession();
  session.ask("set a 0 0 1\r\n1\r\nflush_all 4\r\n");
  session.advance(2);
  session.ask("set b 0 0 1\r\n1\r\n");
  assertEquals(session.ask("mg a\r\nmg b\r\n"), "HD\r\nHD\r\n");
  // memcached takes the second before the delay is over for its end.
  session.advance(1);
  assertEquals(session.ask("mg a\r\nmg b\r\n"), "EN\r\nEN\r\n");
  session.ask("set c 0 0 1\r\n1\r\n");
  assertEquals(session.ask("mg c\r\n"), "EN\r\n");
  session.advance(1);
  session.ask("set c 0 0 1\r\n1\r\n");
  assertEquals(session.ask("mg c\r\n"), "HD\r\n");
});

test("Session evicts the least recently used items when memory is full", () => {
  // Ten items of 1000 bytes with their headers.
  const session = new LoneSession({ memoryLimit: 10_000 });
  const set = (key: string) =>
    session.ask(`set ${key} 0 0 940\r\n${"x".repeat(940)}\r\n`);
  for (const key of "abcdefghij") assertEquals(set(key), "STORED\r\n");
  session.ask("get a\r\n");
  set("k");
  set("l");
  const left = [..."abcdefghijkl"].filter((key) =>
    session.ask(`mg ${key} u\r\n`) === "HD\r\n"
  );
  assertEquals(left.join(""), "adefghijkl");
  assertEquals(session.state.counters.values.evictions, 2);
});

test("Session without evictions refuses what does not fit", () => {
  const session = new LoneSession({ memoryLimit: 2000, evictions: false });
  const data = `${"x".repeat(940)}\r\n`;
  session.ask(`set a 0 0 940\r\n${data}set b 0 0 940\r\n${data}`);
  const full = "SERVER_ERROR out of memory storing object\r\n";
  assertEquals(session.ask(`add c 0 0 940\r\n${data}`), full);
  assertEquals(session.ask(`ms c 940\r\n${data}`), full);
  assertEquals(
    session.ask("ma c N0\r\n"),
    "SERVER_ERROR Out of memory allocating new item\r\n",
  );
  assertEquals(session.ask("mg c N0\r\n"), "EN\r\n");
  // The old value goes with the store that fails.
  assertEquals(
    session.ask(`set b 0 0 940\r\n${data}get b\r\n`),
    full + "END\r\n",
  );
});

test("Session reads numbers as C does", () => {
  const READS: readonly (readonly [text: string, delta: string])[] = [
    ["007", "7"],
    ["+3", "3"],
    ["-0", "0"],
    ["5\t", "5"],
    ["\t5", "5"],
    ["18446744073709551615", "18446744073709551615"],
    ["-18446744073709551615", "1"],
    ["18446744073709551616", ""],
    ["-1", ""],
    ["1x", ""],
    ["1.5", ""],
    ["0x10", ""],
  ];
  const session = new LoneSession();
  for (const [text, delta] of READS) {
    session.ask("set n 0 0 1\r\n0\r\n");
    assertEquals(
      session.ask(`incr n ${text}\r\n`),
      delta === ""
        ? "CLIENT_ERROR invalid numeric delta argument\r\n"
        : `${delta}\r\n`,
      text,
    );
  }
});
