import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { inspect } from "node:util";
import { MemcacheSerdeError } from "../../src/errors.ts";
import { jsonSerde } from "../../src/serde/json.ts";
import { FROM_VIEW, type ViewSerde } from "../../src/serde/serde.ts";
import type { Serialized } from "../../src/types.ts";
import { test } from "../_runtime.ts";
import { encode, random, randomBytes, randomText, readText } from "./_cases.ts";

const KEY = "the-key";

function write(value: unknown): { data: Uint8Array; flags: number } {
  const { data, flags } = jsonSerde.serialize(KEY, value) as Serialized;
  return { data: encode(data), flags };
}

/** Reads stored bytes in both ways, and sees that both give the same. */
function read(data: Uint8Array | string, flags: number): unknown {
  const stored = new Uint8Array(encode(data));
  const at = 3;
  const buffer = new Uint8Array(stored.length + 7).fill(0x39);
  buffer.set(stored, at);
  const end = at + stored.length;
  const serde = jsonSerde as ViewSerde;
  let whole: unknown;
  let failure: unknown;
  try {
    whole = serde.deserialize(KEY, stored, flags);
  } catch (error) {
    failure = error;
  }
  if (failure !== undefined) {
    const error = assertThrows(
      () => serde[FROM_VIEW](KEY, buffer, at, end, flags, readText),
      MemcacheSerdeError,
    );
    assertEquals(error.message, (failure as Error).message);
    throw failure;
  }
  const viewed = serde[FROM_VIEW](KEY, buffer, at, end, flags, readText);
  assertEquals(viewed, whole);
  return whole;
}

const LONG = "9".repeat(100_000);

const STORED: [name: string, value: unknown, data: string, flags: number][] = [
  ["empty string", "", "", 16],
  ["string", "hello", "hello", 16],
  ["digits as string", "42", "42", 16],
  ["unicode", "h\u00e9 \u65e5 \u{1f600}", "h\u00e9 \u65e5 \u{1f600}", 16],
  ["byte order mark", "\ufeffx", "\ufeffx", 16],
  ["replacement character", "a\ufffdb", "a\ufffdb", 16],
  ["line ends and nul", "a\r\nEND\r\n\0", "a\r\nEND\r\n\0", 16],
  ["zero", 0, "0", 2],
  ["negative zero", -0, "-0", 2],
  ["integer", -5, "-5", 2],
  ["greatest safe integer", 2 ** 53 - 1, "9007199254740991", 2],
  ["least safe integer", -(2 ** 53 - 1), "-9007199254740991", 2],
  ["past the safe integers", 2 ** 53, "9007199254740992", 32],
  ["1e21", 1e21, "1e+21", 32],
  ["greatest number", Number.MAX_VALUE, "1.7976931348623157e+308", 32],
  ["fraction", 1.5, "1.5", 32],
  ["bigint", 5n, "5", 4],
  ["zero bigint", 0n, "0", 4],
  ["bigint past 64 bits", -(2n ** 70n), "-1180591620717411303424", 4],
  ["longest bigint", -BigInt(LONG), `-${LONG}`, 4],
  ["null", null, "null", 32],
  ["true", true, "true", 32],
  ["false", false, "false", 32],
  ["array", [1, "a", null, [true]], '[1,"a",null,[true]]', 32],
  ["object", { a: { b: [] }, c: "\ud800" }, '{"a":{"b":[]},"c":"\\ud800"}', 32],
];

test("jsonSerde stores values by type and gives them back", () => {
  for (const [name, value, data, flags] of STORED) {
    const stored = write(value);
    assertEquals(stored, { data: encode(data), flags }, name);
    const back = read(stored.data, stored.flags);
    assertEquals(typeof back, typeof value, name);
    if (typeof value === "object") assertEquals(back, value, name);
    else assert(Object.is(back, value), name);
  }
});

test("jsonSerde stores bytes and subclasses of Uint8Array as they are", () => {
  class Sub extends Uint8Array {}
  const inputs: Uint8Array[] = [
    new Uint8Array([0, 255, 13, 10]),
    new Sub([1, 2]),
    Buffer.from("buffer"),
    new Uint8Array(0),
  ];
  for (const bytes of inputs) {
    const stored = jsonSerde.serialize(KEY, bytes) as Serialized;
    assertStrictEquals(stored.data, bytes);
    assertEquals(stored.flags, 0);
    assertEquals(read(bytes, 0), new Uint8Array(bytes));
  }
});

test("jsonSerde writes what JSON's users count on", () => {
  class User {
    name = "Ann";
    #secret = 1;
    greet(): number {
      return this.#secret;
    }
  }
  function Old(this: { x: number }): void {
    this.x = 1;
  }
  Old.prototype.method = () => {};
  const inherited = Object.create({ f: () => {} });
  inherited.own = 1;
  const cases: [unknown, unknown][] = [
    [{ a: undefined, b: 1 }, { b: 1 }],
    [new User(), { name: "Ann" }],
    [Reflect.construct(Old, []), { x: 1 }],
    [inherited, { own: 1 }],
    [Object.assign(Object.create(null), { n: 1 }), { n: 1 }],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [{ at: new Date(0) }, { at: "1970-01-01T00:00:00.000Z" }],
    [{ toJSON: () => [1, 2] }, [1, 2]],
    [new URL("http://a/"), "http://a/"],
    [Object.assign(new Map(), { toJSON: () => "map" }), "map"],
    [Object("boxed"), "boxed"],
  ];
  for (const [value, back] of cases) {
    const stored = write(value);
    assertEquals(stored.flags, 32);
    assertEquals(read(stored.data, 32), back);
  }
});

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}
const cycle: Record<string, unknown> = {};
cycle.self = { cycle };

const REFUSED: [name: string, value: unknown, says: string][] = [
  ["lone surrogate", "a\ud800", "toWellFormed"],
  ["low surrogate first", "\udc00\ud800", "toWellFormed"],
  ["NaN", NaN, "NaN"],
  ["Infinity", Infinity, "infinity"],
  ["-Infinity", -Infinity, "infinity"],
  ["NaN inside", { a: [NaN] }, "NaN"],
  ["undefined", undefined, "undefined"],
  ["undefined in an array", [1, undefined], "undefined"],
  // deno-lint-ignore no-sparse-arrays
  ["a hole in an array", [1, , 2], "undefined"],
  ["function", () => {}, "function"],
  ["class", class {}, "function"],
  ["function inside", { a: 1, f: () => {} }, "function"],
  ["symbol", Symbol("s"), "symbol"],
  ["symbol inside", [Symbol.iterator], "symbol"],
  ["cycle", cycle, "contains itself"],
  ["too deep", nested(1e5), "nested too deeply"],
  ["bigint inside", { n: 1n }, "bigint"],
  ["bigint too long", 10n ** 100_000n, "at most 100000"],
  ["toJSON giving undefined", { toJSON: () => undefined }, "toJSON"],
  ["toJSON that throws", {
    toJSON: () => {
      throw new Error("no");
    },
  }, "toJSON"],
  ["invalid Date", new Date(NaN), "Date"],
  ["Map", new Map([[1, 2]]), "Map"],
  ["Set inside", { tags: new Set(["a"]) }, "Set"],
  ["Promise", Promise.resolve(1), "await"],
  ["RegExp", /x/, "RegExp"],
  ["Error", new TypeError("x"), "Error"],
  ["WeakMap", new WeakMap(), "WeakMap"],
  ["iterator", [1].values(), "Iterator"],
  ["ArrayBuffer", new ArrayBuffer(8), "ArrayBuffer"],
  ["SharedArrayBuffer", new SharedArrayBuffer(8), "SharedArrayBuffer"],
  ["DataView", new DataView(new ArrayBuffer(8)), "DataView"],
  ["Float64Array", new Float64Array(2), "typed array"],
  ["Uint8ClampedArray", new Uint8ClampedArray(2), "typed array"],
  ["bytes inside", { bytes: new Uint8Array(2) }, "typed array"],
];

test("jsonSerde refuses values that would come back as others", () => {
  for (const [name, value, says] of REFUSED) {
    const error = assertThrows(
      () => jsonSerde.serialize(KEY, value),
      MemcacheSerdeError,
      says,
      name,
    );
    assertEquals(error.code, "ERR_SERDE", name);
    assertEquals(error.key, KEY, name);
    assertStringIncludes(error.message, "Cannot store value: ", name);
  }
  const error = assertThrows(
    () => jsonSerde.serialize(KEY, cycle),
    MemcacheSerdeError,
  );
  assertInstanceOf(error.cause, TypeError);
});

const READ: [flags: number, data: string, value: unknown][] = [
  [2, "42", 42],
  [2, "-7", -7],
  [2, "+3", 3],
  [2, "007", 7],
  [2, "000", 0],
  [2, "99 ", 99],
  [2, " 5\r\n", 5],
  [2, "9      ", 9],
  [2, "9007199254740991", 9007199254740991],
  [2, "9007199254740992", 9007199254740992n],
  [2, "-9007199254740993", -9007199254740993n],
  [2, "18446744073709551615", 18446744073709551615n],
  [2, "0000000000000000000000000000007", 7],
  [4, "42", 42n],
  [4, "99 ", 99n],
  [4, "-0", 0n],
  [32, " [1] ", [1]],
  // Of several bits the first in the registry's order decides.
  [16 | 2 | 4 | 32 | 1, "5", "5"],
  [2 | 4 | 32 | 1, "5", 5],
  [4 | 32 | 1, "5", 5n],
  [32 | 1, "5", 5],
  [4294967295, "x", "x"],
  [0x80000000 + 2, "5", 5],
  [0x40, "x", encode("x")],
  [0x10000, "x", encode("x")],
  // The compression bit is not jsonSerde's.
  [8, "x", encode("x")],
  [8 | 16, "x", "x"],
];

test("jsonSerde reads by flags", () => {
  for (const [flags, data, value] of READ) {
    assertEquals(read(data, flags), value, `${data} with flags ${flags}`);
  }
});

const UNREADABLE: [flags: number, data: Uint8Array | string, says: string][] = [
  [16, new Uint8Array([0xff]), "not UTF-8"],
  [16, new Uint8Array([0x61, 0xed, 0xa0, 0x80]), "not UTF-8"],
  [16, new Uint8Array([0xef, 0xbb]), "not UTF-8"],
  [16 | 8, new Uint8Array([0x78, 0x9c]), "compressedSerde()"],
  [2, "", "decimal"],
  [2, " ", "decimal"],
  [2, "-", "decimal"],
  [2, "+-1", "decimal"],
  [2, "1.5", "decimal"],
  [2, "1e3", "decimal"],
  [2, "0x10", "decimal"],
  [2, "1_000", "decimal"],
  [2, "1 2", "decimal"],
  [2, "12/", "decimal"],
  [2, "\u0663", "decimal"],
  [2 | 8, "x\x9c", "compressedSerde()"],
  [4, "12L", "decimal"],
  [4, "1" + LONG, "1 to 100000"],
  [32, "", "not"],
  [32, "{", "JSON"],
  [32, "\ufeff1", "JSON"],
  [32, "NaN", "JSON"],
  [32 | 8, "x", "compressedSerde()"],
  [32, new Uint8Array([0x22, 0xff, 0x22]), "not UTF-8"],
  [1, "\x80\x02\x88.", "pickle"],
  [1, "", "pickle"],
  [1 | 64, "x", "pickle"],
];

test("jsonSerde throws a typed error for what it cannot read", () => {
  for (const [flags, data, says] of UNREADABLE) {
    const error = assertThrows(
      () => read(data, flags),
      MemcacheSerdeError,
      says,
      `flags ${flags}`,
    );
    assertEquals(error.key, KEY);
    assertStringIncludes(error.message, "Cannot read value: ");
  }
});

test("jsonSerde shows no stored value in an error", () => {
  for (const flags of [1, 2, 4, 16, 32]) {
    const secret = encode("hunter2!");
    const data = flags === 16 ? new Uint8Array([...secret, 0xff]) : secret;
    const error = assertThrows(() => read(data, flags), MemcacheSerdeError);
    assert(!inspect(error, { depth: 9 }).includes("hunter2"), `${flags}`);
  }
});

test("jsonSerde keeps bytes that it is given and copies those it is shown", () => {
  const data = new Uint8Array([1, 2, 3]);
  assertStrictEquals(jsonSerde.deserialize(KEY, data, 0), data);
  const serde = jsonSerde as ViewSerde;
  for (const length of [0, 1, 48, 49, 1024, 1025, 20_000]) {
    const buffer = new Uint8Array(length + 2).fill(7);
    const get = () =>
      serde[FROM_VIEW](KEY, buffer, 1, length + 1, 0, readText) as Uint8Array;
    const first = get();
    buffer.fill(8);
    const second = get();
    buffer.fill(9);
    assertNotStrictEquals(first, second);
    assertEquals(first, new Uint8Array(length).fill(7));
    assertEquals(second, new Uint8Array(length).fill(8));
    assertEquals(first.byteOffset % 8, 0);
  }
});

test("jsonSerde goes on after a caller has transferred a value's buffer", () => {
  const serde = jsonSerde as ViewSerde;
  const buffer = new Uint8Array([1, 2, 3, 4]);
  const get = () => serde[FROM_VIEW](KEY, buffer, 0, 4, 0, readText);
  const value = get() as Uint8Array;
  structuredClone(null, { transfer: [value.buffer as ArrayBuffer] });
  assertEquals(value.length, 0);
  assertEquals(get(), buffer);
  assertEquals(get(), buffer);
});

function randomValue(next: (below: number) => number, depth: number): unknown {
  switch (next(depth > 0 ? 9 : 7)) {
    case 0:
      return randomText(next, next(40));
    case 1:
      return next(2 ** 32) * (next(2) ? 1 : -1);
    case 2:
      return (next(2 ** 32) - 2 ** 31) * 2 ** (next(1900) - 950) || 0;
    case 3:
      return next(2) === 1;
    case 4:
      return null;
    case 5:
      return next(2 ** 32) * 2 ** 21 + next(2 ** 21);
    case 6:
      return "";
    case 7:
      return Array.from(
        { length: next(5) },
        () => randomValue(next, depth - 1),
      );
    default:
      return Object.fromEntries(
        Array.from(
          { length: next(5) },
          () => [randomText(next, 3), randomValue(next, depth - 1)],
        ),
      );
  }
}

test("jsonSerde gives random values back", () => {
  const next = random(20);
  for (let i = 0; i < 2000; i++) {
    let value = randomValue(next, 3);
    const kind = next(8);
    if (kind === 0) value = randomBytes(next, next(2000));
    if (kind === 1) {
      value = BigInt.asIntN(next(200), BigInt(next(2 ** 32)) ** 7n);
    }
    const { data, flags } = write(value);
    const back = read(data, flags);
    assertEquals(back, value, `case ${i}`);
    assertEquals(typeof back, typeof value, `case ${i}`);
  }
});

test("jsonSerde meets random bytes and flags with a value or its own error", () => {
  const next = random(21);
  let values = 0;
  for (let i = 0; i < 5000; i++) {
    const flags = next(3) === 0 ? next(2 ** 32) : next(64);
    const data = next(2) === 0
      ? randomBytes(next, next(12))
      : encode('0123456789 -+.{}[]"ae,'.slice(next(22), next(24)));
    try {
      assert(read(data, flags) !== undefined);
      values++;
    } catch (error) {
      assertInstanceOf(error, MemcacheSerdeError);
    }
  }
  assert(values > 1000 && values < 4000, `${values}`);
});
