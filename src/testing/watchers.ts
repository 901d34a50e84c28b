/**
 * The log that `watch` streams (protocol.txt, "Watchers"): which lines there
 * are, and who reads them. The form of the lines is measured on memcached
 * 1.6.18.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import { itemSize, type StoredItem } from "./item.ts";
import { encodeUri } from "./latin1.ts";
import { slabClass } from "./slabs.ts";
import type { Knowledge } from "./versions.ts";

/** What can be watched. Topics without lines here are accepted all the same. */
export type WatchTopic =
  | "fetchers"
  | "mutations"
  | "evictions"
  | "connevents"
  | "deletions"
  | "sysevents"
  | "rawcmds"
  | "proxyreqs"
  | "proxyevents"
  | "proxyuser";

/** What came of looking an item up. */
export type GetStatus = "found" | "not_found" | "flushed" | "expired";

/** What came of a store, in the words of the log. */
export type LogStatus =
  | "stored"
  | "not_stored"
  | "exists"
  | "not_found"
  | "too_large"
  | "no_memory";

/** Why a connection ended. */
export type CloseReason = "normal" | "error" | "idle_timeout" | "shutdown";

/** A connection, as the log names it. */
export interface LoggedConnection {
  /** The client's address, `unix` for a unix domain socket. */
  readonly ip: string;
  /** The client's port, 0 for a unix domain socket. */
  readonly port: number;
  /** The number of its descriptor. */
  readonly cfd: number;
}

/** Who watches. */
export interface Watcher {
  /** What it asked for. */
  readonly topics: ReadonlySet<WatchTopic>;
  /** Takes a line, its line end included; `false` where it has no room. */
  take(line: string): boolean;
}

/** An entry of the log: the bytes of an item and its slab class. */
interface Sized {
  readonly size: number;
  readonly slab: number;
}

const ALWAYS: readonly WatchTopic[] = [
  "fetchers",
  "mutations",
  "evictions",
  "sysevents",
  "rawcmds",
  "proxyreqs",
  "proxyevents",
  "proxyuser",
];
const MAX_WATCHERS = 20;

/** The topics that a server knows. */
export function watchTopics(knows: Knowledge): ReadonlySet<string> {
  return new Set([
    ...ALWAYS,
    ...(knows.watchConnections ? ["connevents"] : []),
    ...(knows.watchDeletions ? ["deletions"] : []),
  ]);
}

/** Those who watch a server, and what they are told. */
export class Watchers {
  /** The descriptor of the connection whose command is carried out. */
  cfd = 0;
  /** How many lines were handed out. */
  sent = 0;
  /** How many lines found no room. */
  skipped = 0;
  readonly #clock: Clock;
  readonly #cas: boolean;
  readonly #watchers = new Set<Watcher>();
  #gid = 0;

  /**
   * Makes a log without readers.
   *
   * @param cas whether items have versions, which take room
   */
  constructor(clock: Clock, cas: boolean) {
    this.#clock = clock;
    this.#cas = cas;
  }

  /** How many watch. */
  get count(): number {
    return this.#watchers.size;
  }

  /** Adds one who watches, unless there are 20. */
  add(watcher: Watcher): boolean {
    if (this.#watchers.size >= MAX_WATCHERS) return false;
    this.#watchers.add(watcher);
    // memcached takes a number of the log to know what came before.
    this.#gid++;
    return true;
  }

  /** Lets one go. */
  delete(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /** An item was looked up. */
  itemGet(key: string, status: GetStatus, item?: StoredItem): void {
    this.#log("fetchers", () => {
      const { size, slab } = this.#sized(item);
      return `item_get key=${encodeUri(key)} status=${status} ` +
        `clsid=${slab} cfd=${this.cfd} size=${size}`;
    });
  }

  /** An item was to be stored. */
  itemStore(item: StoredItem, status: LogStatus, command: string): void {
    this.#log("mutations", () => {
      const { size, slab } = this.#sized(item);
      return `item_store key=${encodeUri(item.key)} status=${status} ` +
        `cmd=${command} ttl=${this.#left(item) >>> 0} clsid=${slab} ` +
        `cfd=${this.cfd} size=${size}`;
    });
  }

  /** An item was not even made: it would have been too large. */
  itemRefused(key: string, status: LogStatus, command: string): void {
    // memcached leaves an argument out here, so that what follows slides.
    this.#log(
      "mutations",
      () =>
        `item_store key=${encodeUri(key)} status=${status} cmd=${command} ` +
        `ttl=0 clsid=${this.cfd & 0xff} cfd=0 size=0`,
    );
  }

  /** An item made room for another. */
  eviction(item: StoredItem): void {
    this.#log("evictions", () => {
      const { size, slab } = this.#sized(item);
      const ttl = item.exptime === 0 ? -1 : this.#left(item);
      return `eviction key=${encodeUri(item.key)} ` +
        `fetch=${item.fetched ? "yes" : "no"} ttl=${ttl} ` +
        `la=${this.#clock.seconds - item.accessedAt} clsid=${slab} ` +
        `size=${size}`;
    });
  }

  /** An item was deleted. */
  deleted(item: StoredItem, command: "delete" | "md"): void {
    this.#log("deletions", () => {
      const { size, slab } = this.#sized(item);
      return `deleted key=${encodeUri(item.key)} cmd=${command} ` +
        `clsid=${slab} size=${size}`;
    });
  }

  /** A client connected. */
  connected(connection: LoggedConnection): void {
    this.#log(
      "connevents",
      () => `conn_new ${endpoint(connection)} cfd=${connection.cfd}`,
    );
  }

  /** A connection ended. */
  closed(connection: LoggedConnection, reason: CloseReason): void {
    this.#log(
      "connevents",
      () =>
        `conn_close ${endpoint(connection)} reason=${reason} ` +
        `cfd=${connection.cfd}`,
    );
  }

  #log(topic: WatchTopic, text: () => string): void {
    if (this.#watchers.size === 0) return;
    const readers = [...this.#watchers].filter((w) => w.topics.has(topic));
    if (readers.length === 0) return;
    const { now } = this.#clock;
    const micros = Math.floor((now - Math.floor(now / 1000) * 1000) * 1000);
    // The microseconds are not padded, and lines end with a bare LF.
    const line = `ts=${Math.floor(now / 1000)}.${micros} ` +
      `gid=${++this.#gid} type=${text()}\n`;
    for (const reader of readers) {
      if (reader.take(line)) this.sent++;
      else this.skipped++;
    }
  }

  #left(item: StoredItem): number {
    return item.exptime === 0 ? 0 : item.exptime - this.#clock.seconds;
  }

  #sized(item: StoredItem | undefined): Sized {
    if (item === undefined) return { size: 0, slab: 0 };
    const { key, data, flags } = item;
    const bytes = itemSize(key.length, data.length, flags, this.#cas);
    return { size: data.length, slab: slabClass(bytes) };
  }
}

function endpoint({ ip, port }: LoggedConnection): string {
  const transport = ip === "unix" ? "local" : "tcp";
  return `rip=${ip} rport=${port} transport=${transport}`;
}
