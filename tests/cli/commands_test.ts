/**
 * The one-shot commands, run in this process against the embedded server.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client, compressedSerde, HashClient, jsonSerde } from "../../mod.ts";
import { MemcachedServer } from "../../src/testing/mod.ts";
import { test } from "../_runtime.ts";
import { CA, SERVER_CERT, SERVER_KEY } from "../_certs.ts";
import { run } from "./_inside.ts";
import { withFiles, withServer } from "./_with.ts";
import { join } from "node:path";

const TIMEOUT = { timeout: 60_000 };

test(
  "memcache get prints a value untouched, and misses with exit code 1",
  withServer(async (memcache, _server, client) => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7 % 256);
    await client.set("bytes", bytes);
    const hit = await memcache(["get", "bytes"]);
    assertEquals(hit.bytes, bytes);
    assertEquals([hit.code, hit.error], [0, ""]);
    const miss = await memcache(["get", "absent"]);
    assertEquals([miss.code, miss.out, miss.error], [1, "", ""]);
    await client.set("text", "a\tb");
    const many = await memcache(["get", "text", "absent", "bytes"]);
    assertMatch(many.out, /^text\ta\tb\nbytes\t\\x00\\x07/);
    assertEquals(many.code, 1);
    const json = await memcache(["get", "text", "--json"]);
    const { cas, ...item } = JSON.parse(json.out);
    assertEquals(item, { key: "text", value: "a\tb", flags: 16 });
    assert(cas > 0);
  }),
  TIMEOUT,
);

test(
  "memcache get --decode prints what jsonSerde reads, compressed or not",
  withServer(async (memcache, server, client) => {
    const serde = compressedSerde({ serde: jsonSerde });
    const compressing = new Client(server.address, { serde });
    const large = { names: Array(500).fill("Ada") };
    try {
      await compressing.set("large", large);
      await client.set("text", "plain");
      await client.set("bytes", new Uint8Array([0, 255]));
      const stored = await memcache(["get", "large"]);
      assert(stored.bytes.length < 200);
      const { out } = await memcache(["get", "large", "--decode"]);
      assertEquals(JSON.parse(out), large);
      assertEquals((await memcache(["get", "text", "--decode"])).out, "plain");
      const { bytes } = await memcache(["get", "bytes", "--decode"]);
      assertEquals(bytes, new Uint8Array([0, 255]));
      await memcache(["set", "damaged", "x", "--flags", "8"]);
      const damaged = await memcache(["get", "damaged", "--decode"]);
      assertEquals(damaged.code, 3);
      assertMatch(damaged.error, /ERR_SERDE/);
    } finally {
      await compressing.close();
    }
  }),
  TIMEOUT,
);

test(
  "memcache set stores arguments and standard input for jsonSerde to read",
  withServer(async (memcache, _server, client) => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i * 11 % 256);
    const piped = await memcache(["set", "piped"], { input: bytes });
    assertEquals([piped.code, piped.out, piped.error], [0, "", ""]);
    assertEquals(await client.get("piped"), bytes);
    await memcache(["set", "text", "hello", "--as", "text", "--ttl", "5m"]);
    assertEquals(await client.get("text"), "hello");
    const ttl = await client.ttl("text");
    assert(ttl !== undefined && ttl > 280 && ttl <= 300);
    await memcache(["set", "json", "-", "--as=json"], { input: '{"a":[1]}' });
    assertEquals(await client.get("json"), { a: [1] });
    const wrong = await memcache(["set", "json", "{", "--as", "json"]);
    assertEquals(wrong.code, 2);
    assertMatch(wrong.error, /^memcache: Cannot store the value as json/);
    await memcache(["set", "flagged", "x", "--flags", "64"]);
    assertEquals((await client.getItem("flagged"))?.flags, 64);
    await memcache(["set", "dash", "--", "-x"]);
    assertEquals(await client.get("dash"), new Uint8Array([45, 120]));
  }),
  TIMEOUT,
);

test(
  "memcache add, replace, append and prepend tell what was not stored",
  withServer(async (memcache, _server, client) => {
    const codes = [];
    for (
      const args of [
        ["replace", "k", "no"],
        ["append", "k", "no"],
        ["add", "k", "b"],
        ["add", "k", "no"],
        ["append", "k", "c"],
        ["prepend", "k", "a"],
      ]
    ) codes.push((await memcache(args)).code);
    assertEquals(codes, [1, 1, 0, 1, 0, 0]);
    assertEquals(await client.get("k"), new TextEncoder().encode("abc"));
    const { code, out } = await memcache(["--json", "replace", "k", "z"]);
    assertEquals([code, out], [0, '{"key":"k","stored":true}\n']);
  }),
  TIMEOUT,
);

test(
  "memcache gets and cas store what nobody has changed since",
  withServer(async (memcache, _server, client) => {
    await client.set("k", new Uint8Array([0, 10, 255]));
    const { bytes, code } = await memcache(["gets", "k"]);
    const line = bytes.indexOf(10);
    const cas = new TextDecoder().decode(bytes.subarray(0, line));
    assertEquals([code, [...bytes.subarray(line + 1)]], [0, [0, 10, 255]]);
    assertEquals((await memcache(["cas", "k", cas, "new"])).code, 0);
    const late = await memcache(["cas", "k", cas, "late"]);
    assertEquals([late.code, late.error], [1, "memcache: changed since\n"]);
    assertEquals((await memcache(["cas", "absent", cas, "x"])).code, 1);
    assertEquals((await memcache(["cas", "k", "abc", "x"])).code, 2);
  }),
  TIMEOUT,
);

test(
  "memcache incr and decr count in 64 bits",
  withServer(async (memcache) => {
    assertEquals((await memcache(["incr", "n"])).code, 1);
    const made = await memcache([
      "incr",
      "n",
      "--initial",
      "18446744073709551000",
    ]);
    assertEquals([made.code, made.out], [0, "18446744073709551000\n"]);
    assertEquals(
      (await memcache(["incr", "n", "5"])).out,
      "18446744073709551005\n",
    );
    assertEquals(
      (await memcache(["decr", "n", "6"])).out,
      "18446744073709550999\n",
    );
    await memcache(["set", "n", "word"]);
    const word = await memcache(["incr", "n"]);
    assertEquals([word.code, word.out], [3, ""]);
    assertMatch(word.error, /ERR_NON_NUMERIC/);
  }),
  TIMEOUT,
);

test(
  "memcache touch, item and delete act on an item",
  withServer(async (memcache, server, client) => {
    await client.set("k", "value");
    assertEquals((await memcache(["touch", "k", "2h"])).code, 0);
    assertEquals((await memcache(["touch", "absent", "1"])).code, 1);
    const item = await memcache(["item", "k"]);
    assertMatch(
      item.out,
      /^key +k\nserver +127.+\nsize +5 bytes\nflags +16 \(text\)\n/,
    );
    assertMatch(item.out, /\nttl +7\d\d\d \([12]h/);
    const { out } = await memcache(["item", "k", "--json"]);
    assertEquals(JSON.parse(out).server, `127.0.0.1:${server.port}`);
    assertEquals((await memcache(["delete", "k", "absent"])).code, 1);
    assertEquals((await memcache(["item", "k"])).code, 1);
    assertEquals(await client.get("k"), undefined);
    assertEquals((await memcache(["touch", "k", "-1"])).code, 1);
  }),
  TIMEOUT,
);

test(
  "memcache stats prints each kind, as text and as JSON",
  withServer(async (memcache, server, client) => {
    await client.set("k", "value");
    const name = `127.0.0.1:${server.port}`;
    for (
      const [kind, pattern] of [
        ["", /^curr_items +1$/m],
        ["items", /^class \d+\n +number +1$/m],
        ["slabs", /^active_slabs +1$/m],
        ["settings", /^maxconns +1024$/m],
        ["sizes", /^no sizes/m],
        ["conns", /^descriptor \d+$/m],
      ] as const
    ) {
      const args = ["stats", ...kind === "" ? [] : [kind]];
      const text = await memcache(args);
      assertMatch(text.out, pattern);
      assertEquals([text.code, text.error], [0, ""]);
      const json = await memcache([...args, "--json"]);
      assertEquals(Object.keys(JSON.parse(json.out)), [name]);
    }
    const reset = await memcache(["stats", "reset"]);
    assertEquals([reset.code, reset.out], [0, ""]);
  }),
  TIMEOUT,
);

test(
  "memcache version, ping, raw and flush speak to the server",
  withServer(async (memcache, server, client) => {
    assertEquals((await memcache(["version"])).out, "1.6.18\n");
    const ping = await memcache(["ping", "--count", "2", "--interval", "0"]);
    assertMatch(
      ping.out,
      /^(127\.0\.0\.1:\d+ {2}\d+\.\d\d ms {2}memcached 1\.6\.18\n){2}$/,
    );
    await client.set("k", "value");
    assertEquals(
      (await memcache(["raw", "get", "k"])).out,
      "VALUE k 16 5\r\nvalue\r\n",
    );
    assertEquals(
      (await memcache(["raw", "mg", "k", "s", "v"])).out,
      "VA 5 s5\r\nvalue\r\n",
    );
    assertEquals(
      (await memcache(["raw", "verbosity", "1", "--end", "\\r\\n"])).out,
      "OK\n",
    );
    const stored = await memcache(["raw", "-"], { input: "set r 0 0 2\r\nhi" });
    assertEquals(stored.out, "STORED\n");
    const unknown = await memcache(["raw", "nonsense"]);
    assertEquals(unknown.code, 3);
    assertEquals((await memcache(["flush"])).code, 0);
    assertEquals(await client.get("k"), undefined);
    await client.set("k", "value");
    await memcache(["flush", "--delay", "60"]);
    assertEquals(await client.get("k"), "value");
    server.advance(61);
    assertEquals(await client.get("k"), undefined);
  }),
  TIMEOUT,
);

test("memcache places keys on several servers as HashClient does", async () => {
  const servers = await Promise.all(
    [1, 2, 3].map(() => MemcachedServer.start()),
  );
  const addresses = servers.map(({ address }) => address);
  const client = new HashClient(addresses);
  try {
    const keys = Array.from({ length: 8 }, (_, i) => `key:${i}`);
    await client.setMany(keys.map((key) => [key, key]));
    const env = { MEMCACHED_URL: addresses.join(",") };
    const { out, code } = await run(["get", ...keys], { env });
    assertEquals(out, keys.map((key) => `${key}\t${key}\n`).join(""));
    assertEquals(code, 0);
    const item = await run(["item", "key:1", "--json"], { env });
    assertEquals(JSON.parse(item.out).server, client.serversFor("key:1")[0]);
    await servers[1].close();
    const some = await run(["version"], { env });
    assertEquals(some.code, 3);
    assertEquals(some.out.split("\n").length, 3);
    assertMatch(
      some.error,
      /^memcache: Cannot connect to 127.+ERR_CONNECTION\]\n$/,
    );
    assertMatch((await run(["--json", "stats"], { env })).out, /"curr_items"/);
  } finally {
    await client.close();
    for (const server of servers) await server.close();
  }
}, TIMEOUT);

test("memcache takes servers from options before MEMCACHED_URL", async () => {
  const auth = { username: "ada", password: "s3cret-word" };
  const server = await MemcachedServer.start({ auth });
  try {
    const url = `memcached://ada:s3cret-word@${server.address}`;
    const good = await run(["version"], { env: { MEMCACHED_URL: url } });
    assertEquals([good.code, good.out], [0, "1.6.18\n"]);
    const over = await run(["version", "-s", "localhost:1"], {
      env: { MEMCACHED_URL: url },
    });
    assertEquals(over.code, 3);
    await withFiles(
      { good: "s3cret-word\n", bad: "wr0ng-word" },
      async (folder) => {
        const args = ["-s", server.address, "--user", "ada", "version"];
        const file = (name: string) => ["--password-file", join(folder, name)];
        assertEquals((await run([...args, ...file("good")])).out, "1.6.18\n");
        const bad = await run([...args, ...file("bad")]);
        assertEquals(bad.code, 3);
        assertMatch(bad.error, /ERR_AUTH/);
        const none = await run(args);
        assertEquals(none.code, 2);
        assertMatch(none.error, /there is no terminal/);
        const absent = await run([...args, ...file("absent")]);
        assertEquals(absent.code, 2);
        const port = await run(["version"], {
          env: { MEMCACHED_URL: "memcached://ada:s3cret-word@localhost:99999" },
        });
        assertEquals(port.code, 2);
        const all = [good, over, bad, none, absent, port];
        for (const { error, out } of all) {
          assert(!/s3cret|wr0ng/.test(error + out), error);
        }
      },
    );
  } finally {
    await server.close();
  }
}, TIMEOUT);

test(
  "memcache --tls verifies the server unless it is told not to",
  async () => {
    const server = await MemcachedServer.start({
      tls: { cert: SERVER_CERT, key: SERVER_KEY },
    });
    try {
      await withFiles({ ca: CA }, async (folder) => {
        const args = ["-s", `localhost:${server.port}`, "version"];
        const refused = await run([...args, "--tls"]);
        assertEquals([refused.code, refused.out], [3, ""]);
        const trusted = await run([...args, "--ca", join(folder, "ca")]);
        assertEquals([trusted.code, trusted.out], [0, "1.6.18\n"]);
        const insecure = await run([...args, "--insecure"]);
        assertEquals([insecure.code, insecure.out], [0, "1.6.18\n"]);
      });
    } finally {
      await server.close();
    }
  },
  TIMEOUT,
);

test("memcache refuses what it cannot use with exit code 2", async () => {
  for (
    const [args, pattern] of [
      [["nonsense"], /unknown command/],
      [["get"], /missing required argument/],
      [["get", "k", "--nonsense"], /unknown option/],
      [["touch", "k", "soon"], /^memcache: Cannot use ttl: "soon"/],
      [["--timeout", "x", "get", "k"], /^memcache: Cannot use --timeout/],
      [["--hash", "x", "get", "k"], /Allowed choices/],
      [["-s", "http://localhost", "get", "k"], /Cannot use server address/],
      [["get", "a b"], /^memcache: Cannot .*key/],
      [["set", "k", "v", "--flags", "1", "--as", "text"], /together/],
      [["incr", "k", "--ttl", "1"], /--initial is missing/],
      [["--ca", "/nonexistent", "get", "k"], /ENOENT|No such file/],
    ] as const
  ) {
    const { code, out, error } = await run(args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(error, pattern);
  }
}, TIMEOUT);

test("memcache --help and --version print to standard output", async () => {
  for (
    const [args, pattern] of [
      [["--help"], /^Usage: memcache.*Exit codes: 0/s],
      [["help", "set"], /^Usage: memcache set.*--ttl/s],
      [["get", "--help"], /^Usage: memcache get/],
      [["--version"], /^\d+\.\d+\.\d+\n$/],
    ] as const
  ) {
    const { code, out, error } = await run(args);
    assertEquals([code, error], [0, ""]);
    assertMatch(out, pattern);
  }
}, TIMEOUT);
