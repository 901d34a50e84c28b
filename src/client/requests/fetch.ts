/**
 * Reads of one key: `get`, `gets`, `gat`, `gats`, or `mg` where the server
 * speaks meta.
 *
 * @module
 */

import {
  Command,
  COMPLETE,
  COMPLETE_DROP,
  CONTINUES,
  FOREIGN,
  IDEMPOTENT,
  JOINABLE,
  OWN,
  READ_ONLY,
  type ReadText,
  TAKES_FAILURES,
} from "../../connection/request.ts";
import { type Mark, MARKER, markIn } from "../../cache/marks.ts";
import { isThenable } from "../../serde/guard.ts";
import { keepsBytes } from "../../serde/serde.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { sameKey } from "../../wire/key.ts";
import type { Output } from "../../wire/output.ts";
import { EN, END, HD, VA, VALUE } from "../../wire/reply.ts";
import { readReturned } from "../../wire/returned.ts";
import {
  type Context,
  hidden,
  observe,
  readValue,
  serdeError,
  Unreadable,
} from "../context.ts";

/** The traits of a read that leaves everything as it is. */
const READS = READ_ONLY | IDEMPOTENT;

/** The same for a question of the client's own. */
export const OWN_READS: number = READS | OWN;

/** One key is read, and perhaps touched. */
export abstract class FetchCommand extends Command {
  /** The caller's key. */
  declare readonly key: string;
  /** The key with its prefix. */
  readonly wireKey: string;
  /** What the client's requests have in common. */
  protected readonly context: Context;
  readonly #exptime: number | undefined;
  #opaque = -1;
  /** Tells the caller of the hit, once the line behind it has been read. */
  #hit: (() => void) | undefined = undefined;

  /**
   * Takes the key, and the exptime to set if the item is to be touched; its
   * traits follow from that, unless they are given.
   */
  constructor(
    command: string,
    context: Context,
    key: string,
    wireKey: string,
    exptime: number | undefined,
    traits: number = exptime === undefined ? READS : IDEMPOTENT,
  ) {
    super(
      command,
      key,
      context.errorsAsMisses ? traits | TAKES_FAILURES : traits,
    );
    this.context = context;
    this.wireKey = wireKey;
    this.#exptime = exptime;
  }

  /** Whether the CAS unique is asked for. */
  protected get wantsCas(): boolean {
    return false;
  }

  /** Whether the value is asked for. */
  protected get wantsValue(): boolean {
    return true;
  }

  /** The flags of `mg`, up to the number of the flag `O`. */
  protected get metaFlags(): string {
    return " f v O";
  }

  /** What a miss resolves to. */
  protected get missed(): unknown {
    return undefined;
  }

  /** What a hit resolves to. */
  protected shape(value: unknown, _flags: number, _cas: bigint): unknown {
    return value;
  }

  override rewind(): void {
    this.#hit = undefined;
  }

  override get unanswered(): number {
    return this.#hit === undefined ? 1 : 0;
  }

  override keepsBytes(flags: number): boolean {
    return keepsBytes(this.context.serde, flags);
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    const exptime = this.#exptime;
    if (meta) {
      this.#opaque = opaque;
      const wanted = this.metaFlags;
      if (exptime === undefined) out.keyed("mg ", this.wireKey, wanted);
      else out.keyed("mg ", this.wireKey, ` T${exptime}${wanted}`);
      out.uint(opaque);
      out.crlf();
      return;
    }
    this.#opaque = -1;
    const cas = this.wantsCas;
    if (exptime === undefined) {
      out.keyed(cas ? "gets " : "get ", this.wireKey, "\r\n");
    } else {
      out.keyed(`${cas ? "gats" : "gat"} ${exptime} `, this.wireKey, "\r\n");
    }
  }

  override read(reply: Decoder, kind: number, text: ReadText): number {
    if (this.#opaque >= 0) return this.#readMeta(reply, kind, text);
    if (kind === VALUE && this.#hit === undefined) {
      const { line, keyStart, keyEnd } = reply;
      if (!sameKey(line, keyStart, keyEnd, this.wireKey)) return FOREIGN;
      if (this.wantsCas && !tellsCas(reply, kind)) return FOREIGN;
      const { flags, cas } = reply;
      const value = this.decode(reply, text);
      this.#hit = () => this.give(value, flags, cas);
      return CONTINUES;
    }
    if (kind === END) {
      if (this.#hit === undefined) this.request.done(this.missed);
      else this.#hit();
      return COMPLETE;
    }
    const step = this.request.refuse(reply, kind);
    // Behind a value, an error may also be the rest of a value that was cut.
    return this.#hit !== undefined && step === COMPLETE ? COMPLETE_DROP : step;
  }

  #readMeta(reply: Decoder, kind: number, text: ReadText): number {
    if (kind === VA && this.wantsValue) {
      if (reply.opaque !== this.#opaque) return FOREIGN;
      if (this.wantsCas && !tellsCas(reply, kind)) return FOREIGN;
      // What was asked for and is not there makes 0 of the flags.
      if (reply.flags === 0 && !tellsFlag(reply, FLAG_F)) return FOREIGN;
      const { flags, cas } = reply;
      this.give(this.decode(reply, text), flags, cas);
      return COMPLETE;
    }
    if (kind === EN) {
      // Servers before 1.6.18 leave the flags out of a miss.
      if (reply.opaque !== this.#opaque && reply.opaque !== -1) return FOREIGN;
      this.request.done(this.missed);
      return COMPLETE;
    }
    if (kind === HD && !this.wantsValue) {
      if (reply.opaque !== this.#opaque) return FOREIGN;
      if (this.wantsCas && !tellsCas(reply, kind)) return FOREIGN;
      this.give(this.decode(reply, text), reply.flags, reply.cas);
      return COMPLETE;
    }
    return this.request.refuse(reply, kind);
  }

  /** Reads the data block that has just come. */
  decode(reply: Decoder, text: ReadText): unknown {
    if (this.request.settled) return true;
    const { flags, dataStart, dataEnd } = reply;
    if (flags === MARKER) {
      return this.wantsValue
        ? new Marked(markIn(reply.data, dataStart, dataEnd))
        : COMPUTING;
    }
    if (!this.wantsValue) return true;
    // An empty item that a lease has made (`N`) looks like a value but for this.
    if (dataStart === dataEnd && flags === 0 && this.#opaque >= 0) {
      const { won, alreadyWon, stale } = readReturned(reply) ?? {};
      if ((won || alreadyWon) && !stale) return COMPUTING;
    }
    return readValue(this.context, this.key, reply, text, this.request);
  }

  /** Gives the caller what `decode` has read. */
  give(value: unknown, flags: number, cas: bigint): void {
    if (!isThenable(value)) {
      if (value instanceof Unreadable) {
        if (value instanceof Marked) {
          this.request.done(this.marked(value.mark, cas));
        } else this.#unreadable(value.error);
      } else this.request.done(this.shape(value, flags, cas));
      return;
    }
    value.then(
      (read) => this.request.done(this.shape(read, flags, cas)),
      (error) => this.#unreadable(error),
    );
  }

  /** What an item that is no value, but a sign of `getOrSet`, resolves to. */
  protected marked(_mark: Mark, _cas: bigint): unknown {
    return this.missed;
  }

  /** Tells the caller that there is no such item. */
  miss(): void {
    this.request.done(this.missed);
  }

  override takeFailure(error: unknown): boolean {
    if (!hidden(this.context, error)) return false;
    observe(this.context, error);
    this.request.done(this.missed);
    return true;
  }

  #unreadable(error: unknown): void {
    this.request.fail(serdeError(error, this.command, this.key, this.request));
  }
}

/** What was read is no value: see `getOrSet`. */
class Marked extends Unreadable {
  readonly mark: Mark;

  constructor(mark: Mark) {
    super(undefined);
    this.mark = mark;
  }
}

const COMPUTING = new Marked("computing");

/** The meta flags that a hit is asked for, as bytes: `c` and `f`. */
const FLAG_C = 0x63;
const FLAG_F = 0x66;

/** Whether a meta reply carries a flag of this letter. */
function tellsFlag(reply: Decoder, letter: number): boolean {
  const { line, lineEnd } = reply;
  for (let i = reply.metaStart - 1; i < lineEnd; i++) {
    if (line[i] === 32 && line[i + 1] === letter) return true;
  }
  return false;
}

/** Whether a hit carries its CAS unique: one that lacks it answers no `gets`. */
export function tellsCas(reply: Decoder, kind: number): boolean {
  if (kind !== VALUE) return tellsFlag(reply, FLAG_C);
  // VALUE <key> <flags> <bytes> <cas>: the third blank behind the key.
  const { line, lineEnd } = reply;
  let blanks = 0;
  for (let i = reply.keyEnd; i < lineEnd; i++) {
    if (line[i] === 32 && ++blanks === 3) return true;
  }
  return false;
}

/** `get` and `gat`: the value, or the default. */
export class GetCommand extends FetchCommand {
  readonly #missed: unknown;

  /** Takes what a miss resolves to, besides. */
  constructor(
    command: string,
    context: Context,
    key: string,
    wireKey: string,
    exptime: number | undefined,
    missed: unknown,
  ) {
    const traits = exptime === undefined ? READS | JOINABLE : IDEMPOTENT;
    super(command, context, key, wireKey, exptime, traits);
    this.#missed = missed;
  }

  protected override get missed(): unknown {
    return this.#missed;
  }
}

/** `gets` and `gats`: the value with its CAS unique. */
export class GetsCommand extends FetchCommand {
  protected override get metaFlags(): string {
    return " c f v O";
  }

  protected override get wantsCas(): boolean {
    return true;
  }

  protected override shape(
    value: unknown,
    _flags: number,
    cas: bigint,
  ): unknown {
    return { value, cas };
  }
}

/** `has`: whether there is such an item. */
export class HasCommand extends FetchCommand {
  protected override get metaFlags(): string {
    return " f O";
  }

  protected override get wantsValue(): boolean {
    return false;
  }

  protected override get missed(): boolean {
    return false;
  }
}
