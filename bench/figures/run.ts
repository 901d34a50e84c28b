// Measures the figures of "Reliability, as figures" and of the event loop:
//   deno task figures [part ...] [--on=deno,node20,node26,bun] [--json]
// What else it is given goes to the parts: --runs=5 --only=words --raw.
// A part is a program in this folder, such as resources.ts, that prints rows.
// Exits with 1 where a bar is missed.
import { execute } from "../../tools/runners.ts";
import type { Row } from "./_part.ts";

const FOLDER = "bench/figures";
const OUT = ".out/figures";
const ROOT = `${import.meta.dirname}/../..`;
const TOOLS = `${ROOT}/.ci/node_modules`;

const parts: string[] = [];
const rest: string[] = [];
let targets = ["deno", "node20", "node26", "bun"];
let json = false;
for (const arg of Deno.args) {
  if (arg.startsWith("--on=")) targets = arg.slice("--on=".length).split(",");
  else if (arg === "--json") json = true;
  else if (arg.startsWith("--")) rest.push(arg);
  else parts.push(arg);
}
if (parts.length === 0) {
  for await (const { name } of Deno.readDir(`${ROOT}/${FOLDER}`)) {
    if (name !== "run.ts" && !name.startsWith("_")) {
      parts.push(name.replace(/\.ts$/, ""));
    }
  }
  parts.sort();
}

/** The command that runs a part on a runtime. */
function commandOf(target: string, part: string): [string, string[]] {
  if (target === "deno") {
    const args = ["run", "-A", "--no-check", "--quiet"];
    return [Deno.execPath(), [...args, `${FOLDER}/${part}.ts`]];
  }
  const file = `${OUT}/${part}.js`;
  if (target === "bun") return [`${TOOLS}/.bin/bun`, [file]];
  return [`${TOOLS}/${target}/bin/node`, [file]];
}

/** A row, and where it was measured. */
type Measured = Row & { readonly part: string; readonly on: string };

if (targets.some((target) => target !== "deno")) {
  const { code, output } = await execute(Deno.execPath(), [
    ...["bundle", "--quiet", `--outdir=${OUT}`],
    ...[`${FOLDER}/run.ts`, ...parts.map((part) => `${FOLDER}/${part}.ts`)],
  ]);
  if (code !== 0) {
    console.error(output);
    Deno.exit(1);
  }
}
const all: Measured[] = [];
let failures = 0;
for (const part of parts) {
  for (const target of targets) {
    const [command, args] = commandOf(target, part);
    const { code, output } = await execute(command, [...args, ...rest], {
      timeout: 900_000,
    });
    for (const line of output.split("\n")) {
      if (line.startsWith("{")) {
        all.push({ part, on: target, ...JSON.parse(line) as Row });
      } else if (line !== "" && (code !== 0 || rest.includes("--raw"))) {
        console.error(line);
      }
    }
    if (code !== 0) failures++;
  }
}

/** What the bar is held against. */
const judged = ({ value, bare = 0, net }: Row): number =>
  net ? value - bare : value;

const missed = (row: Row): boolean =>
  row.bar !== undefined && judged(row) > row.bar;

if (json) console.log(JSON.stringify(all, null, 2));
else print();
Deno.exit(failures > 0 || all.some(missed) ? 1 : 0);

function print(): void {
  const rows = new Map<string, Map<string, Measured>>();
  for (const row of all) {
    const name = `${row.part}: ${row.what}`;
    const on = rows.get(name) ?? new Map();
    rows.set(name, on.set(row.on, row));
  }
  const table = [["what", "bar", ...targets]];
  for (const [name, on] of rows) {
    const [first] = on.values();
    const bars = [...new Set([...on.values()].map(({ bar }) => bar))];
    const bar = bars.filter((bar) => bar !== undefined).join(" / ");
    const cells = targets.map((target) => {
      const row = on.get(target);
      if (row === undefined) return "";
      const { least, most, bare, net } = row;
      const range = least === most ? "" : ` (${least} to ${most})`;
      const base = bare === undefined
        ? ""
        : net
        ? `, of ${row.value}`
        : `, bare ${bare}`;
      const value = Math.round(judged(row) * 100) / 100;
      return `${value}${base}${range}${missed(row) ? " MISSED" : ""}`;
    });
    table.push([`${name}, ${first.unit}`, bar, ...cells]);
  }
  const widths = table[0].map((_, i) =>
    Math.max(...table.map((row) => row[i].length))
  );
  for (const row of table) {
    console.log(row.map((cell, i) => cell.padEnd(widths[i])).join("  "));
  }
}
