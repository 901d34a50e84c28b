/**
 * The classic commands on the server: flush_all, version, lru_crawler and
 * their kin (protocol.txt, "Slabs Reassign" to "Other commands").
 *
 * @module
 */

import { readNoreply, type Words } from "./classic.ts";
import { clusterText } from "./cluster.ts";
import { BAD_FORMAT, type CommandContext } from "./context.ts";
import { readInt32, readUint32 } from "./numbers.ts";
import { CHUNK_SIZES, slabClass } from "./slabs.ts";

const MEGABYTE = 1024 * 1024;
const LARGEST_CLASS = 63;
const MAX_VERBOSITY = 2;
const BAD_CLASS = "BADCLASS invalid class id";
const WATCHABLE: ReadonlySet<string> = new Set([
  "fetchers",
  "mutations",
  "evictions",
  "connevents",
  "proxyreqs",
  "proxyevents",
  "proxyuser",
]);

/** `flush_all`. */
export function flushAll(context: CommandContext, words: Words): void {
  const { store, counters, settings } = context.server;
  const silent = readNoreply(context, words);
  counters.add("cmd_flush");
  if (!settings.flush) {
    return context.reply("CLIENT_ERROR flush_all not allowed");
  }
  const delay = words.length === (silent ? 2 : 1) ? 0 : readInt32(words[1]);
  if (delay === undefined) {
    return context.reply("CLIENT_ERROR invalid exptime argument");
  }
  store.flush(delay);
  context.reply("OK");
}

/** `version`. */
export function version(context: CommandContext): void {
  context.reply(`VERSION ${context.server.settings.version}`);
}

/** `quit`. */
export function quit(context: CommandContext): void {
  context.close();
}

/** `verbosity`. */
export function verbosity(context: CommandContext, words: Words): void {
  readNoreply(context, words);
  const level = readUint32(words[1]);
  if (level === undefined) return context.reply(BAD_FORMAT);
  context.server.settings.verbosity = Math.min(level, MAX_VERBOSITY);
  context.reply("OK");
}

/** `cache_memlimit`. */
export function cacheMemlimit(context: CommandContext, words: Words): void {
  readNoreply(context, words);
  const megabytes = readUint32(words[1]);
  if (megabytes === undefined) return context.reply("ERROR");
  if (megabytes < 8) {
    return context.reply(
      "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
    );
  }
  if (megabytes > 1_000_000_000) {
    return context.reply(
      "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes",
    );
  }
  context.server.settings.memoryLimit = megabytes * MEGABYTE;
  context.server.store.trim();
  context.reply("OK");
}

/** `shutdown`. */
export function shutdown(context: CommandContext, words: Words): void {
  if (!context.server.settings.allowShutdown) {
    return context.reply("ERROR: shutdown not enabled");
  }
  if (words.length > 1 && !(words.length === 2 && words[1] === "graceful")) {
    return context.reply("CLIENT_ERROR invalid shutdown mode");
  }
  context.close();
  context.server.shutdown();
}

/** `slabs reassign` and `slabs automove`. */
export function slabs(context: CommandContext, words: Words): void {
  readNoreply(context, words);
  const [, what, first, second] = words;
  if (what === "reassign" && words.length === 4) {
    const source = readInt32(first);
    const target = readInt32(second);
    if (source === undefined || target === undefined) {
      return context.reply(BAD_FORMAT);
    }
    const known = (id: number) => id >= 0 && id <= CHUNK_SIZES.length;
    if (source === target) {
      return context.reply("SAME src and dst class are identical");
    }
    if (!known(source) || !known(target)) {
      return context.reply("BADCLASS invalid src or dst class id");
    }
    return context.reply("NOSPARE source class has no spare pages");
  }
  if (what === "automove" && words.length > 2) {
    const level = readUint32(first);
    if (level === undefined) return context.reply(BAD_FORMAT);
    if (level > 2) return context.reply("ERROR");
    context.server.settings.automove = level;
    return context.reply("OK");
  }
  context.fail("ERROR");
}

/** `lru tune`, `lru mode` and `lru temp_ttl`. */
export function lru(context: CommandContext, words: Words): void {
  const { settings } = context.server;
  readNoreply(context, words);
  const [, what, ...values] = words;
  if (what === "tune" && values.length >= 4) {
    const [hot, warm] = values.map(readUint32);
    const [hotAge, warmAge] = values.slice(2).map(Number);
    if (
      hot === undefined || warm === undefined || Number.isNaN(hotAge) ||
      Number.isNaN(warmAge)
    ) return context.reply("ERROR");
    if (hot + warm > 80) {
      return context.reply("ERROR hot and warm pcts must not exceed 80");
    }
    if (hotAge <= 0 || warmAge <= 0) {
      return context.reply(
        "ERROR hot/warm age factors must be greater than 0",
      );
    }
    settings.tune = [
      hot,
      warm,
      hotAge.toFixed(2),
      warmAge.toFixed(2),
    ];
    return context.reply("OK");
  }
  if (what === "mode" && (values[0] === "flat" || values[0] === "segmented")) {
    settings.segmented = values[0] === "segmented";
    return context.reply("OK");
  }
  const ttl = what === "temp_ttl" && values.length > 0
    ? readInt32(values[0])
    : undefined;
  if (ttl === undefined) return context.reply("ERROR");
  settings.tempTtlOn = ttl >= 0;
  if (ttl >= 0) settings.tempTtl = ttl;
  context.reply("OK");
}

/** `lru_crawler` and its subcommands. */
export function lruCrawler(context: CommandContext, words: Words): void {
  const { settings } = context.server;
  const [, what, value] = words;
  if (words.length === 2) {
    if (what === "enable" && settings.crawler) {
      return context.reply("ERROR failed to start lru crawler thread");
    }
    if (what !== "enable" && what !== "disable") return context.reply("ERROR");
    settings.crawler = what === "enable";
    return context.reply("OK");
  }
  if (words.length !== 3) return context.reply("ERROR");
  switch (what) {
    case "crawl":
      if (value === "hash") {
        return context.reply("ERROR an unknown error happened");
      }
      return context.reply(classes(value) === undefined ? BAD_CLASS : "OK");
    case "metadump":
      return metadump(context, value);
    case "sleep":
    case "tocrawl": {
      const number = readUint32(value);
      if (number === undefined) return context.reply(BAD_FORMAT);
      if (what === "tocrawl") {
        settings.crawlerItems = number;
        return context.reply("OK");
      }
      if (number > 1_000_000) {
        return context.reply("CLIENT_ERROR sleep must be one second or less");
      }
      settings.crawlerSleep = number;
      return context.reply("OK");
    }
    default:
      return context.reply("ERROR");
  }
}

/** `config get cluster`: known to servers of a cluster only. */
export function config(context: CommandContext, words: Words): void {
  const cluster = context.server.cluster();
  if (cluster === undefined || words.join(" ") !== "config get cluster") {
    return context.fail("ERROR");
  }
  const text = clusterText(cluster);
  context.out.text(
    `CONFIG cluster 0 ${text.length}\r\n${text}\r\nEND\r\n`,
  );
}

/** `watch`: accepts, and then says nothing more. */
export function watch(context: CommandContext, words: Words): void {
  if (!words.slice(1).every((word) => WATCHABLE.has(word))) {
    return context.reply("ERROR");
  }
  context.reply("OK");
  context.watch();
}

function classes(list: string): ReadonlySet<number> | "all" | undefined {
  if (list === "all") return "all";
  const ids = list.split(",").map(readUint32);
  const good = ids.every((id) =>
    id !== undefined && id >= 1 && id <= LARGEST_CLASS
  );
  return good ? new Set(ids.map(Number)) : undefined;
}

function metadump(context: CommandContext, list: string): void {
  const wanted = list === "hash" ? "all" : classes(list);
  if (wanted === undefined) return context.reply(BAD_CLASS);
  const { store, clock } = context.server;
  for (const item of store.list()) {
    const size = store.sizeOf(item);
    const id = slabClass(size);
    if (wanted !== "all" && !wanted.has(id)) continue;
    const key = item.key.replace(
      /[^A-Za-z0-9._~-]/g,
      (character) =>
        "%" + character.charCodeAt(0).toString(16).toUpperCase().padStart(
          2,
          "0",
        ),
    );
    const exp = item.exptime === 0 ? -1 : item.exptime + clock.origin;
    const fetched = item.fetched ? "yes" : "no";
    // These lines end with a bare LF, the last one with CRLF.
    context.out.text(
      `key=${key} exp=${exp} la=${item.accessedAt + clock.origin} ` +
        `cas=${item.cas} fetch=${fetched} cls=${id} size=${size}\n`,
    );
  }
  context.out.text("END\r\n");
}
