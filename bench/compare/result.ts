/**
 * What a comparison came to, as it is kept in a file and shown as a table.
 *
 * @module
 */
import type { Row } from "./program.ts";
import { SCENARIOS } from "./scenarios.ts";
import { median, ratios, spread } from "./statistics.ts";

/** The rows of one runtime, over all of its processes. */
export interface RuntimeResult {
  /** Its name and version. */
  readonly runtime: string;
  /** Whether the threads had their places. */
  readonly pinned: boolean;
  readonly rows: readonly Row[];
}

/** A whole comparison. */
export interface Result {
  /** The day, in ISO form. */
  readonly date: string;
  /** What reproduces it. */
  readonly command: string;
  /** The server and its version. */
  readonly server: string;
  /** Processors and system. */
  readonly machine: string;
  /** Versions of the packages from npm. */
  readonly versions: Readonly<Record<string, string>>;
  /** Fresh processes for each runtime, rounds in each, milliseconds in one. */
  readonly processes: number;
  readonly rounds: number;
  readonly time: number;
  readonly runtimes: readonly RuntimeResult[];
}

/** Those that are no peers. */
const OWN = ["ours", "before", "floor"];

/** The row of a contender, if it has figures. */
export function rowOf(
  rows: readonly Row[],
  scenario: string,
  contender: string,
): Row | undefined {
  return rows.find((row) =>
    row.scenario === scenario && row.contender === contender &&
    row.values.length > 0 && row.error === undefined
  );
}

/** The peer with the best median, less being better where nothing is a rate. */
export function bestPeer(
  rows: readonly Row[],
  scenario: string,
): Row | undefined {
  const less = SCENARIOS.find(({ name }) => name === scenario)?.unit !== "op/s";
  const peers = rows.filter((row) =>
    row.scenario === scenario && !OWN.includes(row.contender) &&
    row.values.length > 0 && row.error === undefined
  );
  peers.sort((a, b) => (median(b.values) - median(a.values)) * (less ? -1 : 1));
  return peers[0];
}

/** The median of what each round of two rows comes to against each other. */
export function ratio(
  row: Row | undefined,
  other: Row | undefined,
  of: "values" | "cpu" = "values",
): number | undefined {
  return row === undefined || other === undefined || row[of].length === 0 ||
      other[of].length === 0
    ? undefined
    : median(ratios(row[of], other[of]));
}

/** Puts the rows of several processes of one runtime together. */
export function join(parts: readonly (readonly Row[])[]): Row[] {
  const joined = new Map<string, Row>();
  for (const row of parts.flat()) {
    const id = `${row.scenario} ${row.contender}`;
    const known = joined.get(id);
    if (known === undefined) joined.set(id, row);
    else {
      known.values.push(...row.values);
      known.cpu.push(...row.cpu);
      if (row.error !== undefined) known.error ??= row.error;
    }
  }
  return [...joined.values()];
}

/** Puts newer rows in place of older ones of the same runtime and scenario. */
export function replace(
  old: readonly RuntimeResult[],
  newer: readonly RuntimeResult[],
): RuntimeResult[] {
  return old.map((result) => {
    const { rows = [] } = newer.find(({ runtime }) =>
      runtime === result.runtime
    ) ?? {};
    const names = new Set(rows.map(({ scenario }) => scenario));
    return {
      ...result,
      rows: SCENARIOS.flatMap(({ name }) =>
        (names.has(name) ? rows : result.rows).filter(({ scenario }) =>
          scenario === name
        )
      ),
    };
  });
}

function rate(value: number): string {
  return value >= 9995
    ? `${(value / 1000).toFixed(value >= 999_500 ? 0 : 1)}k`
    : value >= 100
    ? value.toFixed(0)
    : value.toFixed(2);
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => i === 0 ? cell.padEnd(18) : cell.padStart(11))
    .join("").trimEnd();
}

/** One line for each row, grouped by scenario. */
export function table({ runtime, pinned, rows }: RuntimeResult): string {
  const lines = [
    `\n${runtime}${pinned ? "" : " (threads not pinned: taskset failed)"}`,
  ];
  const names = new Set(rows.map(({ scenario }) => scenario));
  for (const name of names) {
    const scenario = SCENARIOS.find((known) => known.name === name);
    const { title = "", unit = "" } = scenario ?? {};
    const cells = ["", unit, "spread", "CPU us/op", "ours ×", "ours CPU ×"];
    lines.push("", `${name}: ${title}`, line(cells));
    const ours = rowOf(rows, name, "ours");
    for (const row of rows) {
      if (row.scenario !== name) continue;
      if (row.error !== undefined || row.values.length === 0) {
        lines.push(line([`  ${row.contender}`]) + `  ${row.error}`);
        continue;
      }
      const against = ratio(ours, row);
      const cost = ratio(ours, row, "cpu");
      lines.push(line([
        `  ${row.contender}`,
        rate(median(row.values)),
        `${(spread(row.values) * 100).toFixed(0)} %`,
        row.cpu.length === 0 ? "" : median(row.cpu).toFixed(2),
        against === undefined ? "" : against.toFixed(2),
        cost === undefined ? "" : cost.toFixed(2),
      ]));
    }
  }
  return lines.join("\n");
}
