/**
 * What a pool does to the process that it is in: this file is also the program
 * that the tests run.
 */
import { assert, assertEquals } from "@std/assert";
import { PooledClient } from "@x/memcache";
import { withServer } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { play, played } from "../connection/_child.ts";

/** Opens several connections, and leaves them open. */
async function open(client: PooledClient): Promise<number> {
  await Promise.all(
    Array.from({ length: 600 }, (_, i) => client.incr(`n${i}`, 1)),
  );
  return client.pool.counters.size;
}

/** What the child does; it says what became of it, and has nothing else to do. */
const ROLES: Record<string, (address: string) => Promise<unknown>> = {
  "has a pool and never uses it": (address) => {
    new PooledClient(address);
    return Promise.resolve("fine");
  },
  "has an idle pool": (address) => open(new PooledClient(address)),
  "has an idle pool that closes what is idle in an hour": (address) =>
    open(new PooledClient(address, { poolIdleTimeout: 3_600_000 })),
  "waits for a reply, with all others idle": async (address) => {
    const client = new PooledClient(address);
    await open(client);
    return await client.get("late");
  },
  "meets no server": async () => {
    const client = new PooledClient("127.0.0.1:1");
    const ends = await Promise.allSettled(
      Array.from({ length: 600 }, (_, i) => client.get(`${i}`)),
    );
    return ends.filter(({ status }) => status === "rejected").length;
  },
};

/** What the child says in each role. */
const WANTED: Record<string, unknown> = {
  "has a pool and never uses it": "fine",
  "has an idle pool": 4,
  "has an idle pool that closes what is idle in an hour": 4,
  "waits for a reply, with all others idle": "slow",
  "meets no server": 600,
};

if (!await played(ROLES)) {
  test(
    "PooledClient lets a process end by itself, and keeps it for what is in flight",
    async () => {
      for (const role of Object.keys(ROLES)) {
        await withServer({
          command: (command, peer) => {
            if (!command.line.includes("late")) return peer.reply(command);
            setTimeout(() => peer.answer(command), 300);
            return undefined;
          },
        }, async (server) => {
          server.items.set("late", { flags: "16", data: "slow", cas: 1 });
          const { address } = server;
          const { output, ms } = await play(import.meta.url, { role, address });
          assertEquals(output, JSON.stringify(WANTED[role]), role);
          assert(ms < 15_000, `${role} ended after ${ms} ms`);
        });
      }
    },
    { timeout: 60_000 },
  );
}
