/**
 * The reply of a raw command: everything up to a token that its caller names.
 *
 * @module
 */

import { isError, wordKind } from "./reply.ts";

/** What `feed` returns while the reply goes on. */
export const GOES_ON: number = -1;

/** What `feed` returns when the reply is longer than is allowed. */
export const TOO_LONG: number = -2;

const CR = 13;
const LF = 10;

/** Collects bytes until the token, or until a first line that is an error. */
export class RawReply {
  /** Bytes received so far; in the end, of the reply. */
  length = 0;
  /** Whether the reply is an error line. */
  isError = false;

  readonly #token: Uint8Array;
  readonly #limit: number;
  #memory: Uint8Array = new Uint8Array(256);
  #firstLine = false;

  /**
   * Waits for `token`, and keeps no more than `limit` bytes and one chunk.
   */
  constructor(token: Uint8Array, limit: number) {
    this.#token = token;
    // What ends the reply is not part of it.
    this.#limit = limit + Math.max(token.length, 2);
  }

  /** The reply, the token not included. */
  get bytes(): Uint8Array {
    return this.#memory.slice(0, this.length);
  }

  /**
   * Takes `chunk[at..]`. What it finds does not depend on the cuts: the first
   * token counts, but not one in an error line, which is read to its end.
   *
   * @returns The index in the chunk behind the reply, or why there is none.
   */
  feed(chunk: Uint8Array, at: number): number {
    const before = this.length;
    this.#append(chunk, at);
    const memory = this.#memory;
    const token = this.#token.length;
    const found = this.#find(Math.max(0, before - token + 1));
    let end = found < 0 ? -1 : found + token;
    let length = found;
    if (!this.#firstLine) {
      const lf = memory.subarray(0, this.length).indexOf(LF, before);
      this.#firstLine = lf >= 0;
      const line = lf > 0 && memory[lf - 1] === CR ? lf - 1 : lf;
      const text = end >= 0 && (lf < 0 || end <= lf) ? found : line;
      if (text >= 0 && isError(wordKind(memory, 0, text))) {
        this.isError = lf >= 0;
        end = lf < 0 ? -1 : lf + 1;
        length = line;
      }
    }
    if (end < 0) return this.length > this.#limit ? TOO_LONG : GOES_ON;
    if (end > this.#limit) return TOO_LONG;
    this.length = length;
    return at + end - before;
  }

  #append(chunk: Uint8Array, at: number): void {
    const need = this.length + chunk.length - at;
    if (need > this.#memory.length) {
      const grown = new Uint8Array(need * 2);
      grown.set(this.#memory.subarray(0, this.length));
      this.#memory = grown;
    }
    this.#memory.set(chunk.subarray(at), this.length);
    this.length = need;
  }

  #find(from: number): number {
    const token = this.#token;
    const last = this.length - token.length;
    for (let i = from; i <= last; i++) {
      let k = 0;
      while (k < token.length && this.#memory[i + k] === token[k]) k++;
      if (k === token.length) return i;
    }
    return -1;
  }
}
