/**
 * What a stream of replies may be taken for, by someone who knows which
 * commands were sent and in which order: the judge of what a client makes of
 * damaged replies. It reads with regular expressions from a text that is all
 * there, and shares nothing with the client's decoder.
 *
 * What it lets pass although it is wrong is what no client can know: bytes
 * within a value whose frame is whole, the flags, the length and the CAS unique
 * of a header that names the right item, words without identity (`STORED`,
 * `END`, a bare `EN`, a counter's digits), and a key that damage turned into
 * another one of the same line.
 *
 * @module
 */
import type { Command } from "./_commands.ts";

/** One item of a reply. */
export interface Found {
  /** The key; of a meta reply the one that was asked for. */
  readonly key: string;
  /** The flags. */
  readonly flags: number;
  /** One character for each byte. */
  readonly data: string;
  /** The CAS unique, where there is one. */
  readonly cas: bigint | undefined;
  /** Seconds that are left, where they were asked for. */
  readonly ttl?: number;
}

/** What the reply to one command says. */
export interface Meaning {
  /** Index behind its last byte; of one that is not whole, of its last item. */
  readonly end: number;
  /** Whether it is all there. */
  readonly whole: boolean;
  /** The items of a read, as far as the line behind them proves them. */
  readonly found?: readonly Found[];
  /** The word of a store and the like, digits, a version. */
  readonly word?: string;
  /** The lines of `stats`. */
  readonly lines?: readonly string[];
  /** Whether it is an error line. */
  readonly error?: boolean;
}

/** How raw replies end: the line that was sent, and its token. */
export type Tokens = ReadonlyMap<string, string>;

const MAX_UINT32 = 0xffff_ffff;
const MAX_UINT64 = 2n ** 64n - 1n;

/** Errors end a line, whatever else is in it. */
const ERROR = /(?:ERROR|CLIENT_ERROR|SERVER_ERROR)[^\n]*?\r\n/y;
const REFUSED = /object too large for cache|out of memory storing object/;
const REFUSAL = /(?:HD|NS|EX|NF)(?: +[!-\xff]+)*? +O\d{1,6} *\r\n/y;
const VALUE = /VALUE ([!-\xff]+) (\d{1,15}) (\d{1,15})(?: (\d{1,20}))?\r\n/y;
const META = /(VA (\d{1,15})|HD|EN|MN)((?: +[!-\xff]+)* *)\r\n/y;
const NUMBER = /(\d{1,20}) *\r\n/y;
const VERSION = /VERSION ([^\n]*?)\r\n/y;
const STAT = /((?:STAT|ITEM|PREFIX) [^\n]*?)\r\n/y;

const WORDS: Readonly<Record<string, RegExp>> = {
  set: /(STORED|NOT_STORED)\r\n/y,
  add: /(STORED|NOT_STORED)\r\n/y,
  replace: /(STORED|NOT_STORED)\r\n/y,
  append: /(STORED|NOT_STORED)\r\n/y,
  prepend: /(STORED|NOT_STORED)\r\n/y,
  cas: /(STORED|EXISTS|NOT_FOUND)\r\n/y,
  delete: /(DELETED|NOT_FOUND)\r\n/y,
  touch: /(TOUCHED|NOT_FOUND)\r\n/y,
  incr: /(NOT_FOUND)\r\n/y,
  decr: /(NOT_FOUND)\r\n/y,
  flush_all: /(OK)\r\n/y,
  verbosity: /(OK)\r\n/y,
  cache_memlimit: /(OK)\r\n/y,
};

function match(pattern: RegExp, text: string, at: number) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/**
 * Reads all replies of one connection.
 *
 * @param text Everything that arrived.
 * @param commands Everything that was sent.
 * @param probes Whether the first command asks what the server speaks.
 * @param tokens How raw replies end.
 * @returns What each command was answered, as far as there is an answer.
 */
export function readReplies(
  text: string,
  commands: readonly Command[],
  probes: boolean,
  tokens: Tokens,
): Array<Meaning | undefined> {
  const meanings: Array<Meaning | undefined> = [];
  let at = 0;
  let lost = false;
  let silent = false;
  for (const [i, command] of commands.entries()) {
    if (lost || command.noreply) {
      silent ||= command.noreply;
      meanings.push(undefined);
      continue;
    }
    const fence = command.name === "mn" && !(probes && i === 0);
    if (fence) at = beforeFence(text, at);
    else if (silent) at = behindErrors(text, at);
    silent = false;
    const meaning = readReply(text, at, command, tokens);
    meanings.push(meaning);
    if (meaning?.whole !== true) lost = true;
    else {
      at = meaning.end;
      // A second line may follow on an error to a command with data.
      lost = meaning.error === true && command.data !== undefined &&
        !(meaning.word?.startsWith("SERVER_ERROR") &&
          REFUSED.test(meaning.word));
    }
  }
  return meanings;
}

/**
 * Errors before an `MN` are those of commands without reply; where there is no
 * `MN`, the first is the answer to a caller's own `mn`.
 */
function beforeFence(text: string, from: number): number {
  const at = behindErrors(text, from);
  return match(META, text, at)?.[1] === "MN" ? at : from;
}

/** What commands without reply are answered stands before the next answer. */
function behindErrors(text: string, from: number): number {
  let at = from;
  for (;;) {
    const pattern = match(ERROR, text, at) === null ? REFUSAL : ERROR;
    if (match(pattern, text, at) === null) return at;
    at = pattern.lastIndex;
  }
}

function readReply(
  text: string,
  at: number,
  command: Command,
  tokens: Tokens,
): Meaning | undefined {
  const { name } = command;
  const token = tokens.get(command.line);
  if (token !== undefined) return readRaw(text, at, token);
  const error = match(ERROR, text, at);
  if (error !== null) return fault(error[0], ERROR.lastIndex);
  if (name === "mn") {
    const noop = match(META, text, at);
    // Old servers answer the probe with EN: their meta commands are others.
    return noop?.[1] === "MN" || noop?.[1] === "EN"
      ? { end: META.lastIndex, whole: true, word: "MN" }
      : undefined;
  }
  if (name === "mg") return readMeta(text, at, command);
  if (/^m[sda]$/.test(name)) return readChange(text, at, command);
  if (name === "me") return readDebug(text, at, command);
  if (name.startsWith("g")) return readValues(text, at, command);
  if (name === "stats") return readStats(text, at);
  if (name === "version") {
    const version = match(VERSION, text, at);
    return version === null
      ? undefined
      : { end: VERSION.lastIndex, whole: true, word: version[1] };
  }
  if (name === "incr" || name === "decr") {
    const number = match(NUMBER, text, at);
    if (number !== null && BigInt(number[1]) <= MAX_UINT64) {
      return { end: NUMBER.lastIndex, whole: true, word: number[1] };
    }
  }
  const words = WORDS[name];
  const word = match(words, text, at);
  return word === null
    ? undefined
    : { end: words.lastIndex, whole: true, word: word[1] };
}

function fault(line: string, end: number): Meaning {
  return { end, whole: true, error: true, word: line };
}

/** The reply to `ms`, `md` or `ma`: its word, or the digits of a counter. */
function readChange(
  text: string,
  at: number,
  { name, args }: Command,
): Meaning | undefined {
  const header = match(CHANGE, text, at);
  if (header === null) return undefined;
  const next = CHANGE.lastIndex;
  const [, code, size, rest] = header;
  const asked = args.slice(name === "ms" ? 2 : 1);
  const of = flagsOf(rest);
  if (!isMine(of("O"), asked)) return undefined;
  const word = code.slice(0, 2);
  if (size === undefined) return { end: next, whole: true, word };
  const end = next + Number(size);
  const digits = /^(\d{1,20}) *$/.exec(text.slice(next, end));
  if (text.slice(end, end + 2) !== "\r\n" || digits === null) return undefined;
  return name === "ma" && BigInt(digits[1]) <= MAX_UINT64
    ? { end: end + 2, whole: true, word: digits[1] }
    : undefined;
}

const CHANGE = /(VA (\d{1,15})|HD|NS|EX|NF)((?: +[!-\xff]+)* *)\r\n/y;

/** The reply to `me`: its facts, as they stand there. */
function readDebug(
  text: string,
  at: number,
  { args: [key] }: Command,
): Meaning | undefined {
  const line = match(DEBUG, text, at);
  if (line === null) return undefined;
  const end = DEBUG.lastIndex;
  if (line[1] === undefined) return { end, whole: true, found: [] };
  return line[1] === key
    ? { end, whole: true, word: line[2], lines: [line[2]] }
    : undefined;
}

const DEBUG = /(?:ME ([^ \n]+) ([^\n]*?)|EN[^\n]*?)\r\n/y;

/** The tokens of flags by their letters; of two the later one counts. */
function flagsOf(rest: string): (letter: string) => string | undefined {
  const flags = rest.split(" ").filter((flag) => flag !== "");
  return (letter) => flags.findLast((flag) => flag[0] === letter)?.slice(1);
}

function isMine(opaque: string | undefined, asked: readonly string[]): boolean {
  return opaque !== undefined && /^\d{1,15}$/.test(opaque) &&
    Number(opaque) === Number(asked.find((flag) => flag[0] === "O")?.slice(1));
}

function readMeta(
  text: string,
  at: number,
  { args, keys }: Command,
): Meaning | undefined {
  const header = match(META, text, at);
  if (header === null) return undefined;
  const next = META.lastIndex;
  const [, code, size, rest] = header;
  const of = flagsOf(rest);
  const asked = args.slice(1);
  const opaque = of("O");
  const mine = isMine(opaque, asked);
  if (code === "EN") {
    return mine || opaque === undefined
      ? { end: next, whole: true, found: [] }
      : undefined;
  }
  if (!mine) return undefined;
  const item = { key: keys[0], flags: 0, data: "", cas: undefined };
  if (!asked.includes("v")) {
    return code === "HD"
      ? { end: next, whole: true, found: [item] }
      : undefined;
  }
  const stored = /^\d{1,15}$/.test(of("f") ?? "") ? Number(of("f")) : -1;
  if (size === undefined || !(stored >= 0 && stored <= MAX_UINT32)) {
    return undefined;
  }
  const cas = of("c");
  if (asked.includes("c") && !/^\d{1,20}$/.test(cas ?? "")) return undefined;
  const ttl = asked.includes("t") ? of("t") ?? "" : "-1";
  if (!/^(?:-1|\d{1,15})$/.test(ttl)) return undefined;
  const end = next + Number(size);
  if (text.slice(end, end + 2) !== "\r\n") return undefined;
  const found = [{
    ...item,
    flags: stored,
    data: text.slice(next, end),
    cas: asked.includes("c") ? BigInt(cas ?? 0) : undefined,
    ttl: Number(ttl),
  }];
  return { end: end + 2, whole: true, found };
}

function readValues(
  text: string,
  from: number,
  { name, keys }: Command,
): Meaning {
  const wantsCas = name === "gets" || name === "gats";
  const left = new Map<string, number>();
  for (const key of keys) left.set(key, (left.get(key) ?? 0) + 1);
  const proven: Found[] = [];
  let held: Found | undefined;
  let at = from;
  for (;;) {
    if (text.startsWith("END\r\n", at)) {
      if (held !== undefined) proven.push(held);
      return { end: at + 5, whole: true, found: proven };
    }
    const value = match(VALUE, text, at);
    if (value === null) break;
    const [, key, flags, size, cas] = value;
    const next = VALUE.lastIndex;
    const end = next + Number(size);
    const places = left.get(key) ?? 0;
    if (
      places === 0 || Number(flags) > MAX_UINT32 ||
      cas !== undefined && BigInt(cas) > MAX_UINT64 ||
      wantsCas && cas === undefined || text.slice(end, end + 2) !== "\r\n"
    ) break;
    left.set(key, places - 1);
    if (held !== undefined) proven.push(held);
    held = {
      key,
      flags: Number(flags),
      data: text.slice(next, end),
      cas: wantsCas ? BigInt(cas) : undefined,
    };
    at = end + 2;
  }
  return { end: at, whole: false, found: proven };
}

function readStats(text: string, from: number): Meaning | undefined {
  const lines: string[] = [];
  let at = from;
  for (;;) {
    const line = match(STAT, text, at);
    if (line === null) break;
    lines.push(line[1]);
    at = STAT.lastIndex;
  }
  const end = /(?:END|RESET|OK)\r\n/y;
  return match(end, text, at) === null
    ? undefined
    : { end: end.lastIndex, whole: true, lines };
}

function readRaw(text: string, at: number, token: string): Meaning | undefined {
  const error = match(ERROR, text, at);
  if (error !== null) return fault(error[0], ERROR.lastIndex);
  const end = text.indexOf(token, at);
  return end < 0
    ? undefined
    : { end: end + token.length, whole: true, word: text.slice(at, end) };
}
