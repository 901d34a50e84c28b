/**
 * The program behind `deno task soak`, on the runtime that runs it. Its exit
 * code is 1 when anything was wrong.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { runtime } from "../_runtime.ts";
import { KINDS } from "./_kinds.ts";
import { linesOf, soak } from "./_soak.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    client: { type: "string", default: "client" },
  },
});
const kind = KINDS[values.client];
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (kind === undefined) {
  console.error(`--client must be one of ${Object.keys(KINDS).join(", ")}`);
  process.exit(2);
}
if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error("--seconds and --seed must be numbers");
  process.exit(2);
}
const version = process.versions[runtime] ?? process.version;
console.log(
  `soak of ${values.client} on ${runtime} ${version}: --seconds=${seconds} --seed=${seed}`,
);
const report = await soak({
  kind,
  seconds,
  seed,
  progress: ({ calls, wrong, reconnects, seconds }) => {
    const line = `${seconds.toFixed(0)} s: ${calls.total} calls, ` +
      `${calls.failed} failed, ${reconnects} reconnects, ${wrong.length} wrong`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line}\x1b[K`);
    else if (Math.round(seconds) % 10 === 0) console.error(line);
  },
});
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
console.log(linesOf(report).join("\n"));
process.exitCode = report.wrong.length > 0 ? 1 : 0;
