/**
 * Calls with hostile things, and what is sent for them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  Client,
  type ClientOptions,
  HashClient,
  type KeyCommands,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
  MemcacheUnknownCommandError,
  PooledClient,
  sha256Keys,
} from "@x/memcache";
import { FakeClock, turns } from "./_clock.ts";
import { type Command, CommandReader, latin1 } from "./_commands.ts";
import { Pipe } from "./_pipe.ts";
import type { Loose, Place } from "./_places.ts";
import { BOOM, EVIL, type Thing } from "./_things.ts";
import { World } from "./_world.ts";

/** How a client is set up for the calls. */
export interface Setup {
  readonly name: string;
  readonly options: ClientOptions;
  /** Whether it is connected, and knows that the server speaks meta. */
  readonly warm?: boolean;
  /** Makes a client of another kind. @default {Client} */
  readonly make?: (server: string, options: ClientOptions) => Attempted;
  /** Whether the calls go to a namespace of the client, whose version is known. */
  readonly isSpace?: boolean;
}

/** As much of every kind of client as is needed here. */
type Attempted = KeyCommands & { version(): Promise<unknown> };

/** The setups of calls with other things than keys. */
export const PROTOCOLS: readonly Setup[] = [
  { name: "classic", options: { protocol: "classic" } },
  { name: "meta", options: {}, warm: true },
  { name: "auto", options: {} },
  {
    name: "PooledClient",
    options: { protocol: "classic" },
    make: (server, options) => new PooledClient(server, options),
  },
  {
    name: "HashClient",
    options: {},
    make: (server, options) => new HashClient([server], options),
  },
];

/** An encoder that does not do its work, for some keys. */
function careless(key: string): string {
  return key.includes("\r") ? "k\r\nflush_all" : key.replace(/[^!-~]/g, "_");
}

/** What clients do with keys. */
export const RULES: ReadonlyArray<readonly [name: string, ClientOptions]> = [
  ["as they are", {}],
  ["with a prefix", { keyPrefix: "p:" }],
  ["as UTF-8", { allowUnicodeKeys: true, keyPrefix: "ü:" }],
  ["hashed", { keyEncoder: sha256Keys, keyPrefix: "p:" }],
  ["encoded carelessly", { keyEncoder: careless }],
  ["as UTF-8, hashed", { allowUnicodeKeys: true, keyEncoder: sha256Keys }],
];

/** The namespace of calls that go to one. */
const SPACE = "s:";

/** What a namespace asks for of its own. */
const VERSION_READS = /(?:mg|gets?) \S*s:@version[^\r]*\r\n/g;

/** What it puts before each key, behind the client's prefix. */
const SPACE_PREFIX = /s:[0-9a-z]{16}:/;

/** A server that writes down everything. */
export class Recorder {
  /** How many connections were opened. */
  dials = 0;
  /** Every byte that was received. */
  text = "";
  /** Every command but for probes and fences. */
  readonly commands: Command[] = [];
  #fault: string | undefined;
  readonly #readers: CommandReader[] = [];
  /** Whether whatever comes is one command of unknown form. */
  raw = false;
  /** Whether the client's own question for the version is none of the calls. */
  asksVersion = false;
  /** Every flag that there is, it knows. */
  readonly #world = new World(true, true, "1.6.40");

  constructor() {
    this.#world.put("n", "5", "0");
  }

  /** What was received that is no command, or is half of one. */
  get fault(): string | undefined {
    const rest = this.#readers.find(({ rest }) => rest !== "")?.rest;
    return this.#fault ?? (rest && `half a command: ${rest.slice(0, 100)}`);
  }

  readonly dial = (): Promise<Pipe> => {
    this.dials++;
    const reader = new CommandReader();
    this.#readers.push(reader);
    return Promise.resolve(
      new Pipe((text, pipe) => {
        const replies = this.#take(reader, text);
        queueMicrotask(() => pipe.deliver(replies));
      }),
    );
  };

  #take(reader: CommandReader, text: string): string {
    this.text += text.replace(VERSION_READS, "");
    if (this.raw) return rawReply(text);
    let replies = "";
    try {
      for (const command of reader.feed(text)) {
        replies += this.#world.answer(command);
        const isQuestion = command.name === "mn" ||
          /s:@version$/.test(command.keys[0] ?? "") ||
          command.name === "version" && this.asksVersion;
        if (!isQuestion) this.commands.push(command);
      }
    } catch (error) {
      this.#fault ??= String(error);
    }
    return replies;
  }
}

/** Answers a probe, if there is one, and whatever is behind it. */
function rawReply(text: string): string {
  const probed = text.startsWith("mn\r\n");
  return (probed ? "MN\r\n" : "") + (text === "mn\r\n" ? "" : "ERROR\r\n");
}

/** One call with one thing in one place. */
interface Attempt {
  readonly about: string;
  readonly place: Place;
  readonly thing: unknown;
  readonly setup: Setup;
  readonly recorder: Recorder;
  readonly client: Attempted;
  result?: { readonly value?: unknown; readonly error?: unknown };
}

/** Makes one call with one thing in one place. */
export async function attempt(
  method: string,
  place: Place,
  { name, make }: Thing,
  setup: Setup,
): Promise<Attempt> {
  const recorder = new Recorder();
  const { options, make: makeClient } = setup;
  const all = {
    timeout: 0,
    connectTimeout: 0,
    ...options,
    dial: recorder.dial,
  };
  const client = makeClient?.("hostile:1", all) ?? new Client("hostile:1", all);
  const on = setup.isSpace ? client.namespace(SPACE) : client;
  if (setup.warm) {
    await client.version();
    if (setup.isSpace) await on.get("k");
    recorder.text = "";
    recorder.dials = recorder.commands.length = 0;
  }
  recorder.raw = method === "rawCommand";
  recorder.asksVersion = method !== "version";
  const thing = make();
  const about = `${method}(), ${place.name}: ${name} (${setup.name})`;
  const attempt: Attempt = { about, place, thing, setup, recorder, client };
  let call: Promise<unknown>;
  try {
    // Who has no types may give anything.
    call = place.call(on as unknown as Loose, thing);
  } catch (error) {
    throw new Error(`${about} throws, and does not reject: ${error}`);
  }
  assert(call instanceof Promise, about);
  call.then(
    (value) => attempt.result = { value },
    (error) => attempt.result = { error },
  );
  return attempt;
}

/** Whether something has been used up by being looked at. */
function isIterator(thing: unknown): boolean {
  return typeof (thing as { next?: unknown } | undefined)?.next === "function";
}

/** The keys that something names, if it does. */
function keysIn(thing: unknown): string[] {
  if (typeof thing === "string") return [thing];
  const keys: string[] = [];
  try {
    if (
      Array.isArray(thing) || thing instanceof Set || thing instanceof Map ||
      thing instanceof String
    ) {
      for (const part of thing) keys.push(...keysIn(part));
    } else if (isIterator(thing)) keys.push(EVIL);
    else if (typeof thing === "object" && thing !== null) {
      keys.push(...Object.keys(thing));
    }
  } catch {
    // What cannot be looked at names no key.
  }
  return keys;
}

/** The keys of bytes that something names, if it does. */
function bytesIn(thing: unknown): Uint8Array[] {
  try {
    if (thing instanceof Uint8Array) return [thing];
    return Array.isArray(thing) ? thing.flatMap(bytesIn) : [];
  } catch {
    return [];
  }
}

const FORMS = new Map<string, Set<string>>();

/** What may stand on the wire for the keys that were given. */
function wireKeys({ thing, setup }: Attempt): Set<string> {
  const { keyPrefix = "", keyEncoder } = setup.options;
  const all = new Set<string>();
  for (const key of ["k", "k2", "n", ...keysIn(thing)]) {
    const name = `${setup.name} ${key}`;
    let forms = FORMS.get(name);
    if (forms === undefined) {
      forms = new Set([key]);
      try {
        if (keyEncoder !== undefined) forms.add(keyEncoder(key));
      } catch {
        // Not every key can be encoded.
      }
      forms = new Set(
        [...forms].map((form) =>
          latin1(new TextEncoder().encode(keyPrefix + form))
        ),
      );
      FORMS.set(name, forms);
    }
    for (const form of forms) all.add(form);
  }
  const prefix = latin1(new TextEncoder().encode(keyPrefix));
  for (const bytes of bytesIn(thing)) all.add(prefix + latin1(bytes));
  return all;
}

/** Whether it is refused as there are no such commands, which takes a server. */
function isUnknown(error: unknown): boolean {
  return error instanceof MemcacheUnknownCommandError && error.sent === false;
}

/** Whether a call was refused as it has to be. */
export function isRefusal(error: unknown): boolean {
  if (error === BOOM) return true;
  // The language's own, of code that the caller gave.
  if (error instanceof TypeError) {
    return /revoked|iter|function/i.test(`${error}`);
  }
  return error instanceof MemcacheIllegalInputError && error.sent === false ||
    error instanceof MemcacheSerdeError && error.sent === false;
}

/** What is looked at when something has been sent. */
const LATE: ReadonlySet<string> = new Set(["default", "fn", "what fn makes"]);

/** Says which way a call went; throws where it went wrong. */
function judge(one: Attempt): "refused" | "sent" | "nothing" {
  const { about, place, recorder, result, thing } = one;
  const { text, commands, fault, dials } = recorder;
  assert(fault === undefined, `${about}: ${fault}`);
  assert(result !== undefined, `${about} does not settle`);
  const { error } = result;
  // A promise that resolves to a default looks at it, and what is given to
  // update() is looked at when the value has been read.
  const looked = LATE.has(place.name) && text !== "";
  if (error !== undefined && isRefusal(error) && !looked) {
    assert(
      text === "" && dials === 0,
      `${about} was refused, and sent ${text}`,
    );
    return "refused";
  }
  if (isUnknown(error)) {
    assert(one.setup.options.protocol === "classic", `${about}: ${error}`);
    assert(text === "", `${about} was refused, and sent ${text}`);
    return "refused";
  }
  if (text === "" || text === "mn\r\n") {
    assert(error === undefined, `${about} sent nothing, and failed: ${error}`);
    assert(place.count !== "one", `${about} sent nothing, and did not fail`);
    return "nothing";
  }
  if (recorder.raw) {
    const line = place.name === "command" ? thing : "raw";
    const bytes = typeof line === "string"
      ? new TextEncoder().encode(line)
      : line as Uint8Array;
    assertEquals(text.replace(/^mn\r\n/, ""), `${latin1(bytes)}\r\n`, about);
    return "sent";
  }
  const { length } = commands;
  assert(place.count === "any" || length === 1, `${about} sent ${text}`);
  const keys = wireKeys(one);
  for (const command of commands) {
    assert(place.sends.includes(command.name), `${about} sent ${text}`);
    for (const full of command.keys) {
      const key = one.setup.isSpace ? full.replace(SPACE_PREFIX, "") : full;
      assert(keys.has(key), `${about} sent the key ${JSON.stringify(key)}`);
    }
  }
  return "sent";
}

const GROUP = 1000;

/** Tries everything, many calls at a time. */
export async function tryAll(
  attempts: Iterable<Parameters<typeof attempt>>,
): Promise<Record<string, number>> {
  const ways: Record<string, number> = { refused: 0, sent: 0, nothing: 0 };
  const finish = async (group: readonly Attempt[]): Promise<void> => {
    await turns(6);
    for (const one of group) ways[judge(one)]++;
    for (const { client } of group) await client.close();
    await turns(1);
  };
  // A hundred thousand errors, of which nobody looks at the stack.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  await new FakeClock().during(async () => {
    let group: Attempt[] = [];
    for (const args of attempts) {
      group.push(await attempt(...args));
      if (group.length < GROUP) continue;
      await finish(group);
      group = [];
    }
    await finish(group);
  }).finally(() => Error.stackTraceLimit = stackTraceLimit);
  return ways;
}

/** The setups of calls with hostile keys. */
export function* keySetups(): Iterable<Setup> {
  for (const { name, options, ...rest } of PROTOCOLS) {
    for (const [i, [rule, rules]] of RULES.entries()) {
      // Keys are made legal in one place, whoever sends them in what form.
      if (name !== "classic" && i > 0 && !(rest.warm && i > 4)) continue;
      yield {
        name: `${name}, ${rule}`,
        options: { ...options, ...rules },
        ...rest,
      };
    }
  }
}

/** Every thing in every place, with every setup. */
export function* combinations(
  all: Readonly<Record<string, readonly Place[]>>,
  things: readonly Thing[],
  setups: Iterable<Setup>,
  ofKeys: boolean,
): Iterable<Parameters<typeof attempt>> {
  for (const setup of setups) {
    for (const [method, places] of Object.entries(all)) {
      for (const place of places) {
        if (place.ofKeys !== ofKeys) continue;
        for (const thing of things) yield [method, place, thing, setup];
      }
    }
  }
}
