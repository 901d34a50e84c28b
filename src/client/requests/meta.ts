/**
 * The meta commands: what they have in common, `mn`, and `me`.
 *
 * @module
 */

import {
  Command,
  COMPLETE,
  FOREIGN,
  IDEMPOTENT,
  NEEDS_META,
  NEEDS_VERSION,
  QUIET,
  READ_ONLY,
  type ReadText,
} from "../../connection/request.ts";
import { MemcacheUnknownCommandError } from "../../errors.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { parseUint, parseUint64 } from "../../wire/numbers.ts";
import type { Output } from "../../wire/output.ts";
import { EN, EX, HD, ME, MN, NF, NS, VA } from "../../wire/reply.ts";
import { latin1, readReturned, type Returned } from "../../wire/returned.ts";
import type { MetaDebugResult, MetaResult } from "../meta_commands.ts";
import { checkNeeds, type MetaFlags, type VersionNeed } from "../meta_flags.ts";
import { isSameKey, type MetaKeyParts } from "../meta_keys.ts";

/** Refuses to write a meta command for a server that speaks none. */
export function demandMeta(command: Command, meta: boolean): void {
  if (meta) return;
  throw new MemcacheUnknownCommandError(
    `Cannot send ${command.command}: it needs the meta commands of memcached 1.6.10 or later, and a client whose protocol is not "classic"`,
    { ...command.request.about(), sent: false },
  );
}

/** A command with a key, flags and an opaque token. */
export abstract class MetaCommand extends Command {
  /** The key. */
  protected readonly metaKey: MetaKeyParts;
  /** The flags. */
  protected readonly flags: MetaFlags;
  #opaque = -1;

  /** Takes the key and the flags, and the traits beside those of all. */
  constructor(
    command: "mg" | "ms" | "md" | "ma",
    key: MetaKeyParts,
    flags: MetaFlags,
    traits: number,
    weight = 0,
  ) {
    super(
      command,
      key.name,
      NEEDS_META | (flags.needs.length > 0 ? NEEDS_VERSION : 0) |
        (flags.quiet ? QUIET : 0) | traits,
      weight,
    );
    this.metaKey = key;
    this.flags = flags;
  }

  override checkVersion(version: string | undefined): void {
    if (version === undefined) return;
    checkNeeds(this.command, this.flags.needs, version);
  }

  override encode(out: Output, meta: boolean, opaque: number): void {
    demandMeta(this, meta);
    const { wireKey, isBinary } = this.metaKey;
    const { text, quiet } = this.flags;
    const token = this.#token;
    this.#opaque = token === undefined ? opaque : -1;
    out.keyed(`${this.command} `, wireKey, this.lengthFirst ? " " : "");
    const rest = `${isBinary ? " b" : ""}${text}${quiet ? " q" : ""} O${
      token ?? opaque
    }`;
    this.encodeRest(out, rest);
  }

  /**
   * The caller's own token, if it goes on the wire. Among quiet commands only
   * our numbers tell whose an answer is.
   */
  get #token(): string | undefined {
    return this.flags.quiet ? undefined : this.flags.opaque;
  }

  /** Whether the length of a value stands before the flags. */
  protected get lengthFirst(): boolean {
    return false;
  }

  /** Ends the line that the flags are on. */
  protected encodeRest(out: Output, flags: string): void {
    out.text(flags);
    out.crlf();
  }

  override read(reply: Decoder, kind: number, text: ReadText): number {
    if (
      kind !== HD && kind !== VA && kind !== EN && kind !== NS && kind !== EX &&
      kind !== NF
    ) return this.request.refuse(reply, kind);
    const returned = readReturned(reply);
    if (returned === undefined || !this.#isOwn(kind, returned)) return FOREIGN;
    return this.accept(reply, kind, returned, text) ? COMPLETE : FOREIGN;
  }

  /** Tells the caller what a verified reply means; `false` for a foreign one. */
  protected abstract accept(
    reply: Decoder,
    kind: number,
    returned: Returned,
    text: ReadText,
  ): boolean;

  override silent(): void {
    // The server has the key as we do.
    this.request.done(this.complete(this.hidden, { key: "" }));
  }

  /** The answer that is left out of quiet commands. */
  protected abstract get hidden(): MetaResult;

  /** Puts what every command may return into a result. */
  protected complete<R extends MetaResult>(result: R, returned: Returned): R {
    const { returned: wanted, opaque } = this.flags;
    if (wanted.includes("k") && returned.key !== undefined) {
      result.key = this.metaKey.given;
    }
    if (opaque !== undefined) result.opaque = opaque;
    if (wanted.includes("c") && returned.cas !== undefined) {
      result.cas = returned.cas;
    }
    return result;
  }

  /** Whether the reply carries the opaque token, and the key if it has one. */
  #isOwn(kind: number, { opaque, key, isBase64 }: Returned): boolean {
    const token = this.#token;
    // Servers before 1.6.18 leave the flags out of a miss.
    if (opaque === undefined) return kind === EN;
    if (opaque !== (token ?? String(this.#opaque))) return false;
    return key === undefined ||
      isSameKey(this.metaKey, key, isBase64 === true);
  }
}

/** Whether a reply returns all that was asked for. */
export function tellsAll({ returned }: MetaFlags, told: Returned): boolean {
  for (const letter of returned) {
    const field = FIELDS[letter];
    if (field !== undefined && told[field] === undefined) return false;
  }
  return true;
}

const FIELDS: Readonly<Record<string, keyof Returned>> = {
  c: "cas",
  f: "flags",
  h: "hitBefore",
  k: "key",
  l: "lastAccess",
  s: "size",
  t: "ttl",
};

/** `mn`: everything before it has been done. */
export class MetaNoopCommand extends Command {
  /** Has no arguments. */
  constructor() {
    super("mn", undefined, NEEDS_META | IDEMPOTENT);
  }

  override encode(out: Output, meta: boolean): void {
    demandMeta(this, meta);
    out.text("mn\r\n");
  }

  override read(reply: Decoder, kind: number): number {
    if (kind !== MN) return this.request.refuse(reply, kind);
    this.request.done(undefined);
    return COMPLETE;
  }
}

/** The first version whose `me` knows base64. */
const BINARY_DEBUG: readonly VersionNeed[] = [
  { option: "debug of a key that goes as base64 (b)", since: [1, 6, 10] },
];

/** `me`: what the server knows of an item. */
export class MetaDebugCommand extends Command {
  readonly #key: MetaKeyParts;

  /** Takes the key. */
  constructor(key: MetaKeyParts) {
    super(
      "me",
      key.name,
      NEEDS_META | (key.isBinary ? NEEDS_VERSION : 0) | READ_ONLY | IDEMPOTENT,
    );
    this.#key = key;
  }

  override checkVersion(version: string | undefined): void {
    if (version !== undefined) checkNeeds("me", BINARY_DEBUG, version);
  }

  override encode(out: Output, meta: boolean): void {
    demandMeta(this, meta);
    const { wireKey, isBinary } = this.#key;
    out.keyed("me ", wireKey, isBinary ? " b\r\n" : "\r\n");
  }

  override read(reply: Decoder, kind: number): number {
    if (kind === EN) {
      this.request.done(undefined);
      return COMPLETE;
    }
    if (kind !== ME) return this.request.refuse(reply, kind);
    const { line, lineStart, lineEnd } = reply;
    const [key, ...facts] = latin1(line, lineStart + 3, lineEnd).split(" ");
    if (!isSameKey(this.#key, key, undefined)) return FOREIGN;
    const told = readFacts(facts);
    if (told === undefined) return FOREIGN;
    this.request.done(told);
    return COMPLETE;
  }
}

/**
 * Reads `exp=-1 la=0 cas=2 fetch=yes cls=1 size=63`, in any order. memcached
 * 1.6.18 counts the seconds that are left below zero: one of them looks as none.
 */
function readFacts(facts: readonly string[]): MetaDebugResult | undefined {
  const told = new Map(facts.map((fact) => {
    const at = fact.indexOf("=");
    return [fact.slice(0, at), fact.slice(at + 1)];
  }));
  const number = (name: string): number => {
    const digits = bytesOf(told.get(name) ?? "");
    return parseUint(digits, 0, digits.length);
  };
  const casDigits = bytesOf(told.get("cas") ?? "");
  const cas = parseUint64(casDigits, 0, casDigits.length);
  const exp = /^-?(\d{1,10})$/.exec(told.get("exp") ?? "");
  const lastAccess = number("la");
  const slabClass = number("cls");
  const size = number("size");
  const fetched = told.get("fetch");
  const isWhole = cas !== undefined && lastAccess >= 0 && slabClass >= 0 &&
    size >= 0 && (fetched === "yes" || fetched === "no");
  if (!isWhole || exp === null) return undefined;
  const ttl = exp[0] === "-1" ? -1 : Number(exp[1]);
  return { ttl, lastAccess, cas, fetched: fetched === "yes", slabClass, size };
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}
