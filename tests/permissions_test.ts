/**
 * What a program must be allowed to do: reach its server, nothing else.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "./_runtime.ts";

const CHILD = `${import.meta.dirname}/_permissions_child.ts`;
const DONE = JSON.stringify([
  true,
  { a: 1 },
  40,
  42,
  [["key", { a: 1 }]],
  true,
  "gone",
]);

/** Runs the child, which must end by itself although it leaves its client open. */
async function run(permissions: string[], args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...permissions, CHILD, ...args],
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(8000),
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  assertEquals(code, 0);
  return decoder.decode(stdout).trim();
}

test("Client asks for the network of its server and nothing else", async () => {
  const server = await MemcachedServer.start();
  try {
    const address = `127.0.0.1:${server.port}`;
    assertEquals(await run(["--allow-net=127.0.0.1"], [address]), DONE);
    assertEquals(await run([`--allow-net=${address}`], [address]), DONE);
    assertEquals(await run([], [address]), "MemcacheConnectionError");
  } finally {
    await server.close();
  }
});

test("MemcachedServer asks for the network of its port and nothing else", async () => {
  assertEquals(await run(["--allow-net=127.0.0.1"], []), DONE);
});

test("Client asks for its unix socket and nothing else", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/m.sock`;
  const server = await MemcachedServer.start({ path });
  try {
    const permissions = [
      `--allow-net=unix:${path}`,
      `--allow-read=${path}`,
      `--allow-write=${path}`,
    ];
    assertEquals(await run(permissions, [path]), DONE);
    assertEquals(
      await run(permissions.slice(0, 1), [path]),
      "MemcacheConnectionError",
    );
  } finally {
    await server.close();
    await Deno.remove(dir, { recursive: true });
  }
});
