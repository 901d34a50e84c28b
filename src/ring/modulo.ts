/**
 * Modulo hashing: the hash of a key counts the servers off.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import { crc32, crc32Bits } from "../hash/crc32.ts";
import type { Hasher } from "./hasher.ts";
import { fallOver, NONE, type Place, Places } from "./places.ts";

/** Options of {@linkcode ModuloHash}. */
export interface ModuloHashOptions {
  /**
   * Whose placement it is:
   *
   * - `"python-memcached"`: 15 bits of the CRC-32, weights, and what is said
   *   below for servers that are removed;
   * - `"gomemcache"`: the whole CRC-32, no weights.
   *
   * @default {"python-memcached"}
   */
  variant?: "python-memcached" | "gomemcache";
  /**
   * Hashes a key to an integer from 0 to 2^32 - 1, in place of the variant's
   * own hash.
   *
   * @default {the variant's}
   */
  hash?: (key: string) => number;
  /**
   * Gives a key to one of the servers that are left, where python-memcached
   * finds only removed ones in ten tries and gives the key up.
   *
   * @default {false}
   */
  lastResort?: boolean;
}

/**
 * Places keys as python-memcached does, and by option as gomemcache: the hash
 * of the key modulo the number of servers.
 *
 * The order in which servers are added is part of the placement. A server that
 * is removed keeps its place in the list, as a dead one does in
 * python-memcached: only its own keys go elsewhere, and it gets them back when
 * it is added again. {@linkcode ModuloHash.forgetNode} takes the place away as
 * well, which moves most keys, as any change of the list does: with n servers
 * all but 1/n of them. Where servers come and go, `RendezvousHash` and
 * `KetamaHash` are better choices.
 *
 * The keys of a removed server: python-memcached hashes again, up to ten tries
 * in all, and then has no server for the key, nor has this hasher without
 * `lastResort`. gomemcache knows no dead servers; here their keys go to those
 * that are there, by the hash modulo their number.
 *
 * @example
 * ```ts
 * import { ModuloHash } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * const hasher = new ModuloHash();
 * hasher.addNode("10.0.1.1:11211");
 * hasher.addNode("10.0.1.2:11211", 2); // twice the keys
 * assertEquals(hasher.getNode("user:1"), "10.0.1.1:11211");
 * hasher.removeNode("10.0.1.1:11211");
 * assertEquals(hasher.getNode("user:1"), "10.0.1.2:11211");
 * ```
 */
export class ModuloHash implements Hasher {
  readonly #rehashes: boolean;
  readonly #hash: (key: string) => number;
  readonly #lastResort: boolean;
  readonly #places: Places = new Places();

  /**
   * Makes a hasher without servers.
   *
   * @param options Whose placement it is.
   * @throws {MemcacheIllegalInputError} If there is no such variant, or the
   * hash is not a function.
   */
  constructor(options: ModuloHashOptions = {}) {
    const { variant = "python-memcached", hash, lastResort = false } = options;
    if (variant !== "python-memcached" && variant !== "gomemcache") {
      throw new MemcacheIllegalInputError(
        `Cannot use variant ${variant}: there are python-memcached and ` +
          "gomemcache",
        { sent: false },
      );
    }
    if (hash !== undefined && typeof hash !== "function") {
      throw new MemcacheIllegalInputError(
        "Cannot use hash: it must be a function",
        { sent: false },
      );
    }
    this.#rehashes = variant === "python-memcached";
    this.#hash = hash === undefined
      ? (this.#rehashes ? crc32Bits : crc32)
      : (key) => hash(key) >>> 0;
    this.#lastResort = lastResort;
  }

  /**
   * Adds a server at the end of the list, puts a removed one back into its
   * place, or gives one that is there a new weight.
   *
   * @param name The name of the server.
   * @param weight How often it stands in the list, an integer from 1 to
   * 2^32 - 1; with the variant `"gomemcache"` only 1.
   * @throws {MemcacheIllegalInputError} If the name or the weight cannot be.
   */
  addNode(name: string, weight: number = 1): void {
    if (this.#rehashes) this.#places.add(name, weight);
    else this.#places.addUnweighted(name, weight, "the variant gomemcache");
  }

  /**
   * Removes a server, but not its place in the list.
   *
   * @param name The name of the server.
   * @throws {MemcacheIllegalInputError} If there is no such server.
   */
  removeNode(name: string): void {
    this.#places.remove(name);
  }

  /**
   * Removes a server and its place in the list, so that keys are placed as by a
   * list that never had it.
   *
   * @param name The name of the server, which may have been removed before.
   * @throws {MemcacheIllegalInputError} If there was no such server.
   */
  forgetNode(name: string): void {
    this.#places.forget(name);
  }

  /**
   * Finds the server of a key.
   *
   * @param key The key, without the client's prefix; of a pair of a routing
   * key and a key the first.
   * @returns The name of the server; `undefined` if there is none.
   */
  getNode(key: string): string | undefined {
    return this.#find(key, NONE)?.name;
  }

  /**
   * Lists the servers in the order in which the key would fall over to them.
   *
   * @param key The key, as for {@linkcode ModuloHash.getNode}.
   * @returns The names of the servers, each once, the key's own first. Those
   * for which the key would be given up are left out.
   */
  getNodes(key: string): Iterable<string> {
    return fallOver((gone) => this.#find(key, gone));
  }

  #find(key: string, gone: ReadonlySet<Place>): Place | undefined {
    const places = this.#places;
    const up = places.upBut(gone);
    if (up.length === 0) return undefined;
    if (places.all.length === 1) return up[0];
    const first = this.#hash(key);
    let hash = first;
    for (let i = 0; i < (this.#rehashes ? 10 : 1); i++) {
      const place = places.at(hash % places.total);
      if (place.isUp && !gone.has(place)) return place;
      hash = this.#hash(`${hash}${i}`);
    }
    return this.#rehashes && !this.#lastResort
      ? undefined
      : up[first % up.length];
  }
}
