/**
 * Namespaces: what keys and prefixes may be, and what is read and listed by them.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Client,
  MemcacheIllegalInputError,
  sha256Keys,
  textSerde,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../../_memcached.ts";
import { test } from "../../_runtime.ts";
import { withSpaces } from "./_spaces.ts";

test("keys may be as long as their namespace leaves room for", async () => {
  await withSpaces(async ({ space, client }) => {
    const longest = "k".repeat(250 - "n:".length - 17);
    assertEquals(await space.set(longest, 1), true);
    assertEquals(await space.get(longest), 1);
    assertEquals([...(await space.getMany([longest])).keys()], [longest]);
    const error = await assertRejects(
      () => space.get(`${longest}k`),
      MemcacheIllegalInputError,
    );
    assertEquals(
      error.message,
      "Cannot send key: 232 bytes, at most 231 are allowed in this namespace",
    );
    assertEquals(error.key, `${longest}k`);
    const wrong = await assertRejects(
      () => space.get("ab c"),
      MemcacheIllegalInputError,
      "unit 2 is a blank",
    );
    assertEquals(wrong.key, "ab c");
    const inner = client.namespace("n:").namespace("m:");
    await assertRejects(
      () => inner.get("k".repeat(213)),
      MemcacheIllegalInputError,
      "213 bytes, at most 212 are allowed in this namespace",
    );
  });
});

test("keys() of a namespace lists the keys of its newest version", async () => {
  await withMemcached({}, async ({ server }) => {
    const clients = [1, 2].map((one) =>
      new Client(server, { timeout: 4000 + one })
    );
    const [space, theirs] = clients.map((client) => client.namespace("n:"));
    const list = async (): Promise<unknown[]> => {
      const keys: unknown[] = [];
      for await (const { key } of space.keys()) keys.push(key);
      return keys.sort();
    };
    await clients[0].set("n:other", 1);
    await space.setMany({ a: 1, b: 2 });
    assertEquals(await list(), ["a", "b"]);
    await theirs.invalidateAll();
    await theirs.set("c", 3);
    assertEquals(await list(), ["c"]);
    for (const client of clients) await client.close();
  });
}, needsMemcached);

test("keys of bytes may be as long as their namespace leaves room for", async () => {
  await withSpaces(async ({ space }) => {
    const most = 186 - "n:".length - 17;
    const key = new Uint8Array(most).fill(255);
    assertEquals((await space.meta.set(key, 1)).status, "stored");
    assertEquals((await space.meta.get(key)).value, 1);
    await assertRejects(
      () => space.meta.get(new Uint8Array(most + 1)),
      MemcacheIllegalInputError,
      `${most + 1} bytes, at most ${most} are allowed in this namespace, where`,
    );
  });
});

test("keys of a namespace follow the rules of its client", async () => {
  await withSpaces(async ({ space }) => {
    for (const key of ["ü", "a b", "k".repeat(500)]) {
      await space.set(key, key);
      assertEquals(await space.get(key), key);
      assertEquals(await space.getMany([key]), new Map([[key, key]]));
      assertEquals(await space.setMany({ [key]: 1 }), []);
    }
  }, { allowUnicodeKeys: true, keyEncoder: sha256Keys, keyPrefix: "p:" });
  await withSpaces(async ({ space, client }) => {
    await space.set("ü", 1);
    assertEquals(await space.get("ü"), 1);
    const wide = client.namespace("ü:");
    await wide.set("ü".repeat(50), 2);
    assertEquals(await wide.get("ü".repeat(50)), 2);
    await assertRejects(
      () => wide.get("ü".repeat(200)),
      MemcacheIllegalInputError,
      "400 bytes, at most 230 are allowed",
    );
  }, { allowUnicodeKeys: true });
});

test("a namespace has the serde and the prefix of its client", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address, {
    keyPrefix: "app:",
    serde: textSerde,
  });
  const space = client.namespace("n:");
  assertEquals(space.prefix, "n:");
  await space.set("a", "text");
  assertEquals(await space.get("a"), "text");
  const { line } =
    server.requests.findLast(({ command }) => command === "set") ??
      { line: "" };
  assert(/^set app:n:\w{16}:a 0 0 4$/.test(line), line);
  assertEquals((await client.get("n:@version") as string).length, 16);
  await client.close();
  await server.close();
});

const PREFIXES: ReadonlyArray<readonly [prefix: unknown, why: string]> = [
  ["", "it is empty"],
  ["a b", "unit 1 is a blank"],
  ["a\r\nflush_all\r\n", "unit 1 is the control character 0x0d"],
  ["\0", "unit 0 is the control character 0x00"],
  ["ü", "unit 0 is no ASCII"],
  ["p".repeat(232), "232 bytes, at most 231 are allowed"],
  ["p".repeat(300), "300 bytes, at most 250 are allowed"],
  [undefined, "it is undefined, a string is needed"],
  [null, "it is null, a string is needed"],
  [5, "it is 5, a string is needed"],
  [["a"], "it is an object, a string is needed"],
  [{ toString: () => "a\r\n" }, "a string is needed"],
];

test("namespace() takes no prefix that cannot be in a key", async () => {
  const client = new Client("localhost:1");
  for (const [prefix, why] of PREFIXES) {
    const error = assertThrows(
      // Who has no types may give anything.
      () => client.namespace(prefix as string),
      MemcacheIllegalInputError,
    );
    assert(
      error.message.startsWith("Cannot use prefix of namespace: "),
      error.message,
    );
    if (!Array.isArray(prefix)) {
      assert(error.message.includes(why), error.message);
    }
    assertEquals(error.sent, false);
  }
  client.namespace("p".repeat(231));
  assertThrows(
    () => client.namespace("p".repeat(200)).namespace("q".repeat(15)),
    MemcacheIllegalInputError,
    "15 bytes, at most 13 are allowed",
  );
  const wide = new Client("localhost:1", { allowUnicodeKeys: true });
  wide.namespace("ü:");
  assertThrows(
    () => wide.namespace("\ud800"),
    MemcacheIllegalInputError,
    "lone surrogate",
  );
  await client.close();
  await wide.close();
});
