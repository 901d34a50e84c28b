/**
 * The fuzzer of a whole client: cases by number, many at a time, judged by
 * {@linkcode Stage.judge}.
 *
 * A case is decided by the seed and its number alone. Time is a fake clock's,
 * and chance within the client the same for all cases of a group.
 *
 * @module
 */
import type { Client, ClientOptions } from "@x/memcache";
import { MemcacheError } from "@x/memcache";
import { Random } from "../wire/_random.ts";
import { type Call, type Form, FORMS, makeCall, makeGet } from "./_calls.ts";
import { FakeClock, pass, STEP, turns, withChance } from "./_clock.ts";
import { type Damaged, mutate } from "./_mutate.ts";
import { type Limit, Stage, TIMEOUT } from "./_stage.ts";
import { makeValue, ownerOf, World } from "./_world.ts";

/** Cases that share a clock. */
export const GROUP = 250;

/** What a run of cases came to. */
export interface Tally {
  /** Cases. */
  cases: number;
  /** Cases in which the replies were other than honest. */
  damaged: number;
  /** Calls. */
  calls: number;
  /** Values handed out that were stored under that key, byte by byte. */
  exact: number;
  /** Values handed out whose bytes were damaged within a frame that was whole. */
  altered: number;
  /** Connections. */
  connections: number;
  /** Errors by their codes. */
  readonly errors: Record<string, number>;
  /** Damage by its kind. */
  readonly kinds: Record<string, number>;
}

/** A case that went wrong. */
export interface Failure {
  /** The number of the case. */
  readonly number: number;
  /** What is wrong. */
  readonly fault: string;
  /** What was sent, what arrived, and what became of the calls. */
  readonly report: string;
}

/** What to run. */
export interface Run {
  /** Decides everything. */
  readonly seed: number;
  /** Number of the first case. @default {0} */
  readonly from?: number;
  /** How many cases. */
  readonly count: number;
  /** Told after each group. */
  readonly progress?: (tally: Tally) => void;
  /** Puts something between the judge and the client, to test the judge. */
  readonly wrap?: (client: Client) => Client;
  /** How many failures to find before giving up. @default {1} */
  readonly failures?: number;
}

const KEYS: readonly string[] = [
  ...["k1", "k2", "k3", "k4", "k5", "k11", "long:" + "x".repeat(60)],
  ...["none", "none2"],
];

function makeWorld(random: Random, form: Form, ...age: [boolean, boolean]) {
  const world = new World(...age);
  for (const key of KEYS) {
    if (key.startsWith("none")) continue;
    world.put(key, makeValue(key, 0, random, form.ascii), form.flags);
  }
  world.put("n1", "7", "0");
  world.put("n2", "18446744073709551615", "0");
  return world;
}

/** One case. */
class Case {
  readonly number: number;
  readonly stage: Stage;
  readonly kinds: string[] = [];
  readonly world: World;
  readonly form: Form;
  readonly misses: boolean;
  wholeReplies = true;
  damagedAt = 0;
  readonly #random: Random;
  readonly #supply: Parameters<typeof makeCall>[0];
  readonly #options: ClientOptions;
  readonly #rounds: number;
  readonly #cuts: number;

  constructor(run: Run, number: number) {
    this.number = number;
    // Neighbouring numbers give unlike cases.
    const random = new Random(Math.imul(run.seed, 0x01000193) ^ number);
    this.#random = random;
    this.form = random.pick(Object.values(FORMS));
    const meta = !random.oneIn(5);
    this.world = makeWorld(random, this.form, meta, !random.oneIn(6));
    this.#supply = { random, form: this.form, keys: KEYS, version: 1 };
    this.misses = random.oneIn(5);
    const protocol = random.oneIn(3) ? "classic" : "auto";
    this.#options = { protocol, errorsAsMisses: this.misses };
    this.stage = new Stage(this.world, this.form, this.#options, run.wrap);
    this.#rounds = 1 + random.below(3);
    // One case of twelve is left as it is.
    this.damagedAt = random.oneIn(12) ? Infinity : random.below(this.#rounds);
    this.#cuts = random.below(4);
  }

  /** Makes the calls of a round. */
  call(round: number): void {
    if (round >= this.#rounds) return;
    const random = this.#random;
    const { first } = this.stage;
    if (first !== undefined) first.pipe.keepsNext = random.oneIn(20);
    const burst = random.oneIn(60);
    const count = burst ? 128 + random.below(40) : 1 + random.below(6);
    for (let i = 0; i < count; i++) {
      const make = burst ? makeGet : makeCall;
      const call = make(this.#supply);
      this.stage.call(call, this.#limit(call));
    }
  }

  #limit(call: Call): Limit {
    // Calls of more than one command go on between their commands.
    const simple = call.signatures.length === 1 && call.name !== "stats";
    if (!simple || call.noreply || this.misses) return undefined;
    const chance = this.#random.below(24);
    return chance === 0 ? "aborted" : chance === 1 ? "in a hurry" : undefined;
  }

  /** Gives up the calls that are to be given up. */
  abort(): void {
    for (const { limit, aborted, abort } of this.stage.running) {
      if (limit === "aborted" && !aborted) abort();
    }
  }

  /** Answers a round, damaged if its turn has come. */
  answer(round: number): void {
    const { owed } = this.stage;
    if (owed.length === 0) return;
    const text = round === this.damagedAt ? this.#damage(owed) : owed.join("");
    const direct = this.#cuts > 1;
    this.stage.deliver(
      this.#pieces(text),
      () => direct && this.#random.oneIn(2),
    );
  }

  #damage(owed: readonly string[]): string {
    const random = this.#random;
    const { text, kinds, wholeReplies }: Damaged = mutate(owed, {
      keys: KEYS,
      others: () => this.#replies(this.world),
      foreign: () =>
        this.#replies(makeWorld(random, this.form, this.world.meta, true)),
    }, random);
    this.kinds.push(...kinds);
    this.wholeReplies = wholeReplies;
    return text;
  }

  /** Replies as another connection of a server's would have them. */
  #replies(world: World): string[] {
    const random = this.#random;
    const replies = ["STORED\r\n", "END\r\n", "NOT_STORED\r\n", "DELETED\r\n"];
    // The opaque numbers of other connections may well be near to ours.
    const near = this.stage.first?.commands
      .flatMap(({ args }) => args.filter((arg) => /^O\d+$/.test(arg)))
      .map((arg) => Number(arg.slice(1))) ?? [];
    for (let i = 0; i < 4; i++) {
      const key = random.pick(KEYS);
      const item = world.items.get(key);
      if (item === undefined) continue;
      const { data, flags } = item;
      const opaque = (near.length > 0 ? random.pick(near) : 1) +
        random.below(3) - 1;
      replies.push(
        near.length > 0 && random.oneIn(2)
          // Of another key: what has our number is of our connection.
          ? `VA ${data.length} f${flags} O${opaque + 500}\r\n${data}\r\n`
          : `VALUE ${key} ${flags} ${data.length}\r\n${data}\r\nEND\r\n`,
      );
    }
    return replies;
  }

  *#pieces(text: string): Iterable<string> {
    const random = this.#random;
    if (this.#cuts === 0) {
      yield text;
      return;
    }
    for (let at = 0; at < text.length;) {
      const size = this.#cuts === 1 && text.length < 3000
        ? 1
        : 1 + random.below(random.oneIn(2) ? 12 : 600);
      yield text.slice(at, at + size);
      at += size;
    }
  }

  /** Ends the connection, or leaves it silent. */
  end(): void {
    const chance = this.#random.below(4);
    const pipe = this.stage.first?.pipe;
    if (chance === 0) pipe?.end();
    if (chance === 1) pipe?.end(new Error("reset"));
  }

  /** What is wrong with it, if anything is. */
  judge(tally: Tally): string | undefined {
    const { stage } = this;
    tally.cases++;
    tally.connections += stage.lines.length;
    if (this.kinds.length > 0) tally.damaged++;
    for (const kind of this.kinds) {
      tally.kinds[kind] = (tally.kinds[kind] ?? 0) + 1;
    }
    for (const { call, value, error, settled } of stage.running) {
      tally.calls++;
      if (error !== undefined) {
        const code = error instanceof MemcacheError ? error.code : "aborted";
        tally.errors[code] = (tally.errors[code] ?? 0) + 1;
      } else if (settled) {
        const fault = this.#values(call, value, tally);
        if (fault !== undefined) return fault;
      }
    }
    return stage.judge(this.misses) ?? stage.leaks();
  }

  #values(call: Call, value: unknown, tally: Tally): string | undefined {
    for (const [key, item] of call.items(value)) {
      const told = this.form.tell(item);
      const data = this.form.flags === "7" ? told.replace(/^\d+ /, "") : told;
      if (this.world.history.get(key)?.has(data)) {
        tally.exact++;
        continue;
      }
      // Whoever moves whole replies changes no value.
      if (this.wholeReplies) {
        return `${call.name} gave a value that was never stored there, of ` +
          `${ownerOf(data) ?? "nobody"}`;
      }
      tally.altered++;
    }
    return undefined;
  }

  /** Shows all of it. */
  report(): string {
    const { stage } = this;
    const lines = [`damage: ${this.kinds.join(", ") || "none"}`];
    for (const [i, { pipe, replies, arrived }] of stage.lines.entries()) {
      lines.push(`connection ${i} sent ${JSON.stringify(pipe.sent)}`);
      lines.push(`  honest ${JSON.stringify(replies.join(""))}`);
      lines.push(`  arrived ${JSON.stringify(arrived)}`);
    }
    for (const { call, limit, settled, value, error } of stage.running) {
      const end = !settled
        ? "has not settled"
        : error === undefined
        ? `gave ${show(value)}`
        : `failed: ${error}`;
      lines.push(`${call.name} ${limit ?? ""} ${end}`);
    }
    return lines.join("\n");
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(
    value instanceof Map ? [...value] : value,
    (_, value) => typeof value === "bigint" ? `${value}n` : value,
  ) ?? "undefined";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

async function runGroup(run: Run, from: number, to: number) {
  const clock = new FakeClock();
  const group = Math.floor(from / GROUP);
  const chance = new Random(run.seed ^ group * 7919).below(1000) / 1000;
  const late = group % 3 === 1;
  const idle = group % 4 === 2;
  return await withChance(chance, () =>
    clock.during(async () => {
      const cases: Case[] = [];
      for (let i = from; i < to; i++) cases.push(new Case(run, i));
      for (let round = 0; round < 3; round++) {
        for (const one of cases) one.call(round);
        await turns(2);
        for (const one of cases) one.abort();
        // The calls that have 20 ms are over before they are answered, if
        // the group is late, and all others are not.
        if (late) await pass(clock, STEP);
        for (const one of cases) one.answer(round);
        await turns(2);
        if (idle) await pass(clock, 150);
      }
      for (let rest = 0; rest < 2; rest++) {
        for (const one of cases) one.answer(-1);
        await turns(1);
      }
      for (const one of cases) one.end();
      await turns(2);
      const settled = () => cases.every(({ stage }) => stage.settled);
      for (let ms = 0; ms < TIMEOUT + 4 * STEP && !settled(); ms += STEP) {
        await pass(clock, STEP);
      }
      for (const { stage } of cases) stage.client.close();
      await turns(1);
      return { cases, timers: clock.timers };
    }));
}

/**
 * Runs cases.
 *
 * @returns What they came to, and the cases that went wrong.
 */
export async function fuzz(
  run: Run,
): Promise<{ tally: Tally; failures: Failure[] }> {
  const tally: Tally = {
    cases: 0,
    damaged: 0,
    calls: 0,
    exact: 0,
    altered: 0,
    connections: 0,
    errors: {},
    kinds: {},
  };
  const failures: Failure[] = [];
  const { from = 0, count, failures: most = 1 } = run;
  for (let at = from; at < from + count && failures.length < most;) {
    // A group begins where it does in every run, whatever is asked for.
    const to = Math.min(from + count, (Math.floor(at / GROUP) + 1) * GROUP);
    const { cases, timers } = await runGroup(run, at, to);
    for (const one of cases) {
      const fault = one.judge(tally);
      if (fault === undefined) continue;
      failures.push({ number: one.number, fault, report: one.report() });
      if (failures.length === most) break;
    }
    if (timers > 0 && failures.length === 0) {
      const fault = `${timers} timers are left of cases ${at} to ${to - 1}`;
      failures.push({ number: at, fault, report: "" });
    }
    run.progress?.(tally);
    at = to;
  }
  return { tally, failures };
}
