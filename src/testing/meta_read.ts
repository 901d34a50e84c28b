/**
 * The meta commands that read: mg, me and mn (protocol.txt, "Meta Commands"),
 * as memcached 1.6.18 has them; what other versions do is in `versions.ts`.
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { Words } from "./classic.ts";
import { BAD_FORMAT, type CommandContext, MAX_KEY_LENGTH } from "./context.ts";
import { newItem, type StoredItem } from "./item.ts";
import {
  echoFields,
  keyField,
  type MetaFlags,
  OPAQUE_TOO_LONG,
  opaqueTooLong,
  readMetaFlags,
  refuseMeta,
  timeField,
} from "./meta_flags.ts";
import { slabClass } from "./slabs.ts";

/** `mn`. */
export function metaNoop(context: CommandContext): void {
  context.fail("MN");
  context.sendsNow();
}

/** `mg`. */
export function metaGet(context: CommandContext, words: Words): void {
  const { store, counters, settings: { knows } } = context.server;
  const refusal = refuseMeta(words);
  if (refusal !== undefined) return context.fail(refusal);
  if (words.length === 2 && !knows.bareMiss) return context.fail(BAD_FORMAT);
  const flags = readMetaFlags(words, 2, context.server);
  if (typeof flags === "string") return context.fail(flags);
  let item = store.peek(flags.key);
  const created = item === undefined && flags.vivify !== undefined &&
    store.refusal(flags.key.length, 0, 0) === undefined;
  if (created) {
    item = newItem(flags.key, new Uint8Array(0));
    store.link(item, flags.newCas);
  }
  if (item === undefined) {
    counters.add("cmd_get");
    counters.add("get_misses");
    const fields = knows.bareMiss ? echoFields(words, 2, flags) : "";
    if (fields === undefined) return context.fail(OPAQUE_TOO_LONG);
    if (!flags.quiet) context.fail(`EN${fields}`);
    return;
  }
  const fields = hitFields(context, words, flags, item, created);
  if (fields === undefined) return context.fail(OPAQUE_TOO_LONG);
  const touched = flags.exptime !== undefined;
  counters.add(touched ? "cmd_touch" : "cmd_get");
  counters.add(touched ? "touch_hits" : "get_hits");
  if (!flags.noUpdate) store.bump(item);
  // protocol.txt has no word on the reply if the version is the one that the
  // client has; without its value is what leaves the client with its own.
  const unchanged = knows.compareOnGet && flags.cas === item.cas;
  if (!flags.value || unchanged) return context.fail(`HD${fields}`);
  context.out.text(`VA ${item.data.length}${fields}\r\n`);
  context.out.bytes(item.data);
  context.out.text("\r\n");
}

/** `me`. */
export function metaDebug(context: CommandContext, words: Words): void {
  const { store, counters, clock, settings: { knows } } = context.server;
  const [, word, ...rest] = words;
  if (word === undefined || word.length > MAX_KEY_LENGTH) {
    return context.fail(BAD_FORMAT);
  }
  const binary = knows.binaryKeys && rest[0] === "b";
  const key = binary ? decodeBase64(word) : word;
  if (key === undefined) return context.fail(BAD_FORMAT);
  counters.add("cmd_meta");
  const item = store.peek(key);
  if (item === undefined) return context.fail("EN");
  const size = store.sizeOf(item);
  // 1.6.18 subtracts the wrong way round, so that what is left is negative.
  const exp = item.exptime === 0 ? -1 : clock.seconds - item.exptime;
  context.fail(
    `ME ${item.binaryKey ? encodeBase64(key) : key} exp=${exp} ` +
      `la=${clock.seconds - item.accessedAt} cas=${item.cas} ` +
      `fetch=${item.fetched ? "yes" : "no"} cls=${slabClass(size)} ` +
      `size=${size}`,
  );
}

function hitFields(
  context: CommandContext,
  words: Words,
  flags: MetaFlags,
  item: StoredItem,
  created: boolean,
): string | undefined {
  const { seconds } = context.server.clock;
  let fields = "";
  let won = false;
  for (let i = 2; i < words.length; i++) {
    const word = words[i];
    switch (word[0]) {
      case "T":
        item.exptime = flags.exptime ?? 0;
        break;
      case "N":
        if (created) {
          item.exptime = flags.vivify ?? 0;
          won = true;
        }
        break;
      case "R":
        won ||= !item.tokenSent && !created && item.exptime !== 0 &&
          item.exptime < (flags.recache ?? 0);
        break;
      case "s":
        fields += ` s${item.data.length}`;
        break;
      case "t":
        fields += timeField(item, seconds);
        break;
      case "c":
        fields += ` c${item.cas}`;
        break;
      case "f":
        fields += ` f${item.flags}`;
        break;
      case "l":
        fields += ` l${(seconds - item.accessedAt) >>> 0}`;
        break;
      case "h":
        fields += item.fetched ? " h1" : " h0";
        break;
      case "O":
        if (opaqueTooLong(word)) return undefined;
        fields += ` ${word}`;
        break;
      case "k":
        fields += keyField(item.key, item.binaryKey);
        break;
    }
  }
  if (item.tokenSent) fields += " Z";
  if (item.stale) {
    fields += " X";
    won ||= !item.tokenSent;
  }
  if (won) {
    fields += " W";
    item.tokenSent = true;
  }
  return fields;
}
