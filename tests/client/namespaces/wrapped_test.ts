/**
 * Namespaces of clients around clients, and clients around namespaces.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Client,
  FallbackClient,
  type KeyCommands,
  MemcacheNotStoredError,
  MemcacheNoValueError,
  type Namespace,
  RetryingClient,
  StrictClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../../_runtime.ts";

async function withServers(
  fn: (servers: readonly MemcachedServer[]) => Promise<void>,
): Promise<void> {
  const servers = [
    await MemcachedServer.start(),
    await MemcachedServer.start(),
  ];
  try {
    await fn(servers);
  } finally {
    for (const server of servers) await server.close();
  }
}

test("a namespace of a StrictClient is strict", async () => {
  await withServers(async ([server]) => {
    const client = new StrictClient(new Client(server.address));
    const space = client.namespace("n:");
    assertEquals(space.prefix, "n:");
    await assertRejects(() => space.get("k"), MemcacheNoValueError);
    const stored: true = await space.set("k", 1);
    assertEquals(stored, true);
    await assertRejects(() => space.add("k", 1), MemcacheNotStoredError);
    assertEquals(await space.get("k"), 1);
    await space.invalidateAll();
    await assertRejects(() => space.get("k"), MemcacheNoValueError);
    const inner = space.namespace("m:");
    assertEquals(inner.prefix, "n:m:");
    await assertRejects(() => inner.get("k"), MemcacheNoValueError);
    // As a namespace with a client around it.
    const around = new StrictClient(client.client.namespace("n:"));
    await assertRejects(() => around.get("k"), MemcacheNoValueError);
    await around.set("k", 2);
    assertEquals(await space.get("k"), 2);
    await around.close();
    assertEquals(await space.get("k"), 2);
    assertEquals(Object.keys(space), []);
    await client.close();
  });
});

test("a namespace of a RetryingClient attempts again", async () => {
  await withServers(async ([server]) => {
    const client = new RetryingClient(new Client(server.address));
    const space = client.namespace("n:");
    await space.set("k", 1);
    const drop = (match: string) =>
      server.fault({
        kind: "drop",
        execute: false,
        match: ({ line }) => line.includes(match),
        times: 1,
      });
    let fault = drop(":k");
    assertEquals(await space.get("k"), 1);
    assertEquals(fault.hits, 1);
    fault = drop("@version");
    assertEquals(await space.get("k"), 1);
    assertEquals(fault.hits, 1);
    fault = drop("cas n:@version");
    await space.invalidateAll();
    assertEquals(fault.hits, 1);
    assertEquals(await space.get("k"), undefined);
    fault = drop(":k");
    assertEquals((await space.meta.get("k")).status, "miss");
    assertEquals(fault.hits, 1);
    assertEquals(await space.namespace("m:").get("k"), undefined);
    await space.disconnect();
    await space.close();
    assertEquals(await client.get("k"), undefined);
    await client.close();
  });
});

test("a RetryingClient around a namespace has what it has", async () => {
  await withServers(async ([server]) => {
    const client = new Client(server.address);
    const space = new RetryingClient(client.namespace("n:"));
    await space.set("k", 1);
    const fault = server.fault({
      kind: "drop",
      execute: false,
      match: ({ line }) => line.includes(":k"),
      times: 1,
    });
    assertEquals(await space.get<number>("k"), 1);
    assertEquals(fault.hits, 1);
    assertEquals(space.prefix, "n:");
    await space.invalidateAll();
    assertEquals(await space.namespace("m:").get("k"), undefined);
    assertEquals(await space.get("k"), undefined);
    await space.close();
    assertEquals(await client.get("k"), undefined);
    await client.close();
  });
});

test("a namespace of a FallbackClient is invalidated in all of its clients", async () => {
  await withServers(async ([first, second]) => {
    const [warm, cold] = [first, second].map(({ address }) =>
      new Client(address)
    );
    await cold.namespace("n:").set("k", "old cluster");
    const client = new FallbackClient([warm, cold]);
    const space = client.namespace("n:");
    assertEquals(await space.get("k"), "old cluster");
    assertEquals(await space.getMany(["k"]), new Map([["k", "old cluster"]]));
    await space.invalidateAll();
    assertEquals(await space.get("k"), undefined);
    assertEquals(await cold.namespace("n:").get("k"), undefined);
    await space.set("k", "new cluster");
    assertEquals(await space.get("k"), "new cluster");
    assertEquals(space.prefix, "n:");
    // One that cannot be invalidated is told of.
    await second.close();
    await assertRejects(() => space.invalidateAll());
    assertEquals(await warm.namespace("n:").get("k"), undefined);
    await client.close();
  });
});

test("a function that takes clients takes namespaces", async () => {
  await withServers(async ([server]) => {
    const visit = async (cache: KeyCommands): Promise<unknown> =>
      await cache.incr("visits", 1, { initial: 1 });
    const client = new Client(server.address);
    const spaces: Namespace[] = [
      client.namespace("n:"),
      new RetryingClient(client).namespace("n:"),
      new FallbackClient([client]).namespace("n:"),
    ];
    for (const [i, space] of spaces.entries()) {
      assertEquals(await visit(space), i + 1);
    }
    assertEquals(await visit(client), 1);
    assert(!Object.keys(spaces[0]).includes("get"));
    await client.close();
  });
});
