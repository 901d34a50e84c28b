/**
 * Ready functions for the `keyEncoder` option: they make a legal key of one
 * that is too long or has characters that a key may not have.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import { murmur3x128 } from "../hash/murmur3.ts";
import { sha256 } from "./sha256.ts";

const ENCODER = new TextEncoder();

function utf8(key: string): Uint8Array {
  // Encoding would make U+FFFD of every lone surrogate, and one key of many.
  if (key.isWellFormed()) return ENCODER.encode(key);
  throw new MemcacheIllegalInputError(
    "Cannot encode key: a lone surrogate has no UTF-8 form",
    { key, sent: false },
  );
}

/**
 * Encodes a key as the SHA-256 of its UTF-8: 64 hex digits. The choice for
 * keys that are too long or hold blanks, control or non-ASCII characters.
 *
 * No two keys with the same hash are known, nor can anyone make them. The key
 * cannot be read back from its hash.
 *
 * @param key A key of any length.
 * @returns 64 hex digits in lower case.
 * @throws {MemcacheIllegalInputError} If a lone surrogate is in the key.
 *
 * @example
 * ```ts
 * import { Client, sha256Keys } from "@x/memcache";
 *
 * const client = new Client("localhost", { keyEncoder: sha256Keys });
 * await client.close();
 * ```
 */
export function sha256Keys(key: string): string {
  return sha256(utf8(key));
}

/**
 * Encodes a key as the MurmurHash3 of its UTF-8: 32 hex digits. pymemcache's
 * documentation recommends this hash for long keys and for keys outside ASCII.
 *
 * It is the 128-bit hash (x86_128, seed 0), since the 32-bit one gives two of
 * 100,000 keys the same hash more often than not, and each key then reads the
 * other's value. It is faster than SHA-256, but whoever chooses keys can make
 * two with the same hash: use {@linkcode sha256Keys} where keys come from
 * strangers.
 *
 * @param key A key of any length.
 * @returns 32 hex digits in lower case.
 * @throws {MemcacheIllegalInputError} If a lone surrogate is in the key.
 *
 * @example
 * ```ts
 * import { Client, murmur3Keys } from "@x/memcache";
 *
 * const client = new Client("localhost", { keyEncoder: murmur3Keys });
 * await client.close();
 * ```
 */
export function murmur3Keys(key: string): string {
  return murmur3x128(utf8(key));
}
