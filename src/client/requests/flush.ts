/**
 * `flush()`: all that was sent before is done.
 *
 * @module
 */

import { Command, COMPLETE, NEEDS_NO_LINK } from "../../connection/request.ts";
import type { Decoder } from "../../wire/decoder.ts";
import type { Output } from "../../wire/output.ts";
import { MN, VERSION } from "../../wire/reply.ts";

/**
 * A question that changes nothing, for the sake of its place in the line. It is
 * never sent again: on another connection it would say nothing of the first.
 */
export class FlushCommand extends Command {
  #answer: number = VERSION;

  /** Has no arguments. */
  constructor() {
    super("mn", undefined, NEEDS_NO_LINK);
  }

  override encode(out: Output, meta: boolean): void {
    this.#answer = meta ? MN : VERSION;
    out.text(meta ? "mn\r\n" : "version\r\n");
  }

  override read(reply: Decoder, kind: number): number {
    if (kind !== this.#answer) return this.request.refuse(reply, kind);
    this.request.done(undefined);
    return COMPLETE;
  }
}
