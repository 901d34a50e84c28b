/**
 * What may be a key (protocol.txt, "Keys"): 1 to 250 bytes, without control
 * characters or blanks.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";

/** Longest key in bytes, prefix included (KEY_MAX_LENGTH of memcached). */
export const MAX_KEY_BYTES = 250;

/** What needs a closer look: most keys are plain ASCII. */
const OTHER = /[^!-~]/;

/**
 * Says what is wrong with a key as it would go on the wire.
 *
 * @param key The key, prefix included.
 * @param unicode Whether text outside of ASCII may be sent as UTF-8.
 * @returns `undefined` for a good key, else the reason, for a message.
 */
export function keyFault(key: string, unicode: boolean): string | undefined {
  const count = key.length;
  if (count > 0 && count <= MAX_KEY_BYTES && !OTHER.test(key)) return undefined;
  return findFault(key, unicode);
}

const EMPTY = "it is empty, at least 1 byte is needed";

/** Looks at each unit, which is slow, to tell what is wrong, if anything is. */
function findFault(key: string, unicode: boolean): string | undefined {
  const count = key.length;
  if (count === 0) return EMPTY;
  let wide = false;
  for (let i = 0; i < count; i++) {
    const unit = key.charCodeAt(i);
    if (unit <= 0x20 || unit === 0x7f) {
      return `unit ${i} is ${
        unit === 0x20
          ? "a blank"
          : `the control character 0x${unit.toString(16).padStart(2, "0")}`
      }, none is allowed`;
    }
    if (unit > 0x7f) {
      if (!unicode) {
        return `unit ${i} is no ASCII, which needs allowUnicodeKeys or a keyEncoder`;
      }
      wide = true;
    }
  }
  const bytes = wide ? utf8Length(key) : count;
  if (bytes < 0) return "it has a lone surrogate, which UTF-8 cannot carry";
  if (bytes > MAX_KEY_BYTES) {
    return `${bytes} bytes, at most ${MAX_KEY_BYTES} are allowed`;
  }
  return undefined;
}

/** Length of a text in UTF-8, or -1 when it has a lone surrogate. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 3;
    else {
      const low = text.charCodeAt(i + 1);
      if (unit > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return -1;
      bytes += 4;
      i++;
    }
  }
  return bytes;
}

/** What a client does with the keys that it is given. */
export interface KeyRules {
  /** Put before every key. */
  readonly keyPrefix: string;
  /** Whether keys may be other than ASCII. */
  readonly allowUnicodeKeys: boolean;
  /** Makes a legal key of one that is not. */
  readonly keyEncoder: ((key: string) => string) | undefined;
  /**
   * Whether the prefix is not the caller's: errors speak of the key alone then.
   *
   * @default {false}
   */
  readonly hidesPrefix?: boolean;
}

/**
 * Makes the key that goes on the wire of the one that a caller gave.
 *
 * @param key The caller's key; anything but a string is refused.
 * @param rules Prefix, alphabet and encoder.
 * @param command The command's name, for the error.
 * @returns The key with its prefix, legal.
 * @throws {MemcacheIllegalInputError} If the key cannot be sent.
 */
export function wireKey(
  key: unknown,
  rules: KeyRules,
  command: string,
): string {
  if (typeof key !== "string") {
    throw new MemcacheIllegalInputError(
      `Cannot send key: it is ${kindOf(key)}, a string is needed`,
      { command, sent: false },
    );
  }
  const prefix = rules.keyPrefix;
  let full = prefix === "" ? key : prefix + key;
  let fault = faultOf(full, key, rules);
  if (fault !== undefined && rules.keyEncoder !== undefined) {
    const encoded: unknown = rules.keyEncoder(key);
    if (typeof encoded !== "string") {
      fault = `the keyEncoder gave ${kindOf(encoded)}, a string is needed`;
    } else {
      full = prefix + encoded;
      fault = faultOf(full, encoded, rules);
    }
  }
  if (fault === undefined) return full;
  throw new MemcacheIllegalInputError(`Cannot send key: ${fault}`, {
    command,
    key,
    sent: false,
  });
}

/** What is wrong with a key; said of `own` alone where the prefix is hidden. */
function faultOf(
  full: string,
  own: string,
  { keyPrefix, allowUnicodeKeys, hidesPrefix }: KeyRules,
): string | undefined {
  const fault = keyFault(full, allowUnicodeKeys);
  if (!hidesPrefix || fault === undefined && own !== "") return fault;
  const room = MAX_KEY_BYTES - utf8Length(keyPrefix);
  const bytes = utf8Length(own);
  if (bytes <= MAX_KEY_BYTES) {
    const ownFault = findFault(own, allowUnicodeKeys);
    if (ownFault !== undefined) return ownFault;
  }
  return `${bytes} bytes, at most ${room} are allowed in this namespace`;
}

/** A word for what a value is, never its content. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  const kind = typeof value;
  if (kind === "undefined") return kind;
  return kind === "object" ? "an object" : `a ${kind}`;
}

/**
 * Says whether bytes are a key's bytes, without making a string of them.
 *
 * @param bytes Where the key was received.
 * @param start Index of its first byte.
 * @param end Index behind its last byte.
 * @param key The key that is expected.
 */
export function sameKey(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: string,
): boolean {
  const count = key.length;
  if (end - start < count) return false;
  for (let i = 0; i < count; i++) {
    const unit = key.charCodeAt(i);
    if (unit > 0x7f) return sameBytes(bytes, start, end, utf8.encode(key));
    if (unit !== bytes[start + i]) return false;
  }
  return end - start === count;
}

/** Bytes that are no UTF-8 must not pass for U+FFFD: the bytes are compared. */
function sameBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
  expected: Uint8Array,
): boolean {
  if (end - start !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) {
    if (bytes[start + i] !== expected[i]) return false;
  }
  return true;
}

const utf8 = new TextEncoder();
