// Everything that .ci/run stands for, once the tools are installed: the static
// checks, the tests of the sources on Deno, and the tests of the packed package
// on Node and Bun. Prints what failed and ends with `N passed, N failed`.
import {
  bundleTests,
  execute,
  listTests,
  type Outcome,
  readJunit,
  type Report,
  runTest,
  TARGETS,
} from "./runners.ts";

const OUT = ".out";
/** Milliseconds for a file, for the tests on one runtime and for everything. */
const FILE_TIMEOUT = 240_000;
const TARGET_TIMEOUT = 1_800_000;
const TIMEOUT = 3_600_000;
/** How many of the slowest files are named. */
const SLOWEST = 20;

const started = performance.now();
const failures: string[] = [];
/** Seconds that files took, by runtime. */
const times = new Map<string, Map<string, number>>();
let passed = 0;

function say(text: string): void {
  const seconds = (performance.now() - started) / 1000;
  console.log(`== ${seconds.toFixed(1).padStart(5)} s  ${text}`);
}

/** Runs a part; prints its output and counts a failure if it does not succeed. */
async function step(
  name: string,
  run: () => Promise<Outcome>,
): Promise<Outcome> {
  const outcome = await run();
  say(`${name}: ${outcome.code === 0 ? "ok" : "FAILED"}`);
  if (outcome.code !== 0) {
    console.log(outcome.output.replace(/^Check .*\n/gm, ""));
    failures.push(name);
  }
  return outcome;
}

function task(name: string, timeout?: number): Promise<Outcome> {
  return step(
    `deno task ${name}`,
    () => execute(Deno.execPath(), ["task", "--quiet", name], { timeout }),
  );
}

function count(target: string, report: Report): void {
  passed += report.passed;
  failures.push(...report.failed.map((name) => `${target}: ${name}`));
  failures.push(...report.skipped.map((name) => `${target}: skipped: ${name}`));
}

function addTime(file: string, target: string, seconds: number): void {
  const taken = times.get(file) ?? new Map<string, number>();
  times.set(file, taken.set(target, (taken.get(target) ?? 0) + seconds));
}

/** Reads what files took on Deno, from the times that it prints for their tests. */
function addTimesOnDeno(output: string): void {
  let file = "";
  for (const line of output.split("\n")) {
    file = line.match(/^running \d+ tests? from (?:\.\/)?(\S+)/)?.[1] ?? file;
    // Steps stand further to the right; the test's own time has theirs in it.
    const [, m = "0", s = "0", ms = "0"] = line.match(
      /^(?:\S.*)? ?ok \((?:(\d+)m)??(?:(\d+)s)?(?:(\d+)ms)?\)$/,
    ) ?? [];
    addTime(file, "deno", +m * 60 + +s + +ms / 1000);
  }
}

async function testOnDeno(): Promise<void> {
  await Deno.remove(`${OUT}/deno.xml`).catch(() => {});
  const { code, output } = await task("test", TARGET_TIMEOUT);
  const report = readJunit(
    await Deno.readTextFile(`${OUT}/deno.xml`).catch(() => ""),
  );
  if (report.failed.length > 0) failures.pop();
  const again = await runFailedAgain(output);
  if (again) report.failed = again.failed;
  const ran = new Set<string>();
  for (
    const [, path] of output.matchAll(
      /^running [1-9]\d* tests? from \.\/(\S+?)(?:[#$].*)?$/gm,
    )
  ) {
    ran.add(path);
  }
  for (const file of [...await listTests("deno"), "README.md"]) {
    if (!ran.has(file)) report.failed.push(`${file} (no test ran)`);
  }
  addTimesOnDeno(output);
  if (code === 0) console.log(output.slice(output.lastIndexOf("| File")));
  count("deno", report);
  say(
    `deno: ${report.passed} passed, ${report.failed.length} failed, ${report.skipped.length} skipped`,
  );
}

/**
 * Runs the files once more that failed on Deno, each alone: what depends on
 * time may fail where others load the machine. A file that fails twice has
 * failed; one that passes then is named all the same.
 */
async function runFailedAgain(output: string): Promise<Report | undefined> {
  const files = new Set<string>();
  let file = "";
  for (const line of output.split("\n")) {
    file = line.match(/^running \d+ tests? from (?:\.\/)?(\S+)/)?.[1] ?? file;
    if (/ \.\.\. FAILED/.test(line) || /^Uncaught error from/.test(line)) {
      files.add(file);
    }
  }
  if (files.size === 0) return undefined;
  const total: Report = { passed: 0, failed: [], skipped: [], output: "" };
  for (const file of files) {
    if (!file.endsWith("_test.ts")) {
      total.failed.push(`${file} (not run again)`);
      continue;
    }
    const report = await runTest("deno", file, OUT, FILE_TIMEOUT);
    total.failed.push(...report.failed);
    passed += report.failed.length === 0 ? 1 : 0;
    say(`deno ${file}, again: ${report.failed.length} failed`);
    console.log(report.failed.length > 0 ? report.output : `-- flaky: ${file}`);
  }
  await step(
    "coverage",
    () => execute(Deno.execPath(), ["coverage", "--include=/src/", ".cov"]),
  );
  return total;
}

async function testOn(
  target: typeof TARGETS[number],
  files: string[],
): Promise<void> {
  const begun = performance.now();
  const total: Report = { passed: 0, failed: [], skipped: [], output: "" };
  for (const file of files) {
    const now = performance.now();
    const left = Math.min(begun + TARGET_TIMEOUT, started + TIMEOUT) - now;
    if (left <= 0) {
      total.failed.push(`${file} (not run: out of time)`);
      continue;
    }
    const limit = Math.min(left, FILE_TIMEOUT);
    let report = await runTest(target, file, `${OUT}/tests`, limit);
    if (report.failed.length > 0) {
      console.log(`-- ${target} ${file}, first run\n${report.output}`);
      const again = await runTest(target, file, `${OUT}/tests`, limit);
      if (again.failed.length === 0) {
        console.log(`-- flaky: ${target} ${file}: ${report.failed.join("; ")}`);
      }
      report = again;
    }
    addTime(file, target, (performance.now() - now) / 1000);
    if (report.failed.length > 0) {
      console.log(`-- ${target} ${file}\n${report.output}`);
    }
    total.passed += report.passed;
    total.failed.push(...report.failed);
    total.skipped.push(...report.skipped);
  }
  count(target, total);
  say(
    `${target}: ${total.passed} passed, ${total.failed.length} failed, ` +
      `${total.skipped.length} skipped, ${files.length} files`,
  );
}

/** Installs the packed package as a user of Node would. */
async function install(): Promise<boolean> {
  await Deno.mkdir(OUT, { recursive: true });
  await Deno.remove(`${OUT}/node_modules`, { recursive: true }).catch(() => {});
  const manifest = { private: true, type: "module" };
  await Deno.writeTextFile(`${OUT}/package.json`, JSON.stringify(manifest));
  const packed = await task("pack");
  if (packed.code !== 0) return false;
  const flags = [
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--loglevel=error",
  ];
  const { code } = await step(
    "npm install of the package",
    () => execute("npm", ["install", ...flags, "./memcache.tgz"], { cwd: OUT }),
  );
  return code === 0;
}

/** Runs a program that uses the package; tests/package/ checks its types. */
async function runConsumer(): Promise<void> {
  await Deno.copyFile(".ci/consumer.ts", `${OUT}/consumer.ts`);
  await step(
    "a program that uses the package, on Node 22",
    () =>
      execute("../.ci/node_modules/node22/bin/node", ["consumer.ts"], {
        cwd: OUT,
        timeout: 20_000,
      }),
  );
}

async function run(): Promise<void> {
  const checks = ["check", "lint", "doc", "publish:dry"];
  await Promise.all(checks.map((name) => task(name)));
  await task("demo");
  const files = await listTests("bun");
  await Deno.remove(`${OUT}/tests`, { recursive: true }).catch(() => {});
  const bundled = await step(
    "bundles of the tests",
    () => bundleTests(files, `${OUT}/tests`, true),
  );
  const installed = await install();
  if (installed) await runConsumer();
  const jobs: Array<() => Promise<void>> = [testOnDeno];
  for (const target of TARGETS.filter((target) => target !== "deno")) {
    if (installed && bundled.code === 0) {
      jobs.push(async () => testOn(target, await listTests(target)));
    } else failures.push(`${target} (not run)`);
  }
  // Three at a time on two cores: most tests wait more than they work.
  await Promise.all([1, 2, 3].map(async () => {
    for (let job; (job = jobs.shift()) !== undefined;) await job();
  }));
  sayWhereTimeWent();
}

/** Names the files that took longest, with their seconds on each runtime. */
function sayWhereTimeWent(): void {
  const total = (taken: Map<string, number>) =>
    [...taken.values()].reduce((sum, seconds) => sum + seconds, 0);
  const sorted = [...times].sort(([, a], [, b]) => total(b) - total(a));
  for (const [file, taken] of sorted.slice(0, SLOWEST)) {
    const each = [...taken].map(([on, seconds]) =>
      `${on} ${seconds.toFixed(1)}`
    );
    console.log(
      `-- ${total(taken).toFixed(1)} s: ${file} (${each.join(", ")})`,
    );
  }
}

Deno.chdir(`${import.meta.dirname}/..`);
// The last line must come, whatever happens before it.
await run().catch((error) => {
  console.log(error);
  failures.push(`tools/ci.ts: ${error}`);
});
if (failures.length > 0) console.log(`\nFailed:\n${failures.join("\n")}`);
console.log(`\n${passed} passed, ${failures.length} failed`);
Deno.exit(failures.length > 0 ? 1 : 0);
