/**
 * What the decoder is measured with, on any runtime: streams of replies in
 * chunks, and what is done with each value.
 *
 * @module
 */
import { jsonSerde } from "../src/serde/json.ts";
import { rawSerde } from "../src/serde/raw.ts";
import { FROM_VIEW, type Serde, type ViewSerde } from "../src/serde/serde.ts";
import { Decoder } from "../src/wire/decoder.ts";
import { INVALID, MORE, VA, VALUE } from "../src/wire/reply.ts";
import type { Case, ReadText } from "./_measure.ts";

const KIB = 1024;
const CHUNK = 64 * KIB;
const MAX_VALUE = 16 * KIB * KIB;
const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const textDecoder: ReadText = (bytes, start, end) =>
  utf8.decode(bytes.subarray(start, end));

/** A value's size and how many replies make a stream of its kind. */
const SIZES: ReadonlyArray<
  readonly [name: string, size: number, count: number]
> = [["100 B", 100, 2000], ["1 KiB", KIB, 250], ["1 MiB", KIB * KIB, 2]];

/** Kinds of replies; for `VALUE`, how many come before each `END`. */
const KINDS: ReadonlyArray<readonly [name: string, keys: number]> = [
  ["VA", 0],
  ["VALUE…END", 1],
  ["VALUE of 50", 50],
];

/** Bytes of the chunks that a stream is cut into. */
const CUTS: ReadonlyArray<readonly [name: string, size: () => number]> = [
  ["64 KiB chunks", () => CHUNK],
  ["1,460-byte chunks", () => 1460],
  ["odd chunks", odd()],
];

/** 1 to 3000, the same ones in every run. */
function odd(): () => number {
  let state = 1;
  return () => {
    state = Math.imul(state, 1103515245) + 12345 >>> 0;
    return 1 + (state >>> 8) % 3000;
  };
}

function cut(stream: Uint8Array, size: () => number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    const end = Math.min(stream.length, at + size());
    chunks.push(stream.slice(at, end));
    at = end;
  }
  return chunks;
}

/** The replies to `mg k f v O…` that hit. */
function va(size: number, count: number, flags: number): Uint8Array {
  const value = "v".repeat(size);
  return encoder.encode(
    Array.from(
      { length: count },
      (_, i) => `VA ${size} f${flags} O${123_456 + i}\r\n${value}\r\n`,
    ).join(""),
  );
}

/** The replies to `get` of `keys` keys that all hit. */
function value(
  keys: number,
  size: number,
  count: number,
  flags: number,
): Uint8Array {
  const data = "v".repeat(size);
  return encoder.encode(
    Array.from({ length: count }, (_, i) => {
      const end = i % keys === keys - 1 ? "END\r\n" : "";
      return `VALUE user:${123_456 + i} ${flags} ${size}\r\n${data}\r\n${end}`;
    }).join(""),
  );
}

/** What any look at each byte costs: the measure of the machine. */
function sum(chunks: readonly Uint8Array[]): number {
  let total = 0;
  for (const chunk of chunks) {
    for (let i = 0; i < chunk.length; i++) total += chunk[i];
  }
  return total;
}

/** Reads all replies; what they say is looked at by nobody. */
function pass(decoder: Decoder, chunks: readonly Uint8Array[]): number {
  let count = 0;
  for (const chunk of chunks) {
    decoder.feed(chunk);
    for (let kind = decoder.next(); kind !== MORE; kind = decoder.next()) {
      if (kind === INVALID) throw new Error(decoder.fault);
      count++;
    }
  }
  return count;
}

/** Reads all replies and makes strings of their values. */
function strings(
  decoder: Decoder,
  chunks: readonly Uint8Array[],
  text: ReadText,
): number {
  let count = 0;
  for (const chunk of chunks) {
    decoder.feed(chunk);
    for (let kind = decoder.next(); kind !== MORE; kind = decoder.next()) {
      if (kind !== VA && kind !== VALUE) continue;
      count += text(decoder.data, decoder.dataStart, decoder.dataEnd).length;
    }
  }
  return count;
}

/** Reads all replies and hands their values to a serde, as a client does. */
function values(
  decoder: Decoder,
  chunks: readonly Uint8Array[],
  serde: ViewSerde,
  text: ReadText,
): unknown {
  let last: unknown;
  for (const chunk of chunks) {
    decoder.feed(chunk);
    for (let kind = decoder.next(); kind !== MORE; kind = decoder.next()) {
      if (kind !== VA && kind !== VALUE) continue;
      const { data, dataStart, dataEnd, flags } = decoder;
      last = decoder.owned
        ? serde.deserialize("k", data.subarray(dataStart, dataEnd), flags)
        : serde[FROM_VIEW]("k", data, dataStart, dataEnd, flags, text);
    }
  }
  return last;
}

/** The shortcut is not in the public type of our serdes. */
function view(serde: Serde): ViewSerde {
  return serde as ViewSerde;
}

/**
 * Makes all cases.
 *
 * @param text The runtime's own reader of UTF-8.
 */
export function decoderCases(text: ReadText): Case[] {
  const decoder = new Decoder(MAX_VALUE);
  const cases: Case[] = [];
  for (const [word, keys] of KINDS) {
    for (const [sizeName, size, count] of SIZES) {
      for (const [cutName, next] of CUTS) {
        if (keys > count) continue;
        const make = (flags: number): Uint8Array =>
          keys === 0 ? va(size, count, flags) : value(keys, size, count, flags);
        const stream = make(16);
        const chunks = cut(stream, next);
        const plain = cut(make(0), next);
        const read = pass(decoder, chunks);
        if (read !== count + (keys === 0 ? 0 : count / keys)) {
          throw new Error(`Cannot measure: ${read} replies were read`);
        }
        const add = (name: string, run: () => unknown, baseline = false) =>
          cases.push({
            group: `${word} ${sizeName}, ${cutName}`,
            name,
            baseline,
            count,
            bytes: stream.length,
            run,
            chunks,
          });
        add("value untouched", () => pass(decoder, chunks), true);
        add("(sum of all bytes, to compare machines)", () => sum(chunks));
        add("string, the runtime's way", () => strings(decoder, chunks, text));
        add(
          "string, TextDecoder",
          () => strings(decoder, chunks, textDecoder),
        );
        add(
          "jsonSerde, string",
          () => values(decoder, chunks, view(jsonSerde), text),
        );
        add(
          "jsonSerde, bytes",
          () => values(decoder, plain, view(jsonSerde), text),
        );
        add(
          "rawSerde, bytes",
          () => values(decoder, plain, view(rawSerde), text),
        );
      }
    }
  }
  for (
    const [name, line] of [
      ["STORED", () => "STORED"],
      ["HD", () => "HD"],
      ["HD O…", (i) => `HD O${123_456 + i}`],
      ["EN", () => "EN"],
      ["EN O…", (i) => `EN O${123_456 + i}`],
      ["END", () => "END"],
      ["NOT_FOUND", () => "NOT_FOUND"],
      ["number", (i) => `${123_456 + i}`],
    ] as ReadonlyArray<readonly [string, (i: number) => string]>
  ) {
    const count = 2000;
    const lines = Array.from({ length: count }, (_, i) => `${line(i)}\r\n`);
    const stream = encoder.encode(lines.join(""));
    const chunks = cut(stream, () => CHUNK);
    cases.push({
      group: "lines, 64 KiB chunks",
      name,
      baseline: name === "STORED",
      count,
      bytes: stream.length,
      run: () => pass(decoder, chunks),
    });
  }
  return cases;
}
