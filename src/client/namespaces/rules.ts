/**
 * What a namespace has to know of each command: where its options are, what is
 * looked at more than once, and what a miss is.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../../errors.ts";
import type { GetOptions, KeyCommands } from "../commands.ts";
import type { MetaCommands } from "../meta_commands.ts";

/** What is known of a command. */
export interface Rule {
  /** Which argument holds the options. */
  readonly options: number;
  /** For reads: what a miss resolves to, given the options. */
  readonly missed?: ((options: GetOptions | undefined) => unknown) | undefined;
  /** Whether the first argument is a list, which may be read only once. */
  readonly isMany?: boolean;
  /**
   * Which argument is a function of the caller's that must not be called for a
   * version that is no more.
   */
  readonly callback?: number;
}

/** What `missed` is where a miss is `undefined`. */
const nothing = (): undefined => undefined;

const change = (options: number): Rule => ({ options });
const read = (options: number, missed: Rule["missed"] = nothing): Rule => ({
  options,
  missed,
});
const many = (missed?: Rule["missed"]): Rule => ({
  options: 1,
  isMany: true,
  missed,
});

/** The commands whose results depend on the version. */
const RULES = {
  get: read(1, (options) => options?.default),
  getItem: read(1),
  getMany: many(() => new Map()),
  gets: read(1),
  getsMany: many(() => new Map()),
  gat: read(2, (options) => options?.default),
  gats: read(2),
  has: read(1, () => false),
  set: change(2),
  add: change(2),
  replace: change(2),
  append: change(2),
  prepend: change(2),
  cas: change(3),
  setMany: many(),
  delete: change(1),
  deleteMany: many(),
  incr: change(2),
  decr: change(2),
  touch: change(2),
  getOrSet: { options: 2, callback: 1 },
} satisfies Record<Exclude<keyof KeyCommands, NotVersioned>, Rule>;

/** What a namespace has of its own. */
type NotVersioned = "meta" | "namespace" | "disconnect" | "close";

/** The meta commands whose results depend on the version. */
const META = {
  get: change(1),
  getMany: many(),
  set: change(2),
  delete: change(1),
  arithmetic: change(1),
  debug: change(1),
} satisfies Record<Exclude<keyof MetaCommands, "noop">, Rule>;

/** The rules by the names of the methods. */
export const COMMAND_RULES: Readonly<Record<string, Rule>> = RULES;

/** The same for the methods of `meta`. */
export const META_RULES: Readonly<Record<string, Rule>> = META;

/**
 * A list as it can be read twice: a command may have to be done again.
 *
 * @throws Whatever the list throws when it is read.
 */
export function kept(list: unknown): unknown {
  if (typeof list !== "object" || list === null) return list;
  if (Symbol.iterator in list) {
    if (typeof list[Symbol.iterator] !== "function") {
      throw new MemcacheIllegalInputError(
        "Cannot send keys: they are not iterable, give an array or a set of keys",
        { sent: false },
      );
    }
    // What its members are is checked by the command.
    return [...list as Iterable<unknown>];
  }
  return Object.entries(list);
}
