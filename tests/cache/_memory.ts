/**
 * A server in memory, in a time that stands still, and loads over it.
 *
 * @module
 */
import { Loads } from "../../src/cache/loads.ts";
import type { Mark } from "../../src/cache/marks.ts";
import { type GetOrSetOptions, readPlan } from "../../src/cache/options.ts";
import type {
  Call,
  Lease,
  Load,
  Port,
  Sighting,
  Standing,
  Waiting,
} from "../../src/cache/port.ts";
import { FakeTime } from "../_fake_time.ts";

/** An item of the server in memory. */
export interface Item {
  value: unknown;
  mark: Mark | undefined;
  cas: bigint;
  end: number;
  isTaken: boolean;
  isStale: boolean;
}

/** A server in memory, with the seconds of a time that is moved by hand. */
export class Memory {
  readonly items: Map<string, Item> = new Map();
  /** What was done, and when, in milliseconds. */
  readonly log: Array<readonly [what: string, at: number]> = [];
  readonly #time: FakeTime;
  #cas = 0n;

  constructor(time: FakeTime) {
    this.#time = time;
  }

  put(key: string, value: unknown, seconds: number, mark?: Mark): bigint {
    const cas = ++this.#cas;
    const end = this.#time.now + seconds * 1000;
    const state = { isTaken: false, isStale: false };
    this.items.set(key, { value, mark, cas, end, ...state });
    return cas;
  }

  find(key: string, cas?: bigint): Item | undefined {
    const item = this.items.get(key);
    if (item === undefined || item.end <= this.#time.now) return undefined;
    return cas === undefined || item.cas === cas ? item : undefined;
  }

  note(what: string): void {
    this.log.push([what, this.#time.now]);
  }

  /** When something was done. */
  times(what: string): number[] {
    return this.log.filter(([done]) => done === what).map(([, at]) => at);
  }

  newCas(): bigint {
    return ++this.#cas;
  }
}

/** One process's way to it. */
export class MemoryPort implements Port {
  readonly errors: unknown[] = [];
  /** Whether renewals are lost on their way. */
  isCutOff = false;
  readonly #memory: Memory;
  readonly #now: () => number;

  constructor(memory: Memory, now: () => number) {
    this.#memory = memory;
    this.#now = now;
  }

  async look({ key, plan }: Call): Promise<Sighting> {
    this.#memory.note("look");
    return await Promise.resolve(this.see(key, plan.recache));
  }

  see(key: string, recache: number): Sighting {
    const item = this.#memory.find(key);
    if (item === undefined) return { state: "missing" };
    const { mark, cas, value, isTaken, isStale } = item;
    if (mark !== undefined) {
      return { state: "mark", mark, cas, isStale: item.isStale };
    }
    const left = Math.ceil((item.end - this.#now()) / 1000);
    const isWon = !isTaken && (isStale || left < recache);
    if (isWon) item.isTaken = true;
    return { state: "value", value, cas, isWon, isTaken, isStale, left };
  }

  stand({ key }: Call): Promise<Standing | undefined> {
    const item = this.#memory.find(key);
    if (item === undefined) return Promise.resolve(undefined);
    const left = Math.ceil((item.end - this.#now()) / 1000);
    return Promise.resolve({ cas: item.cas, left, isWon: false });
  }

  lease({ key, plan }: Call): Promise<Lease> {
    const isWon = this.#memory.find(key) === undefined;
    this.#memory.note(isWon ? "lease" : "no lease");
    const cas = isWon ? this.#memory.put(key, "", plan.lease, "computing") : 0n;
    return Promise.resolve({ isWon, cas, isClassic: false });
  }

  renew({ key, plan }: Call, cas: bigint): Promise<bigint | undefined> {
    if (this.isCutOff) return Promise.reject(new Error("cut off"));
    this.#memory.note("renew");
    if (this.#memory.find(key, cas) === undefined) {
      return Promise.resolve(undefined);
    }
    return Promise.resolve(
      this.#memory.put(key, "", plan.lease, "computing"),
    );
  }

  put({ key, plan }: Call, cas: bigint, value: unknown): Promise<void> {
    const isThere = this.#memory.find(key, cas) !== undefined;
    this.#memory.note(isThere ? "put" : "no put");
    const seconds = (Number(plan.ttl) || 1e6) + plan.keep;
    if (isThere) this.#memory.put(key, value, seconds);
    return Promise.resolve();
  }

  mark({ key }: Call, cas: bigint, mark: Mark, seconds: number): Promise<void> {
    const isThere = this.#memory.find(key, cas) !== undefined;
    if (isThere) this.#memory.put(key, "", seconds, mark);
    return Promise.resolve();
  }

  release({ key }: Call, cas: bigint): Promise<void> {
    this.#memory.note("release");
    const isThere = this.#memory.find(key, cas) !== undefined;
    if (isThere) this.#memory.items.delete(key);
    return Promise.resolve();
  }

  hand({ key }: Call, cas: bigint): Promise<void> {
    this.#memory.note("hand");
    const item = this.#memory.find(key, cas);
    if (item !== undefined) {
      item.isStale = true;
      item.isTaken = false;
      item.cas = this.#memory.newCas();
    }
    return Promise.resolve();
  }

  hides(): boolean {
    return false;
  }

  observe(error: unknown): void {
    this.errors.push(error);
  }

  wait(outcome: Promise<unknown>): Promise<unknown> {
    return outcome;
  }
}

/** A process: its port, and `getOrSet` over it. */
export interface Process {
  readonly port: MemoryPort;
  readonly loads: Loads;
  readonly getOrSet: (
    load: Load,
    options?: GetOrSetOptions,
  ) => Promise<unknown>;
}

function processOf(memory: Memory, time: FakeTime): Process {
  const port = new MemoryPort(memory, () => time.now);
  const loads = new Loads(port);
  const getOrSet = (load: Load, options: GetOrSetOptions = {}) => {
    const plan = readPlan({ random: () => 0, ...options });
    const call: Waiting = {
      ...{ key: "k", wireKey: "k", route: "k", plan, load },
      ...{ deadline: 0, patience: 0, signal: undefined },
      order: ++loads.calls,
    };
    const seen = port.see("k", plan.recache);
    // A plain hit does not come this far.
    return seen.state === "value" && !seen.isWon && !seen.isTaken &&
        plan.spare === 0
      ? Promise.resolve(seen.value)
      : Promise.resolve(loads.answer(call, seen));
  };
  return { port, loads, getOrSet };
}

/** A load that takes so long, and says how often it ran. */
export function taking(
  ms: number,
  value: unknown,
): (() => Promise<unknown>) & { count: number } {
  const load = (): Promise<unknown> => {
    load.count++;
    return new Promise((resolve) => setTimeout(() => resolve(value), ms));
  };
  load.count = 0;
  return load;
}

/** A load that never ends. */
export const hanging = (): Promise<unknown> => new Promise(() => {});

/** Runs a test in a time and a server of its own. */
export function play(
  run: (
    time: FakeTime,
    memory: Memory,
    make: () => Process,
  ) => Promise<void>,
): Promise<void> {
  return FakeTime.with((time) => {
    const memory = new Memory(time);
    return run(time, memory, () => processOf(memory, time));
  });
}
