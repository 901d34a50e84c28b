/**
 * Numbers as memcached reads them: C's `strtol` and `strtoull` with their
 * leniency (leading space, sign, anything after a trailing space).
 *
 * @module
 */

const PLAIN = /^\d{1,9}$/;
const LENIENT = /^[ \t\n\v\f\r]*([+-]?)(\d+)(?=[ \t\n\v\f\r]|$)/;
const LONG_MAX = 2n ** 63n - 1n;
const ULONG_MAX = 2n ** 64n - 1n;

/**
 * Reads a signed number, cut to its low 32 bits as memcached does.
 *
 * @returns the number, or `undefined` where memcached calls it malformed
 */
export function readInt32(text: string): number | undefined {
  if (PLAIN.test(text)) return Number(text);
  const match = LENIENT.exec(text);
  if (match === null) return undefined;
  const magnitude = BigInt(match[2]);
  const value = match[1] === "-" ? -magnitude : magnitude;
  if (value > LONG_MAX || value < -LONG_MAX - 1n) return undefined;
  return Number(BigInt.asIntN(32, value));
}

/**
 * Reads an unsigned 64-bit number.
 *
 * @returns the number, or `undefined` where memcached calls it malformed
 */
export function readUint64(text: string): bigint | undefined {
  if (PLAIN.test(text)) return BigInt(text);
  const match = LENIENT.exec(text);
  if (match === null) return undefined;
  const magnitude = BigInt(match[2]);
  if (magnitude > ULONG_MAX) return undefined;
  if (match[1] !== "-") return magnitude;
  // A sign is refused only where the wrapped number looks negative, so that
  // "-18446744073709551615" is 1, in memcached as well as here.
  const wrapped = BigInt.asUintN(64, -magnitude);
  return wrapped > LONG_MAX ? undefined : wrapped;
}

/**
 * Reads a number with a fraction: C's `strtod`.
 *
 * @returns the number, or `undefined` where memcached calls it malformed
 */
export function readDouble(text: string): number | undefined {
  const special = /^([+-]?)(nan|inf(?:inity)?)$/i.exec(text);
  if (special !== null) {
    const [, sign, name] = special;
    if (name.toLowerCase() === "nan") return NaN;
    return sign === "-" ? -Infinity : Infinity;
  }
  const number = text === "" ? NaN : Number(text);
  return Number.isNaN(number) ? undefined : number;
}

/** Writes a number with two decimals, as C's `%.2f` does. */
export function formatDouble(number: number): string {
  if (Number.isFinite(number)) return number.toFixed(2);
  if (Number.isNaN(number)) return "nan";
  return number > 0 ? "inf" : "-inf";
}

/**
 * Reads an unsigned number, cut to its low 32 bits as memcached does.
 *
 * @returns the number, or `undefined` where memcached calls it malformed
 */
export function readUint32(text: string): number | undefined {
  if (PLAIN.test(text)) return Number(text);
  const value = readUint64(text);
  return value === undefined ? undefined : Number(BigInt.asUintN(32, value));
}
