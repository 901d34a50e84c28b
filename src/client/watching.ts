/**
 * The log of a server as it is written, by `watch`.
 *
 * @module
 */

import type { ConnectionOptions } from "../connection/options.ts";
import { LineStream } from "../connection/line_stream.ts";
import {
  type MemcacheError,
  MemcacheIllegalInputError,
  MemcacheServerError,
  MemcacheUnknownCommandError,
} from "../errors.ts";
import { describe } from "../wire/numbers.ts";
import { lineError } from "../wire/reply_error.ts";
import { askVersion } from "./asking.ts";
import type { Context } from "./context.ts";
import type { Executor } from "./executor.ts";
import type { Feed } from "./feed.ts";
import { Together } from "./feed_sources.ts";
import {
  readEvent,
  type WatchEvent,
  type WatchOptions,
  type WatchTopic,
} from "./log_events.ts";
import { checkNeeds, type VersionNeed } from "./meta_flags.ts";
import { readTimeout } from "./options.ts";
import { type FeedSource, SourceFeed } from "./source_feed.ts";

/** The topics, and which versions know them if not all that are in use do. */
const TOPICS: ReadonlyMap<unknown, VersionNeed["since"] | undefined> = new Map<
  WatchTopic,
  VersionNeed["since"] | undefined
>([
  ["fetchers", undefined],
  ["mutations", undefined],
  ["evictions", undefined],
  ["connevents", undefined],
  ["proxyreqs", undefined],
  ["proxyevents", undefined],
  ["proxyuser", undefined],
  ["deletions", [1, 6, 20]],
]);

/** What happens to items. */
const DEFAULT: readonly WatchTopic[] = ["fetchers", "mutations", "evictions"];

/** Makes the feed of the logs of all servers. */
export function watchLogs(
  context: Context,
  executor: Executor,
  topics: WatchTopic | Iterable<WatchTopic> | undefined,
  options: WatchOptions | undefined,
): Feed<WatchEvent> {
  return new SourceFeed({
    context,
    executor,
    command: "watch",
    options,
    source: (servers) => {
      const settings = {
        topics: readTopics(topics),
        openTimeout: context.timeout,
        timeout: readTimeout(options?.timeout, 0),
      };
      const sources = servers.map((server) => new Watcher(server, settings));
      return sources.length === 1 ? sources[0] : new Together(sources);
    },
  });
}

/** What a log needs to know. */
interface Settings {
  readonly topics: readonly WatchTopic[];
  readonly openTimeout: number;
  readonly timeout: number;
}

/** Checks the topics: one that a server does not know, and it knows none. */
function readTopics(
  topics: WatchTopic | Iterable<WatchTopic> | undefined,
): readonly WatchTopic[] {
  if (topics === undefined) return DEFAULT;
  const isList = typeof topics === "object" && topics !== null &&
    Symbol.iterator in topics;
  // An array, as a set does not say everywhere what is wrong with a list.
  const list = new Set(isList ? Array.from(topics) : [topics]);
  for (const topic of list) {
    if (!TOPICS.has(topic)) throw illegal(describe(topic));
  }
  if (list.size === 0) throw illegal("nothing");
  return [...list];
}

function illegal(what: string): MemcacheIllegalInputError {
  const known = [...TOPICS.keys()].join(", ");
  return new MemcacheIllegalInputError(
    `Cannot send watch: ${what} is no topic, those are ${known}`,
    { command: "watch", sent: false },
  );
}

/** The log of one server. */
class Watcher implements FeedSource<WatchEvent> {
  readonly #stream: LineStream;
  readonly #settings: Settings;

  constructor(options: ConnectionOptions, settings: Settings) {
    this.#stream = new LineStream(options, "watch");
    this.#settings = settings;
  }

  async open(): Promise<void> {
    const stream = this.#stream;
    const { topics, openTimeout, timeout } = this.#settings;
    await stream.open();
    stream.timeout = openTimeout;
    const version = await askVersion(stream);
    for (const topic of topics) {
      const since = TOPICS.get(topic);
      if (since === undefined) continue;
      const option = `the topic ${topic}`;
      checkNeeds("watch", [{ option, since }], version);
    }
    stream.send(`watch ${topics.join(" ")}`);
    const line = await stream.line();
    if (line !== "OK") throw this.#refusal(line);
    stream.timeout = timeout;
  }

  async next(): Promise<WatchEvent | undefined> {
    const stream = this.#stream;
    const line = await stream.line();
    const event = readEvent(line, stream.server);
    if (event === undefined) throw lineError(line, stream.about());
    return event;
  }

  hold(alive: boolean): void {
    this.#stream.hold(alive);
  }

  close(reason: unknown): void {
    this.#stream.close(reason);
  }

  #refusal(line: string): MemcacheError {
    const about = this.#stream.about();
    if (line === "ERROR") {
      return new MemcacheUnknownCommandError(
        `Cannot watch: ${about.server} does not know all of the topics ${
          this.#settings.topics.join(", ")
        }`,
        about,
      );
    }
    if (line.startsWith("WATCHER_TOO_MANY")) {
      return new MemcacheServerError(
        `Cannot watch: ${about.server} has as many watchers as it takes`,
        { ...about, code: "ERR_BUSY" },
      );
    }
    return lineError(line, about);
  }
}
