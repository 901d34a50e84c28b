/**
 * Servers of a ring, and what calls to them reject with.
 *
 * @module
 */
import { assertInstanceOf } from "@std/assert";
import { MemcacheError } from "../../src/errors.ts";

/** Names of servers that nobody connects to. */
export const SERVERS: readonly string[] = [
  "10.0.0.1:11211",
  "10.0.0.2:11211",
  "10.0.0.3:11211",
];

/** What a call rejects with. */
export async function failure(call: Promise<unknown>): Promise<MemcacheError> {
  const error = await call.then(() => undefined, (error) => error);
  assertInstanceOf(error, MemcacheError);
  return error;
}
