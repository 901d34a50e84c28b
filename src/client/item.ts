/**
 * Items with the methods that change them: plain objects to whoever compares,
 * prints or copies them.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type {
  CommandOptions,
  Item,
  ItemStoreOptions,
  Key,
  Ttl,
} from "../types.ts";

/** How an item's method stores. */
export type ItemStoreMode = "set" | "append" | "prepend";

/** Who carries out what the methods of items are asked for. */
export interface ItemKeeper {
  /** Stores; see {@linkcode Item.set}, `append` and `prepend`. */
  store(
    item: Item,
    key: Key,
    mode: ItemStoreMode,
    value: unknown,
    options: ItemStoreOptions | undefined,
  ): Promise<boolean | undefined>;
  /** Counts; see {@linkcode Item.incr} and `decr`. */
  count(
    item: Item,
    key: Key,
    mode: "incr" | "decr",
    delta: number | bigint | undefined,
    options: CommandOptions | undefined,
  ): Promise<number | bigint | false | undefined>;
  /** Touches; see {@linkcode Item.touch}. */
  touch(
    item: Item,
    key: Key,
    ttl: Ttl,
    options: CommandOptions | undefined,
  ): Promise<boolean | undefined>;
  /** Deletes; see {@linkcode Item.delete}. */
  delete(
    item: Item,
    key: Key,
    options: CommandOptions | undefined,
  ): Promise<boolean | undefined>;
}

/** Gives its fields to an object that is there already. */
class Given {
  constructor(object: object) {
    // What a constructor returns is what the fields of its heirs are put on.
    return object as Given;
  }
}

/** What an item knows besides, where nobody else sees it. */
class Bond extends Given {
  readonly #keeper: ItemKeeper;
  readonly #key: Key;

  constructor(item: object, keeper: ItemKeeper, key: Key) {
    super(item);
    this.#keeper = keeper;
    this.#key = key;
  }

  /** Has the keeper do something, or refuses what is no item. */
  static act<R>(
    item: Item,
    act: (keeper: ItemKeeper, key: Key) => Promise<R>,
  ): Promise<R> {
    const bound: unknown = item;
    if (typeof bound !== "object" || bound === null || !(#keeper in bound)) {
      return Promise.reject(
        new MemcacheIllegalInputError(
          "Cannot change item: the method was not called on an item",
          { sent: false },
        ),
      );
    }
    return act(bound.#keeper, bound.#key);
  }
}

type Methods = Omit<Item, "key" | "value" | "flags" | "cas">;

/** The methods of all items. */
const METHODS: Methods & ThisType<Item> = {
  set(value, options) {
    return Bond.act(
      this,
      (to, key) => to.store(this, key, "set", value, options),
    );
  },
  append(value, options) {
    return Bond.act(
      this,
      (to, key) => to.store(this, key, "append", value, options),
    );
  },
  prepend(value, options) {
    return Bond.act(
      this,
      (to, key) => to.store(this, key, "prepend", value, options),
    );
  },
  incr<D extends number | bigint>(delta?: D, options?: CommandOptions) {
    return count<D>(this, "incr", delta, options);
  },
  decr<D extends number | bigint>(delta?: D, options?: CommandOptions) {
    return count<D>(this, "decr", delta, options);
  },
  touch(ttl, options) {
    return Bond.act(this, (to, key) => to.touch(this, key, ttl, options));
  },
  delete(options) {
    return Bond.act(this, (to, key) => to.delete(this, key, options));
  },
};

type Count<D> = (D extends bigint ? bigint : number) | false | undefined;

function count<D extends number | bigint>(
  item: Item,
  mode: "incr" | "decr",
  delta: D | undefined,
  options: CommandOptions | undefined,
): Promise<Count<D>> {
  return Bond.act(
    item,
    // It has the delta's type.
    (to, key) => to.count(item, key, mode, delta, options) as Promise<Count<D>>,
  );
}

/** A method as a property that nobody lists. */
function hidden(name: keyof Methods): PropertyDescriptor {
  return { value: METHODS[name], writable: true, configurable: true };
}

const SET = hidden("set");
const APPEND = hidden("append");
const PREPEND = hidden("prepend");
const INCR = hidden("incr");
const DECR = hidden("decr");
const TOUCH = hidden("touch");
const DELETE = hidden("delete");

/**
 * Makes an item.
 *
 * @param key The caller's key, its stored part.
 * @param value The value.
 * @param flags The number stored with it.
 * @param cas Its CAS unique.
 * @param keeper Who carries out what its methods are asked for.
 * @param given The caller's key as it was given.
 */
export function makeItem(
  key: string,
  value: unknown,
  flags: number,
  cas: bigint,
  keeper: ItemKeeper,
  given: Key,
): Item {
  const item = { key, value, flags, cas };
  new Bond(item, keeper, given);
  // One by one: that takes half as long as all of them in one call.
  const { defineProperty } = Object;
  defineProperty(item, "set", SET);
  defineProperty(item, "append", APPEND);
  defineProperty(item, "prepend", PREPEND);
  defineProperty(item, "incr", INCR);
  defineProperty(item, "decr", DECR);
  defineProperty(item, "touch", TOUCH);
  // The last one makes it whole.
  return defineProperty(item, "delete", DELETE) as Item;
}

/** Notes an item's new CAS unique: it is for reading to everyone else. */
export function moveOn(item: Item, cas: bigint): void {
  (item as { cas: bigint }).cas = cas;
}

/** The CAS unique of no item. */
export const NO_CAS = 0n;

/**
 * Refuses to change an item whose CAS unique is not known: nothing would guard
 * the change.
 *
 * @throws {MemcacheIllegalInputError} If it is not.
 */
export function checkGuard(item: Item, command: string): void {
  if (item.cas !== NO_CAS) return;
  throw new MemcacheIllegalInputError(
    "Cannot change item: its cas is not known (0), read the item again",
    { command, key: item.key, sent: false },
  );
}
