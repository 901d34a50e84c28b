import { assert, assertEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { crc32 } from "../../src/hash/crc32.ts";
import { md5Word } from "../../src/hash/md5.ts";
import {
  Circle,
  type CircleRules,
  libmemcached as libmemcachedRules,
  LIBMEMCACHED_WEIGHTED,
  thirdEden,
} from "../../src/ring/circle.ts";
import { KetamaHash, type KetamaHashOptions } from "../../src/ring/ketama.ts";
import { test } from "../_runtime.ts";
import { readVectors } from "../_vectors.ts";
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
  serversOf,
  shares,
} from "./_placements.ts";

const libmemcached = readPlacements("placement_libmemcached.json");
const node = readPlacements("placement_node.json");

/** FNV-1a as libhashkit has it: bytes from 0x80 on count as negative. */
function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    h = Math.imul(h ^ ((byte << 24) >> 24), 0x01000193);
  }
  return h >>> 0;
}

/** libmemcached's settings that a hasher of ours stands for. */
const SETTINGS: readonly [
  algo: string,
  placements: number,
  keys: number,
  options: KetamaHashOptions,
][] = [
  ["ketama_weighted", 35, 16_620, {}],
  ["ketama_weighted, namespace 'ns:'", 2, 1000, {}],
  ["ketama", 17, 7620, { variant: "libmemcached" }],
  ["consistent", 12, 5120, { variant: "libmemcached" }],
  ["ketama-crc", 12, 5120, {
    variant: "libmemcached",
    hash: (text) => (crc32(text) >>> 16) & 0x7fff,
  }],
  ["ketama-fnv1a_32", 12, 5120, { variant: "libmemcached", hash: fnv1a }],
];

for (const [algo, count, keys, options] of SETTINGS) {
  test(`KetamaHash places keys as libmemcached's ${algo} does`, () => {
    assertPlacements(
      libmemcached.filter((placement) => placement.algo === algo),
      () => new KetamaHash(options),
      { placements: count, keys },
    );
  });
}

test("KetamaHash places keys as libmemcached's ketama does with md5", () => {
  // There a weight above 1 makes the points weighted.
  const hasherOf = ({ set }: { set: string }) =>
    set.endsWith("-weighted")
      ? new KetamaHash()
      : new KetamaHash({ variant: "libmemcached", hash: md5Word });
  assertPlacements(
    libmemcached.filter(({ algo }) => algo === "ketama-md5"),
    hasherOf,
    { placements: 35, keys: 16_620 },
  );
});

test("KetamaHash places keys as libmemcached's ketama without weights", () => {
  const found = libmemcached.filter(({ algo }) =>
    algo === "ketama-md5 (behaviours set after the servers)"
  );
  for (const placement of found) {
    const hasher = new KetamaHash({ variant: "libmemcached", hash: md5Word });
    for (const name of serversOf(placement).servers) hasher.addNode(name);
    assertEquals(choose(hasher, placement), placement.choice);
  }
  assertEquals(found.length, 8);
});

test("KetamaHash places keys with their namespace as libmemcached does", () => {
  const found = libmemcached.filter(({ algo }) =>
    algo.startsWith("ketama_weighted, namespace 'ns:' hashed too")
  );
  let checked = 0;
  for (const placement of found) {
    const hasher = new KetamaHash();
    fill(hasher, placement);
    const got = choose(hasher, placement, KEYS.map((key) => `ns:${key}`));
    KEYS.forEach((_, i) => {
      // libmemcached refuses keys that are too long with it.
      if (placement.choice[i] === "-") return;
      assertEquals(got[i], placement.choice[i]);
      checked++;
    });
  }
  assertEquals([found.length, checked], [2, 994]);
});

test("KetamaHash places keys as npm's memcached does", () => {
  const compatibilityOf = (options: Placement["options"]) =>
    // The options of the recorded client are ours.
    options?.compatibility as KetamaHashOptions["compatibility"];
  assertPlacements(
    node.filter(({ algo }) => algo === "memcached (3rd-Eden)"),
    ({ options }) =>
      new KetamaHash({
        variant: "3rd-eden",
        compatibility: compatibilityOf(options),
      }),
    { placements: 55, keys: 26_620 },
  );
});

test("KetamaHash places keys as npm's hashring does with md5", () => {
  assertPlacements(
    node.filter(({ algo, options }) =>
      algo === "hashring" && options?.algorithm === "md5" &&
      options.replicas === undefined
    ),
    ({ options }) =>
      new KetamaHash({
        variant: "3rd-eden",
        compatibility: options?.compatibility === "hash_ring"
          ? "hash_ring"
          : options?.["default port"] === 11211
          ? "ketama"
          : false,
      }),
    { placements: 38, keys: 19_000 },
  );
});

test("KetamaHash places keys as php-memcached does", () => {
  const { php } = readVectors<{
    php: (Omit<Placement, "options"> & { options: string })[];
  }>("placement_libmemcached.json");
  const of = (settings: string, weighted: boolean) =>
    php.filter(({ options, set }) =>
      options === settings && (weighted || !set.endsWith("-weighted"))
    ).map(({ options: _, ...placement }) => placement);
  assertPlacements(
    of("OPT_LIBKETAMA_COMPATIBLE", true),
    () => new KetamaHash(),
    { placements: 4, keys: 2000 },
  );
  // With weights this is a ring of another kind, which has no name here.
  assertPlacements(
    of("OPT_DISTRIBUTION=CONSISTENT", false),
    () => new KetamaHash({ variant: "libmemcached" }),
    { placements: 3, keys: 1500 },
  );
});

/** The rings of ketama_rings.json that a hasher of ours stands for. */
const RULES: Readonly<Record<string, (isWeighted: boolean) => CircleRules>> = {
  "ketama": () => libmemcachedRules(),
  "ketama-md5": (isWeighted) =>
    isWeighted ? LIBMEMCACHED_WEIGHTED : libmemcachedRules(md5Word),
  "ketama_weighted": () => LIBMEMCACHED_WEIGHTED,
  "memcached (3rd-Eden)": () => thirdEden(),
};
const { rings, points_per_server } = readVectors<{
  rings: {
    algo: string;
    servers: string[];
    weights: number[] | null;
    points: number;
    ring: string;
  }[];
  points_per_server: {
    weights: number[];
    libmemcached_ketama_weighted: number[];
    memcached_3rd_eden: number[] | "same";
  }[];
}>("ketama_rings.json");

function circleOf(
  servers: readonly string[],
  weights: readonly number[] | null | undefined,
  rules: CircleRules,
): Circle {
  const nodes = servers.map((name, i) => {
    return { name, weight: weights?.[i] ?? 1, points: [] };
  });
  return new Circle(nodes, rules);
}

function ringOf({ values, owners }: Circle): string {
  return Array.from(values, (value, i) => `${value}:${owners[i]}`).join(" ");
}

test("Circle draws the recorded rings point by point", () => {
  let checked = 0;
  for (const { algo, servers, weights, points, ring } of rings) {
    const rules = RULES[algo]?.(weights !== null);
    if (rules === undefined) continue;
    const circle = circleOf(servers, weights, rules);
    assertEquals(ringOf(circle), ring, algo);
    assertEquals(circle.values.length, points);
    checked++;
  }
  // The others are dalli's, jaredwray's memcache's and ketama_spy's.
  assertEquals([checked, rings.length], [11, 19]);
});

test("Circle draws the rings of all recorded placements", () => {
  let checked = 0;
  for (const placement of [...libmemcached, ...node]) {
    const { servers, weights } = serversOf(placement);
    const rules = RULES[placement.algo]?.(weights !== null);
    if (rules === undefined || placement.options !== undefined) continue;
    if (placement.ring_sha1 === undefined) continue;
    const circle = circleOf(servers, weights, rules);
    const sha1 = createHash("sha1").update(ringOf(circle)).digest("hex");
    assertEquals(sha1, placement.ring_sha1, JSON.stringify(placement));
    checked++;
  }
  assertEquals(checked, 122);
});

test("Circle counts points by weight in the precision of each client", () => {
  for (const item of points_per_server) {
    const { weights, libmemcached_ketama_weighted: want } = item;
    const servers = names(weights.length);
    const count = (rules: CircleRules) => {
      const found = weights.map(() => 0);
      for (const owner of circleOf(servers, weights, rules).owners) {
        found[owner]++;
      }
      return found;
    };
    assertEquals(count(LIBMEMCACHED_WEIGHTED), want);
    const { memcached_3rd_eden: eden } = item;
    assertEquals(count(thirdEden()), eden === "same" ? want : eden);
  }
  assertEquals(points_per_server.length, 90);
});

test("Circle.next() finds the first point from any hash on", () => {
  const hashes: readonly ((text: string) => number)[] = [
    md5Word,
    (text) => crc32(text) >>> 17,
    (text) => crc32(text) % 7,
    (text) => 0xffffff00 + crc32(text) % 256,
    () => 0,
    () => 0xffffffff,
  ];
  let checked = 0;
  for (const hash of hashes) {
    for (const count of [2, 3, 5]) {
      const rules = libmemcachedRules(hash);
      const circle = circleOf(names(count), null, rules);
      const near = Array.from(circle.values).flatMap((value) => [
        Math.max(0, value - 1),
        value,
        Math.min(0xffffffff, value + 1),
      ]);
      for (const key of [...near, 0, 1, 2 ** 31, 2 ** 32 - 1]) {
        const found = circle.values.findIndex((value) => value >= key);
        assert(circle.next(key) === Math.max(found, 0), `${key}`);
      }
      checked++;
    }
  }
  assertEquals(checked, 18);
});

const VARIANTS: readonly KetamaHashOptions[] = [
  {},
  { variant: "libmemcached" },
  { variant: "libmemcached", hash: md5Word },
  { variant: "3rd-eden" },
];

test("KetamaHash moves about 1/n of the keys when one of n servers leaves or comes", () => {
  const keys = manyKeys(20_000);
  for (const options of VARIANTS) {
    // npm's memcached has 39 texts instead of 40 for 7 and 14 servers.
    for (const count of [2, 3, 10, 40]) {
      const nodes = names(count);
      const hasher = new KetamaHash(options);
      for (const node of nodes) hasher.addNode(node);
      const before = placementOf(hasher, keys);
      const gone = nodes[count >> 1];
      hasher.removeNode(gone);
      const after = placementOf(hasher, keys);
      const { share, strayed } = movesOf(before, after, gone);
      assertEquals(strayed, 0);
      const what = `${JSON.stringify(options)} ${count}: ${share}`;
      // 100 or 160 points are not even: each share is within half of 1/n.
      assert(Math.abs(share * count - 1) < 0.5, what);
      hasher.addNode(gone);
      const back = placementOf(hasher, keys);
      assertEquals(movesOf(after, back, gone), { share, strayed: 0 });
      assertEquals(back, before);
    }
  }
});

test("KetamaHash gives a server about its weight's share of the keys", () => {
  const weights = [1, 2, 5, 0.5, 1.5];
  const keys = manyKeys(20_000);
  for (const variant of ["libmemcached-weighted", "3rd-eden"] as const) {
    const hasher = new KetamaHash({ variant });
    names(5).forEach((name, i) => hasher.addNode(name, weights[i]));
    const found = shares(hasher, keys);
    names(5).forEach((name, i) => {
      const relative = (found.get(name) ?? 0) / (weights[i] / 10);
      assert(Math.abs(relative - 1) < 0.5, `${name}: ${relative}`);
    });
  }
});

test("KetamaHash.getNodes() lists the servers as a key falls over", () => {
  const weightings = [[1, 1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6, 1000]];
  for (const options of VARIANTS) {
    for (const weights of weightings) {
      if (options.variant === "libmemcached" && weights[1] !== 1) continue;
      for (const key of manyKeys(40)) {
        const hasher = new KetamaHash(options);
        names(7).forEach((name, i) => hasher.addNode(name, weights[i]));
        const order = [...hasher.getNodes(key)];
        assertEquals([...order].sort(), names(7));
        for (const node of order) {
          assertEquals(hasher.getNode(key), node);
          hasher.removeNode(node);
        }
        assertEquals([...hasher.getNodes(key)], []);
      }
    }
  }
});

test("KetamaHash.getNode() hashes nothing with one server or none", () => {
  const hasher = new KetamaHash({
    variant: "libmemcached",
    hash: () => {
      throw new Error("hashed");
    },
  });
  assertEquals(hasher.getNode("k"), undefined);
  hasher.addNode("a:1");
  assertEquals(hasher.getNode("k"), "a:1");
  hasher.addNode("b:1");
  assertThrows(() => hasher.getNode("k"), Error, "hashed");
  hasher.removeNode("a:1");
  assertEquals(hasher.getNode("k"), "b:1");
});

test("KetamaHash.addNode() takes a name once, with its last weight", () => {
  const hasher = new KetamaHash();
  hasher.addNode("10.0.1.1:11211", 5);
  hasher.addNode("10.0.1.2:11211");
  hasher.addNode("10.0.1.1:11211", 1);
  const plain = new KetamaHash();
  plain.addNode("10.0.1.1:11211");
  plain.addNode("10.0.1.2:11211");
  assertEquals(placementOf(hasher, KEYS), placementOf(plain, KEYS));
  hasher.removeNode("10.0.1.1:11211");
  assertEquals([...hasher.getNodes("k")], ["10.0.1.2:11211"]);
});

test("KetamaHash places keys by weights from 2^-32 to 2^32 - 1", () => {
  for (const variant of ["libmemcached-weighted", "3rd-eden"] as const) {
    const hasher = new KetamaHash({ variant });
    hasher.addNode("a:1", 2 ** -32);
    hasher.addNode("b:1", 2 ** -32);
    assertEquals(shares(hasher, KEYS).size, 2);
    hasher.addNode("c:1", 2 ** 32 - 1);
    assertEquals([...shares(hasher, KEYS).keys()], ["c:1"]);
    assertEquals([...hasher.getNodes("k")].length, 3);
  }
});

test("KetamaHash refuses what cannot be", () => {
  const hasher = new KetamaHash();
  const refused = [0, -1, NaN, Infinity, 2 ** -33, 2 ** 32];
  for (const weight of [...refused, "2" as unknown as number]) {
    assertThrows(
      () => hasher.addNode("a:1", weight),
      MemcacheIllegalInputError,
      "Cannot add server a:1: the weight must be",
    );
  }
  assertThrows(() => hasher.addNode(""), MemcacheIllegalInputError);
  assertThrows(
    () => hasher.removeNode("a:1"),
    MemcacheIllegalInputError,
    "Cannot remove server a:1: it is not there",
  );
  const options: readonly [unknown, string][] = [
    [{ variant: "dalli" }, "Cannot use variant dalli"],
    [{ hash: crc32 }, "it is for the variant libmemcached"],
    [{ variant: "libmemcached", hash: 1 }, "it must be a function"],
    [{ compatibility: false }, "it is for the variant 3rd-eden"],
    [{ variant: "3rd-eden", compatibility: "x" }, "Cannot use compatibility x"],
  ];
  for (const [given, message] of options) {
    assertThrows(
      () => new KetamaHash(given as KetamaHashOptions),
      MemcacheIllegalInputError,
      message,
    );
  }
  assertThrows(
    () => new KetamaHash({ variant: "libmemcached" }).addNode("a:1", 2),
    MemcacheIllegalInputError,
    "knows no weights",
  );
});
