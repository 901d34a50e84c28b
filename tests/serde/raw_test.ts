import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { MemcacheSerdeError } from "../../src/errors.ts";
import { rawSerde } from "../../src/serde/raw.ts";
import { FROM_VIEW, type ViewSerde } from "../../src/serde/serde.ts";
import { textSerde } from "../../src/serde/text.ts";
import type { Serialized } from "../../src/types.ts";
import { test } from "../_runtime.ts";
import { encode, random, randomBytes, randomText, readText } from "./_cases.ts";

/** Shows the bytes to the serde in the middle of a buffer. */
function view(serde: unknown, data: Uint8Array, flags: number): unknown {
  const buffer = new Uint8Array(data.length + 4).fill(0xff);
  buffer.set(data, 2);
  const end = data.length + 2;
  // Every serde of ours has the shortcut.
  const own = serde as ViewSerde;
  const value = own[FROM_VIEW]("k", buffer, 2, end, flags, readText);
  buffer.fill(0);
  return value;
}

test("rawSerde stores bytes and strings as they are with flags 0", () => {
  const bytes = new Uint8Array([0, 13, 10, 255]);
  const stored = rawSerde.serialize("k", bytes) as Serialized;
  assertStrictEquals(stored.data, bytes);
  assertEquals(stored.flags, 0);
  assertEquals(rawSerde.serialize("k", "h\u00e9"), {
    data: "h\u00e9",
    flags: 0,
  });
});

test("rawSerde reads bytes whatever the flags", () => {
  const next = random(30);
  for (const flags of [0, 1, 2, 8, 16, 32, 0xffffffff]) {
    for (const length of [0, 1, 100, 5000]) {
      const data = randomBytes(next, length);
      assertStrictEquals(rawSerde.deserialize("k", data, flags), data);
      assertEquals(view(rawSerde, data, flags), data);
    }
  }
});

test("rawSerde refuses other values", () => {
  const others = [1, 1n, null, undefined, true, {}, [], new Uint16Array(1)];
  for (const value of [...others, "\ud800"]) {
    const error = assertThrows(
      () => (rawSerde as ViewSerde).serialize("k", value),
      MemcacheSerdeError,
      "Cannot store value: ",
    );
    assertEquals(error.key, "k");
  }
});

test("textSerde gives random strings back, flags 0", () => {
  const next = random(31);
  for (let i = 0; i < 500; i++) {
    const text = randomText(next, next(50));
    const { data, flags } = textSerde.serialize("k", text) as Serialized;
    assertEquals(flags, 0);
    assertStrictEquals(textSerde.deserialize("k", encode(data), i), text);
    assertStrictEquals(view(textSerde, encode(data), i), text);
  }
});

test("textSerde keeps a byte order mark and a replacement character", () => {
  for (const text of ["\ufeff", "\ufeffa", "a\ufffd", "\ufffd", "\uf000"]) {
    assertStrictEquals(textSerde.deserialize("k", encode(text), 0), text);
    assertStrictEquals(view(textSerde, encode(text), 0), text);
  }
});

test("textSerde refuses what is no string", () => {
  const others = [1, null, undefined, {}, new Uint8Array(1), Object("s")];
  for (const value of [...others, "\ud800"]) {
    assertThrows(
      () => (textSerde as ViewSerde).serialize("k", value),
      MemcacheSerdeError,
      "Cannot store value: ",
    );
  }
});

test("textSerde throws for bytes that are not UTF-8", () => {
  const cases = [[0xff], [0x61, 0xc3], [0xed, 0xa0, 0x80], [0xef, 0xbb, 0x61]];
  for (const bytes of cases) {
    const data = new Uint8Array(bytes);
    for (
      const read of [
        () => textSerde.deserialize("k", data, 0),
        () => view(textSerde, data, 0),
      ]
    ) {
      const error = assertThrows(read, MemcacheSerdeError, "not UTF-8");
      assertEquals(error.key, "k");
    }
  }
});
