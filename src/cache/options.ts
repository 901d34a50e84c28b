/**
 * The options of `getOrSet`: read and checked before a byte is sent.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { CommandOptions, Ttl } from "../types.ts";
import { describe } from "../wire/numbers.ts";
import { MAX_RELATIVE_EXPTIME, toExptime } from "../wire/ttl.ts";

/** What a load is told besides its key. */
export interface LoadContext {
  /**
   * Is aborted when nobody waits for the load any more, when `loadTimeout` is
   * over, and when the client is closed. A load may go on all the same: what it
   * resolves to is stored, unless the client is closed.
   */
  readonly signal: AbortSignal;
  /** Whether a value is stored that this load is to take the place of. */
  readonly isRefresh: boolean;
}

/**
 * Options of `getOrSet`. Seconds are whole ones: the server knows no others.
 *
 * Calls for one key should agree on them: of calls at the same time the first
 * one's count, and the times that an item is stored for are those of the call
 * that stored it.
 */
export interface GetOrSetOptions extends CommandOptions {
  /**
   * Lifetime of a value that was loaded.
   *
   * @default {0}
   */
  ttl?: Ttl;
  /**
   * Shortens each `ttl` by a random share of it, at most by this one, 0 to 1:
   * values that were loaded at the same time do not end at the same time. Not
   * for a `Date`.
   *
   * @default {0}
   */
  jitter?: number;
  /**
   * Seconds before the end of the `ttl` from which on one caller loads the value
   * anew, below the `ttl`. Nobody waits for a load that takes no longer than
   * this; whoever asks after the end of the `ttl` waits for one that does. Needs
   * a server with meta commands.
   *
   * @default {0}
   */
  refreshAhead?: number;
  /**
   * What the caller who loads anew gets, while there still is a value: that
   * value at once, with the load in the background, or the new one. All others
   * get the value that there is.
   *
   * @default {"background"}
   */
  refresh?: "background" | "wait";
  /**
   * Seconds after the `ttl` in which the old value is returned while one caller
   * loads it anew. Needs a server with meta commands.
   *
   * @default {0}
   */
  staleFor?: number;
  /**
   * Seconds after the `ttl` in which the old value is returned if the load
   * fails; the failure goes to `onError`. Needs a server with meta commands.
   *
   * @default {0}
   */
  staleIfError?: number;
  /**
   * Seconds for which it is kept that the load resolved to `undefined` or
   * `null`, from 1. If absent, such results are not kept: the next caller loads.
   */
  negativeTtl?: number;
  /**
   * Seconds for which it is kept that the load failed, from 1: calls reject
   * meanwhile (`code` is `"ERR_LOAD_FAILED"`), in this process and others. With
   * an old value that is still returned, seconds until the next load. If absent,
   * the next caller loads.
   */
  errorTtl?: number;
  /**
   * Seconds after which others load the value if the process that does has died,
   * 2 to 3600. It is no limit for the load: who lives renews its lease.
   *
   * @default {10}
   */
  lease?: number;
  /**
   * Milliseconds for a load, 0 for no limit, to 2^31 - 1. Who waits for the load
   * of another process gives up after this time and one `lease`.
   *
   * @default {30_000}
   */
  loadTimeout?: number;
  /**
   * Milliseconds between two looks at what another process is loading: the
   * first and the longest pause, 1 to 60000. Each is half as long again as the
   * one before, and then shortened by up to a half at random.
   *
   * @default {[20, 500]}
   */
  poll?: readonly [first: number, longest: number];
  /**
   * A source of numbers from 0 to below 1, for `jitter` and `poll`.
   *
   * @default {Math.random}
   */
  random?: () => number;
}

/** How a call goes about it: the options, checked. */
export interface Plan {
  readonly ttl: Ttl;
  readonly jitter: number;
  /** Seconds that an item is kept after its `ttl`. */
  readonly keep: number;
  /** Least seconds of a `ttl` that was shortened. */
  readonly least: number;
  /** An item is to be loaded anew if it has fewer seconds left; 0 for never. */
  readonly recache: number;
  /** Seconds that are left when a value may be returned only for an error. */
  readonly spare: number;
  /** Whether the caller who loads anew waits for that. */
  readonly waits: boolean;
  readonly negativeTtl: number | undefined;
  readonly errorTtl: number | undefined;
  readonly lease: number;
  readonly loadTimeout: number;
  readonly firstPause: number;
  readonly longestPause: number;
  readonly random: () => number;
  /** The flags of `mg`, up to the number of the flag `O`. */
  readonly metaFlags: string;
}

/** Longest time that is kept, in seconds: 10 years. */
const MAX_SECONDS = 315_360_000;
const MAX_TIMEOUT = 2_147_483_647;
const MAX_PAUSE = 60_000;
const POLL: readonly [number, number] = [20, 500];

const DEFAULT_PLAN: Plan = planOf({});

/**
 * Checks the options.
 *
 * @throws {MemcacheIllegalInputError} If one cannot be used.
 */
export function readPlan(options: GetOrSetOptions | undefined): Plan {
  return options === undefined || options === null
    ? DEFAULT_PLAN
    : planOf(options);
}

function planOf(options: GetOrSetOptions): Plan {
  const ttl = options.ttl ?? 0;
  // Checked here, and made an exptime once more when the value is stored.
  if (ttl !== 0) exptimeOf(ttl);
  const jitter = share(options.jitter);
  const ahead = seconds("refreshAhead", options.refreshAhead, 0) ?? 0;
  const staleFor = seconds("staleFor", options.staleFor, 0) ?? 0;
  const staleIfError = seconds("staleIfError", options.staleIfError, 0) ?? 0;
  const { refresh = "background", random = Math.random } = options;
  if (refresh !== "background" && refresh !== "wait") {
    refuse("refresh", refresh, '"background" or "wait"');
  }
  if (typeof random !== "function") refuse("random", random, "a function");
  if (ahead > 0 && typeof ttl === "number" && ttl > 0 && ahead >= ttl) {
    refuse("refreshAhead", ahead, `below the ttl, which is ${ttl} seconds`);
  }
  const keep = Math.max(staleFor, staleIfError);
  const recache = recacheOf(ttl, keep, ahead);
  const spare = ttl === 0 ? 0 : keep - staleFor;
  const poll = readPoll(options.poll);
  return {
    ttl,
    jitter,
    keep,
    least: ahead === 0 ? 1 : ahead + 2,
    recache,
    spare,
    waits: refresh === "wait",
    negativeTtl: seconds("negativeTtl", options.negativeTtl, 1),
    errorTtl: seconds("errorTtl", options.errorTtl, 1),
    lease: seconds("lease", options.lease, 2, 3600) ?? 10,
    loadTimeout: readTimeout(options.loadTimeout),
    firstPause: poll[0],
    longestPause: poll[1],
    random,
    metaFlags: metaFlags(recache, spare),
  };
}

/**
 * When to load anew. `R` is about items with fewer seconds left than it says,
 * and the last of them may be over at once: one more is there for the load.
 */
function recacheOf(ttl: Ttl, keep: number, ahead: number): number {
  if (ttl === 0 || keep + ahead === 0) return 0;
  if (ahead === 0) return keep + 1;
  // An item that is new must not be due.
  const most = typeof ttl === "number" && ttl > 0 ? ttl : Infinity;
  return keep + Math.min(ahead + 2, most);
}

/** The exptime of a lifetime from now on; the clock is read if it counts. */
function exptimeOf(ttl: Ttl): number {
  const isRelative = typeof ttl === "number" && ttl <= MAX_RELATIVE_EXPTIME;
  return toExptime(ttl, isRelative ? 0 : Date.now() / 1000, "getOrSet");
}

/** The flags `O` of a reply last, so that most hits look as those of a `get`. */
function metaFlags(recache: number, spare: number): string {
  if (recache === 0) return " f v O";
  // Calls have the same options as a rule, and texts take their time.
  if (recache === lastRecache && spare === lastSpare) return lastFlags;
  if (recache > MAX_RELATIVE_EXPTIME) return flagsOf(recache, spare);
  lastRecache = recache;
  lastSpare = spare;
  return lastFlags = flagsOf(recache, spare);
}

let lastRecache = 0;
let lastSpare = 0;
let lastFlags = "";

function flagsOf(recache: number, spare: number): string {
  return `${spare === 0 ? "" : " t"} f v R${exptimeOf(recache)} O`;
}

/** The exptime of a value that is stored now, and kept `keep` seconds longer. */
export function lifetime(plan: Plan, keep: number): number {
  const { ttl, jitter, least, random } = plan;
  if (typeof ttl !== "number") {
    const exptime = exptimeOf(ttl);
    return exptime < 0 ? exptime : exptime + keep;
  }
  if (ttl <= 0) return exptimeOf(ttl);
  const some = jitter === 0 ? ttl : Math.round(ttl * (1 - jitter * random()));
  return exptimeOf(Math.min(ttl, Math.max(least, some)) + keep);
}

function share(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  return refuse("jitter", value, "a number from 0 to 1");
}

function seconds(
  name: string,
  value: unknown,
  min: number,
  max: number = MAX_SECONDS,
): number | undefined {
  if (value === undefined) return undefined;
  if (
    typeof value === "number" && Number.isInteger(value) && value >= min &&
    value <= max
  ) return value;
  return refuse(name, value, `whole seconds from ${min} to ${max}`);
}

function readTimeout(value: unknown): number {
  if (value === undefined) return 30_000;
  if (typeof value === "number" && value >= 0 && value <= MAX_TIMEOUT) {
    return value;
  }
  return refuse("loadTimeout", value, `a number from 0 to ${MAX_TIMEOUT}`);
}

function readPoll(value: unknown): readonly [number, number] {
  if (value === undefined) return POLL;
  if (Array.isArray(value) && value.length === 2) {
    const [first, longest]: unknown[] = value;
    if (
      typeof first === "number" && typeof longest === "number" &&
      first >= 1 && first <= longest && longest <= MAX_PAUSE
    ) return [first, longest];
  }
  return refuse(
    "poll",
    value,
    `two numbers from 1 to ${MAX_PAUSE}, the second not below the first`,
  );
}

function refuse(name: string, value: unknown, wanted: string): never {
  throw new MemcacheIllegalInputError(
    `Cannot use option ${name}: ${describe(value)}, must be ${wanted}`,
    { command: "getOrSet", sent: false },
  );
}
