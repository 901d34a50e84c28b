/**
 * Asking again and again who the servers are: when, and until when.
 *
 * @module
 */

import type { ServerSpec } from "../conn/address.ts";
import { MemcacheError, MemcacheIllegalInputError } from "../errors.ts";

/** Options of every discovery that asks again and again. */
export interface PollingOptions {
  /**
   * Milliseconds between two look-ups, from 1 to 2^30. Each time is drawn evenly
   * from three to five quarters of it, so that a fleet does not ask in step.
   *
   * @default {60_000}
   */
  interval?: number;
  /** Sees every look-up that failed. What it throws is ignored. */
  onError?: (error: MemcacheError) => void;
  /** Ends all iterations, as their `return()` does. */
  signal?: AbortSignal;
}

/** When to ask, and whom to tell. */
export interface Pace {
  /** Milliseconds between two look-ups, about. */
  readonly interval: number;
  /** Told of failures. */
  readonly onError: ((error: MemcacheError) => void) | undefined;
  /** Ends it from outside. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Looks up the servers once.
 *
 * @param signal Aborts when nobody waits any more.
 * @returns The servers; `undefined` if they are those of the last time.
 */
export type LookUp = (
  signal: AbortSignal,
) => Promise<readonly ServerSpec[] | undefined>;

/** Longest pause in milliseconds: half as much again is still a timer's. */
const MAX_INTERVAL = 2 ** 30;

/** Upper bound of the pause after a first failure, in milliseconds. */
const FIRST_PAUSE = 500;

/** Refuses an option. */
export function refuse(name: string, wanted: string): never {
  throw new MemcacheIllegalInputError(
    `Cannot use option ${name}: it must be ${wanted}`,
    { sent: false },
  );
}

/**
 * Reads options.
 *
 * @throws {MemcacheIllegalInputError} If one cannot be used.
 */
export function readPace(options: PollingOptions, interval: number): Pace {
  if (typeof options !== "object" || options === null) {
    refuse("options", "an object");
  }
  const { onError, signal } = options;
  if (onError !== undefined && typeof onError !== "function") {
    refuse("onError", "a function");
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    refuse("signal", "an AbortSignal");
  }
  return {
    interval: readMilliseconds("interval", options.interval, interval),
    onError,
    signal,
  };
}

/**
 * Reads a time.
 *
 * @throws {MemcacheIllegalInputError} If it is none, or out of range.
 */
export function readMilliseconds(
  name: string,
  value: unknown,
  fallback: number,
): number {
  if (value === undefined) return fallback;
  return typeof value === "number" && value >= 1 && value <= MAX_INTERVAL
    ? value
    : refuse(name, `a number of milliseconds from 1 to ${MAX_INTERVAL}`);
}

/** Sets a timer that keeps no process alive. */
export function idleTimer(
  ring: () => void,
  delay: number,
): ReturnType<typeof setTimeout> {
  const timer = setTimeout(ring, delay);
  if (typeof timer === "object") timer.unref();
  return timer;
}

/** One iteration: a look-up whenever it is due and somebody waits. */
export class Polling implements AsyncIterator<readonly ServerSpec[]> {
  readonly #lookUp: LookUp;
  readonly #pace: Pace;
  readonly #ended = new AbortController();
  /** The last `next()`: one follows the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #begun = false;
  #dueAt = -Infinity;
  #failures = 0;

  /** Begins nothing before the first `next()`. */
  constructor(lookUp: LookUp, pace: Pace) {
    this.#lookUp = lookUp;
    this.#pace = pace;
  }

  /** Waits for a list that differs from the last one. */
  next(): Promise<IteratorResult<readonly ServerSpec[], undefined>> {
    const turn = this.#turn.then(() => this.#next());
    this.#turn = turn;
    return turn;
  }

  /** Ends the iteration at once. */
  return(): Promise<IteratorResult<readonly ServerSpec[], undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  readonly #end = (): void => {
    this.#pace.signal?.removeEventListener("abort", this.#end);
    this.#ended.abort();
  };

  async #next(): Promise<IteratorResult<readonly ServerSpec[], undefined>> {
    if (!this.#begun) {
      this.#begun = true;
      const { signal } = this.#pace;
      if (signal?.aborted) this.#end();
      else if (!this.#ended.signal.aborted) {
        signal?.addEventListener("abort", this.#end);
      }
    }
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await this.#pause();
      if (signal.aborted) break;
      try {
        const value = await this.#unlessEnded(this.#lookUp(signal));
        this.#failures = 0;
        this.#plan(this.#pace.interval * (0.75 + 0.5 * Math.random()));
        if (value !== undefined) return { done: false, value };
      } catch (error) {
        this.#failed(error);
      }
    }
    return { done: true, value: undefined };
  }

  /** Sooner than usual, but not sooner and sooner. */
  #failed(error: unknown): void {
    const bound = FIRST_PAUSE * 2 ** this.#failures++;
    const pause = Math.min(bound, this.#pace.interval);
    this.#plan(pause * (0.5 + 0.5 * Math.random()));
    try {
      this.#pace.onError?.(
        error instanceof MemcacheError ? error : new MemcacheError(
          `Cannot look up the servers: ${
            error instanceof Error ? error.message : String(error)
          }`,
          { cause: error },
        ),
      );
    } catch {
      // An observer has no say.
    }
  }

  #plan(pause: number): void {
    this.#dueAt = performance.now() + pause;
  }

  /** Waits until a look-up is due; keeps no process alive. */
  #pause(): Promise<void> {
    const pause = this.#dueAt - performance.now();
    if (pause <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#ended.signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = idleTimer(end, pause);
      this.#ended.signal.addEventListener("abort", end);
    });
  }

  /** What a look-up comes to, or nothing once nobody waits. */
  #unlessEnded<T>(promise: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const { signal } = this.#ended;
      const end = (): void => resolve(undefined);
      signal.addEventListener("abort", end);
      promise.then(resolve, reject).finally(() =>
        signal.removeEventListener("abort", end)
      );
    });
  }
}
