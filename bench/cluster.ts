/**
 * Measures clusters on the runtime that runs it: all contenders in turn, round
 * by round, medians and ratios of the rounds.
 *
 * ```sh
 * deno run -A bench/cluster.ts [folder of the packages from npm]
 * deno bundle --outdir .out bench/cluster.ts
 * node .out/cluster.js bench/compare/peers
 * ```
 *
 * @module
 */
import process from "node:process";
import { resolve } from "node:path";
import { startMemcached } from "../tests/_memcached.ts";
import { type ClusterCase, clusterCases } from "./_cluster_cases.ts";

const ROUNDS = 41;
/** Milliseconds for each contender in a round. */
const SPAN = 40;

const [folder] = process.argv.slice(2);
const servers = await Promise.all([1, 2, 3].map(() => startMemcached()));
const { cases, missing, close } = await clusterCases(
  servers.map(({ server }) => server),
  folder === undefined ? undefined : resolve(folder),
);

/** Microseconds per operation: by the clock, and of our processor time. */
interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

async function measure({ run, count }: ClusterCase): Promise<Cost> {
  const start = performance.now();
  const before = process.cpuUsage();
  let runs = 0;
  do {
    await run();
    runs++;
  } while (performance.now() - start < SPAN);
  const { user, system } = process.cpuUsage(before);
  const operations = runs * count;
  return {
    wall: (performance.now() - start) * 1000 / operations,
    cpu: (user + system) / operations,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

for (const group of new Set(cases.map(({ group }) => group))) {
  const own = cases.filter((one) => one.group === group);
  const times = own.map(() => [] as Cost[]);
  for (let round = -3; round < ROUNDS; round++) {
    // Each begins a round as often as any other.
    for (let i = 0; i < own.length; i++) {
      const at = (i + round + own.length * 3) % own.length;
      const time = await measure(own[at]);
      if (round >= 0) times[at].push(time);
    }
  }
  console.log(`\n${group}\n   µs/op × the first  µs of CPU × the first`);
  for (const [i, { name }] of own.entries()) {
    const of = (what: keyof Cost) => {
      const costs = times[i].map((cost) => cost[what]);
      const first = times[0].map((cost) => cost[what]);
      const ratio = median(costs.map((cost, round) => cost / first[round]));
      return [median(costs), ratio];
    };
    const figures = [...of("wall"), ...of("cpu")];
    console.log(
      figures.map((figure) => figure.toFixed(3).padStart(9)).join("  ") +
        `  ${name}`,
    );
  }
}
for (const text of missing) console.log(`left out: ${text}`);
await close();
for (const server of servers) await server.kill();
// Some of the clients from npm leave something behind.
process.exit();
