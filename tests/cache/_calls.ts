/**
 * What the tests of `getOrSet` call with.
 *
 * @module
 */
import type { GetOrSetOptions } from "@x/memcache";

/** The flags of the empty item that stands for a load. */
export const MARKER = 0x6c656100;

/** Calls at the same time. */
export function many<T>(count: number, call: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, call));
}

/** A load that must not be. */
export const never = (): never => {
  throw new Error("It was not to be loaded");
};

/** A value of a minute that is loaded anew in the last ten seconds. */
export const REFRESH: GetOrSetOptions = { ttl: 60, refreshAhead: 10 };
