/**
 * `ms`, `md` and `ma`: what changes an item.
 *
 * @module
 */

import {
  CARRIES_VALUE,
  IDEMPOTENT,
  NEEDS_VERSION,
  RELEASES,
} from "../../connection/request.ts";
import { MemcacheIllegalInputError, MemcacheSerdeError } from "../../errors.ts";
import type { Serialized } from "../../types.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { parseUint64 } from "../../wire/numbers.ts";
import type { Output } from "../../wire/output.ts";
import { EX, HD, NF, NS, VA } from "../../wire/reply.ts";
import type { Returned } from "../../wire/returned.ts";
import type {
  MetaArithmeticOptions,
  MetaArithmeticResult,
  MetaDeleteOptions,
  MetaDeleteResult,
  MetaSetOptions,
  MetaSetResult,
} from "../meta_commands.ts";
import { arithmeticFlags, deleteFlags, type MetaFlags } from "../meta_flags.ts";
import type { MetaKeyParts } from "../meta_keys.ts";
import { MetaCommand, tellsAll } from "./meta.ts";

/** Whether a second `ms` leaves what the first one did. */
function setTraits({ mode = "set", compareCas }: MetaSetOptions): number {
  const isRepeatable = compareCas === undefined &&
    (mode === "set" || mode === "replace");
  return NEEDS_VERSION | CARRIES_VALUE | RELEASES |
    (isRepeatable ? IDEMPOTENT : 0);
}

/**
 * Values of that many bytes are answered, quiet or not: an error is theirs then,
 * and it costs no more than the `mn` that would have to stand behind them. Over
 * TLS memcached (1.6.18) does not read what comes in one record with the end of
 * a large value until more comes.
 */
const LARGE = 900;

/** One `ms`. */
export class MetaSetCommand extends MetaCommand {
  readonly #number: number;
  #data: Uint8Array | string | undefined;

  /** Takes checked flags, and the value; its bytes are not copied. */
  constructor(
    key: MetaKeyParts,
    options: MetaSetOptions,
    flags: MetaFlags,
    { data, flags: number }: Serialized,
  ) {
    super(
      "ms",
      key,
      data.length < LARGE ? flags : { ...flags, quiet: false },
      setTraits(options),
      data.length,
    );
    this.#number = flags.number ?? number;
    this.#data = data;
  }

  protected override get lengthFirst(): boolean {
    return true;
  }

  protected override encodeRest(out: Output, flags: string): void {
    const data = this.#data;
    if (data === undefined) return;
    if (data.length !== this.request.weight) {
      throw new MemcacheIllegalInputError(
        "Cannot send ms: the memory of the value was transferred or resized before it was sent",
        { ...this.request.about(), sent: false },
      );
    }
    const number = this.#number === 0 ? "" : ` F${this.#number}`;
    out.block(data, number + flags);
  }

  protected override get hidden(): MetaSetResult {
    return { status: "stored" };
  }

  protected override accept(
    _reply: Decoder,
    kind: number,
    returned: Returned,
  ): boolean {
    const status = SET_STATUS.get(kind);
    if (status === undefined) return false;
    const isStored = kind === HD;
    if (isStored && !tellsAll(this.flags, returned)) return false;
    const result: MetaSetResult = { status };
    if (isStored && this.flags.returned.includes("s")) {
      result.size = returned.size;
    }
    this.complete(result, returned);
    // What is not there has no version, whatever the server says.
    if (!isStored) delete result.cas;
    this.request.done(result);
    return true;
  }

  override release(): void {
    this.#data = undefined;
  }
}

const SET_STATUS: ReadonlyMap<number, MetaSetResult["status"]> = new Map([
  [HD, "stored"],
  [NS, "notStored"],
  [EX, "exists"],
  [NF, "notFound"],
]);

/**
 * Whether a second `md` leaves what the first one did. Marked as stale twice, an
 * item could tell two callers that they won.
 */
function deleteTraits({ compareCas, invalidate }: MetaDeleteOptions): number {
  return compareCas === undefined && invalidate !== true ? IDEMPOTENT : 0;
}

/** One `md`. */
export class MetaDeleteCommand extends MetaCommand {
  /**
   * Takes the key and the caller's options.
   *
   * @throws {MemcacheIllegalInputError} If one of them cannot be sent.
   */
  constructor(key: MetaKeyParts, options: MetaDeleteOptions) {
    super("md", key, deleteFlags(options), deleteTraits(options));
  }

  protected override get hidden(): MetaDeleteResult {
    return { status: "deleted" };
  }

  protected override accept(
    _reply: Decoder,
    kind: number,
    returned: Returned,
  ): boolean {
    const status = kind === HD
      ? "deleted"
      : kind === NF
      ? "notFound"
      : kind === EX
      ? "exists"
      : undefined;
    if (status === undefined) return false;
    const result: MetaDeleteResult = { status };
    this.request.done(this.complete(result, returned));
    return true;
  }
}

/** One `ma`. */
export class MetaArithmeticCommand extends MetaCommand {
  readonly #isBig: boolean;

  /**
   * Takes the key and the caller's options.
   *
   * @throws {MemcacheIllegalInputError} If one of them cannot be sent.
   */
  constructor(
    key: MetaKeyParts,
    options: MetaArithmeticOptions<number | bigint>,
  ) {
    super("ma", key, arithmeticFlags(options), 0);
    this.#isBig = typeof options.delta === "bigint";
  }

  protected override get hidden(): MetaArithmeticResult {
    return { status: "stored" };
  }

  protected override accept(
    reply: Decoder,
    kind: number,
    returned: Returned,
  ): boolean {
    const status = kind === (this.flags.hasValue ? VA : HD)
      ? "stored"
      : kind === NF
      ? "notFound"
      : kind === EX
      ? "exists"
      : kind === NS
      ? "notStored"
      : undefined;
    if (status === undefined) return false;
    const result: MetaArithmeticResult<number | bigint> = { status };
    if (status === "stored") {
      if (!tellsAll(this.flags, returned)) return false;
      if (this.flags.returned.includes("t")) result.ttl = returned.ttl;
      if (kind === VA) {
        const value = countOf(reply);
        if (value === undefined) return false;
        if (!this.#isBig && value > BigInt(Number.MAX_SAFE_INTEGER)) {
          this.#tooLarge();
          return true;
        }
        result.value = this.#isBig ? value : Number(value);
      }
    }
    this.complete(result, returned);
    if (status !== "stored") delete result.cas;
    this.request.done(result);
    return true;
  }

  #tooLarge(): void {
    this.request.fail(
      new MemcacheSerdeError(
        "Cannot read counter as a number: it is past 2^53 - 1, give the delta as a bigint (1n); the server has counted",
        this.request.about(),
      ),
    );
  }
}

/** The digits of the data block; `decr` may leave blanks behind them. */
function countOf({ data, dataStart, dataEnd }: Decoder): bigint | undefined {
  let end = dataEnd;
  while (end > dataStart && data[end - 1] === 32) end--;
  return parseUint64(data, dataStart, end);
}
