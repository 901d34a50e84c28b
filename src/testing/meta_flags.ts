/**
 * The flags of meta commands: reading them before a command runs
 * (protocol.txt, "Meta Commands").
 *
 * @module
 */

import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { Words } from "./classic.ts";
import { BAD_FORMAT, MAX_KEY_LENGTH, type ServerState } from "./context.ts";
import type { StoredItem } from "./item.ts";
import { readInt32, readUint32, readUint64 } from "./numbers.ts";

/** Most words of a meta command, the command's own included. */
export const MAX_META_WORDS = 19;
/** Longest opaque, its letter included. */
const MAX_OPAQUE = 32;
const NO_ARGUMENT = "qvuklhstcfIPLO";
const INVALID_FLAG = "CLIENT_ERROR invalid flag";
const TOO_MANY_FLAGS = "CLIENT_ERROR options flags are too long";
const BAD_TOKEN = "CLIENT_ERROR bad token in command line format";

/** What the flags of a meta command ask for. */
export interface MetaFlags {
  /** The key, decoded where the flag b says so. */
  key: string;
  /** b: the key is base64. */
  binary: boolean;
  /** q: the nominal reply is left out. */
  quiet: boolean;
  /** v: the value is returned. */
  value: boolean;
  /** u: the access does not count. */
  noUpdate: boolean;
  /** I: mark as stale, or accept an older version. */
  invalidate: boolean;
  /** T: the second the item is to end at. */
  exptime?: number;
  /** N: the second a newly made item is to end at. */
  vivify?: number;
  /** R: an item that ends before this second is to be recached. */
  recache?: number;
  /** C: the version that the item must have. */
  cas?: bigint;
  /** E: the version that the item gets. */
  newCas?: bigint;
  /** x: the value goes, the item stays. */
  removeValue: boolean;
  /** F: the client's flags. */
  clientFlags: number;
  /** M: the mode's letter. */
  mode?: string;
  /** J: the value of a newly made counter. */
  initial: bigint;
  /** D: the amount to add or subtract. */
  delta: bigint;
}

/**
 * Reads the flags in `words`, from the index `start` on, and the key.
 *
 * @returns the flags, or the error line that memcached answers with
 */
export function readMetaFlags(
  words: Words,
  start: number,
  { clock, settings: { knows } }: Pick<ServerState, "clock" | "settings">,
): MetaFlags | string {
  const flags: MetaFlags = {
    key: words[1],
    binary: false,
    quiet: false,
    value: false,
    noUpdate: false,
    invalidate: false,
    removeValue: false,
    clientFlags: 0,
    initial: 0n,
    delta: 1n,
  };
  const seen = new Set<string>();
  // A bad argument is reported after all flags were read: an unknown or
  // doubled flag further on is reported in its place.
  let error: string | undefined;
  const time = (argument: string): number | undefined => {
    const seconds = readInt32(argument);
    if (seconds === undefined) error = BAD_TOKEN;
    return seconds === undefined ? undefined : clock.deadline(seconds);
  };
  const number = (argument: string, message: string): bigint | undefined => {
    const value = readUint64(argument);
    if (value === undefined) error = message;
    return value;
  };
  for (let i = start; i < words.length; i++) {
    const flag = words[i][0];
    if (flag >= "\x7f" || seen.has(flag)) return "CLIENT_ERROR duplicate flag";
    seen.add(flag);
    const argument = words[i].slice(1);
    switch (flag) {
      case "b": {
        if (!knows.binaryKeys) return INVALID_FLAG;
        flags.binary = true;
        const decoded = decodeBase64(flags.key);
        if (decoded === undefined) error = "CLIENT_ERROR error decoding key";
        else flags.key = decoded;
        break;
      }
      case "N":
        flags.vivify = time(argument);
        break;
      case "T":
        flags.exptime = time(argument);
        break;
      case "R":
        flags.recache = time(argument);
        break;
      case "C":
        flags.cas = number(argument, BAD_TOKEN);
        break;
      case "E":
        if (!knows.newCas) return INVALID_FLAG;
        flags.newCas = number(argument, BAD_TOKEN);
        break;
      case "F": {
        const value = readUint32(argument);
        if (value === undefined) error ??= BAD_FORMAT;
        else flags.clientFlags = value;
        break;
      }
      case "M":
        if (argument.length === 1) flags.mode = argument;
        else error = "CLIENT_ERROR incorrect length for M token";
        break;
      case "J":
        flags.initial =
          number(argument, "CLIENT_ERROR invalid numeric initial value") ?? 0n;
        break;
      case "D":
        flags.delta =
          number(argument, "CLIENT_ERROR invalid numeric delta value") ?? 0n;
        break;
      case "q":
        flags.quiet = true;
        break;
      case "v":
        flags.value = true;
        break;
      case "u":
        flags.noUpdate = true;
        break;
      case "I":
        flags.invalidate = true;
        break;
      case "x":
        if (!knows.removeValue) return INVALID_FLAG;
        flags.removeValue = true;
        break;
      default:
        if (!NO_ARGUMENT.includes(flag)) return INVALID_FLAG;
    }
  }
  return error ?? flags;
}

/** The part of a reply that repeats the key: ` k`, and ` b` if base64. */
export function keyField(key: string, binary: boolean): string {
  return binary ? ` k${encodeBase64(key)} b` : ` k${key}`;
}

/** Whether a word is an opaque that memcached refuses. */
export function opaqueTooLong(word: string): boolean {
  return word[0] === "O" && word.length > MAX_OPAQUE;
}

/** Reply to an opaque that is too long. */
export const OPAQUE_TOO_LONG = "CLIENT_ERROR opaque token too long";

/**
 * The fields of a reply that do not depend on an item: opaque and key, in the
 * order of the request.
 *
 * @returns the fields, or `undefined` if the opaque is too long
 */
export function echoFields(
  words: Words,
  start: number,
  flags: MetaFlags,
): string | undefined {
  let fields = "";
  for (let i = start; i < words.length; i++) {
    const word = words[i];
    if (opaqueTooLong(word)) return undefined;
    if (word[0] === "O") fields += ` ${word}`;
    if (word[0] === "k") fields += keyField(flags.key, flags.binary);
  }
  return fields;
}

/** The error line for a command whose key or number of flags is too long. */
export function refuseMeta(words: Words): string | undefined {
  if (words[1].length > MAX_KEY_LENGTH) return BAD_FORMAT;
  return words.length > MAX_META_WORDS ? TOO_MANY_FLAGS : undefined;
}

/** Seconds left, as unsigned as memcached prints them; -1 for no end. */
export function timeField(item: StoredItem, seconds: number): string {
  return item.exptime === 0 ? " t-1" : ` t${(item.exptime - seconds) >>> 0}`;
}
