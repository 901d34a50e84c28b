/**
 * What all connections together read in one turn of the event loop: while the
 * system has more at once, the runtimes read on and on, and nobody else runs.
 *
 * @module
 */

/** Milliseconds of reading after which others get their turn. */
const SHARE = 2;

let spent = 0;

/**
 * Counts the time since `start`, on the clock of `performance.now`, as spent on
 * reading.
 *
 * @returns Whether to read on in a later turn only: one that `setImmediate`
 * gives.
 */
export function readEnough(start: number): boolean {
  const before = spent;
  spent += performance.now() - start;
  if (spent < SHARE) return false;
  if (before < SHARE) setImmediate(() => spent = 0);
  return true;
}
