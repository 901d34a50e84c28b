/**
 * Deletes that go to every server: the option `deleteFromAll`.
 *
 * @module
 */

import { iterated } from "../client/arguments.ts";
import { BaseClient } from "../client/base_client.ts";
import type { NoreplyOptions } from "../client/commands.ts";
import { type Context, observe } from "../client/context.ts";
import { type Executor, whenReady } from "../client/executor.ts";
import { readTimeout } from "../client/options.ts";
import type { CommandOptions, Key } from "../types.ts";
import { gatherFrom, MemberExecutor } from "./everywhere.ts";
import type { RingExecutor } from "./ring_executor.ts";

/** The commands on keys, of which deletes go to every server in the ring. */
export class DeletingClient extends BaseClient {
  readonly #context: Context;
  readonly #ring: RingExecutor;
  readonly #executor: Executor;

  /** Takes what every client does, and the ring. */
  constructor(context: Context, executor: Executor, ring: RingExecutor) {
    super(context, executor);
    this.#context = context;
    this.#executor = executor;
    this.#ring = ring;
  }

  /** Deletes an item from every server. See {@linkcode KeyCommands.delete}. */
  override async delete(key: Key, options?: NoreplyOptions): Promise<boolean> {
    const found = await this.#everywhere(
      options,
      (client) => client.delete(key, options),
    );
    return found === undefined
      ? await super.delete(key, options)
      : [...found.values()].includes(true);
  }

  /** Deletes many items. See {@linkcode KeyCommands.deleteMany}. */
  override async deleteMany(
    keys: Iterable<Key>,
    options?: NoreplyOptions,
  ): Promise<true> {
    let list: Key[];
    try {
      list = [...iterated(keys)];
    } catch (error) {
      observe(this.#context, error);
      throw error;
    }
    const done = await this.#everywhere(
      options,
      (client) => client.deleteMany(list, options),
    );
    return done === undefined ? await super.deleteMany(list, options) : true;
  }

  /** Asks every server in the ring; `undefined` where there is none. */
  async #everywhere<T>(
    options: CommandOptions | undefined,
    call: (client: BaseClient) => Promise<T>,
  ): Promise<Map<string, T> | undefined> {
    const context = this.#context;
    try {
      const ready = whenReady(context, this.#ring, "delete", options);
      if (ready !== undefined) await ready;
    } catch (error) {
      observe(context, error);
      throw error;
    }
    const members = this.#ring.members.filter(({ health }) =>
      health.state !== "dead"
    );
    if (members.length === 0) return undefined;
    // It goes past the executor, which may have to do something beside it.
    this.#executor.passing?.(
      readTimeout(options?.timeout, context.timeout),
    );
    return await gatherFrom(
      context,
      this.#ring,
      members,
      (own, member) =>
        call(new BaseClient(own, new MemberExecutor(member, false))),
      "delete",
    );
  }
}
