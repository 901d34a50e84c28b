/**
 * Commands to bytes, beside those of memjs. One iteration writes as many commands as stand behind the
 * name. Nanoseconds per command, on every runtime: `bench/measure.ts`.
 */
import { bench } from "./_bench.ts";
import { encoderCases } from "./_encoder_cases.ts";
import { encoderCasesOfMemjs } from "./compare/codec.ts";
import { install, PACKAGES } from "./compare/install.ts";

bench(encoderCases());
if (await install()) bench(encoderCasesOfMemjs(PACKAGES));
