/**
 * Stores: `set`, `add`, `replace`, `append`, `prepend`, `cas`.
 *
 * @module
 */

import { COMPLETE, Request } from "../../connection/request.ts";
import { MemcacheIllegalInputError } from "../../errors.ts";
import type { Decoder } from "../../wire/decoder.ts";
import type { Output } from "../../wire/output.ts";
import { EXISTS, NOT_FOUND, NOT_STORED, STORED } from "../../wire/reply.ts";

/** The commands that carry a value. */
export type StoreCommand =
  | "set"
  | "add"
  | "replace"
  | "append"
  | "prepend"
  | "cas";

/** How the lines begin. */
const HEADS: Readonly<Record<StoreCommand, string>> = {
  set: "set ",
  add: "add ",
  replace: "replace ",
  append: "append ",
  prepend: "prepend ",
  cas: "cas ",
};

/** What is written behind a key. Every part has been checked. */
export interface StoreParts {
  /** The value's bytes, or its text. */
  readonly data: Uint8Array | string;
  /** 0 to 2^32 - 1. */
  readonly flags: number;
  /** As protocol.txt has it. */
  readonly exptime: number;
  /** Decimal digits, for `cas`. */
  readonly cas?: string;
}

/** One value is stored. */
export class StoreRequest extends Request {
  readonly #wireKey: string;
  readonly #head: string;
  #parts: StoreParts | undefined;

  /** Takes the key with its prefix, and the parts. */
  constructor(
    command: StoreCommand,
    key: string,
    wireKey: string,
    parts: StoreParts,
    noreply: boolean,
  ) {
    super(command, key);
    this.#wireKey = wireKey;
    this.#head = HEADS[command];
    this.#parts = parts;
    this.noreply = noreply;
    this.weight = parts.data.length;
  }

  override get idempotent(): boolean {
    return this.command === "set" || this.command === "replace";
  }

  override get carriesValue(): boolean {
    return true;
  }

  override encode(out: Output): void {
    const parts = this.#parts;
    if (parts === undefined) return;
    if (parts.data.length !== this.weight) {
      throw new MemcacheIllegalInputError(
        `Cannot send ${this.command}: the memory of the value was transferred or resized before it was sent`,
        { ...this.about(), sent: false },
      );
    }
    out.keyed(this.#head, this.#wireKey, " ");
    out.uint(parts.flags);
    out.byte(32);
    if (parts.exptime < 0) out.text(String(parts.exptime));
    else out.uint(parts.exptime);
    out.byte(32);
    const rest = parts.cas === undefined ? "" : ` ${parts.cas}`;
    out.block(parts.data, this.noreply ? `${rest} noreply` : rest);
  }

  override read(reply: Decoder, kind: number): number {
    switch (kind) {
      case STORED:
        this.done(true);
        return COMPLETE;
      case NOT_STORED:
        if (this.command === "cas") break;
        this.done(false);
        return COMPLETE;
      case EXISTS:
        if (this.command !== "cas") break;
        this.done(false);
        return COMPLETE;
      case NOT_FOUND:
        if (this.command !== "cas") break;
        this.done(undefined);
        return COMPLETE;
    }
    return this.refuse(reply, kind);
  }

  override release(): void {
    this.#parts = undefined;
  }
}
