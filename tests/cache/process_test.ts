/**
 * What `getOrSet` does to the process that it is in: this file is also the
 * program that the tests run.
 */
import { assert, assertEquals } from "@std/assert";
import { Client } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { play, played } from "../connection/_child.ts";

/** A load that never ends, and keeps nothing alive. */
const hanging = () => new Promise<never>(() => {});

/** The code of what a call rejects with, in place of its value. */
const outcome = (call: Promise<unknown>) => call.catch(({ code }) => code);

/** What the child does; it has nothing else to do. */
const ROLES: Record<string, (address: string) => Promise<unknown>> = {
  "has loaded a value": async (address) =>
    await new Client(address).getOrSet("a", () => 1, { lease: 3600 }),
  "has begun to load in the background": async (address) =>
    await new Client(address).getOrSet("old", hanging, { ttl: 60 }),
  "waits for a load that hangs": async (address) =>
    await outcome(new Client(address).getOrSet("hung", hanging, {
      loadTimeout: 50,
    })),
  "waits for a hanging load for a time": async (address) =>
    await outcome(new Client(address).getOrSet("held", hanging, {
      loadTimeout: 0,
      timeout: 50,
    })),
  "waits no longer for a hanging load": async (address) =>
    await outcome(new Client(address).getOrSet("left", hanging, {
      timeout: 50,
    })),
  "waits for the load of another process": async (address) =>
    await new Client(address).getOrSet("late", () => "own", { lease: 2 }),
  "failed to load in the background": async (address) => {
    const client = new Client(address);
    const failing = () => Promise.reject(new Error("boom"));
    const value = await client.getOrSet("older", failing, { ttl: 60 });
    // What nobody handles would end it with another code.
    await new Promise((resolve) => setTimeout(resolve, 100));
    return value;
  },
};

/** What the child says in each role. */
const WANTED: Record<string, unknown> = {
  "has loaded a value": 1,
  "has begun to load in the background": "old",
  "waits for a load that hangs": "ERR_TIMEOUT",
  "waits for a hanging load for a time": "ERR_TIMEOUT",
  "waits no longer for a hanging load": "ERR_TIMEOUT",
  "waits for the load of another process": "theirs",
  "failed to load in the background": "old",
};

if (!await played(ROLES)) {
  test(
    "getOrSet() lets a process end by itself, and keeps it for what is waited for",
    async () => {
      const server = await MemcachedServer.start();
      const client = new Client(server.address);
      for (const key of ["old", "older"]) {
        await client.set(key, "old", { ttl: 100 });
        await client.invalidate(key);
      }
      for (const role of Object.keys(ROLES)) {
        const isLate = role === "waits for the load of another process";
        let open: (value: string) => void = () => {};
        const value = new Promise<string>((resolve) => open = resolve);
        const own = isLate ? client.getOrSet("late", () => value) : undefined;
        if (isLate) setTimeout(() => open("theirs"), 1500);
        const { address } = server;
        const { output, ms } = await play(import.meta.url, { role, address });
        assertEquals(output, JSON.stringify(WANTED[role]), role);
        assert(ms < 15_000, `${role} ended after ${ms} ms`);
        await own;
      }
      await client.close();
      await server.close();
    },
    { timeout: 60_000 },
  );
}
