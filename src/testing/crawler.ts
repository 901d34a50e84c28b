/**
 * The command `lru_crawler` and the dumps that it writes (protocol.txt,
 * "LRU_Crawler").
 *
 * @module
 */

import { encodeBase64 } from "./base64.ts";
import type { Words } from "./classic.ts";
import {
  BAD_FORMAT,
  type CommandContext,
  type ServerState,
} from "./context.ts";
import type { StoredItem } from "./item.ts";
import { encodeUri } from "./latin1.ts";
import { readUint32 } from "./numbers.ts";
import { slabClass } from "./slabs.ts";

const LARGEST_CLASS = 63;
const MAX_SLEEP = 1_000_000;
const BAD_CLASS = "BADCLASS invalid class id";
const BUSY = "BUSY currently processing crawler request";
const NOTHING = "NOTSTARTED no items to crawl";
const DISABLED = "CLIENT_ERROR lru crawler disabled";
/** A dump is written in pieces of so many items. */
const ITEMS_PER_PIECE = 64;

/** The line for an item, and the line behind them all. */
interface DumpForm {
  line(item: StoredItem, size: number, server: ServerState): string;
  readonly end: string;
}

// The lines of metadump end with a bare LF, the last one with CRLF.
const METADUMP: DumpForm = {
  line: (item, size, { clock }) =>
    `key=${encodeUri(item.key)} ` +
    `exp=${item.exptime === 0 ? -1 : item.exptime + clock.origin} ` +
    `la=${item.accessedAt + clock.origin} cas=${item.cas} ` +
    `fetch=${item.fetched ? "yes" : "no"} cls=${slabClass(size)} ` +
    `size=${size}\n`,
  end: "END\r\n",
};

// As memcached 1.6.19 and later: commands that fetch what there is.
const MGDUMP: DumpForm = {
  line: ({ key, binaryKey }) =>
    binaryKey ? `mg ${encodeBase64(key)} b\r\n` : `mg ${key}\r\n`,
  end: "EN\r\n",
};

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
      return crawl(context, value);
    case "metadump":
      return dump(context, value, METADUMP, what);
    case "mgdump":
      if (!settings.knows.mgdump) return context.reply("ERROR");
      return dump(context, value, MGDUMP, what);
    case "sleep":
    case "tocrawl": {
      const number = readUint32(value);
      if (number === undefined) return context.reply(BAD_FORMAT);
      if (what === "tocrawl") {
        settings.crawlerItems = number;
        return context.reply("OK");
      }
      if (number > MAX_SLEEP) {
        return context.reply("CLIENT_ERROR sleep must be one second or less");
      }
      settings.crawlerSleep = number;
      return context.reply("OK");
    }
    default:
      return context.reply("ERROR");
  }
}

function crawl(context: CommandContext, list: string): void {
  const { settings, store } = context.server;
  if (!settings.crawler) return context.reply(DISABLED);
  if (settings.dumping) return context.reply(BUSY);
  if (list === "hash" && settings.knows.dumpByHash) {
    return context.reply("ERROR an unknown error happened");
  }
  const wanted = classes(list);
  if (wanted === undefined) return context.reply(BAD_CLASS);
  if (wanted !== "all" && wanted.size === 0) return context.reply(NOTHING);
  store.purge();
  context.reply("OK");
}

function dump(
  context: CommandContext,
  list: string,
  form: DumpForm,
  name: string,
): void {
  const { server } = context;
  const { settings } = server;
  if (!settings.crawler) return context.reply(DISABLED);
  if (context.pipelined) {
    return context.reply(
      `ERROR cannot pipeline other commands before ${name}`,
    );
  }
  const byHash = list === "hash" && settings.knows.dumpByHash;
  const wanted = byHash ? "all" : classes(list);
  if (wanted === undefined) return context.reply(BAD_CLASS);
  if (wanted !== "all" && wanted.size === 0) return context.reply(NOTHING);
  if (settings.dumping) return context.reply(BUSY);
  settings.dumping = true;
  context.stream(pieces(server, wanted, form));
}

/** The slab classes of a list such as `1,2`; `undefined` if it is bad. */
function classes(list: string): ReadonlySet<number> | "all" | undefined {
  if (list === "all") return "all";
  const ids = list.split(",").filter((id) => id !== "").map(readUint32);
  const good = ids.every((id) =>
    id !== undefined && id >= 1 && id <= LARGEST_CLASS
  );
  return good ? new Set(ids.map(Number)) : undefined;
}

/** What is there when the dump starts, without what goes before its turn. */
function* pieces(
  server: ServerState,
  wanted: ReadonlySet<number> | "all",
  form: DumpForm,
): Generator<string, void> {
  const { store, settings } = server;
  try {
    const items = store.list();
    for (let from = 0; from < items.length; from += ITEMS_PER_PIECE) {
      let piece = "";
      for (const item of items.slice(from, from + ITEMS_PER_PIECE)) {
        const size = store.sizeOf(item);
        if (wanted !== "all" && !wanted.has(slabClass(size))) continue;
        if (store.holds(item)) piece += form.line(item, size, server);
      }
      if (piece !== "") yield piece;
    }
    yield form.end;
  } finally {
    settings.dumping = false;
  }
}
