/**
 * The commands for a server itself, written once.
 *
 * @module
 */

import type { Lane } from "../connection/lane.ts";
import { MemcacheError, MemcacheIllegalInputError } from "../errors.ts";
import type { CommandOptions } from "../types.ts";
import { checkUint32, describe } from "../wire/numbers.ts";
import {
  type StatPairs,
  type Stats,
  type StatsConns,
  type StatsItems,
  type StatsSizes,
  type StatsSlabs,
  toStats,
  toStatsConns,
  toStatsItems,
  toStatsSizes,
  toStatsSlabs,
} from "../wire/stats.ts";
import type {
  FlushOptions,
  RawOptions,
  ServerCommands,
  ShutdownOptions,
} from "./server_commands.ts";
import { observe } from "./context.ts";
import { checkCall, start } from "./executor.ts";
import { readTimeout } from "./options.ts";
import { EndingCommand, RawCommand, StatsCommand } from "./requests/admin.ts";
import { OkCommand, VersionCommand } from "./requests/word.ts";
import { ServerTuning } from "./server_tuning.ts";

/** Longest line but for `get` and `gets` (protocol.txt; memcached closes on more). */
const MAX_LINE = 2048;

/** Commands for the server at the other end of a lane. */
export class ServerAdmin extends ServerTuning
  implements Omit<ServerCommands, "watch"> {
  /** See {@linkcode ServerCommands.stats}. */
  stats(...args: string[]): Promise<Stats> {
    return this.#stats(args, toStats, undefined);
  }

  /** See {@linkcode ServerCommands.statsSettings}. */
  statsSettings(options?: CommandOptions): Promise<Stats> {
    return this.#stats(["settings"], toStats, options);
  }

  /** See {@linkcode ServerCommands.statsItems}. */
  statsItems(options?: CommandOptions): Promise<StatsItems> {
    return this.#stats(["items"], toStatsItems, options);
  }

  /** See {@linkcode ServerCommands.statsSlabs}. */
  statsSlabs(options?: CommandOptions): Promise<StatsSlabs> {
    return this.#stats(["slabs"], toStatsSlabs, options);
  }

  /** See {@linkcode ServerCommands.statsSizes}. */
  statsSizes(options?: CommandOptions): Promise<StatsSizes> {
    return this.#stats(["sizes"], toStatsSizes, options);
  }

  /** See {@linkcode ServerCommands.statsConns}. */
  statsConns(options?: CommandOptions): Promise<StatsConns> {
    return this.#stats(["conns"], toStatsConns, options);
  }

  /** See {@linkcode ServerCommands.version}. */
  version(options?: CommandOptions): Promise<string> {
    return this.run(() => new VersionCommand(), options);
  }

  /** See {@linkcode ServerCommands.flushAll}. */
  flushAll(options?: FlushOptions): Promise<boolean> {
    return this.run(() => {
      const delay = options?.delay;
      const line = delay === undefined
        ? "flush_all"
        : `flush_all ${checkUint32("delay", delay, "flush_all")}`;
      const noreply = options?.noreply ?? this.context.defaultNoreply;
      return new OkCommand("flush_all", undefined, line, noreply);
    }, options);
  }

  /** See {@linkcode ServerCommands.verbosity}. */
  verbosity(level: number, options?: CommandOptions): Promise<boolean> {
    return this.run(() => {
      const line = `verbosity ${checkUint32("level", level, "verbosity")}`;
      return new OkCommand("verbosity", undefined, line, false);
    }, options);
  }

  /** See {@linkcode ServerCommands.cacheMemlimit}. */
  cacheMemlimit(
    megabytes: number,
    options?: CommandOptions,
  ): Promise<boolean> {
    return this.run(() => {
      const limit = checkUint32("megabytes", megabytes, "cache_memlimit");
      const line = `cache_memlimit ${limit}`;
      return new OkCommand("cache_memlimit", undefined, line, false);
    }, options);
  }

  /** See {@linkcode ServerCommands.rawCommand}. */
  rawCommand(
    command: string | Uint8Array,
    options?: RawOptions,
  ): Promise<Uint8Array> {
    return this.run(() => {
      const token = options?.endToken ?? "\r\n";
      if (typeof token !== "string" || token === "") {
        throw illegal("raw", "the endToken must be text, not empty");
      }
      if (typeof command === "string") {
        if (command === "" || /[\r\n]/.test(command)) {
          throw illegal(
            "raw",
            "a line must have neither CR nor LF in it, nor be empty; give bytes for more than a line",
          );
        }
      } else if (!(command instanceof Uint8Array)) {
        throw illegal("raw", "the command must be text or a Uint8Array");
      }
      return new RawCommand(command, token);
    }, options);
  }

  /** See {@linkcode ServerCommands.quit}. */
  async quit(options?: CommandOptions): Promise<void> {
    // What cannot be sent must not cost anybody a connection.
    try {
      readTimeout(options?.timeout, 0);
      const gone = checkCall(this.lane, options);
      if (gone !== undefined) throw gone.reason;
    } catch (error) {
      observe(this.context, error);
      throw error;
    }
    const ends: Array<Promise<void>> = [];
    this.lane.leave((lane) => ends.push(this.#goodbye(lane, options)));
    await Promise.all(ends);
  }

  /** See {@linkcode ServerCommands.shutdown}. */
  shutdown(options?: ShutdownOptions): Promise<void> {
    return this.run(() => {
      const line = options?.graceful === true
        ? "shutdown graceful"
        : "shutdown";
      return new EndingCommand("shutdown", line);
    }, options);
  }

  /** Says goodbye on one connection. */
  async #goodbye(lane: Lane, options?: CommandOptions): Promise<void> {
    const { request: quit } = new EndingCommand("quit", "quit");
    try {
      await start(this.context, lane, quit, "", options);
    } catch (error) {
      const refused = !(error instanceof MemcacheError) ||
        error.code === "ERR_CLIENT_CLOSED";
      if (refused) throw error;
      // Whatever keeps the server from saying goodbye, we let go of it.
      lane.disconnect();
    }
  }

  #stats<T>(
    args: unknown,
    read: (pairs: StatPairs) => T,
    options: CommandOptions | undefined,
  ): Promise<T> {
    return this.run<StatPairs>(
      () => new StatsCommand(statsLine(args)),
      options,
    ).then(read);
  }
}

function illegal(command: string, why: string): MemcacheIllegalInputError {
  return new MemcacheIllegalInputError(`Cannot send ${command}: ${why}`, {
    command,
    sent: false,
  });
}

/** Makes the line of a `stats` command: words of visible ASCII, blanks between. */
function statsLine(args: unknown): string {
  let line = "stats";
  // Rest arguments are an array.
  for (const arg of args as unknown[]) {
    if (
      typeof arg !== "string" || !/^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(arg)
    ) {
      throw illegal(
        "stats",
        `${describe(arg)} is no argument, words of visible ASCII are needed`,
      );
    }
    line += ` ${arg}`;
  }
  if (line.length > MAX_LINE - 2) {
    throw illegal(
      "stats",
      `${line.length + 2} bytes, at most ${MAX_LINE} are allowed`,
    );
  }
  return line;
}
