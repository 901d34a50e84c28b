/**
 * Turns of calls that are about the same key.
 *
 * @module
 */

import { Deque } from "../connection/deque.ts";

/**
 * Milliseconds that a turn may take while others wait: whoever is not done by
 * then, such as a function of the caller's that hangs, holds up nobody.
 */
const LONGEST = 1000;

/** One that waits for its turn. */
interface Waiter {
  readonly begin: () => void;
  hasBegun: boolean;
  isGone: boolean;
}

/** Those who are about one key: one has its turn, the others wait. */
class Line {
  readonly #waiters: Deque<Waiter> = new Deque();
  readonly #emptied: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  /** Counts the turns: a later one is not ended by who had an earlier one. */
  #turn = 0;

  constructor(emptied: () => void) {
    this.#emptied = emptied;
  }

  /** Waits until it is the caller's turn, or `bound` gives up. */
  async join(bound: Bound): Promise<void> {
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => begin = resolve);
    const waiter: Waiter = { begin, hasBegun: false, isGone: false };
    this.#waiters.push(waiter);
    this.#watch();
    try {
      await bound(begun);
    } catch (error) {
      waiter.isGone = true;
      // Its turn may have come at the same moment.
      if (waiter.hasBegun) this.#pass();
      throw error;
    }
  }

  /** Begins a turn; what is returned ends it. */
  begin(): () => void {
    const turn = this.#turn;
    return () => {
      if (turn === this.#turn) this.#pass();
    };
  }

  /** Gives the turn to the next one. */
  #pass(): void {
    this.#turn++;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let next = this.#waiters.shift();
    while (next?.isGone) next = this.#waiters.shift();
    if (next === undefined) {
      this.#emptied();
      return;
    }
    next.hasBegun = true;
    next.begin();
    if (this.#waiters.length > 0) this.#watch();
  }

  #watch(): void {
    this.#timer ??= setTimeout(() => this.#pass(), LONGEST);
  }
}

/** Settles as a promise does, unless the caller's time is up before. */
export type Bound = <T>(promise: Promise<T>) => Promise<T>;

/** Lets calls about the same key take turns. */
export class KeyTurns {
  readonly #lines: Map<string, Line> = new Map();

  /**
   * Waits for the caller's turn.
   *
   * @param key What the call is about.
   * @param bound Gives up in time.
   * @returns To be called when the turn is over, whatever became of it.
   */
  async take(key: string, bound: Bound): Promise<() => void> {
    const line = this.#lines.get(key);
    if (line !== undefined) {
      await line.join(bound);
      return line.begin();
    }
    const first = new Line(() => this.#lines.delete(key));
    this.#lines.set(key, first);
    return first.begin();
  }
}
