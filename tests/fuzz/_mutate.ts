/**
 * Damage to a transcript: to bytes, to lines, to whole replies.
 *
 * @module
 */
import type { Random } from "../wire/_random.ts";

/** A transcript that has been damaged. */
export interface Damaged {
  /** What arrives in place of the honest replies. */
  readonly text: string;
  /** The names of what was done to it. */
  readonly kinds: readonly string[];
  /** Whether nothing smaller than a reply was touched. */
  readonly wholeReplies: boolean;
}

/** What the damage is made of, besides chance. */
export interface Material {
  /** Keys that are in use. */
  readonly keys: readonly string[];
  /** Replies of the same server to others. */
  others(): readonly string[];
  /** Replies of another server, which has other values under the same keys. */
  foreign(): readonly string[];
}

/** What is put in where a stream is damaged. */
const PIECES: readonly string[] = [
  ...["\r", "\n", "\r\n", " ", "\0", "\xff", "0", "9", "-", "O", "f", "c"],
  ...["VA ", "VALUE ", "END\r\n", "EN\r\n", "HD\r\n", "MN\r\n", "STORED\r\n"],
  ...["NOT_FOUND\r\n", "OK\r\n", "ERROR\r\n", "SERVER_ERROR busy\r\n", "7\r\n"],
  ...["ERROR Too many open connections\r\n", "CLIENT_ERROR bad data chunk\r\n"],
];

const NUMBERS: readonly string[] = [
  ...["0", "1", "00", "-1", "4294967295", "4294967296", "100000000000"],
  ...["18446744073709551615", "18446744073709551616", "999999999999999", ""],
];

type ReplyDamage = (
  replies: string[],
  random: Random,
  material: Material,
) => void;

const REPLY_DAMAGE: Readonly<Record<string, ReplyDamage>> = {
  "swap replies": (replies, random) => swap(replies, random),
  "repeat a reply": (replies, random) => {
    const at = random.below(replies.length);
    replies.splice(random.below(replies.length + 1), 0, replies[at]);
  },
  "drop a reply": (replies, random) =>
    void replies.splice(random.below(replies.length), 1),
  "merge another's replies": (replies, random, { others }) => {
    for (let n = 1 + random.below(2); n > 0; n--) {
      const at = random.below(replies.length + 1);
      replies.splice(at, random.below(2), random.pick(others()));
    }
  },
};

type TextDamage = (text: string, random: Random, material: Material) => string;

/** Puts something in the place of `[from, to)`. */
function put(text: string, from: number, to: number, piece: string): string {
  return text.slice(0, from) + piece + text.slice(to);
}

const TEXT_DAMAGE: Readonly<Record<string, TextDamage>> = {
  "flip a bit": (text, random) => {
    const at = random.below(text.length);
    const unit = text.charCodeAt(at) ^ 1 << random.below(8);
    return put(text, at, at + 1, String.fromCharCode(unit));
  },
  "another byte": (text, random) => {
    const at = random.below(text.length);
    return put(text, at, at + 1, String.fromCharCode(random.below(256)));
  },
  "insert": (text, random) => {
    const at = random.below(text.length + 1);
    return put(text, at, at, random.pick(PIECES));
  },
  "delete": (text, random) => {
    const at = random.below(text.length);
    return put(text, at, at + 1 + random.below(random.oneIn(3) ? 60 : 3), "");
  },
  "repeat a span": (text, random) => {
    const at = random.below(text.length);
    const to = at + 1 + random.below(random.oneIn(3) ? 60 : 4);
    return put(text, to, to, text.slice(at, to));
  },
  "swap lines": (text, random) => inLines(text, (lines) => swap(lines, random)),
  "repeat a line": (text, random) =>
    inLines(text, (lines) => {
      const at = random.below(lines.length);
      lines.splice(random.below(lines.length + 1), 0, lines[at]);
    }),
  "drop a line": (text, random) =>
    inLines(text, (lines) => lines.splice(random.below(lines.length), 1)),
  "cut a value": (text, random) => {
    const values = [...text.matchAll(/(?:VALUE \S+ \d+|VA) (\d+)[^\n]*\n/g)];
    if (values.length === 0) return text;
    const value = random.pick(values);
    const start = value.index + value[0].length;
    const size = Number(value[1]);
    const keep = random.below(size + 1);
    const rest = random.oneIn(2) ? start + size : start + keep +
      random.below(Math.max(1, size - keep));
    return put(text, start + keep, rest, random.oneIn(2) ? "" : "\r\n");
  },
  "another number": (text, random) => {
    const numbers = [...text.matchAll(/\d+/g)];
    if (numbers.length === 0) return text;
    const { index, 0: digits } = random.pick(numbers);
    const other = random.oneIn(2)
      ? random.pick(NUMBERS)
      : String(Math.max(0, Number(digits) + random.below(9) - 4));
    return put(text, index, index + digits.length, other);
  },
  "another key": (text, random, { keys }) => {
    const named = [...text.matchAll(/VALUE (\S+)|k(\S+)/g)];
    if (named.length === 0) return text;
    const { index, 0: whole } = random.pick(named);
    const from = whole.startsWith("VALUE ") ? index + 6 : index;
    return put(text, from, index + whole.length, random.pick(keys));
  },
  "splice another server's bytes": (text, random, { foreign }) => {
    const at = random.below(text.length + 1);
    const piece = random.pick(foreign());
    const from = random.oneIn(2) ? 0 : random.below(piece.length);
    return put(text, at, at + random.below(40), piece.slice(from));
  },
  "weave two transcripts": (text, random, { others }) =>
    inLines(text, (lines) => {
      for (const line of others().join("").split(/(?<=\n)/)) {
        if (random.oneIn(3)) {
          lines.splice(random.below(lines.length + 1), 0, line);
        }
      }
    }),
  "end early": (text, random) => text.slice(0, random.below(text.length)),
};

/** The names of all kinds of damage. */
export const KINDS: readonly string[] = [
  ...Object.keys(REPLY_DAMAGE),
  ...Object.keys(TEXT_DAMAGE),
];

function swap(things: string[], random: Random): void {
  const a = random.below(things.length);
  const b = random.below(things.length);
  [things[a], things[b]] = [things[b], things[a]];
}

function inLines(text: string, change: (lines: string[]) => void): string {
  const lines = text.split(/(?<=\n)/);
  change(lines);
  return lines.join("");
}

/** Damages the replies of a server one to three times. */
export function mutate(
  honest: readonly string[],
  material: Material,
  random: Random,
): Damaged {
  const replies = [...honest];
  const kinds: string[] = [];
  const times = random.oneIn(3) ? 1 + random.below(3) : 1;
  const names = Object.keys(REPLY_DAMAGE);
  const level = random.below(KINDS.length);
  let wholeReplies = true;
  if (level < names.length || random.oneIn(6)) {
    for (let n = times; n > 0 && replies.length > 0; n--) {
      const kind = random.pick(names);
      REPLY_DAMAGE[kind](replies, random, material);
      kinds.push(kind);
    }
  }
  let text = replies.join("");
  if (kinds.length === 0 || random.oneIn(4)) {
    for (let n = times; n > 0 && text !== ""; n--) {
      const kind = random.pick(Object.keys(TEXT_DAMAGE));
      text = TEXT_DAMAGE[kind](text, random, material);
      kinds.push(kind);
      wholeReplies = false;
    }
  }
  return { text, kinds, wholeReplies };
}
