/**
 * One listener for each signal, however many calls share it: a runtime warns of
 * a leak where one signal has many.
 *
 * @module
 */

/** What can be given up. */
export interface Abortable {
  /** Gives up, for this reason. */
  abort(reason: unknown): void;
}

/** Those who wait for one signal. */
class Group {
  readonly #signal: AbortSignal;
  readonly #members: Set<Abortable> = new Set();
  readonly #listener = (): void => {
    for (const member of [...this.#members]) member.abort(this.#signal.reason);
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(member: Abortable): void {
    if (this.#members.size === 0) {
      this.#signal.addEventListener("abort", this.#listener);
    }
    this.#members.add(member);
  }

  delete(member: Abortable): void {
    if (!this.#members.delete(member) || this.#members.size > 0) return;
    this.#signal.removeEventListener("abort", this.#listener);
  }
}

const groups: WeakMap<AbortSignal, Group> = new WeakMap();

/** Sees to it that the member is aborted with the signal. */
export function listen(signal: AbortSignal, member: Abortable): void {
  let group = groups.get(signal);
  if (group === undefined) {
    group = new Group(signal);
    groups.set(signal, group);
  }
  group.add(member);
}

/** Lets the member go. */
export function unlisten(signal: AbortSignal, member: Abortable): void {
  groups.get(signal)?.delete(member);
}
