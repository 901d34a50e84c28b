/** Hostile bytes: mutated streams, lying lengths, endless lines, slow drips. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { Decoder, MAX_LINE } from "../../src/wire/decoder.ts";
import { HD, INVALID, LINE, MORE, VALUE } from "../../src/wire/reply.ts";
import { test } from "../_runtime.ts";
import { bytes } from "../_vectors.ts";
import { checkDamagedStream } from "./_damaged.ts";
import {
  BYTES,
  cutAt,
  decode,
  latin1,
  MAX_VALUE,
  randomCuts,
  WHOLE,
} from "./_decode.ts";
import { Random } from "./_random.ts";

test("next() says the same of damaged streams, however they are cut", () => {
  const random = new Random(4);
  const ends = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const end = checkDamagedStream(random);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  // The cases are of every sort: a fuzzer that only knows one proves little.
  for (const end of ["invalid", "unfinished", "whole"]) {
    assertLess(2000, ends.get(end) ?? 0, end);
  }
}, { timeout: 60_000 });

test("next() survives bytes of no kind at all", () => {
  const random = new Random(5);
  for (let i = 0; i < 2000; i++) {
    const stream = Uint8Array.from(
      { length: random.below(200) },
      () => random.oneIn(3) ? random.pick([10, 13, 32, 48]) : random.below(256),
    );
    const whole = decode(stream, WHOLE);
    assertEquals(decode(stream, randomCuts(random, 200)), whole);
  }
});

test("next() refuses a value above maxValueSize, however it comes", () => {
  const limit = 1000;
  for (const size of [1001, 1e6, 1e11, 999_999_999_999_999]) {
    for (const head of [`VA ${size} f1 O2\r\n`, `VALUE k 0 ${size} 7\r\n`]) {
      const stream = bytes(`${head}${"x".repeat(2000)}\r\n`);
      const expected = {
        replies: [{
          kind: INVALID,
          fault:
            `value of ${size} bytes, at most 1000 are allowed (maxValueSize)`,
        }],
        pending: true,
      };
      assertEquals(decode(stream, WHOLE, limit), expected);
      assertEquals(decode(stream, BYTES, limit), expected);
      assertEquals(decode(stream, cutAt(head.length), limit), expected);
      assertEquals(decode(bytes(head), WHOLE, limit), expected);
    }
  }
  const stream = bytes(`VA ${limit}\r\n${"x".repeat(limit)}\r\n`);
  for (const feeding of [WHOLE, BYTES, cutAt(20)]) {
    const { replies } = decode(stream, feeding, limit);
    assertEquals(replies[0].data?.length, limit);
  }
});

test("next() takes lines of MAX_LINE bytes and refuses longer ones", () => {
  const fault = `line of more than ${MAX_LINE} bytes`;
  const heads = ["x", "VA 2 k", "HD k", "HD O", "EN ", "STAT ", "ERROR ", "1"];
  for (const head of [...heads, "VALUE k"]) {
    const tail = head === "VALUE k" ? " 0 2\r\n" : "\r\n";
    const rest = head.startsWith("VA") ? "hi\r\n" : "";
    for (const over of [0, 1, 70_000]) {
      const fill = MAX_LINE + over - head.length - tail.length;
      const stream = bytes(head + "k".repeat(fill) + tail + rest);
      const whole = decode(stream, WHOLE);
      if (over === 0) {
        assertEquals(whole.replies[0].line?.length, MAX_LINE - 2);
        assertEquals([whole.replies.length, whole.pending], [1, false]);
      } else assertEquals(whole.replies, [{ kind: INVALID, fault }], head);
      // Byte by byte is slow: one kind of line has to do.
      if (head === "x") assertEquals(decode(stream, BYTES), whole);
      for (const cut of [1, 7, 60_000, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1]) {
        assertEquals(decode(stream, cutAt(cut)), whole);
      }
    }
  }
});

test("next() gives up on a line that does not end", () => {
  for (const size of [1, 1000, 16 * 1024, 64 * 1024, 1024 * 1024]) {
    const decoder = new Decoder(MAX_VALUE);
    const chunk = new Uint8Array(size).fill(120);
    let fed = 0;
    let kind = MORE;
    while (kind === MORE && fed < 10 * 1024 * 1024) {
      decoder.feed(chunk);
      fed += size;
      kind = decoder.next();
    }
    assertEquals(kind, INVALID);
    assertEquals(decoder.fault, `line of more than ${MAX_LINE} bytes`);
    assert(fed <= MAX_LINE + size, `${fed} bytes`);
  }
});

test("next() is not misled by keys of other bytes", () => {
  const key = latin1(Uint8Array.from({ length: 222 }, (_, i) => i + 33));
  const stream = bytes(`VALUE ${key} 1 2\r\nhi\r\nHD k${key} O4\r\n`);
  for (const feeding of [WHOLE, BYTES, cutAt(100)]) {
    const { replies: [value, head] } = decode(stream, feeding);
    assertEquals([value.kind, value.key, value.data], [VALUE, key, "hi"]);
    assertEquals([head.kind, head.opaque], [HD, 4]);
  }
});

test("next() reads a header that promises too little as what it is", () => {
  const stream = bytes("VALUE k 0 2\r\nhi\r\nVALUE k 0 -2\r\nhi\r\n");
  for (const feeding of [WHOLE, BYTES, cutAt(30)]) {
    const { replies } = decode(stream, feeding);
    assertEquals(replies.map(({ kind }) => kind), [VALUE, LINE, LINE]);
  }
});

/** Milliseconds that the decoder takes for a stream, byte by byte. */
function drip(stream: Uint8Array): number {
  const decoder = new Decoder(16 * MAX_VALUE);
  const chunk = new Uint8Array(1);
  let replies = 0;
  const start = performance.now();
  for (let i = 0; i < stream.length; i++) {
    chunk[0] = stream[i];
    decoder.feed(chunk);
    while (decoder.next() !== MORE) replies++;
  }
  const time = performance.now() - start;
  assertEquals(decoder.pending, false);
  assertLess(0, replies);
  return time;
}

/** Streams that grow with a number, for work that must grow as slowly. */
const DRIPS: Readonly<Record<string, (size: number) => string>> = {
  "one value": (size) => `VALUE k 0 ${size}\r\n${"x".repeat(size)}\r\n`,
  "short lines": (size) => "HD O1\r\n".repeat(size / 7),
  "long lines": (size) => `HD k${"x".repeat(49_994)}\r\n`.repeat(size / 5e4),
  "short values": (size) => "VA 9 f1 O2\r\n123456789\r\n".repeat(size / 23),
};

for (const [name, make] of Object.entries(DRIPS)) {
  test(`next() takes linear time for a million single bytes: ${name}`, () => {
    const small = bytes(make(250_000));
    const large = bytes(make(1_000_000));
    let ratio = Infinity;
    // Other programs disturb a measurement: one good round of a few will do.
    for (let round = 0; round < 5 && ratio >= 8; round++) {
      const before = drip(small);
      ratio = drip(large) / Math.max(before, 1);
    }
    assertLess(ratio, 8, "4 times the bytes");
  }, { timeout: 60_000 });
}
