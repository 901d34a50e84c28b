/**
 * Bytes to replies, in any pieces: incremental, linear in the input, total.
 *
 * States between two calls of `next`:
 * - at a reply's first byte, nothing kept;
 * - inside a line: what has come of it is kept in `#kept`;
 * - inside a data block: its memory is `#block`, filled up to `#filled`;
 * - inside a raw reply: what has come of it is kept in `#raw`.
 *
 * @module
 */

import { borrowBlock, returnBlock } from "./block.ts";
import { Header, isValue, readMetaFlags, readVa, readValue } from "./header.ts";
import { readVaHit, readValueHit, VA_ROOM } from "./hit.ts";
import { GOES_ON, RawReply, TOO_LONG } from "./raw_reply.ts";
import {
  EN,
  END,
  HD,
  INVALID,
  MORE,
  RAW,
  STORED,
  VA,
  VALUE,
  wordKind,
} from "./reply.ts";

const CR = 13;
const LF = 10;
const SPACE = 32;

/** Longest line of a reply, its CRLF included, in bytes. Values are no lines. */
export const MAX_LINE = 65_536;

/** A data block above this many bytes may be read straight into its memory. */
const DIRECT_READ = 4096;

/** Memory that is held for lines that come in pieces, in bytes. */
const KEPT = 512;

const EMPTY = new Uint8Array(0);

/**
 * Reads replies. After `next` the fields tell what was read; the views they
 * speak of are valid until the next call of `feed` or `next`.
 */
export class Decoder extends Header {
  /** What is wrong, after `INVALID`. */
  fault = "";

  readonly #maxValueSize: number;
  readonly #keeps: (flags: number) => boolean;
  #chunk: Uint8Array = EMPTY;
  #at = 0;
  #kept: Uint8Array = EMPTY;
  #keptLength = 0;
  #block: Uint8Array | undefined = undefined;
  #blockKind = MORE;
  #filled = 0;
  #borrowed = false;
  #raw: RawReply | undefined = undefined;

  /**
   * Makes a decoder for one connection.
   *
   * @param maxValueSize Largest data block to accept, in bytes.
   * @param keeps Whether the bytes of the value that comes next, stored with
   * these flags, may be kept by whom they are for.
   */
  constructor(
    maxValueSize: number,
    keeps: (flags: number) => boolean = () => true,
  ) {
    super();
    this.#maxValueSize = maxValueSize;
    this.#keeps = keeps;
  }

  /** Takes the next bytes. The former ones must have been read to the end. */
  feed(chunk: Uint8Array): void {
    const block = this.#block;
    if (
      block !== undefined && chunk.buffer === block.buffer &&
      chunk.byteOffset === block.byteOffset + this.#filled
    ) {
      // The transport has read into the memory that `target` gave.
      this.#filled += chunk.length;
      this.#chunk = EMPTY;
      this.#at = 0;
      return;
    }
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** Whether bytes are left that belong to no reply read so far. */
  get pending(): boolean {
    return this.#at < this.#chunk.length || this.midReply;
  }

  /** Whether a reply has begun and not ended. */
  get midReply(): boolean {
    return this.#keptLength > 0 || this.#block !== undefined ||
      (this.#raw !== undefined && this.#raw.length > 0);
  }

  /** Bytes that are missing of the value that is being read. */
  get missing(): number {
    return this.#block === undefined ? 0 : this.#block.length - this.#filled;
  }

  /** Memory for the rest of a large value, if one is being read. */
  target(): Uint8Array | undefined {
    const block = this.#block;
    if (block === undefined || block.length - this.#filled < DIRECT_READ) {
      return undefined;
    }
    return block.subarray(this.#filled);
  }

  /** Reads one reply: its kind, or `MORE` when bytes are missing. */
  next(): number {
    if (this.#block !== undefined) return this.#fill(this.#block);
    if (this.#keptLength > 0) return this.#joined();
    const chunk = this.#chunk;
    const at = this.#at;
    const rest = chunk.length - at;
    // The frequent replies are read in one pass. What that pass cannot read,
    // for whatever reason, is left to the line reader below.
    if (rest > 3) {
      const limit = rest > MAX_LINE ? at + MAX_LINE : at + rest;
      const first = chunk[at] << 8 | chunk[at + 1];
      const third = chunk[at + 2];
      if (first === 0x5641) { // VA
        let kind = VA;
        let end = -1;
        if (third === SPACE) {
          if (rest > VA_ROOM) end = readVaHit(this, chunk, at);
          if (end < 0) end = readVa(this, chunk, at, limit);
        } else if (
          third === 0x4c && rest > 10 && chunk[at + 3] === 0x55 &&
          chunk[at + 4] === 0x45 && chunk[at + 5] === SPACE
        ) { // VALUE
          kind = VALUE;
          end = readValueHit(this, chunk, at, limit);
          if (end < 0) end = readValue(this, chunk, at, limit);
        }
        if (end > 0) return this.#body(kind, chunk, at, end);
      } else {
        let kind = MORE;
        let end = at + 2;
        if (first === 0x4844) kind = HD;
        else if (first === 0x454e) {
          kind = EN;
          if (third === 0x44) {
            kind = END;
            end = at + 3;
          }
        } else if (
          first === 0x5354 && third === 0x4f && rest > 7 &&
          chunk[at + 3] === 0x52 && chunk[at + 4] === 0x45 &&
          chunk[at + 5] === 0x44
        ) {
          kind = STORED;
          end = at + 6;
        }
        if (kind !== MORE && end + 1 < limit) {
          const unit = chunk[end];
          if (unit === CR && chunk[end + 1] === LF) {
            this.line = chunk;
            this.lineStart = at;
            this.lineEnd = this.metaStart = end;
            this.flags = 0;
            this.opaque = -1;
            this.cas = 0n;
            this.#at = end + 2;
            return kind;
          }
          if (unit === SPACE && (kind === HD || kind === EN)) {
            end = readMetaFlags(this, chunk, end, limit);
            if (end > 0) {
              this.line = chunk;
              this.lineStart = at;
              this.#at = end;
              return kind;
            }
          }
        }
      }
    } else if (rest === 0) return MORE;
    const end = chunk.indexOf(LF, at);
    if (end < 0) return this.#keep(chunk, at, chunk.length);
    return this.#line(chunk, at, end + 1, end + 1);
  }

  /** Whether a data block has begun and not ended. */
  get midData(): boolean {
    return this.#block !== undefined;
  }

  /** Reads the reply of a raw command, up to its end token. */
  nextRaw(token: Uint8Array): number {
    // What had begun before the command came to the head is none of it.
    if (this.#keptLength > 0 || this.#block !== undefined) return this.next();
    const raw = this.#raw ??= new RawReply(token, this.#maxValueSize);
    const end = raw.feed(this.#chunk, this.#at);
    if (end === GOES_ON) {
      this.#at = this.#chunk.length;
      return MORE;
    }
    if (end === TOO_LONG) {
      return this.#invalid(
        `reply of more than ${this.#maxValueSize} bytes (maxValueSize)`,
      );
    }
    this.#raw = undefined;
    const { bytes } = raw;
    const { length } = bytes;
    const kind = raw.isError ? wordKind(bytes, 0, length) : RAW;
    this.data = bytes;
    this.dataStart = 0;
    this.dataEnd = length;
    this.owned = true;
    return this.#word(kind, bytes, 0, length, end);
  }

  #invalid(fault: string): number {
    this.fault = fault;
    return INVALID;
  }

  #tooLong(): number {
    return this.#invalid(`line of more than ${MAX_LINE} bytes`);
  }

  /** A reply that is a line and no more. */
  #word(
    kind: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    next: number,
  ): number {
    this.line = bytes;
    this.lineStart = start;
    this.lineEnd = this.metaStart = end;
    this.flags = 0;
    this.opaque = -1;
    this.cas = 0n;
    this.#at = next;
    return kind;
  }

  /** Puts the begin of a line aside until its end comes. */
  #keep(bytes: Uint8Array, start: number, end: number): number {
    const length = this.#keptLength + end - start;
    if (length > MAX_LINE) return this.#tooLong();
    if (length > this.#kept.length) {
      const grown = new Uint8Array(Math.max(KEPT, length * 2));
      grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    const kept = this.#kept;
    let to = this.#keptLength;
    // A view to copy from costs more than a short copy.
    if (end - start > 48) kept.set(bytes.subarray(start, end), to);
    else for (let i = start; i < end; i++) kept[to++] = bytes[i];
    this.#keptLength = length;
    this.#at = end;
    return MORE;
  }

  /** Hands out the kept line; it stays until the next one is kept. */
  #take(): Uint8Array {
    const line = this.#kept;
    this.#keptLength = 0;
    if (line.length > KEPT) this.#kept = EMPTY;
    return line;
  }

  /** Goes on with a line whose begin is kept. */
  #joined(): number {
    const chunk = this.#chunk;
    const at = this.#at;
    if (at === chunk.length) return MORE;
    const found = chunk.indexOf(LF, at);
    const end = found < 0 ? chunk.length : found + 1;
    const kind = this.#keep(chunk, at, end);
    if (kind === INVALID || found < 0) return kind;
    const length = this.#keptLength;
    return this.#line(this.#take(), 0, length, end);
  }

  /**
   * Reads a whole line, its LF included; the chunk goes on at `next`, with the
   * data block if there is one.
   */
  #line(bytes: Uint8Array, start: number, end: number, next: number): number {
    if (end - start > MAX_LINE) return this.#tooLong();
    if (bytes[start] === 0x56 && bytes[start + 1] === 0x41) { // VA, VALUE
      if (
        bytes[start + 2] === SPACE && readVa(this, bytes, start, end) > 0
      ) return this.#body(VA, bytes, start, next);
      if (
        isValue(bytes, start) && readValue(this, bytes, start, end) > 0
      ) return this.#body(VALUE, bytes, start, next);
    }
    const last = end - 2;
    if (last < start || bytes[last] !== CR) {
      // Only listings end their lines with a bare LF.
      return this.#invalid("a line that does not end with CRLF");
    }
    const kind = wordKind(bytes, start, last);
    this.#word(kind < 0 ? -kind : kind, bytes, start, last, next);
    if (kind >= 0) return kind;
    // A meta return code: flags may follow.
    return readMetaFlags(this, bytes, start + 2, end) > 0
      ? -kind
      : this.#invalid("meta flags that cannot be read");
  }

  /** Reads the data block of `dataEnd` bytes that follows its line at `at`. */
  #body(kind: number, bytes: Uint8Array, start: number, at: number): number {
    const chunk = this.#chunk;
    const size = this.dataEnd;
    const end = at + size;
    if (
      end + 1 >= chunk.length || chunk[end] !== CR || chunk[end + 1] !== LF ||
      size > this.#maxValueSize
    ) return this.#begin(kind, bytes, start, at);
    this.line = bytes;
    this.lineStart = start;
    this.data = chunk;
    this.dataStart = at;
    this.dataEnd = end;
    this.owned = false;
    this.#at = end + 2;
    return kind;
  }

  /** Begins to read a data block that is not there as a whole. */
  #begin(kind: number, bytes: Uint8Array, start: number, at: number): number {
    const size = this.dataEnd;
    if (size > this.#maxValueSize) {
      return this.#invalid(
        `value of ${size} bytes, at most ${this.#maxValueSize} are allowed (maxValueSize)`,
      );
    }
    // The line moves out of the chunk: its key may be asked for at the end.
    if (bytes === this.#chunk) {
      this.#keep(bytes, start, this.lineEnd);
      this.line = this.#take();
    } else this.line = bytes;
    this.lineStart = 0;
    this.lineEnd -= start;
    if (kind === VALUE) {
      this.keyStart -= start;
      this.keyEnd -= start;
    } else this.metaStart -= start;
    this.#at = at;
    this.#borrowed = !this.#keeps(this.flags);
    this.#block = this.#borrowed
      ? borrowBlock(size + 2)
      : new Uint8Array(size + 2);
    this.#blockKind = kind;
    this.#filled = 0;
    return this.#fill(this.#block);
  }

  /** Goes on with a data block that did not come in one piece. */
  #fill(block: Uint8Array): number {
    const chunk = this.#chunk;
    const at = this.#at;
    const take = Math.min(block.length - this.#filled, chunk.length - at);
    if (take > 0) {
      block.set(chunk.subarray(at, at + take), this.#filled);
      this.#filled += take;
      this.#at = at + take;
    }
    if (this.#filled < block.length) return MORE;
    const size = block.length - 2;
    this.#block = undefined;
    // What it holds is read before another block is begun.
    if (this.#borrowed) returnBlock(block);
    if (block[size] !== CR || block[size + 1] !== LF) {
      return this.#invalid("a value longer than its header says");
    }
    this.data = block;
    this.dataStart = 0;
    this.dataEnd = size;
    this.owned = !this.#borrowed;
    return this.#blockKind;
  }
}
