import { assert, assertEquals } from "@std/assert";
import { structuredSerde } from "../../src/structured/mod.ts";
import type { Serialized } from "../../src/types.ts";
import { test } from "../_runtime.ts";
import { encode, random } from "../serde/_cases.ts";
import { difference, Graphs } from "./_graphs.ts";

const COUNT = 3000;

test("structuredSerde gives back what structuredClone makes of a value", () => {
  const kinds = new Set<string>();
  for (let seed = 0; seed < COUNT; seed++) {
    const value = new Graphs(random(seed)).make(1 + seed % 40);
    const { data, flags } = structuredSerde.serialize("k", value) as Serialized;
    const stored = new Uint8Array(encode(data));
    const back = structuredSerde.deserialize("k", stored, flags);
    assertEquals(
      difference(back, structuredClone(value)),
      undefined,
      `${seed}`,
    );
    kinds.add(Object.prototype.toString.call(back));
    // The same graph has the same bytes, a copy of it as well.
    const again = structuredSerde.serialize("k", back) as Serialized;
    assertEquals(again, { data, flags }, `seed ${seed}`);
  }
  assert(kinds.size > 15, [...kinds].join());
});

test("difference() tells graphs apart", () => {
  const shared = {};
  const buffer = new ArrayBuffer(8);
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const pairs: [unknown, unknown][] = [
    [0, -0],
    [1n, 1],
    [[undefined], new Array(1)],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }],
    [[shared, shared], [{}, {}]],
    [[{}, {}], [shared, shared]],
    [cycle, [[]]],
    [[cycle], cycle],
    [new Map([[1, 2]]), new Map([[1, 3]])],
    [new Set([1, 2]), new Set([2, 1])],
    [new Date(0), new Date(1)],
    [/a/, /a/g],
    [new Error("a"), new TypeError("a")],
    [new Error("a"), new Error("b")],
    [Object(1), 1],
    [Object.create(null), {}],
    [new Uint8Array(2), new Uint8Array([0, 1])],
    [new Uint8Array(2), new Int8Array(2)],
    [new Uint8Array(8), new Uint8Array(buffer, 0, 4)],
    [
      [new Uint8Array(8), new DataView(new ArrayBuffer(8))],
      [new Uint8Array(buffer), new DataView(buffer)],
    ],
  ];
  for (const [i, [a, b]] of pairs.entries()) {
    assert(difference(a, b) !== undefined, `pair ${i}`);
    assert(difference(b, a) !== undefined, `pair ${i}, the other way`);
    assertEquals(difference(a, a), undefined);
  }
});
