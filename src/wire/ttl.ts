/**
 * From a `ttl`, as callers give it, to the exptime that the wire carries
 * (protocol.txt, "Expiration times").
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { Ttl } from "../types.ts";
import { illegal } from "./numbers.ts";

/**
 * Greatest exptime that the server takes for seconds from now: 30 days
 * (protocol.txt, "Expiration times"). A greater one is a Unix time.
 */
export const MAX_RELATIVE_EXPTIME = 2_592_000;

/** Greatest exptime that is sent, as a Unix time: 2106-02-07T06:28:15Z. */
export const MAX_EXPTIME = 0xffff_ffff;

const WANTED = "whole seconds from now, 0 for never, or a valid Date";

const { getTime } = Date.prototype;

/**
 * Makes the exptime of a `ttl`.
 *
 * - Nothing and `0`: 0, never. A negative number: -1, already expired.
 * - 1 to 2,592,000 (30 days): as it is, seconds from now. More: an absolute
 *   time, `nowSeconds` rounded down plus the `ttl`.
 * - A `Date`: an absolute time, rounded up to the second, so that the item
 *   does not end before it; one that is not after `nowSeconds`: -1.
 *
 * memcached 1.6.18 reads an exptime as a signed 32-bit number: a time past
 * 2^31 - 1 (2038-01-19T03:14:07Z) is sent as it is, and that server takes it
 * for expired.
 *
 * @param ttl What the caller gave.
 * @param nowSeconds The time of the call, in seconds since 1970; may have a
 * fraction.
 * @param command The command's name, for the error.
 * @returns The exptime: -1, or 0 to 2^32 - 1.
 * @throws {MemcacheIllegalInputError} If the `ttl` is a fraction, NaN,
 * infinite, an invalid `Date`, neither number nor `Date`, or ends past
 * 2^32 - 1.
 */
export function toExptime(
  ttl: Ttl | undefined,
  nowSeconds: number,
  command?: string,
): number {
  if (ttl === undefined || ttl === 0) return 0;
  if (typeof ttl === "number") {
    if (!Number.isInteger(ttl)) throw illegal("ttl", ttl, WANTED, command);
    if (ttl < 0) return -1;
    if (ttl <= MAX_RELATIVE_EXPTIME) return ttl;
    return absolute(Math.floor(nowSeconds) + ttl, `${ttl} seconds`, command);
  }
  const milliseconds = timeOf(ttl);
  if (Number.isNaN(milliseconds)) throw illegal("ttl", ttl, WANTED, command);
  if (milliseconds / 1000 <= nowSeconds) return -1;
  const seconds = Math.ceil(milliseconds / 1000);
  // Only where the clock stands in 1970: the server would take it for relative.
  if (seconds <= MAX_RELATIVE_EXPTIME) return seconds - Math.floor(nowSeconds);
  return absolute(seconds, "a Date", command);
}

/** Refuses a time past the greatest exptime. */
function absolute(seconds: number, shown: string, command?: string): number {
  if (seconds <= MAX_EXPTIME) return seconds;
  throw new MemcacheIllegalInputError(
    `Cannot send ttl: ${shown} means the Unix time ${seconds}, at most ${MAX_EXPTIME} (the year 2106) is allowed`,
    { command, sent: false },
  );
}

/** The time of a date, whatever its own methods are; NaN for anything else. */
function timeOf(value: unknown): number {
  try {
    // The engine refuses all but dates.
    return getTime.call(value as Date);
  } catch {
    return NaN;
  }
}
