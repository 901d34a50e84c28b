/**
 * The items of the server: storing, expiry, flushing and eviction as
 * memcached does them.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Counters } from "./counters.ts";
import { itemSize, newItem, type StoredItem } from "./item.ts";
import { encodeLatin1 } from "./latin1.ts";
import { readUint64 } from "./numbers.ts";
import type { GetStatus, LogStatus, Watchers } from "./watchers.ts";

/** How an item is stored. */
export type StoreMode =
  | "set"
  | "add"
  | "replace"
  | "append"
  | "prepend"
  | "cas";

/** What became of a store. */
export type StoreStatus = "stored" | "notStored" | "exists" | "notFound";

/** What became of an increment or decrement. */
export type DeltaResult =
  | { status: "ok"; value: bigint; item: StoredItem; cas: bigint }
  | { status: "notFound" | "exists" | "nonNumeric" | "noMemory" };

/** Why an item cannot be held. */
export type Refusal = "tooLarge" | "noMemory";

/** What a store may depend on, and what it may do besides. */
export interface PutOptions {
  /** The version that the old item must have, 0 for any. */
  readonly expected?: bigint;
  /** Whether an older `expected` stores the item as stale. */
  readonly allowStale?: boolean;
  /** The version that the item gets, in place of the next one. */
  readonly newCas?: bigint;
  /** Whether append and prepend make an item that is not there. */
  readonly vivify?: boolean;
}

/** What came of a store. */
export interface PutResult {
  /** The outcome. */
  readonly status: StoreStatus;
  /** The new version, 0 if nothing was stored. */
  readonly cas: bigint;
  /** Bytes of the value that is stored now, else of the one that is not. */
  readonly size: number;
}

/** Limits of a {@linkcode Store}. */
export interface StoreLimits {
  /** Largest item in bytes, key and header included. */
  readonly maxItemSize: number;
  /** Bytes of all items. */
  memoryLimit: number;
  /** Whether old items make room for new ones. */
  readonly evictions: boolean;
  /** Whether items have versions. */
  readonly cas: boolean;
}

/** The decimal text of a value longer than this is not counted with. */
const LARGEST_COUNTER = 512 * 1024;
const UINT64 = 64;
const LOG_STATUSES: Readonly<Record<StoreStatus, LogStatus>> = {
  stored: "stored",
  notStored: "not_stored",
  exists: "exists",
  notFound: "not_found",
};

/** Items by key, least recently used first. */
export class Store {
  readonly #items = new Map<string, StoredItem>();
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #limits: StoreLimits;
  readonly #watchers: Watchers;
  #bytes = 0;
  #cas = 0n;
  // flush_all: what was stored up to this second, or with an older version.
  #flushedUntil = 0;
  #flushedCas = 0n;

  /** Makes an empty store. */
  constructor(
    clock: Clock,
    counters: Counters,
    limits: StoreLimits,
    watchers: Watchers,
  ) {
    this.#clock = clock;
    this.#counters = counters;
    this.#limits = limits;
    this.#watchers = watchers;
  }

  /** Bytes of all items, headers included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many items there are. */
  get size(): number {
    return this.#items.size;
  }

  /** The last version that was given out. */
  get lastCas(): bigint {
    return this.#cas;
  }

  /** Bytes of an item. */
  sizeOf(item: StoredItem): number {
    return itemSize(
      item.key.length,
      item.data.length,
      item.flags,
      this.#limits.cas,
    );
  }

  /** Whether this very item is still there. */
  holds(item: StoredItem): boolean {
    return this.#items.get(item.key) === item;
  }

  /** All items, most recently used first. */
  list(): StoredItem[] {
    this.purge();
    return [...this.#items.values()].reverse();
  }

  /** Takes out what has expired or was flushed: the work of the LRU crawler. */
  purge(): void {
    for (const item of this.#items.values()) {
      if (this.#flushed(item) || this.#expired(item)) this.unlink(item);
    }
  }

  /** Finds an item without counting that as an access. */
  peek(key: string): StoredItem | undefined {
    const item = this.#items.get(key);
    const status = this.#statusOf(item);
    this.#watchers.itemGet(key, status, status === "found" ? item : undefined);
    if (item === undefined || status === "found") return item;
    this.#counters.add(status === "flushed" ? "get_flushed" : "get_expired");
    this.unlink(item);
    return undefined;
  }

  /** Finds an item and marks it as fetched. */
  fetch(key: string): StoredItem | undefined {
    const item = this.peek(key);
    if (item !== undefined) this.bump(item);
    return item;
  }

  /** Marks an item as fetched now. */
  bump(item: StoredItem): void {
    item.fetched = true;
    item.accessedAt = this.#clock.seconds;
    this.#items.delete(item.key);
    this.#items.set(item.key, item);
  }

  /** Why an item of this size cannot be held, if so. */
  refusal(
    keyLength: number,
    dataLength: number,
    flags: number,
  ): Refusal | undefined {
    const size = itemSize(keyLength, dataLength, flags, this.#limits.cas);
    if (size > this.#limits.maxItemSize) return "tooLarge";
    if (
      !this.#limits.evictions && this.#bytes + size > this.#limits.memoryLimit
    ) return "noMemory";
    return undefined;
  }

  /** Puts an item in, whatever was there before, perhaps with a version. */
  link(item: StoredItem, newCas?: bigint): void {
    const old = this.#items.get(item.key);
    if (old !== undefined) this.unlink(old);
    item.cas = this.#nextCas(newCas);
    item.storedAt = item.accessedAt = this.#clock.seconds;
    this.#items.set(item.key, item);
    this.#bytes += this.sizeOf(item);
    this.#counters.add("total_items");
    this.trim(item);
  }

  /** Takes an item out. */
  unlink(item: StoredItem): void {
    if (this.#items.get(item.key) !== item) return;
    this.#items.delete(item.key);
    this.#bytes -= this.sizeOf(item);
  }

  /** Evicts until the memory limit is kept, but never the item given. */
  trim(keep?: StoredItem): void {
    if (!this.#limits.evictions) return;
    for (const item of this.#items.values()) {
      if (this.#bytes <= this.#limits.memoryLimit) return;
      if (item === keep) continue;
      this.unlink(item);
      this.#watchers.eviction(item);
      this.#counters.add("evictions");
    }
  }

  /** Takes all items out, as a restart does. */
  clear(): void {
    this.#items.clear();
    this.#bytes = this.#flushedUntil = 0;
    this.#cas = this.#flushedCas = 0n;
  }

  /**
   * Stores an item if the mode allows it.
   *
   * @param item the item; for append and prepend, the bytes to add
   */
  put(
    mode: StoreMode,
    item: StoredItem,
    options: PutOptions = {},
  ): PutResult {
    const old = this.peek(item.key);
    const result = this.#store(mode, item, old, options);
    const stored = result.status === "stored"
      ? this.#items.get(item.key) ?? item
      : item;
    // memcached's table of names ends before the modes that vivify.
    const command = options.vivify ? "na" : mode;
    this.#watchers.itemStore(stored, LOG_STATUSES[result.status], command);
    return { ...result, size: stored.data.length };
  }

  /**
   * Adds to or subtracts from a value that is a decimal number.
   *
   * @param expected the version that the item must have, 0 for any
   * @param newCas the version that it gets, in place of the next one
   */
  delta(
    key: string,
    add: boolean,
    amount: bigint,
    expected = 0n,
    newCas?: bigint,
  ): DeltaResult {
    const item = this.peek(key);
    if (item === undefined) return { status: "notFound" };
    const { data } = item;
    // The order of these checks is memcached's.
    if (data.length === 0 || this.sizeOf(item) > LARGEST_COUNTER) {
      return { status: "nonNumeric" };
    }
    if (expected !== 0n && expected !== item.cas) {
      return { status: "exists" };
    }
    const old = readUint64(String.fromCharCode(...data.subarray(0, 64)));
    if (old === undefined) return { status: "nonNumeric" };
    const value = add
      ? BigInt.asUintN(UINT64, old + amount)
      : old > amount
      ? old - amount
      : 0n;
    this.#counters.add(add ? "incr_hits" : "decr_hits");
    const text = encodeLatin1(value.toString());
    if (text.length <= data.length) {
      // A shorter number is padded with spaces, so that the item keeps its
      // place. The bytes are new: a reply may still hold the old ones.
      item.data = new Uint8Array(data.length).fill(0x20);
      item.data.set(text);
      item.cas = this.#nextCas(newCas);
      return { status: "ok", value, item, cas: item.cas };
    }
    if (this.refusal(key.length, text.length, item.flags) !== undefined) {
      return { status: "noMemory" };
    }
    const longer = newItem(key, text, item.flags, item.exptime);
    this.link(longer, newCas);
    // The item returned is the old one: what a meta command changes on it is
    // lost, as in memcached.
    return { status: "ok", value, item, cas: longer.cas };
  }

  /** Marks an item as stale, with a new version. */
  invalidate(item: StoredItem, newCas?: bigint): void {
    item.stale = true;
    item.tokenSent = false;
    item.cas = this.#nextCas(newCas);
  }

  /** Ends all items, now or in `delay` seconds (protocol.txt, "flush_all"). */
  flush(delay: number): void {
    const { seconds } = this.#clock;
    const until = delay > 0 ? this.#clock.deadline(delay) : seconds;
    if (!this.#limits.cas) {
      this.#flushedUntil = until;
      return;
    }
    this.#flushedUntil = until - 1;
    if (this.#flushedUntil <= seconds) this.#flushedCas = this.#nextCas();
  }

  #store(
    mode: StoreMode,
    item: StoredItem,
    old: StoredItem | undefined,
    { expected = 0n, allowStale = false, newCas, vivify = false }: PutOptions,
  ): { status: StoreStatus; cas: bigint } {
    const status = old !== undefined
      ? present(mode, expected, old.cas, allowStale)
      : vivify
      ? "stored"
      : absent(mode);
    if (status !== "stored") return { status, cas: 0n };
    if (old !== undefined && (mode === "append" || mode === "prepend")) {
      const [first, second] = mode === "append" ? [old, item] : [item, old];
      return this.#join(old, first.data, second.data, newCas);
    }
    if (old !== undefined && mode === "cas" && expected !== old.cas) {
      item.exptime = old.exptime;
      item.stale = true;
      item.tokenSent = old.tokenSent;
    }
    this.link(item, newCas);
    return { status, cas: item.cas };
  }

  #join(
    old: StoredItem,
    first: Uint8Array,
    second: Uint8Array,
    newCas: bigint | undefined,
  ): { status: StoreStatus; cas: bigint } {
    const length = first.length + second.length;
    if (this.refusal(old.key.length, length, old.flags) !== undefined) {
      return { status: "notStored", cas: 0n };
    }
    const data = new Uint8Array(length);
    data.set(first);
    data.set(second, first.length);
    const item = newItem(old.key, data, old.flags, old.exptime);
    this.link(item, newCas);
    return { status: "stored", cas: item.cas };
  }

  #nextCas(wanted?: bigint): bigint {
    if (!this.#limits.cas) return 0n;
    return wanted ?? ++this.#cas;
  }

  #statusOf(item: StoredItem | undefined): GetStatus {
    if (item === undefined) return "not_found";
    if (this.#flushed(item)) return "flushed";
    return this.#expired(item) ? "expired" : "found";
  }

  #expired(item: StoredItem): boolean {
    return item.exptime !== 0 && item.exptime <= this.#clock.seconds;
  }

  #flushed(item: StoredItem): boolean {
    const until = this.#flushedUntil;
    if (until === 0 || until > this.#clock.seconds) return false;
    return item.storedAt <= until ||
      (item.cas !== 0n && item.cas < this.#flushedCas);
  }
}

function absent(mode: StoreMode): StoreStatus {
  if (mode === "set" || mode === "add") return "stored";
  return mode === "cas" ? "notFound" : "notStored";
}

function present(
  mode: StoreMode,
  expected: bigint,
  cas: bigint,
  allowStale: boolean,
): StoreStatus {
  switch (mode) {
    case "add":
      return "notStored";
    case "append":
    case "prepend":
      return expected === 0n || expected === cas ? "stored" : "exists";
    case "cas":
      if (expected === 0n) return "exists";
      return expected === cas || (allowStale && expected < cas)
        ? "stored"
        : "exists";
    default:
      return "stored";
  }
}
