/**
 * Prints what reads cost through a namespace, beside the same reads without one:
 * medians of interleaved rounds, and of the ratios in each. On Deno as it is,
 * elsewhere after a bundle:
 *
 * ```sh
 * deno run -A bench/measure_namespaces.ts
 * deno bundle --outdir .out bench/measure_namespaces.ts
 * node .out/measure_namespaces.js
 * bun .out/measure_namespaces.js
 * ```
 *
 * @module
 */
import process from "node:process";
import type { KeyCommands } from "../src/client/commands.ts";
import { Client } from "../src/client/client.ts";
import { startMemcached } from "../tests/_memcached.ts";

/** Rounds of which the median is taken. */
const ROUNDS = 61;

/** Keys of a `getMany`. */
const MANY = 100;

/** Reads so many values, in its own way. */
type Read = (
  client: KeyCommands,
  keys: string[],
  count: number,
) => Promise<void>;

const SCENARIOS: Record<string, readonly [count: number, read: Read]> = {
  "get, 64 in flight": [16_384, async (client, keys, count) => {
    let left = count;
    const work = async (key: string): Promise<void> => {
      while (left-- > 0) {
        if (await client.get(key) === undefined) throw new Error("A miss");
      }
    };
    await Promise.all(keys.slice(0, 64).map(work));
  }],
  "get, 1 in flight": [1024, async (client, keys, count) => {
    for (let i = 0; i < count; i++) await client.get(keys[i % 64]);
  }],
  "getMany of 100": [256, async (client, keys, count) => {
    for (let i = 0; i < count; i++) {
      const { size } = await client.getMany(keys);
      if (size !== MANY) throw new Error("A miss");
    }
  }],
};

const VIEWS: Record<string, (client: Client) => KeyCommands> = {
  "no namespace": (client) => client,
  "namespace": (client) => client.namespace("bench:"),
  "in another": (client) => client.namespace("bench:").namespace("inner:"),
};

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

const memcached = await startMemcached();
const keys = Array.from({ length: MANY }, (_, i) => `key:${i}`);
const sides: KeyCommands[] = [];
for (const view of Object.values(VIEWS)) {
  const side = view(new Client(memcached.server));
  await side.setMany(keys.map((key) => [key, "v".repeat(100)] as const));
  sides.push(side);
}
const names = Object.keys(VIEWS);
for (const [title, [count, read]] of Object.entries(SCENARIOS)) {
  const wall: number[][] = sides.map(() => []);
  const cpu: number[][] = sides.map(() => []);
  for (let round = -5; round < ROUNDS; round++) {
    // Whoever comes first in a round has it neither better nor worse.
    for (let i = 0; i < sides.length; i++) {
      const at = (i + Math.max(0, round)) % sides.length;
      const before = process.cpuUsage();
      const start = performance.now();
      await read(sides[at], keys, count);
      const took = performance.now() - start;
      const { user, system } = process.cpuUsage(before);
      if (round < 0) continue;
      wall[at].push(took * 1000 / count);
      cpu[at].push((user + system) / count);
    }
  }
  console.log(
    `${title}, 100 bytes\nus/call  cpu us  time / plain  cpu / plain`,
  );
  for (const [i, name] of names.entries()) {
    const ratio = (of: readonly number[][]): string =>
      median(of[i].map((value, at) => value / of[0][at])).toFixed(3);
    console.log(
      `${median(wall[i]).toFixed(2).padStart(7)} ${
        median(cpu[i]).toFixed(2).padStart(7)
      }  ${ratio(wall).padStart(12)} ${ratio(cpu).padStart(12)}  ${name}`,
    );
  }
}
await memcached.kill();
process.exit(0);
