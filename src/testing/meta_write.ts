/**
 * The meta commands that write: ms, md and ma (protocol.txt, "Meta
 * Commands"), as memcached 1.6.18 has them; what other versions do is in
 * `versions.ts`.
 *
 * @module
 */

import { countCas, countRefusal, REFUSALS, type Words } from "./classic.ts";
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
import { encodeLatin1 } from "./latin1.ts";
import {
  echoFields,
  keyField,
  MAX_META_WORDS,
  type MetaFlags,
  OPAQUE_TOO_LONG,
  opaqueTooLong,
  readMetaFlags,
  refuseMeta,
  timeField,
} from "./meta_flags.ts";
import { readInt32 } from "./numbers.ts";
import type { StoreMode } from "./store.ts";

const TOO_MANY_SET_FLAGS = "CLIENT_ERROR options flags too long";
const BAD_FLAG = "CLIENT_ERROR invalid or duplicate flag";
const STORE_MODES: Readonly<Record<string, StoreMode>> = {
  S: "set",
  E: "add",
  R: "replace",
  A: "append",
  P: "prepend",
};
const STORE_CODES = {
  stored: "HD",
  notStored: "NS",
  exists: "EX",
  notFound: "NF",
} as const;

/** `ms`. */
export function metaSet(context: CommandContext, words: Words): void {
  const { server } = context;
  const { store, counters, settings: { knows } } = server;
  if (words[1].length > MAX_KEY_LENGTH) return context.fail(BAD_FORMAT);
  if (words.length === 2) return context.fail(BAD_FORMAT);
  if (words.length > MAX_META_WORDS) return context.fail(TOO_MANY_SET_FLAGS);
  const length = readInt32(words[2]);
  if (length === undefined || length < 0 || length > MAX_DATA_LENGTH) {
    return context.fail(BAD_FORMAT);
  }
  // From here on the data block is swallowed, whatever is wrong.
  const skip = (line: string) =>
    context.skipData(length, () => context.fail(line));
  const flags = readMetaFlags(words, 3, server);
  if (typeof flags === "string") return skip(flags);
  let mode = STORE_MODES[flags.mode ?? "S"];
  if (mode === undefined) {
    return skip("CLIENT_ERROR invalid mode for ms M token");
  }
  if (words.some((word, i) => i > 2 && opaqueTooLong(word))) {
    return skip(OPAQUE_TOO_LONG);
  }
  if (flags.cas !== undefined && (mode === "set" || mode === "replace")) {
    mode = "cas";
  }
  const { key, clientFlags, newCas } = flags;
  const vivify = knows.vivifyAppend && flags.vivify !== undefined &&
    (mode === "append" || mode === "prepend");
  const refusal = store.refusal(key.length, length, clientFlags);
  if (refusal !== undefined) {
    countRefusal(context, refusal);
    server.watchers.itemRefused(key, REFUSALS[refusal], mode);
    const old = store.peek(key);
    if (old !== undefined) store.unlink(old);
    return skip(
      refusal === "tooLarge"
        ? TOO_LARGE
        : "SERVER_ERROR out of memory storing object",
    );
  }
  context.readData(length, (data) => {
    counters.add("cmd_set");
    if (data === undefined) return context.fail(BAD_CHUNK);
    const item = newItem(
      key,
      data,
      clientFlags,
      (vivify ? flags.vivify : flags.exptime) ?? 0,
      flags.binary,
    );
    const result = store.put(mode, item, {
      expected: flags.cas,
      allowStale: flags.invalidate,
      newCas,
      vivify,
    });
    if (mode === "cas") countCas(context, result.status);
    if (flags.quiet && result.status === "stored") return;
    let line: string = STORE_CODES[result.status];
    for (let i = 3; i < words.length; i++) {
      const flag = words[i][0];
      if (flag === "O") line += ` ${words[i]}`;
      else if (flag === "k") line += keyField(key, flags.binary);
      else if (flag === "c") {
        line += ` c${result.cas}`;
        if (knows.sizeAfterCas) line += ` s${result.size}`;
      } else if (flag === "s" && knows.storedSize) line += ` s${result.size}`;
    }
    context.fail(line);
  });
}

/** `md`. */
export function metaDelete(context: CommandContext, words: Words): void {
  const { server } = context;
  const { store, counters, watchers } = server;
  const refusal = refuseMeta(words);
  if (refusal !== undefined) return context.fail(refusal);
  const flags = readMetaFlags(words, 2, server);
  if (typeof flags === "string") return context.fail(BAD_FLAG);
  const fields = looseFields(context, words, flags);
  if (fields === undefined) return context.fail(OPAQUE_TOO_LONG);
  let item = store.peek(flags.key);
  if (item === undefined) {
    counters.add("delete_misses");
    return context.fail(`NF${fields}`);
  }
  if (flags.cas !== undefined && flags.cas !== item.cas) {
    counters.add("delete_misses");
    return context.fail(`EX${fields}`);
  }
  if (flags.removeValue) {
    // A new item in its place: its lifetime is that of T, else it has no end.
    const { newCas = item.cas, exptime, clientFlags } = flags;
    item = newItem(item.key, new Uint8Array(0), clientFlags, exptime);
    store.put("set", item, { newCas });
  }
  if (flags.invalidate) {
    if (flags.exptime !== undefined) item.exptime = flags.exptime;
    store.invalidate(item, flags.newCas);
  } else {
    counters.add("delete_hits");
    watchers.deleted(item, "md");
    if (!flags.removeValue) store.unlink(item);
  }
  if (!flags.quiet) context.fail(`HD${fields}`);
}

/** What is repeated behind a code, as older versions wrote it: after a blank. */
function looseFields(
  context: CommandContext,
  words: Words,
  flags: MetaFlags,
): string | undefined {
  const fields = echoFields(words, 2, flags);
  if (fields === undefined) return undefined;
  return context.server.settings.knows.tightReplies ? fields : ` ${fields}`;
}

/** `ma`. */
export function metaArithmetic(context: CommandContext, words: Words): void {
  const { server } = context;
  const { store, counters } = server;
  const refusal = refuseMeta(words);
  if (refusal !== undefined) return context.fail(refusal);
  const flags = readMetaFlags(words, 2, server);
  if (typeof flags === "string") return context.fail(BAD_FLAG);
  const mode = flags.mode ?? "I";
  if (!"I+D-".includes(mode)) {
    return context.fail("CLIENT_ERROR invalid mode for ma M token");
  }
  const add = mode === "I" || mode === "+";
  const { newCas } = flags;
  const result = store.delta(flags.key, add, flags.delta, flags.cas, newCas);
  if (result.status === "ok") {
    return arithmeticReply(context, words, flags, result.item, {
      value: result.value,
      cas: result.cas,
    });
  }
  if (result.status === "nonNumeric") return context.fail(NON_NUMERIC);
  if (result.status === "noMemory") {
    return context.fail("SERVER_ERROR out of memory");
  }
  if (result.status === "notFound" && flags.vivify !== undefined) {
    const data = encodeLatin1(flags.initial.toString());
    if (store.refusal(flags.key.length, data.length, 0) !== undefined) {
      return context.fail("SERVER_ERROR Out of memory allocating new item");
    }
    const item = newItem(flags.key, data);
    store.put("add", item, { newCas });
    return arithmeticReply(context, words, flags, item, {
      value: flags.initial,
      cas: item.cas,
      created: true,
    });
  }
  if (result.status === "notFound") {
    counters.add(add ? "incr_misses" : "decr_misses");
  }
  const fields = looseFields(context, words, flags);
  if (fields === undefined) return context.fail(OPAQUE_TOO_LONG);
  context.fail(`${result.status === "exists" ? "EX" : "NF"}${fields}`);
}

function arithmeticReply(
  context: CommandContext,
  words: Words,
  flags: MetaFlags,
  item: StoredItem,
  result: { value: bigint; cas: bigint; created?: boolean },
): void {
  const { seconds } = context.server.clock;
  let fields = "";
  for (let i = 2; i < words.length; i++) {
    const word = words[i];
    switch (word[0]) {
      case "c":
        fields += ` c${result.cas}`;
        break;
      case "t":
        fields += timeField(item, seconds);
        break;
      case "T":
        item.exptime = flags.exptime ?? 0;
        break;
      case "N":
        if (result.created) item.exptime = flags.vivify ?? 0;
        break;
      case "O":
        if (opaqueTooLong(word)) return context.fail(OPAQUE_TOO_LONG);
        fields += ` ${word}`;
        break;
      case "k":
        fields += keyField(flags.key, flags.binary);
        break;
    }
  }
  // A counter made by this command is reported even to a quiet client.
  if (flags.quiet && !result.created) return;
  const text = result.value.toString();
  context.fail(
    flags.value ? `VA ${text.length}${fields}\r\n${text}` : `HD${fields}`,
  );
}
