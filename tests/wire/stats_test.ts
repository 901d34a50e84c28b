import { assert, assertEquals } from "@std/assert";
import {
  type StatPairs,
  type StatsSlabs,
  type StatValue,
  toStats,
  toStatsConns,
  toStatsItems,
  toStatsSizes,
  toStatsSlabs,
} from "../../src/wire/stats.ts";
import { test } from "../_runtime.ts";
import { readVectors } from "../_vectors.ts";

interface Tagged {
  readonly t: string;
  readonly v?: unknown;
}
type TaggedPairs = ReadonlyArray<readonly [Tagged, Tagged]>;
interface Outcome {
  readonly method?: string;
  readonly returns?: Tagged;
  readonly raises?: string;
}
interface Case {
  readonly server: string;
  readonly args: readonly string[];
  readonly reply: string;
  readonly pymemcache: Outcome;
  readonly memcached2?: Outcome;
}

const { cases } = readVectors<{ cases: readonly Case[] }>("stats.json");

/** Splits the lines of a reply at their first two blanks. */
function pairsOf(reply: string): Array<[string, string]> {
  const pairs: Array<[string, string]> = [];
  for (const line of reply.split("\r\n")) {
    const match = /^(?:STAT|ITEM) ([^ ]*) ?(.*)$/s.exec(line);
    if (match !== null) pairs.push([match[1], match[2]]);
  }
  return pairs;
}

/** A value of pymemcache's as one of ours would be. */
function fromPython({ t, v }: Tagged): StatValue {
  if (t === "bool") return v as boolean;
  if (t === "float") return Number(v);
  if (t !== "int") return v as string;
  const number = Number(v);
  return Number.isSafeInteger(number) ? number : BigInt(v as string);
}

/** Why a value differs from pymemcache's, where that is meant. */
function difference(text: string, theirs: Tagged): string | undefined {
  if (theirs.t !== "bytes") return undefined;
  if (/^(yes|no|on|off)$/.test(text)) return "word is a boolean";
  if (/^[0-9]+\.[0-9]+$/.test(text)) return "decimal is a number";
  if (text !== theirs.v && text.split(" ")[0] === theirs.v) {
    return "text with blanks is whole";
  }
  return undefined;
}

/** Values that differ from pymemcache's on purpose: why, and how many. */
const DIFFERENCES: Record<string, number> = {
  // pymemcache leaves `yes`, `no`, `on` and `off` as bytes, but for one name.
  "word is a boolean": 44,
  // pymemcache reads decimals of three names only.
  "decimal is a number": 10,
  // pymemcache cuts the value at the third blank of the line.
  "text with blanks is whole": 1,
};

/** Cases without a result of pymemcache's, by command: errors and odd ends. */
const RAISED: Record<string, number> = {
  "": 2,
  bogus: 3,
  cachedump: 4,
  detail: 4,
  "detail dump": 4,
  reset: 3,
  sizes_disable: 4,
  sizes_enable: 4,
  threads: 4,
};

/** Values that are the same as pymemcache's. */
const COMPARED = 2003;

test("toStats() types what was recorded as pymemcache does", () => {
  const differences: Record<string, number> = {};
  const raised: Record<string, number> = {};
  let compared = 0;
  for (const { args, reply, pymemcache } of cases) {
    if (pymemcache.returns === undefined) {
      const command = args.join(" ");
      raised[command] = (raised[command] ?? 0) + 1;
      continue;
    }
    const pairs = pairsOf(reply);
    const texts = new Map(pairs);
    const ours = toStats(pairs);
    const theirs = pymemcache.returns.v as TaggedPairs;
    assertEquals(
      Object.keys(ours).sort(),
      theirs.map(([name]) => String(name.v)).sort(),
    );
    for (const [{ v: name }, value] of theirs) {
      const text = texts.get(name as string) ?? "";
      const why = difference(text, value);
      if (why === undefined) {
        assertEquals(
          ours[name as string],
          fromPython(value),
          `${name} ${text}`,
        );
        compared++;
        continue;
      }
      differences[why] = (differences[why] ?? 0) + 1;
      const expected: Record<string, StatValue> = {
        "word is a boolean": text === "yes" || text === "on",
        "decimal is a number": Number(text),
        "text with blanks is whole": text,
      };
      assertEquals(ours[name as string], expected[why], `${name} ${text}`);
    }
  }
  assertEquals(differences, DIFFERENCES);
  assertEquals(raised, RAISED);
  assertEquals(compared, COMPARED);
});

test("toStats() gives every kind of value its type", () => {
  const cases: ReadonlyArray<readonly [string, string, StatValue]> = [
    ["curr_items", "0", 0],
    ["curr_items", "-1", -1],
    ["curr_items", "-0", 0],
    ["bytes", "9007199254740991", 9007199254740991],
    ["bytes", "9007199254740992", 9007199254740992n],
    ["bytes", "18446744073709551615", 18446744073709551615n],
    ["bytes", "-9007199254740992", -9007199254740992n],
    ["bytes", "9".repeat(40), BigInt("9".repeat(40))],
    ["bytes", "9".repeat(41), "9".repeat(41)],
    ["hot_max_factor", "0.20", 0.2],
    ["growth_factor", "1.25", 1.25],
    ["growth_factor", "-1.5", -1.5],
    ["growth_factor", "-0.0", 0],
    ["growth_factor", "x", "x"],
    // Text that only looks like a number.
    ["x", "", ""],
    ["x", " ", " "],
    ["x", " 1", " 1"],
    ["x", "1 ", "1 "],
    ["x", "+1", "+1"],
    ["x", "007", "007"],
    ["x", "00.5", "00.5"],
    ["x", ".5", ".5"],
    ["x", "5.", "5."],
    ["x", "1e5", "1e5"],
    ["x", "0x1f", "0x1f"],
    ["x", "1_000", "1_000"],
    ["x", "1,5", "1,5"],
    ["x", "1:5", "1:5"],
    ["x", "1.6.18", "1.6.18"],
    ["x", "127.0.0.1", "127.0.0.1"],
    ["x", "NaN", "NaN"],
    ["x", "Infinity", "Infinity"],
    ["x", "-", "-"],
    ["x", "1\n2", "1\n2"],
    ["x", "[12 b; 0 s]", "[12 b; 0 s]"],
    // Names whose values are text always.
    ["version", "1.6", "1.6"],
    ["version", "2", "2"],
    ["libevent", "2.1", "2.1"],
    ["hash_algorithm", "3", "3"],
    ["inter", "0", "0"],
    ["stat_key_prefix", "1", "1"],
    ["domain_socket", "on", "on"],
    ["domain_socket", "/run/my cache.sock", "/run/my cache.sock"],
    ["memory_file", "(null)", "(null)"],
    // Words.
    ["cas_enabled", "yes", true],
    ["ssl_enabled", "no", false],
    ["evictions", "on", true],
    ["evictions", "off", false],
    ["lru_segmented", "Yes", "Yes"],
    ["lru_segmented", "true", "true"],
    // Counters that mean yes or no.
    ["hash_is_expanding", "0", false],
    ["hash_is_expanding", "1", true],
    ["slab_reassign_running", "1", true],
    ["slab_automove", "0", false],
    ["slab_automove", "2", true],
    ["slab_automove", "no", false],
    ["slab_automove", "x", "x"],
    ["maxconns_fast", "1", true],
    ["slab_reassign", "0", false],
    ["detail_enabled", "1", true],
    ["cas_enabled", "0", false],
    ["cas_enabled", "maybe", "maybe"],
    ["auth_enabled_sasl", "yes", true],
    ["auth_enabled_sasl", "no", false],
    ["auth_enabled_sasl", "YES", false],
    // A counter that pymemcache leaves a number.
    ["accepting_conns", "1", 1],
    // Octal.
    ["umask", "700", 0o700],
    ["umask", "0777", 0o777],
    ["umask", "0", 0],
    ["umask", "8", "8"],
    ["umask", "-7", "-7"],
    ["umask", "", ""],
    // Seconds and microseconds of old servers.
    ["rusage_user", "8.904556", 8.904556],
    ["rusage_user", "0:609165", 0.609165],
    ["rusage_system", "1:5", 1.5],
    ["rusage_system", "0,5", "0,5"],
    ["rusage_system", "1:2:3", "1:2:3"],
  ];
  for (const [name, text, value] of cases) {
    assertEquals(toStats([[name, text]]), { [name]: value }, `${name} ${text}`);
    assertEquals(
      toStatsConns([[`1:${name}`, text]]).get(1),
      { [name]: value },
      `1:${name} ${text}`,
    );
  }
});

test("toStats() lets the later of two lines count", () => {
  assertEquals(toStats([["a", "1"], ["b", "2"], ["a", "x"]]), { a: "x", b: 2 });
  assertEquals(toStats([]), {});
});

/** Names that reach for what all objects share. */
const SHARED = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "__defineGetter__",
];

test("toStats() keeps names of the prototype as properties of its own", () => {
  const before = Object.getOwnPropertyNames(Object.prototype).sort();
  const pairs: StatPairs = SHARED.map((name, i) => [name, String(i)]);
  const results = [
    toStats(pairs),
    toStatsItems(pairs.map(([n, v]) => [`items:1:${n}`, v])).get(1),
    toStatsSlabs(pairs.map(([n, v]) => [`1:${n}`, v])).slabs.get(1),
    toStatsConns(pairs.map(([n, v]) => [`1:${n}`, v])).get(1),
  ];
  for (const stats of results) {
    assert(stats !== undefined);
    assertEquals(Object.getPrototypeOf(stats), Object.prototype);
    assertEquals(
      Object.entries(stats),
      SHARED.map((name, i): [string, StatValue] => [name, i]),
    );
    // Enumerable, writable: a copy and JSON have them as well.
    assertEquals(Object.keys({ ...stats }), SHARED);
  }
  assertEquals(Object.getOwnPropertyNames(Object.prototype).sort(), before);
  assertEquals(({} as Record<string, unknown>)["0"], undefined);
  // The class number is no property name.
  const items = toStatsItems([["items:__proto__:polluted", "1"]]);
  assertEquals(items.size, 0);
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
});

test("toStatsItems(), toStatsSlabs() and toStatsSizes() group as memcached2 does", () => {
  const compared: Record<string, number> = {};
  const raised = new Map<string, unknown>();
  for (const { reply, memcached2 } of cases) {
    if (memcached2 === undefined) continue;
    const { method = "", returns } = memcached2;
    const read = READERS[method];
    if (read === undefined) continue;
    const ours = read(pairsOf(reply));
    if (returns === undefined) raised.set(reply, ours);
    else {
      const [theirs] = returns.v as readonly Tagged[];
      assertEquals(plain(ours), untagged(theirs), reply);
      compared[method] = (compared[method] ?? 0) + 1;
    }
  }
  assertEquals(compared, { stats_items: 5, stats_slabs: 3, stats_sizes: 6 });
  // Where memcached2 fails, ours reads what it can.
  assertEquals(
    raised,
    new Map<string, unknown>([
      ["STAT sizes_status disabled\r\nEND\r\n", []],
      ["STAT 1:a:b 1\r\nEND\r\n", {
        active_slabs: 0,
        total_malloced: 0,
        slabs: new Map([[1, { "a:b": 1 }]]),
      }],
      ["STAT slabs:1:x 1\r\nEND\r\n", new Map()],
    ]),
  );
});

const READERS: Record<string, (pairs: StatPairs) => unknown> = {
  stats_items: toStatsItems,
  stats_slabs: toStatsSlabs,
  stats_sizes: toStatsSizes,
};

/** Our maps as objects and our numbers as text: memcached2 types few of them. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return String(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, plain(inner)]),
  );
}

function untagged({ t, v }: Tagged): unknown {
  if (t === "dict") {
    return Object.fromEntries(
      (v as TaggedPairs).map(([name, value]) => [name.v, untagged(value)]),
    );
  }
  if (t === "list" || t === "tuple") {
    return (v as readonly Tagged[]).map(untagged);
  }
  return String(v);
}

test("toStatsItems() reads classes and leaves other lines out", () => {
  assertEquals(
    toStatsItems([
      ["items:1:number", "3"],
      ["items:63:age", "18446744073709551615"],
      ["items:1:a:b", "x y"],
      ["items:1:number", "4"],
      ["items:0:z", "1"],
      ["slabs:1:x", "1"],
      ["1:number", "1"],
      ["items:", "1"],
      ["items:1", "1"],
      ["items:1:", "1"],
      ["items::number", "1"],
      ["items:x:number", "1"],
      ["items:-1:number", "1"],
      ["items:01:number", "1"],
      ["items:1.5:number", "1"],
      ["items:1e3:number", "1"],
      ["items:1000000000000000:number", "1"],
      ["xitems:1:number", "1"],
      ["", ""],
    ]),
    new Map<number, Record<string, StatValue>>([
      [1, { number: 4, "a:b": "x y" }],
      [63, { age: 18446744073709551615n }],
      [0, { z: 1 }],
    ]),
  );
});

test("toStatsSlabs() reads the totals and the classes", () => {
  const cases: ReadonlyArray<readonly [StatPairs, StatsSlabs]> = [
    [[], { active_slabs: 0, total_malloced: 0, slabs: new Map() }],
    [
      [
        ["1:chunk_size", "80"],
        ["2:chunk_size", "96"],
        ["1:a:b", "1"],
        ["active_slabs", "2"],
        ["total_malloced", "1048560"],
        ["other", "1"],
      ],
      {
        active_slabs: 2,
        total_malloced: 1048560,
        slabs: new Map([
          [1, { chunk_size: 80, "a:b": 1 }],
          [2, { chunk_size: 96 }],
        ]),
      },
    ],
    [
      [["total_malloced", "9007199254740993"]],
      { active_slabs: 0, total_malloced: 9007199254740993n, slabs: new Map() },
    ],
    [
      [["active_slabs", "x"], ["total_malloced", "yes"]],
      { active_slabs: 0, total_malloced: 0, slabs: new Map() },
    ],
    [
      [["active_slabs", "9007199254740993"], ["total_malloced", ""]],
      { active_slabs: 0, total_malloced: 0, slabs: new Map() },
    ],
  ];
  for (const [pairs, slabs] of cases) assertEquals(toStatsSlabs(pairs), slabs);
});

test("toStatsSizes() reads pairs of integers and leaves other lines out", () => {
  const cases: ReadonlyArray<readonly [StatPairs, Array<[number, number]>]> = [
    [[], []],
    [[["sizes_status", "disabled"]], []],
    [[["sizes_status", "enabled"]], []],
    // In the server's order, nothing merged.
    [[["96", "2"], ["64", "1"], ["96", "3"]], [[96, 2], [64, 1], [96, 3]]],
    [
      [["64", ""], ["64", "x"], ["x", "1"], ["", "1"], ["1.5", "1"], [
        "64",
        "yes",
      ]],
      [],
    ],
    [[["64", "9007199254740992"], ["0x40", "1"], ["064", "1"]], []],
  ];
  for (const [pairs, sizes] of cases) assertEquals(toStatsSizes(pairs), sizes);
});

test("toStatsConns() reads connections by descriptor", () => {
  assertEquals(
    toStatsConns([
      ["28:addr", "tcp:127.0.0.1:1234"],
      ["28:state", "conn_read"],
      ["28:secs_since_last_cmd", "7"],
      ["5:addr", "unix:/run/my cache.sock"],
      ["addr", "x"],
      ["x:addr", "y"],
    ]),
    new Map<number, Record<string, StatValue>>([
      [28, {
        addr: "tcp:127.0.0.1:1234",
        state: "conn_read",
        secs_since_last_cmd: 7,
      }],
      [5, { addr: "unix:/run/my cache.sock" }],
    ]),
  );
  let recorded = 0;
  for (const { args, reply } of cases) {
    if (args[0] !== "conns") continue;
    const pairs = pairsOf(reply);
    const conns = toStatsConns(pairs);
    // The same values as the flat form has, under the same names.
    const flat = Array.from(
      conns,
      ([id, stats]) => Object.entries(stats).map(([n, v]) => [`${id}:${n}`, v]),
    ).flat();
    assertEquals(Object.fromEntries(flat), toStats(pairs));
    assertEquals(conns.size, 2);
    recorded++;
  }
  assertEquals(recorded, 4);
});
