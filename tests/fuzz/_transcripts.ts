/**
 * Transcripts of every kind, to be cut wherever they can be: calls, and the
 * server that answers them.
 *
 * @module
 */
import type { Client, ClientOptions, CommandOptions } from "@x/memcache";
import { type Call, FORMS } from "./_calls.ts";
import type { Command } from "./_commands.ts";
import { World } from "./_world.ts";

/** Calls that are made together, and how they are answered. */
export interface Transcript {
  /** What it is about. */
  readonly name: string;
  /** What is called. */
  readonly calls: readonly Call[];
  /** Options of the client. */
  readonly options: ClientOptions;
  /** Whether the client already knows that the server speaks meta. */
  readonly warm: boolean;
  /** Makes the server. */
  world(): World;
}

const LOOKALIKE =
  "a\r\nEND\r\nVALUE k2 7 1\r\nx\r\nEND\r\nSTORED\r\nHD O1\r\n" +
  "EN\r\nERROR\r\nMN\r\n7\r\n";

/** More than is read into the client's own memory in one piece. */
const LARGE = Array.from({ length: 900 }, (_, i) => `${i}\r\n`).join("");

/** Gets enough to travel together, few of them hits. */
const BURST = Array.from({ length: 128 }, (_, i) => `b${i}`);

const MANY = Array.from({ length: 130 }, (_, i) => `m${i}`);

function fill(world: World): World {
  world.put("k1", "one", "7");
  world.put("k2", "two two", "7");
  world.put("k3", "\r\n", "7");
  world.put("empty", "", "7");
  world.put("trap", LOOKALIKE, "7");
  world.put("large", LARGE, "7");
  world.put("n", "41", "7");
  for (let i = 0; i < 128; i += 9) world.put(`b${i}`, `${i}`, "7");
  for (const key of MANY) if (!key.endsWith("5")) world.put(key, "v", "7");
  return world;
}

type Start = (client: Client, options: CommandOptions) => Promise<unknown>;

function call(signatures: string | readonly string[], start: Start): Call {
  const all = typeof signatures === "string" ? [signatures] : signatures;
  return {
    name: all.join(),
    signatures: all,
    noreply: all.length === 0,
    start,
    judge: () => undefined,
    items: () => [],
  };
}

const get = (key: string): Call =>
  call(`get ${key}`, (client) => client.get(key));
const gets = (key: string): Call =>
  call(`gets ${key}`, (client) => client.gets(key));
const item = (key: string): Call =>
  call(`gets ${key}`, (client) => client.getItem(key));
const has = (key: string): Call =>
  call(`get ${key}`, (client) => client.has(key));
const gat = (key: string): Call =>
  call(`gat ${key}`, (client) => client.gat(key, 60));
const gats = (key: string): Call =>
  call(`gats ${key}`, (client) => client.gats(key, 60));
const many = (keys: readonly string[]): Call =>
  call(keys.map((key) => `get ${key}`), (client) => client.getMany(keys));
const manyVersions = (keys: readonly string[]): Call =>
  call(keys.map((key) => `gets ${key}`), (client) => client.getsMany(keys));
const set = (key: string, value: string): Call =>
  call(`set ${key} ${value}`, (client) => client.set(key, value));
const add = (key: string): Call =>
  call(`add ${key} v`, (client) => client.add(key, "v"));
const replace = (key: string): Call =>
  call(`replace ${key} v`, (client) => client.replace(key, "v"));
const append = (key: string): Call =>
  call(`append ${key} v`, (client) => client.append(key, "v"));
const prepend = (key: string): Call =>
  call(`prepend ${key} v`, (client) => client.prepend(key, "v"));
const cas = (key: string, unique: number): Call =>
  call(`cas ${key} v`, (client) => client.cas(key, "v", unique));
const remove = (key: string): Call =>
  call(`delete ${key}`, (client) => client.delete(key));
const touch = (key: string): Call =>
  call(`touch ${key} 60`, (client) => client.touch(key, 60));
const incr = (key: string, by: number): Call =>
  call(`incr ${key} ${by}`, (client) => client.incr(key, by));
const decr = (key: string, by: bigint): Call =>
  call(`decr ${key} ${by}`, (client) => client.decr(key, by));
const quietly = (key: string): Call =>
  call([], (client) => client.set(key, "v", { noreply: true }));
const version: Call = call("version", (client) => client.version());
const stats: Call = call("stats", (client) => client.stats());
const items: Call = call("stats items", (client) => client.statsItems());
const flush: Call = call("flush_all", (client) => client.flushAll());
const verbosity: Call = call("verbosity 1", (client) => client.verbosity(1));
const raw: Call = call(
  "stats x",
  (client) => client.rawCommand("stats x", { endToken: "END\r\n" }),
);
const setMany: Call = call(
  ["set k1 1", "set k2 2", "set big 3"],
  (client) => client.setMany({ k1: "1", k2: "2", big: "3" }),
);
const deleteMany: Call = call(
  ["delete k1", "delete none", "delete k2"],
  (client) => client.deleteMany(["k1", "none", "k2"]),
);

const STATS: Readonly<Record<string, string>> = {
  "stats items": "STAT items:1:number 3\r\nSTAT items:1:age 5\r\n" +
    "STAT items:12:number 1\r\nEND\r\n",
  "stats x": "ITEM a [1 b; 0 s]\r\nITEM b [2 b; 0 s]\r\nEND\r\n",
};

/** What a server says now and then. */
function bend({ line, name, keys }: Command): string | undefined {
  if (keys[0] === "big") return "SERVER_ERROR object too large for cache\r\n";
  if (keys[0] === "bad") return "SERVER_ERROR out of memory\r\n";
  if (name === "verbosity") return "ERROR\r\n";
  return STATS[line];
}

interface Kind {
  readonly options?: ClientOptions;
  readonly warm?: boolean;
  readonly meta?: boolean;
  readonly echo?: boolean;
}

const CLASSIC: Kind = { options: { protocol: "classic" } };
const META: Kind = { warm: true };

function transcript(name: string, kind: Kind, ...calls: Call[]): Transcript {
  const { options = {}, warm = false, meta = true, echo = true } = kind;
  return {
    name,
    calls,
    options,
    warm,
    world: () => {
      const world = fill(new World(meta, echo));
      world.bend = bend;
      return world;
    },
  };
}

const FIVE = ["k1", "none", "trap", "k3", "k2"];

/** All of them. */
export const TRANSCRIPTS: readonly Transcript[] = [
  transcript("a hit", CLASSIC, get("k1")),
  transcript("a miss", CLASSIC, get("none")),
  transcript("an empty value", CLASSIC, get("empty"), has("empty")),
  transcript("a value of lines", CLASSIC, get("trap")),
  transcript("two gets on a line", CLASSIC, get("k1"), get("k2")),
  transcript("many gets on a line", CLASSIC, ...FIVE.map(get), get("k1")),
  transcript("a hit with its version", CLASSIC, gets("k1"), item("trap")),
  transcript("misses with versions", CLASSIC, gets("none"), item("none")),
  transcript("gets that touch", CLASSIC, gat("k1"), gats("k2"), gat("none")),
  transcript("has", CLASSIC, has("k1"), has("none")),
  transcript("many keys", CLASSIC, many(FIVE)),
  transcript("many keys that miss", CLASSIC, many(["x", "y", "z"])),
  transcript("many keys with versions", CLASSIC, manyVersions(FIVE)),
  transcript("many keys on two lines", CLASSIC, many(MANY)),
  transcript("a large value", CLASSIC, get("large")),
  transcript(
    "a large value among others",
    CLASSIC,
    many(["k1", "large", "k2"]),
  ),
  transcript("stores", CLASSIC, set("s", "v"), add("k1"), replace("none")),
  transcript("appends", CLASSIC, append("k1"), prepend("none"), get("k1")),
  transcript("cas", CLASSIC, cas("k1", 1), cas("k2", 9), cas("none", 1)),
  transcript(
    "deletes and touches",
    CLASSIC,
    ...[remove("k1"), remove("none"), touch("k2"), touch("none")],
  ),
  transcript("counters", CLASSIC, incr("n", 1), decr("n", 90n), incr("x", 1)),
  transcript("a counter that is none", CLASSIC, incr("k1", 1), get("k1")),
  transcript("many stores", CLASSIC, setMany, get("k1")),
  transcript("many deletes", CLASSIC, deleteMany),
  transcript("statistics", CLASSIC, stats, items, version),
  transcript("a raw reply", CLASSIC, raw, get("k1")),
  transcript("orders to the server", CLASSIC, version, flush, get("k1")),
  transcript("a value that is refused", CLASSIC, set("big", "v"), get("k1")),
  transcript("an error of the server", CLASSIC, get("bad"), get("k1")),
  transcript("an unknown command", CLASSIC, verbosity, get("k1")),
  transcript("no reply", CLASSIC, quietly("k1"), get("k1"), quietly("k2")),
  transcript("a probe and a hit", {}, get("k1"), set("s", "v")),
  transcript("a probe refused", { meta: false }, get("k1"), set("s", "v")),
  transcript("a probe and many gets", {}, ...FIVE.map(get)),
  transcript("a meta hit", META, get("k1")),
  transcript("meta misses", META, get("none"), has("none"), gets("none")),
  transcript("bare meta misses", { ...META, echo: false }, get("x"), get("k1")),
  transcript("meta hits of lines", META, get("trap"), get("k3"), get("empty")),
  transcript("meta reads", META, gets("k1"), item("k2"), has("k3"), gat("k1")),
  transcript("a large meta value", META, get("k1"), get("large"), get("k2")),
  transcript(
    "meta reads among stores",
    META,
    ...[get("k1"), set("k1", "new"), get("k1"), remove("k1"), get("k1")],
  ),
  transcript("a burst of meta gets", META, ...BURST.map(get)),
  transcript("no reply, and a fence", META, quietly("k1"), get("k1")),
  transcript(
    "hits that are kept",
    { options: { protocol: "classic", errorsAsMisses: true } },
    many(FIVE),
    get("k1"),
  ),
];

/** How their values are stored. */
export const FORM: typeof FORMS[string] = FORMS.own;
