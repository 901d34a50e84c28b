/**
 * The kinds of replies, as small numbers, and how a line is told to be one.
 *
 * @module
 */

/** More bytes are needed. */
export const MORE = 0;
/** The bytes are no reply: the connection is out of step. */
export const INVALID = 1;
/** `VALUE <key> <flags> <bytes> [<cas>]` and a data block. */
export const VALUE = 2;
/** `END` */
export const END = 3;
/** `VA <size> <flags>*` and a data block. */
export const VA = 4;
/** `HD <flags>*`, which memcached before 1.6.10 calls `OK <flags>*`. */
export const HD = 5;
/** `EN <flags>*` */
export const EN = 6;
/** `NS <flags>*` */
export const NS = 7;
/** `EX <flags>*` */
export const EX = 8;
/** `NF <flags>*` */
export const NF = 9;
/** `MN` */
export const MN = 10;
/** `ME <key> <name>=<value>*` */
export const ME = 11;
/** `STORED` */
export const STORED = 12;
/** `NOT_STORED` */
export const NOT_STORED = 13;
/** `EXISTS` */
export const EXISTS = 14;
/** `NOT_FOUND` */
export const NOT_FOUND = 15;
/** `DELETED` */
export const DELETED = 16;
/** `TOUCHED` */
export const TOUCHED = 17;
/** `OK` */
export const OK = 18;
/** A line of digits: the new value of a counter. */
export const NUMBER = 19;
/** `VERSION <text>` */
export const VERSION = 20;
/** `STAT <name> <value>` */
export const STAT = 21;
/** `RESET` */
export const RESET = 22;
/** A line that begins with `ERROR`. */
export const ERROR = 23;
/** `CLIENT_ERROR <text>` */
export const CLIENT_ERROR = 24;
/** `SERVER_ERROR <text>` */
export const SERVER_ERROR = 25;
/** Any other line. */
export const LINE = 26;
/** The reply of a raw command. */
export const RAW = 27;

/** Whether a kind is one of the error lines. */
export function isError(kind: number): boolean {
  return kind === ERROR || kind === CLIENT_ERROR || kind === SERVER_ERROR;
}

/** Whole lines. */
const WORDS: ReadonlyArray<readonly [word: string, kind: number]> = [
  ["END", END],
  ["STORED", STORED],
  ["NOT_STORED", NOT_STORED],
  ["EXISTS", EXISTS],
  ["NOT_FOUND", NOT_FOUND],
  ["DELETED", DELETED],
  ["TOUCHED", TOUCHED],
  ["OK", OK],
  ["RESET", RESET],
];

/** Lines that go on after these words. */
const PREFIXES: ReadonlyArray<readonly [prefix: string, kind: number]> = [
  ["STAT ", STAT],
  ["ERROR", ERROR],
  ["CLIENT_ERROR", CLIENT_ERROR],
  ["SERVER_ERROR", SERVER_ERROR],
  ["VERSION ", VERSION],
  ["ME ", ME],
];

/** Meta return codes, which flags may follow. */
const CODES: ReadonlyArray<readonly [code: string, kind: number]> = [
  ["HD", HD],
  ["EN", EN],
  ["NS", NS],
  ["EX", EX],
  ["NF", NF],
  ["MN", MN],
];

/**
 * Says what a line is that no data block follows.
 *
 * @param line The bytes.
 * @param start Index of the line's first byte.
 * @param end Index behind its last byte, CRLF not counted.
 * @returns A kind, or a negative kind for a meta return code.
 */
export function wordKind(line: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const first = line[start];
  if (first >= 48 && first <= 57) {
    return allDigits(line, start, end) ? NUMBER : LINE;
  }
  if (length >= 2 && (length === 2 || line[start + 2] === 32)) {
    for (const [code, kind] of CODES) {
      if (begins(line, start, end, code)) return -kind;
    }
    // Without flags it is the answer to an administrative command.
    if (length > 2 && begins(line, start, end, "OK")) return -HD;
  }
  for (const [word, kind] of WORDS) {
    if (length === word.length && begins(line, start, end, word)) return kind;
  }
  for (const [prefix, kind] of PREFIXES) {
    if (begins(line, start, end, prefix)) return kind;
  }
  return LINE;
}

function begins(
  line: Uint8Array,
  start: number,
  end: number,
  text: string,
): boolean {
  if (end - start < text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (line[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** A counter has at most 20 digits; decr may leave blanks behind them. */
function allDigits(line: Uint8Array, start: number, end: number): boolean {
  let at = end;
  while (at > start && line[at - 1] === 32) at--;
  if (at - start > 20) return false;
  for (let i = start; i < at; i++) {
    if (line[i] < 48 || line[i] > 57) return false;
  }
  return true;
}
