import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import process from "node:process";
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gzipSync,
  inflateSync,
} from "node:zlib";
import {
  MemcacheIllegalInputError,
  MemcacheSerdeError,
} from "../../src/errors.ts";
import {
  compressedSerde,
  type CompressedSerdeOptions,
} from "../../src/serde/compressed.ts";
import { rawSerde } from "../../src/serde/raw.ts";
import {
  FROM_VIEW,
  type Serde,
  type ViewSerde,
} from "../../src/serde/serde.ts";
import type { Serialized } from "../../src/types.ts";
import { test } from "../_runtime.ts";
import { encode, random, randomBytes, randomText, readText } from "./_cases.ts";

/** Bytes of a value, made by whatever the serde answers with. */
async function write(
  serde: Serde,
  value: unknown,
): Promise<{ data: Uint8Array; flags: number }> {
  const { data, flags } = await serde.serialize("k", value);
  return { data: encode(data), flags };
}

/** Reads from bytes of its own and from a buffer that changes afterwards. */
async function read(
  serde: Serde,
  data: Uint8Array,
  flags: number,
): Promise<unknown> {
  const buffer = new Uint8Array(data.length + 5).fill(0x61);
  buffer.set(data, 4);
  const viewed = (serde as ViewSerde)[FROM_VIEW](
    "k",
    buffer,
    4,
    data.length + 4,
    flags,
    readText,
  );
  buffer.fill(0);
  const seen = await viewed;
  assertEquals(seen, await serde.deserialize("k", data, flags));
  return seen;
}

/** A short text for comparing what may be long. */
function sum(bytes: unknown): string {
  assertInstanceOf(bytes, Uint8Array);
  let hash = 0;
  for (const byte of bytes) hash = Math.imul(hash, 31) + byte | 0;
  return `${bytes.length}:${hash}`;
}

test("compressedSerde() compresses what is longer than minLength", async () => {
  const cases: [minLength: number | undefined, length: number, yes: boolean][] =
    [
      [undefined, 400, false],
      [undefined, 401, true],
      [100, 100, false],
      [100, 101, true],
      [1, 1000, true],
      [0, 100_000, false],
    ];
  for (const [minLength, length, yes] of cases) {
    const serde = compressedSerde({ minLength });
    for (const value of ["x".repeat(length), new Uint8Array(length)]) {
      const plain = typeof value === "string" ? 16 : 0;
      const { data, flags } = await write(serde, value);
      assertEquals(flags, yes ? plain | 8 : plain, `${minLength} ${length}`);
      if (yes) assertLess(data.length, length);
      else assertEquals(data, encode(value));
      assertEquals(await read(serde, data, flags), value);
    }
  }
});

test("compressedSerde() counts bytes, not characters", async () => {
  const serde = compressedSerde({ minLength: 100 });
  for (const text of ["\u00e9".repeat(51), "\u65e5".repeat(34)]) {
    assertEquals((await write(serde, text)).flags, 24);
  }
  for (const text of ["\u00e9".repeat(50), "\u65e5".repeat(33)]) {
    assertEquals((await write(serde, text)).flags, 16);
  }
});

test("compressedSerde() stores what does not get smaller as it is", async () => {
  const bytes = randomBytes(random(40), 5000);
  const serde = compressedSerde();
  assertEquals(await write(serde, bytes), { data: bytes, flags: 0 });
  // As long as before is not smaller.
  const same = compressedSerde({ compress: (data) => data.slice() });
  assertEquals((await write(same, bytes)).flags, 0);
});

test("compressedSerde() stores what it could not read back as it is", async () => {
  const serde = compressedSerde({ minLength: 10, maxLength: 1000 });
  assertEquals((await write(serde, "x".repeat(1000))).flags, 24);
  const long = await write(serde, "x".repeat(1001));
  assertEquals(long.flags, 16);
  assertEquals(await read(serde, long.data, 16), "x".repeat(1001));
});

test("compressedSerde() works at once on small values, later on large ones", async () => {
  const serde = compressedSerde();
  const large = new Uint8Array(64 * 1024 + 1);
  assert(!(serde.serialize("k", large.subarray(1)) instanceof Promise));
  assert(serde.serialize("k", large) instanceof Promise);
  const small = deflateSync(new Uint8Array(256 * 1024));
  assertInstanceOf(serde.deserialize("k", small, 8), Uint8Array);
  const more = deflateSync(new Uint8Array(256 * 1024 + 1));
  const later = serde.deserialize("k", more, 8);
  assert(later instanceof Promise);
  assertEquals(sum(await later), sum(new Uint8Array(256 * 1024 + 1)));
});

test("compressedSerde() gives random values back", async () => {
  const next = random(41);
  const serdes = [compressedSerde(), compressedSerde({ minLength: 1 })];
  for (let i = 0; i < 120; i++) {
    const serde = serdes[i % 2];
    const unit = randomText(next, 1 + next(300));
    const values = [
      unit.repeat(next(30)),
      { list: [unit, i, null], text: unit.repeat(3) },
      encode(unit.repeat(next(20))),
      BigInt(i) ** BigInt(next(400)),
      i,
    ];
    for (const value of values) {
      const { data, flags } = await write(serde, value);
      assertEquals(await read(serde, data, flags), value);
    }
  }
  for (const length of [70_000, 300_000, 3_000_000]) {
    const bytes = new Uint8Array(length).map((_, i) => i * i >> 7);
    const { data, flags } = await write(serdes[0], bytes);
    assertEquals(flags, 8);
    assertEquals(sum(await read(serdes[0], data, flags)), sum(bytes));
  }
});

test("compressedSerde() gives plain bytes that do not pin a larger buffer", async () => {
  const serde = compressedSerde();
  for (const length of [1, 500, 9000, 100_000]) {
    const value = await serde.deserialize(
      "k",
      deflateSync(new Uint8Array(length)),
      8,
    ) as Uint8Array;
    assertStrictEquals(Object.getPrototypeOf(value), Uint8Array.prototype);
    assertEquals(value.length, length);
    assert(value.buffer.byteLength <= 2 * length);
  }
});

test("compressedSerde() reads values that are not compressed", async () => {
  const serde = compressedSerde();
  assertEquals(await read(serde, encode("42 "), 2), 42);
  assertEquals(await read(serde, encode("text"), 16), "text");
  assertEquals(await read(serde, encode("[1]"), 32), [1]);
  assertEquals(await read(serde, encode("x"), 0), encode("x"));
});

const TEXT = "the quick brown fox ".repeat(50);
const GOOD = new Uint8Array(deflateSync(TEXT));
const LARGE = new Uint8Array(
  deflateSync(randomBytes(random(42), 100_000), { level: 0 }),
);
function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at < 0 ? copy.length + at : at] ^= 0x10;
  return copy;
}

const DAMAGED: [name: string, data: Uint8Array, says: string][] = [
  ["empty", new Uint8Array(0), "zlib"],
  ["no zlib", encode("not zlib"), "zlib"],
  ["one byte", GOOD.subarray(0, 1), "zlib"],
  ["cut in the middle", GOOD.subarray(0, GOOD.length >> 1), "zlib"],
  ["cut by one", GOOD.subarray(0, -1), "zlib"],
  ["checksum", flip(GOOD, -1), "zlib"],
  ["header", flip(GOOD, 0), "zlib"],
  ["one byte more", join(GOOD, new Uint8Array(1)), "append"],
  ["two streams", join(GOOD, GOOD), "append"],
  ["gzip", gzipSync(TEXT), "zlib"],
  ["raw deflate", deflateRawSync(TEXT), "zlib"],
  ["dictionary", new Uint8Array([0x78, 0xbb, 0, 0, 0, 1, 3, 0]), "zlib"],
  ["large, cut", LARGE.subarray(0, -1), "zlib"],
  ["large, damaged", flip(LARGE, -2), "zlib"],
  ["large, one byte more", join(LARGE, new Uint8Array(1)), "append"],
];

test("compressedSerde() throws a typed error for damaged data", async () => {
  const serde = compressedSerde();
  assertEquals(await read(serde, GOOD, 24), TEXT);
  assertEquals((await read(serde, LARGE, 8) as Uint8Array).length, 100_000);
  for (const [name, data, says] of DAMAGED) {
    const error = await assertRejects(
      async () => await read(serde, data, 24),
      MemcacheSerdeError,
      says,
      name,
    );
    assertEquals(error.key, "k", name);
  }
});

test("compressedSerde() meets random damage with a value or its own error", async () => {
  const next = random(43);
  const serde = compressedSerde({ maxLength: 1 << 20 });
  let failures = 0;
  for (let i = 0; i < 1000; i++) {
    const data = GOOD.slice(0, 2 + next(GOOD.length));
    for (let n = next(4); n > 0; n--) data[next(data.length)] = next(256);
    const flags = 8 | next(64);
    try {
      await serde.deserialize("k", data, flags);
    } catch (error) {
      assertInstanceOf(error, MemcacheSerdeError);
      failures++;
    }
  }
  assert(failures > 900, `${failures}`);
});

test("compressedSerde() inflates up to maxLength and no further", async () => {
  for (const length of [100, 5000, 300_000]) {
    const data = new Uint8Array(deflateSync(new Uint8Array(length)));
    const exact = compressedSerde({ maxLength: length });
    assertEquals(sum(await read(exact, data, 8)), sum(new Uint8Array(length)));
    const below = compressedSerde({ maxLength: length - 1 });
    const error = await assertRejects(
      async () => await read(below, data, 8),
      MemcacheSerdeError,
      `at most ${length - 1} bytes are allowed`,
    );
    assertEquals(error.key, "k");
  }
});

/** The zlib header and so many MiB of zeros, 1 KiB each, without an end. */
function zeros(mebibytes: number): Uint8Array {
  const block = deflateRawSync(new Uint8Array(1 << 20), {
    finishFlush: constants.Z_FULL_FLUSH,
  });
  const all = new Uint8Array(2 + mebibytes * block.length);
  all.set([0x78, 0x9c]);
  for (let i = 0; i < mebibytes; i++) all.set(block, 2 + i * block.length);
  return all;
}

test("compressedSerde() does not hold what a bomb would inflate to", async () => {
  const serde = compressedSerde({ maxLength: 16 << 20 });
  const inflate = (data: Uint8Array, says: string) =>
    assertRejects(
      async () => await serde.deserialize("k", data, 8),
      MemcacheSerdeError,
      says,
    );
  const bomb = zeros(1024);
  const before = process.memoryUsage().rss;
  await inflate(bomb, "at most 16777216 bytes are allowed");
  // One below 64 KiB, too: the attempt at once is bounded on its own.
  const small = zeros(17);
  assertLess(small.length, 256 * 1024);
  await inflate(small, "at most 16777216 bytes are allowed");
  assertLess(process.memoryUsage().rss - before, 128 << 20);
  // Within the limit it is the missing end that is found.
  await inflate(zeros(16), "zlib");
});

test("compressedSerde() takes other codecs, at once and later", async () => {
  const text = "brotli ".repeat(500);
  const codecs: CompressedSerdeOptions[] = [
    { compress: brotliCompressSync, decompress: brotliDecompressSync },
    {
      compress: (data) => Promise.resolve(brotliCompressSync(data)),
      decompress: (data) => Promise.resolve(brotliDecompressSync(data)),
    },
  ];
  for (const codec of codecs) {
    const serde = compressedSerde(codec);
    const { data, flags } = await write(serde, text);
    assertEquals(flags, 24);
    assertEquals(new TextDecoder().decode(brotliDecompressSync(data)), text);
    assertEquals(await read(serde, data, flags), text);
  }
  const level = compressedSerde({
    compress: (d) => deflateSync(d, { level: 9 }),
  });
  const { data } = await write(level, text);
  assertEquals(await read(compressedSerde(), data, 24), text);
});

test("compressedSerde() checks what a codec returns", async () => {
  const long = "x".repeat(1000);
  const cause = new Error("codec");
  const wrong: CompressedSerdeOptions[] = [
    { compress: () => "x" as unknown as Uint8Array },
    { compress: () => Promise.resolve(undefined as unknown as Uint8Array) },
    {
      compress: () => {
        throw cause;
      },
    },
    { compress: () => Promise.reject(cause) },
  ];
  for (const options of wrong) {
    const error = await assertRejects(
      async () => await compressedSerde(options).serialize("k", long),
      MemcacheSerdeError,
      "Cannot store value",
    );
    assertEquals(error.key, "k");
  }
  const readers: CompressedSerdeOptions[] = [
    { decompress: () => [1] as unknown as Uint8Array },
    { decompress: () => new Uint8Array(11), maxLength: 10 },
    { decompress: () => Promise.resolve(new Uint8Array(11)), maxLength: 10 },
    {
      decompress: () => {
        throw cause;
      },
    },
    { decompress: () => Promise.reject(cause) },
  ];
  for (const options of readers) {
    await assertRejects(
      async () => await read(compressedSerde(options), GOOD, 8),
      MemcacheSerdeError,
      "Cannot read value",
    );
  }
});

test("compressedSerde() hands a codec bytes that it may keep", async () => {
  const kept: Uint8Array[] = [];
  const serde = compressedSerde({
    decompress: (data) => {
      kept.push(data);
      return data;
    },
  });
  await read(serde, new Uint8Array([1, 2, 3]), 8);
  assertEquals(kept[0], new Uint8Array([1, 2, 3]));
});

test("compressedSerde() wraps any serde, sync or async", async () => {
  const seen: number[] = [];
  const inner: Serde<string> = {
    serialize: (_key, value) => Promise.resolve({ data: value, flags: 0x40 }),
    deserialize: (_key, data, flags) => {
      seen.push(flags);
      return Promise.resolve(new TextDecoder().decode(data));
    },
  };
  const serde = compressedSerde({ serde: inner });
  const { data, flags } = await write(serde, TEXT);
  assertEquals(flags, 0x48);
  assertEquals(await read(serde, data, flags), TEXT);
  assertEquals(await read(serde, encode("short"), 0x40), "short");
  // The serde within sees its own flags only.
  assertEquals(seen, [0x40, 0x40, 0x40, 0x40]);
  const raw = compressedSerde({ serde: rawSerde });
  assertEquals(await read(raw, GOOD, 0x80000008), encode(TEXT));
});

test("compressedSerde() keeps the highest flag", async () => {
  const inner: Serde = {
    serialize: () => ({ data: TEXT, flags: 0x80000000 }),
    deserialize: (_key, _data, flags) => flags,
  };
  const { flags, data } = await write(compressedSerde({ serde: inner }), 0);
  assertEquals(flags, 0x80000008);
  assertEquals(
    await read(compressedSerde({ serde: inner }), data, flags),
    0x80000000,
  );
});

test("compressedSerde() refuses a serde that uses its flag", () => {
  const inner: Serde = {
    serialize: (): Serialized => ({ data: "short", flags: 24 }),
    deserialize: () => undefined,
  };
  assertThrows(
    () => compressedSerde({ serde: inner }).serialize("k", 1),
    MemcacheSerdeError,
    "flag 8",
  );
});

test("compressedSerde() refuses options out of range", () => {
  const wrong: Record<string, unknown>[] = [
    { minLength: -1 },
    { minLength: 1.5 },
    { minLength: NaN },
    { minLength: "400" },
    { maxLength: 0 },
    { maxLength: Infinity },
    { compress: null },
    { decompress: "zlib" },
    { serde: {} },
  ];
  for (const options of wrong) {
    assertThrows(
      () => compressedSerde(options as CompressedSerdeOptions),
      MemcacheIllegalInputError,
    );
  }
});

test("compressedSerde() writes what zlib reads", async () => {
  const { data } = await write(compressedSerde(), TEXT);
  assertEquals(inflateSync(data).toString(), TEXT);
});
