/**
 * What `structuredSerde` refuses: too deep, too large, or not to be carried.
 */
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { inspect } from "node:util";
import { MemcacheSerdeError } from "../../src/errors.ts";
import { structuredSerde } from "../../src/structured/mod.ts";
import { test } from "../_runtime.ts";
import { encode } from "../serde/_cases.ts";
import { difference } from "./_graphs.ts";
import { FLAG, KEY, read, write } from "./_stored.ts";

function nested(depth: number, wrap: (value: unknown) => unknown): unknown {
  let value: unknown = [];
  for (let i = 1; i < depth; i++) value = wrap(value);
  return value;
}

test("structuredSerde nests up to 500 deep, and no deeper", () => {
  const wraps: ((value: unknown) => unknown)[] = [
    (value) => [value],
    (value) => [1, [], value],
    (value) => ({ a: {}, value, b: [] }),
    (value) => new Map([[{}, value]]),
    (value) => new Map([[value, 1]]),
    (value) => new Set([1, [], value]),
    (value) => new Error("x", { cause: value }),
  ];
  for (const [i, wrap] of wraps.entries()) {
    // A key of a Map that is an object is a level, too.
    const depth = i === 3 ? 250 : 500;
    const value = nested(depth, wrap);
    const { data, flags } = write(value);
    const judged = i < 6 ? structuredClone(value) : value;
    assertEquals(difference(read(data, flags), judged), undefined, `${i}`);
    assertThrows(
      () => write(nested(501, wrap)),
      MemcacheSerdeError,
      "more than 500 deep",
    );
  }
});

test("structuredSerde takes any number of objects side by side", () => {
  const many = Array.from({ length: 2000 }, (_, i) => ({ i, list: [[i]] }));
  const values: unknown[] = [
    many,
    new Set(many),
    new Map(many.map((object, i) => [i, object])),
    new Map(many.map((object) => [object, [object, new Set([object])]])),
    Object.fromEntries(many.entries()),
    Object.assign([], { 5000: {}, 9000: many, 9001: {} }),
    many.map((object) => new Error("x", { cause: object })),
  ];
  for (const [i, value] of values.entries()) {
    const { data, flags } = write(value);
    const judged = i < 6 ? structuredClone(value) : value;
    assertEquals(difference(read(data, flags), judged), undefined, `${i}`);
  }
});

function transferred(): ArrayBuffer {
  const buffer = new ArrayBuffer(8);
  structuredClone(null, { transfer: [buffer] });
  return buffer;
}

const REFUSED: [name: string, value: unknown, says: string][] = [
  ["function", () => {}, "a function"],
  ["class", class {}, "a function"],
  ["method", { run() {} }, "a function"],
  ["then", { then: () => {} }, "a function"],
  ["symbol", Symbol("s"), "a symbol"],
  ["symbol inside", new Set([Symbol.iterator]), "a symbol"],
  ["boxed symbol", Object(Symbol("s")), "Symbol"],
  ["Promise", [Promise.resolve(1)], "Promise"],
  ["WeakMap", new WeakMap(), "WeakMap"],
  ["WeakSet", new WeakSet(), "WeakSet"],
  ["WeakRef", new WeakRef({}), "WeakRef"],
  ["WeakMap with a property", Object.assign(new WeakMap(), { a: 1 }), "Weak"],
  ["generator", (function* () {})(), "private"],
  ["iterator", [1].values(), "private"],
  ["URL", new URL("http://example.com/"), "an instance of URL"],
  ["AbortController", new AbortController(), "AbortController"],
  ["DOMException", new DOMException("x"), "DOMException"],
  [
    "private instance",
    new (class Vault {
      #gold = 1;
      has(): boolean {
        return this.#gold > 0;
      }
    })(),
    "an instance of Vault",
  ],
  ["SharedArrayBuffer", new SharedArrayBuffer(8), "SharedArrayBuffer"],
  ["view of one", [new Uint8Array(new SharedArrayBuffer(8))], "SharedArray"],
  ["transferred buffer", transferred(), "transferred"],
  ["__proto__", JSON.parse('[{"__proto__":{"a":1}}]'), "__proto__"],
  [
    "__proto__ without a prototype",
    Object.assign(Object.create(null), {
      ["__proto__"]: 1,
    }),
    "__proto__",
  ],
  ["huge bigint", [-(1n << 332_192n)], "332,192 bits"],
  ["sparse array", new Array(2 ** 24 + 1), "16777216 elements"],
  ["sparse arrays", [new Array(2 ** 23), new Array(2 ** 23 + 1)], "16777216"],
  ["long RegExp", new RegExp("a".repeat(16_385)), "16384 characters"],
  [
    "long RegExps",
    [new RegExp("a".repeat(9000)), new RegExp("b".repeat(9000))],
    "16384",
  ],
  ["getter that throws", {
    get a(): never {
      throw new Error("no");
    },
  }, "see the cause"],
  ["a date that is none", Object.create(Date.prototype), "see the cause"],
  ["a map that is none", [Object.create(Map.prototype)], "see the cause"],
];

test("structuredSerde refuses what would come back as something else", () => {
  for (const [name, value, says] of REFUSED) {
    const error = assertThrows(
      () => write(value),
      MemcacheSerdeError,
      says,
      name,
    );
    assertEquals(error.key, KEY, name);
    assertStringIncludes(error.message, "Cannot store value: ", name);
  }
});

test("structuredSerde shows no value in an error", () => {
  const secret = "hunter2";
  for (
    const value of [
      { [secret]: secret, f: () => secret },
      { [secret]: Object.fromEntries([["__proto__", secret]]) },
      new Map([[secret, Symbol(secret)]]),
    ]
  ) {
    const error = assertThrows(() => write(value), MemcacheSerdeError);
    assert(!inspect(error, { depth: 9 }).includes(secret));
  }
  for (
    const text of [
      `["${secret}"`,
      `[["${secret}",1]]`,
      `[["RegExp","(${secret}"]]`,
    ]
  ) {
    const data = encode(`\u0001\u0000${text}`);
    const error = assertThrows(() => read(data, FLAG), MemcacheSerdeError);
    assert(!inspect(error, { depth: 9 }).includes(secret), text);
  }
});

test("structuredSerde holds the largest it takes", () => {
  const values: unknown[] = [
    [(1n << 332_192n) - 1n],
    [-((1n << 332_192n) - 1n)],
    new Array(2 ** 24),
    [new RegExp("a".repeat(16_384))],
  ];
  for (const value of values) {
    const { data, flags } = write(value);
    const back = structuredSerde.deserialize(KEY, data, flags);
    assertEquals(difference(back, value), undefined);
  }
});
