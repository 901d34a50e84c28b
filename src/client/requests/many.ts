/**
 * Calls that take many keys: each is one promise over many requests.
 *
 * @module
 */

import { LINE_KEYS } from "../../connection/intake.ts";
import type { Command, ReadText, Request } from "../../connection/request.ts";
import { combined, MemcacheError, rebound } from "../../errors.ts";
import type { CommandOptions } from "../../types.ts";
import { isThenable } from "../../serde/guard.ts";
import { keepsBytes } from "../../serde/serde.ts";
import type { Decoder } from "../../wire/decoder.ts";
import {
  type Context,
  hidden,
  observe,
  readValue,
  serdeError,
  Unreadable,
} from "../context.ts";
import { checkCall, type Executor, type Way, whenReady } from "../executor.ts";
import { readTimeout } from "../options.ts";
import { serdeTimeout } from "../serde_waits.ts";
import { type KeyPair, KeysCommand } from "./line.ts";

/** Holds the place of a key in a result, until its value has come. */
const ABSENT: unique symbol = Symbol("absent");

/** Collects the hits of one call over its lines. */
export class Harvest {
  /** What has arrived, by the caller's keys. */
  readonly hits: Map<string, unknown> = new Map();
  readonly #context: Context;
  readonly #resolve: (hits: Map<string, unknown>) => void;
  readonly #reject: (error: unknown) => void;
  /** What failed, the first failure of each server. */
  #errors: MemcacheError[] | undefined = undefined;
  #failedKeys: string[] = [];
  #placed: readonly KeyPair[] | undefined = undefined;
  #open = 1;

  /** Takes whom to tell. */
  constructor(
    context: Context,
    resolve: (hits: Map<string, unknown>) => void,
    reject: (error: unknown) => void,
  ) {
    this.#context = context;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Keeps the order of keys whose values may come in any other. */
  place(pairs: readonly KeyPair[]): void {
    this.#placed = pairs;
    for (const { key } of pairs) this.hits.set(key, ABSENT);
  }

  /** One more thing has to end before the call does. */
  begin(): void {
    this.#open++;
  }

  /** One thing has ended. */
  end(): void {
    if (--this.#open > 0) return;
    if (this.#placed !== undefined) {
      for (const [key, value] of this.hits) {
        if (value === ABSENT) this.hits.delete(key);
      }
    }
    if (this.#errors === undefined) this.#resolve(this.hits);
    else this.#reject(this.#failure(this.#errors));
  }

  /**
   * One thing has failed, and these keys with it: so has the call, unless
   * errors are misses. It waits for the others, whose values the error brings.
   */
  failed(error: unknown, pairs: readonly KeyPair[]): void {
    observe(this.#context, error);
    if (!hidden(this.#context, error)) {
      if (
        error instanceof MemcacheError && error.code !== "ERR_CLIENT_CLOSED"
      ) {
        for (const { key } of pairs) this.#failedKeys.push(key);
        addOnce(this.#errors ??= [], error);
      } else this.#reject(error);
    }
    this.end();
  }

  /** The one error of the call. */
  #failure(errors: readonly MemcacheError[]): MemcacheError {
    const error = combined(errors);
    const failed = new Set(this.#failedKeys);
    const keys = this.#placed?.map(({ key }) => key) ?? this.#failedKeys;
    const lost = keys.filter((key) => failed.has(key) && !this.hits.has(key));
    error.failedKeys = Object.freeze([...new Set(lost)]);
    error.values = this.hits;
    return error;
  }
}

/** Keeps the first error of each server. */
function addOnce(errors: MemcacheError[], error: MemcacheError): void {
  if (errors.every(({ server }) => server !== error.server)) errors.push(error);
}

/** One line of a `getMany` or `getsMany`. */
export class HarvestCommand extends KeysCommand {
  readonly #context: Context;
  readonly #pairs: readonly KeyPair[];
  readonly #harvest: Harvest;
  #held: string | undefined = undefined;
  #value: unknown = undefined;
  #cas = 0n;

  /** Takes the keys of the line, and where hits go. */
  constructor(
    command: "get" | "gets",
    context: Context,
    pairs: readonly KeyPair[],
    harvest: Harvest,
  ) {
    super(command, pairs.map((pair) => pair.wireKey));
    this.#context = context;
    this.#pairs = pairs;
    this.#harvest = harvest;
    harvest.begin();
    this.request.callback(
      () => harvest.end(),
      (error) => harvest.failed(error, pairs),
    );
  }

  override get keys(): readonly string[] {
    return this.#pairs.map(({ key }) => key);
  }

  override keepsBytes(flags: number): boolean {
    return keepsBytes(this.#context.serde, flags);
  }

  protected override hit(index: number, reply: Decoder, text: ReadText): void {
    const { key } = this.#pairs[index];
    this.#held = key;
    this.#cas = reply.cas;
    this.#value = readValue(this.#context, key, reply, text, this.request);
  }

  protected override prove(): void {
    const key = this.#held;
    if (key === undefined) return;
    const cas = this.#cas;
    const value = this.#value;
    this.#held = this.#value = undefined;
    if (value instanceof Unreadable) {
      this.#unreadable(value.error, key);
      return;
    }
    if (!isThenable(value)) {
      this.#put(key, value, cas);
      return;
    }
    // The place in the result is taken now, so that it keeps the order.
    this.#put(key, undefined, cas);
    this.#harvest.begin();
    value.then((read) => {
      this.#put(key, read, cas);
      this.#harvest.end();
    }, (error) => {
      this.#harvest.hits.delete(key);
      this.#unreadable(error, key);
      this.#harvest.end();
    });
  }

  override rewind(): void {
    super.rewind();
    this.#held = this.#value = undefined;
  }

  #put(key: string, value: unknown, cas: bigint): void {
    this.#harvest.hits.set(
      key,
      this.command === "gets" ? { value, cas } : value,
    );
  }

  protected override finish(): void {
    this.request.done(undefined);
  }

  #unreadable(error: unknown, key: string): void {
    this.#harvest.begin();
    this.#harvest.failed(
      serdeError(error, this.command, key, this.request),
      this.#pairs.filter((pair) => pair.key === key),
    );
  }
}

/**
 * Reads many keys, on as few lines as they need.
 *
 * @param context What the client's requests have in common.
 * @param executor Where to.
 * @param command `get`, or `gets` for the CAS uniques too.
 * @param pairs The keys, each with the key that chooses its server.
 * @param options The caller's.
 * @returns The hits.
 */
export function fetchMany<T>(
  context: Context,
  executor: Executor,
  command: "get" | "gets",
  pairs: readonly RoutedPair[],
  options: CommandOptions | undefined,
): Promise<Map<string, T>> {
  const timeout = readTimeout(options?.timeout, context.timeout);
  const gone = checkCall(executor, options);
  if (gone !== undefined) return Promise.reject(gone.reason);
  const ready = whenReady(context, executor, command, options);
  if (ready === undefined) {
    return harvestMany(context, executor, command, pairs, { options, timeout });
  }
  const deadline = timeout > 0 ? performance.now() + timeout : 0;
  const limits = { options, timeout, deadline };
  return ready.then(
    () => harvestMany(context, executor, command, pairs, limits),
    (error) => {
      observe(context, error);
      if (hidden(context, error)) return new Map();
      throw error;
    },
  );
}

/** How long a call may take, and who may give it up. */
interface Limits {
  readonly options: CommandOptions | undefined;
  readonly timeout: number;
  /** When its time is up, if that began before. */
  readonly deadline?: number;
}

/** Sends the lines of a many-key read, and collects what they bring. */
function harvestMany<T>(
  context: Context,
  executor: Executor,
  command: "get" | "gets",
  pairs: readonly RoutedPair[],
  { options, timeout, deadline = 0 }: Limits,
): Promise<Map<string, T>> {
  return new Promise((resolve, reject) => {
    const { ways } = executor;
    const harvest = new Harvest(context, (hits) => {
      // The values have the type that the caller says they have.
      resolve(hits as Map<string, T>);
    }, reject);
    const send = (pairs: readonly RoutedPair[], way?: Way): void => {
      for (let at = 0; at < pairs.length; at += LINE_KEYS) {
        const line = pairs.slice(at, at + LINE_KEYS);
        const { request } = new HarvestCommand(command, context, line, harvest);
        request.limit(options, timeout);
        request.deadline = deadline;
        if (way === undefined) executor.execute(request, line[0].route);
        else way.execute(request);
      }
    };
    if (ways === undefined) send(pairs);
    else {
      const groups = byWay(pairs, ways);
      if (groups.size > 1) harvest.place(pairs);
      for (const [way, some] of groups) send(some, way);
    }
    harvest.end();
  });
}

/** A key with the key that chooses its server. */
export type RoutedPair = KeyPair & { readonly route: string };

/** Puts the keys of each server together, in the order of the call. */
function byWay<R extends { readonly route: string }>(
  all: readonly R[],
  ways: (route: string) => Way,
): Map<Way, R[]> {
  const groups = new Map<Way, R[]>();
  for (const one of all) {
    const way = ways(one.route);
    const group = groups.get(way);
    if (group === undefined) groups.set(way, [one]);
    else group.push(one);
  }
  return groups;
}

/** One change of a many-key call, made when its turn comes. */
export interface Prepared {
  /** The caller's key. */
  readonly key: string;
  /** The key that chooses the server. */
  readonly route: string;
  /** Makes the command; where it fails, nothing has been sent for it. */
  readonly make: () => Command | Promise<Command>;
}

/** Changes that are on their way at the same time. */
const WINDOW = 1000;

/** Bytes of values that are on their way at the same time. */
const WINDOW_BYTES = 8 * 1024 * 1024;

/**
 * Sends changes, pipelined, a window at a time: a call of any size holds
 * neither the event loop nor more memory than a window needs.
 *
 * @param context What the client's requests have in common.
 * @param executor Where to.
 * @param changes What to do; every key has been checked.
 * @param options The caller's.
 * @returns The caller's keys that the server refused.
 */
export async function changeInWindows(
  context: Context,
  executor: Executor,
  changes: readonly Prepared[],
  options: CommandOptions | undefined,
): Promise<string[]> {
  const timeout = readTimeout(options?.timeout, context.timeout);
  const deadline = timeout > 0 ? Math.ceil(performance.now() + timeout) : 0;
  const gone = checkCall(executor, options);
  if (gone !== undefined) throw gone.reason;
  if (changes.length === 0) return [];
  const { ways } = executor;
  // A server that is silent must hold up no keys but its own.
  const parts: Part[] = ways === undefined
    ? [partOf(changes)]
    : [...byWay(changes, ways).values()].map(partOf);
  const share = parts.length;
  const window = changes.length > WINDOW ? Math.ceil(WINDOW / share) : WINDOW;
  const refused: string[] = [];
  const loss: Loss = { errors: [], keys: [] };
  const fill = async (part: Part): Promise<void> => {
    const { changes } = part;
    part.batch = new Batch();
    const end = Math.min(changes.length, part.at + window);
    const most = WINDOW_BYTES / share;
    try {
      for (let weight = 0; part.at < end && weight < most; part.at++) {
        const change = changes[part.at];
        const made = change.make();
        const { request } = isThenable(made)
          ? await context.waits.bounded(made, {
            deadline,
            signal: options?.signal,
            timedOut: () =>
              serdeTimeout(timeout, {
                command: "set",
                key: change.key,
                sent: false,
              }),
          })
          : made;
        request.deadline = deadline;
        weight += request.weight;
        part.batch.add(change, request);
      }
      // A serde may have taken its time.
      options?.signal?.throwIfAborted();
    } catch (error) {
      if (loss.thrown === undefined) observe(context, error);
      loss.thrown ??= { error };
    }
    part.isFilled = true;
  };
  const run = async (part: Part): Promise<void> => {
    const own: Loss = { errors: loss.errors, keys: [] };
    for (let from = 0; from < part.changes.length; from = part.at) {
      if (from > 0) await fill(part);
      if (loss.fatal !== undefined || loss.thrown !== undefined) {
        own.keys.push(...keysOf(part.changes, from));
        break;
      }
      await part.batch.run(refused, own, (request, route) => {
        request.limit(options, timeout);
        request.observedBy(context.onError);
        executor.execute(request, route);
      });
      loss.fatal ??= own.fatal;
      // Where all go one way, the next window would fare no better.
      const over = ways === undefined || executor.closed ||
        deadline > 0 && performance.now() >= deadline;
      if (own.keys.length > 0 && over) {
        own.keys.push(...keysOf(part.changes, part.at));
        break;
      }
    }
    for (const key of own.keys) loss.keys.push(key);
  };
  // Nothing is sent before a window of each part is made; at once, if it is.
  const filling = parts.map(fill);
  if (parts.some(({ isFilled }) => !isFilled)) await Promise.all(filling);
  await Promise.all(parts.map(run));
  if (loss.fatal !== undefined) throw loss.fatal;
  if (loss.thrown === undefined && loss.keys.length === 0) {
    return inOrder(refused, changes);
  }
  const failed = inOrder([...refused, ...loss.keys], changes);
  throw withFailedKeys(loss.thrown?.error ?? combined(loss.errors), failed);
}

/** Changes that go one way, how many are made, and the last of these. */
const partOf = (changes: readonly Prepared[]) => ({
  ...{ changes, at: 0, batch: new Batch(), isFilled: false },
});
type Part = ReturnType<typeof partOf>;

/** Keys in the order of the call: replies of several connections come in any. */
function inOrder(keys: string[], changes: readonly Prepared[]): string[] {
  if (keys.length < 2) return keys;
  const places = new Map(changes.map(({ key }, place) => [key, place]));
  const placeOf = (key: string) => places.get(key) ?? 0;
  return keys.sort((a, b) => placeOf(a) - placeOf(b));
}

function keysOf(changes: readonly Prepared[], from: number): string[] {
  return changes.slice(from).map((change) => change.key);
}

/** Why keys were lost, and which: their fate is not known. */
interface Loss {
  /** The first error of each server. */
  readonly errors: MemcacheError[];
  readonly keys: string[];
  /** What ends the whole call: the caller's own reason, or a closed client. */
  fatal?: unknown;
  /** Why a change could not be made; what follows it is not sent. */
  thrown?: { readonly error: unknown };
}

/** Changes that are sent together. */
class Batch {
  readonly #members: Array<readonly [change: Prepared, request: Request]> = [];

  add(change: Prepared, request: Request): void {
    this.#members.push([change, request]);
  }

  /** Executes all, and tells which keys are refused, and which are lost. */
  run(
    refused: string[],
    loss: Loss,
    execute: (request: Request, route: string) => void,
  ): Promise<void> {
    return new Promise((resolve) => {
      let open = this.#members.length;
      const end = (): void => {
        if (--open === 0) resolve();
      };
      for (const [{ key, route }, request] of this.#members) {
        request.callback((done) => {
          if (done === false) refused.push(key);
          end();
        }, (failure) => {
          if (isRefusal(failure)) refused.push(key);
          else {
            loss.keys.push(key);
            if (failure instanceof MemcacheError) addOnce(loss.errors, failure);
            else loss.fatal ??= failure;
          }
          end();
        });
        execute(request, route);
      }
    });
  }
}

/** Whether a store failed because the server refused this one value. */
function isRefusal(error: unknown): boolean {
  return error instanceof MemcacheError && error.code === "ERR_VALUE_REFUSED";
}

/** Adds to an error of ours which keys are not known to be stored. */
function withFailedKeys(error: unknown, keys: string[]): unknown {
  if (!(error instanceof MemcacheError)) return error;
  const { server, command, key, sent, errors } = error;
  const failed = rebound(error, { server, command, key, sent });
  if (errors !== undefined) failed.errors = errors;
  failed.failedKeys = Object.freeze(keys);
  return failed;
}
