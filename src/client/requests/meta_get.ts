/**
 * `mg`: reads an item, or what is known of it.
 *
 * @module
 */

import {
  COMPANION,
  IDEMPOTENT,
  READ_ONLY,
  type ReadText,
} from "../../connection/request.ts";
import { isThenable } from "../../serde/guard.ts";
import { keepsBytes } from "../../serde/serde.ts";
import type { Ttl } from "../../types.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { EN, HD, VA } from "../../wire/reply.ts";
import type { Returned } from "../../wire/returned.ts";
import { type Context, readValue, serdeError, Unreadable } from "../context.ts";
import type { MetaGetOptions, MetaGetResult } from "../meta_commands.ts";
import { getFlags, type MetaFlags } from "../meta_flags.ts";
import type { MetaKeyParts } from "../meta_keys.ts";
import { MetaCommand, tellsAll } from "./meta.ts";

/** What an `mg` with these flags may do besides reading. */
function traitsOf(options: MetaGetOptions): number {
  const { touch, vivify, recache } = options;
  // The token that says "you are the one" is given once.
  if (vivify !== undefined || recache !== undefined) return 0;
  if (touch === undefined) return READ_ONLY | IDEMPOTENT;
  // What is expired by the first one is not there for a second.
  return isPast(touch) ? 0 : IDEMPOTENT;
}

function isPast(touch: Ttl): boolean {
  return touch instanceof Date ? touch.getTime() <= Date.now() : touch < 0;
}

/** One `mg`. */
export class MetaGetCommand extends MetaCommand {
  readonly #context: Context;
  readonly #tellsFlags: boolean;
  readonly #vivifies: boolean;

  /**
   * Takes the key and the caller's options, and whether others come with it.
   *
   * @throws {MemcacheIllegalInputError} If one of them cannot be sent.
   */
  constructor(
    context: Context,
    key: MetaKeyParts,
    options: MetaGetOptions,
    isOneOfMany = false,
  ) {
    const flags: MetaFlags = getFlags(options);
    super(
      "mg",
      key,
      flags,
      traitsOf(options) | (isOneOfMany ? COMPANION : 0),
    );
    this.#context = context;
    this.#tellsFlags = options.returnFlags ?? false;
    this.#vivifies = options.vivify !== undefined;
  }

  override keepsBytes(flags: number): boolean {
    return keepsBytes(this.#context.serde, flags);
  }

  protected override get hidden(): MetaGetResult {
    return { status: "miss" };
  }

  protected override accept(
    reply: Decoder,
    kind: number,
    returned: Returned,
    text: ReadText,
  ): boolean {
    if (kind === EN) {
      this.request.done(this.complete(this.hidden, returned));
      return true;
    }
    if (kind !== (this.flags.hasValue ? VA : HD)) return false;
    if (!tellsAll(this.flags, returned)) return false;
    const result = this.#result(returned);
    if (
      kind === HD || this.request.settled ||
      isStub(reply, returned, this.#vivifies)
    ) {
      this.request.done(result);
      return true;
    }
    const { name } = this.metaKey;
    const value = readValue(this.#context, name, reply, text, this.request);
    if (value instanceof Unreadable) this.#unreadable(value.error);
    else if (!isThenable(value)) this.#done(result, value);
    else {
      value.then(
        (read) => this.#done(result, read),
        (error) => this.#unreadable(error),
      );
    }
    return true;
  }

  #result(returned: Returned): MetaGetResult {
    const wanted = this.flags.returned;
    const result: MetaGetResult = { status: "hit" };
    const { flags, ttl, size, hitBefore, lastAccess } = returned;
    if (this.#tellsFlags) result.flags = flags;
    if (wanted.includes("t")) result.ttl = ttl;
    if (wanted.includes("s")) result.size = size;
    if (wanted.includes("h")) result.hitBefore = hitBefore;
    if (wanted.includes("l")) result.lastAccess = lastAccess;
    if (returned.won) result.won = true;
    if (returned.stale) result.stale = true;
    if (returned.alreadyWon) result.alreadyWon = true;
    return this.complete(result, returned);
  }

  #done(result: MetaGetResult, value: unknown): void {
    const { status, ...rest } = result;
    this.request.done({ status, value, ...rest });
  }

  #unreadable(error: unknown): void {
    const { name } = this.metaKey;
    this.request.fail(serdeError(error, this.command, name, this.request));
  }
}

/**
 * Whether it is an item that `N` has made, and that nobody has stored into: a
 * stale one has been stored, so it has a value, be it an empty one. Who made it
 * is told that it won; who only asked to recache, that of an item with a value.
 */
function isStub(
  reply: Decoder,
  { stale, won, alreadyWon }: Returned,
  vivifies: boolean,
): boolean {
  return reply.dataStart === reply.dataEnd && reply.flags === 0 && !stale &&
    (alreadyWon === true || won === true && vivifies);
}
