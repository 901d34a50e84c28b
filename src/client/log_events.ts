/**
 * The log of a server as events (protocol.txt, "Watchers").
 *
 * @module
 */

import type { CommandOptions } from "../types.ts";
import { decodeKey, type ListedKey } from "./encoded_keys.ts";

/** What `watch` tells of; see there. */
export type WatchTopic =
  | "fetchers"
  | "mutations"
  | "evictions"
  | "connevents"
  | "proxyreqs"
  | "proxyevents"
  | "proxyuser"
  | "deletions";

/** Options of `watch`. */
export interface WatchOptions extends CommandOptions {
  /**
   * Milliseconds without an event after which it fails, 0 for none. To connect
   * and to begin is limited by the client's own `connectTimeout` and `timeout`.
   *
   * @default {0}
   */
  timeout?: number;
}

/** What every entry of a server's log has. */
export interface LogEntry {
  /** Name of the server. */
  readonly server: string;
  /** When it happened, in milliseconds since 1970 by the server's clock. */
  readonly timestamp: number;
  /** Number in the log; entries may come out of order. */
  readonly gid: number;
}

/** An item was looked up, by a read or by a command that changes it. */
export interface ItemGetEvent extends LogEntry {
  /** What happened. */
  readonly type: "item_get";
  /** The key as the server has it, its prefix included. */
  readonly key: string | Uint8Array;
  /** What came of it. */
  readonly status: "found" | "not_found" | "flushed" | "expired";
  /** Number of the slab class, 0 on a miss. */
  readonly slabClass: number;
  /** Number of the connection. */
  readonly connection: number;
  /** Bytes of the value. */
  readonly size: number;
}

/** An item was to be stored. */
export interface ItemStoreEvent extends LogEntry {
  /** What happened. */
  readonly type: "item_store";
  /** The key as the server has it, its prefix included. */
  readonly key: string | Uint8Array;
  /** What came of it. */
  readonly status:
    | "stored"
    | "not_stored"
    | "exists"
    | "not_found"
    | "too_large"
    | "no_memory";
  /** The command in classic words: `"set"`, `"add"`, `"cas"`. */
  readonly command: string;
  /** Lifetime in seconds, -1 for ever, 0 if it had expired already. */
  readonly ttl: number;
  /** Number of the slab class; absent where the server had no room for it. */
  readonly slabClass?: number;
  /** Number of the connection; absent where the server had no room for it. */
  readonly connection?: number;
  /** Bytes of the value; absent where the server had no room for it. */
  readonly size?: number;
}

/** An item made room for another. */
export interface EvictionEvent extends LogEntry {
  /** What happened. */
  readonly type: "eviction";
  /** The key as the server has it, its prefix included. */
  readonly key: string | Uint8Array;
  /** Whether it had been read since it was stored. */
  readonly fetched: boolean;
  /** Seconds that it had left, -1 where it would not have expired. */
  readonly ttl: number;
  /** Seconds since it was last read or stored. */
  readonly lastAccess: number;
  /** Number of its slab class. */
  readonly slabClass: number;
  /** Bytes of the value. */
  readonly size: number;
}

/** An item was deleted. */
export interface DeletedEvent extends LogEntry {
  /** What happened. */
  readonly type: "deleted";
  /** The key as the server has it, its prefix included. */
  readonly key: string | Uint8Array;
  /** The command: `"delete"` or `"md"`. */
  readonly command: string;
  /** Number of its slab class. */
  readonly slabClass: number;
  /** Bytes of the value. */
  readonly size: number;
}

/** A client connected. */
export interface ConnNewEvent extends LogEntry {
  /** What happened. */
  readonly type: "conn_new";
  /** The client's address, `"unix"` over a unix domain socket. */
  readonly address: string;
  /** The client's port, 0 over a unix domain socket. */
  readonly port: number;
  /** How it came: `"tcp"`, `"udp"` or `"local"`. */
  readonly transport: string;
  /** Number of the connection. */
  readonly connection: number;
}

/** A connection ended. */
export interface ConnCloseEvent extends LogEntry {
  /** What happened. */
  readonly type: "conn_close";
  /** The client's address, `"unix"` over a unix domain socket. */
  readonly address: string;
  /** The client's port, 0 over a unix domain socket. */
  readonly port: number;
  /** How it came: `"tcp"`, `"udp"` or `"local"`. */
  readonly transport: string;
  /** Why: `"normal"`, `"error"`, `"idle_timeout"` or `"shutdown"`. */
  readonly reason: string;
  /** Number of the connection. */
  readonly connection: number;
}

/** A proxy has answered a request. */
export interface ProxyRequestEvent extends LogEntry {
  /** What happened. */
  readonly type: "proxy_req";
  /** Microseconds that it took. */
  readonly elapsed: number;
  /** Number of the kind of reply. */
  readonly kind: number;
  /** Number of the reply. */
  readonly code: number;
  /** Number of the backend's status. */
  readonly status: number;
  /** The backend, `host:port`. */
  readonly backend: string;
  /** What the proxy's configuration says of it. */
  readonly detail: string;
  /** The request, as far as it was logged. */
  readonly request: string;
}

/** Entries that this reader was too slow for, and that are lost to it. */
export interface SkippedEvent {
  /** What happened. */
  readonly type: "skipped";
  /** Name of the server. */
  readonly server: string;
  /** How many. */
  readonly count: number;
}

/** Any other entry. */
export interface OtherEvent extends LogEntry {
  /** That it is none of those above. */
  readonly type: "other";
  /** The server's name for it, such as `"extwrite"` or `"proxy_user"`. */
  readonly event: string;
  /** The fields as text, as they were sent. */
  readonly fields: Readonly<Record<string, string>>;
}

/** An entry of a server's log. */
export type WatchEvent =
  | ItemGetEvent
  | ItemStoreEvent
  | EvictionEvent
  | DeletedEvent
  | ConnNewEvent
  | ConnCloseEvent
  | ProxyRequestEvent
  | SkippedEvent
  | OtherEvent;

const HEAD = /^ts=(\d{1,15})\.(\d{1,6}) gid=(\d{1,20})(?: type=(\S*))?(?: |$)/;
const SKIPPED = /^\[?skipped(?:=|: )(\d{1,15})\]?$/;
const NUMBER = /^-?\d{1,15}$/;
/** These hold the rest of the line, blanks included. */
const LAST = new Set(["req", "msg"]);

const GET_STATUS: ReadonlySet<string> = new Set<ItemGetEvent["status"]>([
  "found",
  "not_found",
  "flushed",
  "expired",
]);
const STORE_STATUS: ReadonlySet<string> = new Set<ItemStoreEvent["status"]>([
  "stored",
  "not_stored",
  "exists",
  "not_found",
  "too_large",
  "no_memory",
]);

/** Says that an entry is not as it is known. */
const UNFIT = Symbol("unfit");

/** The fields of an entry. */
class Fields {
  readonly all: Record<string, string>;

  constructor(rest: string) {
    this.all = Object.create(null);
    let last: string | undefined;
    for (let at = 0; at < rest.length;) {
      const blank = rest.indexOf(" ", at);
      const end = blank < 0 ? rest.length : blank;
      const equals = rest.indexOf("=", at);
      if (equals < 0 || equals >= end) {
        // A blank within a text.
        if (last !== undefined) this.all[last] += ` ${rest.slice(at, end)}`;
        else if (end > at) this.all[rest.slice(at, end)] = "";
        at = end + 1;
        continue;
      }
      last = rest.slice(at, equals);
      if (LAST.has(last)) {
        this.all[last] = rest.slice(equals + 1);
        return;
      }
      this.all[last] = rest.slice(equals + 1, end);
      at = end + 1;
    }
  }

  text(name: string): string {
    const value = this.all[name];
    if (value === undefined) throw UNFIT;
    return value;
  }

  number(name: string): number {
    const value = this.text(name);
    if (!NUMBER.test(value)) throw UNFIT;
    return Number(value);
  }

  key(): ListedKey {
    const key = decodeKey(this.text("key"));
    if (key === undefined) throw UNFIT;
    return key;
  }

  isYes(name: string): boolean {
    const value = this.text(name);
    if (value !== "yes" && value !== "no") throw UNFIT;
    return value === "yes";
  }

  one<T extends string>(name: string, known: ReadonlySet<string>): T {
    const value = this.text(name);
    if (!known.has(value)) throw UNFIT;
    // It is one of them.
    return value as T;
  }
}

/**
 * Reads an entry of the log.
 *
 * @param line The line without its end.
 * @param server Name of the server.
 * @returns The event; `undefined` where the line is no entry.
 */
export function readEvent(
  line: string,
  server: string,
): WatchEvent | undefined {
  const head = HEAD.exec(line);
  if (head === null) {
    const skipped = SKIPPED.exec(line);
    return skipped === null
      ? undefined
      : { type: "skipped", server, count: Number(skipped[1]) };
  }
  const [all, seconds, micros, gid, type = ""] = head;
  const entry: LogEntry = {
    server,
    // memcached does not pad the microseconds.
    timestamp: Number(seconds) * 1000 + Number(micros) / 1000,
    gid: Number(gid),
  };
  const fields = new Fields(line.slice(all.length));
  const read = READERS.get(type);
  if (read !== undefined) {
    try {
      return read(entry, fields);
    } catch (error) {
      if (error !== UNFIT) throw error;
    }
  }
  return { ...entry, type: "other", event: type, fields: fields.all };
}

type ReadEntry = (entry: LogEntry, fields: Fields) => WatchEvent;

const READERS: ReadonlyMap<string, ReadEntry> = new Map<string, ReadEntry>([
  ["item_get", itemGet],
  ["item_store", itemStore],
  ["eviction", eviction],
  ["deleted", deleted],
  ["conn_new", connNew],
  ["conn_close", connClose],
  ["proxy_req", proxyRequest],
]);

function itemGet(entry: LogEntry, fields: Fields): ItemGetEvent {
  return {
    ...entry,
    type: "item_get",
    key: fields.key(),
    status: fields.one("status", GET_STATUS),
    slabClass: fields.number("clsid"),
    connection: fields.number("cfd"),
    size: fields.number("size"),
  };
}

function itemStore(entry: LogEntry, fields: Fields): ItemStoreEvent {
  const status = fields.one<ItemStoreEvent["status"]>("status", STORE_STATUS);
  const ttl = fields.number("ttl");
  const event = {
    ...entry,
    type: "item_store" as const,
    key: fields.key(),
    status,
    command: fields.text("cmd"),
    // 32 bits without a sign: what has expired already wraps around.
    ttl: ttl === 0 ? -1 : ttl > 0x7fffffff ? 0 : ttl,
  };
  // Nothing else was written down then: what the line shows is arbitrary.
  if (status === "too_large" || status === "no_memory") return event;
  return {
    ...event,
    slabClass: fields.number("clsid"),
    connection: fields.number("cfd"),
    size: fields.number("size"),
  };
}

function eviction(entry: LogEntry, fields: Fields): EvictionEvent {
  const ttl = fields.number("ttl");
  return {
    ...entry,
    type: "eviction",
    key: fields.key(),
    fetched: fields.isYes("fetch"),
    ttl: ttl < -1 ? 0 : ttl,
    lastAccess: fields.number("la"),
    slabClass: fields.number("clsid"),
    size: fields.number("size"),
  };
}

function deleted(entry: LogEntry, fields: Fields): DeletedEvent {
  return {
    ...entry,
    type: "deleted",
    key: fields.key(),
    command: fields.text("cmd"),
    slabClass: fields.number("clsid"),
    size: fields.number("size"),
  };
}

function connNew(entry: LogEntry, fields: Fields): ConnNewEvent {
  return {
    ...entry,
    type: "conn_new",
    address: fields.text("rip"),
    port: fields.number("rport"),
    transport: fields.text("transport"),
    connection: fields.number("cfd"),
  };
}

function connClose(entry: LogEntry, fields: Fields): ConnCloseEvent {
  return {
    ...entry,
    type: "conn_close",
    address: fields.text("rip"),
    port: fields.number("rport"),
    transport: fields.text("transport"),
    reason: fields.text("reason"),
    connection: fields.number("cfd"),
  };
}

function proxyRequest(entry: LogEntry, fields: Fields): ProxyRequestEvent {
  return {
    ...entry,
    type: "proxy_req",
    elapsed: fields.number("elapsed"),
    kind: fields.number("type"),
    code: fields.number("code"),
    status: fields.number("status"),
    backend: fields.text("be"),
    detail: fields.text("detail"),
    request: fields.text("req"),
  };
}
