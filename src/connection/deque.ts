/**
 * A queue with cheap ends, in one array used as a ring.
 *
 * @module
 */

/** Capacity that an empty queue goes back to. */
const SMALL = 16;

/** First in, first out; grows by doubling, and shrinks when it runs empty. */
export class Deque<T> {
  #slots: Array<T | undefined> = new Array(SMALL).fill(undefined);
  #head = 0;
  #length = 0;

  /** How many are queued. */
  get length(): number {
    return this.#length;
  }

  /** Adds one behind the last. */
  push(item: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = item;
    this.#length++;
  }

  /** Adds one before the first. */
  unshift(item: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#slots.length - 1);
    this.#slots[this.#head] = item;
    this.#length++;
  }

  /** The first, which stays. */
  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  /** Takes the first. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    if (--this.#length === 0 && this.#slots.length > 1024) {
      this.#slots = new Array(SMALL).fill(undefined);
      this.#head = 0;
    }
    return item;
  }

  /** The one that `index` others stand before. */
  at(index: number): T {
    // The caller keeps the index below `length`, where every slot is filled.
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)] as T;
  }

  #grow(): void {
    const slots: Array<T | undefined> = new Array(this.#slots.length * 2)
      .fill(undefined);
    for (let i = 0; i < this.#length; i++) slots[i] = this.at(i);
    this.#slots = slots;
    this.#head = 0;
  }
}
