/**
 * What maps keys to servers, and what all hashers ask of names and weights.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";

/**
 * Maps keys to servers: what `HashClient` asks where a key lives.
 *
 * A node is the name of a server, `host:port` or the path of its socket. The
 * hashers of this package decide odd input alike:
 *
 * - a name that is there already keeps its place and takes the new weight;
 * - removing a name that is not there, an empty name, and a weight that is not
 *   a finite number above 0 are refused with `MemcacheIllegalInputError`;
 * - without nodes there is no server for any key: `undefined`.
 *
 * An own hasher needs the first three methods.
 *
 * @example
 * ```ts
 * import type { Hasher } from "@x/memcache";
 * import { assertEquals } from "@std/assert";
 *
 * // Keys of a tenant on the tenant's server.
 * class TenantHash implements Hasher {
 *   #nodes: string[] = [];
 *   addNode(name: string): void {
 *     this.#nodes.push(name);
 *   }
 *   removeNode(name: string): void {
 *     this.#nodes = this.#nodes.filter((node) => node !== name);
 *   }
 *   getNode(key: string): string | undefined {
 *     return this.#nodes[Number.parseInt(key) % this.#nodes.length];
 *   }
 * }
 *
 * const hasher = new TenantHash();
 * hasher.addNode("cache-a:11211");
 * hasher.addNode("cache-b:11211");
 * assertEquals(hasher.getNode("7:cart"), "cache-b:11211");
 * ```
 */
export interface Hasher {
  /**
   * Adds a server, or gives one that is there a new weight.
   *
   * A server that was removed and is added again gets back the keys that it
   * had.
   *
   * @param name The name of the server.
   * @param weight Its share of the keys relative to the others' weights, a
   * finite number above 0.
   * @throws {MemcacheIllegalInputError} If the name or the weight cannot be.
   */
  addNode(name: string, weight?: number): void;
  /**
   * Takes a server's keys away from it: it is dead, or gone for good.
   *
   * @param name The name of the server.
   * @throws {MemcacheIllegalInputError} If there is no such server.
   */
  removeNode(name: string): void;
  /**
   * Finds the server of a key.
   *
   * @param key The key, without the client's prefix; of a pair of a routing
   * key and a key the first.
   * @returns The name of the server; `undefined` if there is none.
   */
  getNode(key: string): string | undefined;
  /**
   * Lists the servers in the order in which a key would fall over to them:
   * first its own, then the one it would have if the first were removed, and
   * so on.
   *
   * @param key The key, as for {@linkcode Hasher.getNode}.
   * @returns The names of the servers, each once.
   */
  getNodes?(key: string): Iterable<string>;
  /**
   * Removes a server for good, whether it is there or was removed before. Only
   * hashers that place by position have this method: with
   * {@linkcode Hasher.removeNode} they keep the server's place in the list for
   * it, so that no key of another server moves while one is dead.
   *
   * @param name The name of the server.
   * @throws {MemcacheIllegalInputError} If there was no such server.
   */
  forgetNode?(name: string): void;
}

/** Checks a name and a weight that were given to `addNode()`. */
export function checkNode(name: string, weight: number): void {
  if (typeof name !== "string" || name === "") {
    throw new MemcacheIllegalInputError(
      `Cannot add server: its name must be a text that is not empty`,
      { sent: false },
    );
  }
  if (typeof weight !== "number" || !(weight > 0 && weight < Infinity)) {
    throw new MemcacheIllegalInputError(
      `Cannot add server ${name}: the weight must be a finite number above ` +
        `0, it is ${weight}`,
      { sent: false },
    );
  }
}

/** What removing a server that is not there comes to. */
export function unknownNode(name: string): MemcacheIllegalInputError {
  return new MemcacheIllegalInputError(
    `Cannot remove server ${name}: it is not there`,
    { sent: false },
  );
}

/**
 * Compares texts by code points, as Python does, where `<` compares UTF-16
 * units and so puts U+1F600 before U+FFFD.
 *
 * @returns Below, above or equal to 0.
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return inOrder(x) - inOrder(y);
  }
  return a.length - b.length;
}

/** Puts the units of surrogate pairs behind all others. */
function inOrder(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
