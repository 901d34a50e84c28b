/**
 * Feeds, made of sources of values: on connections of their own, begun when the
 * first value is asked for.
 *
 * @module
 */

import { type Abortable, listen, unlisten } from "../connection/aborts.ts";
import type { ConnectionOptions } from "../connection/options.ts";
import { MemcacheNoServersError } from "../errors.ts";
import type { CommandOptions } from "../types.ts";
import { type Context, observe } from "./context.ts";
import { checkCall, type Executor, whenReady } from "./executor.ts";
import type { Feed } from "./feed.ts";

/** Where the values of a feed come from. */
export interface FeedSource<T> {
  /** Begins; settles once values come. */
  open(): Promise<void>;
  /** Waits for the next value; `undefined` at the end. Calls do not overlap. */
  next(): Promise<T | undefined>;
  /** Says whether a value is waited for, which keeps the process alive. */
  hold(alive: boolean): void;
  /** Lets go of its connections; who waits is told the reason. */
  close(reason: unknown): void;
}

/** What a feed is told. */
export interface FeedPlan<T> {
  /** What the client's requests have in common. */
  readonly context: Context;
  /** The way to the servers. */
  readonly executor: Executor;
  /** Name of the command in protocol.txt. */
  readonly command: string;
  /** The caller's. */
  readonly options: CommandOptions | undefined;
  /**
   * Makes the source; called once, when it is to begin.
   *
   * @throws {MemcacheIllegalInputError} If what the caller gave cannot be sent.
   */
  readonly source: (servers: readonly ConnectionOptions[]) => FeedSource<T>;
}

const DONE: IteratorReturnResult<undefined> = Object.freeze({
  value: undefined,
  done: true,
});

/**
 * The one kind of feed.
 *
 * States: new → opening → open → over.
 */
export class SourceFeed<T> implements Feed<T>, Abortable {
  readonly #plan: FeedPlan<T>;
  #signal: AbortSignal | undefined = undefined;
  #source: FeedSource<T> | undefined = undefined;
  #opening: Promise<void> | undefined = undefined;
  #isOpen = false;
  #isOver = false;
  /** What it failed with, until a reader has been told. */
  #failure: { readonly error: unknown } | undefined = undefined;
  #busy = false;
  readonly #queue: Array<() => void> = [];
  /** Ends the wait for the list of servers. */
  #interrupt: ((reason: unknown) => void) | undefined = undefined;

  /** Takes what it needs to know; nothing begins yet. */
  constructor(plan: FeedPlan<T>) {
    this.#plan = plan;
  }

  /** See {@linkcode Feed.opened}. */
  opened(): Promise<void> {
    return this.#opening ??= this.#open();
  }

  /** See {@linkcode Feed.next}. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (!this.#busy) return this.#pull();
    return new Promise<void>((go) => this.#queue.push(go)).then(() =>
      this.#pull()
    );
  }

  /** See {@linkcode Feed.return}. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#failure = undefined;
    this.#end(DONE);
    return Promise.resolve(DONE);
  }

  /** See {@linkcode Feed}. */
  [Symbol.asyncIterator](): Feed<T> {
    return this;
  }

  /** See {@linkcode Feed}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Ends it for a reason of others. */
  abort(reason: unknown): void {
    this.#fail(reason);
  }

  async #open(): Promise<void> {
    const { context, executor, command, options } = this.#plan;
    try {
      if (this.#isOver) return;
      const gone = checkCall(executor, options);
      if (gone !== undefined) throw gone.reason;
      // Who has no types may give null; anything else has been refused.
      const signal: unknown = options?.signal;
      if (signal instanceof AbortSignal) {
        this.#signal = signal;
        listen(signal, this);
      }
      executor.feeds.add(this);
      const ready = whenReady(context, executor, command, options);
      if (ready !== undefined) await this.#until(ready);
      const servers = executor.feeds.all;
      if (servers.length === 0) {
        throw new MemcacheNoServersError(
          `Cannot send ${command}: no server, there are none`,
          { command, sent: false },
        );
      }
      const source = this.#plan.source(servers);
      this.#source = source;
      source.hold(true);
      await source.open();
      this.#isOpen = true;
      source.hold(this.#busy);
    } catch (error) {
      this.#fail(error);
      // Who has left need not know.
      if (this.#failure !== undefined) throw this.#failure.error;
    }
  }

  #until(ready: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      ready.then(resolve, reject);
    });
  }

  async #pull(): Promise<IteratorResult<T, undefined>> {
    this.#busy = true;
    try {
      if (!this.#isOver) {
        this.#source?.hold(true);
        if (!this.#isOpen) await this.opened();
        const value = await this.#source?.next();
        if (value !== undefined && !this.#isOver) return { value, done: false };
        this.#end(DONE);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#source?.hold(false);
      const next = this.#queue.shift();
      if (next === undefined) this.#busy = false;
      else next();
    }
    const failure = this.#failure;
    if (failure === undefined) return DONE;
    this.#failure = undefined;
    throw failure.error;
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#failure = { error };
    observe(this.#plan.context, error);
    this.#end(error);
  }

  #end(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#signal !== undefined) unlisten(this.#signal, this);
    this.#plan.executor.feeds.delete(this);
    this.#interrupt?.(reason);
    this.#source?.close(reason);
  }
}
