/**
 * Checks of what adapters are made with. What is wrong would fail in every call
 * later, and where a cache that fails breaks nothing, nobody would be told.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import { describe } from "../wire/numbers.ts";

/** Ten years in seconds, the longest time of `getOrSet`. */
const MAX = 315_360_000;

/** Throws if a client lacks a method that the adapter cannot do without. */
export function checkClient(client: unknown, method: string): void {
  const isClient = typeof client === "object" && client !== null &&
    typeof Reflect.get(client, method) === "function";
  if (!isClient) refuse("client", client, `a client with ${method}()`);
}

/** Throws if an option is not a whole number from `min` on. */
export function checkNumber(name: string, value: unknown, min: number): void {
  if (
    typeof value === "number" && Number.isInteger(value) && value >= min &&
    value <= MAX
  ) return;
  refuse(name, value, `a whole number from ${min} to ${MAX}`);
}

/** Throws if an option is no text. */
export function checkText(name: string, value: unknown): void {
  if (typeof value !== "string") refuse(name, value, "a string");
}

/** Throws if an option is neither `true` nor `false`. */
export function checkFlag(name: string, value: unknown): void {
  if (typeof value !== "boolean") refuse(name, value, "true or false");
}

/** Refuses an option. */
export function refuse(name: string, value: unknown, wanted: string): never {
  throw new MemcacheIllegalInputError(
    `Cannot use option ${name}: ${describe(value)}, must be ${wanted}`,
    { sent: false },
  );
}
