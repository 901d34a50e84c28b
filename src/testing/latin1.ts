/**
 * Bytes as latin1 texts, one character for each byte, and the buffer that
 * replies are put together in.
 *
 * @module
 */

const CHUNK = 4096;

/** Reads bytes as a latin1 text. */
export function decodeLatin1(bytes: Uint8Array): string {
  if (bytes.length <= CHUNK) return decodeChunk(bytes);
  let text = "";
  for (let i = 0; i < bytes.length; i += CHUNK) {
    text += decodeChunk(bytes.subarray(i, i + CHUNK));
  }
  return text;
}

/** Writes a latin1 text as bytes. */
export function encodeLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeLatin1(text, bytes, 0);
  return bytes;
}

/** Writes a latin1 text as the dumps and logs of memcached have keys. */
export function encodeUri(latin1: string): string {
  return latin1.replace(
    /[^A-Za-z0-9._~-]/g,
    (character) =>
      "%" + character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"),
  );
}

/** Turns what a user gives as bytes, or as text (UTF-8), into bytes. */
export function toBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

/** Puts arrays of bytes one after another. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A piece of a reply: a latin1 text, or bytes. */
export type Piece = string | Uint8Array;

/** Gathers replies until they are written together. */
export class Output {
  #parts: Piece[] = [];
  #length = 0;

  /** How many bytes it holds. */
  get length(): number {
    return this.#length;
  }

  /** How many pieces it holds: a mark to {@linkcode cut} at. */
  get mark(): number {
    return this.#parts.length;
  }

  /** Adds a latin1 text, line ends included. */
  text(latin1: string): void {
    this.#parts.push(latin1);
    this.#length += latin1.length;
  }

  /** Adds bytes, which must not change until they are taken. */
  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  /** Takes out what was added after the mark. */
  cut(mark: number): Piece[] {
    const pieces = this.#parts.splice(mark);
    for (const piece of pieces) this.#length -= piece.length;
    return pieces;
  }

  /** Adds pieces that were cut out. */
  paste(pieces: readonly Piece[]): void {
    this.#parts.push(...pieces);
    for (const piece of pieces) this.#length += piece.length;
  }

  /** Takes everything out, as one array of its own. */
  take(): Uint8Array {
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      if (typeof part === "string") writeLatin1(part, whole, at);
      else whole.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#length = 0;
    return whole;
  }
}

function writeLatin1(text: string, target: Uint8Array, at: number): void {
  for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i);
}

function decodeChunk(bytes: Uint8Array): string {
  // apply() takes anything like an array, though its type says otherwise; to
  // spread the bytes takes three times as long.
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}
