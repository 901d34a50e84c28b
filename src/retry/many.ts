/**
 * Calls with many keys: what has been done is not done again.
 *
 * @module
 */

import { MemcacheError } from "../errors.ts";
import type { Key } from "../types.ts";

/** What a call with many keys still has to do. */
export interface Rest {
  /** The first argument of the next attempt. */
  readonly given: unknown;
  /** Takes note of a failure; returns the error to tell. */
  failed(error: unknown): unknown;
  /** Completes the result of the attempt that went well. */
  completed(result: unknown): unknown;
}

/** `setMany` and `deleteMany`: the keys that failed are left. */
class Changes<M> implements Rest {
  readonly #keyOf: (member: M) => string;
  #left: readonly M[];
  #named = false;

  constructor(members: readonly M[], keyOf: (member: M) => string) {
    this.#left = members;
    this.#keyOf = keyOf;
  }

  get given(): unknown {
    return this.#left;
  }

  failed(error: unknown): unknown {
    if (!(error instanceof MemcacheError)) return error;
    const { failedKeys } = error;
    if (failedKeys !== undefined) {
      // All keys are good, or none of them would have been sent.
      const failed = new Set(failedKeys);
      this.#left = this.#left.filter((one) => failed.has(this.#keyOf(one)));
      this.#named = true;
    } else if (this.#named) {
      error.failedKeys = Object.freeze(this.#left.map(this.#keyOf));
    }
    return error;
  }

  completed(result: unknown): unknown {
    return result;
  }
}

/** `getMany` and `getsMany`: what an error brings is not read again. */
class Reads implements Rest {
  readonly #keys: readonly Key[];
  readonly #hits = new Map<string, unknown>();
  #left: readonly Key[];

  constructor(keys: readonly Key[]) {
    this.#keys = keys;
    this.#left = keys;
  }

  get given(): unknown {
    return this.#left;
  }

  failed(error: unknown): unknown {
    if (!(error instanceof MemcacheError)) return error;
    const { failedKeys, values } = error;
    for (const [key, value] of values ?? []) this.#hits.set(key, value);
    if (failedKeys !== undefined) {
      const failed = new Set(failedKeys);
      this.#left = this.#left.filter((key) => failed.has(textOf(key)));
    }
    // It may well be about the last keys that were left only.
    if (this.#hits.size > 0) error.values = this.#inOrder(new Map());
    if (this.#left.length < this.#keys.length) {
      error.failedKeys ??= Object.freeze(this.#left.map(textOf));
    }
    return error;
  }

  completed(result: unknown): unknown {
    // Reads of many keys answer with a map.
    return this.#hits.size === 0
      ? result
      : this.#inOrder(result as ReadonlyMap<string, unknown>);
  }

  /** The hits of all attempts, in the order of the keys. */
  #inOrder(last: ReadonlyMap<string, unknown>): Map<string, unknown> {
    const hits = new Map<string, unknown>();
    for (const key of this.#keys) {
      const name = textOf(key);
      if (last.has(name)) hits.set(name, last.get(name));
      else if (this.#hits.has(name)) hits.set(name, this.#hits.get(name));
    }
    return hits;
  }
}

/** What is given as it is: the client knows what is wrong with it. */
class Whole implements Rest {
  readonly given: unknown;

  constructor(given: unknown) {
    this.given = given;
  }

  failed(error: unknown): unknown {
    return error;
  }

  completed(result: unknown): unknown {
    return result;
  }
}

function textOf(key: Key): string {
  return typeof key === "string" ? key : key[1];
}

/**
 * Keeps what is left to do of a command with many keys.
 *
 * @param method The command.
 * @param given Its first argument, read once: it may be a generator.
 * @returns `undefined` for a command without many keys.
 */
export function restOf(method: string, given: unknown): Rest | undefined {
  if (!method.endsWith("Many")) return undefined;
  if (typeof given !== "object" || given === null) return new Whole(given);
  if (method === "setMany") {
    // Whether they are pairs of keys and values is checked by the client.
    const pairs = Symbol.iterator in given
      ? [...given as Iterable<readonly [Key, unknown]>]
      : Object.entries(given);
    return new Changes(pairs, ([key]) => textOf(key));
  }
  if (!(Symbol.iterator in given)) return new Whole(given);
  if (method.startsWith("meta.")) {
    return new Whole([...given as Iterable<unknown>]);
  }
  const keys = [...given as Iterable<Key>];
  return method === "deleteMany" ? new Changes(keys, textOf) : new Reads(keys);
}
