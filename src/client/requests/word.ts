/**
 * Commands of one line whose reply is one word, a number or a text.
 *
 * @module
 */

import {
  Command,
  COMPLETE,
  IDEMPOTENT,
  NOREPLY,
  READ_ONLY,
} from "../../connection/request.ts";
import { MemcacheClientError, MemcacheSerdeError } from "../../errors.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { parseUint64 } from "../../wire/numbers.ts";
import type { Output } from "../../wire/output.ts";
import {
  DELETED,
  LINE,
  NOT_FOUND,
  NUMBER,
  OK,
  TOUCHED,
  VERSION,
} from "../../wire/reply.ts";
import { lineText } from "../../wire/reply_error.ts";

/** A line, and what its replies mean. */
export abstract class LineCommand extends Command {
  readonly #line: string;

  /** Takes the whole line, without `noreply` and CRLF. */
  constructor(
    command: string,
    key: string | undefined,
    line: string,
    noreply: boolean,
    traits: number = 0,
  ) {
    super(command, key, noreply ? traits | NOREPLY : traits);
    this.#line = line;
  }

  override encode(out: Output, _meta: boolean, _opaque: number): void {
    out.text(this.#line);
    if (this.request.noreply) out.text(" noreply");
    out.crlf();
  }

  override read(reply: Decoder, kind: number): number {
    return this.accept(reply, kind)
      ? COMPLETE
      : this.request.refuse(reply, kind);
  }

  /** Tells the caller what a good reply means; `false` for any other. */
  protected abstract accept(reply: Decoder, kind: number): boolean;
}

/** `delete` and `touch`: whether there was such an item. */
export class FoundCommand extends LineCommand {
  /** Takes the whole line, without `noreply` and CRLF. */
  constructor(
    command: "delete" | "touch",
    key: string,
    line: string,
    noreply: boolean,
  ) {
    super(command, key, line, noreply, IDEMPOTENT);
  }

  protected override accept(_reply: Decoder, kind: number): boolean {
    const found = this.command === "delete" ? DELETED : TOUCHED;
    if (kind !== found && kind !== NOT_FOUND) return false;
    this.request.done(kind === found);
    return true;
  }
}

/** `flush_all`, `verbosity`, `cache_memlimit`: done. */
export class OkCommand extends LineCommand {
  /** Takes the whole line, without `noreply` and CRLF. */
  constructor(
    command: string,
    key: string | undefined,
    line: string,
    noreply: boolean,
  ) {
    super(command, key, line, noreply, IDEMPOTENT);
  }

  protected override accept(reply: Decoder, kind: number): boolean {
    if (kind === OK) {
      this.request.done(true);
      return true;
    }
    if (kind !== LINE) return false;
    const line = lineText(reply.line, reply.lineStart, reply.lineEnd);
    // How memcached refuses a limit: an error line of a kind of its own.
    if (!line.startsWith("MEMLIMIT_")) return false;
    this.request.fail(
      new MemcacheClientError(
        `Cannot run command: the server answered "${line}"`,
        this.request.about(),
      ),
    );
    return true;
  }
}

/** `version`: the server's version. */
export class VersionCommand extends LineCommand {
  /** Has no arguments. */
  constructor() {
    super("version", undefined, "version", false, READ_ONLY | IDEMPOTENT);
  }

  protected override accept(reply: Decoder, kind: number): boolean {
    if (kind !== VERSION) return false;
    this.request.done(lineText(reply.line, reply.lineStart + 8, reply.lineEnd));
    return true;
  }
}

/** `incr` and `decr`: the new value, of the delta's type. */
export class CountCommand extends LineCommand {
  readonly #bigint: boolean;

  /** Takes the type of the result, besides. */
  constructor(
    command: "incr" | "decr",
    key: string,
    line: string,
    noreply: boolean,
    bigint: boolean,
  ) {
    super(command, key, line, noreply);
    this.#bigint = bigint;
  }

  override get unacknowledged(): undefined {
    return undefined;
  }

  protected override accept(reply: Decoder, kind: number): boolean {
    if (kind === NOT_FOUND) {
      this.request.done(undefined);
      return true;
    }
    if (kind !== NUMBER) return false;
    const { line, lineStart, lineEnd } = reply;
    let end = lineEnd;
    while (end > lineStart && line[end - 1] === 32) end--;
    return this.told(parseUint64(line, lineStart, end));
  }

  /** Tells the caller the new value; `false` if it is none. */
  protected told(count: bigint | undefined): boolean {
    if (count === undefined) return false;
    if (this.#bigint) this.request.done(count);
    else if (count <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.request.done(Number(count));
    } else {
      this.request.fail(
        new MemcacheSerdeError(
          `Cannot read counter as a number: it is past 2^53 - 1, give the delta as a bigint (1n); the server has counted`,
          this.request.about(),
        ),
      );
    }
    return true;
  }
}
