import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { crc32 } from "../../src/hash/crc32.ts";
import { md5Word } from "../../src/hash/md5.ts";
import { oneAtATime } from "../../src/hash/one_at_a_time.ts";
import { ModuloHash, type ModuloHashOptions } from "../../src/ring/modulo.ts";
import { test } from "../_runtime.ts";
import {
  assertPlacements,
  choose,
  fill,
  KEYS,
  manyKeys,
  movesOf,
  names,
  type Placement,
  placementOf,
  readPlacements,
  shares,
} from "./_placements.ts";

const others = readPlacements("placement_others.json");
const libmemcached = readPlacements("placement_libmemcached.json");
const node = readPlacements("placement_node.json");

test("ModuloHash places keys as python-memcached does, dead servers included", () => {
  assertPlacements(
    others.filter(({ algo }) => algo === "python-memcached"),
    () => new ModuloHash(),
    { placements: 59, keys: 28_620 },
  );
});

test("ModuloHash places keys as gomemcache does", () => {
  assertPlacements(
    others.filter(({ algo }) => algo === "gomemcache"),
    () => new ModuloHash({ variant: "gomemcache" }),
    { placements: 11, keys: 5060 },
  );
});

test("ModuloHash places keys as meta-memcache-py's NonConsistentHash does", () => {
  assertPlacements(
    others.filter(({ algo }) =>
      algo === "meta-memcache-py NonConsistentHashPoolProvider"
    ),
    () => new ModuloHash({ variant: "gomemcache" }),
    { placements: 20, keys: 10_000 },
  );
});

/** Clients that count servers off by hashes of their own. */
const HASHES: readonly [
  algo: string,
  placements: readonly Placement[],
  hash: (key: string) => number,
  want: { placements: number; keys: number },
][] = [
  ["default", libmemcached, oneAtATime, { placements: 27, keys: 12_620 }],
  ["modula-md5", libmemcached, md5Word, { placements: 20, keys: 9120 }],
  ["modula-crc", libmemcached, (key) => (crc32(key) >>> 16) & 0x7fff, {
    placements: 12,
    keys: 5120,
  }],
  ["memjs", node, (key) => {
    let h = 0;
    for (let i = 0; i < key.length; i++) {
      h = (Math.imul(31, h) + key.charCodeAt(i)) | 0;
    }
    return Math.abs(h);
  }, { placements: 22, keys: 10_120 }],
];

for (const [algo, placements, hash, want] of HASHES) {
  test(`ModuloHash places keys as ${algo} does, its hash given`, () => {
    assertPlacements(
      // libmemcached takes weights, but they play no part.
      placements.filter((placement) =>
        placement.algo === algo && !placement.set.endsWith("-weighted")
      ),
      () => new ModuloHash({ variant: "gomemcache", hash }),
      algo === "modula-md5" ? { placements: 12, keys: 5120 } : want,
    );
  });
}

test("ModuloHash gives up no key with lastResort", () => {
  let given = 0;
  for (const placement of others) {
    if (placement.algo !== "python-memcached") continue;
    const hasher = new ModuloHash({ lastResort: true });
    fill(hasher, placement);
    const got = choose(hasher, placement);
    const dead = (placement.dead ?? []).map(String);
    [...placement.choice].forEach((choice, i) => {
      assert(!dead.includes(got[i]) && got[i] !== "-");
      if (choice === "-") given++;
      else assertEquals(got[i], choice);
    });
  }
  assertEquals(given, 96);
});

test("ModuloHash moves only the keys of a server that is removed", () => {
  const keys = manyKeys(20_000);
  const variants: readonly ModuloHashOptions[] = [
    { lastResort: true },
    { variant: "gomemcache" },
  ];
  for (const options of variants) {
    for (const count of [2, 3, 10, 40]) {
      const nodes = names(count);
      const hasher = new ModuloHash(options);
      for (const node of nodes) hasher.addNode(node);
      const before = placementOf(hasher, keys);
      const gone = nodes[count >> 1];
      hasher.removeNode(gone);
      const after = placementOf(hasher, keys);
      const { share, strayed } = movesOf(before, after, gone);
      assertEquals(strayed, 0);
      assert(Math.abs(share * count - 1) < 0.2, `${count}: ${share}`);
      hasher.addNode(gone);
      const back = placementOf(hasher, keys);
      assertEquals(movesOf(after, back, gone), { share, strayed: 0 });
      assertEquals(back, before);
    }
  }
});

test("ModuloHash.forgetNode() places keys as if the server had never been", () => {
  const keys = manyKeys(5000);
  const variants: readonly ModuloHashOptions[] = [
    {},
    { variant: "gomemcache" },
  ];
  for (const options of variants) {
    const never = new ModuloHash(options);
    for (const node of names(5)) {
      if (node !== "10.1.0.3:11211") never.addNode(node);
    }
    for (const removeFirst of [true, false]) {
      const hasher = new ModuloHash(options);
      for (const node of names(5)) hasher.addNode(node);
      const before = placementOf(hasher, keys);
      if (removeFirst) hasher.removeNode("10.1.0.3:11211");
      hasher.forgetNode("10.1.0.3:11211");
      const after = placementOf(hasher, keys);
      assertEquals(after, placementOf(never, keys));
      // The price of counting off: all but 1/n of the keys move.
      const { share } = movesOf(before, after, "10.1.0.3:11211");
      assert(Math.abs(share - 4 / 5) < 0.04, `${share}`);
    }
  }
});

test("ModuloHash gives a server its weight's share of the keys", () => {
  const hasher = new ModuloHash();
  names(3).forEach((name, i) => hasher.addNode(name, [1, 2, 7][i]));
  const found = shares(hasher, manyKeys(20_000));
  names(3).forEach((name, i) => {
    assert(Math.abs((found.get(name) ?? 0) - [0.1, 0.2, 0.7][i]) < 0.02);
  });
  // Weights need no memory: the list is not written out.
  hasher.addNode("10.1.0.1:11211", 2 ** 32 - 1);
  assertEquals(hasher.getNode("k"), "10.1.0.1:11211");
});

test("ModuloHash.getNodes() lists the servers as a key falls over", () => {
  const variants: readonly ModuloHashOptions[] = [
    {},
    { lastResort: true },
    { variant: "gomemcache" },
  ];
  let short = 0;
  for (const options of variants) {
    for (const key of manyKeys(300)) {
      const hasher = new ModuloHash(options);
      for (const name of names(4)) hasher.addNode(name);
      const order = [...hasher.getNodes(key)];
      assertEquals(new Set(order).size, order.length);
      for (const node of order) {
        assertEquals(hasher.getNode(key), node);
        hasher.removeNode(node);
      }
      assertEquals(hasher.getNode(key), undefined);
      assertEquals([...hasher.getNodes(key)], []);
      if (order.length < 4) {
        // Only python-memcached gives keys up.
        assertEquals(options, {});
        short++;
      }
    }
  }
  assert(short > 0 && short < 100, `${short}`);
});

test("ModuloHash.getNode() hashes nothing with one server or none", () => {
  const hasher = new ModuloHash({
    hash: () => {
      throw new Error("hashed");
    },
  });
  assertEquals(hasher.getNode("k"), undefined);
  hasher.addNode("a:1");
  assertEquals(hasher.getNode("k"), "a:1");
  hasher.removeNode("a:1");
  assertEquals(hasher.getNode("k"), undefined);
  hasher.addNode("a:1");
  hasher.addNode("b:1");
  assertThrows(() => hasher.getNode("k"), Error, "hashed");
});

test("ModuloHash takes any number of a hash for one of 32 bits", () => {
  for (const hashed of [-1, 2 ** 40 + 1, 1.5, NaN, Infinity]) {
    for (const variant of ["python-memcached", "gomemcache"] as const) {
      const hasher = new ModuloHash({ variant, hash: () => hashed });
      for (const name of names(3)) hasher.addNode(name);
      assertEquals(hasher.getNode("k"), names(3)[(hashed >>> 0) % 3]);
    }
  }
});

test("ModuloHash.addNode() takes a name once, with its last weight", () => {
  const hasher = new ModuloHash();
  hasher.addNode("a:1", 5);
  hasher.addNode("b:1");
  hasher.addNode("a:1");
  const plain = new ModuloHash();
  plain.addNode("a:1");
  plain.addNode("b:1");
  assertEquals(placementOf(hasher, KEYS), placementOf(plain, KEYS));
});

test("ModuloHash refuses what cannot be", () => {
  const hasher = new ModuloHash();
  for (const weight of [0, -1, NaN, Infinity, 1.5, 2 ** 32]) {
    assertThrows(
      () => hasher.addNode("a:1", weight),
      MemcacheIllegalInputError,
      "Cannot add server a:1: the weight must be",
    );
  }
  assertThrows(() => hasher.addNode(""), MemcacheIllegalInputError);
  hasher.addNode("b:1");
  hasher.removeNode("b:1");
  for (const name of ["a:1", "b:1"]) {
    assertThrows(
      () => hasher.removeNode(name),
      MemcacheIllegalInputError,
      `Cannot remove server ${name}: it is not there`,
    );
  }
  hasher.forgetNode("b:1");
  assertThrows(() => hasher.forgetNode("b:1"), MemcacheIllegalInputError);
  assertThrows(
    () => new ModuloHash({ variant: "gomemcache" }).addNode("a:1", 2),
    MemcacheIllegalInputError,
    "the variant gomemcache knows no weights",
  );
  const options: readonly [unknown, string][] = [
    [{ variant: "memjs" }, "Cannot use variant memjs"],
    [{ hash: 1 }, "Cannot use hash"],
  ];
  for (const [given, message] of options) {
    assertThrows(
      () => new ModuloHash(given as ModuloHashOptions),
      MemcacheIllegalInputError,
      message,
    );
  }
});
