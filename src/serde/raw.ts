/**
 * The serde that leaves bytes alone.
 *
 * @module
 */

import { MemcacheSerdeError } from "../errors.ts";
import type { Serialized } from "../types.ts";
import { copyOut, isBytes } from "./bytes.ts";
import {
  FROM_VIEW,
  type ReadText,
  type Serde,
  UNKEPT,
  type ViewSerde,
} from "./serde.ts";
import { checkText } from "./utf8.ts";

/** Names the type of a value for an error message. */
export function typeName(value: unknown): string {
  return value === null ? "null" : typeof value;
}

const serde: ViewSerde<Uint8Array | string> = {
  serialize(key: string, value: Uint8Array | string): Serialized {
    if (typeof value === "string") {
      return { data: checkText(key, value), flags: 0 };
    }
    if (isBytes(value)) return { data: value, flags: 0 };
    throw new MemcacheSerdeError(
      "Cannot store value: bytes (Uint8Array) or a string are needed, not " +
        typeName(value),
      { key },
    );
  },
  deserialize(_key: string, data: Uint8Array): Uint8Array {
    return data;
  },
  [UNKEPT]: 0,
  [FROM_VIEW](
    _key: string,
    bytes: Uint8Array,
    start: number,
    end: number,
    _flags: number,
    _text: ReadText,
    own?: boolean,
  ): Uint8Array {
    return own ? bytes.subarray(start, end) : copyOut(bytes, start, end);
  },
};

/**
 * Stores bytes, or a string as UTF-8, with flags 0; reads bytes whatever their
 * flags are: pymemcache's client without a serde.
 *
 * Anything else is refused with a {@linkcode MemcacheSerdeError}, and so is a
 * string with a lone surrogate. Short results may share one `ArrayBuffer`: use
 * their `byteOffset` and `length`.
 *
 * @example
 * ```ts
 * import { Client, rawSerde } from "@x/memcache";
 *
 * const client = new Client("localhost", { serde: rawSerde });
 * await client.close();
 * ```
 */
export const rawSerde: Serde<Uint8Array | string> = serde;
