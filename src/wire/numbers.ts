/**
 * Numbers on the wire: reading digits from replies, and checking what callers
 * give before it goes into a command line.
 *
 * Checks look at `typeof` first and never run code of the value they check.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";

const ZERO = 48;
const MAX_UINT32 = 0xffff_ffff;
const MAX_UINT64 = 18_446_744_073_709_551_615n;
const MAX_UINT64_TEXT = "18446744073709551615";

/** Longest part of a caller's text in a message. */
const MAX_SHOWN = 40;

/** What is escaped in messages: controls, formats (bidi), surrogates, line ends. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

const { getTime, toISOString } = Date.prototype;

/**
 * Reads a decimal number: digits only, at least one, at most 2^53 - 1.
 *
 * @param bytes Where the digits are.
 * @param start Index of the first one.
 * @param end Index behind the last one.
 * @returns The number, or -1 when the bytes are none.
 */
export function parseUint(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (start >= end) return -1;
  let number = 0;
  for (let i = start; i < end; i++) {
    // Only the ten digits give 0 to 9. No byte at all gives 48.
    const digit = bytes[i] ^ ZERO;
    if (digit > 9) return -1;
    number = number * 10 + digit;
    if (number > Number.MAX_SAFE_INTEGER) return -1;
  }
  return number;
}

/**
 * Reads a decimal number: digits only, at least one, at most 2^64 - 1.
 *
 * @param bytes Where the digits are.
 * @param start Index of the first one.
 * @param end Index behind the last one.
 * @returns The number, or `undefined` when the bytes are none.
 */
export function parseUint64(
  bytes: Uint8Array,
  start: number,
  end: number,
): bigint | undefined {
  let at = start;
  while (at < end - 1 && bytes[at] === ZERO) at++;
  const digits = end - at;
  if (digits <= 15) {
    const number = parseUint(bytes, at, end);
    return number < 0 ? undefined : BigInt(number);
  }
  if (digits > 20) return undefined;
  // Two halves, each exact as a number: no text in between.
  const high = parseUint(bytes, at, end - 15);
  const low = parseUint(bytes, end - 15, end);
  if (high < 0 || low < 0) return undefined;
  const number = BigInt(high) * 1_000_000_000_000_000n + BigInt(low);
  return number <= MAX_UINT64 ? number : undefined;
}

/**
 * Checks a 32-bit number, such as the flags of an item.
 *
 * @param name What the number is, for the message.
 * @param value What the caller gave.
 * @param command The command's name, for the error.
 * @returns The number, 0 to 2^32 - 1.
 * @throws {MemcacheIllegalInputError} If it is anything else.
 */
export function checkUint32(
  name: string,
  value: unknown,
  command?: string,
): number {
  return checkInteger(name, value, 0, MAX_UINT32, command);
}

/**
 * Checks an integer.
 *
 * @param name What the number is, for the message.
 * @param value What the caller gave; only a `number` is accepted.
 * @param min Least number allowed.
 * @param max Greatest number allowed, at most 2^53 - 1.
 * @param command The command's name, for the error.
 * @returns The number, never -0.
 * @throws {MemcacheIllegalInputError} If it is no integer or out of range.
 */
export function checkInteger(
  name: string,
  value: unknown,
  min: number,
  max: number,
  command?: string,
): number {
  if (Number.isInteger(value)) {
    // isInteger is true for numbers alone.
    const number = value as number;
    if (number >= min && number <= max) return number + 0;
  }
  throw illegal(name, value, `an integer from ${min} to ${max}`, command);
}

/**
 * Checks a 64-bit number, such as a CAS unique.
 *
 * @param name What the number is, for the message.
 * @param value What the caller gave: a safe integer, a bigint, or a text of 1
 * to 20 digits.
 * @param command The command's name, for the error.
 * @returns The number as decimal text without leading zeros, 0 to 2^64 - 1.
 * @throws {MemcacheIllegalInputError} If it is anything else.
 */
export function checkUint64(
  name: string,
  value: unknown,
  command?: string,
): string {
  if (typeof value === "string") {
    const text = decimal(value);
    if (text !== undefined) return text;
    throw illegal(name, value, `1 to 20 digits, ${RANGE}`, command);
  }
  return uint64Text(name, value, command);
}

/**
 * Checks the delta of `incr` and `decr`.
 *
 * @param value What the caller gave: a safe integer or a bigint.
 * @param command The command's name, for the error.
 * @returns The number as decimal text, 0 to 2^64 - 1.
 * @throws {MemcacheIllegalInputError} If it is anything else.
 */
export function checkDelta(value: unknown, command?: string): string {
  return uint64Text("delta", value, command);
}

const RANGE = `from 0 to ${MAX_UINT64_TEXT}`;

function uint64Text(name: string, value: unknown, command?: string): string {
  if (typeof value === "number") {
    // An unsafe integer may not be the one that the caller wrote.
    if (Number.isSafeInteger(value) && value >= 0) return String(value + 0);
    if (Number.isInteger(value) && value > 0) {
      const wanted =
        `a bigint ${RANGE} where it is above ${Number.MAX_SAFE_INTEGER}`;
      throw illegal(name, value, wanted, command);
    }
  } else if (typeof value === "bigint") {
    if (value >= 0n && value <= MAX_UINT64) return String(value);
  }
  throw illegal(name, value, `an integer ${RANGE}`, command);
}

/** Reads a text of 1 to 20 digits, or gives `undefined`. */
function decimal(text: string): string | undefined {
  const length = text.length;
  if (length < 1 || length > 20) return undefined;
  let first = length;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) ^ ZERO;
    if (digit > 9) return undefined;
    if (digit !== 0 && first === length) first = i;
  }
  // Texts of the same length order as their numbers do.
  if (length - first === 20 && text > MAX_UINT64_TEXT) return undefined;
  return first === length ? "0" : first === 0 ? text : text.slice(first);
}

/**
 * Makes the error for something that cannot go into a command line.
 *
 * @param name What it is, such as `"flags"`.
 * @param value What the caller gave: a number or the like, never an item's
 * value or a password, since it is shown.
 * @param wanted What would be accepted, to stand behind "must be".
 * @param command The command's name.
 */
export function illegal(
  name: string,
  value: unknown,
  wanted: string,
  command?: string,
): MemcacheIllegalInputError {
  return new MemcacheIllegalInputError(
    `Cannot send ${name}: ${describe(value)}, must be ${wanted}`,
    { command, sent: false },
  );
}

/**
 * Shows a value in a message: short, on one line, without running any of its
 * code. Objects are named, not shown. It never throws.
 *
 * @param value Anything but an item's value or a password.
 */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "bigint":
      // To print a huge bigint takes time that grows with its square.
      return BigInt.asIntN(128, value) === value
        ? `${value}n`
        : "a bigint of more than 128 bits";
    case "boolean":
    case "undefined":
      return String(value);
    case "object":
      return value === null ? "null" : nameOf(value);
    default:
      return `a ${typeof value}`;
  }
}

function quote(text: string): string {
  const cut = text.length > MAX_SHOWN;
  const shown = JSON.stringify(cut ? text.slice(0, MAX_SHOWN) : text).replace(
    UNPRINTABLE,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
  return cut ? `${shown}… (${text.length} characters)` : shown;
}

function nameOf(value: object): string {
  try {
    // Throws for a revoked proxy.
    if (Array.isArray(value)) return "an array";
    // Throws for all but a date, whatever else the object pretends to be.
    return Number.isNaN(getTime.call(value as Date))
      ? "an invalid Date"
      : `the Date ${toISOString.call(value as Date)}`;
  } catch {
    return "an object";
  }
}
