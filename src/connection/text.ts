/**
 * How strings are made of bytes.
 *
 * @module
 */

/** Reads UTF-8 in the runtime's fastest way. */
export type ReadText = (
  bytes: Uint8Array,
  start: number,
  end: number,
) => string;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads UTF-8 where the transport has no faster way. */
export const plainText: ReadText = (bytes, start, end) =>
  decoder.decode(bytes.subarray(start, end));
