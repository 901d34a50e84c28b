/**
 * A mixed load of many callers, whose every result is judged.
 *
 * @module
 */
import type { CommandOptions, KeyCommands } from "@x/memcache";
import type { CallOptions, Calls, Ending } from "./_calls.ts";
import { History, type Ledger, type Step } from "./_ledger.ts";
import { Chain, Tally } from "./_tally.ts";

/** What a load is made of. */
export interface LoadOptions {
  /** Who calls. */
  readonly clients: readonly KeyCommands[];
  /** Notes and times the calls. */
  readonly calls: Calls;
  /** Judges them. */
  readonly ledger: Ledger;
  /** The number of the server that has a key. */
  readonly serverOf: (key: string) => number;
  /** Chance: from 0 to 1. */
  readonly random: () => number;
  /** Milliseconds for a call; some get much less. */
  readonly timeout: number;
  /** What a client may take that was given `timeout` milliseconds. */
  readonly limitOf?: (timeout: number) => number;
  /** How many calls are on their way at the same time. */
  readonly width: number;
  /** Share of the calls that are aborted, or have hardly any time. */
  readonly impatience?: number;
}

/** Keys that one caller writes. */
const REGISTERS = 6;

/** Counters that all callers count. */
const TALLIES = 4;

/** Changes after which another key takes the place of one. */
const WORN = 150;

/** The ways to write a value of text. */
const FORMS: ReadonlyArray<{
  readonly wrap: (text: string) => unknown;
  readonly unwrap: (value: unknown) => unknown;
}> = [
  { wrap: (text) => text, unwrap: (value) => value },
  {
    wrap: (text) => ({ text }),
    unwrap: (value) =>
      typeof value === "object" && value !== null && "text" in value
        ? value.text
        : value,
  },
  {
    wrap: (text) => new TextEncoder().encode(text),
    unwrap: (value) =>
      value instanceof Uint8Array ? new TextDecoder().decode(value) : value,
  },
];

/** Values of bytes that are looked at again when others have been read. */
const KEPT = 40;

/** What was handed out as bytes: whoever has it, nobody else may write to it. */
class Kept {
  readonly #ledger: Ledger;
  readonly #values: Array<readonly [bytes: Uint8Array, text: string]> = [];

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  keep(bytes: Uint8Array): void {
    this.#values.push([bytes, new TextDecoder().decode(bytes)]);
    if (this.#values.length <= KEPT) return;
    const [[before, text]] = this.#values.splice(0, 1);
    if (new TextDecoder().decode(before) !== text) {
      this.#ledger.complain(`${text.slice(0, 80)}: changed after it was read`);
    }
  }
}

/** A history of values of one form. */
class Register extends History {
  readonly #form: typeof FORMS[number];
  readonly #kept: Kept;
  /** Most padding of its values. */
  readonly size: number;

  constructor(
    ledger: Ledger,
    key: string,
    server: number,
    form: typeof FORMS[number],
    size: number,
    kept: Kept,
  ) {
    super(ledger, key, server);
    this.#form = form;
    this.size = size;
    this.#kept = kept;
  }

  wrapped(step: Step): unknown {
    return this.#form.wrap(this.value(step));
  }

  override judge(
    span: Parameters<History["judge"]>[0],
    found: unknown,
    call: string,
  ): void {
    if (found instanceof Uint8Array) this.#kept.keep(found);
    super.judge(
      span,
      found === undefined ? undefined : this.#form.unwrap(found),
      call,
    );
  }
}

/** Many callers. */
export class Load {
  readonly #options: LoadOptions;
  readonly #registers: Register[][] = [];
  readonly #tallies: Tally[] = [];
  readonly #chains: Array<Chain | undefined> = [];
  readonly #run: string;
  readonly #kept: Kept;
  #keys = 0;
  #patience: number | undefined = undefined;

  /** Takes what to do it with; nothing is called yet. */
  constructor(options: LoadOptions) {
    this.#options = options;
    this.#kept = new Kept(options.ledger);
    this.#run = Math.floor(options.random() * 2 ** 32).toString(36);
    for (let i = 0; i < options.width; i++) {
      this.#registers.push(
        Array.from({ length: REGISTERS }, (_, j) => this.#register(i, j)),
      );
    }
    for (let i = 0; i < TALLIES; i++) this.#tallies.push(this.#tally());
  }

  /**
   * Makes so many calls, and waits until all have ended.
   *
   * @param patience Milliseconds for each, if none is to be impatient.
   */
  async run(calls: number, patience?: number): Promise<void> {
    let left = calls;
    this.#patience = patience;
    await this.until(() => left-- <= 0);
    this.#patience = undefined;
  }

  /** Makes calls until it is told to stop, and waits until all have ended. */
  async until(stop: () => boolean): Promise<void> {
    await Promise.all(this.#registers.map(async (_, caller) => {
      while (!stop()) {
        const { failed } = this.#options.calls;
        await this.#call(caller);
        // What fails fast must not keep others from their turn.
        const failing = this.#options.calls.failed > failed;
        await new Promise((resolve) =>
          failing ? setTimeout(resolve, 1) : setImmediate(resolve)
        );
      }
    }));
  }

  /** Reads every key that is in use, through every client, and judges them. */
  async readAll(timeout: number): Promise<void> {
    const { clients, calls } = this.#options;
    for (const client of clients) {
      for (const own of this.#registers) {
        await Promise.all(own.map(async (register) => {
          const { span, error, value } = await calls.make(
            "get",
            { timeout },
            (options) => client.get(register.key, options),
          );
          if (error === undefined) register.judge(span, value, "get");
        }));
      }
    }
  }

  #key(kind: string): string {
    return `${kind}:${this.#run}:${this.#keys++}`;
  }

  #register(caller: number, index: number): Register {
    const { ledger, serverOf } = this.#options;
    const key = this.#key("key");
    // One large value for each caller, and one that is written in silence.
    const size = index === 0 ? 100_000 : 1500;
    const form = FORMS[(caller + index) % FORMS.length];
    return new Register(ledger, key, serverOf(key), form, size, this.#kept);
  }

  #tally(): Tally {
    const { ledger, serverOf } = this.#options;
    const key = this.#key("counter");
    return new Tally(ledger, key, serverOf(key));
  }

  #below(limit: number): number {
    return Math.floor(this.#options.random() * limit);
  }

  #limits(): CallOptions {
    const { random, timeout: usual, impatience = 0.04, limitOf } =
      this.#options;
    const chance = this.#patience === undefined ? random() : 0.5;
    const timeout = chance < impatience
      ? 1 + this.#below(20)
      : this.#patience ?? usual;
    const abortAfter = chance > 1 - impatience / 2
      ? this.#below(10)
      : undefined;
    return { timeout, abortAfter, limit: limitOf?.(timeout) ?? timeout };
  }

  #make<T>(
    command: string,
    call: (options: CommandOptions) => Promise<T>,
  ): Promise<Ending<T>> {
    return this.#options.calls.make(command, this.#limits(), call);
  }

  async #call(caller: number): Promise<void> {
    const { clients } = this.#options;
    const client = clients[caller % clients.length];
    const chance = this.#below(100);
    const own = this.#registers[caller];
    // Others' keys are read as often as one's own.
    const others = this.#registers[this.#below(this.#registers.length)];
    const any = others[this.#below(REGISTERS)];
    const mine = 1 + this.#below(REGISTERS - 2);
    if (chance < 20) return await this.#get(client, any);
    if (chance < 24) return await this.#gat(client, any);
    if (chance < 26) return await this.#has(client, any);
    if (chance < 34) return await this.#getMany(client);
    if (chance < 54) await this.#set(client, own[mine]);
    else if (chance < 56) await this.#set(client, own[0]);
    else if (chance < 62) await this.#setMany(client, own.slice(1, -1));
    else if (chance < 70) await this.#cas(client, own[mine]);
    else if (chance < 74) await this.#delete(client, own[mine]);
    else if (chance < 77) return await this.#touch(client, any);
    else if (chance < 82) await this.#quiet(client, own[REGISTERS - 1]);
    else if (chance < 91) return await this.#count(client);
    else return await this.#grow(client, caller);
    await this.#renew(client, caller);
  }

  /** Puts fresh keys in the place of those whose history says too little. */
  async #renew(client: KeyCommands, caller: number): Promise<void> {
    const own = this.#registers[caller];
    for (const [i, register] of own.entries()) {
      const { unknown, length } = register;
      const vague = unknown > 0 &&
        this.#below(i === REGISTERS - 1 ? 20 : 2) === 0;
      if (!vague && length < WORN) continue;
      own[i] = this.#register(caller, i);
      await this.#delete(client, register);
    }
  }

  async #get(client: KeyCommands, register: Register): Promise<void> {
    const { key } = register;
    const { span, value, error } = await this.#make(
      "get",
      (options) => client.get(key, options),
    );
    if (error === undefined) register.judge(span, value, "get");
  }

  async #gat(client: KeyCommands, register: Register): Promise<void> {
    const { span, value, error } = await this.#make(
      "gat",
      (options) => client.gat(register.key, 3600, options),
    );
    if (error === undefined) register.judge(span, value, "gat");
  }

  async #has(client: KeyCommands, register: Register): Promise<void> {
    const { span, value, error } = await this.#make(
      "has",
      (options) => client.has(register.key, options),
    );
    if (error === undefined) {
      register.judgePresence(span, value === true, "has");
    }
  }

  async #touch(client: KeyCommands, register: Register): Promise<void> {
    const { span, value, error } = await this.#make(
      "touch",
      (options) => client.touch(register.key, 3600, options),
    );
    if (error === undefined) {
      register.judgePresence(span, value === true, "touch");
    }
  }

  async #getMany(client: KeyCommands): Promise<void> {
    const asked = new Map<string, Register>();
    for (let i = 1 + this.#below(4); i > 0; i--) {
      const callers = this.#registers[this.#below(this.#registers.length)];
      // Large values would have the better part of the bytes.
      for (const register of callers.slice(1)) {
        asked.set(register.key, register);
      }
    }
    const { span, value, error } = await this.#make(
      "getMany",
      (options) => client.getMany(asked.keys(), options),
    );
    const values = valuesOf(error) ?? value;
    for (const [key, found] of values ?? []) {
      const register = asked.get(key);
      if (register === undefined) {
        this.#options.ledger.complain(
          `getMany gave ${key}: nobody asked for it`,
        );
      } else register.judge(span, found, "getMany");
    }
    if (error !== undefined) return;
    for (const [key, register] of asked) {
      if (!value?.has(key)) register.judge(span, undefined, "getMany");
    }
  }

  async #set(client: KeyCommands, register: Register): Promise<void> {
    const step = register.begin(this.#below(register.size));
    const { key } = register;
    const wrapped = register.wrapped(step);
    const { value, fate } = await this.#make(
      "set",
      (options) => client.set(key, wrapped, options),
    );
    register.end(step, fate);
    if (value === false) {
      this.#options.ledger.complain(`set of ${key}: not stored`);
    }
  }

  async #setMany(client: KeyCommands, own: Register[]): Promise<void> {
    const steps = own.map((register) =>
      [register, register.begin(this.#below(register.size))] as const
    );
    const { value, error } = await this.#make(
      "setMany",
      (options) =>
        client.setMany(
          steps.map((
            [register, step],
          ) => [register.key, register.wrapped(step)]),
          options,
        ),
    );
    const failed = error === undefined ? [] : failedKeysOf(error);
    for (const [register, step] of steps) {
      const done = failed !== undefined && !failed.includes(register.key);
      register.end(step, done ? "done" : "unknown");
    }
    if (value !== undefined && value.length > 0) {
      this.#options.ledger.complain(`setMany of ${value}: not stored`);
    }
  }

  async #cas(client: KeyCommands, register: Register): Promise<void> {
    const { key } = register;
    const read = await this.#make(
      "gets",
      (options) => client.gets(key, options),
    );
    if (read.error !== undefined) return;
    register.judge(read.span, read.value?.value, "gets");
    if (read.value === undefined) return;
    const { cas } = read.value;
    const step = register.begin(this.#below(register.size));
    const wrapped = register.wrapped(step);
    const { span, value, fate } = await this.#make(
      "cas",
      (options) => client.cas(key, wrapped, cas, options),
    );
    register.end(step, fate === "done" && value !== true ? "never" : fate);
    if (fate === "done" && value !== true) {
      register.judgeRefusal({ from: read.span.from, to: span.to }, "cas");
    }
  }

  async #delete(client: KeyCommands, register: Register): Promise<void> {
    const step = register.begin(undefined);
    const { fate } = await this.#make(
      "delete",
      (options) => client.delete(register.key, options),
    );
    register.end(step, fate);
  }

  /** Stores without a reply: nobody knows what became of it until it shows. */
  async #quiet(client: KeyCommands, register: Register): Promise<void> {
    const step = register.begin(this.#below(register.size));
    const wrapped = register.wrapped(step);
    const { value, fate } = await this.#make(
      "set noreply",
      (options) =>
        client.set(register.key, wrapped, { ...options, noreply: true }),
    );
    register.end(step, fate === "never" ? "never" : "unknown");
    if (fate === "done" && value !== true) {
      this.#options.ledger.complain(`set noreply of ${register.key}: ${value}`);
    }
  }

  async #count(client: KeyCommands): Promise<void> {
    const at = this.#below(TALLIES);
    const tally = this.#tallies[at];
    const { key } = tally;
    const before = tally.counting();
    const counted = await this.#make(
      "incr",
      (options) => client.incr(key, 1, options),
    );
    if (counted.fate === "never") tally.unsent();
    if (counted.error !== undefined) return;
    tally.judge(counted.span, before, counted.value);
    if (tally.worn) this.#tallies[at] = this.#tally();
    if (counted.value !== undefined) return;
    const base = tally.begin();
    const { span, value, fate } = await this.#make(
      "add",
      (options) => client.add(key, base, options),
    );
    tally.began(base, span, fate === "done" && value !== true ? "never" : fate);
  }

  async #grow(client: KeyCommands, caller: number): Promise<void> {
    const chain = this.#chains[caller];
    if (chain === undefined || chain.head.unknown > 0 || chain.length >= 12) {
      await this.#plant(client, caller);
      return;
    }
    const { key } = chain.head;
    if (this.#below(3) === 0) {
      const { span, value, error } = await this.#make(
        "get",
        (options) => client.get(key, options),
      );
      if (error === undefined) chain.judge(span, value);
      return;
    }
    const record = chain.record();
    const { span, value, fate } = await this.#make(
      "append",
      (options) => client.append(key, record, options),
    );
    const refused = fate === "done" && value !== true;
    chain.appended(span, refused ? "never" : fate);
    if (refused) chain.head.judgePresence(span, false, "append");
  }

  async #plant(client: KeyCommands, caller: number): Promise<void> {
    const { ledger, serverOf } = this.#options;
    const key = this.#key("list");
    const chain = new Chain(ledger, key, serverOf(key));
    const step = chain.head.begin(this.#below(20));
    const text = chain.head.value(step);
    const { fate } = await this.#make(
      "set",
      (options) => client.set(key, text, { ...options, ttl: 600 }),
    );
    chain.head.end(step, fate);
    this.#chains[caller] = fate === "done" ? chain : undefined;
  }
}

/** The values that had arrived when a call failed, if the error has them. */
function valuesOf(error: unknown): ReadonlyMap<string, unknown> | undefined {
  return error instanceof Error && "values" in error &&
      error.values instanceof Map
    ? error.values
    : undefined;
}

/** The keys that may not be stored; `undefined`: all of them. */
function failedKeysOf(error: unknown): readonly string[] | undefined {
  return error instanceof Error && "failedKeys" in error &&
      Array.isArray(error.failedKeys)
    ? error.failedKeys
    : undefined;
}
