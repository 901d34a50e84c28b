/**
 * Loads of callers whose items nothing can be known of: the version cannot be
 * read, and errors are misses.
 *
 * @module
 */

import { closedError } from "../../connection/failures.ts";
import type { CommandOptions } from "../../types.ts";
import type { SerdeWaits } from "../serde_waits.ts";
import { keyOf, NotCalled } from "./calls.ts";
import type { Rule } from "./rules.ts";

/** One load for each key, and nothing stored. */
export class LoneLoads {
  readonly #waits: SerdeWaits;
  readonly #loads: Map<string, Promise<unknown>> = new Map();

  /** Takes what ends with the client. */
  constructor(waits: SerdeWaits) {
    this.#waits = waits;
  }

  /** Calls the load of a call, or waits for the one that is under way. */
  run(rule: Rule, args: readonly unknown[]): Promise<unknown> {
    const load = args[rule.callback ?? 0];
    const name = keyOf(args);
    if (name === undefined || typeof load !== "function") {
      return Promise.reject(new NotCalled());
    }
    const id = JSON.stringify(args[0]);
    let shared = this.#loads.get(id);
    if (shared === undefined) {
      const { signal } = new AbortController();
      shared = Promise.resolve()
        .then(() => load(name, { signal, isRefresh: false }))
        .finally(() => this.#loads.delete(id));
      this.#loads.set(id, shared);
    }
    return this.#waits.bounded(shared, {
      deadline: 0,
      signal: (args[rule.options] as CommandOptions | undefined)?.signal,
      timedOut: closedError,
    });
  }
}
