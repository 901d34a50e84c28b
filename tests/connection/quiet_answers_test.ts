/**
 * Answers to quiet commands that are none, and those that come in pieces.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  MemcacheServerError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownError,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import type { Command, Peer } from "../_scripted.ts";
import { acquaint, outcomes, turn, withPair } from "./_calls.ts";
import {
  answers,
  behind,
  opaque,
  QUIET,
  REFUSED,
  stores,
  told,
} from "./_quiet.ts";

/** Answers that can be no answer to what was sent. */
const FOREIGN: Record<string, (command: Command) => string> = {
  "the number of nobody": () => "NS O1000001\r\n",
  "no number": () => "NS\r\n",
  "a word of the classic protocol": () => "STORED\r\n",
  "a number twice": (c) => `NS${opaque(c)}\r\nNS${opaque(c)}\r\n`,
  "another command's answer": (c) => `EN${opaque(c)}\r\n`,
  "a flood of errors": () => "ERROR\r\n".repeat(20),
};

for (const [name, answer] of Object.entries(FOREIGN)) {
  test(`Client drops a link that answers a quiet store with ${name}`, async () => {
    await withPair({}, {}, async ({ server, client, errors }) => {
      await acquaint(client);
      server.items.set("x", { flags: "16", data: "v", cas: 1 });
      server.script = answers({ b: answer });
      const quiet = client.set("b", "v", QUIET);
      const ends = await outcomes([
        client.meta.set("c", "v", { quiet: true }),
        client.meta.get("x", { quiet: true }),
        client.get("x"),
        client.set("d", "v"),
      ]);
      assertEquals(await quiet, true);
      const wrong = ends.filter(({ value }) =>
        value !== undefined && value !== "v" &&
        (value as { value?: unknown }).value !== "v"
      );
      assertEquals(wrong, []);
      const writes = [ends[0], ends[3]].map(({ error }) => error);
      for (const error of writes) {
        assert(
          error instanceof MemcacheUnknownError ||
            error instanceof MemcacheUnexpectedCloseError,
          String(error),
        );
      }
      const lost = errors.filter(({ failedKeys }) => failedKeys?.includes("b"));
      const refused = errors.filter(({ key }) => key === "b");
      assertEquals(lost.length + refused.length, 1, String(errors));
      server.script = (command, peer) => peer.reply(command);
      assertEquals(await client.get("x"), "v");
      assertEquals(server.peers.length, 2);
    });
  });
}

test("Client drops a link that answers by the number of a command without one", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    server.script = answers({
      b: (c) => `NS O${Number(opaque(c).slice(2)) - 1}\r\n`,
    });
    // The delete stands in the run, but goes as it always did.
    await Promise.all([client.delete("a", QUIET), client.set("b", 1, QUIET)]);
    while (errors.length === 0) await turn();
    assertEquals(told(errors), [
      ["MemcacheUnexpectedCloseError", undefined, undefined],
    ]);
    assertEquals(errors[0].failedKeys, ["a", "b"]);
  });
});

test("Client drops a link on an answer that nothing is owed", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    await stores(client, "a");
    await behind(client);
    const [first] = server.peers;
    first.send("MN\r\n");
    await server.until(() => first.closed);
    assertEquals(await client.get("a"), "v");
    assertEquals([server.peers.length, errors], [2, []]);
  });
});

test("Client reads the answers of quiet commands in any pieces", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    server.items.set("x", { flags: "16", data: "MN\r\nNS O1\r\n", cas: 1 });
    await acquaint(client);
    let held = "";
    let peer: Peer | undefined;
    server.script = (command, from) => {
      peer = from;
      held += command.args[0] === "b" ? REFUSED : from.reply(command);
      return undefined;
    };
    const calls = Promise.all([
      client.add("x", "v", QUIET),
      client.meta.get("x", { quiet: true }),
      client.set("b", "v", QUIET),
      client.meta.get("none", { quiet: true }),
      client.get("none"),
    ]);
    await server.until(() => /EN O\d+\r\n$/.test(held));
    for (const byte of held) {
      peer?.send(byte);
      await turn();
    }
    const [, hit, , miss, none] = await calls;
    assertEquals(hit, { status: "hit", value: "MN\r\nNS O1\r\n" });
    assertEquals([miss, none], [{ status: "miss" }, undefined]);
    assertEquals(told(errors), [
      ["MemcacheNotStoredError", "add", "x"],
      ["MemcacheServerError", "set", "b"],
    ]);
    assertInstanceOf(errors[1], MemcacheServerError);
  });
});
