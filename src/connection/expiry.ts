/**
 * The end of requests that take too long.
 *
 * @module
 */

import { Deque } from "./deque.ts";
import { timeoutError } from "./failures.ts";
import type { Request } from "./request.ts";

/** How many timeouts are told in one turn of the event loop. */
const EXPIRE_BATCH = 2000;

/** Tells the requests of one connection that their time is up. */
export class Expiry {
  /** Requests of links that are gone, which have been promised more time. */
  readonly limbo: Deque<Request> = new Deque();
  /** Whether deadlines may lie in another order than their requests. */
  mixed = false;
  /** When a caller's time was last up that had waited in vain. */
  vainAt = 0;
  /** How many milliseconds that caller had waited. */
  vainMs = 0;

  /**
   * Fails the requests whose deadlines are over.
   *
   * @returns When to look again, `Infinity` for never.
   */
  tell(
    inflight: Deque<Request> | undefined,
    unsent: Deque<Request>,
    at: number,
  ): number {
    const round: Round = { at, left: EXPIRE_BATCH, longest: 0, next: Infinity };
    this.#expire(this.limbo, round);
    round.longest = 0;
    if (inflight !== undefined) this.#expire(inflight, round);
    this.#expire(unsent, round);
    while (this.limbo.peek()?.settled) this.limbo.shift();
    // Where nobody has waited in vain, silence is no fault: a caller may have
    // asked for more patience than others have.
    if (round.longest > 0) {
      this.vainMs = round.longest;
      this.vainAt = at;
    }
    return round.next;
  }

  /** Expires requests of one queue, in the order of their calls. */
  #expire(queue: Deque<Request>, round: Round): void {
    for (let i = 0; i < queue.length; i++) {
      const request = queue.at(i);
      if (request.deadline === 0) continue;
      if (request.deadline > round.at || round.left === 0) {
        round.next = Math.min(round.next, request.deadline);
        if (!this.mixed || round.left === 0) return;
        continue;
      }
      round.longest = Math.max(round.longest, request.timeout);
      if (request.settled) continue;
      round.left--;
      request.fail(timeoutError(request));
    }
  }
}

/** One look at the deadlines. */
interface Round {
  readonly at: number;
  left: number;
  longest: number;
  next: number;
}
