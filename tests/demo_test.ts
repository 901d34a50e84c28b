/**
 * The demo: every step, against the server that it is meant to find.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Client, MemcacheConnectionError } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { runDemo } from "../tools/demo.ts";
import { needsMemcached, withMemcached } from "./_memcached.ts";
import { test } from "./_runtime.ts";

const TITLES = [
  "1. Store values and read them back, by type",
  "2. Misses are values, not errors",
  "3. Many keys in one call",
  "4. Counters",
  "5. Compare and store (cas)",
  "6. Lifetimes",
  "7. A pipelined burst",
  "8. What the server says of itself",
  "9. Errors say what to do",
  "10. Clean up",
];

/** Lets the item end that the demo waits for, as soon as it waits. */
function hurry(server: MemcachedServer): void {
  server.nextRequest(({ command, line }) =>
    command !== "set" && line.includes(":brief")
  ).then(() => server.advance(3), () => {});
}

function titlesOf(lines: readonly string[]): string[] {
  return lines.filter((line) => /^\d+\. /.test(line))
    .map((line) => line.replace(/ \.{3,} +\d+\.\d ms$/, ""));
}

test("runDemo() does every step and leaves nothing behind", async () => {
  const server = await MemcachedServer.start();
  const other = new Client(server.address);
  await other.set("text", "not the demo's");
  server.clear();
  hurry(server);
  const lines: string[] = [];
  await runDemo({
    url: `memcached://${server.address}`,
    print: (line) => lines.push(line),
  });
  assertEquals(
    lines[0],
    `memcached 1.6.18 at ${server.address}: named by MEMCACHED_URL`,
  );
  assertEquals(titlesOf(lines), TITLES);
  const prefix = lines[2].replace("all keys begin with ", "");
  const strangers = server.requests.filter(({ command, line }) =>
    !["mn", "version", "stats"].includes(command) &&
    !line.split(" ").slice(1).some((word) => word.startsWith(prefix))
  );
  assertEquals(strangers, []);
  assertEquals((await other.stats()).curr_items, 1);
  assertEquals(await other.get("text"), "not the demo's");
  await other.close();
  await server.close();
});

test("runDemo() finds a server where one usually is", async () => {
  const server = await MemcachedServer.start();
  hurry(server);
  const lines: string[] = [];
  await runDemo({
    usual: server.address,
    print: (line) => lines.push(line),
  });
  assertEquals(
    lines[0],
    `memcached 1.6.18 at ${server.address}: found on the default port`,
  );
  await server.close();
});

test("runDemo() starts the embedded server where there is none", async () => {
  const gone = await MemcachedServer.start();
  await gone.close();
  const lines: string[] = [];
  await runDemo({
    usual: gone.address,
    print: (line) => lines.push(line),
  });
  assert(
    lines[0].endsWith(
      `: the embedded one, as none answers at ${gone.address} (ERR_CONNECTION)`,
    ),
    lines[0],
  );
  assertEquals(titlesOf(lines), TITLES);
});

test("runDemo() rejects when the named server does not answer", async () => {
  const gone = await MemcachedServer.start();
  await gone.close();
  const lines: string[] = [];
  await assertRejects(
    () => runDemo({ url: gone.address, print: (line) => lines.push(line) }),
    MemcacheConnectionError,
  );
  assertEquals(lines, []);
});

test("runDemo() rejects on a surprise, and deletes its keys", async () => {
  const server = await MemcachedServer.start();
  server.fault({
    kind: "garbage",
    bytes: "8\r\n",
    match: ({ line }) => line.startsWith("incr ") && line.endsWith(":visits 5"),
  });
  await assertRejects(
    () => runDemo({ url: server.address, print: () => {} }),
    Error,
    "Surprise: the counter is [100,8,0], not [100,105,0]",
  );
  const client = new Client(server.address);
  assertEquals((await client.stats()).curr_items, 0);
  await client.close();
  await server.close();
});

test("runDemo() comes to the same against memcached", async () => {
  await withMemcached({}, async ({ server }) => {
    const lines: string[] = [];
    await runDemo({ url: server, print: (line) => lines.push(line) });
    assertEquals(titlesOf(lines), TITLES);
    const client = new Client(server);
    assertEquals((await client.stats()).curr_items, 0);
    await client.close();
  });
}, needsMemcached);

test("deno task demo ends with 1 where the server is missing", async () => {
  const server = await MemcachedServer.start();
  hurry(server);
  const run = async (): Promise<number> => {
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "demo"],
      cwd: `${import.meta.dirname}/..`,
      env: { MEMCACHED_URL: server.address },
      stdout: "null",
      stderr: "null",
    }).output();
    return code;
  };
  assertEquals(await run(), 0);
  await server.close();
  assertEquals(await run(), 1);
}, { runtimes: ["deno"], timeout: 30_000 });
