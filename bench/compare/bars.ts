/**
 * The bars that our client is held to, and whether a result reaches them. How
 * long the event loop is held is measured by `deno task figures loop`.
 *
 * @module
 */
import {
  bestPeer,
  ratio,
  type Result,
  rowOf,
  type RuntimeResult,
} from "./result.ts";
import { SCENARIOS } from "./scenarios.ts";
import { median } from "./statistics.ts";

/** What a figure is held against. */
type Against =
  /** Our rate over that of the best peer, at least. */
  | "peer"
  /** Our CPU time for an operation over that peer's, at most. */
  | "peer's CPU"
  /** Our rate over the floor's, at least. */
  | "floor"
  /** Our own figure, at most. */
  | "limit";

/** A limit for all runtimes, or one for each. */
type Limit = number | Readonly<Record<"deno" | "node" | "bun", number>>;

/** A bar. */
interface Bar {
  readonly scenario: string;
  readonly against: Against;
  readonly limit: Limit;
}

const BARS: readonly Bar[] = [
  {
    scenario: "get64",
    against: "peer",
    limit: { deno: 7, node: 7, bun: 6 },
  },
  { scenario: "get64", against: "peer's CPU", limit: 0.14 },
  { scenario: "get64", against: "floor", limit: 0.7 },
  { scenario: "get1000", against: "peer", limit: 9 },
  { scenario: "stagger64", against: "peer", limit: 6 },
  { scenario: "set64", against: "peer", limit: 4.5 },
  { scenario: "mix64", against: "peer", limit: 6 },
  { scenario: "getMany100", against: "peer", limit: 2.3 },
  { scenario: "noreply10k", against: "peer", limit: 8 },
  { scenario: "get1", against: "peer", limit: 1.1 },
  {
    scenario: "value1m",
    against: "peer",
    limit: { deno: 1.7, node: 1.7, bun: 1 },
  },
  {
    scenario: "bytes1m",
    against: "peer",
    limit: { deno: 1.7, node: 1.7, bun: 1 },
  },
  { scenario: "value100k", against: "peer", limit: 1.1 },
  { scenario: "bytes100k", against: "peer", limit: 1.1 },
  { scenario: "decodeVA", against: "limit", limit: 130 },
  { scenario: "decodeVA", against: "peer", limit: 10 },
  { scenario: "decodeVALUE", against: "limit", limit: 130 },
  { scenario: "decodeVALUE", against: "peer", limit: 10 },
  { scenario: "skipVA", against: "limit", limit: 45 },
  { scenario: "skipVALUE", against: "limit", limit: 45 },
  { scenario: "late1000", against: "limit", limit: 3 },
  {
    scenario: "idle",
    against: "limit",
    limit: { deno: 40, node: 15, bun: 15 },
  },
];

/** A bar and what came of it on one runtime. */
export interface Verdict {
  readonly scenario: string;
  readonly against: Against;
  /** The least, or with `most` the largest that will do. */
  readonly limit: number;
  readonly most: boolean;
  /** The figure, to be compared with `limit`. */
  readonly figure: number;
  readonly met: boolean;
  /** The peer that it is about, or the unit of `figure`. */
  readonly of: string;
}

/** The unit of a scenario's own figure. */
function unitOf(scenario: string): string {
  if (scenario === "idle") return "KiB";
  return /^(?:decode|skip)/.test(scenario) ? "ns" : "ms";
}

/** Whether less is better. */
function isMost(against: Against): boolean {
  return against === "limit" || against === "peer's CPU";
}

/** Holds a result against the bars; those without figures are left out. */
export function judge({ runtime, rows }: RuntimeResult): Verdict[] {
  const name = runtime.split(" ")[0] as "deno" | "node" | "bun";
  const verdicts: Verdict[] = [];
  for (const { scenario, against, limit } of BARS) {
    const ours = rowOf(rows, scenario, "ours");
    const peer = bestPeer(rows, scenario);
    const floor = rowOf(rows, scenario, "floor");
    let figure: number | undefined;
    let of = peer?.contender ?? "";
    if (against === "peer") {
      // Nanoseconds are the better the fewer they are.
      figure = scenario.startsWith("decode")
        ? ratio(peer, ours)
        : ratio(ours, peer);
    } else if (against === "peer's CPU") figure = ratio(ours, peer, "cpu");
    else if (against === "floor") {
      figure = ratio(ours, floor);
      of = "floor";
    } else if (ours !== undefined) {
      figure = median(ours.values);
      of = unitOf(scenario);
    }
    if (figure === undefined) continue;
    const bound = typeof limit === "number" ? limit : limit[name];
    const most = isMost(against);
    const met = most ? figure <= bound : figure >= bound;
    verdicts.push({
      ...{ scenario, against, limit: bound, most, figure, met, of },
    });
  }
  return verdicts;
}

/** How a figure or a limit is written. */
export function show(
  { of, against }: Pick<Verdict, "of" | "against">,
  value: number,
): string {
  return against === "limit"
    ? `${value.toFixed(value < 10 ? 1 : 0)} ${of}`
    : `${value.toFixed(2)} ×`;
}

/**
 * Rows of a table for pages: every bar, and what each runtime came to. A bar
 * without a figure has its row, too: what was not measured is not met.
 */
export function barRows({ runtimes }: Result): string[][] {
  const verdicts = runtimes.map(judge);
  const rows = [
    ["what", "bar", ...runtimes.map(({ runtime }) => runtime)],
  ];
  for (const { scenario, against, limit } of BARS) {
    const found = verdicts.map((some) =>
      some.find((one) => one.scenario === scenario && one.against === against)
    );
    const unit = { of: unitOf(scenario), against };
    const { title } = SCENARIOS.find(({ name }) => name === scenario)!;
    const what = against === "peer"
      ? "rate, best peer"
      : against === "floor"
      ? "rate, floor"
      : against;
    const bound = typeof limit === "number"
      ? show(unit, limit)
      : Object.entries(limit).map(([name, value]) =>
        `${name} ${show(unit, value)}`
      ).join(", ");
    rows.push([
      against === "limit" ? title : `${title}: ${what}`,
      `${isMost(against) ? "at most" : "at least"} ${bound}`,
      ...found.map((one) =>
        one === undefined
          ? "no figure"
          : `${show(one, one.figure)}${one.met ? "" : ", **missed**"}`
      ),
    ]);
  }
  return rows;
}

/** Rows of a table for pages: our rate in multiples of the best peer's. */
export function multipleRows({ runtimes }: Result): string[][] {
  const rows = [["load", ...runtimes.map(({ runtime }) => runtime)]];
  for (const { name, title, unit } of SCENARIOS) {
    const cells = runtimes.map(({ rows }) => {
      const peer = bestPeer(rows, name);
      const times = ratio(rowOf(rows, name, "ours"), peer);
      return times === undefined
        ? undefined
        : `${times.toFixed(1)} × ${peer!.contender}`;
    });
    if (unit !== "op/s" || cells.every((cell) => cell === undefined)) continue;
    rows.push([title, ...cells.map((cell) => cell ?? "no figure")]);
  }
  return rows;
}

/** One line for each bar. */
export function barTable(result: RuntimeResult): string {
  const lines = [`\n${result.runtime}: bars`];
  let missed = 0;
  const verdicts = judge(result);
  for (const verdict of verdicts) {
    const { scenario, against, limit, most, figure, met, of } = verdict;
    if (!met) missed++;
    const what = against === "limit"
      ? ""
      : against === "floor"
      ? "of the floor"
      : against === "peer"
      ? `of ${of}`
      : `of ${of}'s CPU`;
    lines.push(
      `  ${scenario.padEnd(12)}${
        `${most ? "at most" : "at least"} ${show(verdict, limit)}`.padEnd(19)
      }${show(verdict, figure).padStart(9)}  ${what.padEnd(26)}${
        met ? "met" : "MISSED"
      }`,
    );
  }
  lines.push(`  ${verdicts.length - missed} met, ${missed} missed`);
  return lines.join("\n");
}
