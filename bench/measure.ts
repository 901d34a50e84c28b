/**
 * Prints nanoseconds per operation of the codec's cases, on the runtime that
 * runs it. On Deno as it is, elsewhere after a bundle:
 *
 * ```sh
 * deno run -A bench/measure.ts [words that a case's name must contain]
 * deno bundle --outdir .out bench/measure.ts
 * node .out/measure.js
 * bun .out/measure.js
 * ```
 *
 * @module
 */
import process from "node:process";
import { decoderCases } from "./_decoder_cases.ts";
import { encoderCases } from "./_encoder_cases.ts";
import { keyCases } from "./_key_cases.ts";
import { measure, runtimeText } from "./_measure.ts";
import { ringCases } from "./_ring_cases.ts";

const words = process.argv.slice(2);
const cases = [
  ...decoderCases(await runtimeText()),
  ...encoderCases(),
  ...keyCases(),
  ...ringCases(),
].filter(({ group, name }) =>
  words.every((word) => `${group}: ${name}`.includes(word))
);
let group = "";
console.log("   median     best  ns per operation");
for (const { of, median, best } of measure(cases)) {
  if (of.group !== group) console.log(`\n${of.group}`);
  group = of.group;
  const rate = (of.bytes / of.count / median).toFixed(2);
  console.log(
    `${median.toFixed(1).padStart(9)}${best.toFixed(1).padStart(9)}  ` +
      of.name + (of.bytes > 0 ? ` (${rate} GB/s)` : ""),
  );
}
