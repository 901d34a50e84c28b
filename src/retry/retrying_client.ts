/**
 * `RetryingClient`: a client around another that does not take the first error
 * for an answer.
 *
 * @module
 */

import type { KeyCommands, Namespace } from "../client/commands.ts";
import type { MetaCommands } from "../client/meta_commands.ts";
import type { CommandOptions } from "../types.ts";
import { Attempts, type Call } from "./attempts.ts";
import { COMMAND_RULES, type CommandRule, META_RULES } from "./commands.ts";
import { restOf } from "./many.ts";
import { readRetryOptions, type RetryOptions } from "./options.ts";

/**
 * A client with all methods of another, and of their types, that attempts its
 * commands more than once.
 *
 * After a failure a command is attempted again if
 *
 * - the error is one that may be gone the next time, see `retryFor` of
 *   {@linkcode RetryOptions};
 * - the command may be carried out twice, or surely has not been carried out
 *   (`error.sent` is `false`), or `retryUnsafe` is set;
 * - there are attempts, time and `retryBudget` left.
 *
 * Else the call rejects with the last error.
 *
 * | attempted again | commands |
 * | --- | --- |
 * | whatever became of the first attempt | get, getItem, getMany, gets, getsMany, gat, gats, getAndTouch, has, ttl, size, peek, set, setMany, replace, delete, deleteMany, touch, invalidate, getOrSet, invalidateAll, stats and its kinds, version, flushAll, verbosity, cacheMemlimit, lruTune and its like, slabsAutomove |
 * | only if not sent | add, append, prepend, cas, incr, decr, take, update, flush, slabsReassign, rawCommand, shutdown, and everything with `noreply: true` |
 * | never | keys, watch, quit, disconnect, close, and what is no command |
 *
 * A second attempt can find what the first one did: `delete` then resolves to
 * `false`, although it was this call that deleted. Of commands that run at the
 * same time, the one that is attempted again comes last: await a `set` before
 * the next one of that key. A value must stay as it is until the call settles.
 *
 * A `timeout` given with a call is for all its attempts and the delays between
 * them; without one, each attempt has the client's own. An abort ends the call
 * at once, also between attempts, with the signal's reason. What `disconnect` or
 * `close` ends is not attempted again.
 *
 * Of calls with many keys only those keys are attempted again that failed. Where
 * several servers failed, one error that may be gone the next time is enough.
 *
 * The methods of an `Item` are the wrapped client's: each is attempted once.
 *
 * What the wrapped client does not tell cannot be retried: with its option
 * `errorsAsMisses` reads never fail. Its `onError` sees every failed attempt.
 *
 * @example
 * ```ts
 * import { Client, exponentialDelay, RetryingClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client: RetryingClient<Client> = new RetryingClient(
 *   new Client(server.address),
 *   { attempts: 3, retryDelay: exponentialDelay() },
 * );
 * server.fault({ kind: "drop", match: "get", times: 1 });
 * console.log(await client.get("greeting")); // undefined
 * console.log(await client.version()); // "1.6.18"
 * await client.close();
 * await server.close();
 * ```
 */
export type RetryingClient<C extends KeyCommands = KeyCommands> =
  & Pick<C, Exclude<keyof C, "client">>
  & {
    /** The client that is wrapped. */
    readonly client: C;
    /** Closes the wrapped client, at the end of an `await using` block. */
    [Symbol.asyncDispose](): Promise<void>;
  };

/** Makes a {@linkcode RetryingClient}. */
export interface RetryingClientConstructor {
  /**
   * Wraps a client; closing the new one closes it.
   *
   * @throws {MemcacheIllegalInputError} If an option cannot be used.
   */
  new <C extends KeyCommands>(
    client: C,
    options?: RetryOptions,
  ): RetryingClient<C>;
  /** What all of them have in common. */
  readonly prototype: RetryingClient;
}

/** What is the client's own, whatever it wraps. */
class Retrying {
  readonly #client: KeyCommands;
  /** Whether others attempt with the same. */
  readonly #isView: boolean;
  readonly #attempts: Attempts;
  readonly #meta: MetaCommands;

  constructor(client: KeyCommands, options: RetryOptions | Attempts = {}) {
    this.#client = client;
    this.#isView = options instanceof Attempts;
    this.#attempts = options instanceof Attempts
      ? options
      : new Attempts(readRetryOptions(options));
    this.#meta = this.#metaOf(client);
    for (const [name, found] of membersOf(client)) {
      if (name in this) continue;
      // As quiet as a method of a class when the client is printed.
      Object.defineProperty(this, name, {
        ...this.#member(name, found),
        configurable: true,
        enumerable: false,
      });
    }
  }

  get client(): KeyCommands {
    return this.#client;
  }

  get meta(): MetaCommands {
    return this.#meta;
  }

  namespace(prefix: string): Namespace {
    const view = this.#client.namespace(prefix);
    // It gives itself what the namespace has.
    return new Retrying(view, this.#attempts) as unknown as Namespace;
  }

  disconnect(): Promise<void> {
    // What loses its connection by this is meant to.
    if (!this.#isView) this.#attempts.giveUp();
    return this.#client.disconnect();
  }

  async close(): Promise<void> {
    const closed = this.#client.close();
    if (!this.#isView) this.#attempts.hasten();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A member of the wrapped client as one of this. */
  #member(name: PropertyKey, found: PropertyDescriptor): PropertyDescriptor {
    const client: object = this.#client;
    if (typeof found.value === "function") {
      const rule = COMMAND_RULES.get(name);
      return { value: this.#method(client, name, rule), writable: true };
    }
    return {
      get: () => Reflect.get(client, name),
      set: (value) => void Reflect.set(client, name, value),
    };
  }

  /** A method as one that is attempted more than once, if it has a rule. */
  #method(
    target: object,
    name: PropertyKey,
    rule: CommandRule | undefined,
    method = String(name),
  ): (...args: unknown[]) => unknown {
    const call = (args: readonly unknown[]): unknown =>
      Reflect.apply(Reflect.get(target, name), target, args);
    if (rule === undefined) return (...args) => call(args);
    return (...args) => {
      try {
        return this.#attempts.run(callOf(method, rule, args, call));
      } catch (error) {
        // The iterable of a call with many keys threw.
        return Promise.reject(error);
      }
    };
  }

  /** The meta commands, attempted more than once too. */
  #metaOf(client: KeyCommands): MetaCommands {
    const methods = [...META_RULES].map(([name, rule]) => [
      name,
      this.#method(client.meta, name, rule, `meta.${String(name)}`),
    ]);
    // There is a rule for each of them.
    return Object.freeze(Object.fromEntries(methods)) as MetaCommands;
  }
}

/** Every member of an object, those of its class and its parents included. */
function membersOf(object: object): Map<PropertyKey, PropertyDescriptor> {
  const found = new Map<PropertyKey, PropertyDescriptor>();
  let place: object | null = object;
  while (place !== null && place !== Object.prototype) {
    for (const name of Reflect.ownKeys(place)) {
      const member = Object.getOwnPropertyDescriptor(place, name);
      if (member !== undefined && !found.has(name)) found.set(name, member);
    }
    place = Object.getPrototypeOf(place);
  }
  return found;
}

/** A command with its arguments as a call. */
function callOf(
  method: string,
  { options: at, repeatable }: CommandRule,
  given: readonly unknown[],
  call: (args: readonly unknown[]) => unknown,
): Call {
  const rest = restOf(method, given[0]);
  const args = rest === undefined ? given : [rest.given, ...given.slice(1)];
  // The client refuses what is none.
  const options = args[at] as
    | CommandOptions & { noreply?: boolean }
    | undefined;
  return {
    method,
    options,
    repeatable: repeatable(args) && options?.noreply !== true,
    attempt: (left) => {
      const next = [...args];
      if (left !== options) next[at] = left;
      if (rest !== undefined) next[0] = rest.given;
      // Commands answer with promises.
      const result = call(next) as Promise<unknown>;
      return rest === undefined
        ? result
        : result.then((result) => rest.completed(result));
    },
    ...(rest === undefined
      ? {}
      : { failed: (error: unknown) => rest.failed(error) }),
  };
}

/** Makes a {@linkcode RetryingClient}, which tells more. */
export const RetryingClient: RetryingClientConstructor =
  // It gives itself the members of the client that it wraps.
  Retrying as unknown as RetryingClientConstructor;
