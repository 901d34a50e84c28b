/**
 * Parts of a walk along a list of clients.
 *
 * @module
 */

import type { GetOptions } from "../client/commands.ts";
import { NO_CAS } from "../client/item.ts";
import type { CommandOptions, Key } from "../types.ts";

/** Milliseconds that a client gets when the caller's time is up. */
const LEAST = 1;

/** The stored part of a key. */
export function textOf(key: Key): string {
  return typeof key === "string" ? key : key[1];
}

/** A value of another client than the first: a `cas` with it stores nothing. */
export function foreign<V extends { readonly cas: bigint }>(found: V): V {
  return { ...found, cas: NO_CAS };
}

/** What was found, and what was found later, in the order of the keys. */
export function inOrder<T>(
  keys: readonly Key[],
  found: ReadonlyMap<string, T>,
  later: ReadonlyMap<string, T>,
  adopt: (value: T) => T,
): Map<string, T> {
  const hits = new Map<string, T>();
  for (const name of keys.map(textOf)) {
    // What a map has is of its type, should it be `undefined` too.
    if (found.has(name)) hits.set(name, found.get(name) as T);
    else if (later.has(name)) hits.set(name, adopt(later.get(name) as T));
  }
  return hits;
}

/** A miss has to be told from the default. */
export function withoutDefault<T>(
  options: GetOptions<T> | undefined,
): GetOptions<T> | undefined {
  if (options?.default === undefined) return options;
  const { default: _, ...rest } = options;
  return rest;
}

/** The caller's options with the time that is left, each time it is asked. */
export function timeLeft<O extends CommandOptions>(
  options: O | undefined,
): () => O | undefined {
  const timeout = options?.timeout;
  // What is no timeout is refused by the client.
  if (typeof timeout !== "number" || !(timeout > 0)) return () => options;
  const start = performance.now();
  let asked = false;
  return () => {
    if (!asked) {
      asked = true;
      return options;
    }
    const left = Math.max(LEAST, timeout - (performance.now() - start));
    return { ...options, timeout: left } as O;
  };
}
