/**
 * Text that is UTF-8 for sure, in both directions.
 *
 * @module
 */

import { MemcacheSerdeError } from "../errors.ts";
import { FLAG_COMPRESSED } from "./flags.ts";
import type { ReadText } from "./serde.ts";

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * What an error adds when bytes flagged as compressed reached a serde that
 * does not inflate.
 */
export function compressedHint(flags: number): string {
  return (flags & FLAG_COMPRESSED) === 0
    ? ""
    : "; flag 8 says it is compressed: read it through compressedSerde()";
}

/**
 * Reads `bytes[start..end)` as UTF-8; a byte order mark is a character like
 * any other.
 *
 * @param text A fast reader that puts U+FFFD where bytes are no UTF-8.
 * @throws {MemcacheSerdeError} If the bytes are not UTF-8.
 */
export function readUtf8(
  key: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  flags: number,
  text?: ReadText,
): string {
  // Readers differ in what they do to a byte order mark (EF BB BF), so a text
  // that may begin with one is left to the strict decoder.
  if (text !== undefined && bytes[start] !== 0xef) {
    const value = text(bytes, start, end);
    if (!value.includes("\uFFFD")) return value;
  }
  try {
    return STRICT.decode(bytes.subarray(start, end));
  } catch (cause) {
    throw new MemcacheSerdeError(
      `Cannot read value: its ${end - start} bytes are not UTF-8 text` +
        compressedHint(flags),
      { key, cause },
    );
  }
}

/**
 * Refuses text that UTF-8 cannot carry, since it would come back as other text.
 *
 * @throws {MemcacheSerdeError} If a lone surrogate is in the text.
 */
export function checkText(key: string, text: string): string {
  if (text.isWellFormed()) return text;
  throw new MemcacheSerdeError(
    "Cannot store value: a string with a lone surrogate has no UTF-8 form; " +
      "make it well-formed with toWellFormed()",
    { key },
  );
}
