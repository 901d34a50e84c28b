/**
 * What the parts of the figures have in common. A part is a program; it says
 * what it has measured in rows, one line of JSON each. Every measurement is a
 * process of its own, and so is the server that it talks to: nobody else's
 * memory or turns count.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import process from "node:process";

/** One figure as it was measured, held against its bar. */
export interface Row {
  /** What was measured. */
  readonly what: string;
  /** The median of what it came to. */
  readonly value: number;
  /** Its smallest value over all runs. */
  readonly least: number;
  /** Its largest value over all runs. */
  readonly most: number;
  /** What the runtime takes by itself in the same place. */
  readonly bare?: number;
  /** Of the values and the bar. */
  readonly unit: string;
  /** The most that it may be; absent where it only explains others. */
  readonly bar?: number;
  /** Whether the bar holds for what is left of the value without `bare`. */
  readonly net?: boolean;
}

/** Says what was measured: the only thing that a part prints. */
export function say(row: Row): void {
  console.log(JSON.stringify(row));
}

/** What a measurement came to, by name. */
export type Counts = Record<string, number>;

/** Does a piece of work in a process of its own. */
export type Role = (address: string) => Promise<Counts>;

/** A server. */
export interface Server {
  /** Where it is. */
  readonly address: string;
  /** Ends what does not end with its process. */
  stop?(): Promise<void>;
}

/** Starts a server, in a process of its own. */
export type Serve = () => Promise<Server>;

/** A figure of a part. */
export interface Figure {
  /** What its measurement has to be called to be chosen. */
  readonly name: string;
  /** The server that it talks to, by its name among the part's. */
  readonly server: string;
  /** Takes the measurement. */
  readonly role: Role;
  /** What the runtime does by itself in the same place, told beside it. */
  readonly baseline?: Role;
  /** Flags of V8; where there is none, as in Bun, it changes nothing. */
  readonly v8?: readonly string[];
  /** What is told of its counts, by their names. */
  readonly rows: Record<string, Pick<Row, "what" | "unit" | "bar" | "net">>;
}

const bun = "Bun" in globalThis;
const deno = "Deno" in globalThis;

/** Starts this program once more, in another role. */
function again(args: readonly string[], v8: readonly string[] = []) {
  const wanted = ["--expose-gc", ...v8];
  const flags = deno
    ? ["run", "-A", "--no-check", "--quiet", `--v8-flags=${wanted.join()}`]
    : bun
    ? []
    : wanted;
  return spawn(process.execPath, [...flags, process.argv[1], ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  });
}

/** Runs `fn` with a server in another process. */
async function withServer<T>(
  name: string,
  fn: (address: string) => Promise<T>,
): Promise<T> {
  const child = again(["--serve", name]);
  try {
    const [line] = await once(child.stdout, "data");
    return await fn(String(line).trim());
  } finally {
    const gone = once(child, "close");
    child.stdin.end();
    await gone;
  }
}

async function play(
  kind: string,
  { name, v8 }: Figure,
  to: string,
): Promise<Counts> {
  const child = again([kind, name, "--to", to], v8);
  const guard = setTimeout(() => child.kill("SIGKILL"), 120_000);
  let output = "";
  child.stdout.on("data", (bytes: Uint8Array) => output += bytes);
  const [code] = await once(child, "close");
  clearTimeout(guard);
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${output}`);
  return JSON.parse(output);
}

/** The values of one count over several measurements, the least first. */
function sorted(samples: readonly Counts[], name: string): number[] {
  return samples.map((counts) => counts[name]).sort((a, b) => a - b);
}

function median(values: readonly number[]): number {
  return values[values.length >> 1];
}

/**
 * Runs a part: `--runs=5 --only=words` chooses, `--raw` prints every sample.
 *
 * @param figures What it measures.
 * @param servers What it measures against.
 */
export async function part(
  figures: readonly Figure[],
  servers: Record<string, Serve>,
): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "5" },
      only: { type: "string", default: "" },
      raw: { type: "boolean", default: false },
      serve: { type: "string" },
      role: { type: "string" },
      baseline: { type: "string" },
      to: { type: "string", default: "" },
    },
  });
  if (values.serve !== undefined) {
    const server = await servers[values.serve]();
    console.log(server.address);
    process.stdin.resume();
    await once(process.stdin, "end");
    await server.stop?.();
    process.exit(0);
  }
  const chosen = values.role ?? values.baseline;
  if (chosen !== undefined) {
    const figure = figures.find(({ name }) => name === chosen);
    const role = values.role === undefined ? figure?.baseline : figure?.role;
    if (role === undefined) throw new Error(`There is no role ${chosen}`);
    const counts = await role(values.to);
    // What a baseline has opened may keep its process alive.
    process.stdout.write(JSON.stringify(counts), () => process.exit(0));
    return;
  }
  const words = values.only.split(",").filter((word) => word !== "");
  for (const figure of figures) {
    const { name, server, baseline, rows } = figure;
    if (words.length > 0 && !words.some((word) => name.includes(word))) {
      continue;
    }
    const ours: Counts[] = [];
    const bare: Counts[] = [];
    for (let run = 0; run < Number(values.runs); run++) {
      // Each by turns, so that both see the same weather.
      ours.push(await withServer(server, (to) => play("--role", figure, to)));
      if (baseline === undefined) continue;
      bare.push(
        await withServer(server, (to) => play("--baseline", figure, to)),
      );
    }
    if (values.raw) console.error(name, JSON.stringify({ ours, bare }));
    for (const [count, row] of Object.entries(rows)) {
      const values = sorted(ours, count);
      say({
        ...row,
        value: median(values),
        least: values[0],
        most: values[values.length - 1],
        ...(bare.length > 0 ? { bare: median(sorted(bare, count)) } : {}),
      });
    }
  }
}
