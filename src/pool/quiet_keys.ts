/**
 * Keys that were changed without asking for a reply: who reads one of them has
 * to go the same way, until the server is known to have made the change.
 *
 * @module
 */

import type { Request } from "../connection/request.ts";
import type { Seat } from "./seat.ts";

/** Most keys that are remembered one by one. */
const MAX_KEYS = 1024;

/** A set of keys that becomes the set of all keys when it is too large. */
class Keys {
  #some: Set<string> | undefined = new Set();

  add(key: string | undefined): void {
    const some = this.#some;
    if (key === undefined || (some !== undefined && some.size >= MAX_KEYS)) {
      this.#some = undefined;
    } else some?.add(key);
  }

  has(key: string): boolean {
    return this.#some === undefined || this.#some.has(key);
  }

  get empty(): boolean {
    return this.#some?.size === 0;
  }
}

/**
 * The keys of commands without reply that went by one connection.
 *
 * States: open keys only → sealed ones too, with a mark behind them → the
 * server has come to the mark: they are forgotten.
 */
export class QuietKeys {
  /** The connection. */
  readonly seat: Seat;
  #open: Keys = new Keys();
  #sealed: Keys | undefined = undefined;
  #isDone: () => boolean = () => false;

  /** Takes the connection by which all of them go. */
  constructor(seat: Seat) {
    this.seat = seat;
    seat.quiet = true;
  }

  /** Notes what a command without reply changes. */
  add(request: Request): void {
    this.#open.add(request.key);
  }

  /**
   * Whether a request has to go by the same connection. Those that name no key
   * may have to do with any.
   */
  holds(request: Request): boolean {
    if (request.noreply) return true;
    const { key } = request;
    return key === undefined || this.#open.has(key) ||
      this.#sealed?.has(key) === true;
  }

  /** Forgets what is done; tells whether that is all. */
  forget(): boolean {
    if (this.#sealed !== undefined) {
      if (!this.#isDone()) return false;
      this.#sealed = undefined;
    }
    if (this.#open.empty) {
      this.seat.quiet = false;
      return true;
    }
    const mark = this.seat.mark();
    if (mark === undefined) return false;
    this.#isDone = mark;
    this.#sealed = this.#open;
    this.#open = new Keys();
    return false;
  }
}
