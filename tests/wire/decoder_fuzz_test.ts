/** Hostile bytes: mutated streams, lying lengths, endless lines, slow drips. */
import { assert, assertEquals, assertLess } from "@std/assert";
import { Decoder, MAX_LINE } from "../../src/wire/decoder.ts";
import { HD, INVALID, LINE, MORE, VALUE } from "../../src/wire/reply.ts";
import { test } from "../_runtime.ts";
import { bytes } from "../_vectors.ts";
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

/** Lines to make streams of. */
const LINES: readonly string[] = [
  ...["STORED", "NOT_STORED", "EXISTS", "NOT_FOUND", "DELETED", "TOUCHED"],
  ...["OK", "RESET", "END", "42", "99 ", "18446744073709551615", "MN", "EN"],
  ...["VERSION 1.6.18", "STAT curr_items 3", "ERROR", "ERROR Too many open"],
  ...["CLIENT_ERROR bad data chunk", "SERVER_ERROR out of memory", "HD"],
  ...["HD O12 kkey", "HD f1 c18446744073709551615 t-1 W", "EN O3 kkey b"],
  ...["NS O4", "EX c4", "NF kkey", "ME key exp=-1 la=0 cas=2 cls=1 size=63"],
];

/** What is put in where a stream is damaged. */
const PIECES: readonly string[] = [
  ...["\r", "\n", "\r\n", " ", "\0", "\xff", "0", "9", "-", "O", "f", "c"],
  ...["VA ", "VALUE ", "END\r\n", "HD O", "EN\r\n", "4294967296", "W X Z"],
  ...["99999999999", "18446744073709551616", "VALUE k 0 3\r\nabc\r\n"],
];

function makeStream(random: Random): string {
  let stream = "";
  for (let i = 1 + random.below(5); i > 0; i--) {
    if (random.oneIn(2)) {
      stream += `${random.pick(LINES)}\r\n`;
      continue;
    }
    let data = "";
    for (let n = random.below(random.oneIn(9) ? 300 : 12); n > 0; n--) {
      data += random.oneIn(4)
        ? random.pick(PIECES)
        : String.fromCharCode(random.below(256));
    }
    stream += random.oneIn(2)
      ? `VA ${data.length} f${random.below(99)} O${random.below(1e6)}\r\n`
      : `VALUE k${random.below(9)} 16 ${data.length}${
        random.pick(["", " 7", " 12345678901234567890"])
      }\r\n`;
    stream += `${data}\r\n`;
  }
  return stream;
}

function damage(stream: string, random: Random): string {
  const at = random.below(stream.length);
  const to = at + random.below(8);
  switch (random.below(6)) {
    case 0: // another byte
      return stream.slice(0, at) + String.fromCharCode(random.below(256)) +
        stream.slice(at + 1);
    case 1: // another digit
      return stream.replace(
        /\d/g,
        (digit, position) =>
          position >= at && position < to ? `${random.below(10)}` : digit,
      );
    case 2: // something missing
      return stream.slice(0, at) + stream.slice(to);
    case 3: // something too much
      return stream.slice(0, at) + random.pick(PIECES) + stream.slice(at);
    case 4: // something twice
      return stream.slice(0, to) + stream.slice(at);
    default: // the end missing
      return stream.slice(0, at);
  }
}

test("next() says the same of damaged streams, however they are cut", () => {
  const random = new Random(4);
  const ends = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    let text = makeStream(random);
    for (let n = random.below(4); n > 0; n--) text = damage(text, random);
    const stream = bytes(text);
    const limit = random.pick([10, 200, MAX_VALUE]);
    const whole = decode(stream, WHOLE, limit);
    const cuts = random.oneIn(3)
      ? BYTES
      : random.oneIn(2)
      ? cutAt(random.below(stream.length + 1))
      : randomCuts(random, stream.length + 1);
    const parts = decode(stream, cuts, limit);
    if (!same(parts, whole)) assertEquals(parts, whole, JSON.stringify(text));
    const invalid = whole.replies.at(-1)?.kind === INVALID;
    const end = invalid ? "invalid" : whole.pending ? "unfinished" : "whole";
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  // The cases are of every sort: a fuzzer that only knows one proves little.
  for (const end of ["invalid", "unfinished", "whole"]) {
    assertLess(2000, ends.get(end) ?? 0, end);
  }
}, { timeout: 60_000 });

/** Whether two readings are the same, told faster than `assertEquals` does. */
function same(a: unknown, b: unknown): boolean {
  const text = (reading: unknown): string =>
    JSON.stringify(
      reading,
      (_, value) => typeof value === "bigint" ? `${value}n` : value,
    );
  return text(a) === text(b);
}

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
