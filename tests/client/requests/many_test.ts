import {
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
} from "@std/assert";
import {
  Client,
  MemcacheError,
  MemcacheSerdeError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import { test } from "../../_runtime.ts";
import { type Command, withServer } from "../../_scripted.ts";

/** What a call rejects with. */
async function failure(call: Promise<unknown>): Promise<MemcacheError> {
  const error = await call.then(() => undefined, (error) => error);
  assertInstanceOf(error, MemcacheError);
  return error;
}

test("getMany() rejects with what it has read, and which keys it lacks", async () => {
  await withServer({}, async (server) => {
    const seen: MemcacheError[] = [];
    const client = new Client(server.address, {
      onError: (error) => void seen.push(error),
    });
    await client.setMany({ a: "A", c: "C" });
    await client.set("b", "no JSON", { flags: 32 });
    const error = await failure(client.getMany(["a", "b", "c", "d"]));
    assertInstanceOf(error, MemcacheSerdeError);
    assertEquals(error.values, new Map([["a", "A"], ["c", "C"]]));
    assertEquals(error.failedKeys, ["b"]);
    assertEquals(seen.length, 1);
    assertStrictEquals(seen[0], error);
    await client.close();
  });
});

test("getMany() rejects with the lines that came before the loss", async () => {
  const keys = Array.from({ length: 250 }, (_, i) => `k${i}`);
  const isSecond = ({ line }: Command) => line.startsWith("get k100 ");
  await withServer({
    command: (command, peer) => {
      if (!isSecond(command)) return peer.reply(command);
      peer.end();
      return undefined;
    },
  }, async (server) => {
    const client = new Client(server.address, { protocol: "classic" });
    await client.setMany(keys.map((key) => [key, key] as const));
    const error = await failure(client.getMany(keys));
    assertInstanceOf(error, MemcacheUnexpectedCloseError);
    const first = keys.slice(0, 100);
    assertEquals(error.values, new Map(first.map((key) => [key, key])));
    assertEquals(error.failedKeys, keys.slice(100));
    assertEquals(error.server, server.address);
    assertEquals(error.errors, undefined);
    await client.close();
  });
});
