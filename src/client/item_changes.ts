/**
 * What the methods of items do: changes that happen only if nobody else has
 * changed the item since it was read.
 *
 * @module
 */

import type { Command } from "../connection/request.ts";
import { isThenable, viewSerde } from "../serde/guard.ts";
import { rawSerde } from "../serde/raw.ts";
import type {
  CommandOptions,
  Item,
  ItemStoreOptions,
  Key,
  Ttl,
} from "../types.ts";
import { exptimeOf, routeOf } from "./arguments.ts";
import { type Context, observe } from "./context.ts";
import { type Executor, start } from "./executor.ts";
import {
  checkGuard,
  type ItemKeeper,
  type ItemStoreMode,
  moveOn,
  NO_CAS,
} from "./item.ts";
import { startLate } from "./late.ts";
import type { MetaCommands } from "./meta_commands.ts";
import { readTimeout } from "./options.ts";
import { type RawItem, RawItemCommand } from "./requests/item.ts";
import { GuardedStoreCommand } from "./requests/guarded.ts";
import type { StoreHead } from "./requests/store.ts";
import { kept, serializing, storeHead } from "./storing.ts";

/** What a guarded store tells: the new CAS unique, if it is told. */
type Told = bigint | boolean | undefined;

/** Changes items over the ways that a client has. */
export class ItemChanges implements ItemKeeper {
  readonly #context: Context;
  /** For the stored bytes as they are; what fails is no miss here. */
  readonly #raw: Context;
  readonly #executor: Executor;
  readonly #meta: MetaCommands;

  /** Takes checked options, the way to the servers, and the meta commands. */
  constructor(context: Context, executor: Executor, meta: MetaCommands) {
    this.#context = context;
    this.#raw = Object.freeze({
      ...context,
      serde: viewSerde(rawSerde),
      errorsAsMisses: false,
    });
    this.#executor = executor;
    this.#meta = meta;
  }

  /** See {@linkcode ItemKeeper.store}. */
  store(
    item: Item,
    key: Key,
    mode: ItemStoreMode,
    value: unknown,
    options: ItemStoreOptions | undefined,
  ): Promise<boolean | undefined> {
    const context = this.#context;
    const command = mode === "set" ? "cas" : "ms";
    try {
      checkGuard(item, command);
      const head = this.#head(item, key, options);
      const made = serializing(
        context,
        command,
        head.key,
        value,
        (serialized) =>
          new GuardedStoreCommand(mode, head, kept(serialized, false)),
      );
      const route = routeOf(key);
      const told: Promise<Told> = isThenable(made)
        ? startLate(
          context,
          this.#executor,
          Promise.resolve<Command>(made),
          { command, key: head.key, route },
          options,
        )
        : start(context, this.#executor, made.request, route, options);
      return told.then((told) => moved(item, told));
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** See {@linkcode ItemKeeper.count}. */
  async count(
    item: Item,
    key: Key,
    mode: "incr" | "decr",
    delta: number | bigint | undefined,
    options: CommandOptions | undefined,
  ): Promise<number | bigint | false | undefined> {
    try {
      checkGuard(item, "ma");
    } catch (error) {
      return this.#refused(error);
    }
    const { status, value, cas } = await this.#meta.arithmetic(key, {
      ...limits(options),
      mode,
      delta,
      compareCas: item.cas,
      returnCas: true,
    });
    if (status !== "stored") return status === "exists" ? false : undefined;
    moveOn(item, cas ?? NO_CAS);
    return value;
  }

  /** See {@linkcode ItemKeeper.touch}. */
  touch(
    item: Item,
    key: Key,
    ttl: Ttl,
    options: CommandOptions | undefined,
  ): Promise<boolean | undefined> {
    const context = this.#context;
    try {
      checkGuard(item, "touch");
      const exptime = exptimeOf(ttl, "touch");
      const head = { ...this.#head(item, key, options), exptime };
      const timeout = readTimeout(options?.timeout, context.timeout);
      const deadline = timeout > 0 ? Math.ceil(performance.now() + timeout) : 0;
      const run = <R>({ request }: Command): Promise<R> => {
        request.deadline = deadline;
        const route = routeOf(key);
        return start(context, this.#executor, request, route, options);
      };
      return run<RawItem | undefined>(
        new RawItemCommand(
          "gets",
          this.#raw,
          head.key,
          head.wireKey,
          undefined,
        ),
      ).then((found) => {
        if (found === undefined) return undefined;
        if (found.cas !== item.cas) return false;
        const { data, flags } = found;
        return run<Told>(
          new GuardedStoreCommand("set", { ...head, flags }, { data, flags }),
        ).then((told) => moved(item, told));
      });
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** See {@linkcode ItemKeeper.delete}. */
  async delete(
    item: Item,
    key: Key,
    options: CommandOptions | undefined,
  ): Promise<boolean | undefined> {
    try {
      checkGuard(item, "md");
    } catch (error) {
      return this.#refused(error);
    }
    const compareCas = item.cas;
    const { status } = await this.#meta.delete(key, {
      ...limits(options),
      compareCas,
    });
    return status === "deleted" || (status === "exists" ? false : undefined);
  }

  #head(
    item: Item,
    key: Key,
    options: ItemStoreOptions | undefined,
  ): StoreHead {
    const { ttl, flags } = options ?? {};
    const all = { ttl, flags, noreply: false };
    return storeHead(this.#context, "cas", key, all, item.cas);
  }

  #refused(error: unknown): Promise<never> {
    observe(this.#context, error);
    return Promise.reject(error);
  }
}

/** Notes what a guarded store told of the item's CAS unique. */
function moved(item: Item, told: Told): boolean | undefined {
  if (typeof told === "bigint") moveOn(item, told);
  else if (told === true) moveOn(item, NO_CAS);
  else return told;
  return true;
}

/** What every command may be told; nothing else gets to the meta commands. */
function limits(options: CommandOptions | undefined): CommandOptions {
  const given = options ?? {};
  const limits: CommandOptions = {};
  if (given.timeout !== undefined) limits.timeout = given.timeout;
  if (given.signal !== undefined) limits.signal = given.signal;
  return limits;
}
