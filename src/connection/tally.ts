/**
 * Hits and misses, as the replies of servers tell them: whatever becomes of the
 * values, and whoever waits for them.
 *
 * @module
 */

import type { CommandStats } from "../telemetry/server_stats.ts";
import {
  DELETED,
  EN,
  END,
  HD,
  ME,
  NF,
  NOT_FOUND,
  NUMBER,
  STORED,
  TOUCHED,
  VA,
  VALUE,
} from "../wire/reply.ts";

/** What a reply says of items. */
const NOTHING = 0;
const HIT = 1;
const MISS = 2;
/** Those of the keys on the line that have not been told are not there. */
const REST = 3;
/** There was one, unless the command needs none. */
const DONE = 4;

const MEANINGS = new Uint8Array(32);
for (const kind of [VALUE, VA, ME, DELETED, TOUCHED, NUMBER]) {
  MEANINGS[kind] = HIT;
}
for (const kind of [HD, STORED]) MEANINGS[kind] = DONE;
for (const kind of [EN, NF, NOT_FOUND]) MEANINGS[kind] = MISS;
MEANINGS[END] = REST;

/** Whether a reply says anything of items. */
export function tells(kind: number): boolean {
  return MEANINGS[kind] !== NOTHING;
}

/**
 * Counts what a reply to a command says of items. What is stored is neither a
 * hit nor a miss, but for `cas`, which needs an item.
 *
 * @param stats Where.
 * @param kind Of the reply.
 * @param stores Whether the command carries a value.
 * @param unanswered How many of its keys no item has come for.
 */
export function tally(
  stats: CommandStats,
  kind: number,
  stores: boolean,
  unanswered: number,
): void {
  const meaning = MEANINGS[kind];
  if (meaning === HIT) stats.hits++;
  else if (meaning === REST) stats.misses += unanswered;
  else if (stores && stats.command !== "cas") return;
  else if (meaning === DONE) stats.hits++;
  else if (meaning === MISS) stats.misses++;
}
