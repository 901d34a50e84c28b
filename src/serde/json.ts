/**
 * The default serde: plain values by type, everything else as JSON.
 *
 * @module
 */

import { MemcacheSerdeError } from "../errors.ts";
import type { Serialized } from "../types.ts";
import { copyOut, isBytes } from "./bytes.ts";
import {
  FLAG_BIGINT,
  FLAG_INTEGER,
  FLAG_JSON,
  FLAG_PICKLE,
  FLAG_TEXT,
} from "./flags.ts";
import { MAX_DIGITS, readInteger } from "./integer.ts";
import {
  FROM_VIEW,
  type ReadText,
  type Serde,
  UNKEPT,
  type ViewSerde,
} from "./serde.ts";
import { findObstacle, type Obstacle } from "./storable.ts";
import { checkText, compressedHint, readUtf8 } from "./utf8.ts";

function refused(key: string, { what, remedy }: Obstacle): MemcacheSerdeError {
  return new MemcacheSerdeError(
    `Cannot store value: JSON cannot carry ${what}; ${remedy}`,
    { key },
  );
}

/** Makes JSON of a value, or says why it cannot. */
function writeJson(key: string, value: unknown): Serialized {
  let data: string | undefined;
  let obstacle: Obstacle | undefined;
  try {
    // The top first: writing out a huge view only to refuse it is wasted.
    if (ArrayBuffer.isView(value)) obstacle = findObstacle(value);
    else {
      // JSON.stringify finds cycles, so the search below comes to an end.
      data = JSON.stringify(value);
      obstacle = findObstacle(value);
    }
  } catch (cause) {
    throw new MemcacheSerdeError(
      "Cannot store value: it cannot be turned into JSON (it contains " +
        "itself, a bigint inside, is nested too deeply, or a toJSON failed)",
      { key, cause },
    );
  }
  if (obstacle !== undefined) throw refused(key, obstacle);
  if (data === undefined) {
    throw new MemcacheSerdeError(
      "Cannot store value: its toJSON gives nothing that JSON can carry; " +
        "let it return null or data",
      { key },
    );
  }
  return { data, flags: FLAG_JSON };
}

function serialize(key: string, value: unknown): Serialized {
  switch (typeof value) {
    case "string":
      return { data: checkText(key, value), flags: FLAG_TEXT };
    case "number":
      if (Number.isSafeInteger(value)) {
        const data = Object.is(value, -0) ? "-0" : String(value);
        return { data, flags: FLAG_INTEGER };
      }
      return writeJson(key, value);
    case "bigint": {
      const data = value.toString();
      const digits = value < 0n ? data.length - 1 : data.length;
      if (digits > MAX_DIGITS) {
        throw new MemcacheSerdeError(
          `Cannot store value: a bigint of ${digits} digits, at most ` +
            `${MAX_DIGITS} are allowed`,
          { key },
        );
      }
      return { data, flags: FLAG_BIGINT };
    }
    default:
      return isBytes(value) ? { data: value, flags: 0 } : writeJson(key, value);
  }
}

function unreadable(key: string, what: string, hint = ""): MemcacheSerdeError {
  return new MemcacheSerdeError(`Cannot read value: ${what}${hint}`, { key });
}

/** Reads a value where it lies; if they are its `own`, bytes are kept. */
function read(
  key: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  flags: number,
  text?: ReadText,
  own?: boolean,
): unknown {
  if ((flags & FLAG_TEXT) !== 0) {
    return readUtf8(key, bytes, start, end, flags, text);
  }
  if ((flags & (FLAG_INTEGER | FLAG_BIGINT)) !== 0) {
    const value = readInteger(bytes, start, end);
    if (value === undefined) {
      throw unreadable(
        key,
        `its ${end - start} bytes are flagged as an integer, but are not ` +
          `1 to ${MAX_DIGITS} decimal digits`,
        compressedHint(flags),
      );
    }
    return (flags & FLAG_INTEGER) !== 0 ? value : BigInt(value);
  }
  if ((flags & FLAG_JSON) !== 0) {
    const json = readUtf8(key, bytes, start, end, flags, text);
    try {
      return JSON.parse(json);
    } catch {
      // The runtimes' own errors quote the value, so none becomes the cause.
      throw unreadable(
        key,
        `its ${end - start} bytes are flagged as JSON (32), but are not`,
        compressedHint(flags),
      );
    }
  }
  if ((flags & FLAG_PICKLE) !== 0) {
    throw unreadable(
      key,
      "flag 1 says it is a Python pickle, which only Python can read; store " +
        "text, integers or bytes from Python, or read the bytes by rawSerde",
    );
  }
  if (own) {
    return end - start < bytes.length ? bytes.subarray(start, end) : bytes;
  }
  return copyOut(bytes, start, end);
}

const serde: ViewSerde = {
  serialize,
  deserialize(key: string, data: Uint8Array, flags: number): unknown {
    return read(key, data, 0, data.length, flags, undefined, true);
  },
  [UNKEPT]: FLAG_TEXT | FLAG_INTEGER | FLAG_BIGINT | FLAG_JSON,
  [FROM_VIEW]: read,
};

/**
 * Stores plain values by their type and everything else as JSON: what was
 * stored is what comes back, by type. The default of every client.
 *
 * | value | stored as | flags |
 * | --- | --- | --- |
 * | `string` | UTF-8 | 16 |
 * | safe integer | decimal text (`-0` as `-0`) | 2 |
 * | `bigint`, at most 100,000 digits | decimal text | 4 |
 * | `Uint8Array` and its subclasses | as is | 0 |
 * | anything else | JSON | 32 |
 *
 * The flags are pymemcache's: its `pickle_serde` reads our text, integers and
 * bytes, and we read its; JSON it hands over as bytes.
 *
 * Refused with a {@linkcode MemcacheSerdeError} are values that would come back
 * as others, wherever in the value they are: `NaN` and infinities, functions,
 * symbols, `undefined` as a value or in an array, Map, Set, RegExp, Error,
 * Promise, invalid dates, buffers, and views other than a `Uint8Array` that is
 * the whole value; further a bigint inside JSON, cycles, and strings with lone
 * surrogates. As ever with JSON, `undefined` properties are left out, class
 * instances come back as plain objects, a `Date` as its text, and a `-0` inside
 * an object as `0`.
 *
 * When reading, the first of these flags decides: 16 text, 2 integer (a number,
 * or a bigint past 2^53 - 1; blanks around it, as `decr` leaves them, do no
 * harm), 4 bigint, 32 JSON, 1 pickle (an error that says so). With none of them
 * the value is its bytes. Flag 8 is {@linkcode compressedSerde}'s alone.
 *
 * Short `Uint8Array` results may share one `ArrayBuffer`: use their
 * `byteOffset` and `length`, and copy them before transferring the buffer.
 *
 * @example
 * ```ts
 * import { jsonSerde } from "@x/memcache";
 *
 * jsonSerde.serialize("user:1", { name: "Ann" }); // flags 32
 * jsonSerde.deserialize("hits", new TextEncoder().encode("42"), 2); // 42
 * ```
 */
export const jsonSerde: Serde = serde;
