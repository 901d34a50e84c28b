/**
 * What a `StrictClient` makes of the answers of the client that it wraps.
 *
 * @module
 */

import type { GetOptions } from "../client/commands.ts";
import { type ItemKeeper, makeItem, moveOn } from "../client/item.ts";
import {
  MemcacheCasError,
  MemcacheNotFoundError,
  MemcacheNotStoredError,
  MemcacheNoValueError,
} from "../errors.ts";
import type { Item, Key } from "../types.ts";

function textOf(key: Key): string {
  return typeof key === "string" ? key : key[1];
}

/** There is no such item to change. */
export function notFound(command: string, key: Key): MemcacheNotFoundError {
  return new MemcacheNotFoundError(
    `Cannot run ${command}: the key is not stored`,
    { command, key: textOf(key), sent: true },
  );
}

/** The item is another one by now. */
export function changed(command: string, key: Key): MemcacheCasError {
  return new MemcacheCasError(
    "Cannot change item: it has changed since its cas was read",
    { command, key: textOf(key), sent: true },
  );
}

/** What a read has found. */
export function valueOf<T>(value: T | undefined, command: string, key: Key): T {
  if (value !== undefined) return value;
  throw new MemcacheNoValueError("Cannot read value: the key is not stored", {
    command,
    key: textOf(key),
    sent: true,
  });
}

/** What a read has found, or the default that it was given. */
export function found<T>(
  value: T | undefined,
  options: GetOptions<T> | undefined,
  command: string,
  key: Key,
): T | undefined {
  const hasDefault = options !== undefined && options !== null &&
    "default" in options;
  return hasDefault ? value : valueOf(value, command, key);
}

/** What a store has answered. */
export function stored(outcome: boolean, command: string, key: Key): true {
  if (outcome) return true;
  throw new MemcacheNotStoredError(
    `Cannot run ${command}: the server did not store the value`,
    { command, key: textOf(key), sent: true },
  );
}

/** An item whose methods throw where those of the other one answer no. */
export function strictItem<T>(item: Item<T>): Item<T> {
  const { key, value, flags, cas } = item;
  // The value is the other one's.
  return makeItem(key, value, flags, cas, new StrictKeeper(item), key) as Item<
    T
  >;
}

/** Has another item changed, and the one that was made of it follow. */
class StrictKeeper implements ItemKeeper {
  readonly #inner: Item;

  constructor(inner: Item) {
    this.#inner = inner;
  }

  store(
    ...[item, , mode, value, options]: Parameters<ItemKeeper["store"]>
  ): Promise<boolean> {
    const done = this.#inner[mode](value, options);
    return this.#follow(item, mode === "set" ? "cas" : "ms", done);
  }

  count(
    ...[item, , mode, delta, options]: Parameters<ItemKeeper["count"]>
  ): Promise<number | bigint> {
    return this.#follow(item, "ma", this.#inner[mode](delta, options));
  }

  touch(
    ...[item, , ttl, options]: Parameters<ItemKeeper["touch"]>
  ): Promise<boolean> {
    return this.#follow(item, "touch", this.#inner.touch(ttl, options));
  }

  delete(
    ...[item, , options]: Parameters<ItemKeeper["delete"]>
  ): Promise<boolean> {
    return this.#follow(item, "md", this.#inner.delete(options));
  }

  async #follow<R>(
    item: Item,
    command: string,
    done: Promise<R | false | undefined>,
  ): Promise<R> {
    const outcome = await done;
    if (outcome === undefined) throw notFound(command, item.key);
    if (outcome === false) throw changed(command, item.key);
    moveOn(item, this.#inner.cas);
    return outcome;
  }
}
