import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { type Selector, SelectorHash } from "../../src/ring/selector.ts";
import { test } from "../_runtime.ts";
import {
  choose,
  fill,
  manyKeys,
  movesOf,
  names,
  placementOf,
  readPlacements,
  serversOf,
} from "./_placements.ts";

const recorded = readPlacements("placement_others.json");

/** The selectors of memcached2, and how many keys it gave up. */
const SELECTORS: readonly [
  algo: string,
  selector: Selector,
  want: { placements: number; same: number; givenUp: number; other: number },
][] = [
  ["SelectorFirst", "first", {
    placements: 3,
    same: 1000,
    givenUp: 500,
    other: 0,
  }],
  ["SelectorRehashDownServers", "rehash", {
    placements: 38,
    same: 18_988,
    givenUp: 12,
    other: 0,
  }],
  ["SelectorFractalSharding", "fractal", {
    placements: 38,
    same: 16_792,
    givenUp: 1418,
    other: 790,
  }],
  ["SelectorConsistentHashing", "consistent", {
    placements: 38,
    same: 19_000,
    givenUp: 0,
    other: 0,
  }],
];

for (const [algo, selector, want] of SELECTORS) {
  test(`SelectorHash places keys as memcached2's ${algo} does`, () => {
    const got = { placements: 0, same: 0, givenUp: 0, other: 0 };
    let raised = 0;
    for (const placement of recorded) {
      if (placement.algo !== `memcached2 ${algo}`) continue;
      got.placements++;
      raised += placement.raises?.NoAvailableServers ?? 0;
      const hasher = new SelectorHash({ selector });
      fill(hasher, placement);
      const choice = choose(hasher, placement);
      const dead = (placement.dead ?? []).map(String);
      const own = new SelectorHash({ selector });
      fill(own, { ...placement, dead: [] });
      const ownChoice = choose(own, placement);
      [...placement.choice].forEach((theirs, i) => {
        const ours = choice[i];
        // Every key has a server that is there.
        assert(ours !== "-" && !dead.includes(ours));
        if (ours === theirs) {
          got.same++;
          return;
        }
        // Only keys whose server is removed are placed otherwise.
        assert(dead.includes(ownChoice[i]));
        if (theirs === "-") got.givenUp++;
        else got.other++;
      });
      // With the last servers of the list down the fault does not show.
      const { length } = serversOf(placement).servers;
      if (placement.dead?.every((i) => i === length - 1)) {
        assertEquals(choice, placement.choice);
      }
    }
    assertEquals(got, want);
    assertEquals(got.givenUp, raised);
  });
}

test("SelectorHash chooses a selector by the number of places", () => {
  const keys = manyKeys(2000);
  const cases: readonly [number, Selector][] = [
    [1, "first"],
    [2, "rehash"],
    [3, "fractal"],
    [5, "fractal"],
  ];
  for (const [count, selector] of cases) {
    const auto = new SelectorHash();
    const chosen = new SelectorHash({ selector });
    for (const name of names(count)) {
      auto.addNode(name);
      chosen.addNode(name);
    }
    for (const name of names(count).slice(1)) {
      auto.removeNode(name);
      chosen.removeNode(name);
      assertEquals(placementOf(auto, keys), placementOf(chosen, keys));
    }
  }
});

test("SelectorHash moves only the keys of a server that is removed", () => {
  const keys = manyKeys(20_000);
  for (const selector of ["rehash", "fractal", "consistent"] as const) {
    for (const count of [2, 3, 10]) {
      const nodes = names(count);
      const hasher = new SelectorHash({ selector });
      for (const node of nodes) hasher.addNode(node);
      const before = placementOf(hasher, keys);
      const gone = nodes[count >> 1];
      hasher.removeNode(gone);
      const after = placementOf(hasher, keys);
      const { share, strayed } = movesOf(before, after, gone);
      assertEquals(strayed, 0);
      // n * n buckets are far from even: one of 3 has 69 % of the keys.
      if (selector !== "consistent") {
        assert(Math.abs(share * count - 1) < 0.1, `${selector} ${share}`);
      }
      hasher.addNode(gone);
      assertEquals(placementOf(hasher, keys), before);
    }
  }
});

test('SelectorHash "available" shares keys among the servers that are there', () => {
  const keys = manyKeys(20_000);
  const hasher = new SelectorHash({ selector: "available" });
  for (const node of names(4)) hasher.addNode(node);
  const before = placementOf(hasher, keys);
  hasher.removeNode("10.1.0.2:11211");
  const after = placementOf(hasher, keys);
  // As with a list of three, where three quarters of the keys move.
  const three = new SelectorHash({ selector: "available" });
  for (const node of names(4)) {
    if (node !== "10.1.0.2:11211") three.addNode(node);
  }
  assertEquals(after, placementOf(three, keys));
  const { share } = movesOf(before, after, "10.1.0.2:11211");
  assert(Math.abs(share - 3 / 4) < 0.02, `${share}`);
});

test("SelectorHash.forgetNode() places keys as if the server had never been", () => {
  const keys = manyKeys(2000);
  for (const [, selector] of SELECTORS) {
    const never = new SelectorHash({ selector });
    const hasher = new SelectorHash({ selector });
    for (const node of names(5)) {
      hasher.addNode(node);
      if (node !== "10.1.0.3:11211") never.addNode(node);
    }
    hasher.removeNode("10.1.0.3:11211");
    hasher.getNode("k");
    hasher.forgetNode("10.1.0.3:11211");
    assertEquals(placementOf(hasher, keys), placementOf(never, keys));
  }
});

test("SelectorHash.getNodes() lists the servers as a key falls over", () => {
  const all: readonly Selector[] = [
    ...["auto", "first", "available", "rehash", "fractal"] as const,
    "consistent",
  ];
  for (const selector of all) {
    for (const key of manyKeys(200)) {
      const hasher = new SelectorHash({ selector });
      for (const name of names(4)) hasher.addNode(name);
      const order = [...hasher.getNodes(key)];
      assertEquals([...order].sort(), names(4));
      for (const node of order) {
        assertEquals(hasher.getNode(key), node);
        hasher.removeNode(node);
      }
      assertEquals(hasher.getNode(key), undefined);
      assertEquals([...hasher.getNodes(key)], []);
    }
  }
});

test("SelectorHash refuses what cannot be", () => {
  const hasher = new SelectorHash();
  for (const weight of [0, -1, NaN, Infinity, 1.5, 2]) {
    assertThrows(
      () => hasher.addNode("a:1", weight),
      MemcacheIllegalInputError,
      "Cannot add server a:1",
    );
  }
  assertThrows(() => hasher.addNode(""), MemcacheIllegalInputError);
  for (const remove of ["removeNode", "forgetNode"] as const) {
    assertThrows(
      () => hasher[remove]("a:1"),
      MemcacheIllegalInputError,
      "Cannot remove server a:1: it is not there",
    );
  }
  assertThrows(
    () => new SelectorHash({ selector: "x" as Selector }),
    MemcacheIllegalInputError,
    "Cannot use selector x",
  );
});
