/**
 * Stores: `set`, `add`, `replace`, `append`, `prepend`, `cas`.
 *
 * @module
 */

import {
  CARRIES_VALUE,
  Command,
  COMPLETE,
  IDEMPOTENT,
  NEEDS_VERSION,
  NOREPLY,
  QUIET,
  RELEASES,
} from "../../connection/request.ts";
import { MemcacheIllegalInputError } from "../../errors.ts";
import type { Serialized } from "../../types.ts";
import type { Decoder } from "../../wire/decoder.ts";
import type { Output } from "../../wire/output.ts";
import { EXISTS, NOT_FOUND, NOT_STORED, STORED } from "../../wire/reply.ts";

/** The commands that carry a value. */
export type StoreVerb =
  | "set"
  | "add"
  | "replace"
  | "append"
  | "prepend"
  | "cas";

/** How the lines begin. */
const HEADS: Readonly<Record<StoreVerb, string>> = {
  set: "set ",
  add: "add ",
  replace: "replace ",
  append: "append ",
  prepend: "prepend ",
  cas: "cas ",
};

/** What the lines of quiet stores have behind the length of the value. */
const MODES: Readonly<Record<StoreVerb, string>> = {
  set: "",
  add: " ME",
  replace: " MR",
  append: " MA",
  prepend: " MP",
  cas: "",
};

/** All of a store but its value. Every part has been checked. */
export interface StoreHead {
  /** The caller's key. */
  readonly key: string;
  /** The key with its prefix. */
  readonly wireKey: string;
  /** As protocol.txt has it. */
  readonly exptime: number;
  /** The caller's flags, in place of the serde's. */
  readonly flags: number | undefined;
  /** Whether no reply is asked for. */
  readonly noreply: boolean;
  /** The CAS unique in digits, for `cas`. */
  readonly cas: string | undefined;
}

/** The flags of a quiet store, up to its opaque number, and what they are for. */
interface QuietFlags {
  readonly verb: StoreVerb;
  readonly flags: number;
  readonly exptime: number;
  readonly text: string;
}

function quietFlags(
  verb: StoreVerb,
  flags: number,
  exptime: number,
  cas: string | undefined,
): QuietFlags {
  let text = MODES[verb];
  if (flags !== 0) text += ` F${flags}`;
  if (exptime !== 0) text += ` T${exptime}`;
  if (cas !== undefined) text += ` C${cas}`;
  return { verb, flags, exptime, text: `${text} q O` };
}

/** Those of the last one: as a rule the next one has the same. */
let last: QuietFlags = quietFlags("set", 0, 0, undefined);

/** One value is stored. */
export class StoreCommand extends Command {
  readonly #head: StoreHead;
  readonly #flags: number;
  #data: Uint8Array | string | undefined;

  /** Takes all of it; the bytes are not copied. */
  constructor(
    command: StoreVerb,
    head: StoreHead,
    { data, flags }: Serialized,
  ) {
    super(
      command,
      head.key,
      CARRIES_VALUE | RELEASES |
        (head.noreply ? NOREPLY | QUIET | NEEDS_VERSION : 0) |
        (command === "set" || command === "replace" ? IDEMPOTENT : 0),
      data.length,
    );
    this.#head = head;
    this.#flags = head.flags ?? flags;
    this.#data = data;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    const data = this.#data;
    if (data === undefined) return;
    if (data.length !== this.request.weight) {
      throw new MemcacheIllegalInputError(
        `Cannot send ${this.command}: the memory of the value was transferred or resized before it was sent`,
        { ...this.request.about(), sent: false },
      );
    }
    const { wireKey, exptime, cas, noreply } = this.#head;
    if (meta && noreply) {
      this.#encodeQuiet(out, data, opaque);
      return;
    }
    // The command is one of the few that the constructor takes.
    out.keyed(HEADS[this.command as StoreVerb], wireKey, " ");
    out.uint(this.#flags);
    out.byte(32);
    if (exptime < 0) out.text(String(exptime));
    else out.uint(exptime);
    out.byte(32);
    const rest = cas === undefined ? "" : ` ${cas}`;
    out.block(data, noreply ? `${rest} noreply` : rest);
  }

  /** Sent with `noreply` where the server speaks meta: it tells of refusals. */
  #encodeQuiet(out: Output, data: Uint8Array | string, opaque: number): void {
    const { wireKey, exptime, cas } = this.#head;
    const verb = this.command as StoreVerb;
    const flags = this.#flags;
    if (
      cas !== undefined || verb !== last.verb || flags !== last.flags ||
      exptime !== last.exptime
    ) last = quietFlags(verb, flags, exptime, cas);
    out.keyed("ms ", wireKey, " ");
    out.block(data, last.text, opaque);
  }

  override read(reply: Decoder, kind: number): number {
    switch (kind) {
      case STORED:
        this.request.done(true);
        return COMPLETE;
      case NOT_STORED:
        if (this.command === "cas") break;
        this.request.done(false);
        return COMPLETE;
      case EXISTS:
        if (this.command !== "cas") break;
        this.request.done(false);
        return COMPLETE;
      case NOT_FOUND:
        if (this.command !== "cas") break;
        this.request.done(undefined);
        return COMPLETE;
    }
    return this.request.refuse(reply, kind);
  }

  override release(): void {
    this.#data = undefined;
  }
}
