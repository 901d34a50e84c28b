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

/** Calls back once the earliest deadline is reached; may call back early. */
export class Alarm {
  readonly #ring: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #at = 0;

  /** Makes an alarm that is not set. */
  constructor(ring: () => void) {
    this.#ring = () => {
      this.#timer = undefined;
      ring();
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
    const timer = setTimeout(this.#ring, delay);
    // What keeps the process alive is the connection, not the clock.
    if (typeof timer === "object") timer.unref();
    this.#timer = timer;
  }

  /** Takes the alarm back. */
  clear(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
