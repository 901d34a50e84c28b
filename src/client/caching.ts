/**
 * `getOrSet` of a client: from a call to its first command.
 *
 * @module
 */

import { Loads } from "../cache/loads.ts";
import { type GetOrSetOptions, readPlan } from "../cache/options.ts";
import type { Load } from "../cache/port.ts";
import { closedError } from "../connection/failures.ts";
import type { Key } from "../types.ts";
import { wireKey } from "../wire/key.ts";
import { illegal } from "../wire/numbers.ts";
import { itemKey, routeOf } from "./arguments.ts";
import { CachePort } from "./cache_port.ts";
import { type Context, observe } from "./context.ts";
import { type Executor, start } from "./executor.ts";
import { readTimeout } from "./options.ts";
import { AskCommand } from "./requests/ask.ts";

/** What a client loads and keeps. */
export class Caching {
  readonly #context: Context;
  readonly #executor: Executor;
  readonly #port: CachePort;
  readonly #loads: Loads;

  /** Takes what the commands of the client have. */
  constructor(context: Context, executor: Executor) {
    this.#context = context;
    this.#executor = executor;
    this.#port = new CachePort(context, executor);
    this.#loads = new Loads(this.#port);
  }

  /** See {@linkcode KeyCommands.getOrSet}. */
  getOrSet<T>(
    key: Key,
    load: Load,
    options: GetOrSetOptions | undefined,
  ): Promise<T> {
    try {
      if (typeof load !== "function") {
        throw illegal("load", load, "a function", "getOrSet");
      }
      const name = itemKey(key);
      const route = routeOf(key);
      const patience = readTimeout(options?.timeout, 0);
      const ask = new AskCommand(
        this.#context,
        name,
        wireKey(name, this.#context, "getOrSet"),
        { load, route, plan: readPlan(options) },
        this.#loads,
        patience,
      );
      const { timeout } = this.#context;
      // A server that is silent must not take up all of a call's time.
      const limits = patience > timeout && timeout > 0
        ? { ...options, timeout }
        : options;
      return start(this.#context, this.#executor, ask.request, route, limits);
    } catch (error) {
      observe(this.#context, error);
      return Promise.reject(error);
    }
  }

  /** Ends all loads. */
  close(): void {
    this.#port.close();
    this.#loads.close(closedError);
  }
}
