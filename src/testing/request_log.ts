/**
 * The requests that a server has seen, and those who wait for one.
 *
 * @module
 */

import { MemcacheError } from "../errors.ts";
import { matches, type RequestMatch, type ServerRequest } from "./faults.ts";

interface Waiter {
  readonly match: RequestMatch | undefined;
  resolve(request: ServerRequest): void;
  reject(error: unknown): void;
}

/** Most bytes of data blocks that the log keeps alive. */
const MAX_DATA = 64 * 1024 * 1024;

/** Requests in the order they came in, the oldest forgotten at a limit. */
export class RequestLog {
  readonly #limit: number;
  #requests: ServerRequest[] = [];
  #data = 0;
  #waiters: readonly Waiter[] = [];

  /** Makes an empty log that holds at most `limit` requests. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The requests, oldest first. */
  get requests(): readonly ServerRequest[] {
    return this.#requests;
  }

  /** Adds a request and tells those who wait for it. */
  add(request: ServerRequest): void {
    this.#requests.push(request);
    this.#data += request.data?.length ?? 0;
    // Halved each time, so that adding stays cheap.
    while (this.#requests.length > this.#limit || this.#data > MAX_DATA) {
      this.#forget(Math.ceil(this.#requests.length / 2));
    }
    if (this.#waiters.length === 0) return;
    const met = this.#waiters.filter(({ match }) => matches(request, match));
    this.#waiters = this.#waiters.filter((waiter) => !met.includes(waiter));
    for (const waiter of met) waiter.resolve(request);
  }

  /** Forgets all requests. */
  clear(): void {
    this.#forget(this.#requests.length);
  }

  /** Resolves with the next request that matches. */
  next(match: RequestMatch | undefined): Promise<ServerRequest> {
    return new Promise((resolve, reject) => {
      this.#waiters = [...this.#waiters, { match, resolve, reject }];
    });
  }

  /** Turns away those who wait. */
  close(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      waiter.reject(
        new MemcacheError("Cannot wait for a request: the server was closed"),
      );
    }
  }

  #forget(count: number): void {
    // The array that a user has taken stays as it is.
    for (const { data } of this.#requests.slice(0, count)) {
      this.#data -= data?.length ?? 0;
    }
    this.#requests = this.#requests.slice(count);
  }
}
