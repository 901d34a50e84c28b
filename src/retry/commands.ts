/**
 * What is known of each command: where its options are, and whether it may be
 * carried out twice.
 *
 * @module
 */

import type { KeyCommands } from "../client/commands.ts";
import type { ServerCommands } from "../client/server_commands.ts";

/** The names of commands: methods that are attempted more than once. */
type CommandName =
  | Exclude<keyof KeyCommands, "disconnect" | "close">
  | Exclude<keyof ServerCommands, "quit">;

/** What is known of a command. */
export interface CommandRule {
  /** Which argument holds the options; -1 where there are none. */
  readonly options: number;
  /**
   * Whether a second time does no harm: the server is as it would be after one,
   * and so is the result, but for what others do meanwhile.
   */
  readonly repeatable: boolean;
}

const again = (options: number): CommandRule => ({ options, repeatable: true });
const once = (options: number): CommandRule => ({ options, repeatable: false });

/**
 * The commands. `quit` is not one of them: whatever keeps it from saying
 * goodbye, the connection is let go of.
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
  rawCommand: once(1),
  shutdown: once(0),
} satisfies Record<CommandName, CommandRule>;

/** The commands by the names of their methods. */
export const COMMAND_RULES: ReadonlyMap<PropertyKey, CommandRule> = new Map(
  Object.entries(COMMANDS),
);
