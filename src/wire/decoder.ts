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
import { RawReply } from "./raw_reply.ts";

const CR = 13;
const LF = 10;
const SPACE = 32;

/** Longest line of a reply, in bytes. Values are not lines. */
export const MAX_LINE = 65_536;

/** A data block above this many bytes may be read straight into its memory. */
const DIRECT_READ = 4096;

const EMPTY = new Uint8Array(0);

/**
 * Reads replies. After `next` the fields tell what was read; the views they
 * speak of are valid until the next call of `feed` or `next`.
 */
export class Decoder {
  /** Where the reply's line is. */
  line: Uint8Array = EMPTY;
  /** Index of the first byte of the line. */
  lineStart = 0;
  /** Index behind the last byte of the line, its CRLF not counted. */
  lineEnd = 0;
  /** Where the key is in the line (`VALUE`). */
  keyStart = 0;
  /** Index behind the key's last byte. */
  keyEnd = 0;
  /** Where the data block is. */
  data: Uint8Array = EMPTY;
  /** Index of the data block's first byte. */
  dataStart = 0;
  /** Index behind its last byte. */
  dataEnd = 0;
  /** Whether the memory of `data` holds this block alone, to be given away. */
  owned = false;
  /** The client's flags (`VALUE`, or the meta flag `f`). */
  flags = 0;
  /** The CAS unique, 0 where there is none. */
  cas = 0n;
  /** The meta flag `O`: a decimal number, -1 absent, -2 anything else. */
  opaque = -1;
  /** Where the meta flags start in the line (`VA`, `HD`, `EN`, …). */
  metaStart = 0;
  /** What is wrong, after `INVALID`. */
  fault = "";

  readonly #maxValueSize: number;
  #chunk: Uint8Array = EMPTY;
  #at = 0;
  #kept: Uint8Array = EMPTY;
  #keptLength = 0;
  #block: Uint8Array | undefined = undefined;
  #blockKind = MORE;
  #filled = 0;
  #raw: RawReply | undefined = undefined;

  /**
   * Makes a decoder for one connection.
   *
   * @param maxValueSize Largest data block to accept, in bytes.
   */
  constructor(maxValueSize: number) {
    this.#maxValueSize = maxValueSize;
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
    const limit = chunk.length;
    if (at === limit) return MORE;
    // The frequent replies are read in one pass. What that pass cannot read,
    // for whatever reason, is left to the line reader below.
    if (limit - at > 4) {
      const first = chunk[at] << 8 | chunk[at + 1];
      const third = chunk[at + 2];
      if (first === 0x5641) { // VA
        const kind = third === SPACE
          ? this.#va(chunk, at, limit)
          : third === 0x4c
          ? this.#value(chunk, at, limit)
          : MORE;
        if (kind !== MORE) return this.#body(kind);
      } else if (first === 0x454e || first === 0x4844) { // EN, HD
        if (third === CR && chunk[at + 3] === LF) {
          return this.#bare(first === 0x4844 ? HD : EN, chunk, at, 2);
        }
        if (third === SPACE) {
          const end = this.#metaFlags(chunk, at + 3, limit);
          if (end > 0) {
            this.line = chunk;
            this.lineStart = at;
            this.lineEnd = end - 2;
            this.metaStart = at + 3;
            this.#at = end;
            return first === 0x4844 ? HD : EN;
          }
        }
        if (
          third === 0x44 && first === 0x454e && chunk[at + 3] === CR &&
          chunk[at + 4] === LF
        ) {
          return this.#bare(END, chunk, at, 3);
        }
      } else if (
        first === 0x5354 && third === 0x4f && limit - at > 7 &&
        chunk[at + 3] === 0x52 && chunk[at + 4] === 0x45 &&
        chunk[at + 5] === 0x44 && chunk[at + 6] === CR && chunk[at + 7] === LF
      ) {
        return this.#bare(STORED, chunk, at, 6);
      }
    }
    const end = chunk.indexOf(LF, at);
    if (end < 0) return this.#keep(chunk, at, limit);
    this.#at = end + 1;
    return this.#line(chunk, at, end + 1);
  }

  /** Reads the reply of a raw command, up to its end token. */
  nextRaw(token: Uint8Array): number {
    const raw = this.#raw ??= new RawReply(token, this.#maxValueSize);
    const end = raw.feed(this.#chunk, this.#at);
    if (end < 0) {
      this.#at = this.#chunk.length;
      if (raw.length <= this.#maxValueSize) return MORE;
      return this.#invalid(
        `reply of more than ${this.#maxValueSize} bytes (maxValueSize)`,
      );
    }
    this.#at = end;
    this.#raw = undefined;
    this.line = raw.bytes;
    this.lineStart = 0;
    this.lineEnd = raw.bytes.length;
    return raw.isError
      ? wordKind(raw.bytes, 0, raw.bytes.length)
      : this.#give(RAW, raw.bytes);
  }

  #give(kind: number, bytes: Uint8Array): number {
    this.data = bytes;
    this.dataStart = 0;
    this.dataEnd = bytes.length;
    this.owned = true;
    return kind;
  }

  #invalid(fault: string): number {
    this.fault = fault;
    return INVALID;
  }

  /** A reply of one word. */
  #bare(kind: number, bytes: Uint8Array, at: number, length: number): number {
    this.line = bytes;
    this.lineStart = at;
    this.lineEnd = this.metaStart = at + length;
    this.opaque = -1;
    this.#at = at + length + 2;
    return kind;
  }

  /** Puts the begin of a line aside until its end comes. */
  #keep(bytes: Uint8Array, start: number, end: number): number {
    const length = this.#keptLength + end - start;
    if (length > MAX_LINE) {
      return this.#invalid(`line of more than ${MAX_LINE} bytes`);
    }
    if (length > this.#kept.length) {
      const grown = new Uint8Array(Math.max(256, length * 2));
      grown.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = grown;
    }
    this.#kept.set(bytes.subarray(start, end), this.#keptLength);
    this.#keptLength = length;
    this.#at = end;
    return MORE;
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
    const line = this.#kept;
    const length = this.#keptLength;
    this.#kept = EMPTY;
    this.#keptLength = 0;
    return this.#line(line, 0, length);
  }

  /** Reads a whole line, its LF included; the data block, if any, follows. */
  #line(bytes: Uint8Array, start: number, end: number): number {
    const at = this.#at;
    let kind = MORE;
    if (bytes[start] === 0x56 && bytes[start + 1] === 0x41) {
      if (bytes[start + 2] === SPACE) kind = this.#va(bytes, start, end);
      else if (bytes[start + 2] === 0x4c) {
        kind = this.#value(bytes, start, end);
      }
      if (kind !== MORE) {
        this.#at = at;
        return this.#body(kind);
      }
    }
    this.line = bytes;
    this.lineStart = start;
    this.opaque = -1;
    if (bytes[end - 2] !== CR || end - 2 < start) {
      // Only listings end their lines with a bare LF.
      this.lineEnd = end - 1;
      return this.#invalid("a line that does not end with CRLF");
    }
    this.lineEnd = this.metaStart = end - 2;
    kind = wordKind(bytes, start, end - 2);
    if (kind < 0) {
      // A meta return code: flags may follow.
      kind = -kind;
      if (end - 2 - start > 2) {
        this.metaStart = start + 3;
        if (this.#metaFlags(bytes, start + 3, end) !== end) {
          return this.#invalid("meta flags that cannot be read");
        }
      }
    }
    return kind;
  }

  /** Reads `VA <size> <flags>*`; `MORE` when it is not whole or not that. */
  #va(bytes: Uint8Array, start: number, limit: number): number {
    let at = start + 3;
    let size = 0;
    let unit = 0;
    const digits = at;
    while (at < limit && (unit = bytes[at]) >= 48 && unit <= 57) {
      size = size * 10 + unit - 48;
      at++;
    }
    if (at === digits || at - digits > 15) return MORE;
    this.metaStart = at + 1;
    if (unit === SPACE) at = this.#metaFlags(bytes, at + 1, limit);
    else {
      if (unit !== CR || at + 1 >= limit || bytes[at + 1] !== LF) return MORE;
      this.flags = 0;
      this.opaque = -1;
      this.cas = 0n;
      at += 2;
    }
    if (at < 0) return MORE;
    return this.#header(VA, bytes, start, at, size);
  }

  /**
   * Reads meta flags up to and with CRLF. Known ones are read into fields, all
   * others are passed over.
   *
   * @returns The index behind LF, or -1 when they are not whole or not legal.
   */
  #metaFlags(bytes: Uint8Array, start: number, limit: number): number {
    let flags = 0;
    let opaque = -1;
    let cas = 0n;
    let at = start;
    while (at < limit) {
      const letter = bytes[at++];
      if (letter === 0x66 || letter === 0x4f) { // f, O
        const from = at;
        let number = 0;
        let unit = 0;
        while (at < limit && (unit = bytes[at]) >= 48 && unit <= 57) {
          number = number * 10 + unit - 48;
          at++;
        }
        const good = at > from && at - from < 16 && unit <= SPACE;
        if (letter === 0x66) {
          if (!good || number > 0xffffffff) return -1;
          flags = number;
        } else opaque = good ? number : -2;
      } else if (letter === 0x63) { // c
        const from = at;
        while (at < limit && bytes[at] > SPACE) at++;
        const number = readCas(bytes, from, at);
        if (number === undefined) return -1;
        cas = number;
      } else if (letter === CR) {
        if (at >= limit || bytes[at] !== LF) return -1;
        this.flags = flags;
        this.opaque = opaque;
        this.cas = cas;
        return at + 1;
      } else if (letter <= SPACE) {
        if (letter !== SPACE) return -1;
        continue;
      }
      while (at < limit && bytes[at] > SPACE) at++;
    }
    return -1;
  }

  /** Reads `VALUE <key> <flags> <bytes> [<cas>]`, as `#va` does. */
  #value(bytes: Uint8Array, start: number, limit: number): number {
    if (
      limit - start < 11 || bytes[start + 3] !== 0x55 ||
      bytes[start + 4] !== 0x45 || bytes[start + 5] !== SPACE
    ) return MORE;
    let at = start + 6;
    const keyStart = at;
    while (at < limit && bytes[at] > SPACE) at++;
    const keyEnd = at;
    if (at === keyStart || at >= limit || bytes[at] !== SPACE) return MORE;
    let unit = 0;
    let flags = 0;
    let from = ++at;
    while (at < limit && (unit = bytes[at]) >= 48 && unit <= 57) {
      flags = flags * 10 + unit - 48;
      at++;
    }
    if (at === from || at >= limit || unit !== SPACE || flags > 0xffffffff) {
      return MORE;
    }
    let size = 0;
    from = ++at;
    while (at < limit && (unit = bytes[at]) >= 48 && unit <= 57) {
      size = size * 10 + unit - 48;
      at++;
    }
    if (at === from || at >= limit || at - from > 15) return MORE;
    let cas = 0n;
    if (unit === SPACE) {
      from = ++at;
      while (at < limit && bytes[at] > SPACE) at++;
      const number = readCas(bytes, from, at);
      if (number === undefined || at >= limit) return MORE;
      cas = number;
      unit = bytes[at];
    }
    if (unit !== CR || at + 1 >= limit || bytes[at + 1] !== LF) return MORE;
    this.keyStart = keyStart;
    this.keyEnd = keyEnd;
    this.flags = flags;
    this.cas = cas;
    this.opaque = -1;
    return this.#header(VALUE, bytes, start, at + 2, size);
  }

  /** Notes where a line with a data block behind it ends. */
  #header(
    kind: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    size: number,
  ): number {
    this.line = bytes;
    this.lineStart = start;
    this.lineEnd = end - 2;
    this.dataStart = 0;
    this.dataEnd = size;
    this.#at = end;
    return kind;
  }

  /** Reads the data block of `dataEnd` bytes that follows at `#at`. */
  #body(kind: number): number {
    const size = this.dataEnd;
    if (size > this.#maxValueSize) {
      return this.#invalid(
        `value of ${size} bytes, at most ${this.#maxValueSize} are allowed (maxValueSize)`,
      );
    }
    const chunk = this.#chunk;
    const at = this.#at;
    const end = at + size;
    if (end + 2 <= chunk.length) {
      if (chunk[end] !== CR || chunk[end + 1] !== LF) {
        return this.#invalid("a value longer than its header says");
      }
      this.data = chunk;
      this.dataStart = at;
      this.dataEnd = end;
      this.owned = false;
      this.#at = end + 2;
      return kind;
    }
    // The line moves out of the chunk: its key may be asked for at the end.
    const shift = this.lineStart;
    this.line = this.line.slice(shift, this.lineEnd);
    this.keyStart -= shift;
    this.keyEnd -= shift;
    this.metaStart -= shift;
    this.lineEnd -= shift;
    this.lineStart = 0;
    this.#block = new Uint8Array(size + 2);
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
    if (block[size] !== CR || block[size + 1] !== LF) {
      return this.#invalid("a value longer than its header says");
    }
    this.data = block;
    this.dataStart = 0;
    this.dataEnd = size;
    this.owned = true;
    return this.#blockKind;
  }
}

/** Reads a CAS unique: 1 to 20 digits, below 2^64. */
function readCas(
  bytes: Uint8Array,
  start: number,
  end: number,
): bigint | undefined {
  const digits = end - start;
  if (digits < 1 || digits > 20) return undefined;
  let number = 0;
  let text = "";
  for (let i = start; i < end; i++) {
    const digit = bytes[i] - 48;
    if (digit < 0 || digit > 9) return undefined;
    if (digits < 16) number = number * 10 + digit;
    else text += digit;
  }
  if (digits < 16) return BigInt(number);
  const cas = BigInt(text);
  return cas < 1n << 64n ? cas : undefined;
}
