/**
 * The file of `memcache dump`: text lines, with the bytes of values between.
 *
 * ```text
 * memcache-dump 1
 * item <key> <flags> <ttl> <time> <bytes>
 * <the bytes of the value>
 * …
 * end <items>
 * ```
 *
 * Lines end with LF, and so does a value, beyond its bytes. The key is
 * percent-encoded UTF-8, or bytes as `%00` to `%ff`; `ttl` is the seconds that
 * were left at `time`, in seconds since 1970, -1 for ever. A file without its
 * last line is one of a dump that did not come to its end.
 *
 * @module
 */

import { UsageError } from "./failure.ts";
import { joined, textOf } from "./text.ts";

/** The first line of every file. */
export const HEAD = "memcache-dump 1\n";

const LF = Uint8Array.of(10);
const MAX_LINE = 4096;
const MAX_VALUE = 2 ** 30;
const ITEM = /^item (\S+) (\d{1,10}) (-?\d{1,12}) (\d{1,12}) (\d{1,10})$/;
const END = /^end (\d{1,15})$/;

/** An item as it is kept. */
export interface Kept {
  readonly key: string | Uint8Array;
  readonly flags: number;
  /** Seconds left at `time`, -1 for ever. */
  readonly ttl: number;
  /** When it was read, in seconds since 1970. */
  readonly time: number;
  readonly value: Uint8Array;
}

/** An item, and where in the file it ends. */
export interface Placed extends Kept {
  readonly end: number;
}

/** The key as it is written into the file. */
export function encodeKey(key: string | Uint8Array): string {
  if (typeof key === "string") return encodeURIComponent(key);
  return Array.from(key, (byte) => `%${byte.toString(16).padStart(2, "0")}`)
    .join("");
}

function decodeKey(text: string): string | Uint8Array | undefined {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 126) return undefined;
    if (text[i] !== "%") bytes.push(code);
    else {
      const hex = text.slice(i + 1, i + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) return undefined;
      bytes.push(parseInt(hex, 16));
      i += 2;
    }
  }
  const key = Uint8Array.from(bytes);
  return textOf(key) ?? key;
}

/** The bytes of an item in the file. */
export function encodeItem({ key, flags, ttl, time, value }: Kept): Uint8Array {
  const line = `item ${
    encodeKey(key)
  } ${flags} ${ttl} ${time} ${value.length}\n`;
  return joined([new TextEncoder().encode(line), value, LF]);
}

/** The last line of the file. */
export function encodeEnd(items: number): string {
  return `end ${items}\n`;
}

/** Reads a file from its begin, or from behind one of its items. */
export class DumpReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffer: Uint8Array = new Uint8Array(0);
  /** Where the buffer begins in the file. */
  #start: number;
  #at = 0;
  /** What the file said of itself at its end. */
  items: number | undefined = undefined;

  constructor(chunks: AsyncIterable<Uint8Array>, offset = 0) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#start = offset;
  }

  /** Where the next item begins. */
  get offset(): number {
    return this.#start + this.#at;
  }

  /**
   * Reads the first line.
   *
   * @throws {UsageError} If it is not that of a dump.
   */
  async begin(): Promise<void> {
    const line = await this.#line();
    if (line === undefined || `${line}\n` !== HEAD) {
      throw new UsageError("Cannot read the file: it is no dump");
    }
  }

  /**
   * Reads an item.
   *
   * @returns The item; `undefined` at the end of a file, whole or not: `items`
   * tells.
   * @throws {UsageError} If the file is damaged.
   */
  async next(): Promise<Placed | undefined> {
    const begin = this.offset;
    const line = await this.#line();
    if (line === undefined) return undefined;
    const end = END.exec(line);
    if (end !== null) {
      this.items = Number(end[1]);
      return undefined;
    }
    const found = ITEM.exec(line);
    const key = found === null ? undefined : decodeKey(found[1]);
    if (found === null || key === undefined) throw damage(begin);
    const [flags, ttl, time, length] = found.slice(2).map(Number);
    if (length > MAX_VALUE || flags >= 2 ** 32) throw damage(begin);
    if (!await this.#fill(length + 1)) {
      // The item was being written when the dump ended.
      this.#at = begin - this.#start;
      return undefined;
    }
    const value = this.#buffer.slice(this.#at, this.#at + length);
    if (this.#buffer[this.#at + length] !== 10) throw damage(begin);
    this.#at += length + 1;
    return { key, flags, ttl, time, value, end: this.offset };
  }

  /** Lets go of the file. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Reads up to a line end; `undefined` where there is none any more. */
  async #line(): Promise<string | undefined> {
    for (let from = 0;;) {
      const found = this.#buffer.indexOf(10, this.#at + from);
      if (found >= 0) {
        const line = this.#buffer.subarray(this.#at, found);
        this.#at = found + 1;
        return String.fromCharCode(...line.subarray(0, MAX_LINE));
      }
      from = this.#buffer.length - this.#at;
      if (from > MAX_LINE) throw damage(this.offset);
      if (!await this.#fill(from + 1)) return undefined;
    }
  }

  /** Has a number of bytes at hand, or tells that there are none. */
  async #fill(length: number): Promise<boolean> {
    const parts = [this.#buffer.subarray(this.#at)];
    let have = parts[0].length;
    if (have >= length) return true;
    let ended = false;
    while (have < length) {
      const { value, done } = await this.#chunks.next();
      if (done) {
        ended = true;
        break;
      }
      parts.push(value);
      have += value.length;
    }
    this.#start += this.#at;
    this.#at = 0;
    this.#buffer = joined(parts);
    return !ended;
  }
}

function damage(offset: number): UsageError {
  return new UsageError(
    `Cannot read the file: it is damaged at byte ${offset}`,
  );
}
