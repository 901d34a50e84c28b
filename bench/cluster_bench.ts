/**
 * One server through a cluster, and many keys on three. For ratios that repeat
 * there is `bench/cluster.ts`.
 */
import { startMemcached } from "../tests/_memcached.ts";
import { clusterCases } from "./_cluster_cases.ts";
import { install, PACKAGES } from "./compare/install.ts";

// They end with this process.
const servers = await Promise.all([1, 2, 3].map(() => startMemcached()));
const { cases, missing } = await clusterCases(
  servers.map(({ server }) => server),
  await install() ? PACKAGES : undefined,
);
for (const text of missing) console.error(`left out: ${text}`);
const seen = new Set<string>();
for (const { group, name, count, run } of cases) {
  Deno.bench(name, {
    group: `${group} (${count})`,
    baseline: !seen.has(group),
  }, run);
  seen.add(group);
}
