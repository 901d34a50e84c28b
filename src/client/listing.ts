/**
 * All keys of a server, by `lru_crawler metadump`.
 *
 * @module
 */

import type { ConnectionOptions } from "../connection/options.ts";
import { LineStream } from "../connection/line_stream.ts";
import {
  MemcacheClientError,
  type MemcacheError,
  MemcacheServerError,
  MemcacheUnknownCommandError,
} from "../errors.ts";
import { lineError } from "../wire/reply_error.ts";
import { isSince } from "../wire/version.ts";
import { askVersion } from "./asking.ts";
import type { Context } from "./context.ts";
import { decodeKey, type ListedKey, withoutPrefix } from "./encoded_keys.ts";
import type { Executor } from "./executor.ts";
import type { Feed } from "./feed.ts";
import { InTurn } from "./feed_sources.ts";
import type { KeyEntry, KeysOptions } from "./listing_commands.ts";
import { readTimeout, refuse } from "./options.ts";
import { type FeedSource, SourceFeed } from "./source_feed.ts";

/** The first version that can walk the hash table. */
const HASH_SINCE = [1, 6, 9] as const;

/** Pauses before the server is asked again whether its crawler is free, in ms. */
const FIRST_PAUSE = 25;
const LONGEST_PAUSE = 400;

/** Rows of general statistics that are read; memcached has about 150. */
const MAX_STATS = 2000;

const ENTRY =
  /^key=(\S+) exp=(-1|\d{1,15}) la=(\d{1,15}) cas=(\d{1,20}) fetch=(yes|no) cls=(\d{1,9}) size=(\d{1,15})(?: flags=(\d{1,10}))?(?: |$)/;

/** Makes the feed of all keys of all servers. */
export function listKeys(
  context: Context,
  executor: Executor,
  options: KeysOptions | undefined,
): Feed<KeyEntry> {
  return new SourceFeed({
    context,
    executor,
    command: "lru_crawler",
    options,
    source: (servers) => {
      const settings = readKeysOptions(context, options);
      return new InTurn(
        servers.map((server) => new KeyLister(server, settings)),
      );
    },
  });
}

/** What a listing needs to know. */
interface Settings {
  readonly keyPrefix: string;
  readonly prefix: string;
  readonly timeout: number;
  readonly busyTimeout: number;
  readonly maxPause: number;
}

function readKeysOptions(
  context: Context,
  options: KeysOptions | undefined,
): Settings {
  const { prefix = "", timeout, busyTimeout, maxPause } = options ?? {};
  return {
    keyPrefix: context.keyPrefix,
    prefix: typeof prefix === "string"
      ? prefix
      : refuse("prefix", prefix, "text"),
    timeout: readTimeout(timeout, context.timeout),
    busyTimeout: readTimeout(busyTimeout, 5000, "busyTimeout"),
    maxPause: readTimeout(maxPause, 60_000, "maxPause"),
  };
}

/**
 * The keys of one server.
 *
 * It walks the hash table where the server can: by slab classes, items that
 * move between the queues of a class meanwhile are left out (12 to 16 of
 * 200,000 on memcached 1.6.18, right after they were stored).
 */
class KeyLister implements FeedSource<KeyEntry> {
  readonly #stream: LineStream;
  readonly #settings: Settings;
  #first: string | undefined = undefined;
  /** What is added to our clock to get the server's, in seconds. */
  #offset = 0;

  constructor(options: ConnectionOptions, settings: Settings) {
    this.#stream = new LineStream(options, "lru_crawler");
    this.#settings = settings;
  }

  async open(): Promise<void> {
    const stream = this.#stream;
    const { timeout, maxPause } = this.#settings;
    await stream.open();
    stream.timeout = timeout;
    const version = await askVersion(stream);
    const list = isSince(version, HASH_SINCE) ? "hash" : "all";
    await this.#start(`lru_crawler metadump ${list}`);
    stream.maxPause = maxPause;
  }

  async next(): Promise<KeyEntry | undefined> {
    const stream = this.#stream;
    const { keyPrefix, prefix } = this.#settings;
    for (;;) {
      const line = this.#first ?? await stream.line();
      this.#first = undefined;
      if (line === "END") return undefined;
      const found = ENTRY.exec(line);
      const full = found === null ? undefined : decodeKey(found[1]);
      if (found === null || full === undefined) throw this.#refusal(line);
      const own = withoutPrefix(full, keyPrefix);
      if (own === undefined || withoutPrefix(own, prefix) === undefined) {
        continue;
      }
      return this.#entry(own, found);
    }
  }

  hold(alive: boolean): void {
    this.#stream.hold(alive);
  }

  close(reason: unknown): void {
    this.#stream.close(reason);
  }

  /**
   * Starts the crawler when it is free. While it waits for a slow reader of
   * another listing, memcached (1.6.18) has a thread of its own wait with every
   * connection that it serves, if it is asked to crawl. So it is not asked
   * before its statistics say that it is free.
   */
  async #start(line: string): Promise<void> {
    const stream = this.#stream;
    const { busyTimeout } = this.#settings;
    const begun = performance.now();
    for (let pause = FIRST_PAUSE;; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      if (!await this.#isCrawling()) {
        stream.send(line);
        let first = await stream.line();
        if (first === "OK") first = await stream.line();
        if (!first.startsWith("BUSY")) {
          this.#first = first;
          return;
        }
      }
      const left = busyTimeout - (performance.now() - begun);
      if (left <= 0) throw this.#busyError();
      await stream.rest(Math.min(pause, left));
    }
  }

  /** Asks whether the crawler is at work, and what time it is. */
  async #isCrawling(): Promise<boolean> {
    const stream = this.#stream;
    let time = Math.floor(Date.now() / 1000);
    let isCrawling = false;
    stream.send("stats");
    for (let rows = 0;; rows++) {
      const line = await stream.line();
      // Who has no statistics may have keys all the same.
      if (line === "END" || line === "ERROR") break;
      if (!line.startsWith("STAT ") || rows === MAX_STATS) {
        throw lineError(line, stream.about());
      }
      const [, name, value] = line.split(" ");
      if (name === "time" && /^\d{1,15}$/.test(value)) time = Number(value);
      if (name === "lru_crawler_running") isCrawling = value === "1";
    }
    this.#offset = time - performance.now() / 1000;
    return isCrawling;
  }

  #entry(key: ListedKey, found: RegExpExecArray): KeyEntry {
    const [, , exp, la, cas, fetched, slabClass, size, flags] = found;
    const at = Math.floor(this.#offset + performance.now() / 1000);
    const entry = {
      server: this.#stream.server,
      key,
      ttl: exp === "-1" ? -1 : Math.max(0, Number(exp) - at),
      lastAccess: Math.max(0, at - Number(la)),
      cas: BigInt(cas),
      fetched: fetched === "yes",
      slabClass: Number(slabClass),
      size: Number(size),
    };
    return flags === undefined ? entry : { ...entry, flags: Number(flags) };
  }

  #busyError(): MemcacheError {
    const { busyTimeout } = this.#settings;
    const { server } = this.#stream;
    return new MemcacheServerError(
      `Cannot list keys: the crawler of ${server} was busy for ${busyTimeout} ms (busyTimeout), try again later`,
      { ...this.#stream.about(), code: "ERR_BUSY" },
    );
  }

  #refusal(line: string): MemcacheError {
    const about = this.#stream.about();
    // The second one comes while it is being switched off.
    if (
      line === "CLIENT_ERROR lru crawler disabled" ||
      line === "ERROR an unknown error happened"
    ) {
      return new MemcacheClientError(
        `Cannot list keys: the crawler of ${about.server} is off, lruCrawlerEnable() switches it on`,
        about,
      );
    }
    if (line === "ERROR") {
      return new MemcacheUnknownCommandError(
        `Cannot list keys: ${about.server} does not know lru_crawler metadump, or its crawler is off, which lruCrawlerEnable() would switch on`,
        about,
      );
    }
    return lineError(line, about);
  }
}
