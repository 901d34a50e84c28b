// Runs a soak against real memcached on one or more runtimes, one after another:
//   deno task soak [--seconds=60] [--seed=1] [--client=client] [--on=deno,node20,node26,bun]
// Exit code 1 when anything was wrong.
import { bundleTests, type Target, TARGETS } from "./runners.ts";

const ROOT = `${import.meta.dirname}/..`;
const PROGRAM = "tests/chaos/soak.ts";
const OUT = ".out/soak";
const BUNDLED = `${OUT}/chaos/soak.js`;
const TOOLS = `${ROOT}/.ci/node_modules`;
let targets: Target[] = ["deno"];
const args: string[] = [];
for (const arg of Deno.args) {
  if (arg.startsWith("--on=")) {
    const names = arg.slice("--on=".length).split(",");
    targets = TARGETS.filter((target) =>
      names.some((name) => target.startsWith(name))
    );
  } else args.push(arg);
}
if (targets.some((target) => target !== "deno")) {
  const { code, output } = await bundleTests([PROGRAM], OUT, false);
  if (code !== 0) {
    console.error(output);
    Deno.exit(1);
  }
}
let failed = false;
for (const target of targets) {
  const [command, ...first] = commandOf(target);
  const { code } = await new Deno.Command(command, {
    args: [...first, ...args],
    cwd: ROOT,
  }).spawn().status;
  failed ||= code !== 0;
}
Deno.exit(failed ? 1 : 0);

/** The command that runs the program on a runtime. */
function commandOf(target: Target): [string, ...string[]] {
  if (target === "deno") {
    return [Deno.execPath(), "run", "-A", "--quiet", PROGRAM];
  }
  if (target === "bun") return [`${TOOLS}/.bin/bun`, BUNDLED];
  return [`${TOOLS}/${target}/bin/node`, BUNDLED];
}
