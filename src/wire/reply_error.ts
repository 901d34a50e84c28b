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
} from "../errors.ts";
import type { Header } from "./header.ts";
import { CLIENT_ERROR, ERROR, LINE, NUMBER } from "./reply.ts";

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

/** Names a line by its first word, unless that may be part of a value. */
export function lineName(reply: Header, kind: number): string {
  if (kind === LINE || kind === NUMBER) return "a line that is no reply to it";
  const line = lineText(reply.line, reply.lineStart, reply.lineEnd);
  return `a line that begins with "${line.split(" ")[0]}"`;
}
