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
import { MemcacheServerError, MemcacheTimeoutError } from "../../errors.ts";
import type { CommandOptions } from "../../types.ts";
import type { GetOptions, NoreplyOptions } from "../commands.ts";
import { type Context, hidden, observe } from "../context.ts";
import { checkCall, type Executor } from "../executor.ts";
import type { ItemKeeper } from "../item.ts";
import { readTimeout } from "../options.ts";
import {
  about,
  type Apply,
  argsLeft,
  type Call,
  callOf,
  isFinal,
  type Next,
  NotCalled,
  type Outcome,
  outcomeOf,
  Unknown,
} from "./calls.ts";
import { FAILED, MOVED, PENDING, type Round, SAME } from "./check.ts";
import { CheckedKeeper } from "./checked_keeper.ts";
import { LoneLoads } from "./lone_loads.ts";
import { kept, type Rule } from "./rules.ts";
import { NO_SERDE, TrialExecutor, WouldSend } from "./trial.ts";
import { nextVersion } from "./version.ts";
import type { VersionKey } from "./version_key.ts";
import { ViewExecutor } from "./view_executor.ts";

/** How often a call is attempted whose version is lost under it. */
const MAX_ATTEMPTS = 8;

/** The clock of deadlines. */
const now = (): number => performance.now();

/** `flush` is no command of a version. */
const FLUSH_RULE: Rule = { options: 0 };
const ABSENT = (): Promise<void> => Promise.resolve();

/** The methods of items: their arguments are the key and the options. */
const ITEM_RULE: Rule = { options: 1 };

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

/** The commands at one version. */
export interface Epoch<C> {
  /** Of each level. */
  readonly versions: readonly string[];
  /** The commands. */
  readonly inner: C;
  /** Their way. */
  readonly executor: ViewExecutor;
}

/** Carries out calls in a namespace. */
export class View<C extends { close(): Promise<void> }> {
  /** The namespaces that it is in, the outermost first, its own the last. */
  readonly levels: readonly Level[];
  /** Whether it takes no more calls. */
  isClosed = false;
  readonly #origin: Origin<C>;
  readonly #keys: readonly VersionKey[];
  readonly #routePrefix: string;
  #last: Epoch<C> | undefined = undefined;
  readonly #lone: LoneLoads;
  /** Calls without a reply, as long as their version is not known. */
  readonly #unanswered: Set<Promise<unknown>> = new Set();
  /** What functions of callers have thrown. */
  readonly #loadErrors: WeakSet<object> = new WeakSet();

  /** Takes the client's parts, and at least one namespace. */
  constructor(origin: Origin<C>, levels: readonly Level[]) {
    this.#origin = origin;
    this.#lone = new LoneLoads(origin.context.waits);
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
    try {
      if (this.isClosed) throw closedError();
      const args = rule.isMany
        ? [kept(given[0], rule), ...given.slice(1)]
        : given;
      const outcome = this.#start(name, rule, args, apply);
      if (rule.missed === undefined && this.#isNoreply(args[rule.options])) {
        this.#note(outcome);
      }
      return outcome;
    } catch (error) {
      // Options and lists may be anything, also something that throws.
      observe(this.#origin.context, error);
      return Promise.reject(error);
    }
  }

  /**
   * Waits until all that asks for no reply has been sent where it belongs.
   *
   * @param options A timeout, a signal.
   */
  async sent(options: CommandOptions | undefined): Promise<void> {
    if (this.#unanswered.size === 0) return;
    const args = [options];
    const call = this.#callOf("flush", FLUSH_RULE, args, ABSENT, now());
    try {
      await this.#bounded(call, Promise.allSettled(this.#unanswered));
    } catch (error) {
      observe(this.#origin.context, error);
      throw error;
    }
  }

  #isNoreply(options: unknown): boolean {
    try {
      const { noreply } = (options ?? {}) as NoreplyOptions;
      return noreply ?? this.#origin.context.defaultNoreply;
    } catch {
      // The command has found out about it, too.
      return false;
    }
  }

  /** Notes a call whose outcome perhaps nobody waits for. */
  #note(outcome: Promise<unknown>): void {
    const forget = (): void => void this.#unanswered.delete(outcome);
    this.#unanswered.add(outcome);
    outcome.then(forget, forget);
  }

  #start(
    name: string,
    rule: Rule,
    args: readonly unknown[],
    apply: Apply<C>,
  ): Promise<unknown> {
    const epoch = this.#current();
    if (epoch === undefined) return this.#begin(name, rule, args, apply);
    if (rule.callback !== undefined) {
      const call = this.#callOf(name, rule, args, apply, now());
      const gone = this.#admit(call);
      if (gone !== undefined) return Promise.reject(gone.reason);
      return this.#go(call, "check");
    }
    const { executor, versions } = epoch;
    const { count } = executor;
    const outcome = apply(epoch.inner, args);
    const asked = executor.roundSince(count);
    return outcome.then((value) => {
      const round = asked ?? executor.roundSince(count);
      // Nothing was sent for it, or nothing has changed.
      if (round === undefined || round.verdict(versions) === SAME) return value;
      const call = this.#callOf(name, rule, args, apply, round.startedAt);
      return this.#go(call, this.#weigh(call, { value }, epoch, round));
    }, (error) => {
      const round = asked ?? executor.roundSince(count);
      if (
        round === undefined || isFinal(error) ||
        round.verdict(versions) === SAME
      ) return this.#failed(rule, args, error);
      const call = this.#callOf(name, rule, args, apply, round.startedAt);
      return this.#go(call, this.#weigh(call, { error }, epoch, round));
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
    const versions: string[] = [];
    for (const { current } of keys) {
      if (current === undefined) return undefined;
      versions.push(current);
    }
    const { executor, make } = this.#origin;
    const ways = new ViewExecutor(executor, this.#routePrefix, keys);
    const keeperOf = (keeper: ItemKeeper): ItemKeeper =>
      new CheckedKeeper(
        keeper,
        (key, options, act) => this.#checked(epoch, [key, options], act),
      );
    const own = { ...this.#contextOf(versions), keeperOf };
    const inner = make(Object.freeze(own), ways);
    const epoch: Epoch<C> = { versions, inner, executor: ways };
    return this.#last = epoch;
  }

  /** Carries out what an item's method does, unless its version is no more. */
  async #checked<T>(
    epoch: Epoch<C>,
    args: readonly unknown[],
    act: () => Promise<T>,
  ): Promise<T | undefined> {
    const call = this.#callOf(
      "getItem",
      ITEM_RULE,
      args,
      act,
      now(),
    );
    const { executor } = epoch;
    const { count } = executor;
    try {
      if (this.isClosed) throw new Unknown(closedError());
      const outcome = await outcomeOf(act());
      const round = executor.roundSince(count);
      const next = await this.#weigh(call, outcome, epoch, round);
      if (typeof next === "string") return undefined;
      if ("error" in next) throw next.error;
      // It is what the method has answered.
      return next.value as T;
    } catch (error) {
      if (!(error instanceof Unknown)) throw error;
      observe(this.#origin.context, error.cause);
      throw error.cause;
    }
  }

  /** The context of commands at some versions. */
  #contextOf(versions: readonly string[]): Context {
    const { context } = this.#origin;
    let { keyPrefix } = context;
    this.levels.forEach(({ prefix }, i) =>
      keyPrefix += `${prefix}${versions[i]}:`
    );
    return Object.freeze({
      ...context,
      keyPrefix,
      hidesPrefix: true,
      // A failure is a miss once it is known that there is no other version.
      errorsAsMisses: false,
    });
  }

  /**
   * Tries a call out before any version is known: what is refused, or needs no
   * server, is not to cost a question to one. The serde is not asked.
   */
  #try(args: readonly unknown[], apply: Apply<C>): Promise<Outcome> {
    // All versions have the same length for a long time to come.
    const versions = this.#keys.map(() => nextVersion());
    const quiet = {
      ...this.#contextOf(versions),
      serde: NO_SERDE,
      onError: undefined,
    };
    const { executor, make } = this.#origin;
    const trial = new TrialExecutor(executor, "", []);
    return outcomeOf(apply(make(quiet, trial), args));
  }

  /** Begins a call before any version is known. */
  #begin(
    name: string,
    rule: Rule,
    args: readonly unknown[],
    apply: Apply<C>,
  ): Promise<unknown> {
    const call = this.#callOf(name, rule, args, apply, now());
    const gone = this.#admit(call);
    if (gone !== undefined) return Promise.reject(gone.reason);
    return this.#try(args, apply).then((outcome) => {
      if (!("error" in outcome)) return outcome.value;
      if (outcome.error instanceof WouldSend) return this.#go(call, "settle");
      observe(this.#origin.context, outcome.error);
      throw outcome.error;
    });
  }

  /**
   * Checks what a call is limited by.
   *
   * @returns The caller's signal, if it has given the call up already.
   * @throws {MemcacheError} If it cannot be used, or the client is closed.
   */
  #admit({ options }: Call<C>): AbortSignal | undefined {
    readTimeout(options?.timeout, 0);
    return checkCall(this.#origin.executor, options);
  }

  #callOf(
    name: string,
    rule: Rule,
    args: readonly unknown[],
    apply: Apply<C>,
    startedAt: number,
  ): Call<C> {
    const { timeout } = this.#origin.context;
    return callOf({ name, rule, args, apply }, timeout, startedAt);
  }

  /** Carries a call out to its end. */
  async #go(
    call: Call<C>,
    begin: Next | Promise<Next | Outcome>,
  ): Promise<unknown> {
    try {
      let next = await begin;
      for (let i = 0; typeof next === "string" && i < MAX_ATTEMPTS; i++) {
        next = await this.#attempt(call, next);
      }
      if (typeof next !== "string") {
        if (!("error" in next)) return next.value;
        return this.#failed(call.rule, call.args, next.error);
      }
    } catch (error) {
      if (!(error instanceof Unknown)) throw error;
      const { cause } = error;
      observe(this.#origin.context, cause);
      return this.#failed(call.rule, call.args, cause);
    }
    const error = new MemcacheServerError(
      `Cannot run ${call.name}: the version of the namespace was lost ${MAX_ATTEMPTS} times meanwhile`,
      { command: call.name, sent: true },
    );
    observe(this.#origin.context, error);
    throw error;
  }

  /** Answers with a failure, or with a miss where it is to be one. */
  #failed(rule: Rule, args: readonly unknown[], error: unknown): unknown {
    const { missed, loads, options } = rule;
    if (!hidden(this.#origin.context, error)) throw error;
    if (loads && !this.#loadErrors.has(error as object)) {
      return this.#lone.run(rule, args);
    }
    if (missed === undefined) throw error;
    // The options of a read that was sent, or would have been.
    return missed(args[options] as GetOptions | undefined, error);
  }

  /** Carries a call out once. */
  async #attempt(call: Call<C>, how: Next): Promise<Next | Outcome> {
    if (how === "settle") {
      const settled = Promise.all(this.#keys.map((key) => key.settle()));
      try {
        await this.#bounded(call, settled);
      } catch (error) {
        // What was done under a version that is lost counts for nothing.
        throw new Unknown(about(call, error, false));
      }
    }
    const epoch = this.#current();
    if (epoch === undefined) return "settle";
    if (call.rule.callback !== undefined) {
      return await this.#attemptGuarded(call, call.rule.callback, epoch);
    }
    const { inner, executor } = epoch;
    const { count } = executor;
    const outcome = await outcomeOf(call.apply(inner, argsLeft(call)));
    // The version was read after the call had begun: it is new enough.
    if (how === "accept") return outcome;
    return await this.#weigh(call, outcome, epoch, executor.roundSince(count));
  }

  /**
   * Carries out once a call that is given a function. That is not called before
   * the version is known to be the right one, and what others have begun under
   * an older version is not waited for.
   */
  async #attemptGuarded(
    call: Call<C>,
    place: number,
    epoch: Epoch<C>,
  ): Promise<Next | Outcome> {
    const { versions, inner, executor } = epoch;
    const round = executor.ask(this.#origin.context.timeout);
    const given = call.args[place];
    const args = [...argsLeft(call)];
    if (typeof given === "function") {
      args[place] = async (...more: unknown[]): Promise<unknown> => {
        if (round.verdict(versions) === PENDING) await round.settled;
        if (round.verdict(versions) !== SAME) throw new NotCalled();
        try {
          return await given(...more);
        } catch (error) {
          if (typeof error === "object" && error !== null) {
            this.#loadErrors.add(error);
          }
          throw error;
        }
      };
    }
    const late = outcomeOf(call.apply(inner, args));
    const next = await this.#weigh(call, { value: undefined }, epoch, round);
    if (typeof next === "string") return next === "accept" ? "check" : next;
    const outcome = await this.#untilClosed(late, inner);
    const isOff = "error" in outcome && outcome.error instanceof NotCalled;
    return isOff ? "check" : outcome;
  }

  /** Waits for what may take any time, as long as the client is not closed. */
  #untilClosed(late: Promise<Outcome>, inner: C): Promise<Outcome> {
    const limits = { deadline: 0, signal: undefined, timedOut: closedError };
    return this.#origin.context.waits.bounded(late, limits).catch((error) => {
      // Nobody else would end what it has begun.
      inner.close();
      return { error };
    });
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
        throw new Unknown(about(call, error, true));
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
    const { deadline, timeout, options, name } = call;
    return this.#origin.context.waits.bounded(late, {
      deadline,
      signal: options?.signal ?? undefined,
      timedOut: () =>
        new MemcacheTimeoutError(
          `Cannot finish ${name}: the version of its namespace had not come within ${timeout} ms (timeout)`,
        ),
    });
  }
}
