/**
 * The classic commands on items: get, set and their kin (protocol.txt,
 * "Storage commands" to "Touch").
 *
 * @module
 */

import {
  BAD_CHUNK,
  BAD_FORMAT,
  type CommandContext,
  MAX_DATA_LENGTH,
  MAX_KEY_LENGTH,
  NON_NUMERIC,
  TOO_LARGE,
} from "./context.ts";
import { newItem, type StoredItem } from "./item.ts";
import { readInt32, readUint32, readUint64 } from "./numbers.ts";
import type { Refusal, StoreMode, StoreStatus } from "./store.ts";
import type { LogStatus } from "./watchers.ts";

/** Words of a command line, the command first. */
export type Words = readonly string[];

/** A command: `words` as they came, and how many of them count. */
export type Command = (context: CommandContext, words: Words) => void;

const STATUS_LINES: Readonly<Record<StoreStatus, string>> = {
  stored: "STORED",
  notStored: "NOT_STORED",
  exists: "EXISTS",
  notFound: "NOT_FOUND",
};
/** What the log calls a store that the limits refused. */
export const REFUSALS: Readonly<Record<Refusal, LogStatus>> = {
  tooLarge: "too_large",
  noMemory: "no_memory",
};
const BAD_EXPTIME = "CLIENT_ERROR invalid exptime argument";
const BAD_DELETE =
  "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";

/** `get` and `gets`. */
export function get(withCas: boolean): Command {
  return (context, words) => fetchAll(context, words.slice(1), withCas);
}

/** `gat` and `gats`. */
export function gat(withCas: boolean): Command {
  return (context, words) => {
    const exptime = readInt32(words[1]);
    if (exptime === undefined) return context.reply(BAD_EXPTIME);
    fetchAll(context, words.slice(2), withCas, exptime);
  };
}

/** `set`, `add`, `replace`, `append`, `prepend` and `cas`. */
export function store(mode: StoreMode): Command {
  return (context, words) => {
    const { server: { store, counters, clock, watchers } } = context;
    readNoreply(context, words);
    const [, key] = words;
    const flags = readUint32(words[2]);
    const exptime = readInt32(words[3]);
    const length = readInt32(words[4]);
    const expected = mode === "cas" ? readUint64(words[5]) : 0n;
    if (
      key.length > MAX_KEY_LENGTH || flags === undefined ||
      exptime === undefined || length === undefined || length < 0 ||
      length > MAX_DATA_LENGTH || expected === undefined
    ) return context.reply(BAD_FORMAT);
    counters.addPrefix(key, "set");
    const refusal = store.refusal(key.length, length, flags);
    if (refusal !== undefined) {
      countRefusal(context, refusal);
      watchers.itemRefused(key, REFUSALS[refusal], mode);
      // No old value may outlive a set that failed.
      const old = mode === "set" ? store.peek(key) : undefined;
      if (old !== undefined) store.unlink(old);
      return context.skipData(length, () =>
        context.reply(
          refusal === "tooLarge"
            ? TOO_LARGE
            : "SERVER_ERROR out of memory storing object",
        ));
    }
    const deadline = clock.deadline(exptime);
    context.readData(length, (data) => {
      counters.add("cmd_set");
      if (data === undefined) return context.reply(BAD_CHUNK);
      const item = newItem(key, data, flags, deadline);
      const { status } = store.put(mode, item, { expected });
      if (mode === "cas") countCas(context, status);
      context.reply(STATUS_LINES[status]);
    });
  };
}

/** `delete`. */
export function remove(context: CommandContext, words: Words): void {
  const { server: { store, counters, watchers } } = context;
  const [, key, ...rest] = words;
  if (rest.length > 0) {
    const zero = rest[0] === "0";
    const silent = readNoreply(context, words);
    const valid = rest.length === 1 ? zero || silent : zero && silent;
    if (!valid) return context.reply(BAD_DELETE);
  }
  if (key.length > MAX_KEY_LENGTH) return context.reply(BAD_FORMAT);
  counters.addPrefix(key, "del");
  const item = store.peek(key);
  counters.add(item === undefined ? "delete_misses" : "delete_hits");
  if (item === undefined) return context.reply("NOT_FOUND");
  watchers.deleted(item, "delete");
  store.unlink(item);
  context.reply("DELETED");
}

/** `incr` and `decr`. */
export function arithmetic(add: boolean): Command {
  return (context, words) => {
    const { server: { store, counters } } = context;
    readNoreply(context, words);
    const [, key, amount] = words;
    if (key.length > MAX_KEY_LENGTH) return context.reply(BAD_FORMAT);
    const delta = readUint64(amount);
    if (delta === undefined) {
      return context.reply("CLIENT_ERROR invalid numeric delta argument");
    }
    const result = store.delta(key, add, delta);
    switch (result.status) {
      case "ok":
        return context.reply(result.value.toString());
      case "notFound":
        counters.add(add ? "incr_misses" : "decr_misses");
        return context.reply("NOT_FOUND");
      case "nonNumeric":
        return context.reply(NON_NUMERIC);
      default:
        return context.reply("SERVER_ERROR out of memory");
    }
  };
}

/** `touch`. */
export function touch(context: CommandContext, words: Words): void {
  const { server: { store, counters, clock } } = context;
  readNoreply(context, words);
  const [, key, time] = words;
  if (key.length > MAX_KEY_LENGTH) return context.reply(BAD_FORMAT);
  const exptime = readInt32(time);
  if (exptime === undefined) return context.reply(BAD_EXPTIME);
  const item = store.fetch(key);
  counters.add("cmd_touch");
  counters.add(item === undefined ? "touch_misses" : "touch_hits");
  if (item === undefined) return context.reply("NOT_FOUND");
  item.exptime = clock.deadline(exptime);
  context.reply("TOUCHED");
}

/**
 * Reads `noreply` at the end of a command line, whatever else is wrong with
 * the line.
 */
export function readNoreply(context: CommandContext, words: Words): boolean {
  context.noreply = words[words.length - 1] === "noreply";
  return context.noreply;
}

/** Counts a store that the limits refused. */
export function countRefusal(
  context: CommandContext,
  refusal: "tooLarge" | "noMemory",
): void {
  context.server.counters.add(
    refusal === "tooLarge" ? "store_too_large" : "store_no_memory",
  );
}

/** Counts what became of a store with a version. */
export function countCas(context: CommandContext, status: StoreStatus): void {
  const { counters } = context.server;
  if (status === "stored") counters.add("cas_hits");
  if (status === "exists") counters.add("cas_badval");
  if (status === "notFound") counters.add("cas_misses");
}

function fetchAll(
  context: CommandContext,
  keys: Words,
  withCas: boolean,
  exptime?: number,
): void {
  const { out } = context;
  const { mark } = out;
  for (const key of keys) {
    if (key.length > MAX_KEY_LENGTH) {
      out.cut(mark);
      return context.reply(BAD_FORMAT);
    }
    const item = fetchOne(context, key, exptime);
    if (item === undefined) continue;
    const cas = withCas ? ` ${item.cas}` : "";
    out.text(`VALUE ${key} ${item.flags} ${item.data.length}${cas}\r\n`);
    out.bytes(item.data);
    out.text("\r\n");
  }
  out.text("END\r\n");
  context.sendsNow();
}

function fetchOne(
  context: CommandContext,
  key: string,
  exptime: number | undefined,
): StoredItem | undefined {
  const { store, counters, clock } = context.server;
  const item = store.fetch(key);
  counters.addPrefix(key, "get");
  if (item !== undefined) counters.addPrefix(key, "hit");
  if (exptime === undefined) {
    counters.add("cmd_get");
    counters.add(item === undefined ? "get_misses" : "get_hits");
  } else {
    counters.add("cmd_touch");
    counters.add(item === undefined ? "touch_misses" : "touch_hits");
    if (item !== undefined) item.exptime = clock.deadline(exptime);
  }
  return item;
}
