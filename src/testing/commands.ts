/**
 * The table of commands.
 *
 * @module
 */

import {
  cacheMemlimit,
  config,
  flushAll,
  lru,
  quit,
  shutdown,
  slabs,
  verbosity,
  version,
  watch,
} from "./admin.ts";
import {
  arithmetic,
  type Command,
  gat,
  get,
  remove,
  store,
  touch,
} from "./classic.ts";
import { lruCrawler } from "./crawler.ts";
import { metaDebug, metaGet, metaNoop } from "./meta_read.ts";
import { metaArithmetic, metaDelete, metaSet } from "./meta_write.ts";
import { stats } from "./stats.ts";
import type { Knowledge } from "./versions.ts";

/** A command and how many words its line may have, its name included. */
export interface CommandEntry {
  /** Fewest words. */
  readonly least: number;
  /** Most words. */
  readonly most: number;
  /** Carries the command out. */
  readonly run: Command;
  /** What a server must know to have it; absent for what all versions know. */
  readonly needs?: keyof Knowledge;
}

/** The commands that a data block may follow. */
export const STORAGE_COMMANDS: ReadonlySet<string> = new Set([
  "set",
  "add",
  "replace",
  "append",
  "prepend",
  "cas",
  "ms",
]);

/** The commands by name. */
export const COMMANDS: ReadonlyMap<string, CommandEntry> = new Map([
  ["get", entry(get(false), 2)],
  ["gets", entry(get(true), 2)],
  ["bget", entry(get(false), 2)],
  ["gat", entry(gat(false), 2, Infinity, "getAndTouch")],
  ["gats", entry(gat(true), 2, Infinity, "getAndTouch")],
  ["set", entry(store("set"), 5, 6)],
  ["add", entry(store("add"), 5, 6)],
  ["replace", entry(store("replace"), 5, 6)],
  ["append", entry(store("append"), 5, 6)],
  ["prepend", entry(store("prepend"), 5, 6)],
  ["cas", entry(store("cas"), 6, 7)],
  ["delete", entry(remove, 2, 4)],
  ["incr", entry(arithmetic(true), 3, 4)],
  ["decr", entry(arithmetic(false), 3, 4)],
  ["touch", entry(touch, 3, 4)],
  ["stats", entry(stats)],
  ["flush_all", entry(flushAll, 1, 3)],
  ["version", entry(version)],
  ["verbosity", entry(verbosity, 2, 3)],
  ["cache_memlimit", entry(cacheMemlimit, 2, 3)],
  ["quit", entry(quit)],
  ["shutdown", entry(shutdown)],
  ["slabs", entry(slabs)],
  ["lru", entry(lru)],
  ["lru_crawler", entry(lruCrawler)],
  ["watch", entry(watch)],
  ["config", entry(config)],
  [
    "refresh_certs",
    entry((context) => context.fail("Error TLS not enabled")),
  ],
  ["mn", entry(metaNoop, 1, Infinity, "meta")],
  ["mg", entry(metaGet, 2, Infinity, "meta")],
  ["ms", entry(metaSet, 2, Infinity, "meta")],
  ["md", entry(metaDelete, 2, Infinity, "meta")],
  ["ma", entry(metaArithmetic, 2, Infinity, "metaArithmetic")],
  ["me", entry(metaDebug, 1, Infinity, "meta")],
]);

function entry(
  run: Command,
  least = 1,
  most = Infinity,
  needs?: keyof Knowledge,
): CommandEntry {
  return { least, most, run, needs };
}
