/**
 * Compares our client with the floor and with the clients from npm: starts a
 * memcached, bundles the program for Node and Bun, and runs it on the runtimes
 * asked for.
 *
 * ```sh
 * deno task bench:compare [--on=deno,node26,bun] [--only=get64,set64]
 *   [--contenders=ours,floor] [--rounds=9] [--processes=1] [--time=200]
 *   [--ours=/path/to/another/checkout] [--json=file] [--bars]
 * deno task bench:compare --from=file [--bars]
 * ```
 *
 * `--ours` measures another checkout's client too, as `before`. The codec and
 * the memory of idle clients are measured in processes of their own. `--bars`
 * says which bars are met; `--from` shows a result that `--json` has kept, and
 * `--again` puts what is measured in place of what that file has of it;
 * `--profile` says where the time goes in place of measuring it. `--cpu=1` is
 * for when CPU 0 is taken. `--timeout` is for tests on busy machines: nothing
 * is measured with it.
 *
 * @module
 */
import { startMemcached } from "../../tests/_memcached.ts";
import { execute } from "../../tools/runners.ts";
import { barTable } from "./bars.ts";
import { PEERS } from "./contenders.ts";
import { install, PACKAGES } from "./install.ts";
import { pinServer } from "./pin.ts";
import type { Outcome, Row, Task } from "./program.ts";
import {
  join,
  replace,
  type Result,
  type RuntimeResult,
  table,
} from "./result.ts";
import { SCENARIOS } from "./scenarios.ts";

const HERE = import.meta.dirname!;
const ROOT = `${HERE}/../..`;
const TOOLS = `${ROOT}/.ci/node_modules`;
/** Milliseconds for one process. */
const PROCESS_TIMEOUT = 1_200_000;

/** Memory is weighed that often: each process has its own heap. */
const IDLE_PROCESSES = 3;

/** What the command line says. */
interface Settings {
  on: string[];
  scenarios: string[];
  contenders: string[];
  rounds: number;
  processes: number;
  time: number;
  idle: number;
  before: string | undefined;
  cpu: number;
  timeout: number | undefined;
  json: string | undefined;
  from: string | undefined;
  again: boolean;
  bars: boolean;
  profile: boolean;
}

function fail(message: string): never {
  console.error(message);
  Deno.exit(1);
}

function read(args: readonly string[]): Settings {
  const settings: Settings = {
    on: ["deno"],
    scenarios: SCENARIOS.map(({ name }) => name),
    contenders: ["ours", "floor", ...PEERS],
    rounds: 7,
    processes: 1,
    time: 200,
    idle: 1000,
    before: undefined,
    cpu: 0,
    timeout: undefined,
    json: undefined,
    from: undefined,
    again: false,
    bars: false,
    profile: false,
  };
  for (const arg of args) {
    if (arg === "--") continue;
    if (arg === "--bars" || arg === "--profile" || arg === "--again") {
      settings[arg.slice(2) as "bars" | "profile" | "again"] = true;
      continue;
    }
    const [, name, value] = /^--(\w+)=(.+)$/.exec(arg) ??
      fail(`Cannot read argument ${arg}`);
    const list = value.split(",");
    if (name === "on" || name === "runtime") settings.on = list;
    else if (name === "only") settings.scenarios = pick(list, settings);
    else if (name === "contenders") settings.contenders = list;
    else if (name === "json" || name === "from") settings[name] = value;
    else if (name === "ours") settings.before = value;
    else if (
      name === "rounds" || name === "processes" || name === "time" ||
      name === "idle" || name === "cpu" || name === "timeout"
    ) settings[name] = Number(value);
    else fail(`There is no option --${name}`);
  }
  const known = ["ours", "before", "floor", ...PEERS];
  for (const name of settings.contenders) {
    if (!known.includes(name)) fail(`There is no contender ${name}`);
  }
  const { contenders, before } = settings;
  if (before !== undefined && !contenders.includes("before")) {
    contenders.splice(1, 0, "before");
  }
  if (before === undefined && contenders.includes("before")) {
    fail("Contender before needs --ours=/path/to/another/checkout");
  }
  return settings;
}

function pick(names: readonly string[], { scenarios }: Settings): string[] {
  for (const name of names) {
    if (!scenarios.includes(name)) fail(`There is no scenario ${name}`);
  }
  return scenarios.filter((name) => names.includes(name));
}

/** Bundles a file of a checkout, which Node and Bun cannot run as it is. */
async function bundle(root: string, file: string, out: string): Promise<void> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", `--output=${out}`, file],
    cwd: root,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code !== 0) {
    fail(`Cannot bundle ${file}: ${new TextDecoder().decode(stderr)}`);
  }
}

/** How a runtime runs the program. */
async function commandOf(
  target: string,
  out: string,
): Promise<[command: string, ...args: string[]]> {
  if (target === "deno") {
    // The npm package memcached sets the prototypes of its classes afterwards.
    const flags = ["--unsafe-proto", "--v8-flags=--expose-gc"];
    return [Deno.execPath(), "run", "-A", ...flags, `${HERE}/program.ts`];
  }
  const program = `${out}/program.js`;
  const own = target === "bun"
    ? `${TOOLS}/.bin/bun`
    : `${TOOLS}/${target}/bin/node`;
  const command = await Deno.stat(own).then(() => own, () => target);
  return target === "bun"
    ? [command, "run", program]
    : [command, "--expose-gc", program];
}

async function start(
  target: string,
  out: string,
  task: Omit<Task, "port" | "ours" | "before" | "peers" | "cpu" | "timeout">,
  { before, cpu, timeout }: Settings,
): Promise<Outcome> {
  const [command, ...args] = await commandOf(target, out);
  const source = target === "deno";
  const args_ = ["-m", "1024", "-I", "4m", "-c", "4096", "-t", "1"];
  const memcached = await startMemcached({ args: args_ });
  try {
    const pinned = pinServer(memcached.pid, cpu);
    const whole: Task = {
      ...task,
      cpu,
      timeout,
      port: memcached.port,
      peers: PACKAGES,
      ours: `file://${source ? `${ROOT}/mod.ts` : `${out}/ours.js`}`,
      before: before &&
        `file://${source ? `${before}/mod.ts` : `${out}/before.js`}`,
    };
    const child = new Deno.Command(command, {
      args: [...args, JSON.stringify(whole)],
      cwd: ROOT,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), PROCESS_TIMEOUT);
    const { code, stdout } = await child.output();
    clearTimeout(timer);
    if (code !== 0) fail(`The program failed on ${target}: exit code ${code}`);
    const text = new TextDecoder().decode(stdout).trim();
    const outcome: Outcome = JSON.parse(text.slice(text.lastIndexOf("\n") + 1));
    return { ...outcome, pinned: outcome.pinned && pinned };
  } finally {
    await memcached.kill();
  }
}

async function measure(
  target: string,
  out: string,
  settings: Settings,
  versions: Record<string, string>,
): Promise<RuntimeResult> {
  const { contenders, rounds, time, processes } = settings;
  const common = { rounds, time, idle: 0, profile: false };
  const of = (...kinds: string[]): string[] =>
    SCENARIOS.filter(({ kind, name }) =>
      settings.scenarios.includes(name) && kinds.includes(kind)
    ).map(({ name }) => name);
  const codec = of("codec");
  const scenarios = settings.scenarios.filter((name) =>
    !codec.includes(name) && name !== "idle"
  );
  const parts: Row[][] = [];
  let runtime = target;
  let pinned = true;
  const add = (outcome: Outcome): void => {
    parts.push(outcome.rows);
    Object.assign(versions, outcome.versions);
    runtime = outcome.runtime;
    pinned &&= outcome.pinned;
  };
  for (let i = 1; i <= processes && scenarios.length > 0; i++) {
    console.error(`${target}, process ${i} of ${processes}`);
    const task = { ...common, contenders, scenarios };
    add(await start(target, out, task, settings));
  }
  if (codec.length > 0) {
    console.error(`${target}, the codec alone`);
    const task = { ...common, contenders, scenarios: codec };
    add(await start(target, out, task, settings));
  }
  if (settings.scenarios.includes("idle")) {
    for (const name of contenders.filter((name) => name !== "floor")) {
      console.error(`${target}, idle clients of ${name}`);
      const { idle } = settings;
      const task = { ...common, contenders: [name], scenarios, idle };
      for (let i = 0; i < IDLE_PROCESSES; i++) {
        add(await start(target, out, task, settings));
      }
    }
  }
  return { runtime, pinned, rows: join(parts) };
}

/** Says where our own client's time goes under the loads. */
async function explain(
  target: string,
  out: string,
  settings: Settings,
): Promise<void> {
  const scenarios = SCENARIOS.filter(({ name, unit }) =>
    unit === "op/s" && settings.scenarios.includes(name)
  ).map(({ name }) => name);
  const { time } = settings;
  const task = { contenders: ["ours"], scenarios, rounds: 1, time, idle: 0 };
  const { runtime, profiles } = await start(
    target,
    out,
    { ...task, profile: true },
    settings,
  );
  console.log([`\n${runtime}: where the time goes`, ...profiles].join("\n"));
}

async function machine(): Promise<string> {
  const info = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  const [, model = "unknown processor"] = /^model name\s*: (.*)$/m.exec(info) ??
    [];
  const cpus = navigator.hardwareConcurrency;
  return `${cpus} CPUs, ${model.trim()}, ${Deno.build.os}`;
}

/** Measures all that the settings ask for. */
async function compare(
  settings: Settings,
  command: string,
): Promise<Result> {
  const peers = settings.contenders.some((name) => PEERS.includes(name));
  if (peers && !await install()) fail("Cannot install the peers from npm");
  const out = await Deno.makeTempDir({ prefix: "memcache-compare-" });
  const versions: Record<string, string> = {};
  const runtimes: RuntimeResult[] = [];
  try {
    if (settings.on.some((target) => target !== "deno")) {
      await bundle(ROOT, "bench/compare/program.ts", `${out}/program.js`);
      await bundle(ROOT, "mod.ts", `${out}/ours.js`);
      if (settings.before !== undefined) {
        await bundle(settings.before, "mod.ts", `${out}/before.js`);
      }
      await Deno.writeTextFile(`${out}/package.json`, `{"type":"module"}`);
    }
    for (const target of settings.on) {
      if (settings.profile) {
        await explain(target, out, settings);
        continue;
      }
      const result = await measure(target, out, settings, versions);
      runtimes.push(result);
      print(result, settings);
    }
  } finally {
    await Deno.remove(out, { recursive: true });
  }
  const { output: server } = await execute("memcached", ["-V"]);
  const { processes, rounds, time } = settings;
  return {
    ...{ date: new Date().toISOString().slice(0, 10), command },
    ...{ server: server.trim(), machine: await machine(), versions },
    ...{ processes, rounds, time, runtimes },
  };
}

function print(result: RuntimeResult, { bars }: Settings): void {
  console.log(table(result));
  if (bars) console.log(barTable(result));
}

async function run(args: readonly string[]): Promise<void> {
  const settings = read(args);
  let result: Result;
  if (settings.from === undefined) {
    // Where it is kept changes nothing.
    const told = args.filter((arg) => !arg.startsWith("--json"));
    const command = ["deno task bench:compare", ...told].join(" ");
    result = await compare(settings, command);
  } else {
    result = JSON.parse(await Deno.readTextFile(settings.from));
    if (settings.again) {
      const { runtimes } = await compare(settings, result.command);
      result = { ...result, runtimes: replace(result.runtimes, runtimes) };
    }
    for (const one of result.runtimes) print(one, settings);
  }
  // A peer may fail, and the table says so; our own client may not.
  const failed = result.runtimes.some(({ rows }) =>
    rows.some(({ contender, error }) =>
      error !== undefined && !PEERS.includes(contender)
    )
  );
  if (failed) Deno.exitCode = 1;
  const { date, server, versions, machine } = result;
  const peers = Object.entries(versions).map((pair) => pair.join(" "));
  console.log(`\n${[date, server, ...peers].join(", ")}; ${machine}`);
  if (settings.json !== undefined) {
    const text = JSON.stringify(
      result,
      (_, value) =>
        typeof value === "number" ? Number(value.toPrecision(5)) : value,
    );
    await Deno.writeTextFile(settings.json, `${text}\n`);
  }
}

if (import.meta.main) await run(Deno.args);
