/**
 * Commands to bytes. One iteration writes as many commands as stand behind the
 * name. Nanoseconds per command, on every runtime: `bench/measure.ts`.
 */
import { bench } from "./_bench.ts";
import { encoderCases } from "./_encoder_cases.ts";

bench(encoderCases());
