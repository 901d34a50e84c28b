/**
 * Hits read by `getOrSet`, beside those read by `get`: one iteration reads 1024
 * of them, 64 at a time. For ratios that repeat there is `measure_cache.ts`.
 */
import { startMemcached } from "../tests/_memcached.ts";
import { openCacheSides } from "./_cache_cases.ts";

// It ends with this process.
const { server } = await startMemcached();
const sides = await openCacheSides(server);
// Whoever comes first would be measured while the engine is still at it.
for (const { run } of sides) await run(65_536);
for (const { name, run } of sides) {
  Deno.bench(name, {
    group: "hits of 100 bytes (64 in flight, 1024 a time)",
    baseline: name === "get",
  }, async () => {
    await run(1024);
  });
}
