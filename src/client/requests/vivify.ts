/**
 * Counts that create a missing counter by the same command.
 *
 * @module
 */

import { COMPLETE, FOREIGN } from "../../connection/request.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { parseUint64 } from "../../wire/numbers.ts";
import type { Output } from "../../wire/output.ts";
import { NS, VA } from "../../wire/reply.ts";
import { CountCommand } from "./word.ts";

/** How a counter is created. */
export interface Beginning {
  /** The key with its prefix. */
  readonly wireKey: string;
  /** How much is counted, in digits. */
  readonly delta: string;
  /** The value of a counter that is created, in digits. */
  readonly initial: string;
  /** The lifetime of such a counter, as protocol.txt has it. */
  readonly exptime: number;
}

/**
 * `ma` with `N` and `J`; where the server speaks no meta, `incr` or `decr`, to
 * which a missing counter is a miss. What `ma` creates has no flags.
 */
export class VivifyCountCommand extends CountCommand {
  readonly #beginning: Beginning;
  #opaque = -1;

  /** Takes the line of the classic command, and how a counter begins. */
  constructor(
    command: "incr" | "decr",
    key: string,
    line: string,
    bigint: boolean,
    beginning: Beginning,
  ) {
    super(command, key, line, false, bigint);
    this.#beginning = beginning;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    if (!meta) {
      this.#opaque = -1;
      super.encode(out, meta, opaque);
      return;
    }
    this.#opaque = opaque;
    const { wireKey, delta, initial, exptime } = this.#beginning;
    const mode = this.command === "decr" ? " MD" : "";
    out.keyed("ma ", wireKey, ` N${exptime} J${initial}${mode}`);
    out.text(` D${delta} v O${opaque}`);
    out.crlf();
  }

  override read(reply: Decoder, kind: number): number {
    if (this.#opaque < 0) return super.read(reply, kind);
    // The words of `incr` and `decr` are another command's.
    if (kind !== VA && kind !== NS) return this.request.refuse(reply, kind);
    if (reply.opaque !== this.#opaque) return FOREIGN;
    if (kind === NS) {
      // It could not be created: somebody else has, or there is no room.
      this.request.done(undefined);
      return COMPLETE;
    }
    const { data, dataStart, dataEnd } = reply;
    let end = dataEnd;
    while (end > dataStart && data[end - 1] === 32) end--;
    return this.told(parseUint64(data, dataStart, end)) ? COMPLETE : FOREIGN;
  }
}
