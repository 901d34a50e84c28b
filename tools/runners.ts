/**
 * Runs test files on Deno, Node and Bun and reads what their runners report.
 *
 * @module
 */
const ROOT = `${import.meta.dirname}/../`;
const TOOLS = `${ROOT}.ci/node_modules/`;

/** What needs Deno itself: they judge the sources, not the behaviour. */
const DENO_ONLY: readonly string[] = [
  "tests/bench_test.ts",
  "tests/docs_test.ts",
  "tests/examples/",
  "tests/layers_test.ts",
  "tests/otel/deno_test.ts",
  "tests/package/",
  "tests/package_test.ts",
  "tests/permissions_test.ts",
  "tests/readme_test.ts",
];

/**
 * Long tests, of what a version of Node has little say in: Deno and Bun run all
 * of them, and of the Nodes the oldest one half and the newest the other.
 */
const LONG: Readonly<Record<"node20" | "node26", readonly string[]>> = {
  node20: [
    "tests/chaos/",
    "tests/cli/",
    "tests/conformance_cluster_test.ts",
    "tests/conformance_wrapped_test.ts",
    "tests/connection/descriptors_test.ts",
    "tests/structured/hostile_test.ts",
  ],
  node26: [
    "tests/cache/stampede_test.ts",
    "tests/conformance_namespace_test.ts",
    "tests/conformance_pool_test.ts",
    "tests/fuzz/",
  ],
};

/** Whether a file is for a target. */
function isFor(target: Target, file: string): boolean {
  if (target === "deno") return true;
  if (target !== "bun") {
    for (const [node, paths] of Object.entries(LONG)) {
      const isLong = paths.some((path) => file.startsWith(path));
      if (isLong && node !== target) return false;
    }
  }
  return !DENO_ONLY.some((path) => file.startsWith(path));
}

/** A runtime at one version. */
export type Target = "deno" | "node20" | "node22" | "node24" | "node26" | "bun";

/** Every {@linkcode Target}. */
export const TARGETS: readonly Target[] = [
  "deno",
  "node20",
  "node22",
  "node24",
  "node26",
  "bun",
];

/** What a run of some tests came to. */
export interface Report {
  /** How many passed. */
  passed: number;
  /** The names of those that failed, or what went wrong with a whole file. */
  failed: string[];
  /** The names of those that were skipped. */
  skipped: string[];
  /** What the runner printed. */
  output: string;
}

/** What a command came to. */
export interface Outcome {
  /** Its exit code, 124 if it was ended because its time was up. */
  code: number;
  /** What it printed, both streams. */
  output: string;
}

/** Lists the test files that a target runs, by their paths in the checkout. */
export async function listTests(target: Target): Promise<string[]> {
  const files: string[] = [];
  const read = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(ROOT + folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) await read(path);
      else if (name.endsWith("_test.ts")) files.push(path);
    }
  };
  await read("tests");
  return files.filter((file) => isFor(target, file)).sort();
}

/** Runs a command in a folder of the checkout, for at most `timeout` milliseconds. */
export async function execute(
  command: string,
  args: readonly string[],
  { cwd = "", timeout = 120_000 }: { cwd?: string; timeout?: number } = {},
): Promise<Outcome> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: ROOT + cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    // A group of its own, so that its time's end also ends what it started.
    detached: true,
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch {
      // It ended by itself in this very moment.
    }
  }, timeout);
  const [stdout, stderr, { code }] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.status,
  ]);
  clearTimeout(timer);
  const output = stdout + stderr;
  return late
    ? { code: 124, output: `${output}\nEnded after ${timeout} ms` }
    : { code, output };
}

/**
 * Bundles test files for Node and Bun into `out`, laid out as under tests/.
 * Imports of the package stay as they are if `external`, else the sources go in.
 */
export async function bundleTests(
  files: readonly string[],
  out: string,
  external: boolean,
): Promise<Outcome> {
  const { name, exports } = JSON.parse(
    await Deno.readTextFile(`${ROOT}deno.json`),
  );
  const entries = Object.keys(exports).map((entry) => name + entry.slice(1));
  const outcome = await execute(Deno.execPath(), [
    ...["bundle", "--quiet"],
    ...(external ? entries.map((entry) => `--external=${entry}`) : []),
    `--outdir=${out}`,
    // One file at the top keeps the folders: they are laid out from the
    // deepest folder that all the files share.
    ...["tests/_runtime.ts", ...files, ...programsOf(files)],
  ]);
  if (!external) return outcome;
  for (const file of files) {
    const imports = await importsOf(file);
    const fromPackage = [...imports].some((path) => path.startsWith(name));
    if (fromPackage && imports.has("src/errors.ts")) {
      outcome.code = 1;
      outcome.output += `${file} takes errors from src beside the package: ` +
        "in a bundle these are other classes, instanceof fails\n";
    }
  }
  return outcome;
}

/** What the tests of the command line start beside themselves. */
function programsOf(files: readonly string[]): string[] {
  const has = files.some((file) => file.startsWith("tests/cli/"));
  return has ? ["tests/cli/_main.ts"] : [];
}

/** What a test file and the files of tests/ below it import, types left out. */
async function importsOf(
  file: string,
  found: Set<string> = new Set(),
): Promise<Set<string>> {
  const text = await Deno.readTextFile(ROOT + file);
  const imports = /^(?:import|export)\b(?! type)[^;"']*?\bfrom "([^"]+)"/gm;
  for (const [, specifier] of text.matchAll(imports)) {
    const path = specifier.startsWith(".")
      ? new URL(specifier, `file:///${file}`).pathname.slice(1)
      : specifier;
    if (found.has(path)) continue;
    found.add(path);
    if (path.startsWith("tests/")) await importsOf(path, found);
  }
  return found;
}

/** Runs one test file: on Deno the source, elsewhere its bundle in `out`. */
export async function runTest(
  target: Target,
  file: string,
  out: string,
  timeout: number = 150_000,
): Promise<Report> {
  const results = await Deno.makeTempFile();
  try {
    const [command, args, cwd] = commandOf(target, file, out, results);
    const { code, output } = await execute(command, args, {
      cwd,
      timeout,
    });
    const text = await Deno.readTextFile(results);
    const report = target.startsWith("node") ? readTap(text) : readJunit(text);
    report.output = output;
    if (code !== 0 && report.failed.length === 0) {
      report.failed.push(`${file} (exit code ${code})`);
    } else if (
      report.passed + report.failed.length + report.skipped.length === 0
    ) {
      report.failed.push(`${file} (no test ran)`);
    }
    return report;
  } finally {
    await Deno.remove(results);
  }
}

function commandOf(
  target: Target,
  file: string,
  out: string,
  results: string,
): [command: string, args: string[], cwd: string] {
  if (target === "deno") {
    return [
      Deno.execPath(),
      ["test", "-A", `--junit-path=${results}`, file],
      "",
    ];
  }
  const path = `./${bundled(file)}`;
  if (target === "bun") {
    const args = [
      "--reporter=junit",
      `--reporter-outfile=${results}`,
      "--timeout=30000",
    ];
    return [`${TOOLS}.bin/bun`, ["test", ...args, path], out];
  }
  const args = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
  args.push("--test-reporter=tap", `--test-reporter-destination=${results}`);
  return [`${TOOLS}${target}/bin/node`, [...args, path], out];
}

function bundled(file: string): string {
  return file.replace(/^tests\//, "").replace(/\.ts$/, ".js");
}

/** Reads what Deno and Bun report. */
export function readJunit(xml: string): Report {
  const report: Report = { passed: 0, failed: [], skipped: [], output: "" };
  const cases =
    /<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const [, escaped, body = ""] of xml.matchAll(cases)) {
    const name = escaped.replace(
      /&(lt|gt|quot|apos|amp|#39);/g,
      (_, entity) => {
        return { lt: "<", gt: ">", quot: '"', amp: "&" }[entity as string] ??
          "'";
      },
    );
    if (body.includes("<skipped")) report.skipped.push(name);
    else if (body.includes("<failure") || body.includes("<error")) {
      report.failed.push(name);
    } else report.passed++;
  }
  return report;
}

/** Reads what Node reports. */
export function readTap(tap: string): Report {
  const report: Report = { passed: 0, failed: [], skipped: [], output: "" };
  const lines = /^ *(not ok|ok) \d+ - (.*?)(?: # (SKIP|TODO|time=).*)?$/gm;
  for (const [, outcome, name, directive] of tap.matchAll(lines)) {
    if (directive === "SKIP" || directive === "TODO") report.skipped.push(name);
    else if (outcome === "ok") report.passed++;
    else report.failed.push(name);
  }
  return report;
}
