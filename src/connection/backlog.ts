/**
 * The requests of a connection that wait to be sent.
 *
 * @module
 */

import { Deque } from "./deque.ts";
import { overloadError } from "./failures.ts";
import { isHeard, WAITS } from "../telemetry/channels.ts";
import { type ServerStats, ticks } from "../telemetry/server_stats.ts";
import type { Request } from "./request.ts";

/** Bytes of values that may wait for one server before more are refused. */
export const MAX_UNSENT_BYTES: number = 32 * 1024 * 1024;

/** A queue that knows the bytes of the values in it. */
export class Backlog {
  /** The requests, the next one first. */
  readonly queue: Deque<Request> = new Deque();
  /** Bytes of their values. */
  bytes = 0;
  /** The same, over all connections to the server. */
  readonly #all: { bytes: number };
  /** How many of the last ones have come since deadlines were set. */
  #fresh = 0;
  /** How many of the last ones have come since anybody was told of waits. */
  #untold = 0;

  /** Takes the account of all connections to the server. */
  constructor(all: { bytes: number }) {
    this.#all = all;
  }

  /** How many wait. */
  get length(): number {
    return this.queue.length;
  }

  /**
   * Refuses a request where the limits are reached.
   *
   * @param pending How many wait or are in flight.
   * @param maxPending How many may.
   * @returns Whether it was refused.
   */
  refuses(request: Request, pending: number, maxPending: number): boolean {
    if (pending >= maxPending) {
      request.fail(
        overloadError(
          request,
          `${pending} commands wait already, at most ${maxPending} may (maxPending)`,
        ),
      );
      return true;
    }
    const { weight } = request;
    const { bytes } = this.#all;
    if (weight === 0 || bytes === 0 || bytes + weight <= MAX_UNSENT_BYTES) {
      return false;
    }
    request.fail(
      overloadError(
        request,
        `${bytes} bytes of values wait already, at most ${MAX_UNSENT_BYTES} may`,
      ),
    );
    return true;
  }

  /** Puts a new request to the end of the line. */
  add(request: Request): void {
    this.queue.push(request);
    this.#fresh++;
    this.#untold++;
    this.#weigh(request.weight);
  }

  /**
   * Whether a request that has just come is all there is to send, as far as is
   * known.
   *
   * @param isDue Whether a flush is due for something that came before it.
   */
  isAlone(request: Request, isDue: boolean): boolean {
    if (request.isQuiet || request.isCompanion) return false;
    const { queue } = this;
    if (queue.length === 1) return !isDue;
    return queue.length === 2 && queue.peek()?.isCompanion === true;
  }

  /** So many bytes of values have left the queue with their requests. */
  taken(bytes: number): void {
    if (bytes > 0) this.#weigh(-bytes);
  }

  /**
   * Sets the deadlines of the requests that came since the last time.
   *
   * @returns The earliest of them, `Infinity` for none.
   */
  stamp(at: number): number {
    const { queue } = this;
    const count = queue.length;
    let earliest = Infinity;
    const startedAt = ticks(at);
    for (let i = Math.max(0, count - this.#fresh); i < count; i++) {
      const request = queue.at(i);
      if (request.startedAt < 0) request.startedAt = startedAt;
      if (request.deadline === 0 && request.timeout > 0) {
        request.deadline = Math.ceil(at + request.timeout);
      }
      if (request.deadline > 0 && request.deadline < earliest) {
        earliest = request.deadline;
      }
    }
    this.#fresh = 0;
    return earliest;
  }

  /** Tells of those that wait that they do, if anybody listens. */
  tellWaits({ place }: ServerStats): void {
    if (!isHeard(WAITS)) return;
    const { queue } = this;
    const from = Math.max(0, queue.length - this.#untold);
    this.#untold = 0;
    // A listener may empty the queue.
    for (let i = from; i < queue.length; i++) queue.at(i).waits(place, i);
  }

  /**
   * Takes over what was in flight on a link that is gone: some are put back to
   * the front of the line, in their order, once each, the others are told.
   */
  takeBack(
    inflight: Deque<Request>,
    repeats: (request: Request) => boolean,
    tell: (request: Request) => void,
  ): void {
    const again: Request[] = [];
    const take = (request: Request): void => {
      if (request.settled) return;
      if (request.replays === 0 && repeats(request)) again.push(request);
      else tell(request);
    };
    while (inflight.length > 0) {
      const request = inflight.shift();
      const members = request?.kind.members;
      if (members !== undefined) members.forEach(take);
      else if (request !== undefined) take(request);
    }
    for (let i = again.length - 1; i >= 0; i--) {
      again[i].replay();
      this.queue.unshift(again[i]);
      this.#weigh(again[i].weight);
    }
  }

  /** Forgets those at the front whose callers have been told. */
  skipSettled(): void {
    while (this.queue.peek()?.settled) this.#shift();
  }

  /** Fails all. */
  fail(makeError: (request: Request) => unknown): void {
    // Callbacks may queue more: those are not part of this failure.
    for (let count = this.length; count > 0; count--) {
      const request = this.#shift();
      if (request !== undefined && !request.settled) {
        request.fail(makeError(request));
      }
    }
  }

  /** Hands over those that `takes` takes; the others stay as they are. */
  handOver(takes: (request: Request) => boolean): void {
    for (let count = this.length; count > 0; count--) {
      const request = this.#shift();
      if (request === undefined || request.settled || takes(request)) continue;
      this.queue.push(request);
      this.#weigh(request.weight);
    }
  }

  #shift(): Request | undefined {
    const request = this.queue.shift();
    if (request !== undefined) this.#weigh(-request.weight);
    return request;
  }

  #weigh(bytes: number): void {
    this.bytes += bytes;
    this.#all.bytes += bytes;
  }
}
