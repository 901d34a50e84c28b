import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseServer, type ServerSpec } from "../../src/conn/address.ts";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { test } from "../_runtime.ts";
import { CA } from "../_certs.ts";
import { readVectors } from "../_vectors.ts";

const tcp = (host: string, port: number, more = {}) => ({
  transport: "tcp",
  host,
  port,
  name: `${host}:${port}`,
  weight: 1,
  ...more,
});
const unix = (path: string, weight = 1) => ({
  transport: "unix",
  path,
  name: path,
  weight,
});

function refused(spec: unknown): string {
  return assertThrows(
    // The types do not let most of the refused specs through.
    () => parseServer(spec as ServerSpec),
    MemcacheIllegalInputError,
    "Cannot use ",
    JSON.stringify(spec),
  ).message;
}

const auth = (username: string, password: string) => ({
  auth: { username, password },
});

const READ: ReadonlyArray<readonly [ServerSpec, unknown]> = [
  ["localhost", tcp("localhost", 11211)],
  ["127.0.0.1", tcp("127.0.0.1", 11211)],
  ["[::1]", tcp("::1", 11211)],
  ["::1", tcp("::1", 11211)],
  ["::", tcp("::", 11211)],
  ["localhost:11212", tcp("localhost", 11212)],
  ["localhost:1", tcp("localhost", 1)],
  ["localhost:65535", tcp("localhost", 65535)],
  ["localhost:00080", tcp("localhost", 80)],
  ["[::1]:11212", tcp("::1", 11212)],
  ["[fe80::1%eth0]:11212", tcp("fe80::1%eth0", 11212)],
  ["fe80::1%eth0", tcp("fe80::1%eth0", 11211)],
  ["2001:db8::7", tcp("2001:db8::7", 11211)],
  ["1:2:3:4:5:6:7:8", tcp("1:2:3:4:5:6:7:8", 11211)],
  ["1:2:3:4:5:6:7::", tcp("1:2:3:4:5:6:7::", 11211)],
  ["::ffff:10.0.0.1", tcp("::ffff:10.0.0.1", 11211)],
  ["1:2:3:4:5:6:10.0.0.1", tcp("1:2:3:4:5:6:10.0.0.1", 11211)],
  ["my_cache-1.example.", tcp("my_cache-1.example.", 11211)],
  ["über.example:1", tcp("über.example", 1)],
  ["/run/m.sock", unix("/run/m.sock")],
  ["/run/a@b:3", unix("/run/a@b:3")],
  ["unix:/run/m.sock", unix("/run/m.sock")],
  ["UNIX:/run/m.sock", unix("/run/m.sock")],
  ["unix:///run/m.sock", unix("/run/m.sock")],
  ["unix:a/b.sock", unix("a/b.sock")],
  ["memcached://localhost", tcp("localhost", 11211)],
  ["memcached://localhost/", tcp("localhost", 11211)],
  ["memcache://localhost:11212/", tcp("localhost", 11212)],
  ["MemCached://[::1]:11212", tcp("::1", 11212)],
  ["memcached://[::1]/", tcp("::1", 11211)],
  ["memcacheds://h:1", tcp("h", 1, { tls: true })],
  ["MEMCACHES://h/", tcp("h", 11211, { tls: true })],
  ["memcached://bob:secret@h:1/", tcp("h", 1, auth("bob", "secret"))],
  [
    "memcacheds://b%40b:s%3A%2Fc%C3%BC@[::1]",
    tcp("::1", 11211, { tls: true, ...auth("b@b", "s:/cü") }),
  ],
  ["memcached://bob:a@b:c@h", tcp("h", 11211, auth("bob", "a@b:c"))],
  [["localhost", 11212], tcp("localhost", 11212)],
  [["::1", 11212], tcp("::1", 11212)],
  [["[::1]", 11212], tcp("::1", 11212)],
  [{ host: "h" }, tcp("h", 11211)],
  [{ host: "[::1]", port: 5, weight: 2.5 }, {
    ...tcp("::1", 5),
    weight: 2.5,
  }],
  [{ host: "h", tls: true }, tcp("h", 11211, { tls: true })],
  [{ host: "h", tls: false }, tcp("h", 11211, { tls: false })],
  [
    { host: "h", tls: { caCerts: [CA], serverName: "n" } },
    tcp("h", 11211, { tls: { caCerts: [CA], serverName: "n" } }),
  ],
  [{ path: "/run/m.sock", weight: 3 }, unix("/run/m.sock", 3)],
  [{ path: "/Application Support/m" }, unix("/Application Support/m")],
];

test("parseServer() reads every form of a spec", () => {
  for (const [spec, expected] of READ) {
    assertEquals<unknown>(parseServer(spec), expected, JSON.stringify(spec));
  }
});

/** A refused spec and what the message must show of it. */
const REFUSED: ReadonlyArray<readonly [unknown, string]> = [
  ["", '""'],
  [" ", '" "'],
  [":", '":"'],
  [":11211", ":11211"],
  ["localhost:", "localhost:"],
  ["localhost:0", "localhost:0"],
  ["localhost:65536", "localhost:65536"],
  ["localhost:-1", "localhost:-1"],
  ["localhost:+1", "localhost:+1"],
  ["localhost:1e3", "localhost:1e3"],
  ["localhost:0x2bcb", "localhost:0x2bcb"],
  ["localhost:1_1211", "localhost:1_1211"],
  ["localhost:011211", "localhost:011211"],
  ["localhost:١", "localhost:١"],
  ["localhost:1:2", "localhost:1:2"],
  ["localhost:1?weight=3", "weight=3"],
  ["localhost,other", "localhost,other"],
  ["local host", "local host"],
  ["localhost\n", "localhost\\n"],
  ["localhost\u0000", "localhost\\u0000"],
  ["local\u3000host", "local\u3000host"],
  ["local\u200bhost", "host"],
  ["local\ud800host", "local\\ud800host"],
  ["[localhost]", "[localhost]"],
  ["[10.1.2.3]:1", "[10.1.2.3]:1"],
  ["[]", "[]"],
  ["[]:1", "[]:1"],
  ["[::1", "[::1"],
  ["::1]", "::1]"],
  ["[::1]x", "[::1]x"],
  ["[::1]x:1", "[::1]x:1"],
  ["[::1]:", "[::1]:"],
  ["[[::1]]", "[[::1]]"],
  ["[::1%]", "[::1%]"],
  ["[::1%a b]", "[::1%a b]"],
  ["[::1%a%b]", "[::1%a%b]"],
  [":::", ":::"],
  ["1::2::3", "1::2::3"],
  ["1:2:3:4:5:6:7", "1:2:3:4:5:6:7"],
  ["1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:9"],
  ["1:2:3:4::5:6:7:8", "1:2:3:4::5:6:7:8"],
  ["::12345", "::12345"],
  ["::1:", "::1:"],
  ["::10.0.0.256", "::10.0.0.256"],
  ["::10.0.0", "::10.0.0"],
  ["a/b.sock", "a/b.sock"],
  ["./m.sock", "./m.sock"],
  ["bob@localhost", "bob@localhost"],
  ["unix:", "unix:"],
  ["unix://", "unix://"],
  ["unix://run/m.sock", "unix://run/m.sock"],
  ["http://localhost", "http://localhost"],
  ["://localhost", "://localhost"],
  ["memcached://", "memcached://"],
  ["memcached:///", "memcached:///"],
  ["memcached://h/x", "memcached://h/x"],
  ["memcached://h//", "memcached://h//"],
  ["memcached://h?x", "memcached://h?x"],
  ["memcached://h#x", "memcached://h#x"],
  ["memcached://bob@h", "memcached://bob@h"],
  ["x".repeat(301), "301 characters, at most 300"],
  [["localhost"], "localhost"],
  [["localhost", 1, 2], "localhost,1,2"],
  [["localhost", "1"], "localhost,1"],
  [["localhost", 1.5], "localhost:1.5"],
  [["localhost:1", 1], "localhost:1:1"],
  [["/run/m.sock", 1], "/run/m.sock"],
  [["x".repeat(301), 1], "301 characters"],
  [{ host: "h", port: 0 }, "h:0"],
  [{ host: "h", port: "1" }, "h:1"],
  [{ host: "h", port: NaN }, "h:NaN"],
  [{ host: "" }, '""'],
  [{ host: "h", weight: 0 }, "weight"],
  [{ host: "h", weight: Infinity }, "weight"],
  [{ host: "h", weight: "2" }, "weight"],
  [{ host: "h", tls: "yes" }, "tls"],
  [{ host: "h", tls: null }, "tls"],
  [{ host: "h", tls: { cert: CA } }, "key"],
  [{ host: "h", tls: { key: CA } }, "cert"],
  [{ host: "h", tls: { caCerts: ["/etc/ca.pem"] } }, "caCerts"],
  [{ host: "h", tls: { caCerts: CA } }, "caCerts"],
  [{ host: "h", tls: { alpnProtocols: [] } }, "alpnProtocols"],
  [{ host: "h", tls: { alpnProtocols: ["x".repeat(256)] } }, "255"],
  [{ host: "h", tls: { serverName: "" } }, "serverName"],
  [{ host: "h", tls: { insecureSkipVerify: 1 } }, "insecureSkipVerify"],
  [{ host: "h", path: "/p" }, "either"],
  [{ host: {} }, "object"],
  [{ path: "" }, "path is empty"],
  [{ path: "/a\u0000b" }, "/a\\u0000b"],
  [{}, "object"],
  [null, "null"],
  [undefined, "undefined"],
  [5, "5"],
  [true, "true"],
];

test("parseServer() refuses everything else, and shows it", () => {
  for (const [spec, part] of REFUSED) {
    const message = refused(spec);
    assert(message.includes(part), message);
    assert(message.length < 500, message);
  }
});

const SECRETIVE: readonly unknown[] = [
  "bob:secret@localhost:11212",
  "bob:secret@localhost",
  ":secret@localhost",
  "memcached://bob:secret@localhost:99999",
  "memcached://bob:secret@localhost/path",
  "memcached://bob:se/secret@localhost",
  "memcached://bob:%zzsecret@localhost",
  "memcached://bob:x@secret@:1",
  "memcached://:secret@localhost",
  "memcached:bob:secret@localhost",
  "http://bob:secret@localhost",
  "bob:a://secret@localhost",
  "bob:secret@localhost," + "x".repeat(300),
  `memcached://bob:secret${"x".repeat(300)}@localhost`,
  ["bob:secret@localhost", 11211],
  ["bob:secret@localhost", "1"],
  { host: "bob:secret@localhost" },
  { host: "bob:secret@localhost", port: "1" },
];

test("parseServer() tells no password", () => {
  for (const spec of SECRETIVE) {
    const message = refused(spec);
    assert(!message.includes("secret"), message);
    assert(message.includes("***"), message);
  }
});

test("parseServer() tells nothing of a key", () => {
  const tls = { cert: CA, key: "-----secret-----" };
  assert(!refused({ host: "h", tls }).includes("secret"));
});

test("parseServer() freezes what it returns and copies TLS options", () => {
  const caCerts = [CA];
  const tls = { caCerts, alpnProtocols: ["memcached"] };
  const address = parseServer({ host: "h", tls });
  assert(Object.isFrozen(address) && address.transport === "tcp");
  caCerts.push("later");
  tls.alpnProtocols = [];
  assertEquals(address.tls, { caCerts: [CA], alpnProtocols: ["memcached"] });
  assert(Object.isFrozen(address.tls));
  assert(Object.isFrozen(parseServer("/run/m.sock")));
  const url = parseServer("memcached://bob:secret@h");
  assert(url.transport === "tcp" && Object.isFrozen(url.auth));
});

test("parseServer() takes what it has returned", () => {
  for (const [spec] of READ) {
    const address = parseServer(spec);
    assertEquals(parseServer(address), address);
  }
});

/** Where we refuse or read what pymemcache does not, and why. */
const DIFFERENT: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "an IPv6 address without brackets, not host and port": [
      "::1",
      "2001:db8::7",
      "::",
      "::ffff:10.0.0.1",
    ],
    "colons without an IPv6 address": [
      "localhost:11211:3",
      "cache.example.com:11212:4",
      "cache.example.com:11212:0",
      "localhost:11212,cache.example.com:11213",
      "2001:db8::7:11212",
      ":::11211",
      "inet:localhost:11212",
      "inet6:[::1]:11212",
    ],
    "brackets are for IPv6 and come in pairs": [
      "[::1",
      "::1]",
      "[::1]x:11211",
      "[[::1]]",
      "[]",
      "[]:11211",
      "[localhost]",
      "[10.1.2.3]:11212",
    ],
    "ports are digits, 1 to 65535": [
      "localhost:0",
      "localhost:65536",
      "localhost:-1",
      "localhost:+11211",
      "localhost:1_1211",
      "localhost:١",
    ],
    "blanks and control characters": [
      "localhost: 11211",
      "localhost:11211 ",
      " localhost",
      "localhost ",
      " ",
      "localhost, cache.example.com",
      "localhost\n",
      "localhost:11211\n",
      "localhost\u0000",
    ],
    "no host or no path": ["", ":11211", "unix:"],
    "lists and other characters that no host name has": [
      "localhost,cache.example.com",
      "localhost,",
      ",localhost",
      ",",
      "localhost;cache.example.com",
    ],
    "a user needs a scheme, a path unix:": [
      "bob:secret@localhost:11212",
      "bob@localhost",
      "bob:secret@localhost:11212,cache.example.com:11212",
      "a@b@localhost:11212",
      "@abstract",
      "./m.sock",
    ],
    "schemes are known here": [
      "memcached://localhost/",
      "memcached://localhost:11212/",
      "memcached://localhost",
      "memcached://localhost:11212",
      "memcached://[::1]:11212/",
      "memcached://[::1]/",
      "memcached://bob:secret@localhost:11212/",
      "memcache://localhost:11212/",
      "MEMCACHED://localhost/",
      "UNIX:/run/mc/m.sock",
      "tcp://localhost:11212",
    ],
    "unix:/// has three slashes as file:///": ["unix:///run/mc/m.sock"],
    "at most 300 characters": ["x".repeat(300) + ":1"],
  }).flatMap(([why, specs]) => specs.map((spec) => [spec, why] as const)),
);

interface AddressCase {
  in: { t: string; v: unknown };
  "pymemcache HashClient node": { ok?: { t: string; v: unknown } };
}

function nameOf(spec: unknown): string | undefined {
  try {
    return parseServer(spec as ServerSpec).name;
  } catch {
    return undefined;
  }
}

test("parseServer() names servers as pymemcache does", () => {
  const { cases } = readVectors<{ cases: AddressCase[] }>("addresses.json");
  let alike = 0;
  for (const { in: given, "pymemcache HashClient node": node } of cases) {
    if (given.t !== "str" || typeof given.v !== "string") continue;
    const theirs = node.ok?.t === "str" ? node.ok.v : undefined;
    const ours = nameOf(given.v);
    if (DIFFERENT.has(given.v)) {
      assert(ours !== theirs, `${given.v}: no difference any more`);
      continue;
    }
    assertEquals(ours, theirs, given.v);
    alike++;
  }
  assert(alike >= 40, `${alike} cases`);
});
