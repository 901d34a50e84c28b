/**
 * The circle of a ketama ring: the points of all servers in order.
 *
 * @module
 */

import { md5, md5Word } from "../hash/md5.ts";
import { oneAtATime } from "../hash/one_at_a_time.ts";

/** A server, and its points as far as they have been needed. */
export interface CircleNode {
  readonly name: string;
  readonly weight: number;
  /** The first are always the same, however many are needed. */
  readonly points: number[];
}

/** How a client gives points to servers and looks keys up. */
export interface CircleRules {
  /** Hashes a key to an unsigned 32-bit integer. */
  readonly hashKey: (key: string) => number;
  /** The points that the i-th text of a server gives. */
  readonly hashText: (text: string) => ArrayLike<number>;
  /** How many points that is. */
  readonly perText: number;
  /** What stands for a server in its texts: this, a dash, a number. */
  readonly nameOf: (name: string) => string;
  /** How many texts each server has, by their weights. */
  readonly texts: (weights: readonly number[]) => number[];
}

/** Whether a server is named by the path of its socket. */
function isPath(name: string): boolean {
  return name.startsWith("/") || !/:\d+$/.test(name);
}

/** A server's name without the port, where that is the usual one. */
function withoutUsualPort(name: string): string {
  return isPath(name) ? name : name.replace(/:11211$/, "");
}

/** The same in libmemcached, where a socket has port 0. */
function libmemcachedName(name: string): string {
  return isPath(name) ? `${name}:0` : withoutUsualPort(name);
}

/** libmemcached's `KETAMA_WEIGHTED`. It counts in single precision. */
export const LIBMEMCACHED_WEIGHTED: CircleRules = {
  hashKey: md5Word,
  hashText: md5,
  perText: 4,
  nameOf: libmemcachedName,
  texts: (weights) => {
    const f = Math.fround;
    const total = f(sum(weights));
    return weights.map((weight) => {
      const share = f(f(weight) / total);
      const texts = f(f(f(share * 160) / 4) * weights.length);
      return Math.floor(f(texts + 1e-10));
    });
  },
};

/** libmemcached's `KETAMA` without weights, with any hash. */
export function libmemcached(
  hash: (text: string) => number = oneAtATime,
): CircleRules {
  return {
    hashKey: (key) => hash(key) >>> 0,
    hashText: (text) => [hash(text)],
    perText: 1,
    nameOf: libmemcachedName,
    texts: (weights) => weights.map(() => 100),
  };
}

/** npm's `memcached`, by its option `compatibility`. */
export function thirdEden(
  compatibility: "ketama" | "hash_ring" | false = "ketama",
): CircleRules {
  return {
    hashKey: md5Word,
    hashText: md5,
    perText: compatibility === "hash_ring" ? 3 : 4,
    nameOf: compatibility === "ketama" ? withoutUsualPort : (name) => name,
    texts: (weights) => {
      const total = sum(weights);
      return weights.map((weight) =>
        Math.floor(weight / total * 40 * weights.length)
      );
    },
  };
}

function sum(weights: readonly number[]): number {
  return weights.reduce((total, weight) => total + weight, 0);
}

/** The points of some servers in order. It never changes. */
export class Circle {
  /** The servers. */
  readonly nodes: readonly CircleNode[];
  /** The points, from 0 to 2^32 - 1. */
  readonly values: Uint32Array;
  /** The index of each point's server. */
  readonly owners: Uint32Array;
  readonly #rules: CircleRules;
  readonly #texts: readonly number[];
  /**
   * The circle up to the last point in equal sectors, at least as many as there
   * are points: where each begins, so that few points are left to be searched.
   */
  readonly #starts: Uint32Array;
  /** Makes a sector of a hash. */
  readonly #shift: number;

  /** Draws the circle; points of equal value stand in the order of servers. */
  constructor(nodes: readonly CircleNode[], rules: CircleRules) {
    this.nodes = nodes;
    this.#rules = rules;
    this.#texts = rules.texts(nodes.map(({ weight }) => weight));
    const counts = this.#texts.map((texts) => texts * rules.perText);
    const size = sum(counts);
    // Value and server in one number, far below 2^53, can be sorted natively.
    const sorted = new Float64Array(size);
    let at = 0;
    nodes.forEach((node, index) => {
      addPoints(node, counts[index], rules);
      for (let i = 0; i < counts[index]; i++) {
        sorted[at++] = node.points[i] * nodes.length + index;
      }
    });
    sorted.sort();
    this.values = new Uint32Array(size);
    this.owners = new Uint32Array(size);
    for (let i = 0; i < size; i++) {
      this.values[i] = Math.floor(sorted[i] / nodes.length);
      this.owners[i] = sorted[i] % nodes.length;
    }
    const bits = 32 - Math.clz32(this.values[size - 1]);
    this.#shift = Math.max(0, bits - (32 - Math.clz32(size)));
    this.#starts = new Uint32Array(2 ** (bits - this.#shift) + 1);
    at = 0;
    for (let sector = 0; sector < this.#starts.length; sector++) {
      const start = sector * 2 ** this.#shift;
      while (at < size && this.values[at] < start) at++;
      this.#starts[sector] = at;
    }
  }

  /** The index of the first point from a hash on. */
  next(hash: number): number {
    const values = this.values;
    if (hash > values[values.length - 1]) return 0;
    const sector = hash >>> this.#shift;
    let low = this.#starts[sector];
    let high = this.#starts[sector + 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (values[middle] < hash) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The first of these servers from a hash on. The circle must hold for them:
   * then one of them has points.
   */
  ownerAmong(nodes: readonly CircleNode[], hash: number): CircleNode {
    const start = this.next(hash);
    const { length } = this.owners;
    for (let i = 0; i < length; i++) {
      const node = this.nodes[this.owners[(start + i) % length]];
      if (nodes.includes(node)) return node;
    }
    return nodes[0];
  }

  /** Whether these servers, some of the circle's, would have the same points. */
  holdsFor(nodes: readonly CircleNode[]): boolean {
    const texts = this.#rules.texts(nodes.map(({ weight }) => weight));
    return nodes.every((node, i) =>
      this.#texts[this.nodes.indexOf(node)] === texts[i]
    );
  }
}

/** Sees to it that a server has as many points as are needed. */
function addPoints(
  { name, points }: CircleNode,
  count: number,
  { nameOf, perText, hashText }: CircleRules,
): void {
  while (points.length < count) {
    const found = hashText(`${nameOf(name)}-${points.length / perText}`);
    for (let i = 0; i < perText; i++) points.push(found[i] >>> 0);
  }
}
