/**
 * The serde for strings alone.
 *
 * @module
 */

import { MemcacheSerdeError } from "../errors.ts";
import type { Serialized } from "../types.ts";
import { typeName } from "./raw.ts";
import { FROM_VIEW, type Serde, UNKEPT, type ViewSerde } from "./serde.ts";
import { checkText, readUtf8 } from "./utf8.ts";

const serde: ViewSerde<string> = {
  serialize(key: string, value: string): Serialized {
    if (typeof value === "string") {
      return { data: checkText(key, value), flags: 0 };
    }
    throw new MemcacheSerdeError(
      `Cannot store value: a string is needed, not ${typeName(value)}`,
      { key },
    );
  },
  deserialize(key: string, data: Uint8Array, flags: number): string {
    return readUtf8(key, data, 0, data.length, flags);
  },
  [UNKEPT]: -1,
  [FROM_VIEW]: readUtf8,
};

/**
 * Stores strings as UTF-8 with flags 0; reads strings whatever their flags are.
 *
 * Other values and strings with lone surrogates are refused, and so are stored
 * bytes that are not UTF-8, with a {@linkcode MemcacheSerdeError}. A byte order
 * mark is kept.
 *
 * @example
 * ```ts
 * import { Client, textSerde } from "@x/memcache";
 *
 * const client = new Client("localhost", { serde: textSerde });
 * await client.close();
 * ```
 */
export const textSerde: Serde<string> = serde;
