/**
 * Error lines of the server as errors.
 *
 * @module
 */

import {
  MemcacheAuthError,
  MemcacheClientError,
  MemcacheConnectionError,
  type MemcacheError,
  type MemcacheErrorOptions,
  MemcacheNonNumericError,
  MemcacheServerError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
} from "../errors.ts";
import type { Header } from "./header.ts";
import { CLIENT_ERROR, ERROR, LINE, NUMBER, SERVER_ERROR } from "./reply.ts";

/** Longest part of a server's own words in a message. */
const MAX_TEXT = 200;

/**
 * Reads a line as text that can be shown: cut, without control characters.
 *
 * @param line The bytes.
 * @param start Index of the first one.
 * @param end Index behind the last one.
 */
export function lineText(
  line: Uint8Array,
  start: number,
  end: number,
): string {
  let text = "";
  const limit = Math.min(end, start + MAX_TEXT);
  for (let i = start; i < limit; i++) {
    const unit = line[i];
    text += unit >= 32 && unit < 127 ? String.fromCharCode(unit) : "?";
  }
  return limit < end ? text + "…" : text;
}

/**
 * Makes an error of an error line.
 *
 * @param kind `ERROR`, `CLIENT_ERROR` or `SERVER_ERROR`.
 * @param text The whole line.
 * @param about The command, its key and the server.
 */
export function replyError(
  kind: number,
  text: string,
  about: MemcacheErrorOptions,
): MemcacheError {
  if (kind === ERROR) {
    if (text.startsWith("ERROR Too many open connections")) {
      return new MemcacheConnectionError(
        "Cannot use the connection: the server has too many open connections (its limit is the option -c)",
        { ...about, code: "ERR_TOO_MANY_CONNECTIONS" },
      );
    }
    return new MemcacheUnknownCommandError(
      text === "ERROR"
        ? "Cannot run command: the server does not know it"
        : `Cannot run command: the server answered "${text}"`,
      about,
    );
  }
  if (kind === CLIENT_ERROR) {
    if (text === "CLIENT_ERROR unauthenticated") {
      return new MemcacheAuthError(
        "Cannot run command: the server wants authentication, see the option auth",
        about,
      );
    }
    if (text === "CLIENT_ERROR authentication failure") {
      return new MemcacheAuthError(
        "Cannot authenticate: the server refused the user name or the password",
        about,
      );
    }
    if (text.includes("non-numeric")) {
      return new MemcacheNonNumericError(
        "Cannot count: the stored value is no unsigned 64-bit number",
        about,
      );
    }
    return new MemcacheClientError(
      `Cannot run command: the server answered "${text}"`,
      about,
    );
  }
  const refused = text.includes("object too large for cache") ||
    text.includes("out of memory storing object");
  return new MemcacheServerError(
    `Cannot run command: the server answered "${text}"`,
    refused ? { ...about, code: "ERR_VALUE_REFUSED" } : about,
  );
}

/**
 * Makes an error of a line that is read as text; of one that is no error line,
 * too: it has no place where it came.
 *
 * @param line The line, without its end.
 * @param about The command and the server.
 */
export function lineError(
  line: string,
  about: MemcacheErrorOptions,
): MemcacheError {
  const text = shown(line);
  const [word] = /^(?:CLIENT_|SERVER_)?ERROR/.exec(text) ?? [];
  const kind = word === undefined ? undefined : KINDS.get(word);
  if (kind !== undefined) return replyError(kind, text, about);
  return new MemcacheUnknownError(
    `Cannot read the reply to ${about.command}: "${text}" is no line of it`,
    about,
  );
}

const KINDS: ReadonlyMap<string, number> = new Map([
  ["ERROR", ERROR],
  ["CLIENT_ERROR", CLIENT_ERROR],
  ["SERVER_ERROR", SERVER_ERROR],
]);

/** A text as it may be shown: cut, without control characters. */
function shown(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return cut.replace(/[^\x20-\x7e…]/g, "?");
}

/** Names a line by its first word, unless that may be part of a value. */
export function lineName(reply: Header, kind: number): string {
  if (kind === LINE || kind === NUMBER) return "a line that is no reply to it";
  const line = lineText(reply.line, reply.lineStart, reply.lineEnd);
  return `a line that begins with "${line.split(" ")[0]}"`;
}
