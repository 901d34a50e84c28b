/**
 * What a namespace has to know of each command: where its options are, what is
 * looked at more than once, and what a miss is.
 *
 * @module
 */

import { MemcacheError, MemcacheIllegalInputError } from "../../errors.ts";
import type { GetOptions, KeyCommands } from "../commands.ts";
import type { MetaCommands } from "../meta_commands.ts";

/** What is known of a command. */
export interface Rule {
  /** Which argument holds the options. */
  readonly options: number;
  /**
   * For reads: what a failure resolves to with `errorsAsMisses`, given the
   * options and the failure.
   */
  readonly missed?:
    | ((options: GetOptions | undefined, error: unknown) => unknown)
    | undefined;
  /** Whether the first argument is a list, which may be read only once. */
  readonly isMany?: boolean;
  /** Whether the list may also be an object of keys and values. */
  readonly hasEntries?: boolean;
  /** The keys of such a list: they all fail where the version does. */
  readonly keys?: (list: unknown) => string[];
  /**
   * Which argument is a function of the caller's that must not be called for a
   * version that is no more.
   */
  readonly callback?: number;
  /** Whether that function makes what is asked for, with nothing from servers. */
  readonly loads?: boolean;
}

/** What `missed` is where a miss is `undefined`. */
const nothing = (): undefined => undefined;

/** The hits that had arrived before a failure. */
const hits = (_options: unknown, error: unknown): unknown =>
  (error instanceof MemcacheError ? error.values : undefined) ?? new Map();

const change = (options: number): Rule => ({ options });
const read = (options: number, missed: Rule["missed"] = nothing): Rule => ({
  options,
  missed,
});
const many = (missed?: Rule["missed"], keys?: Rule["keys"]): Rule => ({
  options: 1,
  isMany: true,
  missed,
  keys,
});

/** The stored part of a key. */
function nameOf(key: unknown): string {
  // Calls whose keys are none have been refused.
  return (Array.isArray(key) ? key[1] : key) as string;
}

const listed = (list: unknown): string[] => (list as unknown[]).map(nameOf);
const paired = (list: unknown): string[] =>
  (list as Array<[unknown, unknown]>).map(([key]) => nameOf(key));

/** The commands whose results depend on the version. */
const RULES = {
  get: read(1, (options) => options?.default),
  getItem: read(1),
  getMany: many(hits, listed),
  gets: read(1),
  getsMany: many(hits, listed),
  gat: read(2, (options) => options?.default),
  gats: read(2),
  has: read(1, () => false),
  set: change(2),
  add: change(2),
  replace: change(2),
  append: change(2),
  prepend: change(2),
  cas: change(3),
  setMany: { ...many(undefined, paired), hasEntries: true },
  delete: change(1),
  deleteMany: many(undefined, listed),
  incr: change(2),
  decr: change(2),
  touch: change(2),
  ttl: read(1),
  size: read(1),
  peek: read(1, (options) => options?.default),
  take: change(1),
  getAndTouch: read(2, (options) => options?.default),
  invalidate: change(1),
  update: { options: 2, callback: 1 },
  getOrSet: { options: 2, callback: 1, loads: true },
} satisfies Record<Exclude<keyof KeyCommands, NotVersioned>, Rule>;

/** What a namespace has of its own. */
type NotVersioned =
  | "keys"
  | "meta"
  | "metrics"
  | "explain"
  | "namespace"
  | "disconnect"
  | "close"
  | "flush";

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
 * A list as it can be read twice: a command may have to be done again. What is
 * none stays as it is, for the command to refuse it.
 *
 * @throws Whatever the list throws when it is read.
 */
export function kept(list: unknown, { hasEntries }: Rule): unknown {
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
  return hasEntries ? Object.entries(list) : list;
}
