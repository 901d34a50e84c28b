/**
 * Writes what bench/results/compare.json says into README.md and SPEED.md, and
 * draws the chart. To be run after a comparison that is kept:
 *
 * ```sh
 * deno task bench:compare --on=deno,node26,bun --json=bench/results/compare.json
 * deno run -A bench/compare/pages.ts && deno fmt README.md SPEED.md
 * ```
 *
 * @module
 */
import { barRows, multipleRows } from "./bars.ts";
import { draw } from "./chart.ts";
import type { Result } from "./result.ts";

const ROOT = `${import.meta.dirname}/../..`;
const FOLDER = `${ROOT}/bench/results`;

/** A line of text on where the figures come from. */
export function origin(result: Result): string {
  const { date, server, versions, machine, command } = result;
  const peers = Object.entries(versions).map((pair) => pair.join(" "));
  return `Measured on ${date}: ${server} with \`-t 1\`; ` +
    `${peers.join(", ")}; ${machine}. ` +
    `Medians of ${result.processes * result.rounds} rounds: ` +
    `\`${command}\`.`;
}

/** A table in Markdown. */
function table([head, ...rows]: string[][]): string {
  return [head, head.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Puts text between the marks of a part of a page. */
function fill(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const start = page.indexOf(begin);
  const stop = page.indexOf(end);
  if (start < 0 || stop < start) throw new Error(`Cannot find ${begin}`);
  return `${page.slice(0, start + begin.length)}\n\n${text}\n\n${
    page.slice(stop)
  }`;
}

if (import.meta.main) {
  const result: Result = JSON.parse(
    await Deno.readTextFile(`${FOLDER}/compare.json`),
  );
  await Deno.writeTextFile(`${FOLDER}/compare.svg`, draw(result));
  for (
    const [file, name, rows] of [
      ["README.md", "multiples", multipleRows(result)],
      ["SPEED.md", "bars", barRows(result)],
    ] as const
  ) {
    const page = await Deno.readTextFile(`${ROOT}/${file}`);
    const text = `${table(rows)}\n\n${origin(result)}`;
    await Deno.writeTextFile(`${ROOT}/${file}`, fill(page, name, text));
  }
}
