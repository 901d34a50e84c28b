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
import { FROM_VIEW, type ViewSerde } from "../serde/serde.ts";
import type { Decoder } from "../wire/decoder.ts";
import type { KeyRules } from "../wire/key.ts";

/** The checked options of a client, as far as commands need them. */
export interface Context extends KeyRules {
  /** Between values and bytes; what it throws is ours. */
  readonly serde: ViewSerde;
  /** Milliseconds per command, 0 for none. */
  readonly timeout: number;
  /** Whether stores are sent without asking for a reply. */
  readonly defaultNoreply: boolean;
  /** Whether failed reads answer as misses. */
  readonly errorsAsMisses: boolean;
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

/**
 * Makes a value of the data block that was just read.
 *
 * @returns The value, or a promise of it.
 * @throws {MemcacheSerdeError} If the serde cannot read it.
 */
export function readValue(
  context: Context,
  key: string,
  reply: Decoder,
  text: ReadText,
): unknown {
  const { data, dataStart, dataEnd, flags } = reply;
  return reply.owned
    ? context.serde.deserialize(key, data.subarray(dataStart, dataEnd), flags)
    : context.serde[FROM_VIEW](key, data, dataStart, dataEnd, flags, text);
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
