/**
 * `incr` and `decr`: their arguments, and counters that begin with a value.
 *
 * @module
 */

import { MemcacheIllegalInputError, MemcacheServerError } from "../errors.ts";
import { rawSerde } from "../serde/raw.ts";
import { textSerde } from "../serde/text.ts";
import type { Key, Serialized } from "../types.ts";
import { checkDelta, checkUint64 } from "../wire/numbers.ts";
import { keyPair } from "./arguments.ts";
import type { CountOptions } from "./commands.ts";
import type { Context } from "./context.ts";
import { type Executor, start } from "./executor.ts";
import { readTimeout } from "./options.ts";
import type { StoreHead } from "./requests/store.ts";
import { VivifyCountCommand } from "./requests/vivify.ts";
import { CountCommand } from "./requests/word.ts";
import { serializedRequest, storeHead } from "./storing.ts";

/** How often a counter is asked for that others create and delete meanwhile. */
const MAX_ROUNDS = 8;

/**
 * The serdes to whom a number without flags is what they would have stored, as
 * far as they can: what `ma` creates has none.
 */
const PLAIN: ReadonlySet<unknown> = new Set([rawSerde, textSerde]);

/** A count that has been checked. */
export interface CountPlan {
  /** Makes the request; each can be sent once. */
  readonly make: () => CountCommand;
  /** How the counter begins, if it is to be created. */
  readonly first: { value: number | bigint; head: StoreHead } | undefined;
}

/**
 * Checks the arguments of a count.
 *
 * @throws {MemcacheIllegalInputError} If one of them cannot be sent.
 */
export function planCount(
  context: Context,
  command: "incr" | "decr",
  key: Key,
  delta: number | bigint,
  options: CountOptions,
): CountPlan {
  const { key: name, wireKey } = keyPair(context, key, command);
  const amount = checkDelta(delta, command);
  const line = `${command} ${wireKey} ${amount}`;
  const big = typeof delta === "bigint";
  const noreply = options.noreply ?? false;
  const make = () => new CountCommand(command, name, line, noreply, big);
  const { initial, ttl } = options;
  if (initial === undefined) return { make, first: undefined };
  const refuse = (why: string): never => {
    throw new MemcacheIllegalInputError(`Cannot send ${command}: ${why}`, {
      command,
      key: name,
      sent: false,
    });
  };
  if (noreply) refuse("initial needs a reply, leave noreply out");
  const text = checkUint64("initial", initial, command);
  const value = big ? BigInt(text) : Number(text);
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    refuse("initial is past 2^53 - 1, give the delta as a bigint (1n)");
  }
  const head = storeHead(context, "add", key, { ttl, noreply: false });
  const first = { value, head };
  if (!PLAIN.has(context.serde)) return { make, first };
  const { exptime } = head;
  const beginning = { wireKey, delta: amount, initial: text, exptime };
  return {
    make: () => new VivifyCountCommand(command, name, line, big, beginning),
    first,
  };
}

/**
 * A counter as it is stored: digits, with the flags that the serde has for
 * numbers, if it has any.
 */
async function digits(
  context: Context,
  key: string,
  value: number | bigint,
): Promise<Serialized> {
  const data = String(value);
  try {
    const serialized = await context.serde.serialize(key, value);
    if (serialized.data === data) return serialized;
  } catch {
    // A serde of text or bytes has no word for numbers; memcached has.
  }
  return { data, flags: 0 };
}

/**
 * Counts, and creates the counter where there is none. Another client may
 * create or delete it in between, hence more than one round.
 *
 * @returns The new value.
 */
export async function countFrom<T>(
  context: Context,
  executor: Executor,
  plan: CountPlan,
  route: string,
  options: CountOptions,
): Promise<T> {
  const timeout = readTimeout(options.timeout, context.timeout);
  const deadline = timeout > 0 ? Math.ceil(performance.now() + timeout) : 0;
  const { make, first } = plan;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { request: count } = make();
    count.deadline = deadline;
    const counted = await start<T | undefined>(
      context,
      executor,
      count,
      route,
      options,
    );
    if (counted !== undefined || first === undefined) return counted as T;
    const { value, head } = first;
    const stored = await digits(context, head.key, value);
    const { request: add } = serializedRequest("add", head, stored);
    add.deadline = deadline;
    const added = await start<boolean>(context, executor, add, route, options);
    // The value has the type of the delta, as the result has to.
    if (added) return value as T;
  }
  throw new MemcacheServerError(
    `Cannot count: the server has neither counted nor created the counter, asked ${MAX_ROUNDS} times`,
    { command: make().command, key: first?.head.key, sent: true },
  );
}
