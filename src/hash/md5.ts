/**
 * MD5 of short texts, for rings: it places keys and keeps no secrets.
 *
 * @module
 */

const ENCODER = new TextEncoder();

/** The constants of RFC 1321: the sines of 1 to 64, times 2^32. */
const SINES: Int32Array = Int32Array.from(
  { length: 64 },
  (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0,
);

/** The block at work. */
const BLOCK: Int32Array = new Int32Array(16);
/** The state, and in the end the digest. */
const STATE: Int32Array = new Int32Array(4);

/** What fits into one block beside the padding. */
const SHORT = 55;

/**
 * Hashes text or bytes: MD5, as ketama rings have it.
 *
 * @param data Bytes, or text of which the UTF-8 is taken.
 * @returns The 16 bytes as four signed words, the lowest byte of each first;
 * good until the next call.
 */
export function md5(data: string | Uint8Array): Int32Array {
  STATE[0] = 0x67452301;
  STATE[1] = 0xefcdab89;
  STATE[2] = 0x98badcfe;
  STATE[3] = 0x10325476;
  if (typeof data === "string") {
    if (data.length <= SHORT && isShortAscii(data)) {
      hashBlock();
      return STATE;
    }
    data = ENCODER.encode(data);
  }
  // 0x80, zeros, and the length in bits fill the last block.
  const { length } = data;
  const blocks = (length + 8 >> 6) + 1;
  for (let block = 0; block < blocks; block++) {
    const start = block << 6;
    BLOCK.fill(0);
    for (let i = start; i < start + 64 && i <= length; i++) {
      const byte = i < length ? data[i] : 0x80;
      BLOCK[(i - start) >> 2] |= byte << ((i & 3) << 3);
    }
    if (block === blocks - 1) {
      BLOCK[14] = length << 3;
      BLOCK[15] = length >>> 29;
    }
    hashBlock();
  }
  return STATE;
}

/**
 * Hashes text or bytes to 32 bits: the first four bytes of the MD5, the lowest
 * first. That is how ketama rings place keys.
 *
 * @param data Bytes, or text of which the UTF-8 is taken.
 * @returns An integer from 0 to 2^32 - 1.
 *
 * @example
 * ```ts
 * import { KetamaHash, md5Word } from "@x/memcache";
 *
 * // libmemcached with the behaviours HASH md5 and KETAMA.
 * const hasher = new KetamaHash({ variant: "libmemcached", hash: md5Word });
 * hasher.addNode("10.0.1.1:11211");
 * ```
 */
export function md5Word(data: string | Uint8Array): number {
  return md5(data)[0] >>> 0;
}

/** Puts a text and its padding into the block, unless it is not all ASCII. */
function isShortAscii(text: string): boolean {
  const { length } = text;
  let at = 0;
  let i = 0;
  let all = 0;
  for (; i + 4 <= length; i += 4) {
    const a = text.charCodeAt(i);
    const b = text.charCodeAt(i + 1);
    const c = text.charCodeAt(i + 2);
    const d = text.charCodeAt(i + 3);
    all |= a | b | c | d;
    BLOCK[at++] = a | (b << 8) | (c << 16) | (d << 24);
  }
  let last = 0x80 << ((length & 3) << 3);
  for (let shift = 0; i < length; i++, shift += 8) {
    const unit = text.charCodeAt(i);
    all |= unit;
    last |= unit << shift;
  }
  BLOCK[at++] = last;
  while (at < 14) BLOCK[at++] = 0;
  BLOCK[14] = length << 3;
  BLOCK[15] = 0;
  return all < 0x80;
}

/** RFC 1321, 3.4: four rounds of sixteen steps. */
function hashBlock(): void {
  let a = STATE[0];
  let b = STATE[1];
  let c = STATE[2];
  let d = STATE[3];
  for (let i = 0; i < 16; i += 4) {
    a = (a + SINES[i] + BLOCK[i] + (d ^ ((c ^ d) & b))) | 0;
    a = ((a << 7) | (a >>> 25)) + b | 0;
    d = (d + SINES[i + 1] + BLOCK[i + 1] + (c ^ ((b ^ c) & a))) | 0;
    d = ((d << 12) | (d >>> 20)) + a | 0;
    c = (c + SINES[i + 2] + BLOCK[i + 2] + (b ^ ((a ^ b) & d))) | 0;
    c = ((c << 17) | (c >>> 15)) + d | 0;
    b = (b + SINES[i + 3] + BLOCK[i + 3] + (a ^ ((d ^ a) & c))) | 0;
    b = ((b << 22) | (b >>> 10)) + c | 0;
  }
  for (let i = 16; i < 32; i += 4) {
    a = (a + SINES[i] + BLOCK[(5 * i + 1) & 15] + (c & ~d) + (b & d)) | 0;
    a = ((a << 5) | (a >>> 27)) + b | 0;
    d = (d + SINES[i + 1] + BLOCK[(5 * i + 6) & 15] + (b & ~c) + (a & c)) | 0;
    d = ((d << 9) | (d >>> 23)) + a | 0;
    c = (c + SINES[i + 2] + BLOCK[(5 * i + 11) & 15] + (a & ~b) + (d & b)) | 0;
    c = ((c << 14) | (c >>> 18)) + d | 0;
    b = (b + SINES[i + 3] + BLOCK[(5 * i + 16) & 15] + (d & ~a) + (c & a)) | 0;
    b = ((b << 20) | (b >>> 12)) + c | 0;
  }
  for (let i = 32; i < 48; i += 4) {
    a = (a + SINES[i] + BLOCK[(3 * i + 5) & 15] + (c ^ d ^ b)) | 0;
    a = ((a << 4) | (a >>> 28)) + b | 0;
    d = (d + SINES[i + 1] + BLOCK[(3 * i + 8) & 15] + (b ^ c ^ a)) | 0;
    d = ((d << 11) | (d >>> 21)) + a | 0;
    c = (c + SINES[i + 2] + BLOCK[(3 * i + 11) & 15] + (a ^ b ^ d)) | 0;
    c = ((c << 16) | (c >>> 16)) + d | 0;
    b = (b + SINES[i + 3] + BLOCK[(3 * i + 14) & 15] + (d ^ a ^ c)) | 0;
    b = ((b << 23) | (b >>> 9)) + c | 0;
  }
  for (let i = 48; i < 64; i += 4) {
    a = (a + SINES[i] + BLOCK[(7 * i) & 15] + (c ^ (b | ~d))) | 0;
    a = ((a << 6) | (a >>> 26)) + b | 0;
    d = (d + SINES[i + 1] + BLOCK[(7 * i + 7) & 15] + (b ^ (a | ~c))) | 0;
    d = ((d << 10) | (d >>> 22)) + a | 0;
    c = (c + SINES[i + 2] + BLOCK[(7 * i + 14) & 15] + (a ^ (d | ~b))) | 0;
    c = ((c << 15) | (c >>> 17)) + d | 0;
    b = (b + SINES[i + 3] + BLOCK[(7 * i + 21) & 15] + (d ^ (c | ~a))) | 0;
    b = ((b << 21) | (b >>> 11)) + c | 0;
  }
  STATE[0] += a;
  STATE[1] += b;
  STATE[2] += c;
  STATE[3] += d;
}
