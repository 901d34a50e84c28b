/**
 * `structuredSerde` beside `jsonSerde`, `devalue` alone and `structuredClone`:
 * per value, which is written or read as a client does it.
 */
import { Buffer } from "node:buffer";
import { parse, stringify } from "devalue";
import { jsonSerde } from "../src/serde/json.ts";
import { FROM_VIEW, type Serde, type ViewSerde } from "../src/serde/serde.ts";
import { structuredSerde } from "../src/structured/mod.ts";
import type { Serialized } from "../src/types.ts";

const encoder = new TextEncoder();

/** Reads a value where it lies, as a connection does. */
function reader(serde: Serde, value: unknown): () => unknown {
  // Neither of the two serdes makes anyone wait.
  const { data, flags } = serde.serialize("k", value) as Serialized;
  const stored = typeof data === "string" ? encoder.encode(data) : data;
  const received = Buffer.alloc(stored.length + 60);
  received.set(stored, 30);
  const end = 30 + stored.length;
  const text = (_: Uint8Array, start: number, end: number): string =>
    received.toString("utf8", start, end);
  return () =>
    (serde as ViewSerde)[FROM_VIEW]("k", received, 30, end, flags, text);
}

const plain = {
  users: Array.from({ length: 8 }, (_, id) => ({
    id,
    name: `User number ${id}`,
    email: `user.${id}@example.com`,
    tags: ["one", "two", null],
    score: id * 1.5,
    active: true,
  })),
};
const rich = {
  at: new Date(0),
  users: new Map(plain.users.map((user) => [BigInt(user.id), user])),
  tags: new Set(["one", "two"]),
};
const flat = { text: "words of a page ".repeat(4096) };
const floats = { values: Float64Array.from({ length: 8192 }, Math.random) };
const listed = { values: [...floats.values] };

const small = `a small object of plain values, ${
  JSON.stringify(plain).length
} B`;
Deno.bench("jsonSerde", { group: `write ${small}`, baseline: true }, () => {
  jsonSerde.serialize("k", plain);
});
Deno.bench("devalue alone", { group: `write ${small}` }, () => {
  stringify(plain);
});
Deno.bench("structuredSerde", { group: `write ${small}` }, () => {
  structuredSerde.serialize("k", plain);
});

const readJson = reader(jsonSerde, plain);
const readPlain = reader(structuredSerde, plain);
const flattened = stringify(plain);
Deno.bench("jsonSerde", { group: `read ${small}`, baseline: true }, () => {
  readJson();
});
Deno.bench("devalue alone", { group: `read ${small}` }, () => {
  parse(flattened);
});
Deno.bench("structuredSerde", { group: `read ${small}` }, () => {
  readPlain();
});

const readRich = reader(structuredSerde, rich);
const both = "write and read a Map, a Set and a Date";
Deno.bench("structuredClone", { group: both, baseline: true }, () => {
  structuredClone(rich);
});
Deno.bench("structuredSerde", { group: both }, () => {
  structuredSerde.serialize("k", rich);
  readRich();
});

const readFlatJson = reader(jsonSerde, flat);
const readFlat = reader(structuredSerde, flat);
const text = "write and read an object with 64 KiB of text";
Deno.bench("jsonSerde", { group: text, baseline: true }, () => {
  jsonSerde.serialize("k", flat);
  readFlatJson();
});
Deno.bench("structuredSerde", { group: text }, () => {
  structuredSerde.serialize("k", flat);
  readFlat();
});

const readListed = reader(jsonSerde, listed);
const readFloats = reader(structuredSerde, floats);
const numbers = "write and read 8,192 fractions";
Deno.bench("jsonSerde, an array", { group: numbers, baseline: true }, () => {
  jsonSerde.serialize("k", listed);
  readListed();
});
Deno.bench("structuredSerde, a Float64Array", { group: numbers }, () => {
  structuredSerde.serialize("k", floats);
  readFloats();
});
