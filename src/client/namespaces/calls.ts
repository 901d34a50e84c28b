/**
 * Calls in a namespace that are not answered at once, and what becomes of them.
 *
 * @module
 */

import { MemcacheError, rebound } from "../../errors.ts";
import type { CommandOptions } from "../../types.ts";
import type { Rule } from "./rules.ts";

/** Milliseconds that an attempt gets when the call's time is up. */
const LEAST = 1;

/** Calls a method of the commands at one version. */
export type Apply<C> = (
  inner: C,
  args: readonly unknown[],
) => Promise<unknown>;

/** A call that is not answered at once. */
export interface Call<C> {
  /** The method. */
  readonly name: string;
  /** What is known of it. */
  readonly rule: Rule;
  /** The caller's arguments. */
  readonly args: readonly unknown[];
  /** Calls it. */
  readonly apply: Apply<C>;
  /** The caller's options. */
  readonly options: CommandOptions | undefined;
  /** Milliseconds, 0 for none. */
  readonly timeout: number;
  /** When they are over, on the clock of `performance.now`; 0 for never. */
  readonly deadline: number;
}

/** What became of an attempt. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

/**
 * Takes a call.
 *
 * @param given The method, what is known of it, the arguments, how to call it.
 * @param ownTimeout Milliseconds that the client gives to a command.
 * @param startedAt When it began, on the clock of `performance.now`.
 */
export function callOf<C>(
  given: Pick<Call<C>, "name" | "rule" | "args" | "apply">,
  ownTimeout: number,
  startedAt: number,
): Call<C> {
  const { rule, args } = given;
  // The command has looked at it, or will.
  const options = args[rule.options] as CommandOptions | undefined ?? undefined;
  const limit: unknown = options?.timeout;
  // One that is none has been refused, or will be.
  const timeout = typeof limit === "number" ? limit : ownTimeout;
  const deadline = timeout > 0 ? startedAt + timeout : 0;
  return { ...given, options, timeout, deadline };
}

/** Tells that a function was not called, as its version is no more. */
export class NotCalled extends Error {}

/** What comes next where an attempt does not count. */
export type Next = "settle" | "check" | "accept";

/** Why a version is not known. */
export class Unknown {
  /** What it is. */
  readonly cause: unknown;

  /** Takes it. */
  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** Whether an error has nothing to do with the version. */
export function isFinal(error: unknown): boolean {
  return !(error instanceof MemcacheError) ||
    error.code === "ERR_ILLEGAL_INPUT" ||
    error.code === "ERR_CLIENT_CLOSED";
}

/** The failure of a question that many calls share, as one of this call. */
export function about<C>(
  { name, rule, args }: Call<C>,
  error: unknown,
  sent: boolean,
): unknown {
  if (!(error instanceof MemcacheError)) return error;
  const own = rebound(error, {
    server: error.server,
    command: name,
    key: keyOf(args),
    // What has been carried out may well be under the right version.
    sent,
  });
  const keys = rule.keys?.(args[0]);
  if (keys !== undefined) own.failedKeys = Object.freeze(keys);
  return own;
}

/** The caller's key, where there is one. */
export function keyOf([key]: readonly unknown[]): string | undefined {
  const name = Array.isArray(key) ? key[1] : key;
  return typeof name === "string" ? name : undefined;
}

/** The arguments for another attempt: the time that is left is shorter. */
export function argsLeft<C>(call: Call<C>): readonly unknown[] {
  const { args, rule, options, deadline } = call;
  // The caller of a function has the time that it says it has.
  const isOwn = options?.timeout !== undefined;
  if (deadline === 0 || rule.callback !== undefined && !isOwn) return args;
  const left = Math.max(LEAST, deadline - performance.now());
  const next = [...args];
  next[rule.options] = { ...options, timeout: left };
  return next;
}

/** What becomes of a promise, as a value. */
export function outcomeOf(promise: Promise<unknown>): Promise<Outcome> {
  return promise.then((value) => ({ value }), (error) => ({ error }));
}
