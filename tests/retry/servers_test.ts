/**
 * `RetryingClient` over servers that fail.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  Client,
  exponentialDelay,
  MemcacheConnectionError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  type Retry,
  RetryingClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { rejects } from "../conformance/stage.ts";

test("RetryingClient repeats over a new connection", async () => {
  const server = await MemcachedServer.start();
  const retries: Retry[] = [];
  const client = new RetryingClient(new Client(server.address), {
    onRetry: (retry) => retries.push(retry),
  });
  try {
    await client.set("a", 1);
    await client.set("n", 1);
    // The command was carried out: the reply is what is lost.
    const drop = (match: string) =>
      server.fault({ kind: "drop", match, times: 1 });
    drop("set");
    assertEquals(await client.set("a", 2), true);
    drop("mg");
    assertEquals(await client.get("a"), 2);
    drop("get");
    assertEquals(await client.getMany(["a", "x"]), new Map([["a", 2]]));
    drop("delete");
    assertEquals(await client.delete("a"), false);
    assertEquals(retries.map(({ method }) => method), [
      ...["set", "get", "getMany", "delete"],
    ]);
    for (const { error } of retries) {
      assert(error instanceof MemcacheUnexpectedCloseError, `${error}`);
    }

    // What counts is counted once.
    drop("incr");
    await rejects(() => client.incr("n", 5), MemcacheUnexpectedCloseError, {
      sent: true,
    });
    assertEquals(await client.get("n"), 6);
    assertEquals(retries.length, 4);
  } finally {
    await client.close();
    await server.close();
  }
});

test("RetryingClient repeats what counts when it surely was not sent", async () => {
  const server = await MemcachedServer.start();
  let attempts = 0;
  const client = new RetryingClient(new Client(server.address), {
    attempts: 50,
    retryDelay: 5,
    retryBudget: Infinity,
    onRetry: ({ error }) => {
      assert(error instanceof MemcacheConnectionError, `${error}`);
      if (++attempts === 3) void server.resume();
    },
  });
  try {
    await client.set("n", 1);
    await server.stop();
    await rejects(() => client.client.incr("n"), Error);
    assertEquals(await client.incr("n", 5), 6);
    assert(attempts >= 3);
  } finally {
    await client.close();
    await server.close();
  }
});

test("RetryingClient keeps to the timeout of a call", async () => {
  const server = await MemcachedServer.start();
  const client = new RetryingClient(new Client(server.address), {
    attempts: 1000,
    retryDelay: 1,
    retryBudget: Infinity,
  });
  try {
    await client.get("key");
    server.fault({ kind: "swallow" });
    const start = performance.now();
    await rejects(
      () => client.get("key", { timeout: 100 }),
      MemcacheTimeoutError,
    );
    const took = performance.now() - start;
    assert(took >= 95, `${took} ms`);
    server.heal();
    assertEquals(await client.get("key"), undefined);
  } finally {
    await client.close();
    await server.close();
  }
});

/** Values carry key and version: one of another key, or an older one, shows. */
async function traffic(
  client: RetryingClient<Client>,
  key: string,
  done: () => boolean,
): Promise<number> {
  let version = 0;
  let lost = 0;
  while (!done()) {
    assertEquals(await client.set(key, `${key} ${++version}`), true);
    const value = await client.get(key);
    // A server that was restarted has forgotten.
    if (value === undefined) lost++;
    else assertEquals(value, `${key} ${version}`);
    const many = await client.getMany([key, `${key}'`]);
    for (const [name, found] of many) {
      assertEquals([name, found], [key, `${key} ${version}`]);
    }
  }
  assert(lost <= 3, `${lost} of ${version} values are lost`);
  return version;
}

test(
  "RetryingClient carries traffic over restarts of memcached",
  () =>
    withMemcached({}, async (memcached) => {
      let retries = 0;
      const client = new RetryingClient(new Client(memcached.server), {
        attempts: 100,
        retryDelay: exponentialDelay({ first: 10, max: 100 }),
        retryBudget: Infinity,
        onRetry: () => void retries++,
      });
      let done = false;
      try {
        const workers = Array.from(
          { length: 16 },
          (_, i) => traffic(client, `key${i}`, () => done),
        );
        const restarts = (async () => {
          for (let i = 0; i < 3; i++) {
            // In the middle of traffic.
            for (let i = 0; i < 50; i++) await client.get("while");
            await memcached.kill();
            const failing = client.set("while", "down");
            await memcached.restart();
            assertEquals(await failing, true);
          }
          done = true;
        })();
        const [versions] = await Promise.all([Promise.all(workers), restarts]);
        assert(versions.every((count) => count > 20), `${versions}`);
        assert(retries >= 3, `${retries} retries`);
      } finally {
        done = true;
        await client.close();
      }
    }),
  { ...needsMemcached, timeout: 30_000 },
);
