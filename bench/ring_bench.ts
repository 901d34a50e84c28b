/**
 * Where a key lives: the rings, over keys of 20 characters. npm's hashring
 * takes part where `deno task bench:compare` has installed the peers.
 * Nanoseconds per key, on every runtime: `bench/measure.ts`.
 */
import { bench } from "./_bench.ts";
import { ringCases } from "./_ring_cases.ts";

bench(ringCases());
