/**
 * Failures as the user's own function is shown them.
 *
 * @module
 */

import type { MemcacheError } from "../errors.ts";

/** Where a request's failures are shown, besides to its caller. */
export type Observe = (error: MemcacheError) => void;

/** Shows an error to the user's own function, whose failures are its own. */
export function show(observe: Observe, error: MemcacheError): void {
  try {
    const late: unknown = observe(error);
    if (late instanceof Promise) late.catch(() => {});
  } catch {
    // Telling is all we can do: the command's outcome does not depend on it.
  }
}
