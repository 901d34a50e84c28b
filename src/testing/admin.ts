/**
 * The classic commands on the server: flush_all, version, slabs and their kin (protocol.txt, "Slabs Reassign" to "Other commands").
 *
 * @module
 */

import { readNoreply, type Words } from "./classic.ts";
import { clusterText } from "./cluster.ts";
import { BAD_FORMAT, type CommandContext } from "./context.ts";
import { formatDouble, readDouble, readInt32, readUint32 } from "./numbers.ts";
import { CHUNK_SIZES } from "./slabs.ts";
import { type WatchTopic, watchTopics } from "./watchers.ts";

const MEGABYTE = 1024 * 1024;
const MAX_VERBOSITY = 2;

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
    const [hotAge, warmAge] = values.slice(2).map(readDouble);
    if (
      hot === undefined || warm === undefined || hotAge === undefined ||
      warmAge === undefined
    ) return context.reply("ERROR");
    // The sum wraps at 2^32, as C's does.
    if ((hot + warm) >>> 0 > 80) {
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
      formatDouble(hotAge),
      formatDouble(warmAge),
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

/** `watch`: streams the log from here on. */
export function watch(context: CommandContext, words: Words): void {
  const { settings } = context.server;
  readNoreply(context, words);
  const known = watchTopics(settings.knows);
  const asked = words.slice(1);
  if (!asked.every((word) => known.has(word))) return context.reply("ERROR");
  const topics = new Set(asked.length === 0 ? ["fetchers"] : asked);
  const added = context.watch(topics as ReadonlySet<WatchTopic>);
  context.reply(
    added ? "OK" : "WATCHER_TOO_MANY log watcher limit reached",
  );
}
