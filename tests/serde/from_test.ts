import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  MemcacheIllegalInputError,
  MemcacheSerdeError,
} from "../../src/errors.ts";
import {
  type Deserializer,
  serdeFrom,
  type Serializer,
} from "../../src/serde/from.ts";
import {
  checkSerialized,
  isThenable,
  viewSerde,
} from "../../src/serde/guard.ts";
import { jsonSerde } from "../../src/serde/json.ts";
import {
  FROM_VIEW,
  type Serde,
  type ViewSerde,
} from "../../src/serde/serde.ts";
import { test } from "../_runtime.ts";
import { encode, readText } from "./_cases.ts";

test("serdeFrom() takes pymemcache's two functions", async () => {
  const calls: unknown[] = [];
  const serialize: Serializer = (key, value) => {
    calls.push([key, value]);
    return typeof value === "string" ? [value, 1] : [JSON.stringify(value), 2];
  };
  const deserialize: Deserializer = (key, data, flags) => {
    calls.push([key, flags]);
    const text = new TextDecoder().decode(data);
    return flags === 1 ? text : JSON.parse(text);
  };
  const sync = serdeFrom(serialize, deserialize);
  assertEquals(sync.serialize("k", "v"), { data: "v", flags: 1 });
  assertEquals(sync.serialize("k", [1]), { data: "[1]", flags: 2 });
  assertEquals(sync.deserialize("k", encode("[1]"), 2), [1]);
  assertEquals(calls, [["k", "v"], ["k", [1]], ["k", 2]]);

  const later = serdeFrom(
    (key, value) => Promise.resolve(serialize(key, value)),
    (key, data, flags) => Promise.resolve(deserialize(key, data, flags)),
  );
  assertEquals(await later.serialize("k", [1]), { data: "[1]", flags: 2 });
  assertEquals(await later.deserialize("k", encode("v"), 1), "v");
});

test("serdeFrom() takes the pair with names too", () => {
  const data = new Uint8Array([1]);
  const serde = serdeFrom(() => ({ data, flags: 7 }));
  assertEquals(serde.serialize("k", 0), { data, flags: 7 });
});

test("serdeFrom() without functions stores bytes and strings, reads bytes", () => {
  const serde = serdeFrom();
  const data = new Uint8Array([1]);
  assertEquals(serde.serialize("k", "text"), { data: "text", flags: 0 });
  assertEquals(serde.serialize("k", data), { data, flags: 0 });
  assertThrows(() => serde.serialize("k", 5), MemcacheSerdeError);
  assertStrictEquals(serde.deserialize("k", data, 3), data);
});

test("serdeFrom() refuses arguments that are no functions", () => {
  for (const wrong of [null, {}, "json"]) {
    for (const args of [[wrong], [undefined, wrong]] as unknown[][]) {
      assertThrows(
        () => serdeFrom(...args as [Serializer, Deserializer]),
        MemcacheIllegalInputError,
        "is not a function",
      );
    }
  }
});

test("serdeFrom() makes typed errors of what its functions throw", async () => {
  const cause = new RangeError("mine");
  const fail = () => {
    throw cause;
  };
  const reject = () => Promise.reject(cause);
  const sync = serdeFrom(fail, fail) as ViewSerde;
  const later = serdeFrom(reject, reject) as ViewSerde;
  const data = new Uint8Array(1);
  const errors = [
    assertThrows(() => sync.serialize("k", 1), MemcacheSerdeError, "store"),
    assertThrows(() => sync.deserialize("k", data, 1), MemcacheSerdeError),
    assertThrows(
      () => sync[FROM_VIEW]("k", data, 0, 1, 1, readText),
      MemcacheSerdeError,
      "read",
    ),
    await assertRejects(
      async () => await later.serialize("k", 1),
      MemcacheSerdeError,
    ),
    await assertRejects(
      async () => await later[FROM_VIEW]("k", data, 0, 1, 1, readText),
      MemcacheSerdeError,
    ),
  ];
  for (const error of errors) {
    assertStrictEquals(error.cause, cause);
    assertEquals(error.key, "k");
  }
  const own = new MemcacheSerdeError("Mine");
  const passes = serdeFrom(() => {
    throw own;
  });
  const seen = assertThrows(() => passes.serialize("k", 1));
  assertStrictEquals(seen, own);
});

const WRONG: unknown[] = [
  undefined,
  null,
  "text",
  [],
  ["text"],
  [1, 0],
  ["\ud800", 0],
  [new Uint16Array(1), 0],
  [new ArrayBuffer(1), 0],
  ["text", -1],
  ["text", 2 ** 32],
  ["text", 1.5],
  ["text", NaN],
  ["text", "0"],
  ["text", 0n],
  { data: "text" },
  { flags: 0 },
];

test("serdeFrom() checks what the serializer returns", async () => {
  for (const result of WRONG) {
    const sync = serdeFrom(() => result as [string, number]);
    assertThrows(() => sync.serialize("k", 1), MemcacheSerdeError);
    const later = serdeFrom(() => Promise.resolve(result as [string, number]));
    await assertRejects(
      async () => await later.serialize("k", 1),
      MemcacheSerdeError,
    );
  }
});

test("checkSerialized() passes bytes and text with 32-bit flags", () => {
  for (const data of ["", "\u{1f600}", new Uint8Array(0)]) {
    for (const flags of [0, 1, 2 ** 32 - 1]) {
      const result = { data, flags };
      assertStrictEquals(checkSerialized(result, "k"), result);
    }
  }
});

test("viewSerde() passes our own and guards those of others", () => {
  assertStrictEquals(viewSerde(jsonSerde), jsonSerde);
  const kept: Uint8Array[] = [];
  class Keeping implements Serde<number> {
    #flags = 5;
    serialize(_key: string, value: number): { data: string; flags: number } {
      return { data: String(value), flags: this.#flags };
    }
    deserialize(_key: string, data: Uint8Array): number {
      kept.push(data);
      return data.length;
    }
  }
  const serde = viewSerde(new Keeping());
  assertEquals(serde.serialize("k", 1), { data: "1", flags: 5 });
  const buffer = new Uint8Array([1, 2, 3, 4]);
  assertEquals(serde[FROM_VIEW]("k", buffer, 1, 3, 0, readText), 2);
  buffer.fill(0);
  assertEquals(kept, [new Uint8Array([2, 3])]);
  // Its own memory from the first byte to the last: `buffer` is safe to use.
  assertEquals(kept[0].buffer.byteLength, 2);
});

test("viewSerde() refuses what is no serde", () => {
  const half = { serialize: () => ({ data: "", flags: 0 }) };
  for (const wrong of [undefined, null, 1, "json", {}, half, () => {}]) {
    assertThrows(
      () => viewSerde(wrong as unknown as Serde),
      MemcacheIllegalInputError,
      "Cannot use serde",
    );
  }
});

test("isThenable() tells promises from values", () => {
  assert(isThenable(Promise.resolve(1)));
  assert(isThenable({ then: () => {} }));
  for (const value of [undefined, null, 1, "then", {}, { then: 1 }, []]) {
    assert(!isThenable(value));
  }
});
