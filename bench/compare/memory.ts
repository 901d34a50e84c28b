/**
 * The memory of clients that have been used and wait.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import type { Contender } from "./contenders.ts";
import { check } from "./scenarios.ts";

/** Milliseconds of work before memory is weighed. */
const CHURN = 1000;

function collect(): void {
  const { gc, Bun } = globalThis as {
    gc?: () => void;
    Bun?: { gc(now: boolean): void };
  };
  if (gc) gc();
  else if (Bun) Bun.gc(true);
  else throw new Error("Cannot measure memory: there is no gc()");
}

/** Resident memory in KiB, once it no longer falls. */
async function resident(): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 8; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(
      readFileSync("/proc/self/status", "utf8"),
    ) ?? [];
    least = Math.min(least, Number(kib));
  }
  return least;
}

/**
 * Opens clients, lets each read one value, and weighs them when they are idle.
 *
 * @returns KiB for each.
 */
export async function measureMemory(
  open: () => Contender,
  key: string,
  value: string,
  count: number,
): Promise<number> {
  const clients: Contender[] = [];
  const use = async (some: number): Promise<void> => {
    for (let i = 0; i < some; i++) {
      const client = open();
      check(client.name, key, await client.get(key), value);
      clients.push(client);
    }
  };
  // The first ones pay for the code and for the heap's own room.
  const churn = async (): Promise<void> => {
    const until = performance.now() + CHURN;
    while (performance.now() < until) {
      await Promise.all(clients.slice(0, 50).map((client) => client.get(key)));
    }
  };
  await use(50);
  await churn();
  const before = await resident();
  await use(count);
  const after = await resident();
  // Nothing was let go of meanwhile.
  await Promise.all(
    clients.map(async (client) =>
      check(client.name, key, await client.get(key), value)
    ),
  );
  await Promise.all(clients.map((client) => client.close()));
  return (after - before) / count;
}
