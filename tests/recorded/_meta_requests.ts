/**
 * From a recorded request of the meta protocol to a call of `client.meta`: the
 * flags by their letters on one side, by their names on the other.
 *
 * @module
 */
import { assertEquals, assertInstanceOf, assertObjectMatch } from "@std/assert";
import type { Client } from "@x/memcache";
import type { Expected } from "./_meta_replies.ts";

/** One command of a recorded request. */
export interface Recorded {
  /** The command's name. */
  readonly name: string;
  /** The line, without its end. */
  readonly line: string;
  /** The key as it stands there. */
  readonly key: string;
  /** The flags behind the key and the length. */
  readonly flags: readonly string[];
  /** The data block. */
  readonly data: string | undefined;
}

/** What becomes of a recorded command. */
export type Translated =
  /** A call that sends the same. */
  | {
    readonly kind: "call";
    readonly command: Recorded;
    readonly given: string | Uint8Array;
    readonly options: Options;
  }
  /** A call that the client refuses. */
  | {
    readonly kind: "refused";
    readonly reason: string;
    readonly command: Recorded;
    readonly given: string | Uint8Array;
    readonly options: Options;
  }
  /** No call of `client.meta` could say it. */
  | { readonly kind: "none"; readonly reason: string };

/** Options by their names. */
export type Options = Record<string, unknown>;

/** A line of meta, and nothing that memcached only puts up with. */
const LINE = /^m[gsdaen](?: [^ ]+)*$/;

/** Takes a request apart; `undefined` where it is no row of commands. */
export function commandsOf(send: string): Recorded[] | undefined {
  const commands: Recorded[] = [];
  for (let at = 0; at < send.length;) {
    const end = send.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const line = send.slice(at, end);
    const [name, key = "", ...flags] = line.split(" ");
    at = end + 2;
    let data: string | undefined;
    const stores = name === "ms"
      ? flags[0]
      : CLASSIC_STORES.test(name)
      ? flags[2]
      : undefined;
    if (stores !== undefined) {
      if (!/^\d+$/.test(stores)) return undefined;
      const next = at + Number(stores);
      if (send.slice(next, next + 2) !== "\r\n") return undefined;
      data = send.slice(at, next);
      at = next + 2;
      if (name === "ms") flags.shift();
    }
    commands.push({ name, line, key, flags, data });
  }
  return commands;
}

const CLASSIC_STORES = /^(?:set|add|replace|append|prepend|cas)$/;

/** What a letter means: a name, and what its token is. */
type Letter = readonly [
  option: string,
  token?: "number" | "big" | "text" | "mode",
];

const EVERY: Readonly<Record<string, Letter>> = {
  k: ["returnKey"],
  q: ["quiet"],
  O: ["opaque", "text"],
};

const LETTERS: Readonly<Record<string, Readonly<Record<string, Letter>>>> = {
  mg: {
    ...EVERY,
    v: ["returnValue"],
    f: ["returnFlags"],
    c: ["returnCas"],
    t: ["returnTtl"],
    s: ["returnSize"],
    h: ["returnHitBefore"],
    l: ["returnLastAccess"],
    u: ["noBump"],
    T: ["touch", "number"],
    N: ["vivify", "number"],
    R: ["recache", "number"],
    E: ["newCas", "big"],
    C: ["compareCas", "big"],
  },
  ms: {
    ...EVERY,
    T: ["ttl", "number"],
    F: ["flags", "number"],
    M: ["mode", "mode"],
    C: ["compareCas", "big"],
    E: ["newCas", "big"],
    I: ["invalidate"],
    N: ["vivify", "number"],
    c: ["returnCas"],
    s: ["returnSize"],
  },
  md: {
    ...EVERY,
    C: ["compareCas", "big"],
    E: ["newCas", "big"],
    I: ["invalidate"],
    T: ["touch", "number"],
    x: ["removeValue"],
  },
  ma: {
    ...EVERY,
    M: ["mode", "mode"],
    D: ["delta", "big"],
    N: ["vivify", "number"],
    J: ["initial", "big"],
    T: ["touch", "number"],
    C: ["compareCas", "big"],
    E: ["newCas", "big"],
    v: ["returnValue"],
    t: ["returnTtl"],
    c: ["returnCas"],
  },
  me: {},
};

const MODES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ms: { E: "add", A: "append", P: "prepend", R: "replace", S: "set" },
  ma: { "I": "incr", "+": "incr", "D": "decr", "-": "decr" },
};

/** The flags that memcached 1.6.18 does not know, and that need a later one. */
const LATER: Readonly<Record<string, string>> = {
  mg: "EC",
  ms: "ENs",
  md: "Ex",
  ma: "E",
};

/** Translates one command. */
export function translate(command: Recorded): Translated {
  const none = (reason: string): Translated => ({ kind: "none", reason });
  const { name, key, flags, line } = command;
  const letters = LETTERS[name];
  if (name === "mn") {
    return line === "mn"
      ? { kind: "call", command, given: "", options: {} }
      : none("not a line of the protocol");
  }
  if (letters === undefined) {
    return none(
      /^(?:get|gets|set|add|replace|append|prepend|cas|delete|incr|touch|flush_all)$/
          .test(name)
        ? "a classic command"
        : "no command of the protocol",
    );
  }
  if (!LINE.test(line)) return none("blanks where none are needed");
  if (key === "") return none("no key");
  if (name === "ms" && command.data === undefined) return none("no length");
  const options: Options = {};
  if (name === "mg" || name === "ma") options.returnValue = false;
  const seen = new Set<string>();
  let isBinary = false;
  for (const flag of flags) {
    const [letter] = flag;
    const token = flag.slice(1);
    if (seen.has(letter)) return none("a flag twice");
    seen.add(letter);
    if (letter === "b") {
      if (token !== "") return none("a token that the flag does not take");
      isBinary = true;
      continue;
    }
    const known = Object.hasOwn(letters, letter) ? letters[letter] : undefined;
    if (known === undefined) return none("a flag that the command has not");
    const [option, takes] = known;
    if (takes === undefined) {
      if (token !== "") return none("a token that the flag does not take");
      options[option] = true;
    } else if (takes === "text") options[option] = token;
    else if (takes === "mode") {
      if (!Object.hasOwn(MODES[name], token)) return none("no such mode");
      options[option] = MODES[name][token];
    } else if (!/^-?\d+$/.test(token)) return none("a token that is no number");
    else options[option] = takes === "big" ? BigInt(token) : Number(token);
  }
  let given: string | Uint8Array = key;
  if (isBinary) {
    const bytes = fromBase64(key);
    if (bytes === undefined) return none("a key that is no base64");
    given = bytes;
  } else if (/[^!-~]/.test(key)) {
    return none("a plain key of bytes that the client sends as base64");
  }
  const reason = refusal(command, given, options);
  return reason === undefined
    ? { kind: "call", command, given, options }
    : { kind: "refused", reason, command, given, options };
}

/** Why the client refuses a call, as far as it is known of the recorded ones. */
function refusal(
  { name, flags }: Recorded,
  given: string | Uint8Array,
  options: Options,
): string | undefined {
  const is = (letter: string) => flags.some((flag) => flag[0] === letter);
  const opaque = options.opaque;
  if (given.length > (typeof given === "string" ? 250 : 186)) {
    return "a key that is too long";
  }
  if (typeof opaque === "string" && (opaque === "" || opaque.length > 31)) {
    return "an opaque token of no or too many bytes";
  }
  if (name === "ms" && is("F") && !isWithin(options.flags, 2 ** 32 - 1)) {
    return "a number beside the value that is none of 32 bits";
  }
  for (const option of ["delta", "initial", "compareCas", "newCas"]) {
    const value = options[option];
    if (typeof value === "bigint" && (value < 0n || value >= 2n ** 64n)) {
      return "a number that is none of 64 bits";
    }
  }
  if (name === "mg" && is("R") && !isWithin(options.recache, 2 ** 31 - 1)) {
    return "a recache that is no number of seconds";
  }
  if (name === "ms" && is("I") && !is("C")) {
    return "ms with I and without C: nothing to compare with";
  }
  if (name === "md" && is("T") && !is("I")) {
    return "md with T and without I: what is deleted has no lifetime";
  }
  if (name === "ma" && is("J") && !is("N")) {
    return "ma with J and without N: nothing is created";
  }
  if (name === "ms" && is("N") && !is("MA") && !/MA|MP/.test(flags.join(" "))) {
    return "ms with N and neither append nor prepend";
  }
  if ([...LATER[name] ?? ""].some((letter) => is(letter))) {
    return "a flag that memcached 1.6.18 does not know";
  }
  return undefined;
}

function isWithin(value: unknown, most: number): boolean {
  return typeof value === "number" && value >= 0 && value <= most;
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    const bytes = atob(text);
    if (btoa(bytes) !== text || bytes === "") return undefined;
    return Uint8Array.from(bytes, (unit) => unit.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Makes the call. */
export async function call(
  client: Client,
  { command: { name, data = "" }, given, options }: Extract<
    Translated,
    { options: Options }
  >,
): Promise<unknown> {
  const { meta } = client;
  switch (name) {
    case "mn":
      return await meta.noop();
    case "mg":
      return await meta.get(given, options);
    case "ms": {
      const bytes = Uint8Array.from(data, (unit) => unit.charCodeAt(0));
      return await meta.set(given, bytes, options);
    }
    case "md":
      return await meta.delete(given, options);
    case "ma":
      return await meta.arithmetic(given, options);
    default:
      return await meta.debug(given);
  }
}

/**
 * The flags of a line as they can be compared: a set, since protocol.txt gives
 * them no order; without what says nothing, and without what the client adds.
 *
 * @param recorded The recorded command, for what the client adds.
 */
export function comparable(
  { name, flags: asked, data = "" }: Recorded,
  flags: readonly string[],
): string[] {
  const has = (letter: string) => asked.some((flag) => flag[0] === letter);
  // An answer that returns something is not left out, nor that to much data.
  const isAnswered = name === "ms" && (has("c") || data.length >= 900) ||
    name === "ma" && (has("v") || has("c") || has("t"));
  return flags.filter((flag) => {
    const [letter] = flag;
    if (letter === "q") return !isAnswered;
    // The client's own token, which a quiet command has in place of the
    // caller's, and the number that its serde needs.
    if (letter === "O") return has("O") && (!has("q") || isAnswered);
    if (name === "mg" && flag === "f" && has("v") && !has("f")) return false;
    // Said or not, it is the same.
    if (name === "ma" && /^(?:D1|MI|M\+)$/.test(flag)) return false;
    return !(name === "ms" && /^(?:MS|F0)$/.test(flag));
  }).map((flag) => name === "ma" && flag === "M-" ? "MD" : flag).sort();
}

/** Checks what a call came to. */
export function assertOutcome(
  settled: PromiseSettledResult<unknown>,
  wanted: Expected,
  about: string,
): void {
  if ("error" in wanted) {
    assertEquals(settled.status, "rejected", about);
    if (settled.status === "rejected") {
      assertInstanceOf(settled.reason, wanted.error, about);
      assertEquals(settled.reason.constructor, wanted.error, about);
    }
    return;
  }
  if (settled.status === "rejected") throw settled.reason;
  if ("partly" in wanted) {
    assertObjectMatch(settled.value as Options, wanted.partly, about);
  } else assertEquals(settled.value, wanted.result, about);
}
