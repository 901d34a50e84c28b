// Runs test files on several runtimes at once, from the sources:
//   deno task try tests/x_test.ts [--on=deno,node20,node22,node24,node26,bun]
// Without files it runs all of them.
import {
  bundleTests,
  listTests,
  type Report,
  runTest,
  type Target,
  TARGETS,
} from "./runners.ts";

const OUT = ".out/try";
let targets: Target[] = ["deno", "node20", "node26", "bun"];
const chosen: string[] = [];
for (const arg of Deno.args) {
  if (arg.startsWith("--on=")) {
    const names = arg.slice("--on=".length).split(",");
    targets = TARGETS.filter((target) =>
      names.some((name) => target.startsWith(name))
    );
  } else chosen.push(arg.replace(/^\.\//, ""));
}

let failures = 0;
const portable = await listTests("bun");
const files = chosen.length > 0 ? chosen : portable;
const { code, output } = await bundleTests(
  files.filter((file) => portable.includes(file)),
  OUT,
  false,
);
if (code !== 0) {
  console.error(output);
  Deno.exit(1);
}
for (const target of targets) {
  for (const file of files) {
    if (target !== "deno" && !portable.includes(file)) continue;
    const begun = performance.now();
    const report: Report = await runTest(target, file, OUT);
    failures += report.failed.length;
    if (report.failed.length > 0) console.log(report.output);
    const counts = [
      `${report.passed} passed`,
      `${report.failed.length} failed`,
    ];
    if (report.skipped.length > 0) {
      counts.push(`${report.skipped.length} SKIPPED`);
    }
    counts.push(`${((performance.now() - begun) / 1000).toFixed(1)} s`);
    console.log(`${target.padEnd(6)} ${file}: ${counts.join(", ")}`);
    for (const name of report.failed) console.log(`       failed: ${name}`);
  }
}
Deno.exit(failures > 0 ? 1 : 0);
