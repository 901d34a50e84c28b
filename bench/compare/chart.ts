/**
 * Draws a result as an SVG, the same for the same result:
 *
 * ```sh
 * deno run -A bench/compare/chart.ts bench/results/compare.json bench/results/compare.svg
 * ```
 *
 * @module
 */
import type { Row } from "./program.ts";
import { bestPeer, ratio, type Result, rowOf } from "./result.ts";
import { SCENARIOS } from "./scenarios.ts";
import { median } from "./statistics.ts";

const LEFT = 16;
const LABELS = 220;
const PANEL = 228;
const GAP = 16;
const LINE = 22;
const BAR = 12;
/** What is left of a panel for the figure behind a bar. */
const FIGURE = 124;

const STYLE = `
  .card { fill: #ffffff; stroke: #d0d7de; }
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
  .head { font-weight: 600; font-size: 13px; }
  .note { fill: #59636e; font-size: 11px; }
  .ours { fill: #0b7285; }
  .peer { fill: #9aa4af; }
  .one { stroke: #59636e; stroke-dasharray: 2 2; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; stroke: #3d444d; }
    text { fill: #f0f6fc; }
    .note { fill: #9198a1; }
    .ours { fill: #3bc9db; }
    .peer { fill: #656c76; }
    .one { stroke: #9198a1; }
  }`;

function escape(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
}

function words(x: number, y: number, text: string, name = ""): string {
  const kind = name === "" ? "" : ` class="${name}"`;
  return `<text x="${x}" y="${y}"${kind}>${escape(text)}</text>`;
}

function bar(
  x: number,
  y: number,
  share: number,
  name: string,
  figure: string,
): string[] {
  const width = Math.max(1, share * (PANEL - FIGURE));
  return [
    `<rect x="${x}" y="${y - BAR + 2}" width="${width.toFixed(1)}" ` +
    `height="${BAR}" rx="2" class="${name}"/>`,
    words(Math.ceil(x + width + 5), y, figure),
  ];
}

function rate(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(0)}k` : value.toFixed(0);
}

/** What is shown in multiples of the best peer. */
function multiples(result: Result): string[] {
  return SCENARIOS.filter(({ name, unit }) =>
    unit === "op/s" &&
    result.runtimes.some(({ rows }) => bestPeer(rows, name) !== undefined)
  ).map(({ name }) => name);
}

/** Draws both parts: rates of 64 gets in flight, and multiples of every load. */
export function draw(result: Result): string {
  const { runtimes } = result;
  const out: string[] = [];
  const panel = (i: number) => LEFT + LABELS + i * (PANEL + GAP);
  const width = panel(runtimes.length) - GAP + LEFT;
  let y = 30;

  out.push(words(LEFT, y, "64 gets in flight, per second", "head"));
  runtimes.forEach(({ runtime }, i) =>
    out.push(words(panel(i), y, runtime, "head"))
  );
  const names = ["ours", ...Object.keys(result.versions)];
  const rates = (name: string): (Row | undefined)[] =>
    runtimes.map(({ rows }) => rowOf(rows, "get64", name));
  const top = Math.max(
    ...names.flatMap((name) =>
      rates(name).map((row) => row === undefined ? 0 : median(row.values))
    ),
  );
  for (const name of names) {
    y += LINE;
    const label = name === "ours"
      ? "@x/memcache"
      : `${name} ${result.versions[name]}`;
    out.push(words(LEFT, y, label));
    rates(name).forEach((row, i) => {
      if (row === undefined) {
        out.push(words(panel(i), y, "no figure", "note"));
        return;
      }
      const value = median(row.values);
      const kind = name === "ours" ? "ours" : "peer";
      out.push(...bar(panel(i), y, value / top, kind, rate(value)));
    });
  }

  y += 2 * LINE;
  out.push(words(LEFT, y, "times the rate of the fastest of these", "head"));
  const begin = y + 8;
  const loads = multiples(result);
  const found = loads.map((name) =>
    runtimes.map(({ rows }) => {
      const peer = bestPeer(rows, name);
      return { peer, times: ratio(rowOf(rows, name, "ours"), peer) };
    })
  );
  const most = Math.max(...found.flat().map(({ times = 0 }) => times));
  loads.forEach((name, n) => {
    y += LINE;
    const { title } = SCENARIOS.find((known) => known.name === name)!;
    out.push(words(LEFT, y, title));
    found[n].forEach(({ peer, times }, i) => {
      if (peer === undefined || times === undefined) {
        out.push(words(panel(i), y, "no figure", "note"));
        return;
      }
      out.push(...bar(panel(i), y, times / most, "ours", times.toFixed(1)));
      const x = panel(i) + times / most * (PANEL - FIGURE) + 29;
      out.push(words(Math.ceil(x), y, peer.contender, "note"));
    });
  });
  runtimes.forEach((_, i) => {
    const x = (panel(i) + (PANEL - FIGURE) / most).toFixed(1);
    out.push(
      `<line x1="${x}" x2="${x}" y1="${begin}" y2="${y + 6}" class="one"/>`,
    );
  });

  y += LINE + 8;
  out.push(words(
    LEFT,
    y,
    `${result.date}. ${result.server} with -t 1; ${result.machine}.`,
    "note",
  ));
  y += 16;
  out.push(words(
    LEFT,
    y,
    "Values of 100 bytes unless said, TCP, one connection, server and client " +
      "on one CPU; medians of rounds, ratios within a round.",
    "note",
  ));
  const height = y + 16;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" ` +
    `height="${height}" viewBox="0 0 ${width} ${height}" role="img" ` +
    `aria-label="Rates of @x/memcache beside other clients">`,
    `<style>${STYLE}\n</style>`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" ` +
    `rx="6" class="card"/>`,
    ...out,
    "</svg>\n",
  ].join("\n");
}

if (import.meta.main) {
  const [from, to] = Deno.args;
  const result: Result = JSON.parse(await Deno.readTextFile(from));
  await Deno.writeTextFile(to, draw(result));
}
