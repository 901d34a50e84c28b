/**
 * How results of several servers are printed.
 *
 * @module
 */

import type { StatValue } from "../../mod.ts";
import { exitCodeOf, messagesOf, OK } from "./failure.ts";
import type { Outcome, Session } from "./session.ts";
import { harmless, json } from "./text.ts";

/** Tells of an error. */
export function complain(session: Session, error: unknown): number {
  for (const line of messagesOf(error)) {
    session.terminal.warn(`memcache: ${line}`);
  }
  return exitCodeOf(error);
}

/**
 * Prints what servers answered: JSON as one object by server, else what `text`
 * makes of each, under its name where there are several. Failures are told.
 */
export async function printOutcomes<T>(
  session: Session,
  outcomes: readonly Outcome<T>[],
  text: (value: T, server: string) => string,
  named: boolean = outcomes.length > 1,
): Promise<number> {
  let code = OK;
  const found: Record<string, T> = {};
  let first = true;
  for (const outcome of outcomes) {
    if (!("value" in outcome)) {
      code = Math.max(code, complain(session, outcome.error));
      continue;
    }
    const { server, value } = outcome;
    found[server] = value;
    if (session.json) continue;
    const body = text(value, server).replace(/\n$/, "");
    const title = named ? `${first ? "" : "\n"}# ${server}\n` : "";
    await session.terminal.write(
      body === "" && title === "" ? "" : `${title}${body}\n`,
    );
    first = false;
  }
  if (session.json) await session.terminal.print(json(found, 2));
  return code;
}

/** Names and values in two columns. */
export function columns(rows: Iterable<readonly [string, unknown]>): string {
  const all = [...rows].map(([name, value]) =>
    [name, harmless(String(value))] as const
  );
  const width = Math.max(0, ...all.map(([name]) => name.length));
  return all.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join(
    "\n",
  );
}

/** A table, numbers to the right, by the names of its rows' fields. */
export function table(
  rows: ReadonlyMap<number | string, Record<string, StatValue>>,
  title: string,
): string {
  const names = [
    ...new Set([...rows.values()].flatMap((row) => Object.keys(row))),
  ];
  // Too many columns for any screen: rows of names and values.
  return [...rows].map(([id, row]) =>
    `${title} ${id}\n` + columns(
      names.filter((name) => name in row).map((
        name,
      ) => [`  ${name}`, row[name]]),
    )
  ).join("\n");
}
