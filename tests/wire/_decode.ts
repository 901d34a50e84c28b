/**
 * Runs the decoder over bytes in pieces, and writes down what it says.
 *
 * @module
 */
import { assert } from "@std/assert";
import { Decoder } from "../../src/wire/decoder.ts";
import { INVALID, MORE, VA, VALUE } from "../../src/wire/reply.ts";
import type { Random } from "./_random.ts";

/** Everything that one reply says, copied out of the decoder. */
export interface Reply {
  /** The kind. */
  kind: number;
  /** What is wrong, for `INVALID` alone; the rest is absent there. */
  fault?: string;
  /** The line, without CRLF. */
  line?: string;
  /** The part of the line that meta flags are read from. */
  meta?: string;
  /** The client's flags. */
  flags?: number;
  /** The CAS unique. */
  cas?: bigint;
  /** The opaque number. */
  opaque?: number;
  /** The key, for `VALUE` alone. */
  key?: string;
  /** The data block, for `VALUE` and `VA` alone. */
  data?: string;
}

/** What a whole stream says. */
export interface Reading {
  /** The replies, up to the first `INVALID`. */
  replies: Reply[];
  /** Whether something is left that belongs to no reply. */
  pending: boolean;
}

/** How a stream comes in. */
export interface Feeding {
  /** How many bytes the next piece has, at least 1. */
  size: (at: number) => number;
  /** Whether to read into the memory that the decoder offers. */
  direct?: () => boolean;
}

/** The accepted size of a value where a test does not care. */
export const MAX_VALUE: number = 1024 * 1024;

/** Everything in one piece. */
export const WHOLE: Feeding = { size: () => Infinity };

/** One byte at a time. */
export const BYTES: Feeding = { size: () => 1 };

/** Two pieces. */
export function cutAt(position: number): Feeding {
  return { size: (at) => at < position ? position - at : Infinity };
}

/** Pieces of random sizes, a few bytes or many, some read straight in. */
export function randomCuts(random: Random, most: number): Feeding {
  return {
    size: () => 1 + random.below(random.oneIn(2) ? most : Math.min(most, 9)),
    direct: () => random.oneIn(2),
  };
}

/** Bytes as text, one character each. */
export function latin1(
  bytes: Uint8Array,
  start: number = 0,
  end: number = bytes.length,
): string {
  let text = "";
  for (let at = start; at < end; at += 4096) {
    text += String.fromCharCode(
      ...bytes.subarray(at, Math.min(end, at + 4096)),
    );
  }
  return text;
}

/** Copies what the decoder says after `next`. */
export function record(decoder: Decoder, kind: number): Reply {
  if (kind === INVALID) return { kind, fault: decoder.fault };
  const { line, lineStart, lineEnd, metaStart, flags, cas, opaque } = decoder;
  const reply: Reply = { kind, flags, cas, opaque };
  reply.line = latin1(line, lineStart, lineEnd);
  if (kind === VALUE) {
    reply.key = latin1(line, decoder.keyStart, decoder.keyEnd);
  } else reply.meta = latin1(line, metaStart, lineEnd);
  if (kind === VALUE || kind === VA) {
    reply.data = latin1(decoder.data, decoder.dataStart, decoder.dataEnd);
  }
  return reply;
}

/**
 * Decodes a stream as it comes in. Every piece has memory of its own that is
 * overwritten as soon as the decoder has asked for more.
 */
export function decode(
  stream: Uint8Array,
  feeding: Feeding,
  maxValueSize: number = MAX_VALUE,
): Reading {
  const decoder = new Decoder(maxValueSize);
  const replies: Reply[] = [];
  for (let at = 0; at < stream.length;) {
    const size = Math.min(feeding.size(at), stream.length - at);
    const target = feeding.direct?.() ? decoder.target() : undefined;
    const chunk = target === undefined
      ? new Uint8Array(size)
      : target.subarray(0, Math.min(size, target.length));
    chunk.set(stream.subarray(at, at + chunk.length));
    at += chunk.length;
    decoder.feed(chunk);
    for (;;) {
      const kind = decoder.next();
      if (kind === MORE) break;
      replies.push(record(decoder, kind));
      if (kind === INVALID) return { replies, pending: true };
      assert(replies.length <= at, "more replies than bytes");
    }
    if (target === undefined) chunk.fill(0xaa);
  }
  return { replies, pending: decoder.pending };
}

/** The bytes that replies were read from. */
export function rebuild(replies: readonly Reply[]): string {
  return replies.map(({ line, data }) =>
    data === undefined ? `${line}\r\n` : `${line}\r\n${data}\r\n`
  ).join("");
}
