/**
 * What a client can do with one item beyond the classic commands.
 *
 * @module
 */

import type { Command } from "../connection/request.ts";
import type { CommandOptions, Item, Key } from "../types.ts";
import { wireKey } from "../wire/key.ts";
import { exptimeOf, itemKey, routeOf } from "./arguments.ts";
import type { GetOptions } from "./command_options.ts";
import { type Context, observe } from "./context.ts";
import { type Executor, start } from "./executor.ts";
import type {
  HelperCommands,
  InvalidateOptions,
  UpdateOptions,
  Updater,
} from "./helper_commands.ts";
import type { ItemKeeper } from "./item.ts";
import { ItemChanges } from "./item_changes.ts";
import type { MetaCommands } from "./meta_commands.ts";
import { GetItemCommand, LatestCommand } from "./requests/item.ts";
import {
  FactCommand,
  InvalidateCommand,
  PeekCommand,
  TakeCommand,
} from "./requests/peek.ts";
import { type UpdatePort, Updates } from "./updating.ts";

/** The commands on one item, over the ways that a client has. */
export class ItemClient implements Omit<HelperCommands, "getAndTouch"> {
  readonly #context: Context;
  readonly #executor: Executor;
  readonly #keeper: ItemKeeper;
  readonly #updates: Updates;

  /** Takes what a client is made of, and its own commands. */
  constructor(
    context: Context,
    executor: Executor,
    meta: MetaCommands,
    client: Pick<UpdatePort, "add" | "cas">,
  ) {
    this.#context = context;
    this.#executor = executor;
    const changes = new ItemChanges(context, executor, meta);
    this.#keeper = context.keeperOf?.(changes) ?? changes;
    // A read that failed is nothing to compute a new value from.
    const told: Context = Object.freeze({ ...context, errorsAsMisses: false });
    this.#updates = new Updates(
      {
        gets: (key, options) =>
          this.#run(
            key,
            options,
            "gets",
            (name, wire) =>
              new LatestCommand("gets", told, name, wire, undefined),
          ),
        add: (key, value, options) => client.add(key, value, options),
        cas: (key, value, cas, options) => client.cas(key, value, cas, options),
      },
      context.waits,
      (error) => observe(context, error),
    );
  }

  /** See {@linkcode KeyCommands.getItem}. */
  getItem<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Item<T> | undefined> {
    return this.#run(
      key,
      options,
      "gets",
      (name, wire) =>
        new GetItemCommand(this.#context, name, wire, this.#keeper, key),
    );
  }

  /** See {@linkcode HelperCommands.ttl}. */
  ttl(key: Key, options?: CommandOptions): Promise<number | undefined> {
    return this.#run(
      key,
      options,
      "mg",
      (name, wire) => new FactCommand(this.#context, name, wire, "ttl"),
    );
  }

  /** See {@linkcode HelperCommands.size}. */
  size(key: Key, options?: CommandOptions): Promise<number | undefined> {
    return this.#run(
      key,
      options,
      "mg",
      (name, wire) => new FactCommand(this.#context, name, wire, "size"),
    );
  }

  /** See {@linkcode HelperCommands.peek}. */
  peek<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined> {
    return this.#run(
      key,
      options,
      "mg",
      (name, wire) =>
        new PeekCommand(this.#context, name, wire, options?.default),
    );
  }

  /** See {@linkcode HelperCommands.take}. */
  take<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined> {
    return this.#run(
      key,
      options,
      "mg",
      (name, wire) =>
        new TakeCommand(this.#context, name, wire, options?.default),
    );
  }

  /** See {@linkcode HelperCommands.invalidate}. */
  invalidate(key: Key, options?: InvalidateOptions): Promise<boolean> {
    return this.#run(key, options, "md", (name, wire) => {
      const staleFor = options?.staleFor;
      const exptime = staleFor === undefined
        ? undefined
        : exptimeOf(staleFor, "md");
      return new InvalidateCommand(name, wire, exptime);
    });
  }

  /** See {@linkcode HelperCommands.update}. */
  update<T = unknown>(
    key: Key,
    fn: Updater<T>,
    options?: UpdateOptions,
  ): Promise<T | undefined> {
    return this.#updates.update(key, fn, options);
  }

  /** Makes a command for a key, and starts it on its way. */
  #run<R>(
    key: Key,
    options: CommandOptions | undefined,
    command: string,
    make: (name: string, wire: string) => Command,
  ): Promise<R> {
    const context = this.#context;
    try {
      const name = itemKey(key);
      const { request } = make(name, wireKey(name, context, command));
      return start(context, this.#executor, request, routeOf(key), options);
    } catch (error) {
      observe(context, error);
      return Promise.reject(error);
    }
  }
}
