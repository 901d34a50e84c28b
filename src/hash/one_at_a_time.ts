/**
 * Bob Jenkins's one-at-a-time hash as libmemcached has it.
 *
 * @module
 */

const ENCODER = new TextEncoder();

/**
 * Hashes text or bytes to 32 bits: Bob Jenkins's one-at-a-time, libmemcached's
 * hash where none is chosen. Like there, bytes from 0x80 on count as negative,
 * which the original does not do.
 *
 * @param data Bytes, or text of which the UTF-8 is taken.
 * @returns An integer from 0 to 2^32 - 1.
 *
 * @example
 * ```ts
 * import { oneAtATime } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(oneAtATime("user:1"), 2773942091);
 * ```
 */
export function oneAtATime(data: string | Uint8Array): number {
  if (typeof data !== "string") return ofBytes(data);
  let h = 0;
  for (let i = 0; i < data.length; i++) {
    const unit = data.charCodeAt(i);
    if (unit >= 0x80) return ofBytes(ENCODER.encode(data));
    h = step(h, unit);
  }
  return finish(h);
}

function ofBytes(bytes: Uint8Array): number {
  let h = 0;
  for (let i = 0; i < bytes.length; i++) h = step(h, (bytes[i] << 24) >> 24);
  return finish(h);
}

function step(h: number, byte: number): number {
  h = (h + byte) | 0;
  h = (h + (h << 10)) | 0;
  return h ^ (h >>> 6);
}

function finish(h: number): number {
  h = (h + (h << 3)) | 0;
  h ^= h >>> 11;
  return (h + (h << 15)) >>> 0;
}
