/**
 * What all connections together send in one turn of the event loop: a share,
 * so that a long queue holds nobody else up.
 *
 * @module
 */

import { now } from "./alarm.ts";

/** Milliseconds of sending after which others get their turn. */
const SHARE = 3;

/**
 * So many that wait are sent in a turn of their own: a transport may be ready
 * for one write after another without ever giving others their turn.
 */
export const CROWD = 128;

let queue: Array<() => void> = [];
let endsAt = 0;

/** Does some work in the next turn, or in a later one if many have some. */
export function soon(work: () => void): void {
  if (queue.push(work) === 1) setImmediate(run);
}

/** Whether this turn's share has been used, or belongs to nobody. */
export function turnIsOver(): boolean {
  return now() >= endsAt;
}

function run(): void {
  const due = queue;
  queue = [];
  endsAt = now() + SHARE;
  let next = 0;
  try {
    do due[next++](); while (next < due.length && !turnIsOver());
  } finally {
    // Those who have waited longest come first in the next turn.
    if (next < due.length) {
      const newcomers = queue;
      queue = due.slice(next).concat(newcomers);
      if (newcomers.length === 0) setImmediate(run);
    }
  }
}
