/**
 * Values to store: from arguments, standard input or the prompt.
 *
 * @module
 */

import { UsageError } from "./failure.ts";
import type { Session } from "./session.ts";
import { textOf } from "./text.ts";

/** How values may be stored for `jsonSerde` to read, by name. */
export const KINDS: readonly string[] = ["bytes", "text", "integer", "json"];

/** The flags that `jsonSerde` and pymemcache give each kind. */
const FLAGS: Readonly<Record<string, number>> = {
  bytes: 0,
  text: 16,
  integer: 2,
  json: 32,
};

/** Takes a value: the argument, or for `-` or none what is read. */
export async function readValue(
  session: Session,
  given: string | undefined,
): Promise<Uint8Array> {
  if (given !== undefined && given !== "-") {
    const bytes = new TextEncoder().encode(given);
    // Arguments are text: what was none has been damaged on its way here.
    if (given.includes("\ufffd")) {
      throw new UsageError(
        "Cannot use the value: it is no UTF-8, hand it in by standard input",
      );
    }
    return bytes;
  }
  if (session.readValue !== undefined) return await session.readValue();
  if (session.terminal.isInput) {
    session.terminal.warn("Type the value, then Ctrl-D at the start of a line");
  }
  return await session.terminal.readAll();
}

/**
 * The flags for a value of some kind.
 *
 * @throws {UsageError} If the value is not of that kind.
 */
export function flagsFor(
  kind: string | undefined,
  flags: number | undefined,
  value: Uint8Array,
): number | undefined {
  if (kind === undefined) return flags;
  if (flags !== undefined) {
    throw new UsageError("Cannot use --as and --flags together");
  }
  if (kind === "bytes") return FLAGS.bytes;
  const text = textOf(value);
  const fits = text !== undefined &&
    (kind === "text" || kind === "integer" && /^-?\d{1,20}$/.test(text) ||
      kind === "json" && isJson(text));
  if (!fits) {
    throw new UsageError(`Cannot store the value as ${kind}: it is none`);
  }
  return FLAGS[kind];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
