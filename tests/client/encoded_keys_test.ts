import { assertEquals } from "@std/assert";
import { decodeKey, withoutPrefix } from "../../src/client/encoded_keys.ts";
import { test } from "../_runtime.ts";
import { Random } from "../wire/_random.ts";

const bytes = (...all: number[]): Uint8Array => Uint8Array.from(all);

/** What memcached writes down, and the key that it means. */
const KEYS: ReadonlyArray<
  readonly [text: string, key: string | Uint8Array | undefined]
> = [
  ["a", "a"],
  ["key%3A000001", "key:000001"],
  ["foo%20b", "foo b"],
  ["a%25b%3D", "a%b="],
  ["%C3%A4", "ä"],
  ["%c3%a4", "ä"],
  ["%EF%BB%BFa", "\ufeffa"],
  ["%F0%9F%98%80", "😀"],
  ["%FF%FE", bytes(255, 254)],
  ["a%C3", bytes(97, 0xc3)],
  ["%ED%A0%80", bytes(0xed, 0xa0, 0x80)],
  ["%00%01", "\0\x01"],
  ["ü%20", "ü "],
  ["", undefined],
  ["%", undefined],
  ["a%2", undefined],
  ["%G0", undefined],
  ["%+1", undefined],
  ["% 1", undefined],
];

test("decodeKey() reads keys as memcached writes them", () => {
  for (const [text, key] of KEYS) assertEquals(decodeKey(text), key, text);
});

test("decodeKey() gives back what was encoded", () => {
  const random = new Random(3);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for (let round = 0; round < 2000; round++) {
    const key = new Uint8Array(1 + random.below(250));
    const plain = random.below(2) === 0;
    for (let i = 0; i < key.length; i++) {
      key[i] = plain ? 1 + random.below(126) : random.below(256);
    }
    const text = Array.from(key, (byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9._~-]/.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    }).join("");
    const found = decodeKey(text);
    const back = typeof found === "string" ? encoder.encode(found) : found;
    assertEquals(back, key);
    let isText = true;
    try {
      decoder.decode(key);
    } catch {
      isText = false;
    }
    assertEquals(typeof found === "string", isText);
  }
});

test("withoutPrefix() takes a prefix off, and refuses other keys", () => {
  const cases: ReadonlyArray<
    [string | Uint8Array, string, string | Uint8Array | undefined]
  > = [
    ["app:a", "app:", "a"],
    ["app:", "app:", ""],
    ["apple", "app:", undefined],
    ["a", "app:", undefined],
    ["a", "", "a"],
    ["ü:a", "ü:", "a"],
    [bytes(1, 255), "", bytes(1, 255)],
    [bytes(97, 58, 255), "a:", bytes(255)],
    [bytes(0xc3, 0xa4, 255), "ä", bytes(255)],
    [bytes(97, 255), "a:", undefined],
    [bytes(97), "a:", undefined],
  ];
  for (const [key, prefix, rest] of cases) {
    assertEquals(withoutPrefix(key, prefix), rest);
  }
});
