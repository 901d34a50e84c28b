/**
 * The options of a `RetryingClient`, and what they make of an error.
 *
 * @module
 */

import {
  type ErrorClass,
  MemcacheAuthError,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheNoServersError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnknownError,
} from "../errors.ts";
import { MAX_DELAY } from "./delay.ts";

/** A retry that is about to happen, as `onRetry` sees it. */
export interface Retry {
  /** Name of the method, such as `"get"`. */
  readonly method: string;
  /** How many attempts have been made, from 1 on. */
  readonly attempt: number;
  /** Milliseconds until the next one. */
  readonly delay: number;
  /** What the last attempt failed with. */
  readonly error: unknown;
}

/** Options of a {@linkcode RetryingClient}. Every one may be left out. */
export interface RetryOptions {
  /**
   * How often a call is attempted at most, from 1 on: 1 never retries.
   *
   * @default {2}
   */
  attempts?: number;
  /**
   * Milliseconds between two attempts, 0 to 2^31 - 1, or a function that gives
   * them for the number of attempts made, 1 for the first:
   * {@linkcode exponentialDelay} makes one. Without a delay a call gets over a
   * lost connection, but not over a server that takes a while to come back.
   *
   * @default {0}
   */
  retryDelay?: number | ((attempt: number) => number);
  /**
   * Retries after errors of these classes only. If absent or empty, after those
   * of the connection and the server that may be gone the next time:
   * {@linkcode MemcacheConnectionError} but for {@linkcode MemcacheAuthError},
   * {@linkcode MemcacheTimeoutError}, {@linkcode MemcacheServerError} but for
   * values that the server refused, {@linkcode MemcacheUnknownError} and
   * {@linkcode MemcacheNoServersError}.
   */
  retryFor?: ErrorClass[];
  /** Does not retry after errors of these classes. */
  doNotRetryFor?: ErrorClass[];
  /**
   * Also retries commands that must not be carried out twice, and may have been
   * carried out: incr, decr, append, prepend, add, cas, rawCommand, shutdown.
   *
   * @default {false}
   */
  retryUnsafe?: boolean;
  /**
   * Retries for each call, over all calls, from 0 on: 0.2 allows one for five
   * calls. Up to 100 are saved up and there at first, and 10 a second are allowed
   * in any case. A call that has no retry left fails at once, with the error that
   * it has. `Infinity` for no limit.
   *
   * @default {0.2}
   */
  retryBudget?: number;
  /** Sees every retry before its delay. What it throws is ignored. */
  onRetry?: (retry: Retry) => void;
}

/** Options, checked. */
export interface RetryPolicy {
  /** Most attempts. */
  readonly attempts: number;
  /** Milliseconds after so many attempts, not checked. */
  readonly delay: (attempt: number) => unknown;
  /** Whether an error may be gone the next time. */
  readonly passes: (error: unknown) => boolean;
  /** Whether commands are repeated that may have been carried out. */
  readonly unsafe: boolean;
  /** Retries for each call. */
  readonly budget: number;
  /** Told of every retry. */
  readonly onRetry: ((retry: Retry) => void) | undefined;
}

function refusal(name: string, why: string): MemcacheIllegalInputError {
  return new MemcacheIllegalInputError(
    `Cannot use option ${name}: ${why}`,
    { sent: false },
  );
}

/** What a value is, for a message: texts and objects are not shown. */
function shown(value: unknown): string {
  return value === null || /^(?:number|bigint|boolean|undefined)$/.test(
      typeof value,
    )
    ? String(value)
    : typeof value;
}

/**
 * Whether an error may be gone the next time, as long as nobody says otherwise.
 *
 * Not so: what the server has against the request itself, what it will answer
 * again (a value too large, a wrong password), a client that is closed, and a
 * client that has too much to do already.
 */
function isPassing(error: unknown): boolean {
  if (error instanceof MemcacheAuthError) return false;
  if (error instanceof MemcacheServerError) {
    return error.code !== "ERR_VALUE_REFUSED";
  }
  return error instanceof MemcacheConnectionError ||
    error instanceof MemcacheTimeoutError ||
    error instanceof MemcacheUnknownError ||
    error instanceof MemcacheNoServersError;
}

function readClasses(name: string, value: unknown): readonly ErrorClass[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    throw refusal(name, `${shown(value)}, must be an array of error classes`);
  }
  for (const member of value as unknown[]) {
    const isClass = typeof member === "function" &&
      (member === Error || member.prototype instanceof Error);
    if (!isClass) {
      throw refusal(
        name,
        `${shown(member)} is in it, must have error classes only`,
      );
    }
  }
  // Each of them has been looked at.
  return [...value] as ErrorClass[];
}

function readDelay(value: unknown): (attempt: number) => unknown {
  if (typeof value === "function") {
    return (attempt) => value(attempt) as unknown;
  }
  const delay = value === undefined ? 0 : checkDelay(value);
  return () => delay;
}

/**
 * Checks a delay.
 *
 * @throws {MemcacheIllegalInputError} If it is none.
 */
export function checkDelay(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= MAX_DELAY) {
    return value;
  }
  throw refusal(
    "retryDelay",
    `${
      shown(value)
    }, must be a number from 0 to ${MAX_DELAY}, or a function that gives one`,
  );
}

function readFunction<F>(name: string, value: F | undefined): F | undefined {
  if (value === undefined || typeof value === "function") return value;
  throw refusal(name, `${shown(value)}, must be a function`);
}

/**
 * Reads the options of a `RetryingClient`.
 *
 * @throws {MemcacheIllegalInputError} If one of them cannot be used.
 */
export function readRetryOptions(options: RetryOptions): RetryPolicy {
  if (typeof options !== "object" || options === null) {
    throw refusal("options", `${shown(options)}, must be an object`);
  }
  const { attempts = 2, retryUnsafe = false, retryBudget = 0.2 } = options;
  if (!Number.isSafeInteger(attempts) || attempts < 1) {
    throw refusal(
      "attempts",
      `${
        shown(attempts)
      }, must be a whole number from 1 on: with less nothing is attempted at all`,
    );
  }
  if (typeof retryUnsafe !== "boolean") {
    throw refusal(
      "retryUnsafe",
      `${shown(retryUnsafe)}, must be true or false`,
    );
  }
  if (typeof retryBudget !== "number" || !(retryBudget >= 0)) {
    throw refusal(
      "retryBudget",
      `${shown(retryBudget)}, must be a number from 0 on`,
    );
  }
  const wanted = readClasses("retryFor", options.retryFor);
  const unwanted = readClasses("doNotRetryFor", options.doNotRetryFor);
  for (const both of wanted) {
    if (!unwanted.includes(both)) continue;
    throw refusal(
      "retryFor",
      `${both.name} is in doNotRetryFor too, must be in one of them only`,
    );
  }
  const passes = (error: unknown): boolean => {
    if (error instanceof MemcacheError) {
      // Whoever closed the client has said that it is over.
      if (error.code === "ERR_CLIENT_CLOSED") return false;
      // Of several servers one that comes back is reason enough.
      if (error.errors !== undefined) return error.errors.some(passes);
    }
    if (unwanted.some((one) => error instanceof one)) return false;
    return wanted.length === 0
      ? isPassing(error)
      : wanted.some((one) => error instanceof one);
  };
  return Object.freeze({
    attempts,
    delay: readDelay(options.retryDelay),
    passes,
    unsafe: retryUnsafe,
    budget: retryBudget,
    onRetry: readFunction("onRetry", options.onRetry),
  });
}
