/**
 * Commands that came before the servers were known.
 *
 * @module
 */

import { listTimeout } from "../client/executor.ts";
import { Alarm, now, type Request } from "../client/lanes.ts";
import { MemcacheOverloadError } from "../errors.ts";
import { ticks } from "../telemetry/server_stats.ts";

/** A request, and the key that will choose its server. */
interface Visitor {
  readonly request: Request;
  readonly route: string;
}

/** Keeps requests, within their timeouts, until it is known where to. */
export class WaitingRoom {
  readonly #limit: number;
  readonly #alarm: Alarm = new Alarm(() => this.#expire());
  #visitors: Visitor[] = [];
  #opened: Promise<void> | undefined = undefined;
  #open: (() => void) | undefined = undefined;

  /** Takes how many may wait. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Settles when those who wait are let go the next time. */
  get opened(): Promise<void> {
    return this.#opened ??= new Promise((resolve) => this.#open = resolve);
  }

  /** Whether nobody is there. */
  get isEmpty(): boolean {
    return this.#visitors.every(({ request }) => request.settled);
  }

  /** Takes a request in. */
  add(request: Request, route: string): void {
    if (request.settled) return;
    if (this.#visitors.length >= this.#limit) {
      request.fail(
        new MemcacheOverloadError(
          `Cannot send ${request.command}: ${this.#limit} commands wait for the list of servers already, no more may (maxPending)`,
          { ...request.about(), sent: false },
        ),
      );
      return;
    }
    const at = now();
    if (request.startedAt < 0) request.startedAt = ticks(at);
    if (request.deadline === 0 && request.timeout > 0) {
      request.deadline = at + request.timeout;
    }
    this.#visitors.push({ request, route });
    if (request.deadline > 0) this.#alarm.set(request.deadline, at);
    this.#alarm.hold(true);
  }

  /** Lets everybody go. */
  empty(send: (request: Request, route: string) => void): void {
    this.#alarm.clear();
    this.#alarm.hold(false);
    const visitors = this.#visitors;
    this.#visitors = [];
    for (const { request, route } of visitors) {
      if (!request.settled) send(request, route);
    }
    this.#open?.();
    this.#opened = this.#open = undefined;
  }

  #expire(): void {
    const at = now();
    let next = Infinity;
    const late: Request[] = [];
    this.#visitors = this.#visitors.filter(({ request }) => {
      if (request.settled) return false;
      const { deadline } = request;
      if (deadline === 0) return true;
      if (deadline <= at) {
        late.push(request);
        return false;
      }
      next = Math.min(next, deadline);
      return true;
    });
    if (next !== Infinity) this.#alarm.set(next, at);
    this.#alarm.hold(this.#visitors.length > 0);
    // Now, as those who are told may bring others.
    for (const request of late) {
      const { command, timeout, key } = request;
      request.fail(listTimeout(command, timeout, key));
    }
  }
}
