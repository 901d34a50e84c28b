import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { murmur3 } from "../../src/hash/murmur3.ts";
import { RendezvousHash } from "../../src/ring/rendezvous.ts";
import { test } from "../_runtime.ts";
import { readVectors } from "../_vectors.ts";
import { random, randomText } from "../serde/_cases.ts";
import {
  assertPlacements,
  choose,
  fill,
  KEYS,
  manyKeys,
  movesOf,
  names,
  placementOf,
  readPlacements,
  shares,
} from "./_placements.ts";

const FILE = "placement_pymemcache.json";
const placements = readPlacements(FILE);
const { ties, scores, tuple_keys, nodes_mixed } = readVectors<{
  ties: { nodes: string[]; all_scores: number; winner: string }[];
  scores: { key: string; hashed: string[]; winner: string }[];
  tuple_keys: {
    set: string;
    key: { v: [{ v: string }, { v: string }] };
    server: string;
  }[];
  nodes_mixed: { order: string[]; choice: string };
}>(FILE);

function hasherOf(nodes: readonly string[]): RendezvousHash {
  const hasher = new RendezvousHash();
  for (const node of nodes) hasher.addNode(node);
  return hasher;
}

test("RendezvousHash places keys as pymemcache does", () => {
  assertPlacements(
    placements.filter(({ key_type }) => key_type === undefined),
    ({ seed }) => new RendezvousHash({ seed }),
    { placements: 110, keys: 50_600 },
  );
});

test("RendezvousHash places keys as pymemcache does, its own hash given", () => {
  assertPlacements(
    placements.filter(({ key_type }) => key_type === undefined),
    ({ seed }) =>
      new RendezvousHash({ seed, hash: (text, seed) => murmur3(text, seed) }),
    { placements: 110, keys: 50_600 },
  );
});

test("RendezvousHash places the text of pymemcache's bytes keys as it does", () => {
  const found = placements.filter(({ key_type }) => key_type === "bytes");
  for (const placement of found) {
    const hasher = new RendezvousHash();
    fill(hasher, placement);
    const keys = KEYS.map(pythonBytes);
    assertEquals(choose(hasher, placement, keys), placement.choice);
  }
  assertEquals(found.length, 10);
});

test("RendezvousHash places keys on servers of every kind of name", () => {
  const { order, choice } = nodes_mixed;
  const hasher = hasherOf(order);
  const got = KEYS.map((key) => order.indexOf(hasher.getNode(key) ?? ""));
  assertEquals(got.join(""), choice);
});

test("RendezvousHash.getNode() places by the routing key of a pair", () => {
  for (const { set, key: { v: [routing] }, server } of tuple_keys) {
    const hasher = new RendezvousHash();
    fill(hasher, { algo: "", set, keys: "keys", choice: "" });
    assertEquals(hasher.getNode(routing.v), server);
  }
  assertEquals(tuple_keys.length, 4);
});

test("RendezvousHash.getNode() takes the greatest name of equal scores", () => {
  for (const { nodes, all_scores, winner } of ties) {
    const hasher = new RendezvousHash({ hash: () => all_scores });
    for (const node of nodes) hasher.addNode(node);
    assertEquals(hasher.getNode("any"), winner, nodes.join());
    const weighted = new RendezvousHash({ hash: () => all_scores });
    for (const node of nodes) weighted.addNode(node);
    weighted.addNode("!", 0.5);
    assertEquals(weighted.getNode("any"), winner, nodes.join());
  }
  assertEquals(ties.length, 5);
  // Python compares code points: U+1F600 is greater than U+FFFD.
  for (const order of [["\u{1f600}", "\ufffd"], ["\ufffd", "\u{1f600}"]]) {
    const hasher = new RendezvousHash({ hash: () => 0 });
    for (const node of order) hasher.addNode(node);
    assertEquals(hasher.getNode("any"), "\u{1f600}");
  }
});

test("RendezvousHash.getNode() hashes server, dash and key", () => {
  for (const { key, hashed, winner } of scores) {
    const seen: string[] = [];
    const hasher = new RendezvousHash({
      hash: (text, seed) => {
        seen.push(text);
        return murmur3(text, seed);
      },
    });
    for (const text of hashed) hasher.addNode(text.slice(0, -key.length - 1));
    assertEquals(hasher.getNode(key), winner);
    assertEquals(seen.sort(), [...hashed].sort());
  }
  assertEquals(scores.length, 20);
});

test("RendezvousHash.getNode() keeps to murmur3 of any names and keys", () => {
  const next = random(60);
  const seeds = [0, 1, -1, 0xdeadbeef, 2 ** 40 + 5];
  let checked = 0;
  for (let round = 0; round < 300; round++) {
    const seed = seeds[round % seeds.length];
    const quick = new RendezvousHash({ seed });
    const plain = new RendezvousHash({
      seed,
      hash: (text, seed) => murmur3(text, seed),
    });
    for (let i = 2 + next(8); i > 0; i--) {
      const name = `${i}${randomText(next, next(9))}`;
      quick.addNode(name);
      plain.addNode(name);
    }
    for (let length = 0; length < 12; length++) {
      const key = randomText(next, length);
      assertEquals(quick.getNode(key), plain.getNode(key), key);
      assertEquals([...quick.getNodes(key)], [...plain.getNodes(key)], key);
      checked++;
    }
    for (const length of [100, 255, 256, 257, 1000, 5000]) {
      const key = `${"k".repeat(length - 1)}${next(10)}`;
      assertEquals(quick.getNode(key), plain.getNode(key), key);
      checked++;
    }
  }
  assertEquals(checked, 300 * 18);
});

test("RendezvousHash moves 1/n of the keys when one of n servers leaves or comes", () => {
  const keys = manyKeys(20_000);
  for (const count of [2, 3, 10, 40]) {
    const nodes = names(count);
    const hasher = hasherOf(nodes);
    const before = placementOf(hasher, keys);
    const gone = nodes[count >> 1];
    hasher.removeNode(gone);
    const after = placementOf(hasher, keys);
    const { share, strayed } = movesOf(before, after, gone);
    assertEquals(strayed, 0);
    assertShare(share, 1 / count, keys.length);
    // What the others got of it is even as well.
    for (const [node, got] of shares(hasher, keys)) {
      assertShare(got, 1 / (count - 1), keys.length, node);
    }
    hasher.addNode(gone);
    const back = placementOf(hasher, keys);
    assertEquals(movesOf(after, back, gone), { share, strayed: 0 });
    assertEquals(back, before);
  }
});

test("RendezvousHash gives a server its weight's share of the keys", () => {
  const keys = manyKeys(20_000);
  const hasher = new RendezvousHash();
  const weights = [1, 2, 5, 0.5, 1.5];
  names(5).forEach((name, i) => hasher.addNode(name, weights[i]));
  const found = shares(hasher, keys);
  names(5).forEach((name, i) => {
    assertShare(found.get(name) ?? 0, weights[i] / 10, keys.length, name);
  });
  // A new weight moves only what the server gains: from 0.5/10 to 3/12.5.
  const before = placementOf(hasher, keys);
  hasher.addNode("10.1.0.4:11211", 3);
  const after = placementOf(hasher, keys);
  const { share, strayed } = movesOf(before, after, "10.1.0.4:11211");
  assertEquals(strayed, 0);
  assertShare(share, 3 / 12.5 - 0.5 / 10, keys.length);
});

test("RendezvousHash places by equal weights as without weights", () => {
  const plain = hasherOf(names(7));
  const equal = new RendezvousHash();
  for (const name of names(7)) equal.addNode(name, 2.5);
  const keys = manyKeys(3000);
  assertEquals(placementOf(equal, keys), placementOf(plain, keys));
  // A server of next to no weight makes the weighted scores be compared.
  equal.addNode("other:1", 1e-300);
  assertEquals(placementOf(equal, keys), placementOf(plain, keys));
});

test("RendezvousHash.getNodes() lists the servers as a key falls over", () => {
  for (const weights of [[1, 1, 1, 1, 1], [1, 2, 3, 4, 5]]) {
    for (const key of manyKeys(300)) {
      const hasher = new RendezvousHash();
      names(5).forEach((name, i) => hasher.addNode(name, weights[i]));
      const order = [...hasher.getNodes(key)];
      assertEquals([...order].sort(), names(5));
      for (const node of order) {
        assertEquals(hasher.getNode(key), node);
        hasher.removeNode(node);
      }
      assertEquals([...hasher.getNodes(key)], []);
    }
  }
});

test("RendezvousHash.getNode() hashes nothing with one server or none", () => {
  const hasher = new RendezvousHash({
    hash: () => {
      throw new Error("hashed");
    },
  });
  assertEquals(hasher.getNode("k"), undefined);
  hasher.addNode("a:1");
  assertEquals(hasher.getNode("k"), "a:1");
  hasher.addNode("b:1");
  assertThrows(() => hasher.getNode("k"), Error, "hashed");
  hasher.removeNode("b:1");
  assertEquals(hasher.getNode("k"), "a:1");
  hasher.removeNode("a:1");
  assertEquals(hasher.getNode("k"), undefined);
});

test("RendezvousHash.addNode() takes a name once", () => {
  const hasher = hasherOf(["a:1", "b:1", "a:1"]);
  assertEquals([...hasher.getNodes("k")].sort(), ["a:1", "b:1"]);
  hasher.removeNode("a:1");
  assertEquals([...hasher.getNodes("k")], ["b:1"]);
});

test("RendezvousHash refuses what cannot be", () => {
  const hasher = new RendezvousHash();
  for (const weight of [0, -1, NaN, Infinity, "2" as unknown as number]) {
    assertThrows(
      () => hasher.addNode("a:1", weight),
      MemcacheIllegalInputError,
      `Cannot add server a:1: the weight must be a finite number above 0`,
    );
  }
  assertThrows(() => hasher.addNode(""), MemcacheIllegalInputError);
  assertThrows(
    () => hasher.removeNode("a:1"),
    MemcacheIllegalInputError,
    "Cannot remove server a:1: it is not there",
  );
  hasher.addNode("a:1");
  hasher.removeNode("a:1");
  assertThrows(() => hasher.removeNode("a:1"), MemcacheIllegalInputError);
  for (const seed of [0.5, NaN, Infinity, "1" as unknown as number]) {
    assertThrows(
      () => new RendezvousHash({ seed }),
      MemcacheIllegalInputError,
      "Cannot use seed",
    );
  }
  assertThrows(
    () => new RendezvousHash({ hash: 5 as unknown as () => number }),
    MemcacheIllegalInputError,
    "Cannot use hash",
  );
});

/** How Python writes the UTF-8 of a key that holds no control characters. */
function pythonBytes(key: string): string {
  const text = [...new TextEncoder().encode(key)].map((byte) =>
    byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`
  ).join("").replace(/\\(?!x[89a-f])/g, "\\\\");
  return text.includes("'") && !text.includes('"')
    ? `b"${text}"`
    : `b'${text.replaceAll("'", "\\'")}'`;
}

/** Whether a share is within five standard deviations of what is expected. */
function assertShare(
  share: number,
  expected: number,
  count: number,
  what: string = "",
): void {
  const margin = 1e-9 + 5 * Math.sqrt(expected * (1 - expected) / count);
  assert(
    Math.abs(share - expected) <= margin,
    `${what} ${share}, expected ${expected} +- ${margin}`,
  );
}
