/**
 * The command `stats` and its subcommands (protocol.txt, "Statistics").
 *
 * @module
 */

import type { Words } from "./classic.ts";
import type { CommandContext } from "./context.ts";
import { readUint64 } from "./numbers.ts";
import { slabClass } from "./slabs.ts";
import {
  connectionRows,
  generalRows,
  itemRows,
  type Row,
  settingRows,
  sizeRows,
  slabRows,
} from "./stats_rows.ts";

const LARGEST_CLASS = 63;
const DETAIL_USAGE = "CLIENT_ERROR usage: stats detail on|off|dump";

/** `stats` with any arguments. */
export function stats(context: CommandContext, words: Words): void {
  const { server } = context;
  const { counters, settings } = server;
  switch (words[1]) {
    case undefined:
      return report(context, generalRows(server));
    case "reset":
      counters.reset();
      return context.reply("RESET");
    case "settings":
      return report(context, settingRows(server));
    case "items":
      return report(context, itemRows(server));
    case "slabs":
      return report(context, slabRows(server));
    case "conns":
      return report(context, connectionRows(server));
    case "extstore":
      return report(context, []);
    case "sizes":
      return report(context, sizeRows(server));
    // These two answer without END.
    case "sizes_enable":
      if (settings.sizesFrom < 0n) settings.sizesFrom = server.store.lastCas;
      return context.reply("STAT sizes_status enabled");
    case "sizes_disable":
      settings.sizesFrom = -1n;
      return context.reply("STAT sizes_status disabled");
    case "detail":
      return detail(context, words[2]);
    case "cachedump":
      return cachedump(context, words);
    default:
      return context.reply("ERROR");
  }
}

function report(context: CommandContext, rows: readonly Row[]): void {
  for (const [name, value] of rows) {
    context.out.text(`STAT ${name} ${value}\r\n`);
  }
  context.out.text("END\r\n");
}

function detail(context: CommandContext, what: string | undefined): void {
  const { counters } = context.server;
  if (what === "on" || what === "off") {
    counters.detail = what === "on";
    return context.reply("OK");
  }
  if (what !== "dump") return context.reply(DETAIL_USAGE);
  for (const [prefix, { get, hit, set, del }] of counters.prefixes) {
    context.out.text(
      `PREFIX ${prefix} get ${get} hit ${hit} set ${set} del ${del}\r\n`,
    );
  }
  context.out.text("END\r\n");
}

function cachedump(context: CommandContext, words: Words): void {
  if (words.length < 4) return context.reply("CLIENT_ERROR bad command line");
  const id = readUint64(words[2]);
  const limit = readUint64(words[3]);
  if (id === undefined || limit === undefined) {
    return context.reply("CLIENT_ERROR bad command line format");
  }
  if (id > LARGEST_CLASS) {
    return context.reply("CLIENT_ERROR Illegal slab id");
  }
  const { store, clock } = context.server;
  const items = store.list().filter((item) =>
    !item.binaryKey && slabClass(store.sizeOf(item)) === Number(id)
  );
  const end = limit === 0n ? items.length : Number(limit);
  for (const { key, data, exptime } of items.slice(0, end)) {
    const time = exptime === 0 ? 0 : exptime + clock.origin;
    context.out.text(`ITEM ${key} [${data.length} b; ${time} s]\r\n`);
  }
  context.out.text("END\r\n");
}
