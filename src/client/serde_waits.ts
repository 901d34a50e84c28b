/**
 * Serdes that answer later: how long they are waited for.
 *
 * @module
 */

import { type MemcacheErrorOptions, MemcacheTimeoutError } from "../errors.ts";

/** What ends the waiting. */
export interface WaitLimits {
  /** On the clock of `performance.now`, 0 for none. */
  readonly deadline: number;
  /** The caller's signal, if any. */
  readonly signal: AbortSignal | undefined;
  /**
   * Whether the process lives as long as the deadline has not passed.
   *
   * @default {false}
   */
  readonly holds?: boolean;
  /** Makes the error of a deadline that has passed. */
  readonly timedOut: () => unknown;
}

/** Every promise of a serde that a client waits for. */
export class SerdeWaits {
  readonly #open: Set<(error: unknown) => void> = new Set();

  /** Settles as a serde's promise does, unless a limit is reached before. */
  bounded<T>(late: PromiseLike<T>, limits: WaitLimits): Promise<T> {
    const { deadline, signal, timedOut, holds } = limits;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#open.delete(fail);
      };
      const fail = (error: unknown): void => {
        end();
        reject(error);
      };
      const onAbort = (): void => fail(signal?.reason);
      const timer = deadline === 0 ? undefined : setTimeout(
        () => fail(timedOut()),
        Math.max(0, Math.ceil(deadline - performance.now())),
      );
      // As a rule the serde is what keeps the process alive, or not.
      if (typeof timer === "object" && !holds) timer.unref();
      this.#open.add(fail);
      signal?.addEventListener("abort", onAbort);
      if (signal?.aborted) onAbort();
      late.then((value) => {
        end();
        resolve(value);
      }, fail);
    });
  }

  /** Ends all waiting. */
  close(makeError: () => unknown): void {
    for (const fail of [...this.#open]) fail(makeError());
  }
}

/**
 * The error of a command whose serde took too long.
 *
 * @param timeout The command's, in milliseconds.
 * @param about The command, its key, and whether it has been sent.
 */
export function serdeTimeout(
  timeout: number,
  about: MemcacheErrorOptions,
): MemcacheTimeoutError {
  const verb = about.sent ? "finish" : "send";
  return new MemcacheTimeoutError(
    `Cannot ${verb} ${about.command}: its serde had not finished within ${timeout} ms (timeout)`,
    about,
  );
}
