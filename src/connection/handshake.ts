/**
 * Commands of the connection's own: authentication, the questions what the
 * server speaks and which version it is, and the fence behind commands without
 * reply.
 *
 * @module
 */

import {
  type MemcacheError,
  type MemcacheErrorOptions,
  MemcacheUnknownError,
} from "../errors.ts";
import type { Decoder } from "../wire/decoder.ts";
import { encodeText, type Output } from "../wire/output.ts";
import { EN, isError, MN, STORED, VERSION } from "../wire/reply.ts";
import { lineError, lineText, replyError } from "../wire/reply_error.ts";
import {
  Command,
  COMPLETE,
  COMPLETE_DROP,
  CONTINUES,
  FOREIGN,
  PROBES,
} from "./request.ts";

/** User name and password for ASCII authentication (memcached `-Y`). */
export interface Credentials {
  /** The user name, without blanks. */
  readonly username: string;
  /** The password. */
  readonly password: string;
}

/**
 * Authenticates: a `set` of any key whose value is the user name, a blank and
 * the password (protocol.txt, "Authentication").
 */
export class AuthCommand extends Command {
  readonly #credentials: Credentials;

  /** Takes the credentials. */
  constructor(credentials: Credentials) {
    super("auth", undefined, 0);
    this.#credentials = credentials;
  }

  override encode(out: Output): void {
    const { username, password } = this.#credentials;
    // A server that wants no authentication stores it: under a key that hits
    // nobody's own.
    out.text(`set auth-${crypto.randomUUID()} 0 0 `);
    out.block(encodeText(`${username} ${password}`), "");
  }

  override read(reply: Decoder, kind: number): number {
    if (kind === STORED) {
      this.request.done(true);
      return COMPLETE;
    }
    if (!isError(kind)) return FOREIGN;
    this.request.fail(
      replyError(
        kind,
        wordsToTell(lineText(reply.line, reply.lineStart, reply.lineEnd)),
        this.request.about(),
      ),
    );
    return COMPLETE_DROP;
  }
}

/** What memcached says of a login, and nothing that it was told. */
const KNOWN =
  /^(?:ERROR(?: Too many open connections)?|CLIENT_ERROR (?:unauthenticated|authentication failure|auth token too long|bad data chunk|bad command line format)|SERVER_ERROR (?:busy|out of memory storing object))$/;

/**
 * An error line as far as it may be shown: what is at the other end may repeat
 * what it read, and that was the password.
 */
function wordsToTell(line: string): string {
  if (KNOWN.test(line)) return line;
  const [word] = /^(?:CLIENT_|SERVER_)?ERROR/.exec(line) ?? ["ERROR"];
  return `${word} (its words are not shown, the password may be among them)`;
}

/** The error that a line in answer to a login tells, if it does. */
export function loginError(
  line: string,
  about: MemcacheErrorOptions,
): MemcacheError | undefined {
  if (line === "STORED") return undefined;
  if (line.includes("ERROR")) return lineError(wordsToTell(line), about);
  return new MemcacheUnknownError(
    "Cannot authenticate: what answers is no memcached",
    about,
  );
}

/** Asks with `mn` whether the server speaks the meta protocol. */
export class ProbeCommand extends Command {
  /** Names the command. */
  constructor() {
    super("mn", undefined, PROBES);
  }

  override encode(out: Output): void {
    out.text("mn\r\n");
  }

  override read(reply: Decoder, kind: number): number {
    if (kind === MN) {
      this.request.done(true);
      return COMPLETE;
    }
    if (kind === EN) {
      // memcached 1.5.19 to 1.5.21, whose meta commands are others.
      this.request.done(false);
      return COMPLETE;
    }
    if (!isError(kind)) return FOREIGN;
    const error = replyError(
      kind,
      lineText(reply.line, reply.lineStart, reply.lineEnd),
      this.request.about(),
    );
    // "I do not know this command" comes in many wordings from proxies; only
    // what would be said to any command ends the connection.
    if (
      error.code === "ERR_TOO_MANY_CONNECTIONS" || error.code === "ERR_AUTH"
    ) {
      this.request.fail(error);
      return COMPLETE_DROP;
    }
    this.request.done(false);
    return COMPLETE;
  }
}

/** Asks the server's version with `version`, for flags that not all know. */
export class VersionQuery extends Command {
  /** Names the command. */
  constructor() {
    super("version", undefined, PROBES);
  }

  override encode(out: Output): void {
    out.text("version\r\n");
  }

  override read(reply: Decoder, kind: number): number {
    const isVersion = kind === VERSION;
    if (!isVersion && !isError(kind)) return FOREIGN;
    // Whoever does not tell it has none that is known.
    this.request.done(
      isVersion ? lineText(reply.line, reply.lineStart + 8, reply.lineEnd) : "",
    );
    return COMPLETE;
  }
}

/**
 * Error lines that a command without reply has at most: two are known, for the
 * line and for the data block. More are no answers, but a flood.
 */
export const ERROR_LINES = 4;

/** Waits with `mn` until the commands without reply before it are done. */
export class FenceCommand extends Command {
  readonly #owner: { report(error: MemcacheError): void };
  readonly #name: string;
  #lines: number;

  /**
   * Takes the name of the commands it stands behind, how many error lines they
   * may have, and whom to tell of them.
   */
  constructor(
    name: string,
    lines: number,
    owner: { report(error: MemcacheError): void },
  ) {
    super("mn", undefined, 0);
    this.#name = name;
    this.#lines = lines;
    this.#owner = owner;
  }

  override encode(out: Output): void {
    out.text("mn\r\n");
  }

  override read(reply: Decoder, kind: number): number {
    if (kind === MN) {
      this.request.done(true);
      return COMPLETE;
    }
    if (!isError(kind) || this.#lines-- === 0) return FOREIGN;
    this.#owner.report(
      noreplyError(reply, kind, this.#name, this.request.server),
    );
    return CONTINUES;
  }
}

/** Makes an error of a line that answers a command sent with `noreply`. */
export function noreplyError(
  reply: Decoder,
  kind: number,
  command: string,
  server: string | undefined,
): MemcacheError {
  return replyError(
    kind,
    lineText(reply.line, reply.lineStart, reply.lineEnd),
    { server, command, sent: true },
  );
}
