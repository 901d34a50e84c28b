/**
 * What goes wrong, as messages and exit codes.
 *
 * @module
 */

import { MemcacheError, MemcacheIllegalInputError } from "../../mod.ts";
import { harmless } from "./text.ts";

/** Exit codes. */
export const OK = 0;
/** A miss, or something that was not stored. */
export const MISS = 1;
/** Arguments or files that cannot be used. */
export const USAGE = 2;
/** A server or the network failed. */
export const FAILURE = 3;
/** Ctrl-C. */
export const INTERRUPTED = 130;

/** Arguments that cannot be used. */
export class UsageError extends Error {}

/** A failure of servers that no single command has. */
export class ServerFailure extends Error {}

/** Ends what is going on, on the user's wish. */
export class Interrupted extends Error {}

/** The exit code for an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return INTERRUPTED;
  if (error instanceof UsageError) return USAGE;
  if (error instanceof ServerFailure) return FAILURE;
  if (error instanceof MemcacheIllegalInputError) return USAGE;
  if (error instanceof MemcacheError) return FAILURE;
  // Files, mostly.
  return USAGE;
}

/** What to tell of an error: a line, or one for each server that failed. */
export function messagesOf(error: unknown): string[] {
  if (error instanceof MemcacheError && error.errors?.length) {
    return error.errors.flatMap(messagesOf);
  }
  const message = error instanceof Error ? error.message : String(error);
  const server = error instanceof MemcacheError ? error.server : undefined;
  const where = server !== undefined && !message.includes(server)
    ? ` (${server})`
    : "";
  const code = error instanceof MemcacheError ? ` [${error.code}]` : "";
  return [harmless(`${message}${where}${code}`)];
}
