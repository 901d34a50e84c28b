import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { encodeText, LARGE_VALUE, Output } from "../../src/wire/output.ts";
import { test } from "../_runtime.ts";
import { latin1 } from "./_decode.ts";
import { Random } from "./_random.ts";

const utf8 = new TextEncoder();

/** Texts of every width, lengths around the limit where the way of copying changes. */
const TEXTS: readonly string[] = [
  ...["", "k", "\0\x7f", "é", "€", "😀", "日本", "aé", "éa", "a😀b"],
  // A lone surrogate has no UTF-8: TextEncoder puts U+FFFD in its place.
  ...["\ud800", "\udc00a", "a\ud83d", "é\udfff\ud800", "\ud83d\ud83d\ude00"],
  ...[71, 72, 73, 74, 300].flatMap((count) => [
    "x".repeat(count),
    `${"x".repeat(count - 1)}é`,
    `é${"x".repeat(count - 1)}`,
    `${"x".repeat(count - 2)}😀`,
    "é".repeat(count),
    "日".repeat(count),
    `${"x".repeat(count - 1)}\ud800`,
  ]),
];

/** Values as text or bytes, small and around the limit of what is copied. */
const VALUES: ReadonlyArray<string | Uint8Array> = [
  ...TEXTS,
  ...TEXTS.map((text) => utf8.encode(text)),
  ...[9, 10, 99, 100, 9_999, LARGE_VALUE - 1, LARGE_VALUE, 50_000].flatMap(
    (count) => ["x".repeat(count), new Uint8Array(count).fill(120)],
  ),
  ...["é".repeat(5), `${"x".repeat(8)}é`, "é".repeat(50), "日".repeat(34)],
  ...["é".repeat(LARGE_VALUE - 1), "é".repeat(LARGE_VALUE), "日".repeat(9000)],
];

/** What an output has in it, the large value included. */
function written(out: Output): string {
  const large = out.large === undefined ? "" : `${latin1(out.large)}\r\n`;
  return latin1(out.view()) + large;
}

/** Bytes as text; `TextEncoder` is what all is compared with. */
function encoded(text: string): string {
  return latin1(utf8.encode(text));
}

/** Outputs whose memory ends early, late, and in the middle of all. */
function outputs(): Output[] {
  return [0, 1, 7, 100, 70_000].map((size) => new Output(new Uint8Array(size)));
}

test("text() writes UTF-8", () => {
  for (const text of TEXTS) {
    for (const out of outputs()) {
      out.text("<");
      out.text(text);
      out.text(">");
      assertEquals(written(out), encoded(`<${text}>`));
    }
  }
  const all = new Output(new Uint8Array(0));
  for (const text of TEXTS) all.text(text);
  assertEquals(written(all), TEXTS.map(encoded).join(""));
});

test("encodeText() gives UTF-8", () => {
  for (const text of TEXTS) {
    assertEquals(latin1(encodeText(text)), encoded(text));
  }
});

test("keyed() writes a key between two texts", () => {
  for (const key of ["k", ...TEXTS.filter((text) => text !== "")]) {
    for (
      const [head, tail] of [["mg ", " f v O"], ["get ", "\r\n"], ["", ""]]
    ) {
      for (const out of outputs()) {
        out.byte(60);
        out.keyed(head, key, tail);
        out.byte(62);
        assertEquals(written(out), encoded(`<${head}${key}${tail}>`));
      }
    }
  }
});

test("uint() writes what String() says", () => {
  const random = new Random(8);
  const numbers = [0, 1, 9, 10, 11, 99, 100, 101, 2 ** 53 - 2, 2 ** 53 - 1];
  for (let power = 1; power < 2 ** 53; power *= 10) {
    numbers.push(power - 1, power, power + 1);
  }
  for (let power = 1; power <= 2 ** 53; power *= 2) {
    numbers.push(power - 1, power);
  }
  for (let i = 0; i < 20_000; i++) {
    const size = 2 ** random.below(54);
    const high = Math.floor(random.bits() / 2 ** 11) * 2 ** 32;
    numbers.push((high + random.bits()) % size);
  }
  const out = new Output(new Uint8Array(0));
  for (const number of numbers) {
    out.clear();
    out.uint(number);
    const text = written(out);
    if (text !== String(number)) assertEquals(text, String(number));
  }
  for (const small of outputs()) {
    for (const number of numbers.slice(0, 100)) small.uint(number);
    assertEquals(written(small), numbers.slice(0, 100).join(""));
  }
});

test("byte(), raw() and crlf() write behind one another, and memory grows", () => {
  for (const out of outputs()) {
    let expected = "";
    for (let i = 0; i < 300; i++) {
      out.byte(i & 255);
      out.raw(new Uint8Array(i % 7).fill(i & 255));
      out.crlf();
      expected += String.fromCharCode(i & 255).repeat(1 + i % 7) + "\r\n";
    }
    assertEquals(written(out), expected);
    assertEquals(out.length, expected.length);
    assert(out.bytes.length >= out.length);
    assert(out.bytes.length <= Math.max(70_000, 2 * out.length));
  }
});

test("reserve() keeps what is written and leaves room", () => {
  const out = new Output(new Uint8Array(4));
  out.raw(utf8.encode("abcd"));
  const before = out.bytes;
  out.reserve(0);
  assertStrictEquals(out.bytes, before);
  out.reserve(1);
  assertEquals([out.bytes.length, written(out)], [8, "abcd"]);
  out.reserve(1000);
  assertEquals([out.bytes.length, written(out)], [1004, "abcd"]);
});

test("block() writes the length in bytes, the rest and the value", () => {
  for (const value of VALUES) {
    const data = typeof value === "string" ? encoded(value) : latin1(value);
    for (const rest of ["", " 77 noreply"]) {
      for (const out of outputs()) {
        out.text("set k 0 0 ");
        out.block(value, rest);
        assertEquals(
          written(out),
          `set k 0 0 ${data.length}${rest}\r\n${data}\r\n`,
        );
      }
    }
  }
});

test("block() copies small values and leaves large ones where they are", () => {
  for (const size of [0, 1, LARGE_VALUE - 1, LARGE_VALUE, 10 * LARGE_VALUE]) {
    const value = new Uint8Array(size).fill(120);
    const out = new Output(new Uint8Array(16));
    out.block(value, "");
    const large = size >= LARGE_VALUE;
    assertStrictEquals(out.large, large ? value : undefined);
    assertEquals(out.length, `${size}\r\n`.length + (large ? 0 : size + 2));
    if (!large) {
      // What was copied no longer depends on the caller's memory.
      value.fill(0);
      assertEquals(written(out), `${size}\r\n${"x".repeat(size)}\r\n`);
    }
  }
});

test("clear() forgets what was written and keeps the memory", () => {
  const out = new Output(new Uint8Array(64));
  out.block(new Uint8Array(LARGE_VALUE), "");
  const { bytes } = out;
  out.clear();
  assertEquals([out.length, out.large, out.view().length], [0, undefined, 0]);
  assertStrictEquals(out.bytes, bytes);
  out.text("again");
  assertEquals(written(out), "again");
});
