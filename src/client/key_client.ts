/**
 * The classic commands on keys, written once: a client is this, what stands on
 * it, and an executor.
 *
 * @module
 */

import { closedError } from "../connection/failures.ts";
import type { Command } from "../connection/request.ts";
import { isThenable } from "../serde/guard.ts";
import type { CommandOptions, Key, Ttl } from "../types.ts";
import { wireKey } from "../wire/key.ts";
import {
  entryOf,
  exptimeOf,
  itemKey,
  iterated,
  keyPair,
  pairsOf,
  routeOf,
} from "./arguments.ts";
import type {
  CountOptions,
  GetOptions,
  HelperCommands,
  KeyCommands,
  NoreplyOptions,
  StoreOptions,
  Versioned,
} from "./commands.ts";
import { type Context, observe } from "./context.ts";
import { countFrom, planCount } from "./counting.ts";
import { type Executor, start } from "./executor.ts";
import { flush } from "./flushing.ts";
import { startLate } from "./late.ts";
import { GetCommand, GetsCommand, HasCommand } from "./requests/fetch.ts";
import type { InsightCommands } from "./insight_commands.ts";
import type { KeyPair } from "./requests/line.ts";
import { changeInWindows, fetchMany, type Prepared } from "./requests/many.ts";
import type { StoreVerb } from "./requests/store.ts";
import { FoundCommand } from "./requests/word.ts";
import { storeHead, storeRequest } from "./storing.ts";

/**
 * The classic commands on keys, as every client has them. Not to be made
 * directly: {@linkcode BaseClient} is this and the meta protocol.
 *
 * @example A function for every kind of client
 * ```ts
 * import { Client, type KeyClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * async function visit(client: KeyClient, page: string): Promise<void> {
 *   await client.incr(`visits:${page}`, 1, { initial: 1 });
 * }
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await visit(client, "home");
 * await client.close();
 * await server.close();
 * ```
 */
export class KeyClient implements
  Omit<
    KeyCommands,
    | keyof HelperCommands
    | keyof InsightCommands
    | "getItem"
    | "getOrSet"
    | "keys"
    | "meta"
    | "namespace"
  > {
  readonly #context: Context;
  readonly #executor: Executor;

  /** Takes checked options, and the way to the servers. */
  constructor(context: Context, executor: Executor) {
    this.#context = context;
    this.#executor = executor;
  }

  /** Reads a value. See {@linkcode KeyCommands.get}. */
  get<T = unknown>(key: Key, options?: GetOptions<T>): Promise<T | undefined> {
    try {
      const name = itemKey(key);
      return this.#run(
        new GetCommand(
          "get",
          this.#context,
          name,
          wireKey(name, this.#context, "get"),
          undefined,
          options?.default,
        ),
        key,
        options,
      );
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** Reads many values. See {@linkcode KeyCommands.getMany}. */
  getMany<T = unknown>(
    keys: Iterable<Key>,
    options?: CommandOptions,
  ): Promise<Map<string, T>> {
    return this.#fetchMany("get", keys, options);
  }

  /** Reads a value and its version. See {@linkcode KeyCommands.gets}. */
  gets<T = unknown>(
    key: Key,
    options?: CommandOptions,
  ): Promise<Versioned<T> | undefined> {
    return this.#fetch(GetsCommand, "gets", key, undefined, options);
  }

  /** Reads many with versions. See {@linkcode KeyCommands.getsMany}. */
  getsMany<T = unknown>(
    keys: Iterable<Key>,
    options?: CommandOptions,
  ): Promise<Map<string, Versioned<T>>> {
    return this.#fetchMany("gets", keys, options);
  }

  /** Reads a value and touches it. See {@linkcode KeyCommands.gat}. */
  gat<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: GetOptions<T>,
  ): Promise<T | undefined> {
    try {
      const name = itemKey(key);
      return this.#run(
        new GetCommand(
          "gat",
          this.#context,
          name,
          wireKey(name, this.#context, "gat"),
          exptimeOf(ttl, "gat"),
          options?.default,
        ),
        key,
        options,
      );
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** Reads with version and touches. See {@linkcode KeyCommands.gats}. */
  gats<T = unknown>(
    key: Key,
    ttl: Ttl,
    options?: CommandOptions,
  ): Promise<Versioned<T> | undefined> {
    return this.#fetch(GetsCommand, "gats", key, ttl, options);
  }

  /** Asks whether a key is stored. See {@linkcode KeyCommands.has}. */
  has(key: Key, options?: CommandOptions): Promise<boolean> {
    return this.#fetch(HasCommand, "get", key, undefined, options);
  }

  /** Stores a value. See {@linkcode KeyCommands.set}. */
  set(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#store("set", key, value, options);
  }

  /** Stores a value if there is none. See {@linkcode KeyCommands.add}. */
  add(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#store("add", key, value, options);
  }

  /** Stores a value if there is one. See {@linkcode KeyCommands.replace}. */
  replace(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#store("replace", key, value, options);
  }

  /** Adds bytes behind a value. See {@linkcode KeyCommands.append}. */
  append(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#store("append", key, value, options);
  }

  /** Adds bytes before a value. See {@linkcode KeyCommands.prepend}. */
  prepend(key: Key, value: unknown, options?: StoreOptions): Promise<boolean> {
    return this.#store("prepend", key, value, options);
  }

  /** Stores if nothing has changed. See {@linkcode KeyCommands.cas}. */
  cas(
    key: Key,
    value: unknown,
    cas: bigint | number | string,
    options?: StoreOptions,
  ): Promise<boolean | undefined> {
    return this.#store("cas", key, value, options, cas);
  }

  /** Stores many values. See {@linkcode KeyCommands.setMany}. */
  setMany(
    entries: Iterable<readonly [Key, unknown]>,
    options?: StoreOptions,
  ): Promise<string[]>;
  /** Stores many values, also those of an object's own properties. */
  setMany(
    entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
    options?: StoreOptions,
  ): Promise<string[]>;
  async setMany(
    entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
    options?: StoreOptions,
  ): Promise<string[]> {
    const changes: Prepared[] = [];
    try {
      for (const entry of pairsOf(entries)) {
        const [key, value] = entryOf(entry);
        const head = storeHead(this.#context, "set", key, options);
        changes.push({
          key: head.key,
          route: routeOf(key),
          make: () => storeRequest(this.#context, "set", value, head),
        });
      }
    } catch (error) {
      return this.#refused(error);
    }
    return await changeInWindows(
      this.#context,
      this.#executor,
      changes,
      options,
    );
  }

  /** Deletes an item. See {@linkcode KeyCommands.delete}. */
  delete(key: Key, options?: NoreplyOptions): Promise<boolean> {
    try {
      return this.#run(this.#deleteRequest(key, options), key, options);
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** Deletes many items. See {@linkcode KeyCommands.deleteMany}. */
  async deleteMany(
    keys: Iterable<Key>,
    options?: NoreplyOptions,
  ): Promise<true> {
    const changes: Prepared[] = [];
    try {
      for (const key of iterated(keys)) {
        const request = this.#deleteRequest(key, options);
        changes.push({
          key: request.key ?? "",
          route: routeOf(key),
          make: () => request,
        });
      }
    } catch (error) {
      return this.#refused(error);
    }
    await changeInWindows(this.#context, this.#executor, changes, options);
    return true;
  }

  /** Adds to a counter. See {@linkcode KeyCommands.incr}. */
  incr<D extends number | bigint = number>(
    key: Key,
    delta?: D,
    options?: CountOptions,
  ): Promise<(D extends bigint ? bigint : number) | undefined> {
    return this.#count("incr", key, delta, options);
  }

  /** Takes from a counter. See {@linkcode KeyCommands.decr}. */
  decr<D extends number | bigint = number>(
    key: Key,
    delta?: D,
    options?: CountOptions,
  ): Promise<(D extends bigint ? bigint : number) | undefined> {
    return this.#count("decr", key, delta, options);
  }

  /** Sets a new lifetime. See {@linkcode KeyCommands.touch}. */
  touch(key: Key, ttl: Ttl, options?: NoreplyOptions): Promise<boolean> {
    try {
      const { key: name, wireKey } = keyPair(this.#context, key, "touch");
      const exptime = exptimeOf(ttl, "touch");
      return this.#run(
        new FoundCommand(
          "touch",
          name,
          `touch ${wireKey} ${exptime}`,
          this.#noreply(options),
        ),
        key,
        options,
      );
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** Waits for what is on its way. See {@linkcode KeyCommands.flush}. */
  flush(options?: CommandOptions): Promise<void> {
    return flush(this.#context, this.#executor, options);
  }

  /** Lets go of the connections. See {@linkcode KeyCommands.disconnect}. */
  disconnect(): Promise<void> {
    return this.#executor.disconnect();
  }

  /** Closes for good. See {@linkcode KeyCommands.close}. */
  close(): Promise<void> {
    this.#context.waits.close(() => closedError());
    return this.#executor.close();
  }

  /** Closes for good, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Starts a request on its way. */
  #run<T>(
    { request }: Command,
    key: Key,
    options: CommandOptions | undefined,
  ): Promise<T> {
    return start(this.#context, this.#executor, request, routeOf(key), options);
  }

  /** Answers a call that was refused before anything was sent. */
  #refused(error: unknown): Promise<never> {
    observe(this.#context, error);
    return Promise.reject(error);
  }

  #noreply(options: NoreplyOptions | undefined): boolean {
    return options?.noreply ?? this.#context.defaultNoreply;
  }

  #fetch<T>(
    kind: typeof GetsCommand | typeof HasCommand,
    command: string,
    key: Key,
    ttl: Ttl | undefined,
    options: CommandOptions | undefined,
  ): Promise<T> {
    try {
      const pair = keyPair(this.#context, key, command);
      const exptime = command === "gats" ? exptimeOf(ttl, command) : undefined;
      const request = new kind(
        command,
        this.#context,
        pair.key,
        pair.wireKey,
        exptime,
      );
      return this.#run(request, key, options);
    } catch (error) {
      return this.#refused(error);
    }
  }

  #fetchMany<T>(
    command: "get" | "gets",
    keys: Iterable<Key>,
    options: CommandOptions | undefined,
  ): Promise<Map<string, T>> {
    try {
      const pairs: Array<KeyPair & { route: string }> = [];
      for (const key of iterated(keys)) {
        const { key: name, wireKey } = keyPair(this.#context, key, command);
        pairs.push({ key: name, wireKey, route: routeOf(key) });
      }
      return fetchMany(this.#context, this.#executor, command, pairs, options);
    } catch (error) {
      return this.#refused(error);
    }
  }

  #store<T>(
    command: StoreVerb,
    key: Key,
    value: unknown,
    options: StoreOptions | undefined,
    cas?: unknown,
  ): Promise<T> {
    try {
      const head = storeHead(this.#context, command, key, options, cas);
      const request = storeRequest(this.#context, command, value, head);
      if (!isThenable(request)) return this.#run(request, key, options);
      const plan = { command, key: head.key, route: routeOf(key) };
      return startLate(this.#context, this.#executor, request, plan, options);
    } catch (error) {
      return this.#refused(error);
    }
  }

  #deleteRequest(
    key: Key,
    options: NoreplyOptions | undefined,
  ): FoundCommand {
    const { key: name, wireKey } = keyPair(this.#context, key, "delete");
    return new FoundCommand(
      "delete",
      name,
      `delete ${wireKey}`,
      this.#noreply(options),
    );
  }

  #count<T>(
    command: "incr" | "decr",
    key: Key,
    delta: number | bigint = 1,
    given?: CountOptions,
  ): Promise<T> {
    try {
      // Who has no types may give null, as to every other command.
      const options = given ?? {};
      const plan = planCount(this.#context, command, key, delta, options);
      if (plan.first === undefined) return this.#run(plan.make(), key, options);
      const route = routeOf(key);
      return countFrom(this.#context, this.#executor, plan, route, options);
    } catch (error) {
      return this.#refused(error);
    }
  }
}
