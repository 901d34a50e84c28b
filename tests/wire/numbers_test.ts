import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import {
  checkDelta,
  checkInteger,
  checkUint32,
  checkUint64,
  describe,
  illegal,
  parseUint,
  parseUint64,
} from "../../src/wire/numbers.ts";
import { test } from "../_runtime.ts";
import { bytes } from "../_vectors.ts";

const MAX64 = 2n ** 64n - 1n;

/** Digits that are read, and the number that they are. */
const NUMBERS: ReadonlyArray<readonly [string, bigint]> = [
  ["0", 0n],
  ["7", 7n],
  ["10", 10n],
  ["007", 7n],
  ["0".repeat(40) + "12", 12n],
  ["1234567890", 1234567890n],
  ["4294967295", 4294967295n],
  ["999999999999999", 999999999999999n],
  ["1000000000000000", 1000000000000000n],
  ["9007199254740991", 9007199254740991n],
  ["9007199254740992", 9007199254740992n],
  ["9007199254740993", 9007199254740993n],
  ["9999999999999999", 9999999999999999n],
  ["10000000000000001", 10000000000000001n],
  ["9223372036854775808", 9223372036854775808n],
  ["10000000000000000000", 10000000000000000000n],
  ["18446744073709551615", MAX64],
  ["00018446744073709551615", MAX64],
];

/** Bytes that are no number of 64 bits. */
const NO_NUMBERS: readonly string[] = [
  "",
  " ",
  "-1",
  "+1",
  " 1",
  "1 ",
  "1\r",
  "1\0",
  "1.0",
  "1e3",
  "0x1f",
  "1_000",
  "1a",
  "/",
  ":",
  "1:",
  "p",
  "\xb0",
  "\xb2\xb3",
  "1234567890123456a",
  "a1234567890123456789",
  "123456789012345678a9",
  "18446744073709551616",
  "99999999999999999999",
  "100000000000000000000",
  "9".repeat(400),
];

test("parseUint() reads digits up to 2^53 - 1", () => {
  for (const [text, number] of NUMBERS) {
    const expected = number <= Number.MAX_SAFE_INTEGER ? Number(number) : -1;
    assertEquals(parseUint(bytes(text), 0, text.length), expected, text);
  }
  for (const text of NO_NUMBERS) {
    assertEquals(parseUint(bytes(text), 0, text.length), -1, text);
  }
});

test("parseUint64() reads digits up to 2^64 - 1", () => {
  for (const [text, number] of NUMBERS) {
    assertEquals(parseUint64(bytes(text), 0, text.length), number, text);
  }
  for (const text of NO_NUMBERS) {
    assertEquals(parseUint64(bytes(text), 0, text.length), undefined, text);
  }
});

test("parseUint() and parseUint64() keep to the range given", () => {
  const line = bytes("VALUE k 12 345\r\n");
  assertEquals(parseUint(line, 8, 10), 12);
  assertEquals(parseUint64(line, 11, 14), 345n);
  // Empty, reversed, with a neighbour, past the end.
  for (
    const [start, end] of [[8, 8], [10, 8], [8, 11], [7, 10], [11, 15]]
  ) {
    assertEquals(parseUint(line, start, end), -1);
    assertEquals(parseUint64(line, start, end), undefined);
  }
  const short = bytes("12");
  assertEquals(parseUint(short, 0, 3), -1);
  assertEquals(parseUint64(short, 0, 20), undefined);
});

test("parseUint64() agrees with BigInt around every power of ten and two", () => {
  for (let power = 0; power <= 64; power++) {
    for (const base of [2n, 10n]) {
      for (let near = -1n; near <= 1n; near++) {
        const number = base ** BigInt(power) + near;
        const text = String(number);
        const expected = number <= MAX64 ? number : undefined;
        assertEquals(parseUint64(bytes(text), 0, text.length), expected);
      }
    }
  }
});

test("parseUint() and parseUint64() refuse every byte that is no digit", () => {
  for (let byte = 0; byte < 256; byte++) {
    const digit = byte >= 48 && byte <= 57;
    for (const at of [0, 5, 17]) {
      const line = bytes("1".repeat(18));
      line[at] = byte;
      assertEquals(parseUint64(line, 0, 18) !== undefined, digit);
      assertEquals(parseUint(line, at, at + 1), digit ? byte - 48 : -1);
    }
  }
});

/** Objects that would throw, or pass for a number, if their code were run. */
function hostile(): object[] {
  function boom(): never {
    throw new Error("a method of the value was called");
  }
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const traps = new Proxy({}, {
    get: boom,
    has: boom,
    getPrototypeOf: boom,
    getOwnPropertyDescriptor: boom,
    ownKeys: boom,
  });
  return [
    { valueOf: boom, toString: boom, [Symbol.toPrimitive]: boom },
    { valueOf: () => 1, toString: () => "1", [Symbol.toPrimitive]: () => 1 },
    Object.defineProperty({}, Symbol.toStringTag, { get: boom }),
    Object.create(null),
    traps,
    revoked.proxy,
    Object(1),
    Object(1n),
    Object("1"),
    [1],
    new Date(1),
  ];
}

/** What no check of a number accepts. */
function neverNumbers(): unknown[] {
  return [
    undefined,
    null,
    true,
    false,
    NaN,
    Infinity,
    -Infinity,
    -1,
    1.5,
    -1n,
    Symbol("1"),
    () => 1,
    ...hostile(),
  ];
}

/** What a text must be free of to be 1 to 20 digits of at most 2^64 - 1. */
const NEVER_TEXTS: readonly string[] = [
  ...NO_NUMBERS,
  "1\n",
  "1 noreply",
  "1\r\nflush_all",
  "\u0661",
  "\uff11",
  "000000000000000000001",
  "Infinity",
  "1n",
];

function refused(run: () => unknown): MemcacheIllegalInputError {
  const error = assertThrows(run, MemcacheIllegalInputError, "Cannot send ");
  assertEquals(error.sent, false);
  assert(error.message.length < 400, error.message);
  return error;
}

test("checkUint32() accepts integers from 0 to 2^32 - 1", () => {
  for (const number of [0, 1, 16, 65535, 65536, 2 ** 31, 2 ** 32 - 1]) {
    assertEquals(checkUint32("flags", number), number);
  }
  assert(Object.is(checkUint32("flags", -0), 0));
});

test("checkUint32() refuses all else", () => {
  for (
    const value of [...neverNumbers(), 2 ** 32, 2 ** 53, 1e300, "1", "", 1n]
  ) refused(() => checkUint32("flags", value));
  const error = refused(() => checkUint32("flags", 1.5, "set"));
  assertEquals(
    error.message,
    "Cannot send flags: 1.5, must be an integer from 0 to 4294967295",
  );
  assertEquals(error.command, "set");
});

test("checkInteger() accepts integers within the bounds", () => {
  for (const number of [-5, -1, 0, 3]) {
    assertEquals(checkInteger("level", number, -5, 3), number);
  }
  assert(Object.is(checkInteger("level", -0, -5, 3), 0));
  assertEquals(
    checkInteger("delay", 2 ** 53 - 1, 0, 2 ** 53 - 1),
    2 ** 53 - 1,
  );
});

test("checkInteger() refuses all else", () => {
  for (const value of [-6, 4, 0.5, NaN, Infinity, "1", 1n, ...hostile()]) {
    refused(() => checkInteger("level", value, -5, 3));
  }
  assertEquals(
    refused(() => checkInteger("level", "1", 0, 3, "verbosity")).message,
    'Cannot send level: "1", must be an integer from 0 to 3',
  );
});

test("checkUint64() accepts safe integers, bigints and digits", () => {
  const cases: ReadonlyArray<readonly [number | bigint | string, string]> = [
    [0, "0"],
    [-0, "0"],
    [42, "42"],
    [2 ** 53 - 1, "9007199254740991"],
    [0n, "0"],
    [2n ** 53n, "9007199254740992"],
    [MAX64, "18446744073709551615"],
    ["0", "0"],
    ["00", "0"],
    ["00000000000000000000", "0"],
    ["42", "42"],
    ["007", "7"],
    ["9999999999999999999", "9999999999999999999"],
    ["09999999999999999999", "9999999999999999999"],
    ["18446744073709551615", "18446744073709551615"],
  ];
  for (const [value, text] of cases) {
    assertEquals(checkUint64("cas", value), text);
    if (typeof value !== "string") assertEquals(checkDelta(value), text);
  }
});

test("checkUint64() refuses all else", () => {
  for (
    const value of [...neverNumbers(), 2 ** 53, 1e300, MAX64 + 1n, 2n ** 9999n]
  ) {
    refused(() => checkUint64("cas", value));
    refused(() => checkDelta(value));
  }
  for (const text of NEVER_TEXTS) refused(() => checkUint64("cas", text));
});

test("checkUint64() and checkDelta() say what would be accepted", () => {
  const range = "from 0 to 18446744073709551615";
  const cases: ReadonlyArray<readonly [() => unknown, string]> = [
    [() => checkUint64("cas", -1), `cas: -1, must be an integer ${range}`],
    [
      () => checkUint64("cas", "0x1"),
      `cas: "0x1", must be 1 to 20 digits, ${range}`,
    ],
    [() => checkDelta(-1n), `delta: -1n, must be an integer ${range}`],
    [() => checkDelta("1"), `delta: "1", must be an integer ${range}`],
    [
      () => checkDelta(2 ** 53),
      `delta: 9007199254740992, must be a bigint ${range} where it is above 9007199254740991`,
    ],
  ];
  for (const [run, message] of cases) {
    assertEquals(refused(run).message, `Cannot send ${message}`);
  }
  assertEquals(refused(() => checkUint64("cas", {}, "cas")).command, "cas");
  assertEquals(refused(() => checkDelta(-1, "incr")).command, "incr");
});

test("checkDelta() refuses texts", () => {
  for (const text of ["1", "0", ...NEVER_TEXTS]) {
    refused(() => checkDelta(text));
  }
});

test("describe() shows values short and on one line", () => {
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    [1.5, "1.5"],
    [-0, "-0"],
    [NaN, "NaN"],
    [-Infinity, "-Infinity"],
    [12n, "12n"],
    [-(2n ** 127n), "-170141183460469231731687303715884105728n"],
    [2n ** 128n, "a bigint of more than 128 bits"],
    [true, "true"],
    [undefined, "undefined"],
    [null, "null"],
    ["", '""'],
    ['a"b\\', '"a\\"b\\\\"'],
    ["a\r\nb\0", '"a\\r\\nb\\u0000"'],
    ["\x7f\x9b\u2028\u202e", '"\\u{7f}\\u{9b}\\u{2028}\\u{202e}"'],
    ["naïve 日本 🙂", '"naïve 日本 🙂"'],
    ["\ud83d", '"\\ud83d"'],
    ["x".repeat(40), `"${"x".repeat(40)}"`],
    ["x".repeat(41), `"${"x".repeat(40)}"… (41 characters)`],
    ["x".repeat(39) + "🙂", `"${"x".repeat(39)}\\ud83d"… (41 characters)`],
    [Symbol("secret"), "a symbol"],
    [() => "secret", "a function"],
    [{ a: 1 }, "an object"],
    [[1, 2], "an array"],
    [new Date(0), "the Date 1970-01-01T00:00:00.000Z"],
    [new Date(NaN), "an invalid Date"],
    [new Proxy(new Date(0), {}), "an object"],
    [Object.create(Date.prototype), "an object"],
  ];
  for (const [value, shown] of cases) assertEquals(describe(value), shown);
});

test("describe() runs no code of the value and never throws", () => {
  for (const value of hostile()) {
    const shown = describe(value);
    assert(/^(an object|an array|the Date .*)$/.test(shown), shown);
  }
  class Liar extends Date {
    override getTime(): number {
      throw new Error("called");
    }
    override toISOString(): string {
      throw new Error("called");
    }
  }
  assertEquals(describe(new Liar(1)), "the Date 1970-01-01T00:00:00.001Z");
});

test("describe() stays short whatever the text", () => {
  for (const unit of ["\0", "\u202e", "\u{e0001}", '"', "🙂"]) {
    assert(describe(unit.repeat(1000)).length < 360, unit);
  }
});

test("illegal() makes the error without throwing it", () => {
  const error = illegal("ttl", "\n", "a number", "touch");
  assertEquals(error.message, 'Cannot send ttl: "\\n", must be a number');
  assertEquals(error.code, "ERR_ILLEGAL_INPUT");
  assertEquals(error.command, "touch");
  assertEquals(error.sent, false);
});
