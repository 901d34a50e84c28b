import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheSerdeError } from "../../src/errors.ts";
import { structuredSerde } from "../../src/structured/mod.ts";
import { test } from "../_runtime.ts";
import { encode } from "../serde/_cases.ts";
import { Random } from "../wire/_random.ts";
import { checkInherited, checkRead, FLAGS, makeDamaged } from "./_damage.ts";

/** Bytes of a text without blocks. */
function plain(text: string): Uint8Array {
  return encode(`\u0001\u0000${text}`);
}

/** Bytes of a text with one block of 4. */
function block(text: string): Uint8Array {
  return encode(`\u0001\u0001\u0004${text}abcd`);
}

const REFUSED: [name: string, bytes: Uint8Array][] = [
  ["nothing", new Uint8Array(0)],
  ["version alone", new Uint8Array([1])],
  ["another version", encode("\u0002\u0000[[]]")],
  ["no text", new Uint8Array([1, 0])],
  ["no count's end", new Uint8Array([1, 0x80])],
  ["a count that lies", encode("\u0001\u007f[[]]")],
  ["a huge count", new Uint8Array([1, ...Array(7).fill(255), 1, 91, 93])],
  [
    "a huge count before a sound text",
    new Uint8Array([1, ...Array(7).fill(255), 91, 91, 93, 93]),
  ],
  ["a long count", new Uint8Array([1, ...Array(200).fill(128), 0])],
  ["a length that lies", encode("\u0001\u0001\u007f[[]]")],
  ["a huge length", new Uint8Array([1, 1, 255, 255, 255, 255, 127, 91, 93])],
  ["lengths that add up to more", encode("\u0001\u0002\u0004\u0004[[]]")],
  ["no UTF-8", new Uint8Array([1, 0, 91, 34, 0xff, 34, 93])],
  ["no JSON", plain("[[1,]]")],
  ["two texts", plain("[[]][[]]")],
  ["an object", plain("{}")],
  ["a string", plain('"x"')],
  ["null", plain("null")],
  ["an index alone", plain("0")],
  ["a hole alone", plain("-2")],
  ["a list of nothing", plain("[]")],
  ["an index out of range", plain("[[1]]")],
  ["an index that is none", plain('[["0"],1]')],
  ["an object in place of an index", plain("[[{}]]")],
  ["an unknown kind", plain('[["Function","return 1"]]')],
  ["a kind of devalue's own", plain('[["URL","http://a/"]]')],
  ["another one", plain('[["Temporal.Instant","2020-01-01T00:00:00Z"]]')],
  ["a kind of Object.prototype", plain('[["constructor",1],1]')],
  ["a kind __proto__", plain('[["__proto__",1],1]')],
  ["a Map without a value", plain('[["Map",1],1]')],
  ["a Date of words", plain('[["Date","tomorrow"]]')],
  ["a Date of another form", plain('[["Date","2020-01-01"]]')],
  ["a Date of a number", plain('[["Date",5]]')],
  ["a bigint of words", plain('[["BigInt","ten"]]')],
  ["a bigint of hex", plain('[["BigInt","0x10"]]')],
  ["a bigint of a number", plain('[["BigInt",10]]')],
  ["a bigint of nothing", plain('[["BigInt",""]]')],
  ["a bigint too long", plain(`[["BigInt","${"9".repeat(100_002)}"]]`)],
  ["a RegExp that is none", plain('[["RegExp","("]]')],
  ["a RegExp with odd flags", plain('[["RegExp","a","gg"]]')],
  ["a RegExp with both u and v", plain('[["RegExp","a","uv"]]')],
  ["a RegExp too long", plain(`[["RegExp","${"a".repeat(16_385)}"]]`)],
  [
    "RegExps too long",
    plain(
      `[[1,2],["RegExp","${"a".repeat(9000)}"],["RegExp","${
        "b".repeat(9000)
      }"]]`,
    ),
  ],
  ["a RegExp of a number", plain('[["RegExp",1]]')],
  ["a box of an object", plain('[["Object",1],{}]')],
  ["a box of itself", plain('[["Object",0]]')],
  ["a box of undefined", plain('[["Object",-1]]')],
  ["a view of a number", plain('[["Uint8Array",1],1073741824]')],
  ["a view of an array", plain('[["Uint8Array",1],[2],7]')],
  ["a view of itself", plain('[["Uint8Array",0]]')],
  ["a view of nothing", plain('[["Uint8Array"]]')],
  ["a view of a length", plain('[["Uint8Array",{"length":1e9}]]')],
  [
    "a view with an offset",
    block('[["Uint8Array",1,1,2],["ArrayBuffer","AAAAAA=="]]'),
  ],
  [
    "a view that does not fit",
    block('[["Float64Array",1],["ArrayBuffer","AAAAAA=="]]'),
  ],
  ["a block that is not there", block('[["ArrayBuffer","AAAAAQ=="]]')],
  [
    "a block far off",
    block('[["ArrayBuffer","//////=="]]'.replace("//////", "/////w")),
  ],
  ["bytes in the text", block('[["ArrayBuffer","AAAAAAAA"]]')],
  ["bytes of a number", block('[["ArrayBuffer",0]]')],
  ["a sparse array too long", plain("[[-7,16777217]]")],
  ["sparse arrays too long", plain("[[1,2],[-7,16777216],[-7,1]]")],
  ["a sparse array of no length", plain("[[-7]]")],
  ["a sparse array with an index too high", plain("[[-7,5,5,1],1]")],
  ["a sparse array with a name", plain('[[-7,5,"length",1],1]')],
  ["__proto__", plain('[{"__proto__":1},{"polluted":2},true]')],
  ["__proto__ escaped", plain('[{"\\u005f_proto__":1},{"polluted":2},true]')],
  [
    "an error with __proto__",
    plain('[["null","__proto__",1],{"polluted":2},1]'),
  ],
  ["an error of another kind", plain('[["null","name",1],"Function"]')],
  ["an error with a stack", plain('[["null","stack",1],"x"]')],
  ["an error of an object", plain('[["null","message",1],{}]')],
  ["an error without a value", plain('[["null","name"]]')],
  ["an error with a number for a name", plain('[["null",1,1],"Error"]')],
];

test("structuredSerde refuses bytes that it would not write", () => {
  for (const [name, bytes] of REFUSED) {
    assertEquals(checkRead(bytes), "refused", name);
  }
  checkInherited();
});

test("structuredSerde reads what is nested 500 deep, and nothing deeper", () => {
  const links: ((next: number) => string)[] = [
    (next) => `[${next}]`,
    (next) => `[-7,2,1,${next}]`,
    (next) => `{"a":${next}}`,
    (next) => `["Map",${next},-1]`,
    (next) => `["Map",-1,${next}]`,
    (next) => `["Set",${next}]`,
    (next) => `["null","cause",${next}]`,
  ];
  for (const [i, link] of links.entries()) {
    assertEquals(checkRead(plain(chain(500, link))), "value", `${i}`);
    assertThrows(
      () => structuredSerde.deserialize("k", plain(chain(501, link)), FLAGS),
      MemcacheSerdeError,
      "more than 500 deep",
      `${i}`,
    );
  }
});

test("structuredSerde sets names of prototypes on the result alone", () => {
  const names = ["constructor", "prototype", "toString", "hasOwnProperty"];
  const text = `[{${names.map((name) => `"${name}":1`)}},{"polluted":2},true]`;
  const value = structuredSerde.deserialize("k", plain(text), FLAGS) as object;
  assertEquals(Object.keys(value), names);
  assertEquals(Object.getPrototypeOf(value), Object.prototype);
  assertEquals(Reflect.get({}, "polluted"), undefined);
  assertEquals(Reflect.get(Object, "polluted"), undefined);
  checkInherited();
});

test("structuredSerde runs no code that a setter or a frozen prototype has", () => {
  let ran = 0;
  Object.defineProperty(Object.prototype, "trap", {
    configurable: true,
    set: () => ran++,
  });
  try {
    const value = structuredSerde.deserialize(
      "k",
      plain('[{"trap":1},7]'),
      FLAGS,
    );
    assertEquals(Object.getOwnPropertyDescriptor(value, "trap")?.value, 7);
    assertEquals(ran, 0);
  } finally {
    Reflect.deleteProperty(Object.prototype, "trap");
  }
});

/** A list of lists, each with the next one in it. */
function chain(length: number, link: (next: number) => string): string {
  const links = Array.from({ length }, (_, i) => link(i + 1));
  return `[${links},1]`;
}

/** A list in which each list has the next one many times: 10^n, written out. */
function laughs(depth: number): string {
  const lists = Array.from(
    { length: depth },
    (_, i) => `[${Array(10).fill(i + 1)}]`,
  );
  return `[${lists},"ha"]`;
}

/** A pattern as long as patterns may be. */
function pattern(part: (i: number) => string, flags: string): Uint8Array {
  let source = "";
  for (let i = 0; source.length < 16_370; i++) source += part(i);
  return plain(JSON.stringify([["RegExp", source, flags]]));
}

const MEGABYTE = 1_000_000;

const HEAVY: [name: string, make: () => Uint8Array, end: string][] = [
  ["arrays in arrays", () => plain(chain(90_000, (i) => `[${i}]`)), "refused"],
  [
    "objects in objects",
    () => plain(chain(60_000, (i) => `{"a":${i}}`)),
    "refused",
  ],
  [
    "Maps in Maps",
    () => plain(chain(60_000, (i) => `["Map",${i},${i}]`)),
    "refused",
  ],
  [
    "errors in errors",
    () => plain(chain(40_000, (i) => `["null","cause",${i}]`)),
    "refused",
  ],
  [
    "boxes in boxes",
    () => plain(chain(60_000, (i) => `["Object",${i}]`)),
    "refused",
  ],
  ["brackets", () => plain("[".repeat(MEGABYTE)), "refused"],
  [
    "brackets that end",
    () => plain("[".repeat(400_000) + "]".repeat(400_000)),
    "refused",
  ],
  ["one list again and again", () => plain(laughs(400)), "value"],
  [
    "one text again and again",
    () => plain(`[[${Array(400_000).fill(1)}],"${"a".repeat(1000)}"]`),
    "value",
  ],
  ["one block again and again", () => {
    const entries = Array(30_000).fill('["ArrayBuffer","AAAAAA=="]');
    const text = `[[${entries.map((_, i) => i + 1)}],${entries}]`;
    const head = [1, 1, 0xc0, 0x84, 0x3d];
    const bytes = new Uint8Array(head.length + text.length + MEGABYTE);
    bytes.set(head);
    bytes.set(encode(text), head.length);
    return bytes;
  }, "value"],
  ["many views", () => {
    const views = Array(50_000).fill('["Uint8Array",1]');
    const text = `[[${
      views.map((_, i) => i + 2)
    }],["ArrayBuffer","AAAAAA=="],${views}]`;
    return block(text);
  }, "value"],
  ["many blocks", () => {
    // 120,000 as a varint, as many empty blocks, and a text that names none.
    const bytes = new Uint8Array(120_006);
    bytes.set([1, 0xc0, 0xa9, 0x07]);
    bytes.set(encode("[]"), 120_004);
    return bytes;
  }, "refused"],
  ["many blocks that are named", () => {
    const count = 20_000;
    const names = Array.from({ length: count }, (_, i) => {
      const bytes = [i >>> 24, i >>> 16 & 255, i >>> 8 & 255, i & 255];
      return `["ArrayBuffer","${btoa(String.fromCharCode(...bytes))}"]`;
    });
    const text = encode(`[[${names.map((_, i) => i + 1)}],${names}]`);
    const bytes = new Uint8Array(4 + count + text.length + count).fill(1);
    bytes.set([1, count & 127 | 128, count >> 7 & 127 | 128, count >> 14]);
    bytes.set(text, 4 + count);
    return bytes;
  }, "value"],
  [
    "many sparse arrays",
    () =>
      plain(
        `[[${Array.from({ length: 60_000 }, (_, i) => i + 1)}],${
          Array(60_000).fill("[-7,279]")
        }]`,
      ),
    "value",
  ],
  ["one sparse array", () => plain("[[-7,16777216,16777215,1],1]"), "value"],
  ["long bigints", () => {
    const digits = Array(9).fill(`["BigInt","${"9".repeat(100_000)}"]`);
    return plain(`[[${digits.map((_, i) => i + 1)}],${digits}]`);
  }, "value"],
  ["many dates", () => {
    const dates = Array(25_000).fill('["Date","1970-01-01T00:00:00.000Z"]');
    return plain(`[[${dates.map((_, i) => i + 1)}],${dates}]`);
  }, "value"],
  ["many errors", () => {
    const errors = Array(50_000).fill('["null","name",1]');
    return plain(`[[${errors.map((_, i) => i + 2)}],"TypeError",${errors}]`);
  }, "value"],
  ["named groups", () => pattern((i) => `(?<a${i}>)`, "u"), "value"],
  ["properties of letters", () => pattern(() => "\\p{L}", "iu"), "value"],
  ["repeated repetitions", () => pattern(() => "(?:a{1000})", "g"), "value"],
  [
    "groups in groups",
    () => plain(`[["RegExp","${"(".repeat(8000)}${")".repeat(8000)}"]]`),
    "either",
  ],
  [
    "many names",
    () =>
      plain(`[{${Array.from({ length: 90_000 }, (_, i) => `"k${i}":1`)}},1]`),
    "value",
  ],
  [
    "many numbers for names",
    () =>
      plain(
        `[{${
          Array.from({ length: 60_000 }, (_, i) => `"${i * 65_537}":1`)
        }},1]`,
      ),
    "value",
  ],
  ["a long text", () => plain(`["${"é".repeat(MEGABYTE / 2)}"]`), "value"],
];

test("structuredSerde reads the worst megabyte in a moment", async (t) => {
  for (const [name, make, end] of HEAVY) {
    await t.step(name, () => {
      const bytes = make();
      const begun = performance.now();
      let actual = "value";
      try {
        structuredSerde.deserialize("k", bytes, FLAGS);
      } catch (error) {
        assert(error instanceof MemcacheSerdeError, String(error));
        actual = "refused";
      }
      const time = performance.now() - begun;
      if (end !== "either") assertEquals(actual, end);
      // A machine that is busy takes 0.2 s for the slowest of them.
      assert(time < 5000, `${time} ms for ${bytes.length} bytes`);
    });
  }
}, { timeout: 60_000 });

test("structuredSerde survives any damage", () => {
  const ends = { value: 0, refused: 0 };
  for (let i = 0; i < 100_000; i++) {
    const bytes = makeDamaged(new Random(i));
    try {
      ends[checkRead(bytes)]++;
    } catch (error) {
      throw new Error(`Case ${i}: ${JSON.stringify([...bytes])}`, {
        cause: error,
      });
    }
  }
  checkInherited();
  // Damage that cannot be seen is damage of the values: both kinds are there.
  assert(ends.value > 5000 && ends.refused > 5000, JSON.stringify(ends));
}, { timeout: 120_000 });

test("checkInherited() catches what is added to a prototype", () => {
  Reflect.set(Map.prototype, "polluted", 1);
  try {
    assertThrows(checkInherited, Error, "polluted");
  } finally {
    Reflect.deleteProperty(Map.prototype, "polluted");
  }
  checkInherited();
});
