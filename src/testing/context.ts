/**
 * What commands work on: the state of the server, and the seam to the
 * connection that a command came in on.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Cluster } from "./cluster.ts";
import type { Counters } from "./counters.ts";
import type { Output } from "./latin1.ts";
import type { Store } from "./store.ts";
import type { Knowledge } from "./versions.ts";
import type { Watchers, WatchTopic } from "./watchers.ts";

/** What `stats settings` reports and commands may change. */
export interface Settings {
  /** The version that the server says it has. */
  readonly version: string;
  /** Largest item in bytes. */
  readonly maxItemSize: number;
  /** Bytes of all items. */
  memoryLimit: number;
  /** Whether old items make room for new ones. */
  readonly evictions: boolean;
  /** Whether items have versions. */
  readonly cas: boolean;
  /** What the version knows of what not all versions do. */
  readonly knows: Knowledge;
  /** Whether flush_all is allowed. */
  readonly flush: boolean;
  /** Whether shutdown is allowed. */
  readonly allowShutdown: boolean;
  /** Who may log in; everybody without a login if absent. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** Most open connections. */
  readonly maxConnections: number;
  /** Seconds after which an idle connection is closed, 0 for never. */
  readonly idleTimeout: number;
  /** Whether connections use TLS. */
  readonly tls: boolean;
  /** Level set by `verbosity`. */
  verbosity: number;
  /** Whether the LRU crawler is on. */
  crawler: boolean;
  /** Microseconds the crawler sleeps. */
  crawlerSleep: number;
  /** Items the crawler looks at. */
  crawlerItems: number;
  /** Whether the crawler is writing a dump to a connection. */
  dumping: boolean;
  /** Whether the LRU has segments. */
  segmented: boolean;
  /** Shares and factors set by `lru tune`. */
  tune: readonly [hot: number, warm: number, hotAge: string, warmAge: string];
  /** Seconds set by `lru temp_ttl`. */
  tempTtl: number;
  /** Whether short-lived items have an LRU of their own. */
  tempTtlOn: boolean;
  /** Level set by `slabs automove`. */
  automove: number;
  /** The version from which on `stats sizes` counts, -1 when off. */
  sizesFrom: bigint;
}

/** One connection, as `stats conns` reports it. */
export interface ConnectionInfo {
  /** Its number. */
  readonly id: number;
  /** The client's address. */
  readonly remote: string;
  /** The second of its last command. */
  readonly lastCommandAt: number;
}

/** The state of a server that its connections share. */
export interface ServerState {
  /** The items. */
  readonly store: Store;
  /** The counts. */
  readonly counters: Counters;
  /** Those who watch. */
  readonly watchers: Watchers;
  /** The clock. */
  readonly clock: Clock;
  /** The settings. */
  readonly settings: Settings;
  /** The address it listens at, as `stats conns` has it. */
  listenAddress(): string;
  /** The cluster that it is part of, if it is. */
  cluster(): Cluster | undefined;
  /** The second it was started at. */
  readonly startedAt: number;
  /** The open connections. */
  connections(): Iterable<ConnectionInfo>;
  /** Ends the server, as the command `shutdown` asks. */
  shutdown(): void;
}

/** One command's view of the connection that it came in on. */
export interface CommandContext {
  /** What the connections share. */
  readonly server: ServerState;
  /** Where replies go. */
  readonly out: Output;
  /** Whether the command's line reply is left out; reset by that reply. */
  noreply: boolean;
  /** Answers with a line, unless the command asked for no reply. */
  reply(line: string): void;
  /** Answers with a line even so. */
  fail(line: string): void;
  /** Reads a data block, then calls back; `undefined` without its CRLF. */
  readData(length: number, done: (data: Uint8Array | undefined) => void): void;
  /** Throws a data block away, then calls back. */
  skipData(length: number, done: () => void): void;
  /**
   * Streams the log from here on, and never answers on this connection again.
   *
   * @returns `false` if there are too many who watch
   */
  watch(topics: ReadonlySet<WatchTopic>): boolean;
  /**
   * Whether commands came before this one in its packet, and memcached has not
   * sent their replies yet.
   */
  readonly pipelined: boolean;
  /** Notes that memcached sends its replies at once behind this command. */
  sendsNow(): void;
  /**
   * Answers with the texts of an iterator, as the client takes them in. What
   * the client asks next waits for the end; what came in one packet with the
   * command, even for the packet after.
   */
  stream(texts: Iterator<string, void>): void;
  /** Closes the connection when what it was sent is out. */
  close(): void;
}

/** Longest key in bytes, in the form in which it is sent. */
export const MAX_KEY_LENGTH = 250;
/** Most bytes that a storage command may announce: INT_MAX - 2. */
export const MAX_DATA_LENGTH: number = 2 ** 31 - 3;
/** Reply to a command line that cannot be understood. */
export const BAD_FORMAT = "CLIENT_ERROR bad command line format";
/** Reply to a value above the limit. */
export const TOO_LARGE = "SERVER_ERROR object too large for cache";
/** Reply to a data block that does not end with CRLF. */
export const BAD_CHUNK = "CLIENT_ERROR bad data chunk";
/** Reply to incr and decr on something else than a number. */
export const NON_NUMERIC =
  "CLIENT_ERROR cannot increment or decrement non-numeric value";
