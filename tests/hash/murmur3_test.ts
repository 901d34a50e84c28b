import { assertEquals } from "@std/assert";
import { murmur3, murmur3x128 } from "../../src/hash/murmur3.ts";
import { test } from "../_runtime.ts";
import { readVectors } from "../_vectors.ts";

interface HashBytes {
  in: string;
  murmur3_32: Record<string, number>;
}
interface HashStr {
  in: string;
  pymemcache_murmur3_32: Record<string, number>;
  utf8_murmur3_32_seed0: number;
}

test("murmur3() is the standard hash for Latin-1 text", () => {
  const { cases } = readVectors<{ cases: HashBytes[] }>("hash_bytes.json");
  let checked = 0;
  for (const { in: text, murmur3_32 } of cases) {
    for (const [seed, hash] of Object.entries(murmur3_32)) {
      assertEquals(murmur3(text, Number(seed)), hash, JSON.stringify(text));
      checked++;
    }
  }
  assertEquals(checked, 117 * 5);
});

test("murmur3() is pymemcache's for any text and seed", () => {
  const { cases } = readVectors<{ cases: HashStr[] }>("hash_str.json");
  let checked = 0;
  for (const item of cases) {
    for (const [seed, hash] of Object.entries(item.pymemcache_murmur3_32)) {
      const what = `${JSON.stringify(item.in)} ${seed}`;
      assertEquals(murmur3(item.in, Number(seed)), hash, what);
      checked++;
    }
    const utf8 = new TextEncoder().encode(item.in);
    const latin1 = String.fromCharCode(...utf8);
    assertEquals(murmur3(latin1), item.utf8_murmur3_32_seed0, item.in);
  }
  assertEquals(checked, 50 * 8);
});

test("murmur3() counts a lone surrogate as a code point", () => {
  // Low bytes 00, 41, ff: as the Latin-1 text of the same bytes.
  assertEquals(murmur3("\ud800A\udfff"), murmur3("\x00A\xff"));
  assertEquals(murmur3("\ud800\ud800\udc01"), murmur3("\x00\x01"));
  assertEquals(murmur3("abcd\udc00"), murmur3("abcd\x00"));
});

/** SMHasher's verification value: a hash over the hashes of 256 inputs. */
function verification(
  hash: (bytes: Uint8Array, seed: number) => Uint8Array,
): number {
  const all: number[] = [];
  for (let i = 0; i < 256; i++) {
    const key = Uint8Array.from({ length: i }, (_, at) => at);
    all.push(...hash(key, 256 - i));
  }
  const digest = hash(Uint8Array.from(all), 0);
  return new DataView(digest.buffer).getUint32(0, true);
}

test("murmur3() and murmur3x128() have SMHasher's verification values", () => {
  const a = verification((key, seed) => {
    const digest = new Uint8Array(4);
    const hash = murmur3(String.fromCharCode(...key), seed);
    new DataView(digest.buffer).setUint32(0, hash, true);
    return digest;
  });
  assertEquals(a, 0xb0f57ee3);
  const c = verification((key, seed) =>
    Uint8Array.from(
      murmur3x128(key, seed).match(/../g) ?? [],
      (hex) => parseInt(hex, 16),
    )
  );
  assertEquals(c, 0xb3ece62a);
});
