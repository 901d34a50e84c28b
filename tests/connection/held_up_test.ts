/**
 * Programs that hold their own event loop up for longer than a timeout.
 */
import { assertEquals } from "@std/assert";
import { Client, HashClient, PooledClient } from "@x/memcache";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import type { Script } from "../_scripted.ts";
import { turn, withPair } from "./_calls.ts";

const TIMEOUT = 150;

/** Holds the event loop up. */
function hold(ms: number): void {
  const start = performance.now();
  while (performance.now() - start < ms);
}

for (const protocol of ["auto", "classic"] as const) {
  test(
    `replies that have come count, however long nobody could read them (${protocol})`,
    async () => {
      await withMemcached({}, async ({ server }) => {
        const options = { protocol, timeout: TIMEOUT } as const;
        const cluster = new HashClient([server], {
          ...options,
          retryAttempts: 0,
        });
        const told: string[] = [];
        for (
          const type of [
            "serverfailing",
            "serverdead",
            "connectionlost",
          ] as const
        ) {
          cluster.events.addEventListener(type, () => void told.push(type));
        }
        const clients = [
          new Client(server, options),
          new PooledClient(server, options),
          cluster,
        ];
        for (const client of clients) {
          await client.set("a", "1", { timeout: 5000 });
          for (let i = 0; i < 2; i++) {
            const calls = [
              client.get("a"),
              client.incr("a"),
              client.getMany(["a", "b"]),
            ];
            // They are on their way, and the server needs a moment only.
            await turn();
            hold(3 * TIMEOUT);
            const [value, count, many] = await Promise.all(calls);
            assertEquals(value, `${i + 1}`);
            assertEquals(count, i + 2);
            assertEquals(many, new Map([["a", `${i + 2}`]]));
          }
          await client.close();
        }
        assertEquals(told, []);
      });
    },
    needsMemcached,
  );
}

test("a server that is silent is told from a program that is held up", async () => {
  const command: Script = (command, peer) => {
    if (command.name !== "get") peer.answer(command);
    return undefined;
  };
  const options = { timeout: TIMEOUT, protocol: "classic" } as const;
  await withPair({ command }, options, async ({ client }) => {
    await client.set("a", "1", { timeout: 5000 });
    const call = client.get("a").then(() => "answered", ({ code }) => code);
    await turn();
    hold(3 * TIMEOUT);
    assertEquals(await call, "ERR_TIMEOUT");
  });
});
