import { assert, assertEquals, assertThrows } from "@std/assert";
import { readClusterConfig } from "../../src/discovery/cluster_config.ts";
import { MemcacheUnknownError } from "../../src/errors.ts";
import { test } from "../_runtime.ts";

const HEAD = "CONFIG cluster";

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** A reply with the right length. */
function reply(payload: string, head = HEAD): string {
  return `${head} 0 ${payload.length}\r\n${payload}\r\n`;
}

const one = [{ host: "a", port: 11211 }];

/** Replies that are read, and what as. */
const GOOD: ReadonlyArray<
  [
    text: string,
    version: number,
    servers: readonly { host: string; port: number }[],
  ]
> = [
  [
    reply(
      "12\nm.0001.use1.cache.amazonaws.com|10.82.235.120|11211 m.0002.use1.cache.amazonaws.com|10.80.249.27|11212\n",
    ),
    12,
    [
      { host: "m.0001.use1.cache.amazonaws.com", port: 11211 },
      { host: "m.0002.use1.cache.amazonaws.com", port: 11212 },
    ],
  ],
  // Memorystore has no names, others no addresses.
  [reply("1\n10.0.0.4|10.0.0.4|11211\n"), 1, [
    { host: "10.0.0.4", port: 11211 },
  ]],
  [reply("1\n|10.0.0.4|11211\n"), 1, [{ host: "10.0.0.4", port: 11211 }]],
  [reply("1\n|2001:db8::1|1\n"), 1, [{ host: "2001:db8::1", port: 1 }]],
  [reply("0\na||11211\n"), 0, one],
  [reply("999999999999999\na||11211\n"), 999999999999999, one],
  // Blanks and line ends are where servers have them, or not.
  [reply("1\na||11211"), 1, one],
  [reply("1\r\na||11211\r\n"), 1, one],
  [reply("1\n a||11211  b||2 \n"), 1, [...one, { host: "b", port: 2 }]],
  ["CONFIG cluster 0 10\r\n1\na||11211\n\r\n", 1, one],
];

/** Replies that are refused, and why. */
const BAD: Record<string, string> = {
  "": "does not begin with CONFIG cluster",
  "CONFIG cluster 0 5\r": "does not begin",
  "CONFIG other 0 10\r\n1\na||11211\r\n": "does not begin",
  "CONFIG cluster 0\r\n1\na||11211\r\n": "does not begin",
  "CONFIG cluster 0 -1\r\n": "does not begin",
  "CONFIG cluster 0 1e1\r\n1\na||11211\r\n": "does not begin",
  "CONFIG cluster 0 10 5\r\n1\na||11211\r\n": "does not begin",
  "CONFIG cluster 0 9999999999\r\n1\na||11211\r\n": "does not begin",
  "VALUE x 0 10\r\n1\na||11211\r\n": "does not begin",
  "CONFIG cluster 0 99\r\n1\na||11211\n\r\n": "99 bytes",
  "CONFIG cluster 0 5\r\n1\na||11211\n\r\n": "5 bytes",
  [reply("")]: "no version",
  [reply("\na||11211\n")]: "no version",
  [reply("-1\na||11211\n")]: "no version",
  [reply("1.5\na||11211\n")]: "no version",
  [reply("x\na||11211\n")]: "no version",
  [reply("1234567890123456\na||11211\n")]: "no version",
  [reply("1\n")]: "not one line of servers",
  [reply("1\na||11211\nb||11211\n")]: "not one line of servers",
  [reply("1\n\na||11211\n")]: "not one line of servers",
  [reply("1\n  \n")]: "no server",
  [reply("1\na\n")]: "server 1 of 1 is not host|ip|port",
  [reply("1\na|11211\n")]: "server 1 of 1 is not host|ip|port",
  [reply("1\na||1|2\n")]: "server 1 of 1 is not host|ip|port",
  [reply("1\na||11211 b||\n")]: "server 2 of 2 is not host|ip|port",
  [reply("1\na||x\n")]: "server 1 of 1 is not host|ip|port",
  [reply("1\na||123456\n")]: "server 1 of 1 is not host|ip|port",
  [reply("1\na||0\n")]: "server 1 of 1 is no address",
  [reply("1\na||65536\n")]: "server 1 of 1 is no address",
  [reply("1\n||11211\n")]: "server 1 of 1 is no address",
  [reply("1\n/run/m.sock||11211\n")]: "server 1 of 1 is no address",
  [reply("1\na;b||11211\n")]: "server 1 of 1 is no address",
  [reply("1\nu:p@a||11211\n")]: "server 1 of 1 is no address",
  [reply(`1\n${"a".repeat(301)}||11211\n`)]: "server 1 of 1 is no address",
  [reply("1\na||1 b||1 a||1\n")]: "server 3 of 3 is named twice",
  [reply("1\n::1||1 ::1||1\n")]: "server 2 of 2 is named twice",
  [reply(`1\n${"a||1 ".repeat(1025)}\n`)]: "at most 1024 are allowed",
};

test("readClusterConfig() reads what clusters say", () => {
  for (const [text, version, servers] of GOOD) {
    assertEquals(
      readClusterConfig(bytes(text), HEAD),
      { version, servers },
      JSON.stringify(text),
    );
  }
  const old = "VALUE AmazonElastiCache:cluster";
  assertEquals(
    readClusterConfig(bytes(reply("3\na||11211\n", old)), old),
    { version: 3, servers: one },
  );
  const many = Array.from({ length: 1024 }, (_, i) => `host${i}||11211`);
  const { servers } = readClusterConfig(
    bytes(reply(`1\n${many.join(" ")}\n`)),
    HEAD,
  );
  assertEquals(servers.length, 1024);
});

test("readClusterConfig() refuses everything else", () => {
  for (const [text, why] of Object.entries(BAD)) {
    const error = assertThrows(
      () => readClusterConfig(bytes(text), HEAD),
      MemcacheUnknownError,
      "Cannot read the list of servers: ",
      JSON.stringify(text),
    );
    assert(error.message.includes(why), `${error.message}, not ${why}`);
  }
});

test("readClusterConfig() throws nothing but its own error", () => {
  const [[good]] = GOOD;
  for (let end = 0; end < good.length; end++) {
    try {
      readClusterConfig(bytes(good.slice(0, end)), HEAD);
    } catch (error) {
      assert(error instanceof MemcacheUnknownError, String(error));
    }
  }
  for (let code = 0; code < 256; code++) {
    for (let at = 0; at < good.length; at += 3) {
      const damaged = bytes(good);
      damaged[at] = code;
      try {
        const { servers } = readClusterConfig(damaged, HEAD);
        assert(servers.length > 0);
      } catch (error) {
        assert(error instanceof MemcacheUnknownError, String(error));
      }
    }
  }
});
