/**
 * One call as a row of attempts.
 *
 * @module
 */

import { MemcacheError } from "../errors.ts";
import type { CommandOptions } from "../types.ts";
import { RetryBudget } from "./budget.ts";
import { checkDelay, type Retry, type RetryPolicy } from "./options.ts";

/**
 * Milliseconds that an attempt has to have: in less no server answers, and a
 * timeout may be told a little early.
 */
const LEAST = 1;

/** A call that can be attempted more than once. */
export interface Call {
  /** Name of the method. */
  readonly method: string;
  /** The caller's options. */
  readonly options: CommandOptions | undefined;
  /** Whether it may be carried out twice. */
  readonly repeatable: boolean;
  /** Attempts it, with the caller's options or with what is left of them. */
  attempt(options: CommandOptions | undefined): Promise<unknown>;
  /**
   * Takes note of what an attempt failed with.
   *
   * @returns The error to tell, should this have been the last attempt.
   */
  failed?(error: unknown): unknown;
}

/** Makes calls again as the policy has it. */
export class Attempts {
  readonly #policy: RetryPolicy;
  readonly #budget: RetryBudget;
  /** Ends the waits between attempts. */
  readonly #waits = new Set<() => void>();
  /** How often everything that was pending has been given up. */
  #age = 0;

  /** Takes the policy; the budget is its own. */
  constructor(policy: RetryPolicy) {
    this.#policy = policy;
    this.#budget = new RetryBudget(policy.budget);
  }

  /** Makes a call. */
  run(call: Call): Promise<unknown> {
    this.#budget.earn();
    const timeout = call.options?.timeout;
    // What is no timeout is refused by the client, which knows what is one.
    const deadline = typeof timeout === "number" && timeout > 0
      ? performance.now() + timeout
      : Infinity;
    const age = this.#age;
    return attempt(call, call.options).catch((error) =>
      this.#again(call, { deadline, age }, error)
    );
  }

  /** Attempts nothing again that is pending now. */
  giveUp(): void {
    this.#age++;
    this.hasten();
  }

  /** Ends the waits: the client is closed, which the next attempt will find. */
  hasten(): void {
    for (const end of this.#waits) end();
  }

  async #again(
    call: Call,
    { deadline, age }: { readonly deadline: number; readonly age: number },
    failure: unknown,
  ): Promise<unknown> {
    const signal = signalOf(call.options);
    let error = failure;
    let sent = false;
    for (let made = 1;; made++) {
      if (signal?.aborted) throw signal.reason;
      const last = call.failed === undefined ? error : call.failed(error);
      const told = sent ? sentBefore(last) : last;
      const over = made >= this.#policy.attempts || age !== this.#age;
      if (over || !this.#mayRepeat(call, error)) throw told;
      const delay = this.#delay(made, error);
      // Whoever has to wait beyond the deadline may as well know at once.
      if (performance.now() + delay + LEAST > deadline) throw told;
      if (!this.#budget.spend()) throw told;
      this.#tell({ method: call.method, attempt: made, delay, error });
      if (delay > 0) {
        await this.#wait(delay, signal);
        if (age !== this.#age) throw told;
      }
      let { options } = call;
      if (deadline !== Infinity) {
        const left = deadline - performance.now();
        // The timer was late: 0 would mean no timeout at all.
        if (left < LEAST) throw told;
        options = { ...options, timeout: left };
      }
      try {
        return await attempt(call, options);
      } catch (next) {
        sent ||= !isUnsent(error);
        error = next;
      }
    }
  }

  #mayRepeat(call: Call, error: unknown): boolean {
    if (!this.#policy.passes(error)) return false;
    return call.repeatable || this.#policy.unsafe || isUnsent(error);
  }

  #delay(made: number, cause: unknown): number {
    try {
      return checkDelay(this.#policy.delay(made));
    } catch (error) {
      // Ours says what is wrong; whatever the function threw is told as it is.
      if (error instanceof MemcacheError) error.cause ??= cause;
      throw error;
    }
  }

  #tell(retry: Retry): void {
    try {
      this.#policy.onRetry?.(retry);
    } catch {
      // An observer has no say.
    }
  }

  /** Waits, but not beyond an abort or the client's life. */
  #wait(delay: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waits.delete(end);
        signal?.removeEventListener("abort", end);
        if (signal?.aborted) reject(signal.reason);
        else resolve();
      };
      const timer = setTimeout(end, delay);
      this.#waits.add(end);
      signal?.addEventListener("abort", end);
    });
  }
}

/** Whether nothing has been carried out, on no server. */
function isUnsent(error: unknown): boolean {
  return error instanceof MemcacheError && error.sent === false &&
    (error.results === undefined || error.results.size === 0);
}

/**
 * Makes an error speak for the attempts before it too: what one of them has
 * sent may be carried out, whatever became of the last one.
 */
function sentBefore(error: unknown): unknown {
  if (error instanceof MemcacheError && error.sent === false) error.sent = true;
  return error;
}

/** One attempt, which rejects where a client throws. */
function attempt(
  call: Call,
  options: CommandOptions | undefined,
): Promise<unknown> {
  try {
    return Promise.resolve(call.attempt(options));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The caller's signal; what is none is refused by the client. */
function signalOf(
  options: CommandOptions | undefined,
): AbortSignal | undefined {
  const signal: unknown = options?.signal;
  return signal instanceof AbortSignal ? signal : undefined;
}
