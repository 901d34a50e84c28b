/**
 * The meta commands of a client.
 *
 * @module
 */

import type { Command } from "../connection/request.ts";
import {
  combined,
  MemcacheError,
  MemcacheIllegalInputError,
  rebound,
} from "../errors.ts";
import { isThenable } from "../serde/guard.ts";
import type { CommandOptions } from "../types.ts";
import { type Context, observe } from "./context.ts";
import { checkCall, type Executor, start, whenReady } from "./executor.ts";
import { startLate } from "./late.ts";
import type {
  MetaArithmeticOptions,
  MetaArithmeticResult,
  MetaCommands,
  MetaDebugResult,
  MetaDeleteOptions,
  MetaDeleteResult,
  MetaGetEntry,
  MetaGetOptions,
  MetaGetResult,
  MetaKey,
  MetaSetOptions,
  MetaSetResult,
} from "./meta_commands.ts";
import { setFlags } from "./meta_flags.ts";
import { metaKey } from "./meta_keys.ts";
import { iterated } from "./arguments.ts";
import { readTimeout } from "./options.ts";
import { MetaDebugCommand, MetaNoopCommand } from "./requests/meta.ts";
import { MetaGetCommand } from "./requests/meta_get.ts";
import {
  MetaArithmeticCommand,
  MetaDeleteCommand,
  MetaSetCommand,
} from "./requests/meta_store.ts";
import { kept, serializing } from "./storing.ts";

/** A command with the key that chooses its server. */
interface Routed {
  readonly command: Command;
  readonly route: string;
}

/** The meta protocol over the ways that a client has. */
export class MetaClient implements MetaCommands {
  readonly #context: Context;
  readonly #executor: Executor;

  /** Takes checked options, and the way to the servers. */
  constructor(context: Context, executor: Executor) {
    this.#context = context;
    this.#executor = executor;
  }

  /** See {@linkcode MetaCommands.get}. */
  get<T = unknown>(
    key: MetaKey,
    flags?: MetaGetOptions,
  ): Promise<MetaGetResult<T>> {
    return this.#run(flags, () => this.#get(key, flags));
  }

  /** See {@linkcode MetaCommands.getMany}. */
  async getMany<T = unknown>(
    entries: Iterable<MetaGetEntry>,
    flags?: MetaGetOptions,
  ): Promise<Array<MetaGetResult<T>>> {
    const context = this.#context;
    let gets: Routed[];
    try {
      const all = [...iterated(entries)];
      gets = all.map((entry) => {
        const [key, own] = entryOf(entry, flags);
        return this.#get(key, own, all.length > 1);
      });
      const gone = checkCall(this.#executor, flags);
      if (gone !== undefined) throw gone.reason;
    } catch (error) {
      observe(context, error);
      throw error;
    }
    const timeout = readTimeout(flags?.timeout, context.timeout);
    const deadline = timeout > 0 ? Math.ceil(performance.now() + timeout) : 0;
    // Servers that are not known yet would get their keys one by one. Where they
    // are, it does not wait: what is called behind it has to go behind it.
    const ready = whenReady(context, this.#executor, "mg", flags);
    if (ready !== undefined) await ready;
    const settled = await Promise.allSettled(
      gets.map(async ({ command: { request }, route }) => {
        request.deadline = deadline;
        return await start<MetaGetResult<T>>(
          context,
          this.#executor,
          request,
          route,
          flags,
        );
      }),
    );
    const results: Array<MetaGetResult<T>> = [];
    for (const outcome of settled) {
      if (outcome.status === "rejected") throw failureOf(gets, settled);
      results.push(outcome.value);
    }
    return results;
  }

  /** See {@linkcode MetaCommands.set}. */
  set(
    key: MetaKey,
    value: unknown,
    given?: MetaSetOptions,
  ): Promise<MetaSetResult> {
    const context = this.#context;
    // Who has no types may give null, as to every other command.
    const options = given ?? {};
    try {
      const flags = setFlags(options);
      const parts = metaKey(key, context, "ms");
      const made = serializing(
        context,
        "ms",
        parts.name,
        value,
        (serialized) =>
          new MetaSetCommand(parts, options, flags, kept(serialized, false)),
      );
      const { name, route } = parts;
      if (!isThenable(made)) {
        return start(context, this.#executor, made.request, route, options);
      }
      const plan = { command: "ms", key: name, route };
      return startLate(context, this.#executor, made, plan, options);
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** See {@linkcode MetaCommands.delete}. */
  delete(
    key: MetaKey,
    flags?: MetaDeleteOptions,
  ): Promise<MetaDeleteResult> {
    return this.#run(flags, () => {
      const parts = metaKey(key, this.#context, "md");
      return {
        command: new MetaDeleteCommand(parts, flags ?? {}),
        route: parts.route,
      };
    });
  }

  /** See {@linkcode MetaCommands.arithmetic}. */
  arithmetic<D extends number | bigint = number>(
    key: MetaKey,
    flags?: MetaArithmeticOptions<D>,
  ): Promise<MetaArithmeticResult<D>> {
    return this.#run(flags, () => {
      const parts = metaKey(key, this.#context, "ma");
      return {
        command: new MetaArithmeticCommand(parts, flags ?? {}),
        route: parts.route,
      };
    });
  }

  /** See {@linkcode MetaCommands.debug}. */
  debug(
    key: MetaKey,
    options?: CommandOptions,
  ): Promise<MetaDebugResult | undefined> {
    return this.#run(options, () => {
      const parts = metaKey(key, this.#context, "me");
      return { command: new MetaDebugCommand(parts), route: parts.route };
    });
  }

  /** See {@linkcode MetaCommands.noop}. */
  async noop(options?: CommandOptions): Promise<void> {
    const context = this.#context;
    try {
      const gone = checkCall(this.#executor, options);
      if (gone !== undefined) throw gone.reason;
      const ready = whenReady(context, this.#executor, "mn", options);
      if (ready !== undefined) await ready;
    } catch (error) {
      observe(context, error);
      throw error;
    }
    const settled = await Promise.allSettled(
      this.#executor.everywhere().map((way) =>
        start(context, way, new MetaNoopCommand().request, "", options)
      ),
    );
    for (const outcome of settled) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  }

  #get(
    key: MetaKey,
    flags: MetaGetOptions | undefined,
    isOneOfMany = false,
  ): Routed {
    const context = this.#context;
    const parts = metaKey(key, context, "mg");
    const command = new MetaGetCommand(
      context,
      parts,
      flags ?? {},
      isOneOfMany,
    );
    return { command, route: parts.route };
  }

  /** Makes a command, and starts it on its way. */
  #run<T>(
    options: CommandOptions | undefined,
    make: () => Routed,
  ): Promise<T> {
    try {
      const { command: { request }, route } = make();
      return start(this.#context, this.#executor, request, route, options);
    } catch (error) {
      return this.#refused(error);
    }
  }

  #refused(error: unknown): Promise<never> {
    observe(this.#context, error);
    return Promise.reject(error);
  }
}

/** The one failure of a `getMany`: what every server said, and what was read. */
function failureOf(
  gets: readonly Routed[],
  settled: ReadonlyArray<PromiseSettledResult<unknown>>,
): unknown {
  const errors: MemcacheError[] = [];
  const failedKeys = new Set<string>();
  const values = new Map<string, unknown>();
  for (const [i, outcome] of settled.entries()) {
    const { key = "" } = gets[i].command;
    if (outcome.status === "fulfilled") {
      values.set(key, outcome.value);
      continue;
    }
    const { reason } = outcome;
    // An abort has the caller's own reason; what is wrong with the call, or
    // with the client, has nothing to do with a key.
    if (
      !(reason instanceof MemcacheError) ||
      reason instanceof MemcacheIllegalInputError ||
      reason.code === "ERR_CLIENT_CLOSED"
    ) return reason;
    failedKeys.add(key);
    const { server } = reason;
    if (errors.some((error) => error.server === server)) continue;
    const { command, sent } = reason;
    errors.push(rebound(reason, { server, command, sent }));
  }
  const error = combined(errors);
  error.failedKeys = Object.freeze([...failedKeys]);
  error.values = values;
  return error;
}

/** An entry of `getMany` as a key and its flags. */
function entryOf(
  entry: MetaGetEntry,
  flags: MetaGetOptions | undefined,
): readonly [key: MetaKey, flags: MetaGetOptions | undefined] {
  const second: unknown = Array.isArray(entry) ? entry[1] : undefined;
  if (
    typeof second !== "object" || second === null ||
    second instanceof Uint8Array
  ) {
    // A pair of texts is a key with a key of its own to choose the server.
    return [entry as MetaKey, flags];
  }
  return entry as readonly [MetaKey, MetaGetOptions];
}
