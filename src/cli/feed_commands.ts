/**
 * The commands that print what goes on and on: keys and watch.
 *
 * @module
 */

import type { KeyEntry, WatchEvent, WatchTopic } from "../../mod.ts";
import { type Register, whole } from "./arguments.ts";
import { OK } from "./failure.ts";
import type { Session } from "./session.ts";
import {
  bytesText,
  json,
  keyFields,
  shown,
  shownKey,
  timeText,
} from "./text.ts";

/** Lines that are printed together. */
const LINES = 500;

/** Registers them. */
export const registerFeedCommands: Register = (program, run) => {
  program.command("keys")
    .description("list the keys of all servers, in no order")
    .option("--prefix <text>", "only those that begin with it")
    .option("-l, --long", "with size, ttl, time since the last access")
    .option("-n, --limit <number>", "at most so many", whole("--limit", 1))
    .action((options: KeysFlags) =>
      run((session) => listKeys(session, options))
    );
  program.command("watch [topics...]")
    .description(
      "print what servers log: fetchers, mutations, evictions, connevents, deletions",
    )
    .option("-n, --count <number>", "end after so many", whole("--count", 1))
    .action((topics: WatchTopic[], { count }: { count?: number }) =>
      run((session) => watch(session, topics, count))
    );
};

interface KeysFlags {
  readonly prefix?: string;
  readonly long?: boolean;
  readonly limit?: number;
}

async function listKeys(
  session: Session,
  { prefix = "", long = false, limit = Infinity }: KeysFlags,
): Promise<number> {
  session.endsByItself = true;
  const { signal } = session.interrupt;
  let lines: string[] = [];
  let count = 0;
  const flush = async () => {
    if (lines.length === 0) return;
    const text = `${lines.join("\n")}\n`;
    lines = [];
    await session.terminal.write(text);
  };
  const feed = session.client.keys({ prefix, signal });
  try {
    for await (const entry of feed) {
      lines.push(
        session.json
          ? jsonEntry(entry)
          : long
          ? longEntry(entry)
          : shownKey(entry.key),
      );
      if (lines.length === LINES) await flush();
      if (++count >= limit) break;
    }
  } finally {
    // Also those before a failure.
    await flush();
  }
  return OK;
}

function jsonEntry({ key, ...facts }: KeyEntry): string {
  return json({ ...keyFields(key), ...facts });
}

function longEntry({ key, size, ttl, lastAccess, fetched }: KeyEntry): string {
  return [
    bytesText(size).padStart(10),
    (ttl < 0 ? "for ever" : timeText(ttl)).padStart(9),
    `${timeText(lastAccess)} ago`.padStart(11),
    fetched ? "read" : "new ",
    shownKey(key),
  ].join("  ");
}

async function watch(
  session: Session,
  topics: readonly WatchTopic[],
  count = Infinity,
): Promise<number> {
  session.endsByItself = true;
  const { signal } = session.interrupt;
  const feed = session.client.watch(
    topics.length > 0 ? topics : undefined,
    { signal },
  );
  try {
    await feed.opened();
    if (session.terminal.isOutput && !session.json) {
      session.terminal.warn("Watching, Ctrl-C ends it");
    }
    let seen = 0;
    for await (const event of feed) {
      await session.terminal.print(
        session.json ? jsonEvent(event) : textEvent(session, event),
      );
      if (++seen >= count) break;
    }
  } catch (error) {
    // It has no end but this.
    if (!signal.aborted) throw error;
  }
  return OK;
}

function jsonEvent(event: WatchEvent): string {
  if (!("key" in event)) return json(event);
  const { key, ...facts } = event;
  return json({ ...keyFields(key), ...facts });
}

function textEvent(session: Session, event: WatchEvent): string {
  const { type, server, ...facts } = event;
  const words: string[] = [];
  if ("timestamp" in event) {
    words.push(new Date(event.timestamp).toISOString().slice(11, 23));
  }
  if (session.addresses.length > 1) words.push(server);
  words.push(type);
  for (const [name, value] of Object.entries(facts)) {
    if (name === "timestamp" || name === "gid") continue;
    const text = value instanceof Uint8Array
      ? shown(value)
      : typeof value === "object"
      ? json(value)
      : shownKey(String(value));
    words.push(`${name}=${text}`);
  }
  return words.join(" ");
}
