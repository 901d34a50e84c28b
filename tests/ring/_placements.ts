/**
 * Recorded placements, and how many keys move when servers come and go.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Hasher } from "../../src/ring/hasher.ts";
import { readVectors } from "../_vectors.ts";

/** Servers of tests/vectors/placement_keys.json. */
export interface ServerSet {
  readonly id: string;
  readonly servers: readonly string[];
  readonly weights: readonly number[] | null;
}

/** Where another client placed keys. */
export interface Placement {
  readonly algo: string;
  readonly set: string;
  readonly keys: "keys" | "unicode_keys";
  /** One character for each key: the index of its server, "-" for none. */
  readonly choice: string;
  /** The indexes of the servers that are down. */
  readonly dead?: readonly number[];
  readonly seed?: number;
  readonly key_type?: string;
  readonly behaviours?: readonly string[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly points?: readonly number[];
  readonly ring_sha1?: string;
  readonly raises?: Readonly<Record<string, number>>;
}

const { keys, unicode_keys, server_sets } = readVectors<{
  keys: readonly string[];
  unicode_keys: readonly string[];
  server_sets: readonly ServerSet[];
}>("placement_keys.json");

/** 500 keys. */
export const KEYS: readonly string[] = keys;

/** The placements of a file under tests/vectors. */
export function readPlacements(file: string): readonly Placement[] {
  return readVectors<{ placements: Placement[] }>(file).placements;
}

/** The servers of a placement. */
export function serversOf({ set }: Placement): ServerSet {
  const found = server_sets.find(({ id }) => id === set);
  if (found === undefined) throw new Error(`Cannot find server set ${set}`);
  return found;
}

/** The keys of a placement. */
export function keysOf(placement: Placement): readonly string[] {
  return placement.keys === "keys" ? keys : unicode_keys;
}

/** Adds the servers of a placement, then removes those that are down. */
export function fill(hasher: Hasher, placement: Placement): void {
  const { servers, weights } = serversOf(placement);
  servers.forEach((name, i) => hasher.addNode(name, weights?.[i]));
  for (const index of placement.dead ?? []) hasher.removeNode(servers[index]);
}

/** What a hasher does with the keys of a placement, written as `choice` is. */
export function choose(
  hasher: Hasher,
  placement: Placement,
  keys: readonly string[] = keysOf(placement),
): string {
  const { servers } = serversOf(placement);
  return keys.map((key) => {
    const node = hasher.getNode(key);
    return node === undefined ? "-" : servers.indexOf(node);
  }).join("");
}

/** Holds a hasher with the servers of each placement to what was recorded. */
export function assertPlacements(
  placements: readonly Placement[],
  hasherOf: (placement: Placement) => Hasher,
  want: { placements: number; keys: number },
): void {
  let checked = 0;
  for (const placement of placements) {
    const hasher = hasherOf(placement);
    fill(hasher, placement);
    const { choice, ...what } = placement;
    assertEquals(choose(hasher, placement), choice, JSON.stringify(what));
    checked += choice.length;
  }
  assertEquals({ placements: placements.length, keys: checked }, want);
}

/** Names of servers. */
export function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `10.1.0.${i + 1}:11211`);
}

/** Keys that are different for every seed. */
export function manyKeys(count: number, seed: string = "k"): string[] {
  return Array.from({ length: count }, (_, i) => `${seed}:${i}`);
}

/** The server of each key. */
export function placementOf(
  hasher: Hasher,
  keys: readonly string[],
): Map<string, string | undefined> {
  return new Map(keys.map((key) => [key, hasher.getNode(key)]));
}

/** The share of the keys that each server has. */
export function shares(
  hasher: Hasher,
  keys: readonly string[],
): Map<string | undefined, number> {
  const found = new Map<string | undefined, number>();
  for (const node of placementOf(hasher, keys).values()) {
    found.set(node, (found.get(node) ?? 0) + 1 / keys.length);
  }
  return found;
}

/** What became of the keys between two placements. */
export interface Moves {
  /** The share of the keys that have another server. */
  readonly share: number;
  /** How many moved between two servers neither of which is `node`. */
  readonly strayed: number;
}

/** Counts the keys that moved when `node` came or went. */
export function movesOf(
  before: ReadonlyMap<string, string | undefined>,
  after: ReadonlyMap<string, string | undefined>,
  node: string,
): Moves {
  let moved = 0;
  let strayed = 0;
  for (const [key, from] of before) {
    const to = after.get(key);
    if (to === from) continue;
    moved++;
    if (from !== node && to !== node) strayed++;
  }
  return { share: moved / before.size, strayed };
}

/** A hasher that places every key on the last server and tells its calls. */
export class Recorder implements Hasher {
  readonly calls: unknown[][] = [];
  #node: string | undefined;

  addNode(name: string, weight?: number): void {
    this.calls.push(["addNode", name, weight]);
    this.#node = name;
  }

  removeNode(name: string): void {
    this.calls.push(["removeNode", name]);
  }

  forgetNode(name: string): void {
    this.calls.push(["forgetNode", name]);
  }

  getNode(key: string): string | undefined {
    this.calls.push(["getNode", key]);
    return this.#node;
  }

  getNodes(key: string): Iterable<string> {
    this.calls.push(["getNodes", key]);
    return this.#node === undefined ? [] : [this.#node];
  }
}
