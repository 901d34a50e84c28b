/**
 * The headers of most hits, each in one pass. What is read here has numbers of
 * at most 9 digits and, for `VA`, the flags `f` and `O` in the order in which a
 * `get` asks for them. All else is left to the readers of any header.
 *
 * Digits are read as `unit ^ 48`, which is below 10 for digits alone, and what
 * ends them is compared in the same form. The two readers are kept this short
 * because V8 has a budget for what it inlines: within it both become part of
 * `Decoder.next`, and a reply costs two thirds of what it costs otherwise.
 *
 * @module
 */

import type { Header } from "./header.ts";

const BLANK = 32 ^ 48;
const RETURN = 13 ^ 48;

/** Room behind the begin of a header: short numbers end before it does. */
export const VA_ROOM = 40;

/** The same behind the key of a `VALUE`. */
const VALUE_ROOM = 24;

/**
 * Reads `VA <size> f<flags> O<opaque>` with CRLF.
 *
 * @param to Where to put what it says, the size as `dataEnd`.
 * @param bytes Where it is.
 * @param start Index of its first byte; `VA_ROOM` bytes are there.
 * @returns The index behind LF, or -1 when it is anything else.
 */
export function readVaHit(
  to: Header,
  bytes: Uint8Array,
  start: number,
): number {
  let at = start + 3;
  let digit: number;
  let size = 0;
  while ((digit = bytes[at] ^ 48) < 10) {
    size = size * 10 + digit | 0;
    at++;
  }
  const metaStart = at + 1;
  if (
    digit !== BLANK || bytes[metaStart] !== 0x66 || at - start - 4 >>> 0 > 8
  ) return -1;
  let from = at += 2;
  let flags = 0;
  while ((digit = bytes[at] ^ 48) < 10) {
    flags = flags * 10 + digit | 0;
    at++;
  }
  if (
    digit !== BLANK || bytes[at + 1] !== 0x4f || at - from - 1 >>> 0 > 8
  ) return -1;
  from = at += 2;
  let opaque = 0;
  while ((digit = bytes[at] ^ 48) < 10) {
    opaque = opaque * 10 + digit | 0;
    at++;
  }
  if (
    digit !== RETURN || bytes[at + 1] !== 10 || at - from - 1 >>> 0 > 8
  ) return -1;
  to.dataEnd = size;
  to.metaStart = metaStart;
  to.lineEnd = at;
  to.flags = flags;
  to.opaque = opaque;
  to.cas = 0n;
  return at + 2;
}

/**
 * Reads `VALUE <key> <flags> <bytes>` with CRLF, as {@linkcode readVaHit} does.
 *
 * @param limit Index behind the last byte that may be looked at.
 */
export function readValueHit(
  to: Header,
  bytes: Uint8Array,
  start: number,
  limit: number,
): number {
  const keyStart = start + 6;
  let at = keyStart;
  while (at < limit && bytes[at] > 32) at++;
  const keyEnd = at;
  if (limit - at < VALUE_ROOM || bytes[at] !== 32 || at === keyStart) return -1;
  let from = ++at;
  let digit: number;
  let flags = 0;
  while ((digit = bytes[at] ^ 48) < 10) {
    flags = flags * 10 + digit | 0;
    at++;
  }
  if (digit !== BLANK || at - from - 1 >>> 0 > 8) return -1;
  from = ++at;
  let size = 0;
  while ((digit = bytes[at] ^ 48) < 10) {
    size = size * 10 + digit | 0;
    at++;
  }
  if (
    digit !== RETURN || bytes[at + 1] !== 10 || at - from - 1 >>> 0 > 8
  ) return -1;
  to.keyStart = keyStart;
  to.keyEnd = keyEnd;
  to.dataEnd = size;
  to.lineEnd = at;
  to.flags = flags;
  to.opaque = -1;
  to.cas = 0n;
  return at + 2;
}
