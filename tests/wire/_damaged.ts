/**
 * Damaged streams for the decoder: what it says must not depend on the cuts.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { INVALID } from "../../src/wire/reply.ts";
import { bytes } from "../_vectors.ts";
import {
  BYTES,
  cutAt,
  decode,
  MAX_VALUE,
  randomCuts,
  WHOLE,
} from "./_decode.ts";
import type { Random } from "./_random.ts";

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

/** How a damaged stream ended. */
export type StreamEnd = "invalid" | "unfinished" | "whole";

/**
 * Makes one damaged stream, and reads it whole and in pieces.
 *
 * @param random Decides everything.
 * @returns How it ended.
 * @throws {AssertionError} If the two readings are not the same.
 */
export function checkDamagedStream(random: Random): StreamEnd {
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
  return invalid ? "invalid" : whole.pending ? "unfinished" : "whole";
}

/** Whether two readings are the same, told faster than `assertEquals` does. */
function same(a: unknown, b: unknown): boolean {
  const text = (reading: unknown): string =>
    JSON.stringify(
      reading,
      (_, value) => typeof value === "bigint" ? `${value}n` : value,
    );
  return text(a) === text(b);
}
