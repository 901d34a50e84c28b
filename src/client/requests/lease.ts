/**
 * The changes that `getOrSet` makes: each happens only if the item is as it was
 * when it was last seen.
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
import {
  EX,
  EXISTS,
  HD,
  NF,
  NOT_FOUND,
  NOT_STORED,
  NS,
  STORED,
} from "../../wire/reply.ts";
import { tellsCas } from "./fetch.ts";
import { demandMeta } from "./meta.ts";

/** What is stored, and how long. */
export interface Deposit extends Serialized {
  /** The exptime on a server with meta commands. */
  readonly exptime: number;
  /** The exptime on others. */
  readonly classicExptime: number;
}

/** What became of a change. */
export interface Change {
  /** Whether it happened. */
  readonly isDone: boolean;
  /** The CAS unique that a store gave the item; 0 where it is not told. */
  readonly cas: bigint;
  /** Whether the server speaks no meta. */
  readonly isClassic: boolean;
}

/**
 * Stores: under a key that has no item (`ms` with mode `E`, or `add`), or in the
 * place of one version of an item (`ms` with `C`, or `cas`).
 */
export class DepositCommand extends Command {
  readonly #wireKey: string;
  readonly #cas: bigint | undefined;
  #deposit: Deposit | undefined;
  #opaque = -1;

  /** Takes the version to replace, none for no item. */
  constructor(
    { key, wireKey }: { readonly key: string; readonly wireKey: string },
    cas: bigint | undefined,
    deposit: Deposit,
  ) {
    super(
      "ms",
      key,
      NEEDS_META | NEEDS_VERSION | CARRIES_VALUE | RELEASES,
      deposit.data.length,
    );
    this.#wireKey = wireKey;
    this.#cas = cas;
    this.#deposit = deposit;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    const deposit = this.#deposit;
    if (deposit === undefined) return;
    const { data, flags, exptime, classicExptime } = deposit;
    if (data.length !== this.request.weight) {
      throw new MemcacheIllegalInputError(
        "Cannot store value: its memory was transferred or resized before it was sent",
        { ...this.request.about(), sent: false },
      );
    }
    const cas = this.#cas;
    if (meta) {
      this.#opaque = opaque;
      out.keyed("ms ", this.#wireKey, " ");
      const guard = cas === undefined ? "ME" : `C${cas}`;
      out.block(data, ` ${guard} F${flags} T${exptime} c O${opaque}`);
      return;
    }
    this.#opaque = -1;
    out.keyed(
      cas === undefined ? "add " : "cas ",
      this.#wireKey,
      ` ${flags} ${classicExptime} `,
    );
    out.block(data, cas === undefined ? "" : ` ${cas}`);
  }

  override read(reply: Decoder, kind: number): number {
    const { request } = this;
    const isClassic = this.#opaque < 0;
    if (isClassic) {
      const isDone = kind === STORED;
      if (!isDone && kind !== EXISTS && kind !== NOT_FOUND) {
        if (kind !== NOT_STORED) return request.refuse(reply, kind);
      }
      request.done({ isDone, cas: 0n, isClassic });
      return COMPLETE;
    }
    const isDone = kind === HD;
    if (!isDone && kind !== EX && kind !== NF && kind !== NS) {
      return request.refuse(reply, kind);
    }
    if (reply.opaque !== this.#opaque) return FOREIGN;
    if (isDone && !tellsCas(reply, kind)) return FOREIGN;
    request.done({ isDone, cas: isDone ? reply.cas : 0n, isClassic });
    return COMPLETE;
  }

  override release(): void {
    this.#deposit = undefined;
  }
}

/**
 * Deletes one version of an item (`md` with `C`, or a `cas` that has expired), or
 * marks it as stale, so that the next who asks for it wins it (`md` with `I`).
 */
export class WithdrawCommand extends Command {
  readonly #wireKey: string;
  readonly #cas: bigint;
  readonly #keeps: boolean;
  #opaque = -1;

  /** Takes the version, and whether the item stays, stale. */
  constructor(
    { key, wireKey }: { readonly key: string; readonly wireKey: string },
    cas: bigint,
    keeps: boolean,
  ) {
    super("md", key, NEEDS_META | NEEDS_VERSION);
    this.#wireKey = wireKey;
    this.#cas = cas;
    this.#keeps = keeps;
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    if (meta) {
      this.#opaque = opaque;
      const stays = this.#keeps ? " I" : "";
      out.keyed("md ", this.#wireKey, `${stays} C${this.#cas} O`);
      out.uint(opaque);
      out.crlf();
      return;
    }
    if (this.#keeps) demandMeta(this, meta);
    this.#opaque = -1;
    out.keyed("cas ", this.#wireKey, " 0 -1 ");
    out.block("", ` ${this.#cas}`);
  }

  override read(reply: Decoder, kind: number): number {
    const { request } = this;
    if (this.#opaque < 0) {
      if (kind !== STORED && kind !== EXISTS && kind !== NOT_FOUND) {
        return request.refuse(reply, kind);
      }
    } else if (kind !== HD && kind !== EX && kind !== NF) {
      return request.refuse(reply, kind);
    } else if (reply.opaque !== this.#opaque) return FOREIGN;
    request.done(undefined);
    return COMPLETE;
  }
}
