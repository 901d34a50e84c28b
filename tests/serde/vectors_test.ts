/**
 * Stored bytes and flags of the Python clients, against ours: what they store
 * we read, and what we store is what they store. Every difference is meant,
 * has its reason in DIFFERENCES, and is counted.
 */
import { assertEquals, equal } from "@std/assert";
import { inflateSync } from "node:zlib";
import { MemcacheSerdeError } from "../../src/errors.ts";
import { compressedSerde } from "../../src/serde/compressed.ts";
import { jsonSerde } from "../../src/serde/json.ts";
import { rawSerde } from "../../src/serde/raw.ts";
import type { Serde } from "../../src/serde/serde.ts";
import { test } from "../_runtime.ts";
import { bytes, readVectors } from "../_vectors.ts";
import { encode, type Tagged, untag } from "./_cases.ts";

/** Why a case ends otherwise with us than in Python. */
const DIFFERENCES = {
  pickle: "a pickle can only be read by Python: an error that says so",
  json: "what Python pickles we store as JSON, flag 32",
  bigint: "an integer past 2^53 is a bigint: flag 4 (Python reads both)",
  long: "flag 4 is a bigint, whatever its size; pylibmc gives it to all",
  float: "0.0 and -0.0 are integers here: flag 2",
  refused: "Python stores str(value) for want of a serde: refused",
  unicode: "pymemcache refuses text outside ASCII: stored as UTF-8",
  nan: "JSON cannot carry NaN and infinities: refused",
  tuple: "there are no tuples: nothing to store",
  underscore: "Python reads 1_000 as an integer: no one stores it",
  flag32: "flag 32 is our JSON; pymemcache knows no such flag",
} as const;
type Reason = keyof typeof DIFFERENCES;

/** The 953 cases of serialize_python.json, read. */
const EXPECTED_READS: Tally["counts"] = {
  absent: 53,
  long: 21,
  pickle: 360,
  same: 519,
};

/** The 503 cases of pymemcache in serialize_python.json, written. */
const EXPECTED_WRITES: Tally["counts"] = {
  bigint: 20,
  float: 18,
  json: 169,
  nan: 18,
  refused: 43,
  same: 213,
  tuple: 18,
  unicode: 4,
};

/** The 64 cases of deserialize.json, read by three serdes. */
const EXPECTED_FLAGS: Tally["counts"] = {
  flag32: 2,
  long: 5,
  pickle: 22,
  same: 161,
  underscore: 2,
};

interface Case {
  client: string;
  options: string;
  v: number;
  flags?: number;
  stored?: string | null;
  b64?: string;
  back?: unknown;
  set_raises?: string;
}

const { values, cases } = readVectors<{ values: Tagged[]; cases: Case[] }>(
  "serialize_python.json",
);

/** The serde that stands for a client and its options. */
function serdeFor({ client, options }: Case): Serde {
  if (client === "memcached2" || options.startsWith("none")) return rawSerde;
  if (client !== "pymemcache") return compressedSerde();
  const min = /min_compress_len=(\d+)/.exec(options);
  if (min !== null) return compressedSerde({ minLength: Number(min[1]) });
  return options === "compressed_serde" ? compressedSerde() : jsonSerde;
}

function storedBytes(item: Case): Uint8Array {
  if (item.b64 === undefined) return encode(untag(values[item.v]) as string);
  return Uint8Array.from(atob(item.b64), (c) => c.charCodeAt(0));
}

/** What the client itself read back, as our value. */
function expected(item: Case): unknown {
  const input = untag(values[item.v]);
  if (item.back === "same") return input;
  const back = item.back as Tagged & { same_bytes?: boolean };
  return back.same_bytes ? encode(input as string) : untag(back);
}

/** The flags that we give where the reason makes them others than Python's. */
const OUR_FLAGS: Partial<Record<Reason, number>> = {
  bigint: 4,
  float: 2,
  json: 32,
  unicode: 0,
};

class Tally {
  readonly counts: Record<string, number> = {};
  add(reason: Reason | "same" | "absent"): void {
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
  }
}

async function attempt(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof MemcacheSerdeError) return error;
    throw error;
  }
}

test("serdes read what the Python clients store", async () => {
  const tally = new Tally();
  for (const item of cases) {
    // Nothing was stored, or the client itself could not read it.
    if (item.stored === null || item.back === undefined) {
      tally.add("absent");
      continue;
    }
    const what = JSON.stringify({ ...item, b64: undefined });
    const serde = serdeFor(item);
    const flags = item.flags ?? 0;
    const got = await attempt(() =>
      serde.deserialize("k", storedBytes(item), flags)
    );
    if ((flags & 1) !== 0 && serde !== rawSerde) {
      assertEquals(got instanceof MemcacheSerdeError, true, what);
      assertEquals((got as Error).message.includes("pickle"), true, what);
      tally.add("pickle");
      continue;
    }
    let want = expected(item);
    // memcached2 reads text; rawSerde reads the bytes of it.
    if (item.client === "memcached2") want = storedBytes(item);
    const long = typeof got === "bigint" && typeof want === "number";
    assertEquals(got, long ? BigInt(want as number) : want, what);
    tally.add(long ? "long" : "same");
  }
  assertEquals(tally.counts, EXPECTED_READS);
});

/** Bytes as they were before compression. */
function inflated(data: Uint8Array, flags: number): Uint8Array {
  return (flags & 8) === 0 ? data : new Uint8Array(inflateSync(data));
}

function reasonToWrite(item: Case, value: unknown): Reason | "same" {
  const { t } = values[item.v];
  if (serdeFor(item) === rawSerde) {
    if (t !== "str" && t !== "bytes") return "refused";
    return item.set_raises === undefined ? "same" : "unicode";
  }
  if (t === "tuple") return "tuple";
  if (typeof value === "bigint") return "bigint";
  if (typeof value === "number" && !Number.isFinite(value)) return "nan";
  if (t === "float" && value === 0) return "float";
  if (t === "int" && !Number.isSafeInteger(value)) return "bigint";
  return t === "str" || t === "bytes" || t === "int" ? "same" : "json";
}

test("serdes store what pymemcache stores", async () => {
  const tally = new Tally();
  for (const item of cases) {
    if (item.client !== "pymemcache") continue;
    const what = JSON.stringify({ ...item, b64: undefined });
    const value = untag(values[item.v]);
    const reason = reasonToWrite(item, value);
    tally.add(reason);
    if (reason === "tuple") continue;
    const got = await attempt(() => serdeFor(item).serialize("k", value));
    if (reason === "refused" || reason === "nan") {
      assertEquals(got instanceof MemcacheSerdeError, true, what);
      continue;
    }
    const { data, flags } = got as { data: Uint8Array; flags: number };
    const ours = inflated(encode(data), flags);
    // Whatever is stored, it is read back by type.
    if (serdeFor(item) !== rawSerde) {
      const back = await serdeFor(item).deserialize("k", encode(data), flags);
      assertEquals(back, value, what);
    }
    if (reason !== "same") assertEquals(flags & ~8, OUR_FLAGS[reason], what);
    if (reason === "same") assertEquals(flags, item.flags, what);
    if (reason === "same" || reason === "bigint") {
      assertEquals(ours, inflated(storedBytes(item), item.flags ?? 0), what);
    }
  }
  assertEquals(tally.counts, EXPECTED_WRITES);
});

interface Read {
  flags: number;
  value: string;
  reads: Record<string, Tagged & { raises?: string }>;
}

test("serdes read bytes and flags as pymemcache does", async () => {
  const tally = new Tally();
  const serdes: Record<string, Serde> = {
    "pymemcache / none": rawSerde,
    "pymemcache / pickle_serde": jsonSerde,
    "pymemcache / compressed_serde": compressedSerde(),
  };
  for (const item of readVectors<{ cases: Read[] }>("deserialize.json").cases) {
    for (const [client, serde] of Object.entries(serdes)) {
      const want = item.reads[client];
      const data = bytes(item.value);
      const got = await attempt(() => serde.deserialize("k", data, item.flags));
      const what = `${client}: ${item.flags} ${JSON.stringify(item.value)}`;
      const refused = got instanceof MemcacheSerdeError;
      if (typeof got === "bigint") {
        assertEquals({ t: "int", v: String(got) }, want, what);
        tally.add(item.flags & 2 ? "same" : "long");
        continue;
      }
      const same = want.raises !== undefined
        ? refused
        : equal(got, untag(want));
      if (same) {
        tally.add("same");
        continue;
      }
      assertEquals(refused, true, what);
      if (item.flags === 32) tally.add("flag32");
      else if (item.value === "1_000") tally.add("underscore");
      else {
        assertEquals((got as Error).message.includes("pickle"), true, what);
        tally.add("pickle");
      }
    }
  }
  assertEquals(tally.counts, EXPECTED_FLAGS);
});
