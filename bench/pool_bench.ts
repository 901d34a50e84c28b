/**
 * Choosing a connection, and one connection beside a pool of four: 64 gets in
 * flight, from memcached. Nanoseconds per choice, and ratios from interleaved
 * rounds on every runtime: `bench/measure_pool.ts`.
 */
import { startMemcached } from "../tests/_memcached.ts";
import { bench } from "./_bench.ts";
import { FLIGHT, openSides, poolCases, SIZES } from "./_pool_cases.ts";

bench(await poolCases());

// It ends with this process.
const { server } = await startMemcached();
for (const size of SIZES) {
  for (const { name, run } of await openSides(server, size)) {
    Deno.bench(`${name} (${FLIGHT})`, {
      group: `gets of ${size} bytes`,
      baseline: name === "Client",
    }, async () => {
      await run(FLIGHT);
    });
  }
}
