/**
 * Items of a namespace: their methods change nothing of a version that is no
 * more.
 *
 * @module
 */

import type {
  CommandOptions,
  Item,
  ItemStoreOptions,
  Key,
  Ttl,
} from "../../types.ts";
import type { ItemKeeper, ItemStoreMode } from "../item.ts";

/**
 * Carries out what an item's method does, and answers as for an item that is
 * gone where the version is another one by now.
 */
export type Checked = <T>(
  key: Key,
  options: CommandOptions | undefined,
  act: () => Promise<T>,
) => Promise<T | undefined>;

/** Keeps items of one version. */
export class CheckedKeeper implements ItemKeeper {
  readonly #keeper: ItemKeeper;
  readonly #checked: Checked;

  /** Takes who carries it out, and who checks it. */
  constructor(keeper: ItemKeeper, checked: Checked) {
    this.#keeper = keeper;
    this.#checked = checked;
  }

  store(
    item: Item,
    key: Key,
    mode: ItemStoreMode,
    value: unknown,
    options: ItemStoreOptions | undefined,
  ): Promise<boolean | undefined> {
    return this.#checked(
      key,
      options,
      () => this.#keeper.store(item, key, mode, value, options),
    );
  }

  count(
    item: Item,
    key: Key,
    mode: "incr" | "decr",
    delta: number | bigint | undefined,
    options: CommandOptions | undefined,
  ): Promise<number | bigint | false | undefined> {
    return this.#checked(
      key,
      options,
      () => this.#keeper.count(item, key, mode, delta, options),
    );
  }

  touch(
    item: Item,
    key: Key,
    ttl: Ttl,
    options: CommandOptions | undefined,
  ): Promise<boolean | undefined> {
    return this.#checked(
      key,
      options,
      () => this.#keeper.touch(item, key, ttl, options),
    );
  }

  delete(
    item: Item,
    key: Key,
    options: CommandOptions | undefined,
  ): Promise<boolean | undefined> {
    return this.#checked(
      key,
      options,
      () => this.#keeper.delete(item, key, options),
    );
  }
}
