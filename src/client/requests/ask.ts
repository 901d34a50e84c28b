/**
 * The reads of `getOrSet`: the first, which most calls need no other than, and
 * the later ones.
 *
 * @module
 */

import type { Loads } from "../../cache/loads.ts";
import type { Mark } from "../../cache/marks.ts";
import type { Plan } from "../../cache/options.ts";
import type {
  Call,
  Load,
  Sighting,
  Standing,
  ValueSighting,
  Waiting,
} from "../../cache/port.ts";
import {
  IDEMPOTENT,
  NEEDS_META,
  READ_ONLY,
  type ReadText,
} from "../../connection/request.ts";
import { MemcacheSerdeError } from "../../errors.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { readReturned, type Returned } from "../../wire/returned.ts";
import { type Context, hidden, observe } from "../context.ts";
import { FetchCommand } from "./fetch.ts";

/** The meta flags that tell whose turn it is to load, `W`, `X`, `Z`, are letters. */
const LAST_DIGIT = 57;

/** Nothing but the value was told. */
const PLAIN: Returned = {};

/** What was told beside a value. */
function returnedOf(reply: Decoder): Returned {
  return reply.line[reply.lineEnd - 1] > LAST_DIGIT
    ? readReturned(reply) ?? PLAIN
    : PLAIN;
}

/** What a reply says of a value. */
function sighted(value: unknown, told: Returned, cas: bigint): ValueSighting {
  return {
    state: "value",
    value,
    cas,
    isWon: told.won === true,
    isTaken: told.alreadyWon === true,
    isStale: told.stale === true,
    left: told.ttl ?? -1,
  };
}

/** What a failure to read means where errors are misses. */
function afterFailure(error: unknown): Sighting {
  return {
    state: error instanceof MemcacheSerdeError ? "unreadable" : "unknown",
  };
}

/**
 * The first read of a call. A hit ends it, as it ends a `get`; what becomes of
 * all others is told by {@linkcode Loads.answer}.
 */
export class AskCommand extends FetchCommand implements Waiting {
  readonly plan: Plan;
  readonly load: Load;
  readonly route: string;
  readonly order: number;
  readonly patience: number;
  readonly deadline: number;
  readonly #loads: Loads;
  #told: Returned = PLAIN;

  /** Takes all that is known of the call. */
  constructor(
    context: Context,
    key: string,
    wireKey: string,
    call: Omit<Call, "key" | "wireKey">,
    loads: Loads,
    patience: number,
  ) {
    super("mg", context, key, wireKey, undefined);
    this.plan = call.plan;
    this.load = call.load;
    this.route = call.route;
    this.order = ++loads.calls;
    this.patience = patience;
    this.deadline = patience > 0 ? performance.now() + patience : 0;
    this.#loads = loads;
  }

  get signal(): AbortSignal | undefined {
    return this.request.signal;
  }

  protected override get metaFlags(): string {
    return this.plan.metaFlags;
  }

  protected override get missed(): unknown {
    return this.#answer({ state: "missing" });
  }

  override rewind(): void {
    super.rewind();
    this.#told = PLAIN;
  }

  override decode(reply: Decoder, text: ReadText): unknown {
    if (this.plan.spare > 0) this.#told = readReturned(reply) ?? PLAIN;
    else if (reply.line[reply.lineEnd - 1] > LAST_DIGIT) {
      this.#told = returnedOf(reply);
    }
    return super.decode(reply, text);
  }

  protected override shape(value: unknown): unknown {
    const told = this.#told;
    return told === PLAIN ? value : this.#answer(sighted(value, told, 0n));
  }

  protected override marked(mark: Mark, cas: bigint): unknown {
    const isStale = this.#told.stale === true;
    return this.#answer({ state: "mark", mark, cas, isStale });
  }

  override takeFailure(error: unknown): boolean {
    if (!hidden(this.context, error)) return false;
    observe(this.context, error);
    this.request.done(this.#answer(afterFailure(error)));
    return true;
  }

  /** A caller who has gone is answered by nobody. */
  #answer(seen: Sighting): unknown {
    return this.request.settled ? undefined : this.#loads.answer(this, seen);
  }
}

/** A read of which it is known what the reply tells beside the value. */
abstract class TellingCommand extends FetchCommand {
  /** What the reply has told. */
  protected told: Returned = PLAIN;

  /** Takes whose key it is. */
  constructor(context: Context, { key, wireKey }: Call) {
    super(
      "mg",
      context,
      key,
      wireKey,
      undefined,
      NEEDS_META | READ_ONLY | IDEMPOTENT,
    );
  }

  protected override get wantsCas(): boolean {
    return true;
  }

  override rewind(): void {
    super.rewind();
    this.told = PLAIN;
  }

  override decode(reply: Decoder, text: ReadText): unknown {
    this.told = readReturned(reply) ?? PLAIN;
    return super.decode(reply, text);
  }
}

/** A later read: everything that is known of a key. */
export class LookCommand extends TellingCommand {
  readonly #flags: string;

  /** Takes whose key to look at. */
  constructor(context: Context, call: Call) {
    super(context, call);
    const { plan } = call;
    this.#flags = ` c${plan.spare === 0 ? " t" : ""}${plan.metaFlags}`;
  }

  protected override get metaFlags(): string {
    return this.#flags;
  }

  protected override get missed(): Sighting {
    return { state: "missing" };
  }

  protected override shape(
    value: unknown,
    _flags: number,
    cas: bigint,
  ): Sighting {
    return sighted(value, this.told, cas);
  }

  protected override marked(mark: Mark, cas: bigint): Sighting {
    const isStale = this.told.stale === true;
    return { state: "mark", mark, cas, isStale };
  }

  override takeFailure(error: unknown): boolean {
    if (!hidden(this.context, error)) return false;
    observe(this.context, error);
    this.request.done(afterFailure(error));
    return true;
  }
}

/** Asks for the CAS unique of an item and what is left of it, if there is one. */
export class StandCommand extends TellingCommand {
  protected override get metaFlags(): string {
    return " c t f O";
  }

  protected override get wantsValue(): boolean {
    return false;
  }

  protected override shape(
    _value: unknown,
    _flags: number,
    cas: bigint,
  ): Standing {
    return this.#standing(cas);
  }

  protected override marked(_mark: Mark, cas: bigint): Standing {
    return this.#standing(cas);
  }

  override takeFailure(): boolean {
    return false;
  }

  #standing(cas: bigint): Standing {
    const { ttl, won } = this.told;
    return { cas, left: ttl ?? -1, isWon: won === true };
  }
}
