/**
 * Calls in a namespace.
 *
 * A call is carried out under the version that is known, and in the same write
 * the server is asked which version it has. Where that is another one, what was
 * done is visible to nobody, and the call is carried out again:
 *
 * settle → attempt → same: its outcome counts
 *            ↑     → moved: attempt again, under the newer version
 *   ↑────────────── lost: the version is missing, or older than one seen before
 *
 * @module
 */

import { closedError } from "../../connection/failures.ts";
import {
  MemcacheError,
  MemcacheServerError,
  MemcacheTimeoutError,
  rebound,
} from "../../errors.ts";
import type { CommandOptions } from "../../types.ts";
import { type Context, hidden, observe } from "../context.ts";
import { checkCall, type Executor } from "../executor.ts";
import { readTimeout } from "../options.ts";
import { FAILED, MOVED, PENDING, type Round, SAME } from "./check.ts";
import { kept, type Rule } from "./rules.ts";
import type { VersionKey } from "./version_key.ts";
import { ViewExecutor } from "./view_executor.ts";

/** How often a call is attempted whose version is lost under it. */
const MAX_ATTEMPTS = 8;

/** Milliseconds that an attempt gets when the call's time is up. */
const LEAST = 1;

/** What a view stands on. */
export interface Origin<C> {
  /** The checked options of the client. */
  readonly context: Context;
  /** The way to its servers. */
  readonly executor: Executor;
  /** Makes the commands on keys for another context, and other ways. */
  readonly make: (context: Context, executor: Executor) => C;
}

/** One of the namespaces that a view is in. */
export interface Level {
  /** Put before its keys. */
  readonly prefix: string;
  /** Its version. */
  readonly key: VersionKey;
}

/** Calls a method of the commands at one version. */
export type Apply<C> = (
  inner: C,
  args: readonly unknown[],
) => Promise<unknown>;

/** The commands at one version. */
export interface Epoch<C> {
  /** Of each level. */
  readonly versions: readonly string[];
  /** The commands. */
  readonly inner: C;
  /** Their way. */
  readonly executor: ViewExecutor;
}

/** A call that is not answered at once. */
interface Call<C> {
  readonly name: string;
  readonly rule: Rule;
  readonly args: readonly unknown[];
  readonly apply: Apply<C>;
  readonly options: CommandOptions | undefined;
  /** Milliseconds, 0 for none. */
  readonly timeout: number;
  /** When they are over, on the clock of `performance.now`; 0 for never. */
  readonly deadline: number;
}

/** What became of an attempt. */
type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** What comes next where an attempt does not count. */
type Next = "settle" | "check" | "accept";

/** Why a version is not known. */
class Unknown {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** Carries out calls in a namespace. */
export class View<C> {
  /** The namespaces that it is in, the outermost first, its own the last. */
  readonly levels: readonly Level[];
  /** Whether it takes no more calls. */
  isClosed = false;
  readonly #origin: Origin<C>;
  readonly #keys: readonly VersionKey[];
  readonly #routePrefix: string;
  #last: Epoch<C> | undefined = undefined;

  /** Takes the client's parts, and at least one namespace. */
  constructor(origin: Origin<C>, levels: readonly Level[]) {
    this.#origin = origin;
    this.levels = levels;
    this.#keys = levels.map(({ key }) => key);
    this.#routePrefix = levels.map(({ prefix }) => prefix).join("");
  }

  /**
   * Carries out a call.
   *
   * @param name The method.
   * @param rule What is known of it.
   * @param given The caller's arguments.
   * @param apply Calls the method.
   * @returns The outcome under a version that the server had after the call.
   */
  run(
    name: string,
    rule: Rule,
    given: readonly unknown[],
    apply: Apply<C>,
  ): Promise<unknown> {
    let args = given;
    try {
      if (this.isClosed) throw closedError();
      if (rule.isMany) args = [kept(given[0]), ...given.slice(1)];
    } catch (error) {
      observe(this.#origin.context, error);
      return Promise.reject(error);
    }
    const epoch = this.#current();
    if (epoch === undefined) return this.#begin(name, rule, args, apply);
    const { executor, versions } = epoch;
    const { count } = executor;
    const outcome = apply(epoch.inner, args);
    const asked = executor.roundSince(count);
    return outcome.then((value) => {
      const round = asked ?? executor.roundSince(count);
      // Nothing was sent for it, or nothing has changed.
      if (round === undefined || round.verdict(versions) === SAME) return value;
      const call = this.#callOf(name, rule, args, apply, round.startedAt);
      return this.#go(call, { value }, epoch, round);
    }, (error) => {
      const round = asked ?? executor.roundSince(count);
      if (round === undefined || isFinal(error)) throw error;
      if (round.verdict(versions) === SAME) throw error;
      const call = this.#callOf(name, rule, args, apply, round.startedAt);
      return this.#go(call, { error }, epoch, round);
    });
  }

  /** The commands at the version that is known, if one is. */
  #current(): Epoch<C> | undefined {
    const keys = this.#keys;
    const last = this.#last;
    if (last !== undefined) {
      let i = 0;
      while (i < keys.length && keys[i].current === last.versions[i]) i++;
      if (i === keys.length) return last;
    }
    const { context, executor, make } = this.#origin;
    const versions: string[] = [];
    let { keyPrefix } = context;
    for (const { prefix, key } of this.levels) {
      const { current } = key;
      if (current === undefined) return undefined;
      versions.push(current);
      keyPrefix += `${prefix}${current}:`;
    }
    const ways = new ViewExecutor(executor, this.#routePrefix, keys);
    const own = Object.freeze({ ...context, keyPrefix, hidesPrefix: true });
    const inner = make(own, ways);
    return this.#last = { versions, inner, executor: ways };
  }

  /** Begins a call before any version is known. */
  #begin(
    name: string,
    rule: Rule,
    args: readonly unknown[],
    apply: Apply<C>,
  ): Promise<unknown> {
    const call = this.#callOf(name, rule, args, apply, performance.now());
    const { options } = call;
    const { context, executor } = this.#origin;
    try {
      readTimeout(options?.timeout, 0);
      const gone = checkCall(executor, options);
      if (gone !== undefined) return Promise.reject(gone.reason);
    } catch (error) {
      observe(context, error);
      return Promise.reject(error);
    }
    return this.#go(call);
  }

  #callOf(
    name: string,
    rule: Rule,
    args: readonly unknown[],
    apply: Apply<C>,
    startedAt: number,
  ): Call<C> {
    // The command has looked at it, or will.
    const options = args[rule.options] as CommandOptions | undefined ??
      undefined;
    const timeout = options?.timeout ?? this.#origin.context.timeout;
    const deadline = timeout > 0 ? startedAt + timeout : 0;
    return { name, rule, args, apply, options, timeout, deadline };
  }

  /** Carries a call out to its end, from its first attempt on if there is one. */
  async #go(
    call: Call<C>,
    outcome?: Outcome,
    epoch?: Epoch<C>,
    round?: Round,
  ): Promise<unknown> {
    try {
      let next: Next | Outcome = "settle";
      if (outcome !== undefined && epoch !== undefined) {
        next = await this.#weigh(call, outcome, epoch, round);
      }
      for (let i = 0; typeof next === "string" && i < MAX_ATTEMPTS; i++) {
        next = await this.#attempt(call, next);
      }
      if (typeof next !== "string") return valueOf(next);
    } catch (error) {
      if (!(error instanceof Unknown)) throw error;
      const { context } = this.#origin;
      const { missed } = call.rule;
      const { cause } = error;
      if (missed !== undefined && hidden(context, cause)) {
        return missed(call.options);
      }
      throw cause;
    }
    const error = new MemcacheServerError(
      `Cannot run ${call.name}: the version of the namespace was lost ${MAX_ATTEMPTS} times meanwhile`,
      { command: call.name, sent: true },
    );
    observe(this.#origin.context, error);
    throw error;
  }

  /** Carries a call out once. */
  async #attempt(call: Call<C>, how: Next): Promise<Next | Outcome> {
    if (how === "settle") {
      const settled = Promise.all(this.#keys.map((key) => key.settle()));
      try {
        await this.#bounded(call, settled);
      } catch (error) {
        throw new Unknown(about(call, error, false));
      }
    }
    const epoch = this.#current();
    if (epoch === undefined) return "settle";
    const { inner, executor } = epoch;
    const { count } = executor;
    const outcome = await outcomeOf(call.apply(inner, argsLeft(call)));
    // The version was read after the call had begun: it is new enough.
    if (how === "accept") return outcome;
    return await this.#weigh(call, outcome, epoch, executor.roundSince(count));
  }

  /** Decides whether an outcome counts, and what comes next if it does not. */
  async #weigh(
    call: Call<C>,
    outcome: Outcome,
    { versions }: Epoch<C>,
    round: Round | undefined,
  ): Promise<Next | Outcome> {
    const failed = "error" in outcome;
    if (round === undefined || failed && isFinal(outcome.error)) return outcome;
    if (round.verdict(versions) === PENDING) {
      try {
        await this.#bounded(call, round.settled);
      } catch (error) {
        if (failed) return outcome;
        throw new Unknown(error);
      }
    }
    const verdict = round.verdict(versions);
    if (verdict === SAME) return outcome;
    if (verdict === FAILED) {
      if (failed) return outcome;
      throw new Unknown(about(call, round.error, true));
    }
    return verdict === MOVED ? "accept" : "settle";
  }

  /** Waits within the call's time. */
  #bounded<T>(call: Call<C>, late: Promise<T>): Promise<T> {
    const { context } = this.#origin;
    const { deadline, timeout, options, name, args } = call;
    return context.waits.bounded(late, {
      deadline,
      signal: options?.signal ?? undefined,
      timedOut: () => {
        const error = new MemcacheTimeoutError(
          `Cannot finish ${name}: the version of its namespace had not come within ${timeout} ms (timeout)`,
          { command: name, key: keyOf(args), sent: true },
        );
        observe(context, error);
        return error;
      },
    });
  }
}

/** Whether an error has nothing to do with the version. */
function isFinal(error: unknown): boolean {
  return !(error instanceof MemcacheError) ||
    error.code === "ERR_ILLEGAL_INPUT" ||
    error.code === "ERR_CLIENT_CLOSED";
}

/** The failure of a question that many calls share, as one of this call. */
function about<C>(
  { name, args }: Call<C>,
  error: unknown,
  sent: boolean,
): unknown {
  if (!(error instanceof MemcacheError)) return error;
  return rebound(error, {
    server: error.server,
    command: name,
    key: keyOf(args),
    // What has been carried out may well be under the right version.
    sent,
  });
}

/** The caller's key, where there is one. */
function keyOf([key]: readonly unknown[]): string | undefined {
  const name = Array.isArray(key) ? key[1] : key;
  return typeof name === "string" ? name : undefined;
}

/** The arguments for another attempt: the time that is left is shorter. */
function argsLeft<C>(call: Call<C>): readonly unknown[] {
  const { args, rule, options, deadline } = call;
  if (deadline === 0) return args;
  const left = Math.max(LEAST, deadline - performance.now());
  const next = [...args];
  next[rule.options] = { ...options, timeout: left };
  return next;
}

function outcomeOf(promise: Promise<unknown>): Promise<Outcome> {
  return promise.then((value) => ({ value }), (error) => ({ error }));
}

function valueOf(outcome: Outcome): unknown {
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}
