/**
 * Hash tags: keys that name the part by which they are placed.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { Hasher } from "./hasher.ts";

/**
 * Places keys by a part of them, around any hasher, as torncache does with
 * `hash_tags` and twemproxy with `hash_tag`: of a key with tags only what
 * stands between the first opening tag and the next closing one is hashed, so
 * that keys with the same tag live on the same server. A key without tags, or
 * with nothing between them, is hashed as a whole.
 *
 * Its other methods are there if the hasher has them.
 *
 * @example
 * ```ts
 * import { HashTags, RendezvousHash } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * const hasher = new HashTags(new RendezvousHash(), "{}");
 * hasher.addNode("10.0.1.1:11211");
 * hasher.addNode("10.0.1.2:11211");
 * assertEquals(
 *   hasher.getNode("{user:1}:profile"),
 *   hasher.getNode("cart:{user:1}"),
 * );
 * ```
 */
export class HashTags implements Hasher {
  /**
   * The hasher's {@linkcode Hasher.getNodes}, for the part of the key.
   */
  readonly getNodes?: (key: string) => Iterable<string>;
  /**
   * The hasher's {@linkcode Hasher.forgetNode}.
   */
  readonly forgetNode?: (name: string) => void;
  readonly #hasher: Hasher;
  readonly #open: string;
  readonly #close: string;

  /**
   * Puts tags around a hasher.
   *
   * @param hasher The hasher, with or without servers.
   * @param tags Two ASCII characters, the opening and the closing tag, which
   * may be the same.
   * @throws {MemcacheIllegalInputError} If the tags cannot be.
   */
  constructor(hasher: Hasher, tags: string = "{}") {
    if (typeof tags !== "string" || !/^[!-~]{2}$/.test(tags)) {
      throw new MemcacheIllegalInputError(
        "Cannot use hash tags: they must be two visible ASCII characters, " +
          `they are ${JSON.stringify(tags)}`,
        { sent: false },
      );
    }
    this.#hasher = hasher;
    this.#open = tags[0];
    this.#close = tags[1];
    this.getNodes = hasher.getNodes === undefined
      ? undefined
      : (key) => hasher.getNodes!(this.#part(key));
    this.forgetNode = hasher.forgetNode === undefined
      ? undefined
      : (name) => hasher.forgetNode!(name);
  }

  /**
   * Adds a server to the hasher.
   *
   * @param name The name of the server.
   * @param weight Its share of the keys, as the hasher understands it.
   * @throws {MemcacheIllegalInputError} If the hasher does.
   */
  addNode(name: string, weight?: number): void {
    this.#hasher.addNode(name, weight);
  }

  /**
   * Takes a server off the hasher.
   *
   * @param name The name of the server.
   * @throws {MemcacheIllegalInputError} If the hasher does.
   */
  removeNode(name: string): void {
    this.#hasher.removeNode(name);
  }

  /**
   * Finds the server of a key by its part between the tags.
   *
   * @param key The key, without the client's prefix; of a pair of a routing
   * key and a key the first.
   * @returns The name of the server; `undefined` if there is none.
   */
  getNode(key: string): string | undefined {
    return this.#hasher.getNode(this.#part(key));
  }

  #part(key: string): string {
    const open = key.indexOf(this.#open);
    if (open < 0) return key;
    const close = key.indexOf(this.#close, open + 1);
    return close <= open + 1 ? key : key.slice(open + 1, close);
  }
}
