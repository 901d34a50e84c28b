/**
 * Reads what a client has sent, byte by byte as protocol.txt has it: a parser
 * that shares nothing with the client's encoder. Anything that is not exactly
 * one well-formed command after another is a fault.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** One command, as a server reads it. */
export interface Command {
  /** The first word. */
  readonly name: string;
  /** Its keys, one character for each byte; base64 is read. */
  readonly keys: readonly string[];
  /** The words behind the name. */
  readonly args: readonly string[];
  /** The whole line, without CRLF. */
  readonly line: string;
  /** The data block, where there is one. */
  readonly data: string | undefined;
  /** Whether no reply is asked for, or only one that says something is wrong. */
  readonly noreply: boolean;
  /** The opaque token of a quiet store, which is read as the classic one. */
  readonly opaque?: string;
}

/** A command line that no client should send. */
export class Malformed extends Error {}

const KEY = "[^\\x00-\\x20\\x7f]{1,250}";
const UINT32 = "(?:0|[1-9]\\d{0,9})";
const UINT64 = "(?:0|[1-9]\\d{0,19})";
const EXPTIME = `(?:-1|${UINT32})`;
/** What the flags of the meta commands may be. */
const FLAG = {
  every: "[bkq]|O[!-~]{1,31}",
  cas: `[CE]${UINT64}`,
  life: `T${EXPTIME}`,
  lives: `[TN]${EXPTIME}`,
};
const flags = (...parts: string[]) => `(?: (?:${parts.join("|")}))*`;
const QUIET = "(?: noreply)?";

/** Every command that a client may send, by its name. */
const GRAMMAR: Readonly<Record<string, RegExp>> = Object.fromEntries(
  Object.entries({
    "get gets": `(?: ${KEY})+`,
    "gat gats": ` ${EXPTIME}(?: ${KEY})+`,
    "set add replace append prepend":
      ` ${KEY} ${UINT32} ${EXPTIME} ${UINT32}${QUIET}`,
    "cas": ` ${KEY} ${UINT32} ${EXPTIME} ${UINT32} ${UINT64}${QUIET}`,
    "delete": ` ${KEY}${QUIET}`,
    "touch": ` ${KEY} ${EXPTIME}${QUIET}`,
    "incr decr": ` ${KEY} ${UINT64}${QUIET}`,
    "mn": "",
    "mg": ` ${KEY}${
      flags(FLAG.every, "[cfhlstuv]", FLAG.lives, `R${UINT32}`, FLAG.cas)
    }`,
    "ms": ` ${KEY} ${UINT32}${
      flags(FLAG.every, "[csI]", FLAG.lives, `F${UINT32}`, "M[EAPRS]", FLAG.cas)
    }`,
    "md": ` ${KEY}${flags(FLAG.every, "[Ix]", FLAG.life, FLAG.cas)}`,
    "ma": ` ${KEY}${
      flags(FLAG.every, "[ctv]", FLAG.lives, `[DJ]${UINT64}`, "MD", FLAG.cas)
    }`,
    "me": ` ${KEY}(?: b)?`,
    "flush_all": `(?: ${UINT32})?${QUIET}`,
    "verbosity cache_memlimit": ` ${UINT32}`,
    "version quit": "",
    "shutdown": "(?: graceful)?",
    "stats": "(?: [!-~]+)*",
    "lru":
      ` (?:tune ${UINT32} ${UINT32}(?: [0-9.]{1,24}){2}|mode (?:flat|segmented)|temp_ttl ${EXPTIME})`,
    "lru_crawler":
      ` (?:enable|disable|(?:sleep|tocrawl) ${UINT32}|crawl (?:all|[0-9,]+)|metadump (?:all|hash))`,
    "slabs": ` (?:reassign ${EXPTIME} ${UINT32}|automove [012])`,
    "watch": "(?: [a-z]+)+",
  }).flatMap(([names, rest]) =>
    names.split(" ").map((name) => [name, new RegExp(`^${name}${rest}$`)])
  ),
);

/** Where the keys are among the words behind a name: from, to. */
function keysOf(name: string, args: readonly string[]): readonly string[] {
  if (name === "get" || name === "gets") return args;
  if (name === "gat" || name === "gats") return args.slice(1);
  return ADMIN.has(name) ? [] : args.slice(0, 1);
}

const ADMIN: ReadonlySet<string> = new Set([
  ...["mn", "flush_all", "verbosity", "cache_memlimit", "version", "quit"],
  ...["shutdown", "stats", "lru", "lru_crawler", "slabs", "watch"],
]);

const STORES: ReadonlySet<string> = new Set([
  ...["set", "add", "replace", "append", "prepend", "cas"],
]);

/** Most bytes of a line, but for `get` and `gets` (protocol.txt). */
const MAX_LINE = 2048;

/** Takes bytes as they come, one character for each, and gives commands. */
export class CommandReader {
  #rest = "";

  /** Bytes that are no whole command yet. */
  get rest(): string {
    return this.#rest;
  }

  /**
   * Takes more bytes.
   *
   * @returns The commands that are complete with them.
   * @throws {Malformed} If they are no commands.
   */
  feed(text: string): Command[] {
    const all = this.#rest + text;
    const commands: Command[] = [];
    let at = 0;
    for (;;) {
      const end = all.indexOf("\r\n", at);
      if (end < 0) break;
      const line = all.slice(at, end);
      const command = readLine(line);
      let next = end + 2;
      let data: string | undefined;
      const size = sizeOf(command);
      if (size !== undefined) {
        if (all.length < next + size + 2) break;
        data = all.slice(next, next + size);
        next += size + 2;
        if (all.slice(next - 2, next) !== "\r\n") {
          throw new Malformed(`No CRLF behind the data of ${show(line)}`);
        }
      }
      commands.push({ ...command, data });
      at = next;
    }
    this.#rest = all.slice(at);
    return commands;
  }
}

function readLine(line: string): Omit<Command, "data"> {
  const blank = line.indexOf(" ");
  const name = blank < 0 ? line : line.slice(0, blank);
  const grammar = Object.hasOwn(GRAMMAR, name) ? GRAMMAR[name] : undefined;
  if (grammar === undefined || !grammar.test(line)) {
    throw new Malformed(`Not well-formed: ${show(line)}`);
  }
  if (line.length + 2 > MAX_LINE && name !== "get" && name !== "gets") {
    throw new Malformed(`Line of ${line.length + 2} bytes: ${show(line)}`);
  }
  const args = blank < 0 ? [] : line.slice(blank + 1).split(" ");
  if (/^m[gsda]$/.test(name)) checkFlags(args.slice(name === "ms" ? 2 : 1));
  if (name === "ms" && isStore(args.slice(2))) return readQuiet(line, args);
  const keys = keysOf(name, args);
  if (/^m[gsdae]$/.test(name) && args.includes("b", 1)) {
    return { name, keys: keys.map(atob), args, line, noreply: false };
  }
  // A key may be called "noreply".
  const others = args.slice(name.startsWith("g") ? args.length : keys.length);
  const noreply = name !== "stats" && !/^m[gsdae]$/.test(name) &&
    others.at(-1) === "noreply";
  return { name, keys, args, line, noreply };
}

/** What the modes of `ms` are called where there is no `ms`. */
const MODES: ReadonlyMap<string, string> = new Map([
  ...[["S", "set"], ["E", "add"], ["R", "replace"]] as const,
  ...[["A", "append"], ["P", "prepend"]] as const,
]);

/** Reads a quiet `ms` as the store that it is. */
function readQuiet(
  line: string,
  [key, size, ...flags]: readonly string[],
): Omit<Command, "data"> {
  const told = (letter: string, usual: string, form: string): string => {
    const flag = flags.find((flag) => flag.startsWith(letter)) ??
      letter + usual;
    const value = flag.slice(1);
    if (!new RegExp(`^${form}$`).test(value)) {
      throw new Malformed(`No ${letter} is ${flag}: ${show(line)}`);
    }
    return value;
  };
  const cas = told("C", "", `(?:${UINT64})?`);
  const mode = MODES.get(told("M", "S", "[SERAP]"));
  const name = cas === "" ? mode ?? "set" : "cas";
  const opaque = told("O", "", "\\d{1,6}");
  const args = [key, told("F", "0", UINT32), told("T", "0", EXPTIME), size];
  if (cas !== "") args.push(cas);
  return { name, keys: [key], args, line, noreply: true, opaque };
}

/** No flag stands twice, and there are no more than memcached takes. */
function checkFlags(flags: readonly string[]): void {
  const letters = new Set(flags.map(([letter]) => letter));
  if (letters.size < flags.length || flags.length > 20) {
    throw new Malformed(`Flags that are refused: ${show(flags.join(" "))}`);
  }
}

/** Whether flags are those of a quiet store, and no others. */
function isStore(flags: readonly string[]): boolean {
  return flags.includes("q") &&
    flags.every((flag) => /^(?:q|[MFTCO])/.test(flag));
}

function sizeOf({ name, args }: Omit<Command, "data">): number | undefined {
  if (STORES.has(name)) return Number(args[3]);
  return name === "ms" ? Number(args[1]) : undefined;
}

function show(line: string): string {
  return JSON.stringify(line.length > 120 ? `${line.slice(0, 120)}…` : line);
}

/** Text of bytes, one character for each. */
export function latin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}

/** Bytes of a text, one for each character, in memory of their own. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  Buffer.from(bytes.buffer).write(text, "latin1");
  return bytes;
}
