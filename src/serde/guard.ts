/**
 * The wrapper around serdes of others: whatever they do, what comes out is a
 * checked result or a `MemcacheSerdeError`.
 *
 * @module
 */

import { MemcacheIllegalInputError, MemcacheSerdeError } from "../errors.ts";
import type { Serialized } from "../types.ts";
import { isBytes, ownCopy } from "./bytes.ts";
import {
  FROM_VIEW,
  type ReadText,
  type Serde,
  UNKEPT,
  type ViewSerde,
} from "./serde.ts";
import { checkText } from "./utf8.ts";

/** Largest flags that memcached stores. */
const MAX_FLAGS = 0xffff_ffff;

/** Says whether a value has to be waited for. */
export function isThenable<T>(
  value: T | PromiseLike<T>,
): value is PromiseLike<T> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

/**
 * Checks what a serde made.
 *
 * @param result What `serialize` returned, awaited.
 * @param key The caller's key, for the error.
 * @returns The same object.
 * @throws {MemcacheSerdeError} If it is not bytes or well-formed text with
 * flags from 0 to 2^32 - 1.
 */
export function checkSerialized(result: unknown, key: string): Serialized {
  if (typeof result !== "object" || result === null) {
    throw new MemcacheSerdeError(
      "Cannot store value: the serde did not return { data, flags }",
      { key },
    );
  }
  const { data, flags } = result as { data?: unknown; flags?: unknown };
  if (typeof data === "string") checkText(key, data);
  else if (!isBytes(data)) {
    throw new MemcacheSerdeError(
      "Cannot store value: the serde's data is neither a Uint8Array nor a " +
        "string",
      { key },
    );
  }
  if (
    typeof flags !== "number" || !Number.isInteger(flags) || flags < 0 ||
    flags > MAX_FLAGS
  ) {
    throw new MemcacheSerdeError(
      "Cannot store value: the serde's flags are not an integer from 0 to " +
        MAX_FLAGS,
      { key },
    );
  }
  return result as Serialized;
}

/** Makes the error for what a serde threw; its own kind passes as it is. */
export function asSerdeError(
  cause: unknown,
  doing: "store" | "read",
  key: string,
): MemcacheSerdeError {
  if (cause instanceof MemcacheSerdeError) return cause;
  return new MemcacheSerdeError(
    `Cannot ${doing} value: the serde failed, see the cause`,
    { key, cause },
  );
}

/**
 * Calls a function of the caller's, which may answer later, and hands its
 * answer on; whatever fails becomes a {@linkcode MemcacheSerdeError}.
 */
export function attempt<A, B>(
  doing: "store" | "read",
  key: string,
  call: () => A | PromiseLike<A>,
  then: (answer: A) => B | Promise<B>,
): B | Promise<B> {
  try {
    const answer = call();
    if (!isThenable(answer)) return then(answer);
    return Promise.resolve(answer).then(then).catch((cause: unknown) => {
      throw asSerdeError(cause, doing, key);
    });
  } catch (cause) {
    throw asSerdeError(cause, doing, key);
  }
}

function isViewSerde<V>(serde: Serde<V>): serde is ViewSerde<V> {
  return FROM_VIEW in serde;
}

function same<T>(value: T): T {
  return value;
}

/**
 * Gives any serde the shortcut and the checks; our own have both and pass as
 * they are.
 *
 * A serde of the caller's gets each value in memory of its own, as it may keep
 * it and look at it through its `buffer`.
 *
 * @throws {MemcacheIllegalInputError} If it is no serde.
 */
export function viewSerde<V>(serde: Serde<V>): ViewSerde<V> {
  if (
    typeof serde !== "object" && typeof serde !== "function" ||
    serde === null || typeof serde.serialize !== "function" ||
    typeof serde.deserialize !== "function"
  ) {
    throw new MemcacheIllegalInputError(
      "Cannot use serde: an object with the functions serialize and " +
        "deserialize is needed",
      { sent: false },
    );
  }
  if (isViewSerde(serde)) return serde;
  const deserialize = (
    key: string,
    data: Uint8Array,
    flags: number,
  ): V | Promise<V> =>
    attempt<V, V>(
      "read",
      key,
      () => serde.deserialize(key, data, flags),
      same,
    );
  return {
    serialize(key: string, value: V): Serialized | Promise<Serialized> {
      return attempt<Serialized, Serialized>(
        "store",
        key,
        () => serde.serialize(key, value),
        (result) => checkSerialized(result, key),
      );
    },
    deserialize,
    [UNKEPT]: 0,
    [FROM_VIEW](
      key: string,
      bytes: Uint8Array,
      start: number,
      end: number,
      flags: number,
      _text: ReadText,
      own?: boolean,
    ): V | Promise<V> {
      const data = own
        ? bytes.subarray(start, end)
        : ownCopy(bytes, start, end);
      return deserialize(key, data, flags);
    },
  };
}
