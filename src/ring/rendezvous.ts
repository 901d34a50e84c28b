/**
 * Rendezvous hashing: every server has a score for a key, the highest wins.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import { murmur3 } from "../hash/murmur3.ts";
import { MurmurPrefixes } from "../hash/murmur3_prefixes.ts";
import {
  checkNode,
  compareCodePoints,
  type Hasher,
  unknownNode,
} from "./hasher.ts";

/** Options of {@linkcode RendezvousHash}. */
export interface RendezvousHashOptions {
  /**
   * What the hash begins with: an integer from 0 to 2^32 - 1. Any other
   * integer is taken modulo 2^32.
   *
   * @default {0}
   */
  seed?: number;
  /**
   * Hashes text to an unsigned 32-bit integer. It is called with
   * `server-key`.
   *
   * @default {murmur3}
   */
  hash?: (text: string, seed: number) => number;
}

/** A server. */
interface Node {
  readonly name: string;
  readonly weight: number;
}

/**
 * Places keys as pymemcache does: the server whose hash of `server-key` is the
 * highest has the key; of equal ones that with the greatest name.
 *
 * The order in which servers are added plays no part. When one of n servers
 * leaves, its keys go to the others evenly and no other key moves; when one
 * comes, it takes 1/n of the keys, evenly from all.
 *
 * Weights are an addition to pymemcache: a server of weight 2 has twice the
 * keys of one of weight 1, and a new weight moves only the keys that the server
 * gains or loses. While all weights are equal they change nothing.
 *
 * With `murmur3` the hash of each server's name is kept, and only the key is
 * hashed. One server needs no hash at all.
 *
 * @example
 * ```ts
 * import { RendezvousHash } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * const hasher = new RendezvousHash();
 * hasher.addNode("10.0.1.1:11211");
 * hasher.addNode("10.0.1.2:11211");
 * hasher.addNode("10.0.1.3:11211");
 * assertEquals(hasher.getNode("user:1"), "10.0.1.3:11211");
 *
 * // Where the key would go without its server.
 * const [, next] = hasher.getNodes("user:1");
 * hasher.removeNode("10.0.1.3:11211");
 * assertEquals(hasher.getNode("user:1"), next);
 * ```
 */
export class RendezvousHash implements Hasher {
  readonly #seed: number;
  readonly #hash: ((text: string, seed: number) => number) | undefined;
  /** By name in the order of code points: the later wins a tie. */
  #nodes: readonly Node[] = [];
  /** The scores of the key at work, by node, if there are unequal weights. */
  #weighted: Float64Array | undefined;
  #prefixes: MurmurPrefixes | undefined;

  /**
   * Makes a hasher without servers.
   *
   * @param options The hash function and its seed.
   * @throws {MemcacheIllegalInputError} If the seed is not an integer, or the
   * hash not a function.
   */
  constructor(options: RendezvousHashOptions = {}) {
    const { seed = 0, hash } = options;
    if (!Number.isSafeInteger(seed)) {
      throw new MemcacheIllegalInputError(
        `Cannot use seed: it must be an integer, it is ${seed}`,
        { sent: false },
      );
    }
    if (hash !== undefined && typeof hash !== "function") {
      throw new MemcacheIllegalInputError(
        "Cannot use hash: it must be a function",
        { sent: false },
      );
    }
    this.#seed = seed;
    this.#hash = hash === murmur3 ? undefined : hash;
  }

  /**
   * Adds a server, or gives one that is there a new weight.
   *
   * @param name The name of the server.
   * @param weight Its share of the keys relative to the others' weights, a
   * finite number above 0.
   * @throws {MemcacheIllegalInputError} If the name or the weight cannot be.
   */
  addNode(name: string, weight: number = 1): void {
    checkNode(name, weight);
    const others = this.#nodes.filter((node) => node.name !== name);
    this.#place([...others, { name, weight }]);
  }

  /**
   * Takes a server off the ring.
   *
   * @param name The name of the server.
   * @throws {MemcacheIllegalInputError} If there is no such server.
   */
  removeNode(name: string): void {
    const rest = this.#nodes.filter((node) => node.name !== name);
    if (rest.length === this.#nodes.length) throw unknownNode(name);
    this.#place(rest);
  }

  /**
   * Finds the server of a key.
   *
   * @param key The key, without the client's prefix; of a pair of a routing
   * key and a key the first.
   * @returns The name of the server; `undefined` if there is none.
   */
  getNode(key: string): string | undefined {
    const nodes = this.#nodes;
    if (nodes.length <= 1) return nodes[0]?.name;
    const scores = this.#scores(key);
    let best = -1;
    let winner = 0;
    for (let i = 0; i < scores.length; i++) {
      if (scores[i] >= best) {
        best = scores[i];
        winner = i;
      }
    }
    return nodes[winner].name;
  }

  /**
   * Lists the servers in the order in which the key would fall over to them.
   *
   * @param key The key, as for {@linkcode RendezvousHash.getNode}.
   * @returns The names of the servers, each once, the key's own first.
   */
  getNodes(key: string): Iterable<string> {
    const scores = this.#scores(key);
    return this.#nodes
      .map(({ name }, rank) => ({ name, rank, score: scores[rank] }))
      .sort((a, b) => b.score - a.score || b.rank - a.rank)
      .map(({ name }) => name);
  }

  #place(nodes: Node[]): void {
    nodes.sort((a, b) => compareCodePoints(a.name, b.name));
    this.#nodes = nodes;
    this.#weighted = nodes.some(({ weight }) => weight !== nodes[0].weight)
      ? new Float64Array(nodes.length)
      : undefined;
    this.#prefixes = this.#hash !== undefined
      ? undefined
      : new MurmurPrefixes(nodes.map(({ name }) => `${name}-`), this.#seed);
  }

  /** The score of each server. What it returns is good until the next call. */
  #scores(key: string): ArrayLike<number> {
    const hash = this.#hash;
    const hashes = this.#prefixes?.hash(key) ??
      this.#nodes.map(({ name }) => hash!(`${name}-${key}`, this.#seed) >>> 0);
    const weighted = this.#weighted;
    if (weighted === undefined) return hashes;
    for (let i = 0; i < weighted.length; i++) {
      // Exponentially distributed with the weight as its rate: the share of
      // the keys for which it is the greatest is the weight's of all weights.
      const uniform = (hashes[i] + 0.5) / 2 ** 32;
      weighted[i] = -this.#nodes[i].weight / Math.log(uniform);
    }
    return weighted;
  }
}
