/**
 * How the connections to one server come to it: what one of them learns of it
 * holds for all, and they try it by turns while it fails.
 *
 * @module
 */

import type { ServerPlace } from "../telemetry/channels.ts";
import { ServerStats } from "../telemetry/server_stats.ts";
import { Backoff } from "./backoff.ts";

/** Attempts at the same time, as long as none has failed. */
const TOGETHER = 4;

/** What the connections to one server share. */
export class Approach {
  /** When the next attempt may start. */
  readonly backoff: Backoff = new Backoff();
  /** Whether the server hung up on the last probe: the next link asks nothing. */
  refusedProbe = false;
  /** The values that wait to be sent to it, over all connections. */
  readonly unsent: { bytes: number } = { bytes: 0 };
  /**
   * `count` goes on whenever commands leave, or bytes arrive, on any connection;
   * `untold` while connections end over the question for the version.
   */
  readonly pulse: { count: number; untold: number } = { count: 0, untold: 0 };
  /** What is counted of the server. */
  readonly stats: ServerStats;
  readonly #going: Set<Turn> = new Set();
  #waiting: Set<Turn> = new Set();

  /** Takes which server it is. */
  constructor(place: ServerPlace = {}) {
    this.stats = new ServerStats(place);
  }

  /** Whether an attempt may start at once. */
  open(at: number): boolean {
    const { failures, readyAt } = this.backoff;
    return this.#going.size < (failures > 0 ? 1 : TOGETHER) && readyAt <= at;
  }

  /** Lets a turn begin, or calls it when others have ended. */
  enter(turn: Turn): boolean {
    const limit = this.backoff.failures > 0 ? 1 : TOGETHER;
    if (this.#going.size < limit) this.#going.add(turn);
    else this.#waiting.add(turn);
    return this.#going.has(turn);
  }

  /** Ends a turn. */
  leave(turn: Turn): void {
    this.#waiting.delete(turn);
    if (!this.#going.delete(turn) || this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    // Not at once: the caller is in the middle of something.
    queueMicrotask(() => {
      for (const next of waiting) next.go();
    });
  }
}

/**
 * A connection's turns to try the server. One lasts from the dial until the
 * server has answered: one that accepts and says nothing is down as well.
 *
 * States: free → pausing or waiting → taken → free …
 */
export class Turn {
  readonly #approach: Approach;
  readonly #go: () => void;
  #pause: ReturnType<typeof setTimeout> | undefined = undefined;
  #waits = false;

  /** Takes whom to call when it is worth to ask again. */
  constructor(approach: Approach, go: () => void) {
    this.#approach = approach;
    this.#go = go;
  }

  /** Whether it will call. */
  get waits(): boolean {
    return this.#waits || this.#pause !== undefined;
  }

  /** Begins a turn, or sees to it that it calls when there may be one. */
  take(at: number): boolean {
    const wait = this.#approach.backoff.readyAt - at;
    if (wait > 0) {
      this.#pause = setTimeout(() => this.go(), Math.ceil(wait));
      return false;
    }
    this.#waits = !this.#approach.enter(this);
    return !this.#waits;
  }

  /** Calls, if it has not been left: there may be a turn. */
  go(): void {
    if (!this.waits) return;
    this.#pause = undefined;
    this.#waits = false;
    this.#go();
  }

  /** Ends the turn, or the waiting for it. */
  leave(): void {
    if (this.#pause !== undefined) clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#waits = false;
    this.#approach.leave(this);
  }
}
