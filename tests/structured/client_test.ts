import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
} from "@std/assert";
import { Client, compressedSerde, MemcacheSerdeError } from "@x/memcache";
import { structuredSerde } from "@x/memcache/structured";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";

test("structuredSerde serves a client, as it is and compressed", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address, { serde: structuredSerde });
  const packed = new Client(server.address, {
    serde: compressedSerde({ serde: structuredSerde }),
  });
  const json = new Client(server.address);
  try {
    const tree: { name: string; parent?: unknown; at: Date } = {
      name: "root",
      at: new Date(5),
    };
    tree.parent = tree;
    const large = new Map([["bytes", new Float64Array(8000)]]);
    for (const [i, by] of [client, packed].entries()) {
      await by.set("tree", tree);
      await by.set("large", large);
      const back = await by.get<typeof tree>("tree");
      assertStrictEquals(back?.parent, back);
      assertEquals(back?.at, new Date(5));
      assertEquals(await by.get("large"), large);
      assertEquals((await by.getItem("large"))?.flags, i === 0 ? 128 : 128 | 8);
      const many = await by.getMany(["tree", "large", "none"]);
      assertEquals([...many.keys()], ["tree", "large"]);
    }
    // Counters, text and what jsonSerde stored work as with jsonSerde.
    await client.set("n", 41);
    assertEquals(await client.incr("n"), 42);
    await client.set("text", "ab");
    await client.append("text", "c");
    assertEquals(await json.get("text"), "abc");
    await json.set("object", { a: [1] });
    assertEquals(await client.get("object"), { a: [1] });

    const refused = await client.set("f", { run: () => {} }).catch((e) => e);
    assertInstanceOf(refused, MemcacheSerdeError);
    assertEquals(refused.sent, false);
    await json.set("damaged", new Uint8Array([1, 0, 91]), { flags: 128 });
    const damaged = await client.get("damaged").catch((error) => error);
    assertInstanceOf(damaged, MemcacheSerdeError);
    // The connection is in step after both.
    assert(await client.has("tree"));
  } finally {
    await client.close();
    await packed.close();
    await json.close();
    await server.close();
  }
});
