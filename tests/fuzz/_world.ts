/**
 * A server that answers as memcached does, in one function; and values that
 * say whose they are.
 *
 * @module
 */
import type { Random } from "../wire/_random.ts";
import type { Command } from "./_commands.ts";

/** What is stored under a key. */
export interface Stored {
  /** The flags, in digits. */
  readonly flags: string;
  /** One character for each byte. */
  readonly data: string;
  /** The CAS unique. */
  readonly cas: number;
}

/** What stands in values to mislead who looks for the ends of lines. */
const LOOKALIKES: readonly string[] = [
  ...["\r\n", "\r\nEND\r\n", "\r\nSTORED\r\n", "\r\nVALUE k1 16 3\r\nabc"],
  ...["\r\nVA 3 f16 O5\r\nabc\r\n", "HD O1\r\n", "EN\r\n", "\n", "\r", "\0"],
  ...["\r\nERROR\r\n", "\r\nMN\r\n", "VALUE ", "SERVER_ERROR out of memory"],
];

/** A sum over text that no damage of a few bytes leaves as it is. */
function checksum(text: string): string {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
    sum ^= sum >>> 15;
  }
  return (sum >>> 0).toString(16).padStart(8, "0");
}

/** Makes a value that carries its key, its version and a checksum. */
export function makeValue(
  key: string,
  version: number,
  random: Random,
  ascii: boolean,
): string {
  let filler = "";
  const length = random.below(random.oneIn(6) ? 200 : 16);
  while (filler.length < length) {
    filler += random.oneIn(8)
      ? random.pick(LOOKALIKES)
      : String.fromCharCode(random.below(ascii ? 128 : 256));
  }
  // Now and then more than a read into the client's own memory takes.
  if (random.oneIn(200)) {
    filler = `${filler}${random.below(1000)}`.repeat(
      1 + 6000 / (filler.length + 1),
    );
  }
  const body = `${key}|${version}|${filler}|`;
  return body + checksum(body);
}

/** The key that a value was made for, if its checksum holds. */
export function ownerOf(value: string): string | undefined {
  const body = value.slice(0, -8);
  return body.endsWith("|") && checksum(body) === value.slice(-8)
    ? body.slice(0, body.indexOf("|"))
    : undefined;
}

/** What a quiet store is answered that is not stored. */
const REFUSALS: ReadonlyMap<string, string> = new Map([
  ["NOT_STORED\r\n", "NS"],
  ["EXISTS\r\n", "EX"],
  ["NOT_FOUND\r\n", "NF"],
]);

/** One server's items, and its answers. */
export class World {
  /** What is stored now. */
  readonly items: Map<string, Stored> = new Map();
  /** Everything that was ever stored, by key: what may be read. */
  readonly history: Map<string, Set<string>> = new Map();
  /** Says something else to some commands. */
  bend: ((command: Command) => string | undefined) | undefined;
  /** Whether it knows the meta commands. */
  readonly meta: boolean;
  /** Whether a miss carries the opaque, as it does from 1.6.18 on. */
  readonly missesEcho: boolean;
  #cas = 0;

  /** The version that it tells. */
  readonly version: string;

  /** Makes an empty server of some age. */
  constructor(meta: boolean, missesEcho: boolean, version = "1.6.18") {
    this.meta = meta;
    this.missesEcho = missesEcho;
    this.version = version;
  }

  /** Stores an item. */
  put(key: string, data: string, flags: string): void {
    this.items.set(key, { flags, data, cas: ++this.#cas });
    let all = this.history.get(key);
    if (all === undefined) this.history.set(key, all = new Set());
    all.add(data);
  }

  /** Does what a command says, and answers. */
  answer(command: Command): string {
    const bent = this.bend?.(command);
    if (bent !== undefined) return bent;
    const reply = this.#answer(command);
    const { noreply, opaque } = command;
    if (opaque === undefined) return noreply ? "" : reply;
    const code = REFUSALS.get(reply);
    return code === undefined ? "" : `${code} O${opaque}\r\n`;
  }

  #answer(command: Command): string {
    const { name, args, keys: [key], data = "" } = command;
    const item = this.items.get(key);
    switch (name) {
      case "mn":
        return this.meta ? "MN\r\n" : "ERROR\r\n";
      case "mg":
        return this.meta ? this.#metaGet(command, item) : "ERROR\r\n";
      case "ms":
      case "md":
      case "ma":
        return this.meta ? this.#metaChange(command, item) : "ERROR\r\n";
      case "me":
        if (!this.meta) return "ERROR\r\n";
        return item === undefined
          ? "EN\r\n"
          : `ME ${
            args[0]
          } exp=-1 la=5 cas=${item.cas} fetch=no cls=1 size=99\r\n`;
      case "get":
      case "gets":
      case "gat":
      case "gats":
        return this.#values(command);
      case "set":
        this.put(key, data, args[1]);
        return "STORED\r\n";
      case "add":
        if (item !== undefined) return "NOT_STORED\r\n";
        this.put(key, data, args[1]);
        return "STORED\r\n";
      case "replace":
        if (item === undefined) return "NOT_STORED\r\n";
        this.put(key, data, args[1]);
        return "STORED\r\n";
      case "append":
        if (item === undefined) return "NOT_STORED\r\n";
        this.put(key, item.data + data, item.flags);
        return "STORED\r\n";
      case "prepend":
        if (item === undefined) return "NOT_STORED\r\n";
        this.put(key, data + item.data, item.flags);
        return "STORED\r\n";
      case "cas":
        if (item === undefined) return "NOT_FOUND\r\n";
        if (String(item.cas) !== args[4]) return "EXISTS\r\n";
        this.put(key, data, args[1]);
        return "STORED\r\n";
      case "delete":
        return this.items.delete(key) ? "DELETED\r\n" : "NOT_FOUND\r\n";
      case "touch":
        return item === undefined ? "NOT_FOUND\r\n" : "TOUCHED\r\n";
      case "incr":
      case "decr":
        return this.#count(command, item);
      case "version":
        return `VERSION ${this.version}\r\n`;
      case "flush_all":
      case "verbosity":
      case "lru":
      case "slabs":
      case "watch":
        return "OK\r\n";
      case "lru_crawler":
        return args[0] === "metadump" ? "END\r\n" : "OK\r\n";
      case "stats":
        if (args[0] === "line") return "STAT one line\r\n";
        return "STAT pid 4711\r\nSTAT name a b c\r\nSTAT on yes\r\nEND\r\n";
      default:
        return "ERROR\r\n";
    }
  }

  #values({ name, keys }: Command): string {
    let reply = "";
    for (const key of keys) {
      const item = this.items.get(key);
      if (item === undefined) continue;
      const cas = name === "gets" || name === "gats" ? ` ${item.cas}` : "";
      reply += `VALUE ${key} ${item.flags} ${item.data.length}${cas}\r\n` +
        `${item.data}\r\n`;
    }
    return `${reply}END\r\n`;
  }

  #metaGet({ keys: [key], args: [shown, ...flags] }: Command, item?: Stored) {
    const of = flagsOf(flags);
    let found = item;
    let won = "";
    if (found === undefined && of("N") !== undefined) {
      this.put(key, "", "0");
      found = this.items.get(key);
      won = " W";
    }
    if (found === undefined) {
      if (flags.includes("q")) return "";
      const echo = this.missesEcho ? echoed(shown, flags, "") : "";
      return `EN${echo}\r\n`;
    }
    const facts: Record<string, string> = {
      f: found.flags,
      c: String(found.cas),
      t: "-1",
      s: String(found.data.length),
      h: "0",
      l: "5",
    };
    const head = flags.filter((flag) => Object.hasOwn(facts, flag))
      .map((flag) => ` ${flag}${facts[flag]}`).join("") +
      echoed(shown, flags, " b") + won;
    return flags.includes("v")
      ? `VA ${found.data.length}${head}\r\n${found.data}\r\n`
      : `HD${head}\r\n`;
  }

  /** `ms`, `md` and `ma`. */
  #metaChange(command: Command, item: Stored | undefined): string {
    const { name, keys: [key], data = "", args: [shown, ...rest] } = command;
    const flags = name === "ms" ? rest.slice(1) : rest;
    const of = flagsOf(flags);
    const say = (code: string, hides = false, facts = "") =>
      hides && flags.includes("q")
        ? ""
        : `${code}${facts}${echoed(shown, flags, " b")}\r\n`;
    const cas = of("C");
    const makes = of("N") !== undefined;
    if (item === undefined && (name !== "ms" || cas !== undefined)) {
      if (name !== "ma" || !makes) return say("NF");
    }
    if (cas !== undefined && item !== undefined && cas !== String(item.cas)) {
      return say("EX");
    }
    if (name === "md") {
      if (!flags.includes("I")) this.items.delete(key);
      return say("HD", true);
    }
    if (name === "ma") return this.#metaCount(command, item, say);
    const mode = of("M");
    const appends = mode === "A" || mode === "P";
    if (
      mode === "E" && item !== undefined ||
      mode === "R" && item === undefined ||
      appends && item === undefined && !makes
    ) return say("NS");
    const old = appends ? item?.data ?? "" : "";
    const number = appends && item !== undefined ? item.flags : of("F") ?? "0";
    this.put(key, mode === "P" ? data + old : old + data, number);
    const now = this.items.get(key);
    const facts = (flags.includes("c") ? ` c${now?.cas}` : "") +
      (flags.includes("s") ? ` s${now?.data.length}` : "");
    return say("HD", true, facts);
  }

  #metaCount(
    { keys: [key], args: [, ...flags] }: Command,
    item: Stored | undefined,
    say: (code: string, hides: boolean, facts: string) => string,
  ): string {
    const of = flagsOf(flags);
    if (item !== undefined && !/^\d+ *$/.test(item.data)) {
      return "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
    }
    const number = item === undefined
      ? of("J") ?? "0"
      : counted(item.data, of("D") ?? "1", of("M") !== "D");
    this.put(key, number, item?.flags ?? "0");
    const facts = (flags.includes("c") ? ` c${this.items.get(key)?.cas}` : "") +
      (flags.includes("t") ? " t-1" : "");
    if (!flags.includes("v")) return say("HD", true, facts);
    const head = say(`VA ${number.length}`, true, facts);
    return head === "" ? "" : `${head}${number}\r\n`;
  }

  #count({ name, args, keys: [key] }: Command, item: Stored | undefined) {
    if (item === undefined) return "NOT_FOUND\r\n";
    if (!/^\d+ *$/.test(item.data)) {
      return "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
    }
    const after = counted(item.data, args[1], name === "incr");
    this.put(key, after, item.flags);
    return `${after}\r\n`;
  }
}

/** What a number becomes, in digits. */
function counted(data: string, by: string, up: boolean): string {
  const before = BigInt(data.trim());
  const delta = BigInt(by);
  if (up) return String((before + delta) % 2n ** 64n);
  return String(before > delta ? before - delta : 0n);
}

/** The token of a flag by its letter. */
function flagsOf(
  flags: readonly string[],
): (letter: string) => string | undefined {
  return (letter) => flags.find((flag) => flag[0] === letter)?.slice(1);
}

/** The key and the opaque, as far as they are asked for. */
function echoed(key: string, flags: readonly string[], form: string): string {
  return flags.map((flag) => {
    if (flag[0] === "O") return ` ${flag}`;
    if (flag !== "k") return "";
    return ` k${key}${flags.includes("b") ? form : ""}`;
  }).join("");
}
