/**
 * Whether something that must stay unseen can be seen in any way.
 *
 * @module
 */
import { assert } from "@std/assert";
import { inspect } from "node:util";

interface Inspector {
  inspect(thing: unknown, options?: object): string;
}

/** All that can be seen of a thing, the causes of an error included. */
function seen(thing: unknown, known: Set<unknown>): string {
  known.add(thing);
  const options = { depth: Infinity, showHidden: true, getters: true };
  const texts = [inspect(thing, options), String(thing)];
  const { Deno, Bun } = globalThis as { Deno?: Inspector; Bun?: Inspector };
  if (Deno !== undefined) {
    texts.push(Deno.inspect(thing, { ...options, depth: 100 }));
  }
  if (Bun !== undefined) texts.push(Bun.inspect(thing, { depth: 100 }));
  try {
    texts.push(JSON.stringify(thing) ?? "");
  } catch {
    // What cannot be written shows nothing that way.
  }
  if (typeof thing === "object" && thing !== null) {
    for (const name of Reflect.ownKeys(thing)) texts.push(String(name));
  }
  if (thing instanceof Error) {
    texts.push(thing.name, thing.message, thing.stack ?? "");
    if (thing.cause !== undefined && !known.has(thing.cause)) {
      texts.push(seen(thing.cause, known));
    }
    if (thing instanceof AggregateError) {
      for (const error of thing.errors) texts.push(seen(error, known));
    }
  }
  return texts.join("\n");
}

/** Checks that none of the secrets is seen in any of the things. */
export function assertSecret(
  things: readonly unknown[],
  secrets: readonly string[],
): void {
  for (const thing of things) {
    const text = seen(thing, new Set());
    for (const secret of secrets) {
      assert(!text.includes(secret), `${secret} is seen in ${text}`);
    }
  }
}
