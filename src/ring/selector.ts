/**
 * The selectors of memcached2.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import { crc32Bits } from "../hash/crc32.ts";
import type { Hasher } from "./hasher.ts";
import { fallOver, NONE, type Place, Places } from "./places.ts";

/** How {@linkcode SelectorHash} places keys. */
export type Selector =
  | "auto"
  | "first"
  | "available"
  | "rehash"
  | "fractal"
  | "consistent";

/** Options of {@linkcode SelectorHash}. */
export interface SelectorHashOptions {
  /**
   * How keys are placed:
   *
   * - `"first"`: all on the first server that is there;
   * - `"available"`: by the hash modulo the number of servers that are there,
   *   so that every removal moves most keys;
   * - `"rehash"`: by the hash modulo the number of places; if nobody is there,
   *   by the hash of the key with 0 to 9 behind it;
   * - `"fractal"`: by the hash modulo the number of places; if nobody is there,
   *   by the same hash among the places that are left;
   * - `"consistent"`: n * n buckets on a circle for n places;
   * - `"auto"`: as memcached2 without a selector: `"first"` with one place,
   *   `"rehash"` with two, `"fractal"` with more.
   *
   * @default {"auto"}
   */
  selector?: Selector;
}

/** A bucket's hash, and the index of its place. */
type Bucket = readonly [hash: number, index: number];

const SELECTORS: Readonly<Record<Selector, true>> = {
  auto: true,
  first: true,
  available: true,
  rehash: true,
  fractal: true,
  consistent: true,
};

/**
 * Places keys as the selectors of memcached2 do.
 *
 * The order in which servers are added is part of the placement, there are no
 * weights. A server that is removed keeps its place in the list, and gets its
 * keys back when it is added again; {@linkcode SelectorHash.forgetNode} takes
 * the place away as well.
 *
 * memcached2 loses servers that are up: its `SelectorFirst` knows only the
 * first, the one that rehashes gives up after ten tries, and the fractal one
 * takes the position among the servers that are left for one in the whole list.
 * Here a key has a server as long as there is one. That is the one which
 * memcached2 finds, but for `"fractal"` with another than the last of the list
 * removed.
 *
 * @example
 * ```ts
 * import { SelectorHash } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * const hasher = new SelectorHash({ selector: "first" });
 * hasher.addNode("main:11211");
 * hasher.addNode("spare:11211");
 * assertEquals(hasher.getNode("user:1"), "main:11211");
 * hasher.removeNode("main:11211");
 * assertEquals(hasher.getNode("user:1"), "spare:11211");
 * ```
 */
export class SelectorHash implements Hasher {
  readonly #selector: Selector;
  readonly #places: Places = new Places();
  /** For `"consistent"`: of the list as it is, by hash. */
  #buckets: readonly Bucket[] | undefined;

  /**
   * Makes a hasher without servers.
   *
   * @param options How keys are placed.
   * @throws {MemcacheIllegalInputError} If there is no such selector.
   */
  constructor(options: SelectorHashOptions = {}) {
    const { selector = "auto" } = options;
    if (!Object.hasOwn(SELECTORS, selector)) {
      throw new MemcacheIllegalInputError(
        `Cannot use selector ${selector}: there are ${
          Object.keys(SELECTORS).join(", ")
        }`,
        { sent: false },
      );
    }
    this.#selector = selector;
  }

  /**
   * Adds a server at the end of the list, or puts a removed one back into its
   * place.
   *
   * @param name The name of the server.
   * @param weight Only 1.
   * @throws {MemcacheIllegalInputError} If the name or the weight cannot be.
   */
  addNode(name: string, weight: number = 1): void {
    this.#places.addUnweighted(name, weight, "SelectorHash");
    this.#buckets = undefined;
  }

  /**
   * Removes a server, but not its place in the list.
   *
   * @param name The name of the server.
   * @throws {MemcacheIllegalInputError} If there is no such server.
   */
  removeNode(name: string): void {
    this.#places.remove(name);
    this.#buckets = undefined;
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
    this.#buckets = undefined;
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
   * @param key The key, as for {@linkcode SelectorHash.getNode}.
   * @returns The names of the servers, each once, the key's own first.
   */
  getNodes(key: string): Iterable<string> {
    return fallOver((gone) => this.#find(key, gone));
  }

  #find(key: string, gone: ReadonlySet<Place>): Place | undefined {
    const { all } = this.#places;
    const up = this.#places.upBut(gone);
    if (up.length === 0 || all.length === 1) return up[0];
    const selector = this.#selector === "auto"
      ? (all.length === 2 ? "rehash" : "fractal")
      : this.#selector;
    switch (selector) {
      case "first":
        return up[0];
      case "available":
        return up[crc32Bits(key) % up.length];
      case "rehash":
        return rehash(key, all, up);
      case "fractal":
        return fractal(key, all, up);
      case "consistent":
        this.#buckets ??= bucketsOf(all.length);
        return consistent(key, this.#buckets, all, up);
    }
  }
}

function rehash(
  key: string,
  all: readonly Place[],
  up: readonly Place[],
): Place {
  const first = crc32Bits(key);
  let place = all[first % all.length];
  for (let i = 0; i < 10 && !up.includes(place); i++) {
    place = all[crc32Bits(key + i) % all.length];
  }
  return up.includes(place) ? place : up[first % up.length];
}

function fractal(
  key: string,
  all: readonly Place[],
  up: readonly Place[],
): Place {
  const hash = crc32Bits(key);
  const left = [...all];
  let at = hash % left.length;
  while (!up.includes(left[at])) {
    left.splice(at, 1);
    at = hash % left.length;
  }
  return left[at];
}

/** n * n buckets; of two with the same hash the later stands. */
function bucketsOf(count: number): readonly Bucket[] {
  const found = new Map<number, number>();
  for (let i = 0; i < count * count; i++) {
    found.set(crc32Bits(`${i}`), i % count);
  }
  return [...found].sort(([a], [b]) => a - b);
}

function consistent(
  key: string,
  buckets: readonly Bucket[],
  all: readonly Place[],
  up: readonly Place[],
): Place {
  const hash = crc32Bits(key);
  // memcached2 looks for the pair of the hash and 0, from its right side.
  const isBefore = ([value, index]: Bucket) =>
    value < hash || (value === hash && index === 0);
  let low = 0;
  let high = buckets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(buckets[middle])) low = middle + 1;
    else high = middle;
  }
  for (let i = 0; i < buckets.length; i++) {
    let at = (low + i) % buckets.length;
    // The last bucket covers what is below the first as well.
    if (at === 0 && hash < buckets[0][0]) at = buckets.length - 1;
    const place = all[buckets[at][1]];
    if (up.includes(place)) return place;
  }
  return up[hash % up.length];
}
