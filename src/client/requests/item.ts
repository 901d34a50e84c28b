/**
 * Reads of an item with all that is stored beside its value.
 *
 * @module
 */

import type { Mark } from "../../cache/marks.ts";
import type { Item, Key } from "../../types.ts";
import type { Versioned } from "../command_options.ts";
import type { Context } from "../context.ts";
import { type ItemKeeper, makeItem } from "../item.ts";
import { GetsCommand } from "./fetch.ts";

/** `getItem`: the value with all that is stored beside it. */
export class GetItemCommand extends GetsCommand {
  readonly #keeper: ItemKeeper;
  readonly #given: Key;

  /** Takes who is to change the item, and the key as it was given, besides. */
  constructor(
    context: Context,
    key: string,
    wireKey: string,
    keeper: ItemKeeper,
    given: Key,
  ) {
    super("gets", context, key, wireKey, undefined);
    this.#keeper = keeper;
    this.#given = given;
  }

  protected override shape(value: unknown, flags: number, cas: bigint): Item {
    return makeItem(this.key, value, flags, cas, this.#keeper, this.#given);
  }
}

/**
 * Reads a value with its version for an `update`, to which a sign of `getOrSet`
 * is no value, but an item to be stored over.
 */
export class LatestCommand extends GetsCommand {
  protected override marked(_mark: Mark, cas: bigint): Versioned<undefined> {
    return { value: undefined, cas };
  }
}

/** The stored bytes of an item. */
export interface RawItem {
  /** As they are stored. */
  readonly data: Uint8Array;
  /** The number stored with them. */
  readonly flags: number;
  /** The CAS unique. */
  readonly cas: bigint;
}

/** Reads the bytes as they are stored: its context has the serde for that. */
export class RawItemCommand extends GetsCommand {
  protected override shape(
    data: unknown,
    flags: number,
    cas: bigint,
  ): RawItem {
    // What rawSerde reads.
    return { data: data as Uint8Array, flags, cas };
  }
}
