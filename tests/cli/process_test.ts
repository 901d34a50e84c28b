/**
 * The program as a process: every one-shot command once, with its exit code,
 * pipes and signals.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { interrupt, resultOf, run, start } from "./_program.ts";

const TIMEOUT = { timeout: 120_000 };

/** A command, its input, its exit code and what it prints. */
type Case = readonly [
  args: readonly string[],
  code: number,
  out: string | RegExp,
  input?: string,
];

const DUMP = `memcache-dump 1
item kept 7 -1 1763000000 5
value
end 1
`;

const CASES: readonly Case[] = [
  [["set", "k", "value"], 0, ""],
  [["get", "k"], 0, "value"],
  [["get", "absent"], 1, ""],
  [["gets", "k"], 0, /^\d+\nvalue$/],
  [["add", "k", "no"], 1, ""],
  [["replace", "k", "-"], 0, "", "b"],
  [["append", "k", "c"], 0, ""],
  [["prepend", "k", "a"], 0, ""],
  [["get", "k", "--json"], 0, /^\{"key":"k","value":"abc","flags":0,/],
  [["cas", "k", "1", "no"], 1, ""],
  [["incr", "n", "5", "--initial", "7"], 0, "7\n"],
  [["decr", "n", "2"], 0, "5\n"],
  [["touch", "k", "1h"], 0, ""],
  [["item", "k"], 0, /\nttl +3\d\d\d \(/],
  [["delete", "k"], 0, ""],
  [["stats"], 0, /^curr_items +1$/m],
  [["version"], 0, "1.6.18\n"],
  [["ping"], 0, /ms {2}memcached 1\.6\.18\n$/],
  [["raw", "mn"], 0, "MN\n"],
  [["set", "kept", "value", "--flags", "7"], 0, ""],
  [["keys"], 0, /^kept$/m],
  [["dump"], 0, /^memcache-dump 1\nitem .*end 2\n$/s],
  [["flush"], 0, ""],
  [["restore"], 0, "", DUMP],
  [["get", "kept", "--json"], 0, /"value":"value","flags":7/],
  [["watch", "fetchers", "--count", "1"], 0, /item_get key=/],
  [["nonsense"], 2, ""],
];

test("memcache runs each command as a process", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  // What watch has something to tell of.
  server.nextRequest("watch").then(() => client.get("k"), () => {});
  try {
    for (const [args, code, out, input] of CASES) {
      const result = await run(["-s", server.address, ...args], {
        ...(input === undefined ? {} : { input }),
      });
      const name = `${args.join(" ")}: ${result.error}`;
      assertEquals(result.code, code, name);
      if (typeof out === "string") assertEquals(result.out, out, name);
      else assertMatch(result.out, out, name);
    }
  } finally {
    await client.close();
    await server.close();
  }
}, TIMEOUT);

test("memcache leaves bytes on their way through pipes alone", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  try {
    const bytes = Uint8Array.from({ length: 700_001 }, (_, i) => i * 7 % 256);
    const env = { MEMCACHED_URL: server.address };
    const stored = await run(["set", "k"], { env, input: bytes });
    assertEquals([stored.code, stored.out, stored.error], [0, "", ""]);
    assertEquals(await client.get("k"), bytes);
    assertEquals((await run(["get", "k"], { env })).bytes, bytes);
  } finally {
    await client.close();
    await server.close();
  }
}, TIMEOUT);

test("memcache says on standard error why it ends with 3", async () => {
  const { code, out, error } = await run([
    "-s",
    "memcached://ada:s3cret@127.0.0.1:1",
    "get",
    "k",
  ]);
  assertEquals([code, out], [3, ""]);
  assertMatch(error, /^memcache: Cannot connect to 127\.0\.0\.1:1: /);
  assert(!error.includes("s3cret"));
}, TIMEOUT);

test(
  "memcache does not wait for a password where there is no terminal",
  async () => {
    const { code, error } = await run(["--user", "ada", "version"], {
      open: true,
    });
    assertEquals(code, 2);
    assertMatch(error, /there is no terminal/);
  },
  TIMEOUT,
);

test(
  "memcache ends when its output is closed, and on an interrupt",
  async () => {
    const server = await MemcachedServer.start();
    const client = new Client(server.address);
    try {
      await client.set("k", new Uint8Array(900_000));
      const closed = start(["-s", server.address, "get", "k"]);
      closed.stdout?.once("data", () => closed.stdout?.destroy());
      const { code, error } = await resultOf(closed);
      assertEquals([code, error], [0, ""]);
      const ping = start(["-s", server.address, "ping", "-c", "1000000"]);
      const result = resultOf(ping);
      ping.stdout?.once("data", () => interrupt(ping));
      assertEquals((await result).code, 0);
      const set = start(["-s", server.address, "set", "other"]);
      const ended = resultOf(set);
      set.stdin?.write("half");
      const timer = setInterval(() => interrupt(set), 300);
      const { code: last } = await ended;
      clearInterval(timer);
      // A signal that came before it listened ends it all the same.
      assert(last === 130 || last === -1, `exit code ${last}`);
      assertEquals(await client.get("other"), undefined);
    } finally {
      await client.close();
      await server.close();
    }
  },
  TIMEOUT,
);
