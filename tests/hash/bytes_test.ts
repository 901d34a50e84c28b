import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { crc32 } from "../../src/hash/crc32.ts";
import { md5, md5Word } from "../../src/hash/md5.ts";
import { oneAtATime } from "../../src/hash/one_at_a_time.ts";
import { test } from "../_runtime.ts";
import { bytes, readVectors } from "../_vectors.ts";
import { random, randomBytes, randomText } from "../serde/_cases.ts";

const { cases } = readVectors<{
  cases: {
    in: string;
    md5: string;
    crc32: number;
    libhashkit: { default: number; md5: number };
  }[];
}>("hash_bytes.json");

function hex(words: Int32Array): string {
  const digest = new DataView(new ArrayBuffer(16));
  words.forEach((word, i) => digest.setInt32(4 * i, word, true));
  return Array.from(
    new Uint8Array(digest.buffer),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}

test("crc32(), md5() and oneAtATime() hash bytes as recorded", () => {
  for (const item of cases) {
    const data = bytes(item.in);
    assertEquals(crc32(data), item.crc32);
    assertEquals(hex(md5(data)), item.md5);
    assertEquals(md5Word(data), item.libhashkit.md5);
    assertEquals(oneAtATime(data), item.libhashkit.default);
  }
  assertEquals(cases.length, 117);
});

test("crc32(), md5() and oneAtATime() hash text as its UTF-8", () => {
  const next = random(62);
  const texts = Array.from({ length: 150 }, (_, i) => "k".repeat(i));
  for (let i = 0; i < 300; i++) texts.push(randomText(next, next(80)));
  // One that is not ASCII at each place of a block, and a lone surrogate.
  for (let i = 0; i < 8; i++) texts.push("a".repeat(i) + "\x80\u20ac");
  texts.push("\ud800", "abc\udc00");
  for (const text of texts) {
    const utf8 = new TextEncoder().encode(text);
    assertEquals(crc32(text), crc32(utf8), text);
    assertEquals(md5Word(text), md5Word(utf8), text);
    assertEquals(oneAtATime(text), oneAtATime(utf8), text);
  }
});

test("md5() agrees with the runtime's own at every length", () => {
  const next = random(63);
  for (let length = 0; length < 300; length++) {
    const data = randomBytes(next, length);
    const want = createHash("md5").update(data).digest("hex");
    assertEquals(hex(md5(data)), want, `${length}`);
    const text = String.fromCharCode(...data.map((byte) => byte & 0x7f));
    assertEquals(
      hex(md5(text)),
      createHash("md5").update(text).digest("hex"),
      `${length} characters`,
    );
  }
});
