/**
 * MurmurHash3 by Austin Appleby, x86 variants: 32 bits over text, as
 * pymemcache places keys, and 128 bits over bytes.
 *
 * @module
 */

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** The end of the 32-bit hash, after the length went in. */
export function finalMix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** What becomes of a block of four bytes before it goes into a 32-bit state. */
export function scramble(k: number): number {
  k = Math.imul(k, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}

/** Takes a block of four bytes into a 32-bit state. */
export function mix(h: number, k: number): number {
  h ^= scramble(k);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/**
 * Hashes text to 32 bits: MurmurHash3 x86_32 over the low byte of each code
 * point, its length being the number of code points. That is pymemcache's
 * `murmur3_32`; the standard hash only for text below U+0100.
 *
 * @param text Any text; a lone surrogate counts as a code point.
 * @param seed An integer, taken modulo 2^32.
 * @returns An integer from 0 to 2^32 - 1.
 *
 * @example
 * ```ts
 * import { murmur3 } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(murmur3("user:1"), 3416794175);
 * ```
 */
export function murmur3(text: string, seed: number = 0): number {
  const length = text.length;
  let h = seed | 0;
  let i = 0;
  // Four units at a time while none can be half of a surrogate pair.
  for (; i + 4 <= length; i += 4) {
    const a = text.charCodeAt(i);
    const b = text.charCodeAt(i + 1);
    const c = text.charCodeAt(i + 2);
    const d = text.charCodeAt(i + 3);
    if ((a | b | c | d) >= 0xd800) break;
    h = mix(
      h,
      (a & 0xff) | ((b & 0xff) << 8) | ((c & 0xff) << 16) | (d << 24),
    );
  }
  let count = i;
  let k = 0;
  while (i < length) {
    let unit = text.charCodeAt(i++);
    if (unit >= 0xd800 && unit < 0xdc00 && i < length) {
      const low = text.charCodeAt(i);
      // The low byte of a pair's code point is that of its second half.
      if (low >= 0xdc00 && low < 0xe000) {
        unit = low;
        i++;
      }
    }
    k |= (unit & 0xff) << ((count & 3) << 3);
    if ((++count & 3) === 0) {
      h = mix(h, k);
      k = 0;
    }
  }
  return finalMix(h ^ scramble(k) ^ count) >>> 0;
}

/**
 * Hashes bytes to 128 bits: MurmurHash3 x86_128.
 *
 * @param bytes What to hash.
 * @param seed An integer, taken modulo 2^32.
 * @returns The hash as 32 hex digits, byte by byte in the order in which the
 * reference implementation leaves them in memory on a little-endian machine.
 */
export function murmur3x128(bytes: Uint8Array, seed: number = 0): string {
  const c1 = 0x239b961b;
  const c2 = 0xab0e9789;
  const c3 = 0x38b34ae5;
  const c4 = 0xa1e38b93;
  const length = bytes.length;
  let h1 = seed | 0;
  let h2 = h1;
  let h3 = h1;
  let h4 = h1;
  for (let at = 0; at < length; at += 16) {
    const k1 = word(bytes, at);
    const k2 = word(bytes, at + 4);
    const k3 = word(bytes, at + 8);
    const k4 = word(bytes, at + 12);
    // In the last, incomplete block missing bytes are zero, and zero words
    // change nothing; the words are mixed in, but the sums are left out.
    h1 ^= Math.imul(rotate(Math.imul(k1, c1), 15), c2);
    if (at + 16 > length) {
      h2 ^= Math.imul(rotate(Math.imul(k2, c2), 16), c3);
      h3 ^= Math.imul(rotate(Math.imul(k3, c3), 17), c4);
      h4 ^= Math.imul(rotate(Math.imul(k4, c4), 18), c1);
      break;
    }
    h1 = Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b | 0;
    h2 ^= Math.imul(rotate(Math.imul(k2, c2), 16), c3);
    h2 = Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747 | 0;
    h3 ^= Math.imul(rotate(Math.imul(k3, c3), 17), c4);
    h3 = Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35 | 0;
    h4 ^= Math.imul(rotate(Math.imul(k4, c4), 18), c1);
    h4 = Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17 | 0;
  }
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finalMix(h1);
  h2 = finalMix(h2);
  h3 = finalMix(h3);
  h4 = finalMix(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  return hexLittle(h1) + hexLittle(h2) + hexLittle(h3) + hexLittle(h4);
}

/** Four bytes, the lowest first; zeros past the end. */
function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) |
    (bytes[at + 3] << 24);
}

function hexLittle(word: number): string {
  const swapped = ((word & 0xff) << 24) | ((word & 0xff00) << 8) |
    ((word >>> 8) & 0xff00) | (word >>> 24);
  return (swapped >>> 0).toString(16).padStart(8, "0");
}
