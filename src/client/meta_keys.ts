/**
 * Keys of meta commands: as they are, or as base64 where they cannot be.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import {
  keyFault,
  type KeyRules,
  MAX_KEY_BYTES,
  wireKey,
} from "../wire/key.ts";
import { encodeText } from "../wire/output.ts";
import type { MetaKey } from "./meta_commands.ts";

/** A key of a meta command, checked. */
export interface MetaKeyParts {
  /** The stored part of the key, as the caller gave it. */
  readonly given: string | Uint8Array;
  /** The same as text, for errors and for the serde. */
  readonly name: string;
  /** The key that chooses the server. */
  readonly route: string;
  /** The key as it goes on the wire, prefix included. */
  readonly wireKey: string;
  /** Whether that is base64. */
  readonly isBinary: boolean;
}

/** With the flag u, halves of a pair are no match. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Takes a key apart, and makes what goes on the wire.
 *
 * @throws {MemcacheIllegalInputError} If it cannot be sent.
 */
export function metaKey(
  key: MetaKey,
  rules: KeyRules,
  command: string,
): MetaKeyParts {
  const isPair = Array.isArray(key);
  const given: unknown = isPair ? key[1] : key;
  if (isPair && (key.length !== 2 || typeof key[0] !== "string")) {
    throw refusal(
      "it is no pair of a routing key and a key",
      command,
      undefined,
    );
  }
  const route: string | undefined = isPair ? key[0] : undefined;
  if (given instanceof Uint8Array) {
    const bytes = new Uint8Array(given);
    if (bytes.length === 0) {
      throw refusal("it is empty, at least 1 byte is needed", command, "");
    }
    const name = textOf(bytes) ?? base64(bytes);
    const wireKey = encoded(rules, bytes, command, name);
    return { given, name, route: route ?? name, wireKey, isBinary: true };
  }
  if (typeof given !== "string") {
    throw refusal("it is neither a string nor a Uint8Array", command);
  }
  const plain = {
    given,
    name: given,
    route: route ?? given,
    isBinary: false,
  };
  const text = rules.keyPrefix + given;
  const fault = keyFault(text, rules.allowUnicodeKeys);
  // As base64 it needs no option but UTF-8, so that is what is wrong with it.
  const isBase64 = fault !== undefined && rules.keyEncoder === undefined;
  if (isBase64 && LONE_SURROGATE.test(text)) {
    throw refusal(
      "it has a lone surrogate, which UTF-8 cannot carry",
      command,
      given,
    );
  }
  if (!isBase64 || !isForBase64(text)) {
    return { ...plain, wireKey: wireKey(given, rules, command) };
  }
  const bytes = encodeText(given);
  const wire = encoded(rules, bytes, command, given);
  return { ...plain, wireKey: wire, isBinary: true };
}

/**
 * Whether a reply's key is this one.
 *
 * @param key The reply's, one character for each byte.
 * @param isBase64 In which form that is; absent where the reply does not say.
 */
export function isSameKey(
  { wireKey, isBinary }: MetaKeyParts,
  key: string,
  isBase64: boolean | undefined,
): boolean {
  // An item tells the form of the key that it was stored under.
  const asBase64 = isBinary ? wireKey : base64(encodeText(wireKey));
  const isPlain = () => base64(latin1(key)) === asBase64;
  if (isBase64 === undefined) return key === asBase64 || isPlain();
  return isBase64 ? key === asBase64 : isPlain();
}

/**
 * Whether a text that is no plain key can be one as base64: neither empty, nor
 * only too long.
 */
function isForBase64(text: string): boolean {
  return text !== "" && /[^!-~]/.test(text);
}

function encoded(
  { keyPrefix, hidesPrefix }: KeyRules,
  bytes: Uint8Array,
  command: string,
  name: string,
): string {
  const start = encodeText(keyPrefix);
  const all = new Uint8Array(start.length + bytes.length);
  all.set(start);
  all.set(bytes, start.length);
  const most = Math.floor(MAX_KEY_BYTES / 4) * 3;
  if (all.length > most) {
    const own = hidesPrefix ? start.length : 0;
    const where = hidesPrefix ? "in this namespace, " : "";
    throw refusal(
      `${all.length - own} bytes, at most ${
        Math.max(0, most - own)
      } are allowed ${where}where it goes as base64`,
      command,
      name,
    );
  }
  return base64(all);
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function refusal(
  why: string,
  command: string,
  key?: string,
): MemcacheIllegalInputError {
  return new MemcacheIllegalInputError(`Cannot send key: ${why}`, {
    command,
    key,
    sent: false,
  });
}
