/**
 * Time that stands still until a test moves it: for code whose timers are all
 * its own, since sockets go by the real one.
 *
 * @module
 */
import { setImmediate } from "node:timers";

interface Timer {
  readonly at: number;
  readonly ring: () => void;
}

/** `setTimeout`, `clearTimeout` and `performance.now` by hand. */
export class FakeTime {
  /** Milliseconds since the start. */
  now = 0;
  readonly #timers = new Set<Timer>();

  /** Runs a test in such a time; fails if it leaves a timer behind. */
  static async with(run: (time: FakeTime) => Promise<void>): Promise<void> {
    const time = new FakeTime();
    const { setTimeout, clearTimeout } = globalThis;
    const clock = Object.getOwnPropertyDescriptor(performance, "now");
    const fakes = {
      setTimeout: (ring: () => void, delay = 0) => time.#set(ring, delay),
      clearTimeout: (timer: unknown) => {
        // Whatever else it may be is not among them.
        time.#timers.delete(timer as Timer);
      },
    };
    Object.assign(globalThis, fakes);
    Object.defineProperty(performance, "now", {
      value: () => time.now,
      configurable: true,
      writable: true,
    });
    try {
      await run(time);
      if (time.timers > 0) throw new Error(`${time.timers} timers are left`);
    } finally {
      Object.assign(globalThis, { setTimeout, clearTimeout });
      if (clock === undefined) Reflect.deleteProperty(performance, "now");
      else Object.defineProperty(performance, "now", clock);
    }
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer, if there is one. */
  get next(): number | undefined {
    const [first] = this.#inOrder();
    return first === undefined ? undefined : first.at - this.now;
  }

  /** Lets everything happen that waits for no timer. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
  }

  /** Lets time go by, and what is due happen on the way. */
  async tick(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.settle();
    for (;;) {
      const [first] = this.#inOrder();
      if (first === undefined || first.at > end) break;
      this.now = Math.max(this.now, first.at);
      this.#timers.delete(first);
      first.ring();
      await this.settle();
    }
    this.now = end;
    await this.settle();
  }

  #inOrder(): Timer[] {
    return [...this.#timers].sort((a, b) => a.at - b.at);
  }

  #set(ring: () => void, delay: number): Timer {
    const timer = {
      at: this.now + Math.max(0, delay),
      ring,
      ref: () => timer,
      unref: () => timer,
    };
    this.#timers.add(timer);
    return timer;
  }
}
