/**
 * pymemcache's HashClient as a model: what it was recorded to do as servers go
 * down and come back, and in what we differ, one switch for each difference.
 *
 * @module
 */
import { RendezvousHash } from "../../src/ring/rendezvous.ts";
import { readVectors } from "../_vectors.ts";
import { type Tagged, toOurs } from "../recorded/_python.ts";

/** One recorded call. */
export interface FailoverStep {
  /** Seconds since the client was made. */
  readonly t: number;
  /** The servers that cannot be reached. */
  readonly down: readonly string[];
  readonly method: "get" | "set" | "delete" | "get_many" | "set_many";
  readonly args: readonly Tagged[];
  readonly contacted: readonly string[];
  readonly returns?: Tagged;
  readonly raises?: string;
  readonly ring: readonly string[];
  readonly failed: ReadonlyArray<readonly [server: string, attempts: number]>;
  readonly dead: readonly string[];
}

/** Calls of one client. */
export interface FailoverCase {
  readonly id: string;
  readonly servers: readonly string[];
  readonly retry_attempts: number;
  readonly retry_timeout: number;
  readonly dead_timeout: number;
  readonly ignore_exc: boolean;
  readonly steps: readonly FailoverStep[];
}

/** Reads tests/vectors/hashclient_failover.json. */
export function failoverCases(): readonly FailoverCase[] {
  return readVectors<{ cases: FailoverCase[] }>("hashclient_failover.json")
    .cases;
}

/** What a call came to, and how the servers are then. */
export interface Outcome {
  /** The servers that were given commands, each once. */
  readonly contacted: readonly string[];
  /** What it returned, as JSON, or `!` and the class of the error. */
  readonly outcome: string;
  readonly ring: readonly string[];
  /** `server attempts`. */
  readonly failed: readonly string[];
  readonly dead: readonly string[];
}

/** A switch of the {@linkcode Model}. */
export type FailoverDifference =
  | "failsFast"
  | "readsOnly"
  | "noticesStores"
  | "diesAtOnce"
  | "allAtOnce"
  | "ownTime"
  | "cleanReturn"
  | "dueInTime";

/** In what we differ from pymemcache: the one list, with the reasons. */
export const FAILOVER_DIFFERENCES: Readonly<
  Record<FailoverDifference, { readonly name: string; readonly why: string }>
> = {
  failsFast: {
    name: "commands for a failing server reject, if told to",
    why: "pymemcache returns the default without a word, as if nothing were " +
      "stored, even where ignore_exc is False",
  },
  readsOnly: {
    name: "errorsAsMisses is for reads: stores and deletes reject",
    why: "a store that nobody carried out is no miss",
  },
  noticesStores: {
    name: "a server that fails in setMany() has failed",
    why: "with ignore_exc pymemcache swallows that error, and says that the " +
      "keys were stored",
  },
  diesAtOnce: {
    name: "a server is dead with its last retry",
    why: "pymemcache lets one more command fail on it before it leaves the " +
      "ring, and throws it out even if that one succeeds",
  },
  allAtOnce: {
    name: "many-key calls go to all servers, whichever fails",
    why: "pymemcache asks one after the other and stops at the first failure",
  },
  ownTime: {
    name: "a dead server comes back when its own time is over",
    why:
      "pymemcache looks once in dead_timeout, so that it takes up to twice " +
      "as long",
  },
  cleanReturn: {
    name: "a server that comes back is not failing",
    why: "pymemcache notes the failure of the command by which it died once " +
      "more, and keeps that note beyond its death",
  },
  dueInTime: {
    name: "a pause is over when its time is over",
    why: "pymemcache waits for more than that; it matters to round numbers " +
      "only",
  },
};

/** All of them. */
export const ALL_DIFFERENCES: readonly FailoverDifference[] = Object.keys(
  FAILOVER_DIFFERENCES,
) as FailoverDifference[];

/** What a call on a server came to. */
type Result<T> = { readonly value: T } | { readonly raises: string };

/** The error of pymemcache's stub servers. */
const REFUSED = "ConnectionRefusedError";

/** A client of the model, at one time after the other. */
export class Model {
  readonly #case: FailoverCase;
  readonly #differs: ReadonlySet<FailoverDifference>;
  readonly #hasher: RendezvousHash = new RendezvousHash();
  readonly #failed: Map<string, { at: number; attempts: number }> = new Map();
  readonly #dead: Map<string, number> = new Map();
  #checkedAt = 0;
  #step!: FailoverStep;
  #contacted: string[] = [];

  constructor(
    recorded: FailoverCase,
    differences: readonly FailoverDifference[],
  ) {
    this.#case = recorded;
    this.#differs = new Set(differences);
    for (const server of recorded.servers) this.#hasher.addNode(server);
  }

  /** Makes a call. */
  run(step: FailoverStep): Outcome {
    this.#step = step;
    this.#contacted = [];
    const result = this.#call(step);
    return {
      contacted: this.#contacted,
      outcome: "raises" in result
        ? `!${result.raises}`
        : JSON.stringify(result.value),
      ring: [...this.#hasher.getNodes("")].sort(),
      failed: [...this.#failed].map(([server, { attempts }]) =>
        `${server} ${attempts}`
      ).sort(),
      dead: [...this.#dead.keys()].sort(),
    };
  }

  #call({ method, args }: FailoverStep): Result<unknown> {
    const [first, second] = args.map(toOurs);
    switch (method) {
      case "get":
        return this.#one(String(first), `v:${first}`, second, false);
      case "set":
      case "delete":
        return this.#one(String(first), true, false, true);
      case "get_many": {
        const keys = first as string[];
        const merged = this.#many(keys, (keys) => keys, [], false);
        if ("raises" in merged) return merged;
        return { value: [...new Set(merged.value)].sort() };
      }
      case "set_many": {
        const keys = Object.keys(first as Record<string, unknown>);
        const merged = this.#many(keys, () => [], keys, true);
        return "raises" in merged ? merged : { value: merged.value.sort() };
      }
    }
  }

  #one(
    key: string,
    value: unknown,
    fallback: unknown,
    isStore: boolean,
  ): Result<unknown> {
    const server = this.#find(key);
    if (server === undefined) return this.#none(fallback, isStore);
    return this.#run(server, value, fallback, isStore);
  }

  /** Each server's keys at once; results and failures are lists of keys. */
  #many(
    keys: readonly string[],
    done: (keys: string[]) => string[],
    lost: readonly string[],
    isStore: boolean,
  ): Result<string[]> {
    const batches = new Map<string, string[]>();
    const results: string[] = [];
    let raises: string | undefined;
    for (const key of keys) {
      const server = this.#find(key);
      if (server === undefined) {
        const none = this.#none(lost.includes(key) ? [key] : [], isStore);
        if ("raises" in none) raises = none.raises;
        else results.push(...none.value);
        continue;
      }
      const batch = batches.get(server);
      if (batch === undefined) batches.set(server, [key]);
      else batch.push(key);
    }
    if (raises !== undefined && !this.#differs.has("allAtOnce")) {
      return { raises };
    }
    for (const [server, batch] of batches) {
      const fallback = batch.filter((key) => lost.includes(key));
      const result = this.#run(server, done(batch), fallback, isStore);
      if ("value" in result) results.push(...result.value);
      else if (this.#differs.has("allAtOnce")) raises ??= result.raises;
      else return result;
    }
    return raises === undefined ? { value: results } : { raises };
  }

  /** Where a key lives, once those are back that are due. */
  #find(key: string): string | undefined {
    const { t } = this.#step;
    const limit = this.#case.dead_timeout;
    const isOver = (since: number) =>
      this.#differs.has("dueInTime") ? t - since >= limit : t - since > limit;
    const isLooking = this.#dead.size > 0 &&
      (this.#differs.has("ownTime") || t - this.#checkedAt > limit);
    if (isLooking) {
      for (const [server, since] of [...this.#dead]) {
        if (!isOver(since)) continue;
        this.#hasher.addNode(server);
        this.#dead.delete(server);
      }
      this.#checkedAt = t;
    }
    return this.#hasher.getNode(key);
  }

  #none<T>(fallback: T, isStore: boolean): Result<T> {
    return this.#hides(isStore)
      ? { value: fallback }
      : { raises: "MemcacheError" };
  }

  #hides(isStore: boolean): boolean {
    return this.#case.ignore_exc &&
      !(isStore && this.#differs.has("readsOnly"));
  }

  #run<T>(server: string, value: T, fallback: T, isStore: boolean): Result<T> {
    const { t } = this.#step;
    const { retry_attempts, retry_timeout } = this.#case;
    const failing = this.#failed.get(server);
    let isRetry = false;
    if (failing !== undefined) {
      if (failing.attempts >= retry_attempts) this.#remove(server);
      else {
        const passed = t - failing.at;
        isRetry = passed > retry_timeout ||
          this.#differs.has("dueInTime") && passed >= retry_timeout;
        if (!isRetry) {
          const hides = this.#hides(isStore) || !this.#differs.has("failsFast");
          return hides ? { value: fallback } : { raises: REFUSED };
        }
      }
    }
    if (!this.#contacted.includes(server)) this.#contacted.push(server);
    const isSwallowed = this.#step.method === "set_many" &&
      this.#case.ignore_exc && !this.#differs.has("noticesStores");
    if (!this.#step.down.includes(server) || isSwallowed) {
      if (isRetry) this.#failed.delete(server);
      return { value };
    }
    this.#mark(server);
    return this.#hides(isStore) ? { value: fallback } : { raises: REFUSED };
  }

  #mark(server: string): void {
    const { t } = this.#step;
    const { retry_attempts } = this.#case;
    const failing = this.#failed.get(server);
    const isDead = this.#dead.has(server);
    if (failing === undefined) {
      if (isDead && this.#differs.has("cleanReturn")) return;
      this.#failed.set(server, { at: t, attempts: 0 });
      if (retry_attempts <= 0) this.#remove(server);
      return;
    }
    failing.attempts++;
    failing.at = t;
    const isOver = failing.attempts >= retry_attempts;
    if (isOver && this.#differs.has("diesAtOnce")) this.#remove(server);
  }

  #remove(server: string): void {
    this.#failed.delete(server);
    this.#dead.set(server, this.#step.t);
    this.#hasher.removeNode(server);
  }
}

/** What was recorded of a call, in the model's words. */
export function recordedOutcome(step: FailoverStep): Outcome {
  const { contacted, ring, failed, dead, raises } = step;
  return {
    contacted,
    outcome: raises === undefined
      ? JSON.stringify(plain(toOurs(step.returns ?? { t: "none" })))
      : `!${raises}`,
    ring: [...ring].sort(),
    failed: failed.map((entry) => entry.join(" ")).sort(),
    dead: [...dead].sort(),
  };
}

/** Of a dictionary its keys; lists of keys are sorted. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return (Array.isArray(value) ? [...value] : Object.keys(value)).sort();
}
