/**
 * How late this process is by its own doing, or the machine's: what a busy
 * event loop adds to a call is no fault of the client's.
 *
 * @module
 */

/** Milliseconds between two looks. */
const INTERVAL = 5;

/** What is late by less is the grain of timers. */
const GRAIN = 3;

/** Spans that are kept: no call lasts for longer. */
const KEPT = 2000;

/** Spans of time in which no timer of this process could ring. */
export class Lateness {
  #held: Array<readonly [from: number, to: number]> = [];
  #longest = 0;
  #due = performance.now() + INTERVAL;
  #timer: ReturnType<typeof setTimeout>;

  /** Starts to look, until `stop`. */
  constructor() {
    this.#timer = setTimeout(() => this.#look(), INTERVAL);
  }

  /** The longest time that no timer could ring. */
  get longest(): number {
    return this.#longest;
  }

  /** Milliseconds from `from` to `to` in which no timer could ring. */
  between(from: number, to: number): number {
    let sum = 0;
    const now = performance.now();
    if (now - this.#due > GRAIN) sum += overlap([this.#due, now], from, to);
    for (let i = this.#held.length - 1; i >= 0; i--) {
      if (this.#held[i][1] <= from) break;
      sum += overlap(this.#held[i], from, to);
    }
    return sum;
  }

  /** Looks no further. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#due > GRAIN) {
      this.#held.push([this.#due, now]);
      this.#longest = Math.max(this.#longest, now - this.#due);
      if (this.#held.length > 2 * KEPT) this.#held = this.#held.slice(-KEPT);
    }
    this.#due = now + INTERVAL;
    this.#timer = setTimeout(() => this.#look(), INTERVAL);
  }
}

function overlap(
  [begin, end]: readonly [number, number],
  from: number,
  to: number,
): number {
  return Math.max(0, Math.min(end, to) - Math.max(begin, from));
}
