/**
 * A promise of something that happens once.
 *
 * @module
 */

/** A promise, and the means to settle it. */
export class Latch {
  /** Resolves when it has happened. */
  readonly promise: Promise<void>;
  /** Says that it has happened. */
  tell: () => void = () => {};

  /** Makes one that is not yet settled. */
  constructor() {
    this.promise = new Promise((resolve) => this.tell = resolve);
  }
}
