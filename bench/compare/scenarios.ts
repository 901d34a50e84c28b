/**
 * The loads, and how a client is put under one.
 *
 * @module
 */
import type { Contender } from "./contenders.ts";

/** A load. */
export interface Scenario {
  /** Its name on the command line and in tables. */
  readonly name: string;
  /** What it is, for people. */
  readonly title: string;
  /** What the callers do. */
  readonly kind:
    | ("get" | "bytes" | "set" | "mix" | "many" | "noreply")
    | ("late" | "codec" | "idle");
  /** How many callers there are at the same time. */
  readonly callers: number;
  /** Bytes of a value. */
  readonly size: number;
  /** How many keys there are. */
  readonly items: number;
  /** Keys or stores in one call, where that is a number of its own. */
  readonly batch: number;
  /** Whether the callers are a few awaits apart. */
  readonly apart: boolean;
  /** What is counted. */
  readonly unit: "op/s" | "ms" | "ns" | "KiB";
}

function scenario(
  name: string,
  title: string,
  settings: Partial<Scenario>,
): Scenario {
  return {
    ...{ name, title, kind: "get", callers: 1, size: 100, items: 1000 },
    ...{ batch: 0, apart: false, unit: "op/s" },
    ...settings,
  };
}

/** Every load. */
export const SCENARIOS: readonly Scenario[] = [
  scenario("get1", "one get in flight", {}),
  scenario("get64", "64 gets in flight", { callers: 64 }),
  scenario("get1000", "1,000 gets in flight", { callers: 1000 }),
  scenario("stagger64", "64 callers a few awaits apart", {
    callers: 64,
    apart: true,
  }),
  scenario("set64", "64 sets in flight", { kind: "set", callers: 64 }),
  scenario("mix64", "64 in flight, 90 % gets, 10 % sets", {
    kind: "mix",
    callers: 64,
  }),
  scenario("getMany100", "getMany of 100 keys", { kind: "many", batch: 100 }),
  scenario("noreply10k", "10,000 noreply sets and a barrier", {
    kind: "noreply",
    batch: 10_000,
  }),
  scenario("value100k", "texts of 100 KB, one get in flight", {
    size: 100_000,
    items: 20,
  }),
  scenario("value1m", "texts of 1 MB, one get in flight", {
    size: 1_000_000,
    items: 4,
  }),
  scenario("bytes100k", "bytes, 100 KB, one get in flight", {
    kind: "bytes",
    size: 100_000,
    items: 20,
  }),
  scenario("bytes1m", "bytes, 1 MB, one get in flight", {
    kind: "bytes",
    size: 1_000_000,
    items: 4,
  }),
  scenario("late1000", "event-loop lateness, 1,000 gets in flight, p99", {
    kind: "late",
    callers: 1000,
    unit: "ms",
  }),
  scenario("decodeVA", "one VA reply of 100 B to text, 64 KiB chunks", {
    kind: "codec",
    unit: "ns",
  }),
  scenario("decodeVALUE", "one VALUE…END of 100 B to text, 64 KiB chunks", {
    kind: "codec",
    unit: "ns",
  }),
  scenario("skipVA", "one VA reply of 100 B, its value untouched", {
    kind: "codec",
    unit: "ns",
  }),
  scenario("skipVALUE", "one VALUE…END of 100 B, its value untouched", {
    kind: "codec",
    unit: "ns",
  }),
  scenario("idle", "memory of an idle client", { kind: "idle", unit: "KiB" }),
];

/** Keys and what is stored under them. */
export interface Items {
  readonly keys: readonly string[];
  readonly values: readonly string[];
}

/** What the items of a scenario depend on. */
export type ItemKind = Pick<Scenario, "kind" | "size" | "items">;

/** Scenarios with the same name here share their items. */
export function itemsName({ kind, size, items }: ItemKind): string {
  return `${kind === "bytes" ? "b" : "t"}${size}:${items}`;
}

/** Makes the items of a contender. */
export function makeItems(prefix: string, scenario: ItemKind): Items {
  const { size, items } = scenario;
  const name = itemsName(scenario);
  const keys = Array.from(
    { length: items },
    (_, i) => `${prefix}:${name}:${100_000 + i}`,
  );
  const values = keys.map((key) => key.padEnd(size, "v"));
  return { keys, values };
}

/** An answer that is wrong: nothing that was measured counts then. */
export class WrongAnswer extends Error {
  override name = "WrongAnswer";
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Compares an answer in full. */
export function check(
  who: string,
  key: string,
  answer: string | Uint8Array | undefined,
  value: string,
): void {
  const text = typeof answer === "object" && answer !== null
    ? decoder.decode(answer)
    : answer;
  if (text === value) return;
  const found = text === undefined || text === null
    ? "a miss"
    : `${text.length} other characters`;
  throw new WrongAnswer(`${who}: wrong answer for ${key}: ${found}`);
}

/** What the callers of one run share. */
interface Run {
  readonly api: Contender;
  readonly items: Items;
  readonly scenario: Scenario;
  left: number;
}

/** Of how many answers one is compared in full; of the others the length. */
const SAMPLE = 16;

async function caller(run: Run, start: number, pause: number): Promise<void> {
  const { api, scenario } = run;
  const { keys, values } = run.items;
  const { kind } = scenario;
  let at = start % keys.length;
  while (run.left > 0) {
    const turn = run.left--;
    if (kind === "set" || (kind === "mix" && turn % 10 === 9)) {
      await api.set(keys[at], values[at]);
    } else {
      const answer =
        await (kind === "bytes" ? api.getBytes(keys[at]) : api.get(keys[at]));
      if (turn % SAMPLE === 0 || answer?.length !== values[at].length) {
        check(api.name, keys[at], answer, values[at]);
      }
    }
    if (++at === keys.length) at = 0;
    for (let i = 0; i < pause; i++) await undefined;
  }
}

async function callers(run: Run): Promise<number> {
  const { scenario: { callers, apart }, left } = run;
  await Promise.all(
    Array.from(
      { length: callers },
      (_, i) => caller(run, i * 17, apart ? i % 8 : 0),
    ),
  );
  return left;
}

async function many(run: Run): Promise<number> {
  const { api, items, scenario: { batch } } = run;
  let done = 0;
  for (let at = 0; done < run.left; done += batch) {
    const keys = items.keys.slice(at, at + batch);
    const found = await api.getMany(keys);
    const seen = done / batch % batch;
    check(api.name, keys[seen], found.get(keys[seen]), items.values[at + seen]);
    at += batch;
    if (at + batch > items.keys.length) at = 0;
  }
  return done;
}

async function noreply(run: Run): Promise<number> {
  const { api, items: { keys, values }, scenario: { batch } } = run;
  const key = keys[keys.length - 1];
  let done = 0;
  for (let burst = 0; done < run.left; burst++, done += batch) {
    const last = `burst ${burst}`.padEnd(values[0].length, "v");
    const handed: Promise<unknown>[] = [];
    for (let i = 0; i < batch - 1; i++) {
      const at = i % (keys.length - 1);
      handed.push(api.store(keys[at], values[at]));
    }
    handed.push(api.store(key, last));
    await Promise.all(handed);
    check(api.name, key, await api.get(key), last);
  }
  await api.set(key, values[keys.length - 1]);
  return done;
}

/** Milliseconds between two looks at the clock. */
const GRID = 1;

/**
 * How late the event loop comes to what is due, while callers are at work:
 * something is due each millisecond, and what a long turn holds up counts in
 * full.
 *
 * @returns The p99, in milliseconds.
 */
async function lateness(run: Run, time: number): Promise<number> {
  const late: number[] = [];
  const begun = performance.now();
  let due = begun + GRID;
  const tick = (): void => {
    const now = performance.now();
    for (; due <= now; due += GRID) late.push(now - due);
    if (now - begun >= time) run.left = 0;
    else setTimeout(tick, Math.max(0, due - now));
  };
  run.left = Infinity;
  setTimeout(tick, GRID);
  await callers(run);
  late.sort((a, b) => a - b);
  return late[Math.floor(late.length * 0.99)];
}

/**
 * Does at least `count` operations; where time is measured, goes on for that
 * many milliseconds.
 *
 * @returns How many operations it did, or the milliseconds it measured.
 */
export async function runScenario(
  scenario: Scenario,
  api: Contender,
  items: Items,
  count: number,
): Promise<number> {
  const run: Run = { api, items, scenario, left: count };
  switch (scenario.kind) {
    case "many":
      return await many(run);
    case "noreply":
      return await noreply(run);
    case "late":
      return await lateness(run, count);
    default:
      return await callers(run);
  }
}

/** Stores all items, and reads them all back. */
export async function store(
  api: Contender,
  items: Items,
  bytes: boolean,
): Promise<void> {
  const { keys, values } = items;
  for (let i = 0; i < keys.length; i++) {
    if (bytes) await api.setBytes(keys[i], encoder.encode(values[i]));
    else await api.set(keys[i], values[i]);
  }
  await verify(api, items, bytes);
}

/** Reads all items one by one and in calls for many, every byte compared. */
export async function verify(
  api: Contender,
  { keys, values }: Items,
  bytes: boolean,
): Promise<void> {
  const get = (key: string) => bytes ? api.getBytes(key) : api.get(key);
  for (let i = 0; i < keys.length; i++) {
    check(api.name, keys[i], await get(keys[i]), values[i]);
  }
  const all = await Promise.all(keys.map(get));
  keys.forEach((key, i) => check(api.name, key, all[i], values[i]));
  if (bytes) return;
  for (let at = 0; at < keys.length; at += 100) {
    const some = keys.slice(at, at + 100);
    const found = await api.getMany(some);
    some.forEach((key, i) =>
      check(api.name, key, found.get(key), values[at + i])
    );
  }
}
