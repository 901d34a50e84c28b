/**
 * What the meta protocol reads of one item beside `get`: its lifetime, its
 * size, its value without a trace, its value for the last time.
 *
 * @module
 */

import {
  Command,
  COMPLETE,
  FOREIGN,
  IDEMPOTENT,
  NEEDS_META,
  READ_ONLY,
  type ReadText,
} from "../../connection/request.ts";
import { MARKER } from "../../cache/marks.ts";
import type { Decoder } from "../../wire/decoder.ts";
import type { Output } from "../../wire/output.ts";
import { HD, NF } from "../../wire/reply.ts";
import { readReturned } from "../../wire/returned.ts";
import type { Context } from "../context.ts";
import { FetchCommand } from "./fetch.ts";
import { demandMeta } from "./meta.ts";

const READS = NEEDS_META | READ_ONLY | IDEMPOTENT;

/** `mg` with `u`: the value, and nobody can tell that it was read. */
export class PeekCommand extends FetchCommand {
  readonly #missed: unknown;

  /** Takes the key, and what a miss resolves to. */
  constructor(
    context: Context,
    key: string,
    wireKey: string,
    missed: unknown,
  ) {
    super("mg", context, key, wireKey, undefined, READS);
    this.#missed = missed;
  }

  protected override get metaFlags(): string {
    return " u f v O";
  }

  protected override get missed(): unknown {
    return this.#missed;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    demandMeta(this, meta);
    super.encode(out, meta, opaque);
  }
}

/** Expired at once (protocol.txt, "Expiration times"). */
const AT_ONCE = -1;

/** `mg` with `T-1`: the value, and there is none from then on. */
export class TakeCommand extends FetchCommand {
  readonly #missed: unknown;

  /** Takes the key, and what a miss resolves to. */
  constructor(
    context: Context,
    key: string,
    wireKey: string,
    missed: unknown,
  ) {
    super("mg", context, key, wireKey, AT_ONCE, NEEDS_META);
    this.#missed = missed;
  }

  protected override get missed(): unknown {
    return this.#missed;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    demandMeta(this, meta);
    super.encode(out, meta, opaque);
  }

  /** A value that was taken and lost is no miss. */
  override takeFailure(): boolean {
    return false;
  }
}

/** What is asked of an item. */
export type Fact = "ttl" | "size";

/** `mg` with `u`, for a number that is known of the item. */
export class FactCommand extends FetchCommand {
  readonly #fact: Fact;
  #opaque = -1;

  /** Takes the key, and what is asked. */
  constructor(context: Context, key: string, wireKey: string, fact: Fact) {
    super("mg", context, key, wireKey, undefined, READS);
    this.#fact = fact;
  }

  protected override get metaFlags(): string {
    return " u t s f O";
  }

  protected override get wantsValue(): boolean {
    return false;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    demandMeta(this, meta);
    this.#opaque = opaque;
    super.encode(out, meta, opaque);
  }

  override read(reply: Decoder, kind: number, text: ReadText): number {
    if (kind !== HD) return super.read(reply, kind, text);
    const told = readReturned(reply);
    if (told === undefined || reply.opaque !== this.#opaque) return FOREIGN;
    const { ttl, size, flags } = told;
    if (ttl === undefined || size === undefined || flags === undefined) {
      return FOREIGN;
    }
    // What `getOrSet` has put there is no value, nor is what a lease has made.
    const isStub = size === 0 && flags === 0 && told.stale === undefined &&
      (told.won ?? told.alreadyWon) === true;
    this.request.done(
      isStub || flags === MARKER
        ? undefined
        : this.#fact === "ttl"
        ? ttl
        : size,
    );
    return COMPLETE;
  }
}

/** `md` with `I`: whether there was an item to mark as stale. */
export class InvalidateCommand extends Command {
  readonly #wireKey: string;
  readonly #exptime: number | undefined;
  #opaque = -1;

  /** Takes the key, and the lifetime of the stale item if it gets another. */
  constructor(key: string, wireKey: string, exptime: number | undefined) {
    super("md", key, NEEDS_META | IDEMPOTENT);
    this.#wireKey = wireKey;
    this.#exptime = exptime;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    demandMeta(this, meta);
    this.#opaque = opaque;
    const exptime = this.#exptime;
    const flags = exptime === undefined ? " I O" : ` I T${exptime} O`;
    out.keyed("md ", this.#wireKey, flags);
    out.uint(opaque);
    out.crlf();
  }

  override read(reply: Decoder, kind: number): number {
    if (kind !== HD && kind !== NF) return this.request.refuse(reply, kind);
    if (reply.opaque !== this.#opaque) return FOREIGN;
    this.request.done(kind === HD);
    return COMPLETE;
  }
}
