/**
 * Keys as memcached writes them in listings and logs: "URI encoded"
 * (protocol.txt, "Watchers").
 *
 * @module
 */

/** A key: text, or the bytes of one that is no UTF-8. */
export type ListedKey = string | Uint8Array;

const ESCAPES = /^(?:[^%]|%[0-9A-Fa-f]{2})*$/;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Decodes a key.
 *
 * @param text The key as it was read.
 * @returns The key; `undefined` where that is no encoded key.
 */
export function decodeKey(text: string): ListedKey | undefined {
  if (text === "") return undefined;
  if (!text.includes("%")) return text;
  if (!ESCAPES.test(text)) return undefined;
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x25) {
      bytes[length++] = Number.parseInt(text.slice(i + 1, i + 3), 16);
      i += 2;
    } else if (unit < 0x80) bytes[length++] = unit;
    else {
      // Not as memcached writes it, but plain enough.
      const point = String.fromCodePoint(text.codePointAt(i) ?? unit);
      length += encoder.encodeInto(point, bytes.subarray(length)).written;
      i += point.length - 1;
    }
  }
  const key = bytes.slice(0, length);
  try {
    return decoder.decode(key);
  } catch {
    return key;
  }
}

/**
 * Takes a prefix off a key.
 *
 * @returns The rest; `undefined` where the key does not begin with it.
 */
export function withoutPrefix(
  key: ListedKey,
  prefix: string,
): ListedKey | undefined {
  if (prefix === "") return key;
  if (typeof key === "string") {
    return key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
  }
  const bytes = encoder.encode(prefix);
  if (key.length < bytes.length) return undefined;
  for (let i = 0; i < bytes.length; i++) {
    if (key[i] !== bytes[i]) return undefined;
  }
  return key.slice(bytes.length);
}
