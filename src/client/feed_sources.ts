/**
 * Sources of feeds that are made of the sources of several servers.
 *
 * @module
 */

import {
  combined,
  MemcacheError,
  MemcacheIllegalInputError,
} from "../errors.ts";
import type { Feed } from "./feed.ts";
import type { FeedSource } from "./source_feed.ts";

/**
 * One server after another. Those that fail are told of once the others have
 * come to their end.
 */
export class InTurn<T> implements FeedSource<T> {
  readonly #waiting: FeedSource<T>[];
  readonly #errors: MemcacheError[] = [];
  #current: FeedSource<T> | undefined = undefined;
  #held = false;
  #isClosed = false;

  /** Takes the sources, at least one. */
  constructor(sources: readonly FeedSource<T>[]) {
    this.#waiting = [...sources];
  }

  /** Opens the first one that can be opened. */
  async open(): Promise<void> {
    await this.#advance();
  }

  /** See {@linkcode FeedSource.next}. */
  async next(): Promise<T | undefined> {
    for (;;) {
      const current = this.#current ?? await this.#advance();
      if (current === undefined) break;
      try {
        const value = await current.next();
        if (value !== undefined) return value;
        current.close(undefined);
      } catch (error) {
        this.#failed(current, error);
      }
      this.#current = undefined;
    }
    if (this.#errors.length > 0) throw combined(this.#errors);
    return undefined;
  }

  /** See {@linkcode FeedSource.hold}. */
  hold(alive: boolean): void {
    this.#held = alive;
    this.#current?.hold(alive);
  }

  /** See {@linkcode FeedSource.close}. */
  close(reason: unknown): void {
    this.#isClosed = true;
    this.#current?.close(reason);
  }

  async #advance(): Promise<FeedSource<T> | undefined> {
    for (;;) {
      const next = this.#waiting.shift();
      this.#current = next;
      if (next === undefined) return undefined;
      try {
        next.hold(this.#held);
        await next.open();
        return next;
      } catch (error) {
        this.#failed(next, error);
      }
    }
  }

  #failed(source: FeedSource<T>, error: unknown): void {
    source.close(error);
    // An abort has the caller's own reason, and what is wrong with a call is so
    // for every server.
    const isEnd = this.#isClosed || !(error instanceof MemcacheError) ||
      error instanceof MemcacheIllegalInputError;
    if (isEnd) throw error;
    this.#errors.push(error);
  }
}

/** A feed that is known only later. */
export class Later<T> implements FeedSource<T> {
  readonly #find: () => Promise<Feed<T>>;
  #feed: Feed<T> | undefined = undefined;
  #closed: { readonly reason: unknown } | undefined = undefined;

  /** Takes what finds the feed. */
  constructor(find: () => Promise<Feed<T>>) {
    this.#find = find;
  }

  /** See {@linkcode FeedSource.open}. */
  async open(): Promise<void> {
    const feed = await this.#find();
    if (this.#closed !== undefined) throw this.#closed.reason;
    this.#feed = feed;
    await feed.opened();
  }

  /** See {@linkcode FeedSource.next}. */
  async next(): Promise<T | undefined> {
    return (await this.#feed?.next())?.value;
  }

  /** It says so itself. */
  hold(): void {}

  /** See {@linkcode FeedSource.close}. */
  close(reason: unknown): void {
    this.#closed = { reason };
    this.#feed?.return();
  }
}

/**
 * All servers at once, each as far as its values are taken. If one fails, all
 * come to their end.
 */
export class Together<T> implements FeedSource<T> {
  readonly #sources: readonly FeedSource<T>[];
  /** What has come, and of whom. */
  readonly #ready: Array<{ readonly source: FeedSource<T>; value: T }> = [];
  #failure: { readonly error: unknown } | undefined = undefined;
  #running = 0;
  #wake: (() => void) | undefined = undefined;

  /** Takes the sources, at least one. */
  constructor(sources: readonly FeedSource<T>[]) {
    this.#sources = sources;
  }

  /** Opens all. */
  async open(): Promise<void> {
    // Every one has settled, before the first error is told.
    const opened = await Promise.allSettled(
      this.#sources.map((source) =>
        source.open().catch((error) => {
          this.close(error);
          throw error;
        })
      ),
    );
    for (const end of opened) {
      if (end.status === "rejected") throw end.reason;
    }
    for (const source of this.#sources) this.#run(source);
  }

  /** See {@linkcode FeedSource.next}. */
  async next(): Promise<T | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const first = this.#ready.shift();
      if (first !== undefined) {
        this.#run(first.source);
        return first.value;
      }
      if (this.#running === 0) return undefined;
      await new Promise<void>((wake) => this.#wake = wake);
    }
  }

  /** See {@linkcode FeedSource.hold}. */
  hold(alive: boolean): void {
    for (const source of this.#sources) source.hold(alive);
  }

  /** See {@linkcode FeedSource.close}. */
  close(reason: unknown): void {
    this.#failure ??= { error: reason };
    for (const source of this.#sources) source.close(reason);
    this.#wake?.();
  }

  /** Has a source look for its next value. */
  #run(source: FeedSource<T>): void {
    this.#running++;
    source.next().then((value) => {
      this.#running--;
      if (value !== undefined) this.#ready.push({ source, value });
      this.#wake?.();
    }, (error) => {
      this.#running--;
      this.close(error);
    });
  }
}
