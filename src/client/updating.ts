/**
 * `update`: reads, has the caller make a new value, and stores it if nobody else
 * has changed the item meanwhile; else once more.
 *
 * @module
 */

import {
  MemcacheCasError,
  MemcacheIllegalInputError,
  MemcacheServerError,
  MemcacheTimeoutError,
} from "../errors.ts";
import { isThenable } from "../serde/guard.ts";
import type { CommandOptions, Key, Ttl } from "../types.ts";
import { describe } from "../wire/numbers.ts";
import { exptimeNow, itemKey } from "./arguments.ts";
import type { StoreOptions, Versioned } from "./command_options.ts";
import type { UpdateOptions, Updater } from "./helper_commands.ts";
import { NO_CAS } from "./item.ts";
import { type Bound, KeyTurns } from "./key_turns.ts";
import { readTimeout, refuse } from "./options.ts";
import { SerdeWaits } from "./serde_waits.ts";

/**
 * How often an update is tried by default. While one of 16 clients that do
 * nothing else stores one value after another, the others need up to 20.
 */
const ATTEMPTS = 20;

/** Longest bound of a delay, and the least one, in milliseconds. */
const MAX_DELAY = 1000;
const MIN_DELAY = 1;

/** Milliseconds that a command gets when the call's time is up. */
const LEAST = 1;

/** The commands that an update is made of. */
export interface UpdatePort {
  /** Reads a value with its CAS unique. */
  gets(
    key: Key,
    options?: CommandOptions,
  ): Promise<Versioned<unknown> | undefined>;
  /** Stores where there is nothing. */
  add(key: Key, value: unknown, options?: StoreOptions): Promise<boolean>;
  /** Stores where nothing has changed. */
  cas(
    key: Key,
    value: unknown,
    cas: bigint,
    options?: StoreOptions,
  ): Promise<boolean | undefined>;
}

/** The updates of one client. */
export class Updates {
  readonly #port: UpdatePort;
  readonly #waits: SerdeWaits;
  readonly #turns: KeyTurns = new KeyTurns();

  readonly #observe: (error: unknown) => void;

  /**
   * Takes the commands, who waits for what callers do, and who sees failures
   * that are those of no command.
   */
  constructor(
    port: UpdatePort,
    waits: SerdeWaits = new SerdeWaits(),
    observe: (error: unknown) => void = () => {},
  ) {
    this.#port = port;
    this.#waits = waits;
    this.#observe = observe;
  }

  /**
   * Changes a value. See {@linkcode HelperCommands.update}.
   *
   * @throws {MemcacheIllegalInputError} If an argument cannot be used.
   */
  async update<T>(
    key: Key,
    fn: Updater<T>,
    options: UpdateOptions | undefined,
  ): Promise<T | undefined> {
    const call = this.#callOf(key, fn, options);
    const release = await this.#turns.take(itemKey(key), call.bound);
    try {
      return await call.run(this.#port);
    } finally {
      release();
    }
  }

  #callOf<T>(
    key: Key,
    fn: Updater<T>,
    options: UpdateOptions | undefined,
  ): UpdateCall<T> {
    try {
      return new UpdateCall(key, fn, options, this.#waits, this.#observe);
    } catch (error) {
      this.#observe(error);
      throw error;
    }
  }
}

/** One update with its limits. */
class UpdateCall<T> {
  readonly #key: Key;
  readonly #fn: Updater<T>;
  readonly #ttl: Ttl | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #attempts: number;
  /** Milliseconds, 0 for none, NaN if each command has its own. */
  readonly #timeout: number;
  /** On the clock of `performance.now`, 0 for none. */
  readonly #deadline: number;
  readonly #waits: SerdeWaits;
  readonly #observe: (error: unknown) => void;

  constructor(
    key: Key,
    fn: Updater<T>,
    options: UpdateOptions | undefined,
    waits: SerdeWaits,
    observe: (error: unknown) => void,
  ) {
    this.#observe = observe;
    this.#key = key;
    const given: unknown = fn;
    if (typeof given !== "function") {
      throw new MemcacheIllegalInputError(
        `Cannot update value: ${describe(given)} is no function`,
        { key: itemKey(key), sent: false },
      );
    }
    this.#fn = fn;
    const { attempts = ATTEMPTS, timeout, ttl, signal } = options ?? {};
    if (!Number.isInteger(attempts) || attempts < 1) {
      refuse("attempts", attempts, "an integer from 1 on");
    }
    this.#attempts = attempts;
    // What every attempt would refuse is refused before the function is called.
    exptimeNow(ttl, "cas");
    this.#ttl = ttl;
    const limit = readTimeout(timeout, NaN);
    this.#timeout = limit;
    this.#deadline = limit > 0 ? performance.now() + limit : 0;
    this.#signal = checkSignal(signal);
    this.#waits = waits;
  }

  /** See {@linkcode Bound}. */
  readonly bound: Bound = (promise) => {
    return this.#waits.bounded(promise, {
      deadline: this.#deadline,
      signal: this.#signal,
      holds: true,
      timedOut: () => this.#timedOut(),
    });
  };

  async run(port: UpdatePort): Promise<T | undefined> {
    for (let made = 1;; made++) {
      const began = performance.now();
      const found = await port.gets(this.#key, this.#limits(made === 1));
      if (found?.cas === NO_CAS) throw this.#unguarded();
      // What is stored has the type that the caller says it has.
      const answer = this.#fn(found?.value as T | undefined);
      const value = isThenable(answer)
        ? await this.bound(Promise.resolve(answer))
        : answer;
      if (value === undefined) return undefined;
      if (await this.#store(port, value, found)) return value;
      if (made >= this.#attempts) throw this.#changed();
      const took = performance.now() - began;
      await this.#pause(Math.max(MIN_DELAY, took) * 2 ** made);
    }
  }

  async #store(
    port: UpdatePort,
    value: T,
    found: Versioned<unknown> | undefined,
  ): Promise<boolean> {
    const options = { ...this.#limits(), ttl: this.#ttl, noreply: false };
    if (found === undefined) return await port.add(this.#key, value, options);
    return await port.cas(this.#key, value, found.cas, options) ?? false;
  }

  /** What is left of the caller's limits, for the next command. */
  #limits(isFirst = false): CommandOptions {
    const limits: CommandOptions = {};
    if (this.#signal !== undefined) limits.signal = this.#signal;
    if (this.#deadline > 0) {
      const left = this.#deadline - performance.now();
      if (left <= 0 && !isFirst) throw this.#timedOut();
      limits.timeout = Math.max(LEAST, left);
    } else if (this.#timeout === 0) limits.timeout = 0;
    return limits;
  }

  /** Waits for a time drawn evenly from 0 to a bound. */
  async #pause(bound: number): Promise<void> {
    const delay = Math.random() * Math.min(MAX_DELAY, bound);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await this.bound(
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, delay);
        }),
      );
    } finally {
      clearTimeout(timer);
    }
  }

  #timedOut(): MemcacheTimeoutError {
    const error = new MemcacheTimeoutError(
      `Cannot update value: it was not done within ${this.#timeout} ms (timeout)`,
      { command: "cas", key: itemKey(this.#key), sent: true },
    );
    this.#observe(error);
    return error;
  }

  #unguarded(): MemcacheServerError {
    const error = new MemcacheServerError(
      "Cannot update value: the server keeps no cas of its items (memcached -C)",
      { command: "cas", key: itemKey(this.#key), sent: true },
    );
    this.#observe(error);
    return error;
  }

  #changed(): MemcacheCasError {
    const error = new MemcacheCasError(
      `Cannot update value: others have changed the item during each of ${this.#attempts} attempts (attempts)`,
      { command: "cas", key: itemKey(this.#key), sent: true },
    );
    this.#observe(error);
    return error;
  }
}

/** Refuses what is no signal, and a call that has been given up already. */
function checkSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined;
  if (!(signal instanceof AbortSignal)) {
    return refuse("signal", signal, "an AbortSignal");
  }
  if (signal.aborted) throw signal.reason;
  return signal;
}
