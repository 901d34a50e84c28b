/**
 * A memory of recent keys around a hasher.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { Hasher } from "./hasher.ts";

/** Options of {@linkcode RecentKeys}. */
export interface RecentKeysOptions {
  /**
   * The greatest number of keys to remember, an integer from 2 on. At least
   * the latest half of that number is remembered.
   *
   * @default {10_000}
   */
  size?: number;
}

/** Longer routing keys are not remembered: a command's key is not longer. */
const MAX_LENGTH = 250;

/**
 * Remembers where recent keys live, around any hasher.
 *
 * Worth it for a slow hasher and few keys that come again and again. A key that
 * is found costs 20 to 60 ns where its string has been hashed before (a
 * constant, say) and about 100 ns where it was just put together; one that is
 * not found costs two to three times what it does without a memory. The hashers
 * of this package take 50 to 250 ns over ten servers, and are mostly better off
 * alone.
 *
 * It holds the strings of the keys. A change of servers must go through it, and
 * empties it. Its other methods are there if the hasher has them.
 *
 * @example
 * ```ts
 * import { KetamaHash, RecentKeys } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * const hasher = new RecentKeys(new KetamaHash(), { size: 1000 });
 * hasher.addNode("10.0.1.1:11211");
 * hasher.addNode("10.0.1.2:11211");
 * assertEquals(hasher.getNode("user:1"), hasher.getNode("user:1"));
 * ```
 */
export class RecentKeys implements Hasher {
  /**
   * The hasher's {@linkcode Hasher.getNodes}: nothing is remembered of it.
   */
  readonly getNodes?: (key: string) => Iterable<string>;
  /**
   * The hasher's {@linkcode Hasher.forgetNode}; empties the memory.
   */
  readonly forgetNode?: (name: string) => void;
  readonly #hasher: Hasher;
  readonly #half: number;
  /** When the younger half is full, it becomes the older, which is dropped. */
  #younger: Map<string, string> = new Map();
  #older: Map<string, string> = new Map();

  /**
   * Puts a memory around a hasher.
   *
   * @param hasher The hasher, with or without servers.
   * @param options How many keys to remember.
   * @throws {MemcacheIllegalInputError} If the size cannot be.
   */
  constructor(hasher: Hasher, options: RecentKeysOptions = {}) {
    const { size = 10_000 } = options;
    if (!Number.isSafeInteger(size) || size < 2) {
      throw new MemcacheIllegalInputError(
        `Cannot use size: it must be an integer from 2 on, it is ${size}`,
        { sent: false },
      );
    }
    this.#hasher = hasher;
    this.#half = size >> 1;
    this.getNodes = hasher.getNodes === undefined
      ? undefined
      : (key) => hasher.getNodes!(key);
    this.forgetNode = hasher.forgetNode === undefined ? undefined : (name) => {
      this.#forget();
      hasher.forgetNode!(name);
    };
  }

  /**
   * Adds a server to the hasher and empties the memory.
   *
   * @param name The name of the server.
   * @param weight Its share of the keys, as the hasher understands it.
   * @throws {MemcacheIllegalInputError} If the hasher does.
   */
  addNode(name: string, weight?: number): void {
    this.#forget();
    this.#hasher.addNode(name, weight);
  }

  /**
   * Takes a server off the hasher and empties the memory.
   *
   * @param name The name of the server.
   * @throws {MemcacheIllegalInputError} If the hasher does.
   */
  removeNode(name: string): void {
    this.#forget();
    this.#hasher.removeNode(name);
  }

  /**
   * Finds the server of a key, in the memory or with the hasher.
   *
   * @param key The key, without the client's prefix; of a pair of a routing
   * key and a key the first.
   * @returns The name of the server; `undefined` if there is none.
   */
  getNode(key: string): string | undefined {
    const node = this.#younger.get(key);
    return node === undefined ? this.#find(key) : node;
  }

  #find(key: string): string | undefined {
    const node = this.#older.get(key) ?? this.#hasher.getNode(key);
    if (node === undefined || key.length > MAX_LENGTH) return node;
    if (this.#younger.size >= this.#half) {
      this.#older = this.#younger;
      this.#younger = new Map();
    }
    this.#younger.set(key, node);
    return node;
  }

  #forget(): void {
    this.#younger = new Map();
    this.#older = new Map();
  }
}
