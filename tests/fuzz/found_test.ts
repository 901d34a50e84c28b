/** What the fuzzer has found, each as small as it gets. */
import { assertEquals } from "@std/assert";
import { type Client, MemcacheError } from "@x/memcache";
import { test } from "../_runtime.ts";
import { FORMS } from "./_calls.ts";
import { turns } from "./_clock.ts";
import { Stage } from "./_stage.ts";
import { World } from "./_world.ts";

type Start = (client: Client) => Promise<unknown>;

/** A code, or what a call resolved to. */
function end(call: Promise<unknown>): Promise<unknown> {
  return call.catch((error) => {
    if (error instanceof MemcacheError) return error.code;
    throw error;
  });
}

/**
 * Makes calls of a classic client, and delivers text once they have been sent,
 * in place of what a server would answer; ends the connection in the end.
 *
 * @returns What became of the calls.
 */
async function play(
  ...steps: ReadonlyArray<readonly [calls: readonly Start[], text: string]>
): Promise<unknown[]> {
  const stage = new Stage(new World(false, false), FORMS.text, {
    protocol: "classic",
  });
  const ends: Array<Promise<unknown>> = [];
  for (const [calls, text] of steps) {
    for (const call of calls) ends.push(end(call(stage.client)));
    await turns(2);
    stage.deliver([text], () => false);
    await turns(1);
  }
  stage.first?.pipe.end();
  await turns(2);
  await stage.client.close();
  return await Promise.all(ends);
}

const NON_NUMERIC =
  "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
const LOST = "ERR_UNEXPECTED_CLOSE";
const quietly: Start = (client) => client.set("q", "v", { noreply: true });

test("set() does not go on behind any client error, whatever its words", async () => {
  const calls: Start[] = [
    (client) => client.set("a", "v"),
    (client) => client.set("b", "v"),
  ];
  // The second line may belong to the first command: see protocol.txt.
  const ends = await play([calls, `${NON_NUMERIC}STORED\r\n`]);
  assertEquals(ends, ["ERR_NON_NUMERIC", LOST]);
});

test("stats() does not go on behind an error within its reply", async () => {
  const calls: Start[] = [
    (client) => client.stats(),
    (client) => client.gets("a"),
  ];
  const text = "STAT pid 1\r\nERROR\r\nEND\r\n";
  // That END is none of the command behind: it would be a miss.
  assertEquals(await play([calls, text]), ["ERR_UNKNOWN_COMMAND", LOST]);
  const before = await play([calls, "ERROR\r\nEND\r\n"]);
  assertEquals(before, ["ERR_UNKNOWN_COMMAND", undefined]);
});

test("rawCommand() gives no rest of a line that began before it was sent", async () => {
  const raw: Start = (client) => client.rawCommand("version");
  const ends = await play(
    [[quietly], "ERR"],
    [[raw], "OR\r\nVERSION 1.6.18\r\n"],
  );
  assertEquals(ends, [true, LOST]);
});

test("get() gives no value that began before it was sent", async () => {
  const get: Start = (client) => client.get("a", { timeout: 50 });
  const ends = await play(
    [[quietly], "VALUE a 16 3\r\no"],
    [[get], "ld\r\nEND\r\n"],
  );
  // It went to a connection of its own, where nobody has stored it.
  assertEquals(ends, [true, undefined]);
});
