/**
 * What is taken from the queue next: one request, or a line of many gets.
 *
 * @module
 */

import type { Deque } from "./deque.ts";
import type { LinkOptions } from "./options.ts";
import type { Request } from "./request.ts";

/** Waiting gets, from which on they share `get` lines on a meta connection. */
export const BULK = 128;

/** Fewest gets that are worth a line of their own there. */
const BULK_LINE = 16;

/** Most keys on one line. */
export const LINE_KEYS = 100;

/** Takes the requests of one link from the queue. */
export class Intake {
  /** Bytes of values taken from the queue since this was last read. */
  bytes = 0;
  readonly #options: LinkOptions;

  /** Takes the options of the link. */
  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /**
   * Takes the next request, or a line of many gets; skips settled ones.
   *
   * @param unsent The queue.
   * @param bulk Whether gets may share lines.
   * @param meta Whether the server speaks meta.
   */
  take(
    unsent: Deque<Request>,
    bulk: boolean,
    meta: boolean,
  ): Request | undefined {
    const first = this.#shift(unsent);
    if (first === undefined || first.settled) return undefined;
    if (!bulk || !first.joinable) return first;
    const line = [first];
    // A line is one request: it can keep one deadline only.
    while (line.length < LINE_KEYS) {
      const next = unsent.peek();
      if (!next?.joinable || next.deadline !== first.deadline) break;
      this.#shift(unsent);
      if (!next.settled) line.push(next);
    }
    if (line.length >= (meta ? BULK_LINE : 2)) {
      for (const request of line) request.leaves();
      const joined = this.#options.join(line);
      joined.server = this.#options.server;
      return joined;
    }
    for (let i = line.length - 1; i > 0; i--) unsent.unshift(line[i]);
    return first;
  }

  #shift(unsent: Deque<Request>): Request | undefined {
    const request = unsent.shift();
    if (request !== undefined) this.bytes += request.weight;
    return request;
  }
}
