/**
 * Stores that happen only if the item has not changed: `ms` with `C`, or `cas`
 * where the server speaks no meta.
 *
 * @module
 */

import {
  CARRIES_VALUE,
  Command,
  COMPLETE,
  FOREIGN,
  NEEDS_META,
  NEEDS_VERSION,
  RELEASES,
} from "../../connection/request.ts";
import { MemcacheIllegalInputError } from "../../errors.ts";
import type { Serialized } from "../../types.ts";
import type { Decoder } from "../../wire/decoder.ts";
import type { Output } from "../../wire/output.ts";
import { EX, EXISTS, HD, NF, NOT_FOUND, NS, STORED } from "../../wire/reply.ts";
import type { ItemStoreMode } from "../item.ts";
import { tellsCas } from "./fetch.ts";
import { demandMeta } from "./meta.ts";
import type { StoreHead } from "./store.ts";

/** The flag `M` of `ms`; `cas` has no other mode than to set. */
const MODES: Readonly<Record<ItemStoreMode, string>> = {
  set: "",
  append: " MA",
  prepend: " MP",
};

/**
 * One guarded store. It resolves to the new CAS unique, to `true` where the
 * protocol does not tell that, to `false` where the item has changed, and to
 * `undefined` where there is none.
 */
export class GuardedStoreCommand extends Command {
  readonly #mode: ItemStoreMode;
  readonly #head: StoreHead;
  readonly #flags: number;
  #data: Uint8Array | string | undefined;
  #opaque = -1;

  /** Takes all of it, the head with its `cas`; the bytes are not copied. */
  constructor(
    mode: ItemStoreMode,
    head: StoreHead,
    { data, flags }: Serialized,
  ) {
    super(
      mode === "set" ? "cas" : "ms",
      head.key,
      NEEDS_META | NEEDS_VERSION | CARRIES_VALUE | RELEASES,
      data.length,
    );
    this.#mode = mode;
    this.#head = head;
    this.#flags = head.flags ?? flags;
    this.#data = data;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    const data = this.#data;
    if (data === undefined) return;
    const mode = this.#mode;
    if (mode !== "set") demandMeta(this, meta);
    if (data.length !== this.request.weight) {
      throw new MemcacheIllegalInputError(
        `Cannot send ${this.command}: the memory of the value was transferred or resized before it was sent`,
        { ...this.request.about(), sent: false },
      );
    }
    const { wireKey, exptime, cas } = this.#head;
    if (meta) {
      this.#opaque = opaque;
      out.keyed("ms ", wireKey, " ");
      const what = mode === "set"
        ? ` F${this.#flags} T${exptime}`
        : MODES[mode];
      out.block(data, `${what} C${cas} c O${opaque}`);
    } else {
      this.#opaque = -1;
      out.keyed("cas ", wireKey, ` ${this.#flags} ${exptime} `);
      out.block(data, ` ${cas}`);
    }
  }

  override read(reply: Decoder, kind: number): number {
    const isMeta = this.#opaque >= 0;
    if (isMeta && (kind === HD || kind === EX || kind === NF || kind === NS)) {
      if (reply.opaque !== this.#opaque) return FOREIGN;
      if (kind === HD && !tellsCas(reply, kind)) return FOREIGN;
      this.request.done(
        kind === HD ? reply.cas : kind === EX ? false : undefined,
      );
      return COMPLETE;
    }
    if (!isMeta && (kind === STORED || kind === EXISTS || kind === NOT_FOUND)) {
      this.request.done(
        kind === STORED ? true : kind === EXISTS ? false : undefined,
      );
      return COMPLETE;
    }
    return this.request.refuse(reply, kind);
  }

  override release(): void {
    this.#data = undefined;
  }
}
