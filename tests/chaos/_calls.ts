/**
 * Makes calls, and notes what became of each: how it ended, and how long after
 * its time was up.
 *
 * @module
 */
import { type CommandOptions, MemcacheError } from "@x/memcache";
import type { Lateness } from "./_lateness.ts";
import type { Fate, Ledger, Span } from "./_ledger.ts";

/** How late a call may end, in milliseconds, besides what the machine costs. */
export const SLACK = 100;

/** What connections may come to: anything else is a fault of ours. */
const EXPECTED = new Set([
  "ERR_CONNECTION",
  "ERR_NO_SERVERS",
  "ERR_OVERLOAD",
  "ERR_TIMEOUT",
  "ERR_UNEXPECTED_CLOSE",
]);

/** How a call ended. */
export interface Ending<T> {
  /** When it began and ended. */
  readonly span: Span;
  /** What it resolved to, if it did. */
  readonly value?: T;
  /** What it rejected with, if it did. */
  readonly error?: unknown;
  /** What is known of it: done when it resolved. */
  readonly fate: Exclude<Fate, "open">;
}

/** How to make a call. */
export interface CallOptions {
  /** Milliseconds, from which its time is up. */
  readonly timeout: number;
  /** Milliseconds after which it is aborted; 0: in the next turn. */
  readonly abortAfter?: number | undefined;
  /** Milliseconds that it may take; default: `timeout`. */
  readonly limit?: number;
}

/** The calls of a run. */
export class Calls {
  /** How many calls were made, by command. */
  readonly made: Map<string, number> = new Map();
  /** How many failed, by the error's code, and `aborted`. */
  readonly errors: Map<string, number> = new Map();
  /** How many resolved. */
  good = 0;
  /** How many failed. */
  failed = 0;
  /** The longest time that a call took past its timeout, and which it was. */
  slowest: { ms: number; call: string } = { ms: -Infinity, call: "none" };
  /** How many are on their way. */
  open = 0;
  readonly #ledger: Ledger;
  readonly #lateness: Lateness;

  /** Takes whom to complain to. */
  constructor(ledger: Ledger, lateness: Lateness) {
    this.#ledger = ledger;
    this.#lateness = lateness;
  }

  /** How many were made. */
  get total(): number {
    return [...this.made.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Makes a call and waits for its end; it never rejects. */
  async make<T>(
    command: string,
    { timeout, abortAfter, limit = timeout }: CallOptions,
    call: (options: CommandOptions) => Promise<T>,
  ): Promise<Ending<T>> {
    this.made.set(command, (this.made.get(command) ?? 0) + 1);
    const controller = abortAfter === undefined
      ? undefined
      : new AbortController();
    const reason = { aborted: command };
    const timer = abortAfter === undefined
      ? undefined
      : setTimeout(() => controller?.abort(reason), abortAfter);
    const from = this.#ledger.tick();
    const start = performance.now();
    this.open++;
    let ending: Ending<T>;
    try {
      const value = await call(
        controller === undefined
          ? { timeout }
          : { timeout, signal: controller.signal },
      );
      ending = { span: this.#until(from), value, fate: "done" };
      this.good++;
    } catch (error) {
      const fate = error instanceof MemcacheError && error.sent === false
        ? "never"
        : "unknown";
      ending = { span: this.#until(from), error, fate };
      this.#note(command, error, reason, controller?.signal);
    }
    this.open--;
    clearTimeout(timer);
    this.#time(command, start, limit);
    return ending;
  }

  #until(from: number): Span {
    return { from, to: this.#ledger.tick() };
  }

  #note(
    command: string,
    error: unknown,
    reason: object,
    signal: AbortSignal | undefined,
  ): void {
    const aborted = error === reason && signal?.aborted === true;
    const code = aborted
      ? "aborted"
      : error instanceof MemcacheError
      ? error.code
      : "foreign";
    this.failed++;
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    if (!aborted && !EXPECTED.has(code)) {
      const text = error instanceof Error ? error.message : String(error);
      this.#ledger.complain(`${command} failed with ${code}: ${text}`);
    }
  }

  #time(command: string, start: number, limit: number): void {
    const end = performance.now();
    const busy = this.#lateness.between(start, end);
    const ms = end - start - limit - busy;
    if (ms > this.slowest.ms) {
      this.slowest = { ms, call: `${command} with ${limit} ms` };
    }
    if (ms > SLACK) {
      const took = Math.round(end - start);
      this.#ledger.complain(
        `${command} took ${took} ms where ${limit} ms are its time ` +
          `and the machine was busy for ${Math.round(busy)} ms`,
      );
    }
  }
}
