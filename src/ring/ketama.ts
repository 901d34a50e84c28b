/**
 * Ketama: servers and keys on one circle, a key belongs to the next server.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import {
  Circle,
  type CircleNode,
  type CircleRules,
  libmemcached,
  LIBMEMCACHED_WEIGHTED,
  thirdEden,
} from "./circle.ts";
import { checkNode, type Hasher, unknownNode } from "./hasher.ts";

/** Options of {@linkcode KetamaHash}. */
export interface KetamaHashOptions {
  /**
   * Whose points the servers get:
   *
   * - `"libmemcached-weighted"`: libmemcached's `KETAMA_WEIGHTED`, that is
   *   `OPT_LIBKETAMA_COMPATIBLE` in PHP and `"ketama_weighted"` in pylibmc;
   * - `"libmemcached"`: its `KETAMA` without weights;
   * - `"3rd-eden"`: npm's `memcached`.
   *
   * @default {"libmemcached-weighted"}
   */
  variant?: "libmemcached-weighted" | "libmemcached" | "3rd-eden";
  /**
   * Hashes keys and points to unsigned 32-bit integers, for the variant
   * `"libmemcached"` only: its `BEHAVIOR_HASH`. For md5 give `md5Word`.
   *
   * @default {oneAtATime}
   */
  hash?: (text: string) => number;
  /**
   * The option of that name of npm's `memcached`, for the variant `"3rd-eden"`
   * only: with `"hash_ring"` and `false` the port is always part of a server's
   * points, with `"hash_ring"` a server has 120 of them.
   *
   * @default {"ketama"}
   */
  compatibility?: "ketama" | "hash_ring" | false;
}

/** What leaves a share in single precision. */
const MIN_WEIGHT = 2 ** -32;
const MAX_WEIGHT = 2 ** 32 - 1;

/**
 * Places keys as libmemcached's ketama does, and by option as npm's
 * `memcached`: every server has points on a circle, about 160 of them, and a
 * key belongs to the server of the point that follows its hash.
 *
 * When one of n servers leaves, its keys go to the others, about evenly, and no
 * other key moves; when one comes, it takes about 1/n of the keys. That holds
 * for equal weights. With unequal ones the shares of all are drawn anew, as in
 * libmemcached, and some keys move between the others as well. A server of very
 * little weight beside the others may have no point, and no key.
 *
 * (npm's `memcached` gives servers of equal weight 156 points instead of 160
 * where there are 7, 14 or 28 of them: there, too, a few keys move more.)
 *
 * The order in which servers are added decides only between points of the same
 * value. The variant `"libmemcached"` knows no weights: one other than 1 is
 * refused.
 *
 * @example
 * ```ts
 * import { KetamaHash } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * const hasher = new KetamaHash();
 * hasher.addNode("10.0.1.1:11211");
 * hasher.addNode("10.0.1.2:11211", 2);
 * assertEquals(hasher.getNode("user:1"), "10.0.1.1:11211");
 * ```
 */
export class KetamaHash implements Hasher {
  readonly #variant: string;
  readonly #rules: CircleRules;
  #nodes: readonly CircleNode[] = [];
  /** Drawn for the first key after a change. */
  #circle: Circle | undefined;

  /**
   * Makes a hasher without servers.
   *
   * @param options Whose points the servers get.
   * @throws {MemcacheIllegalInputError} If there is no such variant, or an
   * option is not for it.
   */
  constructor(options: KetamaHashOptions = {}) {
    const { variant = "libmemcached-weighted", hash, compatibility } = options;
    if (hash !== undefined && variant !== "libmemcached") {
      throw refusal(`hash: it is for the variant libmemcached, not ${variant}`);
    }
    if (hash !== undefined && typeof hash !== "function") {
      throw refusal("hash: it must be a function");
    }
    if (compatibility !== undefined && variant !== "3rd-eden") {
      throw refusal(
        `compatibility: it is for the variant 3rd-eden, not ${variant}`,
      );
    }
    if (![undefined, "ketama", "hash_ring", false].includes(compatibility)) {
      throw refusal(
        `compatibility ${compatibility}: there are ketama, hash_ring and false`,
      );
    }
    switch (variant) {
      case "libmemcached-weighted":
        this.#rules = LIBMEMCACHED_WEIGHTED;
        break;
      case "libmemcached":
        this.#rules = libmemcached(hash);
        break;
      case "3rd-eden":
        this.#rules = thirdEden(compatibility);
        break;
      default:
        throw refusal(
          `variant ${variant}: there are libmemcached-weighted, ` +
            "libmemcached and 3rd-eden",
        );
    }
    this.#variant = variant;
  }

  /**
   * Adds a server, or gives one that is there a new weight.
   *
   * @param name The name of the server.
   * @param weight Its share of the keys relative to the others' weights, from
   * 2^-32 to 2^32 - 1.
   * @throws {MemcacheIllegalInputError} If the name or the weight cannot be.
   */
  addNode(name: string, weight: number = 1): void {
    checkNode(name, weight);
    if (weight < MIN_WEIGHT || weight > MAX_WEIGHT) {
      throw new MemcacheIllegalInputError(
        `Cannot add server ${name}: the weight must be from 2^-32 to ` +
          `2^32 - 1, it is ${weight}`,
        { sent: false },
      );
    }
    if (this.#variant === "libmemcached" && weight !== 1) {
      throw new MemcacheIllegalInputError(
        `Cannot add server ${name}: the variant libmemcached knows no ` +
          `weights, libmemcached-weighted does; the weight is ${weight}`,
        { sent: false },
      );
    }
    const node: CircleNode = { name, weight, points: [] };
    const nodes = [...this.#nodes];
    const at = nodes.findIndex((node) => node.name === name);
    nodes.splice(at < 0 ? nodes.length : at, 1, node);
    this.#nodes = nodes;
    this.#circle = undefined;
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
    this.#nodes = rest;
    this.#circle = undefined;
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
    const circle = this.#circle ??= new Circle(nodes, this.#rules);
    return nodes[circle.owners[circle.next(this.#rules.hashKey(key))]].name;
  }

  /**
   * Lists the servers in the order in which the key would fall over to them.
   *
   * @param key The key, as for {@linkcode KetamaHash.getNode}.
   * @returns The names of the servers, each once, the key's own first. They are
   * found one by one; with unequal weights each may need a ring of its own.
   */
  *getNodes(key: string): Iterable<string> {
    let nodes = this.#nodes;
    if (nodes.length === 0) return;
    const hash = this.#rules.hashKey(key);
    let circle = this.#circle ??= new Circle(nodes, this.#rules);
    while (nodes.length > 1) {
      const owner = circle.ownerAmong(nodes, hash);
      yield owner.name;
      nodes = nodes.filter((node) => node !== owner);
      // While the others keep their points, the way along the circle is the
      // way over the servers that are left.
      if (!circle.holdsFor(nodes)) circle = new Circle(nodes, this.#rules);
    }
    yield nodes[0].name;
  }
}

function refusal(what: string): MemcacheIllegalInputError {
  return new MemcacheIllegalInputError(`Cannot use ${what}`, { sent: false });
}
