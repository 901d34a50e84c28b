/**
 * The list of servers of hashers that place keys by position.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import { checkNode, unknownNode } from "./hasher.ts";

/** A server and its place in the list. */
export interface Place {
  readonly name: string;
  /** How often it stands in the list. */
  readonly weight: number;
  /** Whether it is there, or only its place. */
  readonly isUp: boolean;
}

/**
 * Servers in the order in which they were added. One that is removed leaves its
 * place, so that the others keep theirs and it can have it back.
 */
export class Places {
  /** All places. */
  all: readonly Place[] = [];
  /** Those of servers that are there. */
  up: readonly Place[] = [];
  /** The weights of all places together. */
  total = 0;

  /** Adds a server at the end, or puts one back, or gives it a new weight. */
  add(name: string, weight: number): void {
    checkNode(name, weight);
    if (!Number.isSafeInteger(weight) || weight >= 2 ** 32) {
      throw new MemcacheIllegalInputError(
        `Cannot add server ${name}: the weight must be an integer below ` +
          `2^32, it is ${weight}`,
        { sent: false },
      );
    }
    const places = [...this.all];
    const at = places.findIndex((place) => place.name === name);
    const place = { name, weight, isUp: true };
    places.splice(at < 0 ? places.length : at, 1, place);
    this.#set(places);
  }

  /** The same where the hasher's placement knows no weights. */
  addUnweighted(name: string, weight: number, hasher: string): void {
    checkNode(name, weight);
    if (weight !== 1) {
      throw new MemcacheIllegalInputError(
        `Cannot add server ${name}: ${hasher} knows no weights, ` +
          `the weight is ${weight}`,
        { sent: false },
      );
    }
    this.add(name, weight);
  }

  /** Removes a server, but not its place. */
  remove(name: string): void {
    if (!this.up.some((place) => place.name === name)) throw unknownNode(name);
    this.#set(
      this.all.map((place) =>
        place.name === name ? { ...place, isUp: false } : place
      ),
    );
  }

  /** Removes a server and its place. */
  forget(name: string): void {
    const rest = this.all.filter((place) => place.name !== name);
    if (rest.length === this.all.length) throw unknownNode(name);
    this.#set(rest);
  }

  /** The place that covers a position from 0 to `total` - 1. */
  at(position: number): Place {
    const { all, total } = this;
    if (total === all.length) return all[position];
    let i = 0;
    while (position >= all[i].weight) position -= all[i++].weight;
    return all[i];
  }

  /** The servers that are there and not among those. */
  upBut(gone: ReadonlySet<Place>): readonly Place[] {
    return gone.size === 0
      ? this.up
      : this.up.filter((place) => !gone.has(place));
  }

  #set(places: readonly Place[]): void {
    this.all = places;
    this.up = places.filter(({ isUp }) => isUp);
    this.total = places.reduce((sum, { weight }) => sum + weight, 0);
  }
}

/** No place. */
export const NONE: ReadonlySet<Place> = new Set<Place>();

/**
 * Lists servers in the order in which a key falls over to them.
 *
 * @param find Finds the key's server as if some others were removed as well.
 */
export function* fallOver(
  find: (gone: ReadonlySet<Place>) => Place | undefined,
): Iterable<string> {
  const gone = new Set<Place>();
  for (let place = find(gone); place !== undefined; place = find(gone)) {
    yield place.name;
    gone.add(place);
  }
}
