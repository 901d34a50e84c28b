/**
 * Counts requests in memcached, one counter for each client, route and window:
 * `incr` is atomic, so all processes together keep a limit.
 *
 * @module
 */
import type { KeyCommands } from "@x/memcache";

/** How many requests a client may make of a route. */
export interface Policy {
  /** Its name, in keys and headers. */
  readonly name: string;
  /** Requests in a window. */
  readonly limit: number;
  /** Seconds of a window. */
  readonly window: number;
  /**
   * `fixed`: each window begins at 0, so that twice the limit may come around
   * its end. `sliding`: the window before counts, too, by the share of it that
   * is less than a window ago.
   */
  readonly kind: "fixed" | "sliding";
}

/** What becomes of a request. */
export interface Decision {
  readonly isAllowed: boolean;
  /** Requests that are left. */
  readonly remaining: number;
  /** Seconds until the window ends. */
  readonly reset: number;
  /** Seconds until a request is allowed; 0 if this one is. */
  readonly retryAfter: number;
}

/**
 * Counts a request, and decides. One that is refused is not counted.
 *
 * @throws {MemcacheError} If memcached cannot count.
 */
export async function take(
  cache: KeyCommands,
  { name, limit, window, kind }: Policy,
  client: string,
  now: number = Date.now(),
): Promise<Decision> {
  // Milliseconds, whole ones, so that nothing is rounded.
  const length = window * 1000;
  const index = Math.floor(now / length);
  const left = (index + 1) * length - now;
  const keyOf = (index: number) => `${name}:${client}:${index}`;
  // Both leave in one write. A counter is needed for two windows, and a little
  // longer where clocks differ.
  const [count, before = 0] = await Promise.all([
    cache.incr(keyOf(index), 1, { initial: 1, ttl: 2 * window + 5 }),
    kind === "fixed" ? 0 : cache.get<number>(keyOf(index - 1)),
  ]);
  if (count === undefined) throw new Error("memcached has not counted");
  const reset = Math.ceil(left / 1000);
  const room = (limit - count) * length - before * left;
  if (room >= 0) {
    const remaining = Math.floor(room / length);
    return { isAllowed: true, remaining, reset, retryAfter: 0 };
  }
  await cache.decr(keyOf(index), 1);
  let wait = left;
  if (kind === "sliding") {
    // There will be room in this window, as the one before passes, or else in
    // the next one, as this one does.
    if (count <= limit) wait -= Math.floor((limit - count) * length / before);
    else wait += length / limit;
  }
  const retryAfter = Math.ceil(wait / 1000);
  return { isAllowed: false, remaining: 0, reset, retryAfter };
}
