/**
 * What the requests of one client have in common.
 *
 * @module
 */

import { MemcacheError, MemcacheIllegalInputError } from "../errors.ts";
import {
  type Observe,
  type ReadText,
  type Request,
  show,
} from "../connection/request.ts";
import { isThenable } from "../serde/guard.ts";
import { FROM_VIEW, type ViewSerde } from "../serde/serde.ts";
import type { Decoder } from "../wire/decoder.ts";
import type { KeyRules } from "../wire/key.ts";
import type { ItemKeeper } from "./item.ts";
import { serdeTimeout, type SerdeWaits } from "./serde_waits.ts";

/** The checked options of a client, as far as commands need them. */
export interface Context extends KeyRules {
  /** Between values and bytes; what it throws is ours. */
  readonly serde: ViewSerde;
  /** Its promises that are waited for. */
  readonly waits: SerdeWaits;
  /** Milliseconds per command, 0 for none. */
  readonly timeout: number;
  /** Whether stores are sent without asking for a reply. */
  readonly defaultNoreply: boolean;
  /** Whether failed reads answer as misses. */
  readonly errorsAsMisses: boolean;
  /** Puts itself before the keeper of items that were read, if it has to. */
  readonly keeperOf?: (keeper: ItemKeeper) => ItemKeeper;
  /** Sees every failure. */
  readonly onError: Observe | undefined;
}

/** Shows a failure to `onError`. */
export function observe(context: Context, error: unknown): void {
  if (context.onError !== undefined && error instanceof MemcacheError) {
    show(context.onError, error);
  }
}

/** Whether `errorsAsMisses` turns an error of a read into a miss. */
export function hidden(context: Context, error: unknown): boolean {
  return context.errorsAsMisses && error instanceof MemcacheError &&
    !(error instanceof MemcacheIllegalInputError) &&
    error.code !== "ERR_CLIENT_CLOSED";
}

/** What a data block became that the serde cannot read. */
export class Unreadable {
  /** What the serde threw. */
  readonly error: unknown;

  /** Takes what the serde threw. */
  constructor(error: unknown) {
    this.error = error;
  }
}

/**
 * Makes a value of the data block that was just read.
 *
 * @returns The value, a promise of it, or an {@linkcode Unreadable}.
 */
export function readValue(
  context: Context,
  key: string,
  reply: Decoder,
  text: ReadText,
  request: Request,
): unknown {
  const { data, dataStart, dataEnd, flags, owned } = reply;
  const { serde } = context;
  try {
    const value = serde[FROM_VIEW](
      key,
      data,
      dataStart,
      dataEnd,
      flags,
      text,
      owned,
    );
    if (!isThenable(value)) return value;
    const { deadline, signal } = request;
    const timedOut = () => serdeTimeout(request.timeout, request.about());
    const late = context.waits.bounded(value, { deadline, signal, timedOut });
    // Who wants the value hears of its failure; perhaps nobody will.
    late.catch(() => {});
    return late;
  } catch (error) {
    return new Unreadable(error);
  }
}

/** Adds to a serde's error which command it was for. */
export function serdeError(
  error: unknown,
  command: string,
  key: string,
  request?: Request,
): unknown {
  if (!(error instanceof MemcacheError)) return error;
  error.command ??= command;
  error.key ??= key;
  if (request?.server !== undefined) error.server ??= request.server;
  error.sent ??= request?.sent ?? false;
  return error;
}
