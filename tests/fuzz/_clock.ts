/**
 * A clock that goes only when it is told to: in place of `performance.now`,
 * `setTimeout` and `clearTimeout` while a fuzzer runs.
 *
 * @module
 */

interface Timer {
  readonly at: number;
  readonly ring: () => void;
}

/** The time of everything that a client does. */
export class FakeClock {
  /** Milliseconds since it was made. */
  time = 1000;
  readonly #timers = new Map<number, Timer>();
  #next = 1;

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Goes on by some milliseconds, and rings what is due on the way, in order. */
  advance(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      let due: number | undefined;
      let at = until;
      for (const [id, timer] of this.#timers) {
        if (timer.at > at || timer.at === at && due !== undefined) continue;
        due = id;
        at = timer.at;
      }
      if (due === undefined) break;
      const timer = this.#timers.get(due);
      this.#timers.delete(due);
      this.time = Math.max(this.time, at);
      timer?.ring();
    }
    this.time = until;
  }

  /** Puts itself in the place of the real clock until `run` has ended. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    const { setTimeout, clearTimeout } = globalThis;
    const set = (ring: () => void, ms = 0): number => {
      const id = this.#next++;
      this.#timers.set(id, { at: this.time + Math.max(1, ms), ring });
      return id;
    };
    const clear = (id: number): void => void this.#timers.delete(id);
    // The library asks for no more than this of a timer.
    globalThis.setTimeout = set as unknown as typeof setTimeout;
    globalThis.clearTimeout = clear as unknown as typeof clearTimeout;
    // The runtimes do not agree on whose property it is.
    const now = Object.getOwnPropertyDescriptor(performance, "now");
    Object.defineProperty(performance, "now", {
      value: () => this.time,
      configurable: true,
      writable: true,
    });
    try {
      return await run();
    } finally {
      globalThis.setTimeout = setTimeout;
      globalThis.clearTimeout = clearTimeout;
      delete (performance as { now?: unknown }).now;
      if (now !== undefined) Object.defineProperty(performance, "now", now);
    }
  }
}

/** Milliseconds by which the clock goes on at a time: as exact as it is read. */
export const STEP = 25;

/** Lets everything run that waits for no time to pass. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Lets time pass, and everything run that waits for it. */
export async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= STEP) {
    clock.advance(STEP);
    await turns(1);
  }
}

/** Lets `Math.random` be one and the same number until `run` has ended. */
export async function withChance<T>(
  chance: number,
  run: () => Promise<T>,
): Promise<T> {
  const { random } = Math;
  Math.random = () => chance;
  try {
    return await run();
  } finally {
    Math.random = random;
  }
}
