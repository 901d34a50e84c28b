/**
 * Commands for the server itself: `stats`, raw lines, `quit`, `shutdown`.
 *
 * @module
 */

import {
  CARRIES_VALUE,
  Command,
  COMPLETE,
  COMPLETE_DROP,
  CONTINUES,
  ENDS_CONNECTION,
  FOREIGN,
  NEEDS_NO_LINK,
  RAW_REPLY,
} from "../../connection/request.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { encodeText, type Output } from "../../wire/output.ts";
import { END, isError, LINE, OK, RAW, RESET, STAT } from "../../wire/reply.ts";
import { LineCommand } from "./word.ts";

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Longest reply to `stats`, in bytes. memcached itself stops at 2 MiB where a
 * reply could go on for ever.
 */
const MAX_STATS = 2.5 * 1024 * 1024;

/** `stats`: names and values, as they come. */
export class StatsCommand extends LineCommand {
  #pairs: Array<[name: string, value: string]> = [];
  #size = 0;
  readonly #oneLine: boolean;

  /** Takes the whole line. */
  constructor(line: string) {
    super("stats", undefined, line, false);
    // These two answer with one STAT line that no END follows.
    this.#oneLine = line === "stats sizes_enable" ||
      line === "stats sizes_disable";
  }

  override rewind(): void {
    this.#pairs = [];
    this.#size = 0;
  }

  override read(reply: Decoder, kind: number): number {
    if (kind === STAT || kind === LINE) {
      const { line, lineStart, lineEnd } = reply;
      this.#size += lineEnd - lineStart;
      if (this.#size > MAX_STATS) return FOREIGN;
      if (this.request.settled) return CONTINUES;
      const text = utf8.decode(line.subarray(lineStart, lineEnd));
      const [word, name, value] = splitTwice(text);
      // `stats cachedump` lists ITEM lines, `stats detail dump` PREFIX lines.
      if (
        word !== "STAT" && word !== "ITEM" && word !== "PREFIX" || name === ""
      ) return FOREIGN;
      if (this.#oneLine) {
        this.request.done([]);
        return COMPLETE;
      }
      this.#pairs.push([name, value]);
      return CONTINUES;
    }
    const step = super.read(reply, kind);
    // Behind the first line an error ends nothing: an END may be on its way,
    // and the next command would take it for its own.
    return isError(kind) && this.#size > 0 && step === COMPLETE
      ? COMPLETE_DROP
      : step;
  }

  protected override accept(_reply: Decoder, kind: number): boolean {
    if (kind !== END && kind !== RESET && kind !== OK) return false;
    this.request.done(this.#pairs);
    return true;
  }
}

/** Splits at the first two blanks. */
function splitTwice(text: string): [string, string, string] {
  const first = text.indexOf(" ");
  if (first < 0) return [text, "", ""];
  const second = text.indexOf(" ", first + 1);
  if (second < 0) return [text.slice(0, first), text.slice(first + 1), ""];
  return [
    text.slice(0, first),
    text.slice(first + 1, second),
    text.slice(second + 1),
  ];
}

/** Any line: everything up to the end token. */
export class RawCommand extends Command {
  readonly #line: Uint8Array;
  readonly #token: Uint8Array;

  /** Takes the line without CRLF, and the token that ends the reply. */
  constructor(line: string | Uint8Array, token: string) {
    const bytes = typeof line === "string" ? encodeText(line) : line;
    super(
      "raw",
      undefined,
      RAW_REPLY | (bytes.includes(10) ? CARRIES_VALUE : 0),
    );
    this.#line = bytes;
    this.#token = encodeText(token);
  }

  override get rawToken(): Uint8Array {
    return this.#token;
  }

  override encode(out: Output): void {
    out.raw(this.#line);
    out.crlf();
  }

  override read(reply: Decoder, kind: number): number {
    if (kind !== RAW) return this.request.refuse(reply, kind);
    this.request.done(reply.data.subarray(reply.dataStart, reply.dataEnd));
    return COMPLETE;
  }
}

/** `quit` and `shutdown`: the server closes the connection. */
export class EndingCommand extends LineCommand {
  /** Names the command, which is the whole line or begins it. */
  constructor(command: "quit" | "shutdown", line: string) {
    const traits = command === "quit"
      ? ENDS_CONNECTION | NEEDS_NO_LINK
      : ENDS_CONNECTION;
    super(command, undefined, line, false, traits);
  }

  protected override accept(_reply: Decoder, kind: number): boolean {
    // Newer servers say OK to a shutdown before they go.
    if (kind !== OK || this.command === "quit") return false;
    this.request.done(undefined);
    return true;
  }
}
