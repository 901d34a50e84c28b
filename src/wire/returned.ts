/**
 * The flags that a meta reply returns (protocol.txt, "Meta Get" and the
 * sections behind it).
 *
 * @module
 */

import type { Header } from "./header.ts";
import { parseUint, parseUint64 } from "./numbers.ts";

/** What a reply returns; absent is what it does not say. */
export interface Returned {
  /** `c`: the CAS unique. */
  cas?: bigint;
  /** `f`: the number stored with the value. */
  flags?: number;
  /** `h`: whether it had been read before. */
  hitBefore?: boolean;
  /** `k`: the key, one character for each byte. */
  key?: string;
  /** `b`: whether the key is base64. */
  isBase64?: boolean;
  /** `l`: seconds since the last access. */
  lastAccess?: number;
  /** `O`: the opaque token, one character for each byte. */
  opaque?: string;
  /** `s`: bytes of the value. */
  size?: number;
  /** `t`: seconds that are left, -1 for no end. */
  ttl?: number;
  /** `W`: whoever asked is to store a new value. */
  won?: true;
  /** `X`: the item is stale. */
  stale?: true;
  /** `Z`: somebody else has won already. */
  alreadyWon?: true;
}

const BLANK = 32;
const MAX32 = 0xffff_ffff;

/**
 * Reads the flags of a reply; those that are not known are passed over.
 *
 * @param reply The decoder, standing behind a meta reply.
 * @returns What they say, or `undefined` where one cannot be.
 */
export function readReturned(reply: Header): Returned | undefined {
  const { line, lineEnd } = reply;
  const to: Returned = {};
  let at = reply.metaStart;
  while (at < lineEnd) {
    const letter = line[at];
    if (letter === BLANK) {
      at++;
      continue;
    }
    let end = at + 1;
    while (end < lineEnd && line[end] !== BLANK) end++;
    if (!readFlag(to, letter, line, at + 1, end)) return undefined;
    at = end;
  }
  return to;
}

function readFlag(
  to: Returned,
  letter: number,
  line: Uint8Array,
  start: number,
  end: number,
): boolean {
  switch (letter) {
    case 0x63: // c
      to.cas = parseUint64(line, start, end);
      return to.cas !== undefined;
    case 0x66: // f
      to.flags = parseUint(line, start, end);
      return to.flags >= 0 && to.flags <= MAX32;
    case 0x68: { // h
      const digit = parseUint(line, start, end);
      to.hitBefore = digit === 1;
      return digit === 0 || digit === 1;
    }
    case 0x6b: // k
      to.key = latin1(line, start, end);
      return end > start;
    case 0x62: // b
      to.isBase64 = true;
      return end === start;
    case 0x6c: // l
      to.lastAccess = parseUint(line, start, end);
      return to.lastAccess >= 0;
    case 0x4f: // O
      to.opaque = latin1(line, start, end);
      return true;
    case 0x73: // s
      to.size = parseUint(line, start, end);
      return to.size >= 0;
    case 0x74: // t
      if (end - start === 2 && line[start] === 45 && line[start + 1] === 49) {
        to.ttl = -1;
        return true;
      }
      to.ttl = parseUint(line, start, end);
      return to.ttl >= 0;
    case 0x57: // W
      to.won = true;
      return end === start;
    case 0x58: // X
      to.stale = true;
      return end === start;
    case 0x5a: // Z
      to.alreadyWon = true;
      return end === start;
  }
  return true;
}

/** Bytes as text, one character each. */
export function latin1(line: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(line[i]);
  return text;
}
