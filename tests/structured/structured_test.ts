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
import { compressedSerde } from "../../src/serde/compressed.ts";
import { jsonSerde } from "../../src/serde/json.ts";
import { structuredSerde } from "../../src/structured/mod.ts";
import type { Serialized } from "../../src/types.ts";
import { test } from "../_runtime.ts";
import { encode } from "../serde/_cases.ts";
import { difference, ERRORS, makeView, VIEWS } from "./_graphs.ts";
import { FLAG, KEY, read, write } from "./_stored.ts";

function cycle(): unknown {
  const parent: Record<string, unknown> = { children: [] };
  (parent.children as unknown[]).push({ parent }, { parent });
  return parent;
}

function shared(): unknown {
  const date = new Date(86_400_000);
  return [date, date, new Map([[date, new Set([date])]])];
}

function views(): unknown {
  const buffer = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 255]).buffer;
  const names = VIEWS.filter((name) => name !== "Float16Array");
  return [
    buffer,
    ...names.map((name) => makeView(name, buffer)),
    new DataView(buffer),
    new Uint8Array(buffer, 2, 3),
  ];
}

function failed(): unknown {
  const error = new RangeError("too far", { cause: { at: 7 } });
  return { error, again: error, other: new SyntaxError() };
}

/** A character stands for a byte: the same bytes on every runtime, for ever. */
const STORED: [name: string, make: () => unknown, bytes: string][] = [
  ["undefined", () => undefined, "\x01\x00-1"],
  ["NaN", () => NaN, "\x01\x00-3"],
  ["infinity", () => Infinity, "\x01\x00-4"],
  ["negative infinity", () => -Infinity, "\x01\x00-5"],
  ["lone surrogate", () => "a\ud800", '\x01\x00["a\\ud800"]'],
  [
    "object",
    () => ({ b: 1, a: "é日", "": true, 2: null }),
    '\x01\x00[{"2":1,"b":2,"a":3,"":4},null,1,"\xc3\xa9\xe6\x97\xa5",true]',
  ],
  [
    "strings that need care",
    () => ['<"\\\n\u2028\0', "\ud800", "\u{1f600}"],
    '\x01\x00[[1,2,3],"\\u003C\\"\\\\\\n\\u2028\\u0000","\\ud800","\xf0\x9f\x98\x80"]',
  ],
  [
    "numbers",
    () => [0, -0, NaN, -Infinity, 0.1, 1e21, 5e-324, 2 ** 53],
    "\x01\x00[[1,-6,-3,-5,2,3,4,5],0,0.1,1e+21,5e-324,9007199254740992]",
  ],
  [
    "bigints",
    () => [0n, -5n, 2n ** 64n],
    '\x01\x00[[1,2,3],["BigInt","0"],["BigInt","-5"],["BigInt","18446744073709551616"]]',
  ],
  ["holes", () => [1, undefined, , 3, ,], "\x01\x00[[1,-1,-2,2,-2],1,3]"],
  [
    "sparse array",
    () => Object.assign([], { 1000: "x", length: 5000 }),
    '\x01\x00[[-7,5000,1000,1],"x"]',
  ],
  [
    "Map",
    () => new Map<unknown, unknown>([["a", 1], [{ k: 1 }, new Map()]]),
    '\x01\x00[["Map",1,2,3,4],"a",1,{"k":2},["Map"]]',
  ],
  ["Set", () => new Set([1, "a", undefined]), '\x01\x00[["Set",1,2,-1],1,"a"]'],
  [
    "dates",
    () => [
      new Date(0),
      new Date(NaN),
      new Date(-62198755200000),
      new Date(8.64e15),
    ],
    '\x01\x00[[1,2,3,4],["Date","1970-01-01T00:00:00.000Z"],["Date",""],["Date","-000001-01-01T00:00:00.000Z"],["Date","+275760-09-13T00:00:00.000Z"]]',
  ],
  [
    "RegExp",
    () => [/a\/b\n/gimsuy, new RegExp(""), new RegExp("/\n")],
    '\x01\x00[[1,2,3],["RegExp","a\\\\/b\\\\n","gimsuy"],["RegExp","(?:)"],["RegExp","\\\\/\\\\n"]]',
  ],
  [
    "boxes",
    () => [Object("s"), Object(-0), Object(1n), Object(false)],
    '\x01\x00[[1,3,4,6],["Object",2],"s",["Object",-6],["Object",5],["BigInt","1"],["Object",7],false]',
  ],
  ["cycle", cycle, '\x01\x00[{"children":1},[2,3],{"parent":0},{"parent":0}]'],
  [
    "shared",
    shared,
    '\x01\x00[[1,1,2],["Date","1970-01-02T00:00:00.000Z"],["Map",1,3],["Set",1]]',
  ],
  [
    "views",
    views,
    '\x01\x02\b\x03[[1,2,3,4,5,6,7,8,9,10,11,12,13,14],["ArrayBuffer","AAAAAA=="],["Int8Array",1],["Uint8Array",1],["Uint8ClampedArray",1],["Int16Array",1],["Uint16Array",1],["Int32Array",1],["Uint32Array",1],["Float32Array",1],["Float64Array",1],["BigInt64Array",1],["BigUint64Array",1],["DataView",1],["Uint8Array",15],["ArrayBuffer","AAAAAQ=="]]\x01\x02\x03\x04\x05\x06\x07\xff\x03\x04\x05',
  ],
  [
    "errors",
    failed,
    '\x01\x00[{"error":1,"again":1,"other":6},["null","name",2,"message",3,"cause",4],"RangeError","too far",{"at":5},7,["null","name",7],"SyntaxError"]',
  ],
  [
    "empty objects",
    () => [{}, [], new ArrayBuffer(0)],
    '\x01\x01\x00[[1,2,3],{},[],["ArrayBuffer","AAAAAA=="]]',
  ],
];

test("structuredSerde writes the same bytes on every runtime", () => {
  for (const [name, make, bytes] of STORED) {
    const { data, flags } = write(make());
    assertEquals(Buffer.from(data).toString("latin1"), bytes, name);
    assertEquals(flags, FLAG, name);
    const back = read(data, flags);
    assertEquals(difference(back, make()), undefined, name);
  }
});

const FEW: [name: string, value: unknown][] = [
  ["empty string", ""],
  ["string", "héllo"],
  ["integer", -5],
  ["negative zero", -0],
  ["fraction", 1.5],
  ["large number", 1e300],
  ["bigint", 2n ** 70n],
  ["null", null],
  ["true", true],
  ["false", false],
  ["bytes", new Uint8Array([0, 255])],
  ["Buffer", Buffer.from("buffer")],
];

test("structuredSerde stores plain text, numbers and bytes as jsonSerde does", () => {
  for (const [name, value] of FEW) {
    const stored = structuredSerde.serialize(KEY, value);
    assertEquals(stored, jsonSerde.serialize(KEY, value), name);
  }
});

test("structuredSerde reads other flags as jsonSerde does", () => {
  const cases: [flags: number, data: string, value: unknown][] = [
    [16, "text", "text"],
    [2, "42", 42],
    [4, "42", 42n],
    [32, '{"a":[1]}', { a: [1] }],
    [0, "x", encode("x")],
    [64, "x", encode("x")],
  ];
  for (const [flags, data, value] of cases) {
    assertEquals(read(encode(data), flags), value, `${flags}`);
  }
  assertThrows(() => read(encode("x"), 1), MemcacheSerdeError, "pickle");
  assertThrows(() => read(encode("x"), 2), MemcacheSerdeError, "decimal");
  // Its own flag comes first.
  const { data } = write(new Map());
  assertEquals(read(data, FLAG | 16), new Map());
});

test("structuredSerde carries every kind of view", () => {
  for (const name of [...VIEWS, "DataView"]) {
    const buffer = Uint8Array.from({ length: 24 }, (_, i) => i).buffer;
    for (
      const view of [
        makeView(name, buffer),
        makeView(name, buffer, 8),
        makeView(name, buffer, 8, 1),
        makeView(name, new ArrayBuffer(0)),
      ]
    ) {
      const { data, flags } = write({ view });
      const back = read(data, flags);
      assertEquals(
        difference(back, structuredClone({ view })),
        undefined,
        name,
      );
    }
  }
});

test("structuredSerde stores bytes as bytes, and those of a view only", () => {
  const secret = Buffer.from("hunter2 and more of it");
  const view = secret.subarray(8, 11);
  const { data, flags } = write({ view });
  assert(!Buffer.from(data).toString("latin1").includes("hunter2"));
  const back = read(data, flags) as { view: Uint8Array };
  assertEquals(back.view, new Uint8Array(Buffer.from("and")));
  assertEquals(back.view.buffer.byteLength, 3);
  const large = write({ bytes: new Uint8Array(100_000) });
  assert(large.data.length < 100_100, `${large.data.length} bytes`);
});

test("structuredSerde keeps views of one buffer together", () => {
  const bytes = new Uint8Array(8);
  const value = [bytes, new DataView(bytes.buffer), bytes.buffer];
  const { data, flags } = write(value);
  const back = read(data, flags) as [Uint8Array, DataView, ArrayBuffer];
  back[0][0] = 7;
  assertEquals(back[1].getInt8(0), 7);
  assertStrictEquals(back[0].buffer, back[2]);
  // What is read twice is not shared.
  assertNotStrictEquals((read(data, flags) as unknown[])[2], back[2]);
});

test("structuredSerde gives fixed lengths to resizable buffers", () => {
  const buffer = Reflect.construct(ArrayBuffer, [4, { maxByteLength: 64 }]);
  const { data, flags } = write([new Uint8Array(buffer)]);
  assert(data.length < 60);
  const [back] = read(data, flags) as [Uint8Array];
  assertEquals(back.buffer.byteLength, 4);
  assert(!Reflect.get(back.buffer, "resizable"));
});

test("structuredSerde carries errors without their stacks", () => {
  for (const Class of ERRORS) {
    const { data, flags } = write(new Class("why"));
    assert(!Buffer.from(data).toString().includes("structured_test"));
    const back = read(data, flags) as Error;
    assertInstanceOf(back, Class);
    assertEquals(back.constructor, Class);
    assertEquals([back.name, back.message], [Class.name, "why"]);
    assertEquals(back.stack, `${Class.name}: why`);
    assertEquals(Object.keys(back), []);
    assert(!Object.hasOwn(back, "cause"));
    assertStringIncludes(inspect(back), `${Class.name}: why`);
  }
  class Own extends TypeError {
    code = "E";
    override name = "Own";
  }
  const own = write(new Own("x"));
  const back = read(own.data, own.flags) as Error;
  assertEquals(difference(back, structuredClone(new Own("x"))), undefined);
});

test("structuredSerde carries an error that is its own cause", () => {
  const error = new Error("outer");
  error.cause = { inner: new TypeError("inner", { cause: error }) };
  const { data, flags } = write(error);
  const back = read(data, flags) as Error;
  const { inner } = back.cause as { inner: Error };
  assertStrictEquals(inner.cause, back);
  assertEquals(
    Object.getOwnPropertyDescriptor(back, "cause")?.enumerable,
    false,
  );
});

test("structuredSerde makes plain objects of instances, as structuredClone", () => {
  class Base {
    a = 1;
    get double(): number {
      return this.a * 2;
    }
  }
  class User extends Base {
    name = "Ann";
    #secret = "hunter2";
    [Symbol.iterator] = 1;
    tell(): string {
      return this.#secret;
    }
  }
  class Tags extends Set<string> {
    extra = 1;
  }
  class Named extends Map<number, number> {
    override get [Symbol.toStringTag](): string {
      return "Date";
    }
  }
  class Liar {
    x = 1;
    get [Symbol.toStringTag](): string {
      return "Liar";
    }
  }
  const values: unknown[] = [
    new User(),
    new Tags(["a"]),
    new Named([[1, 2]]),
    new Liar(),
    Object.create(null, { a: { value: 1, enumerable: true } }),
    Object.assign(Object.create({ inherited: 1 }), { own: 1 }),
    {
      get computed(): number {
        return 1;
      },
    },
    { then: 1, toJSON: 2, length: 3, constructor: 4, prototype: 5 },
    { hasOwnProperty: undefined, toString: null, valueOf: 0 },
    Object.defineProperty({}, "hidden", { value: 1 }),
  ];
  for (const [i, value] of values.entries()) {
    const { data, flags } = write(value);
    const back = read(data, flags);
    assertEquals(difference(back, structuredClone(value)), undefined, `${i}`);
  }
});

test("structuredSerde goes on where a getter stores a value meanwhile", () => {
  const value = {
    before: new Map(),
    get inside(): unknown {
      return write(new Set([new Uint8Array([1])])).data;
    },
    after: new Uint8Array([2, 3]),
  };
  const { data, flags } = write(value);
  assertEquals(
    difference(read(data, flags), structuredClone(value)),
    undefined,
  );
});

test("compressedSerde() compresses what structuredSerde makes", () => {
  const serde = compressedSerde({ serde: structuredSerde });
  const values: unknown[] = [
    new Map([["text", "words ".repeat(1000)]]),
    { bytes: new Uint8Array(10_000), text: "é".repeat(300) },
    new Set([1]),
    "words ".repeat(1000),
  ];
  for (const value of values) {
    const { data, flags } = serde.serialize(KEY, value) as Serialized;
    const large = !(value instanceof Set);
    assertEquals(
      flags,
      (typeof value === "string" ? 16 : FLAG) | (large ? 8 : 0),
    );
    assert(data.length < 1000);
    const back = serde.deserialize(KEY, encode(data), flags);
    assertEquals(difference(back, value), undefined);
    if (!large) continue;
    assertThrows(
      () => structuredSerde.deserialize(KEY, encode(data), flags),
      MemcacheSerdeError,
      "compressedSerde()",
    );
  }
});

test("structuredSerde cannot read a kind of view that the runtime lacks", () => {
  const data = encode(
    '\u0001\u0001\u0002[["Float16Array",1],["ArrayBuffer","AAAAAA=="]]\u0000<',
  );
  const serde = structuredSerde;
  if ("Float16Array" in globalThis) {
    const back = serde.deserialize(KEY, data, FLAG) as ArrayLike<number>;
    assertEquals(back[0], 1);
  } else {
    assertThrows(
      () => serde.deserialize(KEY, data, FLAG),
      MemcacheSerdeError,
      "Float16Array",
    );
  }
});
