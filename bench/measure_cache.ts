/**
 * Prints what a hit costs with `getOrSet`, beside the same hit with `get`, 64 in
 * flight: medians of interleaved rounds, and of the ratios in each. On Deno as it
 * is, elsewhere after a bundle:
 *
 * ```sh
 * deno run -A bench/measure_cache.ts
 * deno bundle --outdir .out bench/measure_cache.ts
 * node .out/measure_cache.js
 * bun .out/measure_cache.js
 * ```
 *
 * @module
 */
import process from "node:process";
import { startMemcached } from "../tests/_memcached.ts";
import { FLIGHT, openCacheSides } from "./_cache_cases.ts";

/** Rounds of which the median is taken, and calls of a side in each. */
const ROUNDS = 61;
const CALLS = 16_384;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

const { server } = await startMemcached();
const sides = await openCacheSides(server);
const wall: number[][] = sides.map(() => []);
const cpu: number[][] = sides.map(() => []);
for (let round = -5; round < ROUNDS; round++) {
  // Whoever comes first in a round has it neither better nor worse.
  for (let i = 0; i < sides.length; i++) {
    const at = (i + Math.max(0, round)) % sides.length;
    const before = process.cpuUsage();
    const start = performance.now();
    await sides[at].run(CALLS);
    const took = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    if (round < 0) continue;
    wall[at].push(took * 1000 / CALLS);
    cpu[at].push((user + system) / CALLS);
  }
}
console.log(`hits of 100 bytes, ${FLIGHT} in flight`);
console.log("us/call  cpu us  time / get  cpu / get");
for (const [i, { name }] of sides.entries()) {
  const ratio = (of: readonly number[][]): string =>
    median(of[i].map((value, at) => value / of[0][at])).toFixed(3);
  console.log(
    `${median(wall[i]).toFixed(2).padStart(7)} ${
      median(cpu[i]).toFixed(2).padStart(7)
    }  ${ratio(wall).padStart(10)} ${ratio(cpu).padStart(10)}  ${name}`,
  );
}
process.exit(0);
