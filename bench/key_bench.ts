/**
 * Checks of keys, beside the one of memcached. One iteration checks as many keys as stand behind the name.
 * Nanoseconds per key, on every runtime: `bench/measure.ts`.
 */
import { bench } from "./_bench.ts";
import { keyCases } from "./_key_cases.ts";
import { keyCasesOfMemcached } from "./compare/codec.ts";
import { install, PACKAGES } from "./compare/install.ts";

bench(keyCases());
if (await install()) bench(keyCasesOfMemcached(PACKAGES));
