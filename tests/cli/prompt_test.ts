/**
 * The prompt, in a pseudo-terminal and with lines that are piped in.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { splitWords } from "../../src/cli/words.ts";
import { test } from "../_runtime.ts";
import { Pty } from "./_pty.ts";
import { run } from "./_program.ts";

const TIMEOUT = { timeout: 120_000 };

/** Runs a test against a server, with a folder for the history. */
async function withPrompt(
  fn: (server: MemcachedServer, folder: string) => Promise<void>,
): Promise<void> {
  const server = await MemcachedServer.start();
  const folder = mkdtempSync(join(tmpdir(), "memcache-prompt-"));
  try {
    await fn(server, folder);
  } finally {
    rmSync(folder, { recursive: true });
    await server.close();
  }
}

test(
  "memcache without a command asks for them, and survives a restart",
  async () => {
    await withPrompt(async (server, folder) => {
      const pty = new Pty(["-s", server.address], { XDG_STATE_HOME: folder });
      try {
        await pty.shows(/is memcached 1\.6\.18, up /);
        await pty.shows(/^127\.0\.0\.1:\d+>$/m);
        await pty.enter('set greeting "hello world" --ttl 1h');
        await pty.enter("get greeting");
        assertMatch(pty.screen, /> get greeting\nhello world\n/);
        await pty.enter("get absent");
        assertMatch(pty.screen, /> get absent\n\(miss\)\n/);
        // A command, and an option of it, by Tab.
        pty.type("touc\t");
        await pty.shows("> touch");
        await pty.enter("greeting 2h");
        assertMatch(pty.screen, /> touch greeting 2h\ntouched\n/);
        // A value of several lines, in quotes and to a dot.
        pty.type('set quoted "one\r');
        await pty.shows(/^\.\.\.$/m);
        await pty.enter('two"');
        await pty.enter("get quoted");
        assertMatch(pty.screen, /> get quoted\none\ntwo\n/);
        pty.type("set typed\r");
        await pty.shows("nothing but . ends it");
        pty.type("three\rfour\r");
        await pty.enter(".");
        await pty.enter("get typed");
        assertMatch(pty.screen, /> get typed\nthree\nfour\n/);
        await pty.enter("help touch");
        assertMatch(
          pty.screen,
          /\nUsage: memcache touch \[options\] <key> <ttl>\n/,
        );
        await pty.enter("nonsense");
        assertMatch(pty.screen, /\nmemcache: unknown command 'nonsense'\n/);
        // Ctrl-C gives up what is typed, not the prompt.
        pty.type("get gree\x03");
        await pty.shows(/get gree\^C\n\S+>$/);
        await pty.enter("get greeting");
        // Nor a command that goes on and on.
        const watching = server.nextRequest("watch");
        pty.type("watch\r");
        await watching;
        await pty.shows("Watching, Ctrl-C ends it");
        pty.type("\x03");
        await pty.shows(/Ctrl-C ends it\n(?:.*\n)*\S+>$/);
        server.advance(100);
        await server.restart();
        await pty.enter("get greeting");
        await pty.shows(/was restarted \d+s ago: its items are gone/);
        assertMatch(pty.screen, /> get greeting\n\(miss\)\n.*was restarted/);
        await server.stop();
        await pty.enter("get greeting");
        assertMatch(
          pty.screen,
          /ERR_CONNECTION\]\nThe next command connects again/,
        );
        await server.resume();
        // It is refused while the client takes its time to connect again.
        const deadline = performance.now() + 20_000;
        const isStored = () => /stored\n\S+>$/.test(pty.screen);
        do {
          await new Promise((resolve) => setTimeout(resolve, 200));
          await pty.enter("set back 1");
        } while (!isStored() && performance.now() < deadline);
        assert(isStored(), pty.screen);
        // The line before comes back by the arrow up.
        pty.type("\x1b[A");
        await pty.shows(/set back 1$/);
        pty.type("\x05\x15");
        pty.type("\x04");
        assertEquals(await pty.ended(), 0);
      } finally {
        await pty.kill();
      }
      const path = join(folder, "memcache", "history");
      assertMatch(
        readFileSync(path, "utf8"),
        /^set greeting "hello world" --ttl 1h\nget greeting\n/,
      );
      assertEquals(statSync(path).mode & 0o777, 0o600);
      const later = new Pty(["-s", server.address], { XDG_STATE_HOME: folder });
      try {
        await later.shows(/>$/m);
        later.type("\x1b[A");
        await later.shows("> set back 1");
        later.type("\x15exit\r");
        assertEquals(await later.ended(), 0);
      } finally {
        await later.kill();
      }
    });
  },
  TIMEOUT,
);

test("memcache without a command runs lines of standard input", async () => {
  await withPrompt(async (server, folder) => {
    const env = { XDG_STATE_HOME: folder, MEMCACHED_URL: server.address };
    const input = [
      "set a '1 2'",
      "",
      "get a --json",
      "set b",
      "first",
      "second",
      ".",
      "get b",
      "exit",
      "nonsense",
    ].join("\n");
    const { code, out, error } = await run([], { env, input });
    assertEquals([code, error], [0, ""]);
    assertMatch(
      out,
      /^\{"key":"a","value":"1 2","flags":0,"cas":\d+\}\nfirst\nsecond$/,
    );
    const last = await run([], { env, input: "get a\nget absent" });
    assertEquals([last.code, last.out], [1, "1 2"]);
    const open = await run([], { env, input: 'set a "x' });
    assertMatch(open.error, /" is still open at the end/);
    const none = await run(["-s", "localhost:1"], { env, input: "get a\n" });
    assertEquals(none.code, 3);
  });
}, TIMEOUT);

test("memcache asks for a password without showing it", async () => {
  const auth = { username: "ada", password: "s3cret-word" };
  const server = await MemcachedServer.start({ auth });
  try {
    const pty = new Pty(["-s", server.address, "--user", "ada", "version"]);
    try {
      await pty.shows("Password of ada:");
      pty.type("s3cret-word\r");
      await pty.shows("1.6.18");
      assertEquals(await pty.ended(), 0);
      assert(!pty.raw.includes("s3cret"), pty.raw);
    } finally {
      await pty.kill();
    }
  } finally {
    await server.close();
  }
}, TIMEOUT);

test("memcache shows values on a terminal without obeying them", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  try {
    await client.set("k", "a\x1b[31mb\x07c\n\u202ed");
    const pty = new Pty(["-s", server.address, "get", "k"]);
    assertEquals(await pty.ended(), 0);
    assertEquals(pty.screen, "a\\x1b[31mb\\x07c\n\\x202ed");
  } finally {
    await client.close();
    await server.close();
  }
}, TIMEOUT);

const SPLITS: readonly [line: string, words: unknown][] = [
  ["", { words: [] }],
  ["  get   a ", { words: ["get", "a"] }],
  [`set 'a b' "c\\td\\"" e\\ f ''`, {
    words: ["set", "a b", 'c\td"', "e f", ""],
  }],
  [`'\\n'x"y"`, { words: ["\\nxy"] }],
  ['set k "open', { open: '"' }],
  ["set k 'open", { open: "'" }],
  ["set k \\", { open: "\\" }],
  ['set k "a\\', { open: '"' }],
];

test("splitWords() splits as a shell does", () => {
  for (const [line, words] of SPLITS) {
    assertEquals(splitWords(line), words, line);
  }
});
