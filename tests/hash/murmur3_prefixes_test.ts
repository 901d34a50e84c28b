import { assertEquals } from "@std/assert";
import { murmur3 } from "../../src/hash/murmur3.ts";
import { MurmurPrefixes } from "../../src/hash/murmur3_prefixes.ts";
import { test } from "../_runtime.ts";
import { random, randomText } from "../serde/_cases.ts";

test("MurmurPrefixes.hash() is murmur3() of prefix and text", () => {
  const next = random(61);
  let checked = 0;
  for (const seed of [0, 1, -1, 0x9747b28c]) {
    // All four places within a block, none of them, and some twice.
    for (const lengths of [[0, 1, 2, 3, 4, 5, 9, 17], [2], [1, 3], []]) {
      const prefixes = lengths.map((length) => randomText(next, length) + "-");
      const made = new MurmurPrefixes(prefixes, seed);
      for (let length = 0; length < 270; length++) {
        const plain = length % 3 === 0;
        const text = plain ? "x".repeat(length) : randomText(next, length);
        assertEquals(
          Array.from(made.hash(text)),
          prefixes.map((prefix) => murmur3(prefix + text, seed)),
          JSON.stringify({ seed, prefixes, text }),
        );
        checked++;
      }
    }
  }
  assertEquals(checked, 4 * 4 * 270);
});

test("MurmurPrefixes.hash() leaves nothing behind for a shorter text", () => {
  const made = new MurmurPrefixes(["a", "bb", "ccc", "dddd"], 0);
  for (let length = 256; length >= 0; length--) {
    const text = "\xff".repeat(length);
    const [a, b, c, d] = made.hash(text);
    assertEquals([a, b, c, d], [
      murmur3(`a${text}`),
      murmur3(`bb${text}`),
      murmur3(`ccc${text}`),
      murmur3(`dddd${text}`),
    ]);
  }
});

test("MurmurPrefixes.hash() takes lone surrogates as murmur3() does", () => {
  const made = new MurmurPrefixes(["\u{1f600}-", "\ufffd-", "-"], 7);
  for (const text of ["\ud800", "\udc00\ud800", "abc\ud83d\ude00d\ud83d"]) {
    assertEquals(Array.from(made.hash(text)), [
      murmur3(`\u{1f600}-${text}`, 7),
      murmur3(`\ufffd-${text}`, 7),
      murmur3(`-${text}`, 7),
    ]);
  }
});
