/**
 * How long to wait before a call is made again.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";

/** Longest delay of a timer, in milliseconds. */
export const MAX_DELAY = 2_147_483_647;

/** Options of {@linkcode exponentialDelay}. */
export interface ExponentialDelayOptions {
  /**
   * Upper bound of the first delay in milliseconds, above 0, to 2^31 - 1.
   *
   * @default {50}
   */
  first?: number;
  /**
   * Upper bound of every delay in milliseconds, above 0, to 2^31 - 1.
   *
   * @default {1000}
   */
  max?: number;
}

/**
 * Makes delays that grow and are spread, for the option `retryDelay`: each is
 * drawn evenly from zero to a bound, and the bound doubles with every attempt
 * (exponential back-off with full jitter). Clients that fail at the same moment
 * come back at different ones.
 *
 * @example
 * ```ts
 * import { Client, exponentialDelay, RetryingClient } from "@x/memcache";
 *
 * const client = new RetryingClient(new Client(), {
 *   attempts: 4, // after up to 20, 40 and 80 ms
 *   retryDelay: exponentialDelay({ first: 20, max: 500 }),
 * });
 * await client.close();
 * ```
 *
 * @param options The bounds.
 * @returns A function from the number of attempts made to milliseconds.
 * @throws {MemcacheIllegalInputError} If a bound is out of its range.
 */
export function exponentialDelay(
  options: ExponentialDelayOptions = {},
): (attempt: number) => number {
  const first = readBound("first", options.first, 50);
  const max = readBound("max", options.max, 1000);
  return (attempt) => Math.random() * Math.min(max, first * 2 ** (attempt - 1));
}

function readBound(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && value > 0 && value <= MAX_DELAY) {
    return value;
  }
  throw new MemcacheIllegalInputError(
    `Cannot use option ${name}: ${
      String(value)
    }, must be a number above 0, to ${MAX_DELAY}`,
    { sent: false },
  );
}
