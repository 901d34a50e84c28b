/**
 * Where commands are encoded: one buffer, written front to back.
 *
 * @module
 */

const utf8 = new TextEncoder();

/** Longest text that is copied unit by unit; `encodeInto` is faster above. */
const LOOP_LIMIT = 32;

/** Values from this many bytes on are sent from where they lie, not copied. */
export const LARGE_VALUE: number = 24 * 1024;

/** A growing run of bytes. What it holds is valid until `clear`. */
export class Output {
  /** The memory; only the first `length` bytes count. */
  bytes: Uint8Array;
  /** How many bytes have been written. */
  length = 0;
  /** A large value that has to follow these bytes, itself followed by CRLF. */
  large: Uint8Array | undefined = undefined;
  /** The length of `large` that its header tells. */
  largeLength = 0;
  /** Whether `mn` follows behind all of it, in a write of its own. */
  isFenced = false;

  /** Takes the memory to write into. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Forgets what was written. */
  clear(): void {
    this.length = 0;
    this.large = undefined;
    this.isFenced = false;
  }

  /** The bytes written so far, as a view. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const need = this.length + count;
    if (need <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(need, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Writes one byte. */
  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Writes text as UTF-8. */
  text(text: string): void {
    const count = text.length;
    if (count > LOOP_LIMIT) {
      this.#long(text);
      return;
    }
    this.reserve(count * 3);
    const bytes = this.bytes;
    let at = this.length;
    for (let i = 0; i < count; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.length = at;
        this.length += utf8.encodeInto(text.slice(i), bytes.subarray(at))
          .written;
        return;
      }
      bytes[at++] = unit;
    }
    this.length = at;
  }

  /** Writes long text, and takes more memory only where it needs it. */
  #long(text: string): void {
    this.reserve(text.length);
    const { read, written } = utf8.encodeInto(
      text,
      this.bytes.subarray(this.length),
    );
    this.length += written;
    if (read === text.length) return;
    const rest = text.slice(read);
    this.reserve(rest.length * 3);
    this.length += utf8.encodeInto(rest, this.bytes.subarray(this.length))
      .written;
  }

  /**
   * Writes a checked key between two constant ASCII texts, in one go: this is
   * what most commands begin with.
   */
  keyed(head: string, key: string, tail: string): void {
    const count = key.length;
    if (count > LOOP_LIMIT) {
      this.text(head);
      this.#long(key);
      this.text(tail);
      return;
    }
    this.reserve(head.length + count + tail.length);
    const bytes = this.bytes;
    const start = this.length;
    let at = start;
    for (let i = 0; i < head.length; i++) bytes[at++] = head.charCodeAt(i);
    for (let i = 0; i < count; i++) {
      const unit = key.charCodeAt(i);
      if (unit > 0x7f) {
        this.length = at - i;
        this.text(key);
        this.text(tail);
        return;
      }
      bytes[at++] = unit;
    }
    for (let i = 0; i < tail.length; i++) bytes[at++] = tail.charCodeAt(i);
    this.length = at;
  }

  /** Writes a number that is a whole one, 0 to 2^53 - 1, in decimal digits. */
  uint(value: number): void {
    if (value < 10) {
      this.byte(48 + value);
      return;
    }
    if (value > 0xffffffff) {
      this.text(String(value));
      return;
    }
    // Unsigned 32-bit steps: a division of floats costs several times as much.
    let rest = value >>> 0;
    let digits = 2;
    for (let bound = 100; rest >= bound; bound *= 10) digits++;
    this.reserve(digits);
    const bytes = this.bytes;
    let at = this.length + digits;
    this.length = at;
    do {
      const next = (rest / 10) >>> 0;
      bytes[--at] = 48 + rest - Math.imul(next, 10);
      rest = next;
    } while (rest > 0);
  }

  /** Writes bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Ends a line. */
  crlf(): void {
    this.reserve(2);
    this.bytes[this.length++] = 13;
    this.bytes[this.length++] = 10;
  }

  /**
   * Ends a storage line and adds the data block: the length of the value,
   * `rest` (what follows the length), a number if there is one, and the value.
   * A large value of bytes is left in `large`, to be written behind this output
   * without a copy.
   */
  block(data: Uint8Array | string, rest: string, number = -1): void {
    if (typeof data === "string" && data.length >= LARGE_VALUE) {
      this.block(utf8.encode(data), rest, number);
      return;
    }
    if (typeof data !== "string") {
      this.uint(data.length);
      this.#endLine(rest, number);
      if (data.length >= LARGE_VALUE) {
        this.large = data;
        this.largeLength = data.length;
        return;
      }
      this.raw(data);
      this.crlf();
      return;
    }
    // Most text is ASCII: its length in bytes is guessed, and put right if it
    // turns out to be wrong.
    const start = this.length;
    this.uint(data.length);
    this.#endLine(rest, number);
    const from = this.length;
    this.text(data);
    const end = this.length;
    const count = end - from;
    if (count !== data.length) {
      const shift = String(count).length - String(data.length).length;
      this.reserve(shift);
      if (shift > 0) this.bytes.copyWithin(from + shift, from, end);
      this.length = start;
      this.uint(count);
      this.#endLine(rest, number);
      this.length = end + shift;
    }
    this.crlf();
  }

  #endLine(rest: string, number: number): void {
    this.text(rest);
    if (number >= 0) this.uint(number);
    this.crlf();
  }
}

/** Bytes of a text as UTF-8. */
export function encodeText(text: string): Uint8Array {
  return utf8.encode(text);
}
