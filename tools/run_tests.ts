// Runs the tests on Deno: the sources, the examples in the documentation, and
// the coverage of src. With arguments (files, --filter …) coverage is not judged.
import { readJunit } from "./runners.ts";

const ROOT = `${import.meta.dirname}/..`;
const RESULTS = `${ROOT}/.out/deno.xml`;

async function deno(...args: string[]): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    // For tests that run programs of ours: tests/cli/_program.ts.
    env: { COVERAGE_OF_PROGRAMS: `${ROOT}/.cov` },
  });
  return (await command.spawn().status).code;
}

await Deno.mkdir(`${ROOT}/.out`, { recursive: true });
await Deno.remove(RESULTS).catch(() => {});
let code = await deno(
  ...["test", "--allow-all", "--doc", `--junit-path=${RESULTS}`],
  ...["--clean", "--coverage=.cov", "--coverage-raw-data-only"],
  ...Deno.args,
);
if (code === 0 && Deno.args.length === 0) {
  code = await deno("coverage", "--include=/src/", ".cov");
}
const { skipped } = readJunit(await Deno.readTextFile(RESULTS).catch(() => ""));
if (skipped.length > 0) {
  console.warn(`\nWARNING: ${skipped.length} tests were SKIPPED, see above`);
}
Deno.exit(code);
