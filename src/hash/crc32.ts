/**
 * CRC-32 as zlib, Ethernet and PNG have it.
 *
 * @module
 */

const ENCODER = new TextEncoder();
const TABLE: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let c = byte;
  for (let bit = 0; bit < 8; bit++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
  return c;
});

/**
 * Hashes text or bytes to 32 bits: the CRC-32 of IEEE 802.3, as
 * python-memcached and gomemcache place keys.
 *
 * @param data Bytes, or text of which the UTF-8 is taken.
 * @returns An integer from 0 to 2^32 - 1.
 *
 * @example
 * ```ts
 * import { crc32 } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(crc32("123456789"), 0xcbf43926);
 * ```
 */
export function crc32(data: string | Uint8Array): number {
  if (typeof data !== "string") return ofBytes(data);
  let c = -1;
  for (let i = 0; i < data.length; i++) {
    const unit = data.charCodeAt(i);
    if (unit >= 0x80) return ofBytes(ENCODER.encode(data));
    c = (c >>> 8) ^ TABLE[(c ^ unit) & 0xff];
  }
  return ~c >>> 0;
}

/**
 * The 15 middle bits of the CRC-32, but never 0: the hash of Danga's Perl
 * client and of those that follow it, python-memcached and memcached2.
 */
export function crc32Bits(text: string): number {
  return ((crc32(text) >>> 16) & 0x7fff) || 1;
}

function ofBytes(bytes: Uint8Array): number {
  let c = -1;
  for (let i = 0; i < bytes.length; i++) {
    c = (c >>> 8) ^ TABLE[(c ^ bytes[i]) & 0xff];
  }
  return ~c >>> 0;
}
