/**
 * Prints nanoseconds per choice of a connection, and how a pool of four compares
 * to one connection: medians of interleaved rounds, and of the ratios in each. On Deno as it is, elsewhere after a bundle:
 *
 * ```sh
 * deno run -A bench/measure_pool.ts
 * deno bundle --outdir .out bench/measure_pool.ts
 * node .out/measure_pool.js
 * bun .out/measure_pool.js
 * ```
 *
 * @module
 */
import process from "node:process";
import { startMemcached } from "../tests/_memcached.ts";
import { measure } from "./_measure.ts";
import { openSides, poolCases, type Side, SIZES } from "./_pool_cases.ts";

/** Rounds of which the median is taken, and milliseconds for a side in each. */
const ROUNDS = 15;
const TIME = 150;

/** What a round came to. */
interface Round {
  /** Gets per second. */
  readonly rate: number;
  /** Microseconds of this process's own time per get. */
  readonly cpu: number;
}

/** Does gets for about `TIME` milliseconds. */
async function play({ run }: Side, count: number): Promise<Round> {
  const before = process.cpuUsage();
  const start = performance.now();
  let done = 0;
  let now = start;
  do {
    await run(count);
    done += count;
    now = performance.now();
  } while (now - start < TIME);
  const { user, system } = process.cpuUsage(before);
  return {
    rate: done / (now - start) * 1000,
    cpu: (user + system) / done,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

const results = measure(await poolCases());
console.log("   median     best  ns per command, choosing a connection");
for (const { of: { name }, median, best } of results) {
  console.log(
    `${median.toFixed(1).padStart(9)}${best.toFixed(1).padStart(9)}  ${name}`,
  );
}

const { server } = await startMemcached();
for (const size of SIZES) {
  const sides = await openSides(server, size);
  const count = size > 10_000 ? 512 : 8192;
  const rounds = sides.map((): Round[] => []);
  for (let round = -2; round < ROUNDS; round++) {
    for (const [i, side] of sides.entries()) {
      const played = await play(side, count);
      if (round >= 0) rounds[i].push(played);
    }
  }
  console.log(`\n64 gets of ${size} bytes in flight`);
  for (const [i, { name, opened }] of sides.entries()) {
    const ratio = (pick: (round: Round) => number): string =>
      median(
        rounds[i].map((round, at) => pick(round) / pick(rounds[0][at])),
      ).toFixed(2);
    const rate = median(rounds[i].map(({ rate }) => rate)).toFixed(0);
    const cpu = median(rounds[i].map(({ cpu }) => cpu)).toFixed(1);
    console.log(
      `${rate.padStart(9)}/s (${ratio(({ rate }) => rate)} × Client), ` +
        `${cpu} us of CPU (${ratio(({ cpu }) => cpu)} ×)  ` +
        `${name}, ${opened()} open`,
    );
  }
  for (const { close } of sides) await close();
}
process.exit(0);
