import { test } from "../_runtime.ts";
import { assert, assertEquals } from "@std/assert";
import { borrowBlock, returnBlock } from "../../src/wire/block.ts";
import { Decoder } from "../../src/wire/decoder.ts";
import { MORE, VA } from "../../src/wire/reply.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

test("borrowBlock() lends what was returned, in the size asked for", () => {
  const first = borrowBlock(100_000);
  assertEquals(first.length, 100_000);
  returnBlock(first);
  const second = borrowBlock(70_000);
  assertEquals(second.length, 70_000);
  assert(second.buffer === first.buffer);
  returnBlock(second);
});

test("borrowBlock() lends nothing twice at a time", () => {
  const first = borrowBlock(1000);
  const second = borrowBlock(1000);
  assert(first.buffer !== second.buffer);
  returnBlock(first);
  returnBlock(second);
});

test("returnBlock() keeps no piece above 2 MiB", () => {
  const huge = borrowBlock(2 * 1024 * 1024 + 1);
  returnBlock(huge);
  const next = borrowBlock(10);
  assert(next.buffer !== huge.buffer);
  returnBlock(next);
});

/** Feeds in two pieces, the second within the value. */
function begin(reading: Decoder, text: string): Uint8Array {
  const bytes = encoder.encode(`VA ${text.length} f16 O1\r\n${text}\r\n`);
  const cut = bytes.length - text.length;
  reading.feed(bytes.slice(0, cut));
  assertEquals(reading.next(), MORE);
  return bytes.slice(cut);
}

function finish(reading: Decoder, rest: Uint8Array): string {
  reading.feed(rest);
  assertEquals(reading.next(), VA);
  const { data, dataStart, dataEnd } = reading;
  return decoder.decode(data.subarray(dataStart, dataEnd));
}

test("Decoder.next() reads one value after another into borrowed memory", () => {
  const reading = new Decoder(1 << 20, () => false);
  const texts = ["a".repeat(9000), "b".repeat(70), "c".repeat(80_000)];
  for (const text of [...texts, ...texts]) {
    assertEquals(finish(reading, begin(reading, text)), text);
    assertEquals(reading.owned, false);
  }
});

test("Decoder.next() keeps the values of two connections apart", () => {
  const one = new Decoder(1 << 20, () => false);
  const other = new Decoder(1 << 20, () => false);
  const a = begin(one, "a".repeat(5000));
  const b = begin(other, "b".repeat(5000));
  assertEquals(finish(one, a), "a".repeat(5000));
  assertEquals(finish(other, b), "b".repeat(5000));
});

test("Decoder.next() gives bytes that may be kept memory of their own", () => {
  const reading = new Decoder(1 << 20, (flags) => flags === 16);
  finish(reading, begin(reading, "a".repeat(5000)));
  assert(reading.owned);
  const { data } = reading;
  assertEquals(data.buffer.byteLength, 5002);
  finish(reading, begin(reading, "b".repeat(5000)));
  assert(reading.data.buffer !== data.buffer);
});

test("Decoder.next() lends no memory that somebody may have kept", () => {
  const holding = new Decoder(1 << 20, () => false);
  const rest = begin(holding, "h".repeat(5000));
  const keeping = new Decoder(1 << 20);
  finish(keeping, begin(keeping, "a".repeat(5000)));
  const { data, dataStart, dataEnd } = keeping;
  const kept = data.subarray(dataStart, dataEnd);
  // With the spare piece lent, only what was kept could serve the next value.
  const reading = new Decoder(1 << 20, () => false);
  assertEquals(finish(reading, begin(reading, "b".repeat(4000))).length, 4000);
  assertEquals(decoder.decode(kept), "a".repeat(5000));
  assertEquals(finish(holding, rest), "h".repeat(5000));
});
