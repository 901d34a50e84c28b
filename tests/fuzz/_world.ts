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

  /** Makes an empty server of some age. */
  constructor(meta: boolean, missesEcho: boolean) {
    this.meta = meta;
    this.missesEcho = missesEcho;
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
        return this.meta ? this.#metaGet(args.slice(1), item) : "ERROR\r\n";
      case "ms":
        return this.meta ? this.#metaSet(command, item) : "ERROR\r\n";
      case "md":
        return this.meta ? this.#metaDelete(command, item) : "ERROR\r\n";
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
        return "VERSION 1.6.18\r\n";
      case "flush_all":
      case "verbosity":
        return "OK\r\n";
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

  #metaGet(flags: readonly string[], item: Stored | undefined): string {
    const opaque = flags.filter((flag) => flag[0] === "O").map((o) => ` ${o}`)
      .join("");
    if (item === undefined) return `EN${this.missesEcho ? opaque : ""}\r\n`;
    let head = "";
    for (const flag of flags) {
      if (flag === "f") head += ` f${item.flags}`;
      if (flag === "c") head += ` c${item.cas}`;
    }
    head += opaque;
    return flags.includes("v")
      ? `VA ${item.data.length}${head}\r\n${item.data}\r\n`
      : `HD${head}\r\n`;
  }

  #metaSet({ keys: [key], args, data = "" }: Command, item?: Stored): string {
    const [opaque, guard, flags, wantsCas] = ["O", "C", "F", "c"].map((flag) =>
      args.slice(2).find((arg) => arg[0] === flag)
    );
    const tail = opaque === undefined ? "\r\n" : ` ${opaque}\r\n`;
    if (args.includes("ME") && item !== undefined) return `NS${tail}`;
    if (guard !== undefined && item === undefined) return `NF${tail}`;
    if (guard !== undefined && `C${item?.cas}` !== guard) return `EX${tail}`;
    this.put(key, data, flags?.slice(1) ?? "0");
    return `HD${wantsCas === undefined ? "" : ` c${this.#cas}`}${tail}`;
  }

  #metaDelete({ keys: [key], args }: Command, item?: Stored): string {
    const [opaque, guard] = ["O", "C"].map((flag) =>
      args.slice(1).find((arg) => arg[0] === flag)
    );
    const tail = opaque === undefined ? "\r\n" : ` ${opaque}\r\n`;
    if (item === undefined) return `NF${tail}`;
    if (guard !== undefined && `C${item.cas}` !== guard) return `EX${tail}`;
    this.items.delete(key);
    return `HD${tail}`;
  }

  #count({ name, args, keys: [key] }: Command, item: Stored | undefined) {
    if (item === undefined) return "NOT_FOUND\r\n";
    if (!/^\d+ *$/.test(item.data)) {
      return "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
    }
    const before = BigInt(item.data.trim());
    const delta = BigInt(args[1]);
    const after = name === "incr"
      ? (before + delta) % 2n ** 64n
      : before > delta
      ? before - delta
      : 0n;
    this.put(key, String(after), item.flags);
    return `${after}\r\n`;
  }
}
