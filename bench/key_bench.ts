/**
 * Checks of keys. One iteration checks as many keys as stand behind the name.
 * Nanoseconds per key, on every runtime: `bench/measure.ts`.
 */
import { bench } from "./_bench.ts";
import { keyCases } from "./_key_cases.ts";

bench(keyCases());
