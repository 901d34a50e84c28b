/**
 * What the requests of one client have in common.
 *
 * @module
 */

import {
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
} from "../errors.ts";
import { type Observe, type Request, show } from "../connection/request.ts";
import { FROM_VIEW, type Serde, type ViewSerde } from "../serde/serde.ts";
import type { Decoder } from "../wire/decoder.ts";
import type { KeyRules } from "../wire/key.ts";
import type { ReadText } from "../connection/request.ts";

/** The checked options of a client, as far as commands need them. */
export interface Context extends KeyRules {
  /** Between values and bytes. */
  readonly serde: Serde;
  /** The same serde, where it reads from the receive buffer. */
  readonly viewSerde: ViewSerde | undefined;
  /** Milliseconds per command, 0 for none. */
  readonly timeout: number;
  /** Whether stores are sent without asking for a reply. */
  readonly defaultNoreply: boolean;
  /** Whether failed reads answer as misses. */
  readonly errorsAsMisses: boolean;
  /** Sees every failure. */
  readonly onError: Observe | undefined;
}

/** The serde's shortcut, if it has one. */
export function viewOf(serde: Serde): ViewSerde | undefined {
  // A serde that has the symbol is one of ours, or wraps one.
  return FROM_VIEW in serde ? serde as ViewSerde : undefined;
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

/** Whether a value is a promise, or acts as one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}

/**
 * Makes a value of the data block that was just read.
 *
 * @returns The value, or a promise of it.
 * @throws What the serde throws.
 */
export function readValue(
  context: Context,
  key: string,
  reply: Decoder,
  text: ReadText,
): unknown {
  const { data, dataStart, dataEnd, flags } = reply;
  const view = context.viewSerde;
  if (view !== undefined && !reply.owned) {
    return view[FROM_VIEW](key, data, dataStart, dataEnd, flags, text);
  }
  return context.serde.deserialize(
    key,
    reply.owned
      ? data.subarray(dataStart, dataEnd)
      : data.slice(dataStart, dataEnd),
    flags,
  );
}

/** Makes the error of a value that its serde could not read or store. */
export function serdeError(
  error: unknown,
  command: string,
  key: string,
  request?: Request,
): MemcacheError {
  if (error instanceof MemcacheError) {
    error.command ??= command;
    error.key ??= key;
    if (request?.server !== undefined) error.server ??= request.server;
    error.sent ??= request?.sent ?? false;
    return error;
  }
  const verb = request === undefined ? "store" : "read";
  const why = error instanceof Error ? `: ${error.message}` : "";
  return new MemcacheSerdeError(
    `Cannot ${verb} value: its serde failed${why}`,
    {
      cause: error,
      command,
      key,
      server: request?.server,
      sent: request?.sent ?? false,
    },
  );
}
