/**
 * Calls that take many keys: each is one promise over many requests.
 *
 * @module
 */

import { LINE_KEYS } from "../../connection/link.ts";
import type { ReadText, Request } from "../../connection/request.ts";
import { MemcacheError, rebound } from "../../errors.ts";
import type { CommandOptions } from "../../types.ts";
import { isThenable } from "../../serde/guard.ts";
import type { Decoder } from "../../wire/decoder.ts";
import {
  type Context,
  hidden,
  observe,
  readValue,
  serdeError,
  Unreadable,
} from "../context.ts";
import { checkCall, type Executor } from "../executor.ts";
import { readTimeout } from "../options.ts";
import { serdeTimeout } from "../serde_waits.ts";
import { LineRequest } from "./line.ts";

/** A key of a many-key call: the caller's, and the one on the wire. */
export interface KeyPair {
  /** The caller's key. */
  readonly key: string;
  /** The key with its prefix, checked. */
  readonly wireKey: string;
}

/** Collects the hits of one call over its lines. */
export class Harvest {
  /** What has arrived, by the caller's keys. */
  readonly hits: Map<string, unknown> = new Map();
  readonly #context: Context;
  readonly #resolve: (hits: Map<string, unknown>) => void;
  readonly #reject: (error: unknown) => void;
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

  /** One more thing has to end before the call does. */
  begin(): void {
    this.#open++;
  }

  /** One thing has ended. */
  end(): void {
    if (--this.#open === 0) this.#resolve(this.hits);
  }

  /** One thing has failed: so has the call, unless errors are misses. */
  failed(error: unknown): void {
    observe(this.#context, error);
    if (!hidden(this.#context, error)) this.#reject(error);
    this.end();
  }
}

/** One line of a `getMany` or `getsMany`. */
export class HarvestRequest extends LineRequest {
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
    this.callback(() => harvest.end(), (error) => harvest.failed(error));
  }

  protected override hit(index: number, reply: Decoder, text: ReadText): void {
    const { key } = this.#pairs[index];
    this.#held = key;
    this.#cas = reply.cas;
    this.#value = readValue(this.#context, key, reply, text, this);
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

  protected override rewind(): void {
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
    this.done(undefined);
  }

  #unreadable(error: unknown, key: string): void {
    this.#harvest.begin();
    this.#harvest.failed(serdeError(error, this.command, key, this));
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
  pairs: ReadonlyArray<KeyPair & { readonly route: string }>,
  options: CommandOptions | undefined,
): Promise<Map<string, T>> {
  const timeout = readTimeout(options?.timeout, context.timeout);
  const gone = checkCall(executor, options);
  if (gone !== undefined) return Promise.reject(gone.reason);
  return new Promise((resolve, reject) => {
    const harvest = new Harvest(
      context,
      // The values have the type that the caller says they have.
      (hits) => resolve(hits as Map<string, T>),
      reject,
    );
    for (let at = 0; at < pairs.length; at += LINE_KEYS) {
      const line = pairs.slice(at, at + LINE_KEYS);
      const request = new HarvestRequest(command, context, line, harvest);
      request.limit(options, timeout);
      executor.execute(request, line[0].route);
    }
    harvest.end();
  });
}

/** One change of a many-key call, made when its turn comes. */
export interface Prepared {
  /** The caller's key. */
  readonly key: string;
  /** The key that chooses the server. */
  readonly route: string;
  /** Makes the request; where it fails, nothing has been sent for it. */
  readonly make: () => Request | Promise<Request>;
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
  const refused: string[] = [];
  for (let at = 0; at < changes.length;) {
    const batch = new Batch();
    const from = at;
    let weight = 0;
    try {
      const end = Math.min(changes.length, from + WINDOW);
      while (at < end && weight < WINDOW_BYTES) {
        const made = changes[at].make();
        const request = isThenable(made)
          ? await context.waits.bounded(made, {
            deadline,
            signal: options?.signal,
            timedOut: () =>
              serdeTimeout(timeout, {
                command: "set",
                key: changes[at].key,
                sent: false,
              }),
          })
          : made;
        request.deadline = deadline;
        weight += request.weight;
        batch.add(changes[at], request);
        at++;
      }
    } catch (error) {
      observe(context, error);
      throw withFailedKeys(error, [...refused, ...keysOf(changes, from)]);
    }
    // A serde may have taken its time.
    options?.signal?.throwIfAborted();
    const { error, lost } = await batch.run(refused, (request, route) => {
      request.limit(options, timeout);
      request.observedBy(context.onError);
      executor.execute(request, route);
    });
    if (lost.length > 0) {
      const keys = [...refused, ...lost, ...keysOf(changes, at)];
      throw withFailedKeys(error, keys);
    }
  }
  return refused;
}

function keysOf(changes: readonly Prepared[], from: number): string[] {
  return changes.slice(from).map((change) => change.key);
}

/** Why keys were lost, and which: their fate is not known. */
interface Loss {
  readonly error: unknown;
  readonly lost: readonly string[];
}

/** Changes that are sent together. */
class Batch {
  readonly #members: Array<readonly [change: Prepared, request: Request]> = [];

  add(change: Prepared, request: Request): void {
    this.#members.push([change, request]);
  }

  /** Executes all; keys that the server refuses are added to `refused`. */
  run(
    refused: string[],
    execute: (request: Request, route: string) => void,
  ): Promise<Loss> {
    return new Promise((resolve) => {
      const lost: string[] = [];
      let error: unknown;
      let open = this.#members.length;
      const end = (): void => {
        if (--open === 0) resolve({ error, lost });
      };
      for (const [{ key, route }, request] of this.#members) {
        request.callback((done) => {
          if (done === false) refused.push(key);
          end();
        }, (failure) => {
          if (isRefusal(failure)) refused.push(key);
          else {
            if (lost.length === 0) error = failure;
            lost.push(key);
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
  const { server, command, key, sent } = error;
  const failed = rebound(error, { server, command, key, sent });
  failed.failedKeys = Object.freeze(keys);
  return failed;
}
