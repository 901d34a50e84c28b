/**
 * Serdes out of two functions.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { Serialized } from "../types.ts";
import { isThenable, viewSerde } from "./guard.ts";
import { rawSerde } from "./raw.ts";
import type { Serde } from "./serde.ts";

/** What a {@linkcode Serializer} returns: a pair, or the pair with names. */
export type SerializerResult =
  | readonly [data: Uint8Array | string, flags: number]
  | Serialized;

/** Makes the bytes (or text, stored as UTF-8) and the flags of a value. */
export type Serializer<V = unknown> = (
  key: string,
  value: V,
) => SerializerResult | Promise<SerializerResult>;

/** Makes a value of stored bytes and their flags. */
export type Deserializer<V = unknown> = (
  key: string,
  data: Uint8Array,
  flags: number,
) => V | Promise<V>;

function named(result: SerializerResult): Serialized {
  return Array.isArray(result)
    ? { data: result[0], flags: result[1] }
    // An array is told apart above; `isArray` does not narrow readonly ones.
    : result as Serialized;
}

function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === "function") return;
  throw new MemcacheIllegalInputError(
    `Cannot make serde: ${name} is not a function`,
    { sent: false },
  );
}

/**
 * Makes a serde of two functions, the form of pymemcache's `serializer` and
 * `deserializer` and of torncache's.
 *
 * Without a serializer, bytes and strings are stored as they are with flags 0;
 * without a deserializer, values are read as bytes. Either function may be
 * async. What they throw becomes the cause of a {@linkcode MemcacheSerdeError};
 * so does a result that is neither bytes nor well-formed text with flags from
 * 0 to 2^32 - 1.
 *
 * @param serialize Makes `[data, flags]` of a key and a value.
 * @param deserialize Makes a value of a key, bytes and flags; it may keep the
 * bytes.
 * @returns The serde, for the `serde` option of a client.
 * @throws {MemcacheIllegalInputError} If an argument is not a function.
 *
 * @example
 * ```ts
 * import { serdeFrom } from "@x/memcache";
 *
 * const dates = serdeFrom<Date>(
 *   (_key, value) => [value.toISOString(), 64],
 *   (_key, data) => new Date(new TextDecoder().decode(data)),
 * );
 * ```
 */
export function serdeFrom<V = unknown>(
  serialize?: Serializer<V>,
  deserialize?: Deserializer<V>,
): Serde<V> {
  checkFunction("serialize", serialize);
  checkFunction("deserialize", deserialize);
  return viewSerde<V>({
    serialize(key: string, value: V): Serialized | Promise<Serialized> {
      // rawSerde checks what it is given, so no claim is made by the cast.
      if (serialize === undefined) {
        return rawSerde.serialize(key, value as Uint8Array | string);
      }
      const result = serialize(key, value);
      return isThenable(result)
        ? Promise.resolve(result).then(named)
        : named(result);
    },
    deserialize(key: string, data: Uint8Array, flags: number): V | Promise<V> {
      // Without a deserializer a value is its bytes, as documented.
      if (deserialize === undefined) return data as V;
      return deserialize(key, data, flags);
    },
  });
}
