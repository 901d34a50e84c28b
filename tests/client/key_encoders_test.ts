import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { murmur3Keys, sha256Keys } from "../../src/client/key_encoders.ts";
import { murmur3x128 } from "../../src/hash/murmur3.ts";
import { sha256 } from "../../src/client/sha256.ts";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { test } from "../_runtime.ts";
import { bytes } from "../_vectors.ts";
import { random, randomBytes, randomText } from "../serde/_cases.ts";

test("sha256() agrees with the runtime's own", () => {
  const next = random(50);
  const lengths = [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129];
  for (let i = 0; i < 200; i++) lengths.push(next(2000));
  for (const length of lengths) {
    const data = randomBytes(next, length);
    const want = createHash("sha256").update(data).digest("hex");
    assertEquals(sha256(data), want, `${length}`);
  }
  // The hash of "abc" in FIPS 180-4's examples.
  assertEquals(
    sha256(bytes("abc")),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("sha256Keys() hashes the UTF-8 of a key", () => {
  const next = random(51);
  for (let i = 0; i < 200; i++) {
    const key = randomText(next, next(400));
    const want = createHash("sha256").update(key, "utf8").digest("hex");
    assertEquals(sha256Keys(key), want);
  }
});

test("murmur3Keys() hashes the UTF-8 of a key", () => {
  const next = random(52);
  const seen = new Set<string>();
  for (let i = 0; i < 2000; i++) {
    const key = `${i}${randomText(next, next(40))}`;
    const encoded = murmur3Keys(key);
    assertMatch(encoded, /^[0-9a-f]{32}$/);
    assertEquals(encoded, murmur3x128(new TextEncoder().encode(key)));
    seen.add(encoded);
  }
  assertEquals(seen.size, 2000);
});

test("sha256Keys() and murmur3Keys() tell near keys apart", () => {
  for (const encode of [sha256Keys, murmur3Keys]) {
    const long = "k".repeat(300);
    const keys = ["", " ", "a b", "a\u0141", "aA", long, `${long} `, "\ufffd"];
    assertEquals(new Set(keys.map(encode)).size, keys.length);
  }
});

test("sha256Keys() and murmur3Keys() refuse lone surrogates", () => {
  for (const encode of [sha256Keys, murmur3Keys]) {
    for (const key of ["\ud800", "a\udc00b", "\udc00\ud800"]) {
      const error = assertThrows(
        () => encode(key),
        MemcacheIllegalInputError,
        "lone surrogate",
      );
      assertEquals(error.key, key);
      assertEquals(error.sent, false);
    }
  }
});
