/**
 * Changes that are on their way, by key: whoever names one of these keys has to
 * go the same way.
 *
 * @module
 */

import type { Request } from "../connection/request.ts";
import type { Seat } from "./seat.ts";

/** Fewest changes that are worth to be gone through. */
const MIN_SWEEP = 1024;

/** The last change of each key, until its caller has been told of its end. */
export class Stores {
  readonly #last: Map<string, { request: Request; seat: Seat }> = new Map();
  #sweepAt = MIN_SWEEP;

  /** Notes a change of one key, which goes by `seat`. */
  add(key: string, request: Request, seat: Seat): void {
    const last = this.#last;
    last.set(key, { request, seat });
    if (last.size < this.#sweepAt) return;
    for (const [key, { request }] of last) {
      if (request.settled) last.delete(key);
    }
    this.#sweepAt = Math.max(MIN_SWEEP, 2 * last.size);
  }

  /** Whether none is known. */
  get empty(): boolean {
    return this.#last.size === 0;
  }

  /** By which connection a change of a key is on its way, if one is. */
  seatOf(key: string): Seat | undefined {
    const store = this.#last.get(key);
    if (store === undefined) return undefined;
    const { request, seat } = store;
    if (!request.settled && !seat.connection.closed) return seat;
    this.#last.delete(key);
    return undefined;
  }

  /** Forgets all. */
  clear(): void {
    this.#last.clear();
  }
}
