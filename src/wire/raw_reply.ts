/**
 * The reply of a raw command: everything up to a token that its caller names.
 *
 * @module
 */

import { CLIENT_ERROR, ERROR, SERVER_ERROR, wordKind } from "./reply.ts";

/** Collects bytes until the token, or until a first line that is an error. */
export class RawReply {
  /** Bytes received so far. */
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
    this.#limit = limit;
  }

  /** The reply, the token not included. */
  get bytes(): Uint8Array {
    return this.#memory.slice(0, this.length);
  }

  /**
   * Takes `chunk[at..]`.
   *
   * @returns The index in the chunk behind the reply, or -1 when it goes on.
   */
  feed(chunk: Uint8Array, at: number): number {
    const before = this.length;
    if (before > this.#limit) return -1;
    this.#append(chunk, at);
    if (!this.#firstLine) {
      const lf = this.#memory.subarray(0, this.length).indexOf(10, before);
      if (lf >= 0) {
        this.#firstLine = true;
        const end = lf > 0 && this.#memory[lf - 1] === 13 ? lf - 1 : lf;
        const kind = wordKind(this.#memory, 0, end);
        if (kind === ERROR || kind === CLIENT_ERROR || kind === SERVER_ERROR) {
          this.isError = true;
          this.length = end;
          return at + lf + 1 - before;
        }
      }
    }
    const token = this.#token;
    const from = Math.max(0, before - token.length + 1);
    const found = this.#find(from);
    if (found < 0) return -1;
    this.length = found;
    return at + found + token.length - before;
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
