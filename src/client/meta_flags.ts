/**
 * From the options of meta commands to the flags on the wire.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import {
  checkDelta,
  checkInteger,
  checkUint32,
  checkUint64,
  describe,
  illegal,
} from "../wire/numbers.ts";
import { isSince, type Version } from "../wire/version.ts";
import { exptimeNow } from "./arguments.ts";
import type {
  MetaArithmeticOptions,
  MetaDeleteOptions,
  MetaGetOptions,
  MetaOptions,
  MetaSetMode,
  MetaSetOptions,
} from "./meta_commands.ts";

/** A flag that not every version of memcached knows. */
export interface VersionNeed {
  /** The option, for the message. */
  readonly option: string;
  /** The first version that knows it, as three numbers. */
  readonly since: Version;
}

/** The flags of one command. */
export interface MetaFlags {
  /** As they go on the wire, each with a blank before it. */
  readonly text: string;
  /** The letters of what has to be returned. */
  readonly returned: string;
  /** The caller's own token. */
  readonly opaque: string | undefined;
  /** Whether the most likely answer is left out: not one that returns more. */
  readonly quiet: boolean;
  /** Whether a value is asked for. */
  readonly hasValue: boolean;
  /** The caller's number to store beside the value. */
  readonly number: number | undefined;
  /** Flags that need more than the first version with meta commands. */
  readonly needs: readonly VersionNeed[];
}

/** Longest opaque token in bytes, as memcached 1.6.18 takes it. */
const MAX_OPAQUE = 31;

/** Puts the flags of one command together. */
class FlagWriter {
  text = "";
  returned = "";
  hasValue = false;
  number: number | undefined = undefined;
  readonly #command: string;
  readonly #needs: VersionNeed[] = [];
  readonly #options: MetaOptions;

  constructor(command: string, options: MetaOptions) {
    const given: unknown = options;
    if (typeof given !== "object" || given === null) {
      throw illegal("flags", given, "an object", command);
    }
    this.#command = command;
    this.#options = options;
  }

  /** A flag that asks for something to be returned. */
  return(name: string, wanted: unknown, letter: string): boolean {
    if (!this.#isSet(name, wanted)) return false;
    this.text += ` ${letter}`;
    this.returned += letter;
    return true;
  }

  /** A flag without a token. */
  mark(name: string, wanted: unknown, letter: string): boolean {
    if (!this.#isSet(name, wanted)) return false;
    this.text += ` ${letter}`;
    return true;
  }

  /** A flag with a lifetime. */
  ttl(ttl: MetaGetOptions["touch"], letter: string): boolean {
    if (ttl === undefined) return false;
    this.text += ` ${letter}${exptimeNow(ttl, this.#command)}`;
    return true;
  }

  /** A flag with a CAS unique. */
  cas(name: string, cas: unknown, letter: string): boolean {
    if (cas === undefined) return false;
    this.text += ` ${letter}${checkUint64(name, cas, this.#command)}`;
    return true;
  }

  /** The options before this one need a version, if they were set. */
  need(isSet: boolean, option: string, ...since: Version): void {
    if (isSet) this.#needs.push({ option, since });
  }

  /** Refuses what does not go together. */
  refuse(isWrong: boolean, why: string): void {
    if (!isWrong) return;
    throw new MemcacheIllegalInputError(
      `Cannot send ${this.#command}: ${why}`,
      { command: this.#command, sent: false },
    );
  }

  /** Adds what every command has. */
  finish(): MetaFlags {
    const { opaque, quiet, returnKey } = this.#options;
    this.return("returnKey", returnKey, "k");
    if (opaque !== undefined) {
      const isToken = typeof opaque === "string" &&
        opaque.length <= MAX_OPAQUE && /^[!-~]+$/.test(opaque);
      if (!isToken) {
        throw illegal(
          "opaque",
          opaque,
          `1 to ${MAX_OPAQUE} characters of visible ASCII`,
          this.#command,
        );
      }
    }
    return {
      text: this.text,
      returned: this.returned,
      opaque,
      quiet: this.#isSet("quiet", quiet) && !this.#tellsMore(),
      hasValue: this.hasValue,
      number: this.number,
      needs: this.#needs,
    };
  }

  /** Whether the answer that would be left out returns something. */
  #tellsMore(): boolean {
    if (this.#command === "ms") return /[cs]/.test(this.returned);
    return this.#command === "ma" &&
      (this.text.includes(" v") || /[ct]/.test(this.returned));
  }

  #isSet(name: string, wanted: unknown): boolean {
    if (wanted === undefined || typeof wanted === "boolean") {
      return wanted ?? false;
    }
    throw illegal(name, wanted, "true or false", this.#command);
  }
}

/** The flags of `mg`. */
export function getFlags(options: MetaGetOptions): MetaFlags {
  const to = new FlagWriter("mg", options);
  const { returnValue = true, recache } = options;
  to.hasValue = to.mark("returnValue", returnValue, "v");
  // The serde needs them.
  if (to.hasValue) to.return("returnFlags", true, "f");
  else to.return("returnFlags", options.returnFlags, "f");
  to.return("returnCas", options.returnCas, "c");
  // memcached goes through the flags in their order: before `t`, or it tells
  // the lifetime that was.
  to.ttl(options.touch, "T");
  to.ttl(options.vivify, "N");
  to.return("returnTtl", options.returnTtl, "t");
  to.return("returnSize", options.returnSize, "s");
  to.return("returnHitBefore", options.returnHitBefore, "h");
  to.return("returnLastAccess", options.returnLastAccess, "l");
  to.mark("noBump", options.noBump, "u");
  if (recache !== undefined) {
    to.text += ` R${checkInteger("recache", recache, 0, 2 ** 31 - 1, "mg")}`;
  }
  to.need(to.cas("newCas", options.newCas, "E"), "newCas (E)", 1, 6, 27);
  to.need(
    to.cas("compareCas", options.compareCas, "C"),
    "compareCas (C)",
    1,
    6,
    40,
  );
  return to.finish();
}

const MODES: Readonly<Record<MetaSetMode, string>> = {
  set: "",
  add: " ME",
  append: " MA",
  prepend: " MP",
  replace: " MR",
};

/** The flags of `ms`, but for the number stored beside the value. */
export function setFlags(options: MetaSetOptions): MetaFlags {
  const to = new FlagWriter("ms", options);
  const { mode = "set", vivify, invalidate, compareCas, flags } = options;
  if (typeof mode !== "string" || !Object.hasOwn(MODES, mode)) {
    throw illegal(
      "mode",
      mode,
      `one of ${Object.keys(MODES).join(", ")}`,
      "ms",
    );
  }
  to.ttl(options.ttl, "T");
  to.text += MODES[mode];
  to.cas("compareCas", compareCas, "C");
  to.need(to.cas("newCas", options.newCas, "E"), "newCas (E)", 1, 6, 27);
  const marks = to.mark("invalidate", invalidate, "I");
  to.refuse(
    marks && compareCas === undefined,
    "invalidate needs compareCas: it is for a value that may be older than the stored one",
  );
  to.refuse(
    vivify !== undefined && mode !== "append" && mode !== "prepend",
    `vivify is for the modes append and prepend, not ${mode}`,
  );
  to.need(to.ttl(vivify, "N"), "vivify (N)", 1, 6, 20);
  to.return("returnCas", options.returnCas, "c");
  to.need(
    to.return("returnSize", options.returnSize, "s"),
    "returnSize (s)",
    1,
    6,
    20,
  );
  if (flags !== undefined) to.number = checkUint32("flags", flags, "ms");
  return to.finish();
}

/** The flags of `md`. */
export function deleteFlags(options: MetaDeleteOptions): MetaFlags {
  const to = new FlagWriter("md", options);
  to.cas("compareCas", options.compareCas, "C");
  to.need(to.cas("newCas", options.newCas, "E"), "newCas (E)", 1, 6, 27);
  const marks = to.mark("invalidate", options.invalidate, "I");
  to.refuse(
    options.touch !== undefined && !marks,
    "touch needs invalidate: what is deleted has no lifetime",
  );
  to.ttl(options.touch, "T");
  to.need(
    to.mark("removeValue", options.removeValue, "x"),
    "removeValue (x)",
    1,
    6,
    27,
  );
  return to.finish();
}

/** The flags of `ma`. */
export function arithmeticFlags(
  options: MetaArithmeticOptions<number | bigint>,
): MetaFlags {
  const to = new FlagWriter("ma", options);
  const { mode = "incr", delta = 1, initial, vivify } = options;
  if (mode !== "incr" && mode !== "decr") {
    throw illegal("mode", mode, "incr or decr", "ma");
  }
  if (mode === "decr") to.text += " MD";
  to.text += ` D${checkDelta(delta, "ma")}`;
  to.ttl(vivify, "N");
  if (initial !== undefined) {
    to.refuse(
      vivify === undefined,
      "initial needs vivify, the lifetime of a counter that is created",
    );
    to.text += ` J${checkUint64("initial", initial, "ma")}`;
  }
  to.ttl(options.touch, "T");
  to.cas("compareCas", options.compareCas, "C");
  to.need(to.cas("newCas", options.newCas, "E"), "newCas (E)", 1, 6, 27);
  to.hasValue = to.mark("returnValue", options.returnValue ?? true, "v");
  to.return("returnTtl", options.returnTtl, "t");
  to.return("returnCas", options.returnCas, "c");
  return to.finish();
}

/**
 * Checks that a version knows the flags.
 *
 * @throws {MemcacheIllegalInputError} If it does not, or cannot be read.
 */
export function checkNeeds(
  command: string,
  needs: readonly VersionNeed[],
  version: string,
): void {
  for (const { option, since } of needs) {
    if (isSince(version, since)) continue;
    const told = version === ""
      ? "this server does not tell its version"
      : `this server is ${describe(version)}`;
    throw new MemcacheIllegalInputError(
      `Cannot send ${command}: ${option} needs memcached ${
        since.join(".")
      } or later, ${told}`,
      { command, sent: false },
    );
  }
}
