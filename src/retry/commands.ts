/**
 * What is known of each command: where its options are, and whether it may be
 * carried out twice.
 *
 * @module
 */

import type { Namespace } from "../client/commands.ts";
import type {
  MetaCommands,
  MetaDeleteOptions,
  MetaGetOptions,
  MetaSetOptions,
} from "../client/meta_commands.ts";
import type { ServerCommands } from "../client/server_commands.ts";

/** The names of commands: methods that are attempted more than once. */
type CommandName =
  | Exclude<
    keyof Namespace,
    | "keys"
    | "meta"
    | "namespace"
    | "prefix"
    | "disconnect"
    | "close"
    | "metrics"
    | "explain"
  >
  | Exclude<keyof ServerCommands, "quit" | "watch">;

/** What is known of a command. */
export interface CommandRule {
  /** Which argument holds the options; -1 where there are none. */
  readonly options: number;
  /**
   * Whether a second time does no harm: the server is as it would be after one,
   * and so is the result, but for what others do meanwhile.
   *
   * @param args What the method was called with.
   */
  readonly repeatable: (args: readonly unknown[]) => boolean;
}

const again = (options: number): CommandRule => ({
  options,
  repeatable: () => true,
});
const once = (options: number): CommandRule => ({
  options,
  repeatable: () => false,
});

/**
 * The commands. `quit` is not one of them: whatever keeps it from saying
 * goodbye, the connection is let go of. Nor are feeds: what has been read of one
 * cannot be unread.
 */
const COMMANDS = {
  get: again(1),
  getItem: again(1),
  getMany: again(1),
  gets: again(1),
  getsMany: again(1),
  gat: again(2),
  gats: again(2),
  has: again(1),
  set: again(2),
  add: once(2),
  replace: again(2),
  append: once(2),
  prepend: once(2),
  cas: once(3),
  setMany: again(1),
  delete: again(1),
  deleteMany: again(1),
  incr: once(2),
  decr: once(2),
  touch: again(2),
  // A second one would wait for nothing, and hide what the first has met.
  flush: once(0),
  ttl: again(1),
  size: again(1),
  peek: again(1),
  take: once(1),
  getAndTouch: again(2),
  invalidate: again(1),
  update: once(2),
  getOrSet: again(2),
  invalidateAll: again(0),
  stats: again(-1),
  statsSettings: again(0),
  statsItems: again(0),
  statsSlabs: again(0),
  statsSizes: again(0),
  statsConns: again(0),
  version: again(0),
  flushAll: again(0),
  verbosity: again(1),
  cacheMemlimit: again(1),
  lruTune: again(1),
  lruMode: again(1),
  lruTempTtl: again(1),
  lruCrawlerEnable: again(0),
  lruCrawlerDisable: again(0),
  lruCrawlerSleep: again(1),
  lruCrawlerToCrawl: again(1),
  lruCrawlerCrawl: again(1),
  slabsReassign: once(2),
  slabsAutomove: again(1),
  rawCommand: once(1),
  shutdown: once(0),
} satisfies Record<CommandName, CommandRule>;

/** The commands by the names of their methods. */
export const COMMAND_RULES: ReadonlyMap<PropertyKey, CommandRule> = new Map(
  Object.entries(COMMANDS),
);

/** A command whose flags say whether it may be carried out twice. */
function unless<F>(
  options: number,
  isOnce: (flags: F) => boolean,
): CommandRule {
  return {
    options,
    // The client refuses what is no object of flags.
    repeatable: (args) => !isOnce((args[options] ?? {}) as F),
  };
}

/**
 * Whether a second time may be answered in another way: "you are the one" is
 * said once, and what has been expired is read once.
 */
function isToldOnce({ vivify, recache, touch }: MetaGetOptions): boolean {
  if (vivify !== undefined || recache !== undefined) return true;
  return touch instanceof Date
    ? touch.getTime() <= Date.now()
    : touch !== undefined && touch < 0;
}

/** The flags of one entry of many. */
function ownFlags(entry: unknown): unknown {
  return Array.isArray(entry) ? entry[1] : undefined;
}

const META_COMMANDS = {
  get: unless(1, isToldOnce),
  getMany: {
    options: 1,
    repeatable: ([entries, flags]) =>
      // It has been made an array of what the client takes or refuses.
      [flags, ...(Array.isArray(entries) ? entries.map(ownFlags) : [])]
        .every((one) => !isToldOnce((one ?? {}) as MetaGetOptions)),
  },
  set: unless(
    2,
    ({ mode = "set", compareCas }: MetaSetOptions) =>
      compareCas !== undefined || mode !== "set" && mode !== "replace",
  ),
  delete: unless(
    1,
    ({ compareCas, invalidate }: MetaDeleteOptions) =>
      compareCas !== undefined || invalidate === true,
  ),
  arithmetic: once(1),
  debug: again(1),
  noop: again(0),
} satisfies Record<keyof MetaCommands, CommandRule>;

/** The meta commands by the names of their methods. */
export const META_RULES: ReadonlyMap<PropertyKey, CommandRule> = new Map(
  Object.entries(META_COMMANDS),
);
