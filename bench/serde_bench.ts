/**
 * Serdes and key encoders, per value; `FROM_VIEW` is what a reply's hit path
 * calls. `utf8Slice` stands for the reader that a connection hands in.
 */
import { Buffer } from "node:buffer";
import { murmur3Keys, sha256Keys } from "../src/client/key_encoders.ts";
import { murmur3 } from "../src/hash/murmur3.ts";
import { compressedSerde } from "../src/serde/compressed.ts";
import { jsonSerde } from "../src/serde/json.ts";
import { rawSerde } from "../src/serde/raw.ts";
import { FROM_VIEW, type Serde, type ViewSerde } from "../src/serde/serde.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// The receive buffer of a connection, a value somewhere inside it.
const received = Buffer.alloc(64 * 1024, "x");
const START = 30;
const text = (bytes: Uint8Array, start: number, end: number): string =>
  end - start > 200
    ? decoder.decode(bytes.subarray(start, end))
    : received.toString("latin1", start, end);

function place(data: Uint8Array | string): number {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  received.set(bytes, START);
  return START + bytes.length;
}

function fromView(serde: Serde, end: number, flags: number): unknown {
  return (serde as ViewSerde)[FROM_VIEW](
    "k",
    received,
    START,
    end,
    flags,
    text,
  );
}

const short = "0123456789".repeat(10);
const object = {
  users: Array.from({ length: 8 }, (_, id) => ({
    id,
    name: `User number ${id}`,
    email: `user.${id}@example.com`,
    tags: ["one", "two", null],
    score: id * 1.5,
    active: true,
  })),
};
const json = JSON.stringify(object);
const jsonBytes = encoder.encode(json);
const bytes = encoder.encode(short);
const page = "<li class='item'>some words of text</li>\n".repeat(100);
const longKey = "user:profile:settings:".repeat(14);

Deno.bench(
  "plain object",
  { group: "write 100 B text", baseline: true },
  () => {
    ({ data: short, flags: 16 });
  },
);
Deno.bench("jsonSerde", { group: "write 100 B text" }, () => {
  jsonSerde.serialize("k", short);
});

Deno.bench(
  "reader alone",
  { group: "read 100 B text", baseline: true },
  (b) => {
    const end = place(short);
    b.start();
    for (let i = 0; i < 1000; i++) text(received, START, end);
    b.end();
  },
);
Deno.bench("jsonSerde FROM_VIEW", { group: "read 100 B text" }, (b) => {
  const end = place(short);
  b.start();
  for (let i = 0; i < 1000; i++) fromView(jsonSerde, end, 16);
  b.end();
});
Deno.bench("jsonSerde deserialize", { group: "read 100 B text" }, (b) => {
  b.start();
  for (let i = 0; i < 1000; i++) jsonSerde.deserialize("k", bytes, 16);
  b.end();
});

Deno.bench("slice", { group: "read 100 B bytes", baseline: true }, (b) => {
  const end = place(short);
  b.start();
  for (let i = 0; i < 1000; i++) new Uint8Array(received.subarray(START, end));
  b.end();
});
Deno.bench("rawSerde FROM_VIEW", { group: "read 100 B bytes" }, (b) => {
  const end = place(short);
  b.start();
  for (let i = 0; i < 1000; i++) fromView(rawSerde, end, 0);
  b.end();
});

Deno.bench("jsonSerde FROM_VIEW", { group: "read an integer" }, (b) => {
  const end = place("1234567890");
  b.start();
  for (let i = 0; i < 1000; i++) fromView(jsonSerde, end, 2);
  b.end();
});

Deno.bench(
  "JSON.stringify",
  { group: `write ${json.length} B JSON`, baseline: true },
  () => {
    JSON.stringify(object);
  },
);
Deno.bench("jsonSerde", { group: `write ${json.length} B JSON` }, () => {
  jsonSerde.serialize("k", object);
});

Deno.bench(
  "JSON.parse",
  { group: `read ${json.length} B JSON`, baseline: true },
  () => {
    JSON.parse(json);
  },
);
Deno.bench("FROM_VIEW", { group: `read ${json.length} B JSON` }, (b) => {
  const end = place(jsonBytes);
  b.start();
  fromView(jsonSerde, end, 32);
  b.end();
});
Deno.bench("deserialize", { group: `read ${json.length} B JSON` }, () => {
  jsonSerde.deserialize("k", jsonBytes, 32);
});

const compressed = compressedSerde();
// With zlib and no value above 64 KiB nothing is async.
const packed = compressed.serialize("k", page) as {
  data: Uint8Array;
  flags: number;
};
Deno.bench("write", { group: "compressed 4 KiB" }, () => {
  compressed.serialize("k", page);
});
Deno.bench("read", { group: "compressed 4 KiB" }, (b) => {
  const end = place(packed.data);
  b.start();
  fromView(compressed, end, packed.flags);
  b.end();
});

Deno.bench("murmur3", { group: "key of 308 characters" }, () => {
  murmur3(longKey, 0);
});
Deno.bench("murmur3Keys", { group: "key of 308 characters" }, () => {
  murmur3Keys(longKey);
});
Deno.bench(
  "sha256Keys",
  { group: "key of 308 characters", baseline: true },
  () => {
    sha256Keys(longKey);
  },
);
