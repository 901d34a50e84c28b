/**
 * One timer for the earliest of many deadlines.
 *
 * @module
 */

/** The monotonic clock that deadlines are told by, in milliseconds. */
export function now(): number {
  return performance.now();
}

/** Longest delay that a timer takes. */
const MAX_DELAY = 2_147_483_647;

/** Milliseconds from which on a timer is late: the event loop was held up. */
const LATE = 20;

/**
 * Calls back once the earliest deadline is reached; may call back early. Where
 * the event loop was held up, what has arrived meanwhile is read before: else
 * those would be told of a timeout whose replies are there.
 */
export class Alarm {
  readonly #ring: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  /** When the timer rings, unless it is late. */
  #due = 0;
  /** Whether it was late, and waits for what has arrived to be read. */
  #isLate = false;
  #last: ReturnType<typeof setImmediate> | undefined = undefined;
  #at = 0;
  #held = false;

  /** Makes an alarm that is not set. */
  constructor(ring: () => void) {
    this.#ring = () => {
      this.#timer = undefined;
      if (this.#isLate) {
        this.#isLate = false;
        // Behind what is read in this turn.
        this.#last = setImmediate(() => {
          this.#last = undefined;
          ring();
        });
      } else if (now() - this.#due < LATE) ring();
      else {
        this.#isLate = true;
        this.#start(1);
      }
    };
  }

  /** Sees to it that the alarm rings at `deadline` or before. */
  set(deadline: number, from: number): void {
    if (this.#timer !== undefined) {
      if (this.#at <= deadline) return;
      clearTimeout(this.#timer);
    }
    this.#at = deadline;
    const delay = Math.min(MAX_DELAY, Math.max(1, Math.ceil(deadline - from)));
    this.#isLate = false;
    this.#start(delay);
  }

  #start(delay: number): void {
    this.#due = now() + delay;
    this.#timer = setTimeout(this.#ring, delay);
    if (!this.#held) this.#ref();
  }

  /**
   * Keeps the process alive while the alarm is set, or lets it end, which is
   * the default: as a rule the connection keeps it alive, not the clock.
   */
  hold(alive: boolean): void {
    if (this.#held === alive) return;
    this.#held = alive;
    this.#ref();
  }

  #ref(): void {
    const timer = this.#timer;
    if (typeof timer !== "object") return;
    if (this.#held) timer.ref();
    else timer.unref();
  }

  /** Takes the alarm back. */
  clear(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isLate = false;
    if (this.#last !== undefined) clearImmediate(this.#last);
    this.#last = undefined;
  }
}
