/**
 * What callers give, taken apart.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { Key, Ttl } from "../types.ts";
import { type KeyRules, wireKey } from "../wire/key.ts";
import { illegal } from "../wire/numbers.ts";
import { MAX_RELATIVE_EXPTIME, toExptime } from "../wire/ttl.ts";
import type { KeyPair } from "./requests/line.ts";

/** The part of a key that is stored. */
export function itemKey(key: Key): string {
  return typeof key === "string" ? key : pairOf(key)[1];
}

/** The part of a key that chooses the server. */
export function routeOf(key: Key): string {
  return typeof key === "string" ? key : pairOf(key)[0];
}

function pairOf(key: Key): readonly [string, string] {
  if (
    Array.isArray(key) && key.length === 2 && typeof key[0] === "string"
  ) return key as readonly [string, string];
  throw new MemcacheIllegalInputError(
    "Cannot send key: it is neither a string nor a pair of a routing key and a key",
    { sent: false },
  );
}

/** The stored part of a key, as it was given and as it goes on the wire. */
export function keyPair(rules: KeyRules, key: Key, command: string): KeyPair {
  const name = itemKey(key);
  return { key: name, wireKey: wireKey(name, rules, command) };
}

/** Seconds since 1970, for the exptime. */
function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** The exptime of a `ttl` now; the clock is read only where it counts. */
export function exptimeNow(ttl: Ttl | undefined, command: string): number {
  const relative = ttl === undefined ||
    typeof ttl === "number" && ttl <= MAX_RELATIVE_EXPTIME;
  return toExptime(ttl, relative ? 0 : nowSeconds(), command);
}

/**
 * The exptime of a command that is about nothing else: it has no default.
 *
 * @throws {MemcacheIllegalInputError} If it is absent, or cannot be sent.
 */
export function exptimeOf(ttl: Ttl | undefined, command: string): number {
  if (ttl === undefined) {
    throw illegal(
      "ttl",
      ttl,
      "given: seconds, 0 for never, or a Date",
      command,
    );
  }
  return exptimeNow(ttl, command);
}

/** One entry of `setMany`: an array of two, not a text of two letters. */
export function entryOf(entry: unknown): readonly [Key, unknown] {
  // The key is checked where every key is.
  if (Array.isArray(entry) && entry.length === 2) {
    return entry as [Key, unknown];
  }
  throw new MemcacheIllegalInputError(
    "Cannot send set: an entry is no pair of key and value",
    { command: "set", sent: false },
  );
}

/** The pairs of what `setMany` was given. */
export function pairsOf(
  entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
): Iterable<readonly [Key, unknown]> {
  if (typeof entries !== "object" || entries === null) {
    throw new MemcacheIllegalInputError(
      "Cannot send set: the entries are neither pairs nor an object",
      { command: "set", sent: false },
    );
  }
  return Symbol.iterator in entries
    // An object with an iterator is the first of the two types.
    ? entries as Iterable<readonly [Key, unknown]>
    : Object.entries(entries);
}

/** Refuses what is no list of keys; a string is one key, not a list. */
export function iterated<K>(keys: Iterable<K>): Iterable<K> {
  if (
    typeof keys === "object" && keys !== null && Symbol.iterator in keys
  ) return keys;
  throw new MemcacheIllegalInputError(
    "Cannot send keys: they are not iterable, give an array or a set of keys",
    { sent: false },
  );
}
