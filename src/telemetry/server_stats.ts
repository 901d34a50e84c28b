/**
 * What is counted of the commands for one server, over all connections to it.
 * Always, so it must cost next to nothing: a command costs a few additions, and
 * no look at the clock beside those that its batch has anyway.
 *
 * @module
 */

import {
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheMissError,
  MemcacheSerdeError,
} from "../errors.ts";
import type { ServerPlace } from "./channels.ts";
import { Histogram } from "./histogram.ts";

/** Buckets between a power of two and the next: 8, an eighth each. */
const BITS = 3;

/** Times are counted in microseconds, up to this many before they begin anew. */
const MASK = 0x3fff_ffff;

/** A time of `performance.now`, as a small whole number. */
export function ticks(at: number): number {
  return (at * 1000) & MASK;
}

/** What is counted of one command for one server. */
export class CommandStats {
  /** Name of the command in protocol.txt. */
  readonly command: string;
  /** How often it has come to its end, well or not. */
  calls = 0;
  /** Items that were there. */
  hits = 0;
  /** Items that were not. */
  misses = 0;
  /** How often it was given up by its caller's signal. */
  aborted = 0;
  /** How long the answers took. */
  readonly latency: Histogram = new Histogram(BITS);
  /** How often it has failed, by the codes of the errors. */
  errors: Map<string, number> | undefined = undefined;
  readonly #server: ServerStats;

  /** Starts from nothing. */
  constructor(command: string, server: ServerStats) {
    this.command = command;
    this.#server = server;
  }

  /**
   * Counts one that has been answered, or was not to be.
   *
   * @param startedAt When it began, in {@linkcode ticks}; -1 if no answer was
   * asked for.
   */
  done(startedAt: number): void {
    this.calls++;
    if (startedAt < 0) return;
    const took = (this.#server.heardAt - startedAt) & MASK;
    // Else it ended without an answer, by what was not heard.
    if (took <= MASK >> 1) this.latency.add(took);
  }

  /** Counts one that has failed. */
  failed(error: unknown): void {
    this.calls++;
    this.#server.failed(this, error);
  }

  /** Counts one that its caller has given up. */
  gaveUp(): void {
    this.calls++;
    this.aborted++;
  }
}

/** What is kept of a failure. */
export interface Failure {
  /** Code of the error. */
  readonly code: string;
  /** What it says. */
  readonly message: string;
  /** When it was, in milliseconds since 1970. */
  readonly at: number;
}

/** What is counted of one server. */
export class ServerStats {
  /** Which one it is; nothing for commands that found none. */
  readonly place: Readonly<ServerPlace>;
  /** When bytes last arrived, in {@linkcode ticks}. */
  heardAt = 0;
  /** Bytes that were written to its connections. */
  bytesSent = 0;
  /** Bytes that were read from them. */
  bytesReceived = 0;
  /** Connections that were opened. */
  opened = 0;
  /** Those that were opened in place of one that was lost. */
  reconnects = 0;
  /** Those that have ended. */
  ended = 0;
  /** Those of these that this client has not ended itself. */
  lost = 0;
  /** Those of these that no other has been opened in place of, as yet. */
  missing = 0;
  /** Attempts to connect that failed. */
  failedAttempts = 0;
  /**
   * The last failure of a command that says something of the server, if there
   * was one. Not the error, which may hold many keys.
   */
  lastError: Failure | undefined = undefined;
  /** By the names of the commands, in the order in which they came. */
  readonly commands: Map<string, CommandStats> = new Map();
  #recent: CommandStats | undefined = undefined;

  /** Starts from nothing. */
  constructor(place: ServerPlace) {
    this.place = place;
  }

  /** What is counted of a command. */
  of(command: string): CommandStats {
    const recent = this.#recent;
    if (recent !== undefined && recent.command === command) return recent;
    let stats = this.commands.get(command);
    if (stats === undefined) {
      stats = new CommandStats(command, this);
      this.commands.set(command, stats);
    }
    return this.#recent = stats;
  }

  /** Counts a failure of commands that have come to their end before. */
  reported(error: MemcacheError): void {
    if (error.command === undefined) this.#note(error);
    else this.failed(this.of(error.command), error);
  }

  /** Counts a failure of a command. */
  failed(stats: CommandStats, error: unknown): void {
    const errors = stats.errors ??= new Map();
    const code = error instanceof MemcacheError ? error.code : "unknown";
    errors.set(code, (errors.get(code) ?? 0) + 1);
    this.#note(error);
  }

  /** Keeps the last error that says something of the server. */
  #note(error: unknown): void {
    if (!(error instanceof MemcacheError)) return;
    if (
      error instanceof MemcacheIllegalInputError ||
      error instanceof MemcacheMissError ||
      error instanceof MemcacheSerdeError ||
      error.code === "ERR_CLIENT_CLOSED"
    ) return;
    // What is told of a server that is not to be tried yet says what it failed
    // with before, and until when: the one is kept, the other passes.
    const { cause, sent } = error;
    const isRepeated = sent === false && cause instanceof MemcacheError;
    const { code, message } = isRepeated ? cause : error;
    this.lastError = {
      code,
      message: message.replace(/; the next attempt is due in \d+ ms$/, ""),
      at: Date.now(),
    };
  }
}
