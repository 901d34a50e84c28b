/**
 * Whole numbers as decimal text.
 *
 * @module
 */

/**
 * Longest decimal text that is read or written as a number. Converting takes
 * more than linear time, and one runtime stops at three times this length.
 */
export const MAX_DIGITS = 100_000;

/** A number of up to this many digits is exact whatever they are. */
const EXACT_DIGITS = 15;

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/**
 * Reads `bytes[start..end)` as a whole number: digits, a sign before them,
 * blanks around them (memcached's `decr` leaves some behind the digits).
 *
 * @returns A number, a bigint where a number would not be exact, or
 * `undefined` where the bytes are something else or too long.
 */
export function readInteger(
  bytes: Uint8Array,
  start: number,
  end: number,
): number | bigint | undefined {
  while (start < end && isBlank(bytes[start])) start++;
  while (end > start && isBlank(bytes[end - 1])) end--;
  const sign = bytes[start];
  const negative = sign === 0x2d;
  if (negative || sign === 0x2b) start++;
  while (start < end - 1 && bytes[start] === 0x30) start++;
  const length = end - start;
  if (length < 1 || length > MAX_DIGITS) return undefined;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = bytes[i] - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (length > EXACT_DIGITS && !Number.isSafeInteger(value)) {
    const digits = new TextDecoder().decode(bytes.subarray(start, end));
    return negative ? -BigInt(digits) : BigInt(digits);
  }
  return negative ? -value : value;
}
