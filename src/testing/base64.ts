/**
 * Base64 of binary keys, as lenient as memcached's decoder.
 *
 * @module
 */

const ALPHABET =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * Decodes base64 into a latin1 text, one character for each byte. Foreign
 * characters are skipped, and reading ends with the first padded group.
 *
 * @returns the text, or `undefined` where memcached cannot decode it
 */
export function decodeBase64(text: string): string | undefined {
  const digits: number[] = [];
  for (const character of text) {
    if (character === "=") digits.push(-1);
    else if (ALPHABET.includes(character)) {
      digits.push(ALPHABET.indexOf(character));
    }
  }
  if (digits.length === 0 || digits.length % 4 !== 0) return undefined;
  let decoded = "";
  for (let i = 0; i < digits.length; i += 4) {
    let group = 0;
    let padding = 0;
    for (const digit of digits.slice(i, i + 4)) {
      group = group * 64 + Math.max(digit, 0);
      if (digit === -1) padding++;
    }
    if (padding > 2) return undefined;
    const three = String.fromCharCode(
      group >> 16,
      group >> 8 & 0xff,
      group & 0xff,
    );
    decoded += three.slice(0, 3 - padding);
    if (padding > 0) break;
  }
  return decoded;
}

/** Encodes a latin1 text, one character for each byte, as base64. */
export function encodeBase64(latin1: string): string {
  return btoa(latin1);
}
