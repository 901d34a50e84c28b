import { assertEquals, assertInstanceOf } from "@std/assert";
import { type Client, MemcacheTimeoutError } from "@x/memcache";
import type { Script } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { outcome, warm, withPair } from "./_calls.ts";

/** Longer than any of these tests. */
const PATIENT = { timeout: 8000 };

/** What a read makes of the keys `a` and `b`: one text for each. */
type Read = (client: Client) => Promise<unknown>;

const READS: Readonly<Record<string, Read>> = {
  "get()": async (client) => [await client.get("a", PATIENT)],
  "gets()": async (client) => [(await client.gets("a", PATIENT))?.value],
  // The first one may leave before there are others to share a line with.
  "get() that share a line": async (client) =>
    (await Promise.all(
      ["x", "a", "b"].map((key) => client.get(key, PATIENT)),
    )).slice(1),
  "getMany()": async (client) => [
    ...(await client.getMany(["a", "b"], PATIENT)).values(),
  ],
  "getsMany()": async (client) =>
    [...(await client.getsMany(["a", "b"], PATIENT)).values()]
      .map(({ value }) => value),
};

/** The reads of one key, which is `a`. */
const SINGLE: ReadonlySet<string> = new Set(["get()", "gets()"]);

/** What comes of a reply before the connection falls silent. */
const BEGUN: Readonly<Record<string, string>> = {
  "a value": "VALUE a 16 3 7\r\nold\r\n",
  "the last value": "VALUE b 16 3 7\r\nold\r\n",
  "a value and half a line": "VALUE a 16 3 7\r\nold\r\nVAL",
  "half of a large value": `VALUE a 16 90000 7\r\n${"old".repeat(10_000)}`,
};

for (const [name, read] of Object.entries(READS)) {
  test(`Client forgets what a replaced connection had begun to answer to ${name}`, async () => {
    for (const [what, begun] of Object.entries(BEGUN)) {
      // Who asks for one key is never answered by the other.
      if (what === "the last value" && SINGLE.has(name)) continue;
      let silent = false;
      const command: Script = (command, peer) => {
        if (!silent || peer.number > 0) return peer.reply(command);
        if (command.args.includes("a")) return begun;
        return command.args[0] === "x" ? peer.reply(command) : undefined;
      };
      await withPair(
        { command },
        { protocol: "classic", timeout: 100 },
        async ({ server, client }) => {
          for (const key of ["a", "b"]) {
            server.items.set(key, { flags: "16", data: `new ${key}`, cas: 8 });
          }
          await warm(client);
          silent = true;
          const values = read(client);
          // Its time is up, and that of the silent connection with it.
          const { error } = await outcome(client.has("c"));
          assertInstanceOf(error, MemcacheTimeoutError);
          const expected = SINGLE.has(name) ? ["new a"] : ["new a", "new b"];
          assertEquals(await values, expected, `${what} had come`);
          assertEquals(server.peers.length, 2);
        },
      );
    }
  });
}
