/**
 * Commands that tune a server: lines that are answered with one word, and
 * perhaps a remark for people behind it.
 *
 * @module
 */

import { IDEMPOTENT } from "../../connection/request.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { ERROR, LINE, OK } from "../../wire/reply.ts";
import { lineText } from "../../wire/reply_error.ts";
import { LineCommand } from "./word.ts";

/** A line, and what the words mean that may answer it. */
export class TuningCommand<T> extends LineCommand {
  readonly #ok: T;
  readonly #words: ReadonlyMap<string, T>;

  /**
   * Takes the whole line without CRLF, what `OK` means, and what other lines
   * mean, by how they begin.
   */
  constructor(
    command: string,
    line: string,
    ok: T,
    words: ReadonlyMap<string, T>,
    repeatable: boolean,
  ) {
    super(command, undefined, line, false, repeatable ? IDEMPOTENT : 0);
    this.#ok = ok;
    this.#words = words;
  }

  protected override accept(reply: Decoder, kind: number): boolean {
    if (kind === OK) {
      this.request.done(this.#ok);
      return true;
    }
    if (kind !== LINE && kind !== ERROR) return false;
    const line = lineText(reply.line, reply.lineStart, reply.lineEnd);
    for (const [words, meaning] of this.#words) {
      if (line !== words && !line.startsWith(`${words} `)) continue;
      this.request.done(meaning);
      return true;
    }
    return false;
  }
}
