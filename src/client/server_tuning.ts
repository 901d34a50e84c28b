/**
 * The commands that tune a server, written once.
 *
 * @module
 */

import type { Lane } from "../connection/lane.ts";
import type { Command } from "../connection/request.ts";
import type { CommandOptions } from "../types.ts";
import { checkInteger, checkUint32, illegal } from "../wire/numbers.ts";
import { type Context, observe } from "./context.ts";
import { start } from "./executor.ts";
import { TuningCommand } from "./requests/tuning.ts";
import type {
  CrawlerStart,
  CrawlResult,
  LruTuning,
  ReassignResult,
  TuningCommands,
} from "./tuning_commands.ts";

/** What commands for a server need of the way to it. */
export type AdminLane = Pick<Lane, "execute" | "closed" | "leave">;

/** Slab classes have numbers from 1 to this one (protocol.txt). */
const LAST_CLASS = 63;

/** Most that the queues of new items and of items in use may have together. */
const MAX_PERCENT = 80;

/** Within these, numbers are written without an exponent. */
const MIN_FACTOR = 0.000001;
const MAX_FACTOR = 1_000_000;

const NO_WORDS: ReadonlyMap<string, true> = new Map();

const ENABLE_WORDS: ReadonlyMap<string, CrawlerStart> = new Map([
  ["ERROR failed to start lru crawler thread", "notStarted"],
]);

const CRAWL_WORDS: ReadonlyMap<string, CrawlResult> = new Map([
  ["BUSY", "busy"],
  ["BADCLASS", "badClass"],
  ["NOTSTARTED", "notStarted"],
]);

const REASSIGN_WORDS: ReadonlyMap<string, ReassignResult> = new Map([
  ["BUSY", "busy"],
  ["BADCLASS", "badClass"],
  ["NOSPARE", "noSpare"],
  ["NOTFULL", "notFull"],
  ["UNSAFE", "unsafe"],
  ["SAME", "same"],
]);

/** Commands that tune the server at the other end of a lane. */
export class ServerTuning implements TuningCommands {
  /** What the client's requests have in common. */
  protected readonly context: Context;
  /** The way to the server. */
  protected readonly lane: AdminLane;

  /** Takes the way to the server. */
  constructor(context: Context, lane: AdminLane) {
    this.context = context;
    this.lane = lane;
  }

  /** See {@linkcode TuningCommands.lruTune}. */
  lruTune(tuning: LruTuning, options?: CommandOptions): Promise<true> {
    return this.#true("lru", () => `lru tune ${tuningText(tuning)}`, options);
  }

  /** See {@linkcode TuningCommands.lruMode}. */
  lruMode(
    mode: "flat" | "segmented",
    options?: CommandOptions,
  ): Promise<true> {
    return this.#true("lru", () => {
      if (mode === "flat" || mode === "segmented") return `lru mode ${mode}`;
      throw illegal("mode", mode, '"flat" or "segmented"', "lru");
    }, options);
  }

  /** See {@linkcode TuningCommands.lruTempTtl}. */
  lruTempTtl(ttl: number, options?: CommandOptions): Promise<true> {
    return this.#true(
      "lru",
      () => `lru temp_ttl ${checkInteger("ttl", ttl, -1, 0x7fffffff, "lru")}`,
      options,
    );
  }

  /** See {@linkcode TuningCommands.lruCrawlerEnable}. */
  lruCrawlerEnable(options?: CommandOptions): Promise<CrawlerStart> {
    const line = "lru_crawler enable";
    return this.run(
      () => new TuningCommand("lru_crawler", line, "ok", ENABLE_WORDS, true),
      options,
    );
  }

  /** See {@linkcode TuningCommands.lruCrawlerDisable}. */
  lruCrawlerDisable(options?: CommandOptions): Promise<true> {
    return this.#true("lru_crawler", () => "lru_crawler disable", options);
  }

  /** See {@linkcode TuningCommands.lruCrawlerSleep}. */
  lruCrawlerSleep(
    microseconds: number,
    options?: CommandOptions,
  ): Promise<true> {
    const name = "lru_crawler";
    return this.#true(name, () => {
      const time = checkInteger("sleep", microseconds, 0, 1_000_000, name);
      return `${name} sleep ${time}`;
    }, options);
  }

  /** See {@linkcode TuningCommands.lruCrawlerToCrawl}. */
  lruCrawlerToCrawl(items: number, options?: CommandOptions): Promise<true> {
    const name = "lru_crawler";
    return this.#true(
      name,
      () => `${name} tocrawl ${checkUint32("items", items, name)}`,
      options,
    );
  }

  /** See {@linkcode TuningCommands.lruCrawlerCrawl}. */
  lruCrawlerCrawl(
    classes: "all" | number | Iterable<number>,
    options?: CommandOptions,
  ): Promise<CrawlResult> {
    return this.run(() => {
      const line = `lru_crawler crawl ${classesText(classes)}`;
      return new TuningCommand("lru_crawler", line, "ok", CRAWL_WORDS, true);
    }, options);
  }

  /** See {@linkcode TuningCommands.slabsReassign}. */
  slabsReassign(
    source: number,
    destination: number,
    options?: CommandOptions,
  ): Promise<ReassignResult> {
    return this.run(() => {
      const from = checkInteger("source", source, -1, LAST_CLASS, "slabs");
      const to = checkInteger(
        "destination",
        destination,
        0,
        LAST_CLASS,
        "slabs",
      );
      const line = `slabs reassign ${from} ${to}`;
      return new TuningCommand("slabs", line, "ok", REASSIGN_WORDS, false);
    }, options);
  }

  /** See {@linkcode TuningCommands.slabsAutomove}. */
  slabsAutomove(mode: 0 | 1 | 2, options?: CommandOptions): Promise<true> {
    return this.#true(
      "slabs",
      () => `slabs automove ${checkInteger("mode", mode, 0, 2, "slabs")}`,
      options,
    );
  }

  /** Sends a command that a function makes, and fails as that fails. */
  protected run<T>(
    make: () => Command,
    options: CommandOptions | undefined,
  ): Promise<T> {
    try {
      return start(this.context, this.lane, make().request, "", options);
    } catch (error) {
      observe(this.context, error);
      return Promise.reject(error);
    }
  }

  /** Sends a line that is answered with OK. */
  #true(
    command: string,
    line: () => string,
    options: CommandOptions | undefined,
  ): Promise<true> {
    return this.run(
      () => new TuningCommand(command, line(), true, NO_WORDS, true),
      options,
    );
  }
}

function tuningText(tuning: unknown): string {
  if (typeof tuning !== "object" || tuning === null) {
    throw illegal("tuning", tuning, "an object of four numbers", "lru");
  }
  const { hot, warm, hotMaxFactor, warmMaxFactor } = tuning as Partial<
    Record<keyof LruTuning, unknown>
  >;
  const first = checkInteger("hot", hot, 0, MAX_PERCENT, "lru");
  const second = checkInteger("warm", warm, 0, MAX_PERCENT - first, "lru");
  const factors = [
    factor("hotMaxFactor", hotMaxFactor),
    factor("warmMaxFactor", warmMaxFactor),
  ];
  return `${first} ${second} ${factors.join(" ")}`;
}

function factor(name: string, value: unknown): number {
  if (
    typeof value === "number" && value >= MIN_FACTOR && value <= MAX_FACTOR
  ) return value;
  const wanted = `a number from 0.000001 to ${MAX_FACTOR}`;
  throw illegal(name, value, wanted, "lru");
}

function classesText(classes: unknown): string {
  if (classes === "all") return classes;
  const isList = typeof classes === "object" && classes !== null &&
    Symbol.iterator in classes;
  // What is no iterator throws by itself, and says so everywhere; a set does not.
  const list = isList
    ? new Set(Array.from(classes as Iterable<unknown>))
    : [classes];
  const ids = [...list].map((id) =>
    checkInteger("class", id, 1, LAST_CLASS, "lru_crawler")
  );
  if (ids.length > 0) return ids.join(",");
  throw illegal("classes", "", 'at least one, or "all"', "lru_crawler");
}
