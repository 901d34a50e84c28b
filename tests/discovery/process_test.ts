/**
 * What a discovery does to the process that it is in, and a retry: this file is
 * also the program that the tests run.
 */
import { assert, assertEquals } from "@std/assert";
import {
  Client,
  type Discovery,
  DnsDiscovery,
  ElastiCacheDiscovery,
  RetryingClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { play, played } from "../connection/_child.ts";

/** Reads a list, and goes on waiting for the next one. */
async function follow(discovery: Discovery): Promise<unknown> {
  const iterator = discovery[Symbol.asyncIterator]();
  const first = await iterator.next();
  iterator.next().catch(() => {});
  return first.value;
}

/** What the child does; it says what became of it, and has nothing else to do. */
const ROLES: Record<string, (address: string) => Promise<unknown>> = {
  "follows a cluster": (address) => follow(new ElastiCacheDiscovery(address)),
  "follows a name": () =>
    follow(
      new DnsDiscovery("cache", { lookup: () => Promise.resolve(["::1"]) }),
    ),
  "waits for a name that there is not": () =>
    new Promise((resolve) => {
      const discovery = new DnsDiscovery("cache", {
        lookup: () => Promise.resolve([]),
        onError: ({ code }) => resolve(code),
      });
      discovery[Symbol.asyncIterator]().next().catch(() => {});
    }),
  "attempts again": async (address) => {
    let retries = 0;
    const client = new RetryingClient(new Client(address), {
      retryDelay: 300,
      onRetry: () => void retries++,
    });
    return [await client.get("dropped"), retries];
  },
};

/** What the child says in each role. */
const WANTED: Record<string, unknown> = {
  "follows a cluster": [{ host: "a", port: 11211 }],
  "follows a name": [{ host: "::1", port: 11211, weight: 1 }],
  "waits for a name that there is not": "ERR_CONNECTION",
  "attempts again": ["value", 1],
};

if (!await played(ROLES)) {
  test("Discovery lets a process end by itself, a retry keeps it", async () => {
    await Promise.all(
      Object.keys(ROLES).map(async (role) => {
        const server = await MemcachedServer.start({
          cluster: [{ host: "a", port: 11211 }],
        });
        const { address } = server;
        const client = new Client(address);
        await client.set("dropped", "value");
        await client.close();
        server.fault({
          kind: "drop",
          match: ({ line }) => line.includes("dropped"),
          times: 1,
        });
        const { output, ms } = await play(import.meta.url, { role, address });
        assertEquals(output, JSON.stringify(WANTED[role]), role);
        assert(ms < 15_000, `${role} ended after ${ms} ms`);
        await server.close();
      }),
    );
  }, { timeout: 30_000 });
}
