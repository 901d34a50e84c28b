/**
 * What a recorded reply of the meta protocol means, by the table of commands
 * and replies alone: a judge that shares nothing with the client's decoder.
 *
 * @module
 */
import {
  type ErrorClass,
  MemcacheClientError,
  MemcacheNonNumericError,
  MemcacheSerdeError,
  MemcacheServerError,
  MemcacheUnknownCommandError,
} from "@x/memcache";
import type { Options, Recorded, Translated } from "./_meta_requests.ts";

/** What a call comes to. */
export type Expected =
  | { readonly result: unknown }
  /** Of an answer that is not given nobody knows more than it says by that. */
  | { readonly partly: Options }
  | { readonly error: ErrorClass };

/** One line, and the data behind it, of each reply. */
const REPLY =
  /(?:VA (\d+)(?: [^\r\n]*)?|(?:HD|EN|NS|EX|NF|MN|ME)(?: [^\r\n]*)?|[A-Z_]*ERROR[^\r\n]*)\r\n/y;

/** Cuts what was received into replies; `undefined` where that is not possible. */
export function repliesOf(recv: string): string[] | undefined {
  const replies: string[] = [];
  for (let at = 0; at < recv.length;) {
    REPLY.lastIndex = at;
    const match = REPLY.exec(recv);
    if (match === null) return undefined;
    const end = REPLY.lastIndex +
      (match[1] === undefined ? 0 : Number(match[1]) + 2);
    replies.push(recv.slice(at, end));
    at = end;
  }
  return replies;
}

/** Replies that a command may have. */
const OWN: Readonly<Record<string, RegExp>> = {
  mg: /^(?:HD|VA|EN)/,
  ms: /^(?:HD|NS|EX|NF)/,
  md: /^(?:HD|NF|EX)/,
  ma: /^(?:HD|VA|NF|NS|EX)/,
  me: /^(?:ME|EN)/,
  mn: /^MN/,
};

/**
 * Puts the replies to their commands: to each its own, `undefined` to a quiet
 * one that was not answered.
 */
export function assign(
  commands: readonly Recorded[],
  replies: readonly string[],
): Array<string | undefined> | undefined {
  const left = [...replies];
  const assigned: Array<string | undefined> = [];
  for (const [i, { name, key, flags }] of commands.entries()) {
    const [reply] = left;
    const isQuiet = flags.includes("q");
    const isError = reply !== undefined && /ERROR/.test(reply.split("\r\n")[0]);
    // The errors of a run of quiet ones are the last one's, in what is recorded.
    const isLast = commands[i + 1]?.flags.includes("q") !== true;
    const told = reply?.split("\r\n")[0].split(" ").find((flag) =>
      flag[0] === "k"
    );
    const isOwn = reply !== undefined &&
      (isError ? !isQuiet || isLast : OWN[name].test(reply)) &&
      (!isQuiet || told === undefined || told === `k${key}`);
    if (isOwn) assigned.push(left.shift());
    else if (isQuiet) assigned.push(undefined);
    else return undefined;
  }
  return left.length === 0 ? assigned : undefined;
}

/** The class of an error line. */
export function errorOf(line: string): ErrorClass | undefined {
  if (/non-numeric value/.test(line)) return MemcacheNonNumericError;
  if (line.startsWith("CLIENT_ERROR")) return MemcacheClientError;
  if (line.startsWith("SERVER_ERROR")) return MemcacheServerError;
  return line.startsWith("ERROR") ? MemcacheUnknownCommandError : undefined;
}

const HIT: Readonly<Record<string, string>> = {
  mg: "hit",
  ms: "stored",
  md: "deleted",
  ma: "stored",
};

const STATUS: Readonly<Record<string, string>> = {
  EN: "miss",
  NS: "notStored",
  EX: "exists",
  NF: "notFound",
};

/** What a call has to come to, by what was recorded. */
export function expected(
  { command, given, options }: Extract<Translated, { options: Options }>,
  reply: string | undefined,
): Expected {
  const { name } = command;
  if (name === "mn") return { result: undefined };
  if (reply === undefined) {
    const { opaque } = options;
    return {
      partly: {
        status: name === "mg" ? "miss" : HIT[name],
        ...(opaque === undefined ? {} : { opaque }),
      },
    };
  }
  const at = reply.indexOf("\r\n");
  const words = reply.slice(0, at).split(" ").filter((word) => word !== "");
  const error = errorOf(reply);
  if (error !== undefined) return { error };
  const [code] = words;
  if (name === "me") {
    return { result: code === "EN" ? undefined : debug(words) };
  }
  const status = STATUS[code] ?? HIT[name];
  const result: Record<string, unknown> = { status };
  const isHit = code === "HD" || code === "VA";
  for (const word of words.slice(code === "VA" ? 2 : 1)) {
    const [name, token] = [FIELDS[word[0]], word.slice(1)];
    if (name === "key") result.key = given;
    else if (name === "opaque") result.opaque = token;
    else if (!isHit) continue;
    else if (name === "cas") result.cas = BigInt(token);
    else if (name === "hitBefore") result.hitBefore = token === "1";
    else if (/^(?:won|stale|alreadyWon)$/.test(name)) result[name] = true;
    else if (name !== "") result[name] = Number(token);
  }
  if (code !== "VA") return { result };
  const data = reply.slice(at + 2, -2);
  if (name === "ma") {
    const value = BigInt(data.trim());
    const isBig = typeof options.delta === "bigint";
    if (!isBig && value > BigInt(Number.MAX_SAFE_INTEGER)) {
      return { error: MemcacheSerdeError };
    }
    result.value = isBig ? value : Number(value);
  } else if (!isStub(result, data, options)) {
    result.value = Uint8Array.from(data, (unit) => unit.charCodeAt(0));
  }
  return { result };
}

/**
 * An item that was created by `N`: empty, told as won to its creator, and as
 * already won to all others until somebody stores into it.
 */
function isStub(
  { won, alreadyWon, stale, flags = 0 }: Record<string, unknown>,
  data: string,
  { vivify }: Options,
): boolean {
  if (data !== "" || flags !== 0 || stale) return false;
  return alreadyWon === true || won === true && vivify !== undefined;
}

const FIELDS: Readonly<Record<string, string>> = {
  k: "key",
  O: "opaque",
  b: "",
  c: "cas",
  f: "flags",
  h: "hitBefore",
  l: "lastAccess",
  s: "size",
  t: "ttl",
  W: "won",
  X: "stale",
  Z: "alreadyWon",
};

function debug(words: readonly string[]): unknown {
  const of = (name: string) =>
    words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
  return {
    // It is counted downwards from 0.
    ttl: of("exp") === "-1" ? -1 : Math.abs(Number(of("exp"))),
    lastAccess: Number(of("la")),
    cas: BigInt(of("cas") ?? ""),
    fetched: of("fetch") === "yes",
    slabClass: Number(of("cls")),
    size: Number(of("size")),
  };
}
