/**
 * The outer form of a structured value: a text, and blocks of bytes beside it,
 * so that bytes are stored as bytes.
 *
 * ```text
 * 0x01                 version of the form
 * count                of the blocks, as a varint: 7 bits a byte, low ones first
 * length × count       of each block, as varints
 * text                 UTF-8, whatever is left
 * block × count
 * ```
 *
 * @module
 */

import type { Serialized } from "../types.ts";

/** The version of the form that is written, and the only one that is read. */
const VERSION = 1;

/** A varint of up to this many bytes is exact as a number: 2^49. */
const MAX_VARINT = 7;

const ENCODER = new TextEncoder();

/** Where the parts of a value are, in the bytes that it was read from. */
export interface Frame {
  /** Where the text begins. */
  readonly start: number;
  /** Where the text ends. */
  readonly end: number;
  /** Where each block begins; and where the last one ends. */
  readonly blocks: readonly number[];
}

/** Writes a number below 2^49 at a position; returns the position behind it. */
function writeVarint(to: number[], value: number): void {
  while (value > 0x7f) {
    to.push(value % 0x80 | 0x80);
    value = Math.floor(value / 0x80);
  }
  to.push(value);
}

/** Puts a text and its blocks into one piece. */
export function writeFrame(
  text: string,
  blocks: readonly Uint8Array[],
  flags: number,
): Serialized {
  const head: number[] = [VERSION];
  writeVarint(head, blocks.length);
  // Text alone stays text: whoever sends it writes it out once.
  if (blocks.length === 0) {
    return { data: String.fromCharCode(...head) + text, flags };
  }
  let length = 0;
  for (const block of blocks) {
    writeVarint(head, block.length);
    length += block.length;
  }
  const encoded = ENCODER.encode(text);
  const data = new Uint8Array(head.length + encoded.length + length);
  data.set(head);
  let at = head.length;
  data.set(encoded, at);
  at += encoded.length;
  for (const block of blocks) {
    data.set(block, at);
    at += block.length;
  }
  return { data, flags };
}

/**
 * Finds the parts of `bytes[start..end)`; nothing is copied, and nothing is
 * allocated but for lengths that are there.
 *
 * @returns The parts, or `undefined` if the lengths do not add up.
 */
export function readFrame(
  bytes: Uint8Array,
  start: number,
  end: number,
): Frame | undefined {
  let at = start;
  const readVarint = (): number => {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT && at < end; i++) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    return NaN;
  };
  if (at >= end || bytes[at++] !== VERSION) return undefined;
  const count = readVarint();
  // Each length takes a byte at least.
  if (!(count <= end - at)) return undefined;
  const lengths: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const length = readVarint();
    total += length;
    if (!(total <= end - at)) return undefined;
    lengths.push(length);
  }
  const textEnd = end - total;
  const blocks = [textEnd];
  for (const length of lengths) blocks.push(blocks[blocks.length - 1] + length);
  return { start: at, end: textEnd, blocks };
}
