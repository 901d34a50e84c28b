/**
 * What the first line of a reply says, read into fields.
 *
 * @module
 */

const CR = 13;
const LF = 10;
const SPACE = 32;

const EMPTY = new Uint8Array(0);

// Digits are read as `unit ^ 48`, which is below 10 for digits alone, and what
// ends them may be compared in the same form.
const BLANK = SPACE ^ 48;
const RETURN = CR ^ 48;

/** Most digits of a number that a float holds without a loss. */
const SAFE_DIGITS = 15;

/** Largest flags. */
const MAX32 = 0xffffffff;

/**
 * The fields of one reply; the views they speak of are valid until the next
 * bytes are read.
 */
export class Header {
  /** Where the reply's line is. */
  line: Uint8Array = EMPTY;
  /** Index of the first byte of the line. */
  lineStart = 0;
  /** Index behind the last byte of the line, its CRLF not counted. */
  lineEnd = 0;
  /** Where the key is in the line (`VALUE`). */
  keyStart = 0;
  /** Index behind the key's last byte. */
  keyEnd = 0;
  /** Where the data block is. */
  data: Uint8Array = EMPTY;
  /** Index of the data block's first byte. */
  dataStart = 0;
  /** Index behind its last byte; until the block is read, its length. */
  dataEnd = 0;
  /** Whether the memory of `data` holds this block alone, to be given away. */
  owned = false;
  /** The client's flags (`VALUE`, or the meta flag `f`), 0 where none are. */
  flags = 0;
  /** The CAS unique, 0 where there is none. */
  cas = 0n;
  /** The meta flag `O`: a decimal number, -1 absent, -2 anything else. */
  opaque = -1;
  /** Where the meta flags start in the line (`VA`, `HD`, `EN`, …). */
  metaStart = 0;
}

/**
 * Reads `VA <size> <flags>*` up to and with CRLF.
 *
 * @param to Where to put what it says, the size as `dataEnd`.
 * @param bytes Where it is.
 * @param start Index of its first byte; three more are there.
 * @param limit Index behind the last byte that may be looked at.
 * @returns The index behind LF, or -1 when it is not whole or not legal.
 */
export function readVa(
  to: Header,
  bytes: Uint8Array,
  start: number,
  limit: number,
): number {
  const from = start + 3;
  let at = from;
  while (at < limit && (bytes[at] ^ 48) < 10) at++;
  to.dataEnd = readDigits(bytes, from, at, Infinity);
  return to.dataEnd < 0 ? -1 : readMetaFlags(to, bytes, at, limit);
}

/**
 * Reads meta flags up to and with CRLF. Known ones are read into fields, all
 * others are passed over.
 *
 * @param to Where to put what they say.
 * @param bytes Where they are.
 * @param start Index of the blank before the first one, or of the CRLF.
 * @param limit Index behind the last byte that may be looked at.
 * @returns The index behind LF, or -1 when they are not whole or not legal.
 */
export function readMetaFlags(
  to: Header,
  bytes: Uint8Array,
  start: number,
  limit: number,
): number {
  let flags = 0;
  let opaque = -1;
  to.cas = 0n;
  let at = start;
  let unit = at < limit ? bytes[at] : 0;
  // Here `unit` is what ended the token before: a blank, or the line's end.
  while (unit === SPACE) {
    if (++at >= limit) return -1;
    const letter = bytes[at];
    if (letter <= SPACE) {
      unit = letter;
      continue;
    }
    const from = ++at;
    if (letter === 0x66 || letter === 0x4f) { // f, O
      let number = 0;
      let digit = 0;
      while (at < limit && (digit = bytes[at] ^ 48) < 10) {
        number = number * 10 + digit | 0;
        at++;
      }
      if (digit !== BLANK && digit !== RETURN) number = -1;
      else if (at - from - 1 >>> 0 > 8) {
        const most = letter === 0x66 ? MAX32 : Infinity;
        number = readDigits(bytes, from, at, most);
      }
      if (letter === 0x4f) opaque = number < 0 ? -2 : number;
      else if (number < 0) return -1;
      else flags = number;
    } else if (letter === 0x63) { // c
      at = readCas(to, bytes, from, limit);
      if (at < 0) return -1;
    }
    while (at < limit && (unit = bytes[at]) > SPACE) at++;
    if (at >= limit) return -1;
  }
  if (unit !== CR || at + 1 >= limit || bytes[at + 1] !== LF) return -1;
  to.metaStart = start < at ? start + 1 : at;
  to.lineEnd = at;
  to.flags = flags;
  to.opaque = opaque;
  return at + 2;
}

/** Says whether bytes that begin with `VA` go on as `VALUE `. */
export function isValue(bytes: Uint8Array, start: number): boolean {
  return bytes[start + 2] === 0x4c && bytes[start + 3] === 0x55 &&
    bytes[start + 4] === 0x45 && bytes[start + 5] === SPACE;
}

/**
 * Reads `VALUE <key> <flags> <bytes> [<cas>]`, as {@linkcode readVa} does;
 * {@linkcode isValue} has said that it is one.
 */
export function readValue(
  to: Header,
  bytes: Uint8Array,
  start: number,
  limit: number,
): number {
  const keyStart = start + 6;
  let at = keyStart;
  let unit = 0;
  while (at < limit && (unit = bytes[at]) > SPACE) at++;
  const keyEnd = at;
  if (at === keyStart || unit !== SPACE) return -1;
  let from = ++at;
  while (at < limit && (bytes[at] ^ 48) < 10) at++;
  const flags = readDigits(bytes, from, at, MAX32);
  if (flags < 0 || at >= limit || bytes[at] !== SPACE) return -1;
  from = ++at;
  while (at < limit && (bytes[at] ^ 48) < 10) at++;
  const size = readDigits(bytes, from, at, Infinity);
  if (size < 0 || at >= limit) return -1;
  to.cas = 0n;
  if (bytes[at] === SPACE) {
    at = readCas(to, bytes, at + 1, limit);
    if (at < 0) return -1;
  }
  if (at + 1 >= limit || bytes[at] !== CR || bytes[at + 1] !== LF) return -1;
  to.keyStart = keyStart;
  to.keyEnd = keyEnd;
  to.dataEnd = size;
  to.lineEnd = at;
  to.flags = flags;
  to.opaque = -1;
  return at + 2;
}

/** Reads up to 15 digits; -1 when there are none, or more, or they are more than `most`. */
function readDigits(
  bytes: Uint8Array,
  start: number,
  end: number,
  most: number,
): number {
  if (start === end || end - start > SAFE_DIGITS) return -1;
  let number = 0;
  for (let i = start; i < end; i++) number = number * 10 + (bytes[i] - 48);
  return number <= most ? number : -1;
}

/**
 * Reads a CAS unique, which ends with a blank or the line: 1 to 20 digits,
 * below 2^64.
 *
 * @returns The index behind it, or -1 when it is not whole or not legal.
 */
function readCas(
  to: Header,
  bytes: Uint8Array,
  start: number,
  limit: number,
): number {
  let at = start;
  while (at < limit && (bytes[at] ^ 48) < 10) {
    if (at++ - start === 20) return -1;
  }
  if (at === start || at >= limit || bytes[at] > SPACE) return -1;
  if (at - start <= SAFE_DIGITS) {
    to.cas = BigInt(readDigits(bytes, start, at, Infinity));
    return at;
  }
  let text = "";
  for (let i = start; i < at; i++) text += bytes[i] - 48;
  to.cas = BigInt(text);
  return to.cas < 1n << 64n ? at : -1;
}
