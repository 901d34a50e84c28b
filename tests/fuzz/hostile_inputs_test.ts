/**
 * Whatever is given to whatever method: one well-formed command is sent for the
 * keys that were given, or nothing is, not even a connection opened.
 */
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import {
  Client,
  type ClientOptions,
  HashClient,
  type KeyCommands,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
  PooledClient,
  sha256Keys,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { Random } from "../wire/_random.ts";
import { FakeClock, turns } from "./_clock.ts";
import { bytesOf, type Command, CommandReader, latin1 } from "./_commands.ts";
import { Pipe } from "./_pipe.ts";
import { type Loose, methodsOf, type Place, PLACES } from "./_places.ts";
import { BOOM, EVIL, hostileText, type Thing, THINGS } from "./_things.ts";
import { World } from "./_world.ts";

/** How a client is set up for the calls. */
interface Setup {
  readonly name: string;
  readonly options: ClientOptions;
  /** Whether it is connected, and knows that the server speaks meta. */
  readonly warm?: boolean;
  /** Makes a client of another kind. @default {Client} */
  readonly make?: (server: string, options: ClientOptions) => Attempted;
}

/** As much of every kind of client as is needed here. */
type Attempted = KeyCommands & { version(): Promise<unknown> };

const PROTOCOLS: readonly Setup[] = [
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

const RULES: ReadonlyArray<readonly [name: string, ClientOptions]> = [
  ["as they are", {}],
  ["with a prefix", { keyPrefix: "p:" }],
  ["as UTF-8", { allowUnicodeKeys: true, keyPrefix: "ü:" }],
  ["hashed", { keyEncoder: sha256Keys, keyPrefix: "p:" }],
  ["encoded carelessly", { keyEncoder: careless }],
  ["as UTF-8, hashed", { allowUnicodeKeys: true, keyEncoder: sha256Keys }],
];

/** A server that writes down everything. */
class Recorder {
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
  readonly #world = new World(true, true);

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
    this.text += text;
    if (this.raw) return rawReply(text);
    let replies = "";
    try {
      for (const command of reader.feed(text)) {
        replies += this.#world.answer(command);
        if (command.name !== "mn") this.commands.push(command);
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

async function attempt(
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
  if (setup.warm) {
    await client.version();
    recorder.text = "";
    recorder.dials = recorder.commands.length = 0;
  }
  recorder.raw = method === "rawCommand";
  const thing = make();
  const about = `${method}(), ${place.name}: ${name} (${setup.name})`;
  const attempt: Attempt = { about, place, thing, setup, recorder, client };
  let call: Promise<unknown>;
  try {
    // Who has no types may give anything.
    call = place.call(client as unknown as Loose, thing);
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
  return all;
}

/** Whether a call was refused as it has to be. */
function isRefusal(error: unknown): boolean {
  if (error === BOOM) return true;
  // The language's own, of code that the caller gave.
  if (error instanceof TypeError) {
    return /revoked|iter|function/i.test(`${error}`);
  }
  return error instanceof MemcacheIllegalInputError && error.sent === false ||
    error instanceof MemcacheSerdeError && error.sent === false;
}

/** Says which way a call went; throws where it went wrong. */
function judge(one: Attempt): "refused" | "sent" | "nothing" {
  const { about, place, recorder, result, thing } = one;
  const { text, commands, fault, dials } = recorder;
  assert(fault === undefined, `${about}: ${fault}`);
  assert(result !== undefined, `${about} does not settle`);
  const { error } = result;
  // A promise that resolves to a default looks at it.
  const looked = place.name === "default" && text !== "";
  if (error !== undefined && isRefusal(error) && !looked) {
    assert(
      text === "" && dials === 0,
      `${about} was refused, and sent ${text}`,
    );
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
    for (const key of command.keys) {
      assert(keys.has(key), `${about} sent the key ${JSON.stringify(key)}`);
    }
  }
  return "sent";
}

const GROUP = 1000;

/** Tries everything, many calls at a time. */
async function tryAll(
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
function* keySetups(): Iterable<Setup> {
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

function* combinations(
  things: readonly Thing[],
  setups: Iterable<Setup>,
  ofKeys: boolean,
): Iterable<Parameters<typeof attempt>> {
  for (const setup of setups) {
    for (const [method, places] of Object.entries(PLACES)) {
      for (const place of places) {
        if (place.ofKeys !== ofKeys) continue;
        for (const thing of things) yield [method, place, thing, setup];
      }
    }
  }
}

test("every method of Client has hostile inputs", () => {
  assertEquals(Object.keys(PLACES).sort(), methodsOf(Client));
  for (const [method, places] of Object.entries(PLACES)) {
    assertGreater(places.length, 0, method);
  }
});

test(
  "Client sends one well-formed command for a hostile key, or nothing",
  async () => {
    const ways = await tryAll(combinations(THINGS, keySetups(), true));
    assertGreater(ways.refused, 40_000);
    assertGreater(ways.sent, 5_000);
  },
  { timeout: 120_000 },
);

test(
  "Client sends one well-formed command for a key of random text, or nothing",
  async () => {
    const random = new Random(6);
    const texts = Array.from({ length: 30 }, () => hostileText(random));
    const ways = await tryAll(combinations(texts, keySetups(), true));
    assertGreater(ways.refused, 8_000);
    assertGreater(ways.sent, 5_000);
  },
  { timeout: 120_000 },
);

test(
  "Client sends one well-formed command for hostile numbers, options and values, or nothing",
  async () => {
    const ways = await tryAll(combinations(THINGS, PROTOCOLS, false));
    assertGreater(ways.refused, 20_000);
    assertGreater(ways.sent, 10_000);
  },
  { timeout: 120_000 },
);

test("stats() sends hostile arguments as they are, or not at all", async () => {
  const random = new Random(7);
  const texts = Array.from({ length: 3000 }, () => hostileText(random));
  const [place] = PLACES.stats;
  const ways = await tryAll(
    texts.map((text) => ["stats", place, text, PROTOCOLS[0]] as const)
      .map(([...args]) => args as Parameters<typeof attempt>),
  );
  assertGreater(ways.refused, 1000);
  assertGreater(ways.sent, 100);
});

test("Client takes no hostile prefix", async () => {
  const random = new Random(8);
  const texts = Array.from({ length: 300 }, () => hostileText(random));
  let refused = 0;
  let taken = 0;
  for (const allowUnicodeKeys of [false, true]) {
    for (const { name, make } of [...THINGS, ...texts]) {
      const keyPrefix = make() as string;
      const recorder = new Recorder();
      const { dial } = recorder;
      let client: Client;
      try {
        client = new Client("x:1", { keyPrefix, allowUnicodeKeys, dial });
      } catch (error) {
        assert(error instanceof MemcacheIllegalInputError, `${name}: ${error}`);
        refused++;
        continue;
      }
      await client.get("k").catch(() => {});
      const { fault, commands } = recorder;
      assertEquals(fault, undefined, name);
      const sent = commands.map(({ keys }) => keys).flat();
      const full = latin1(new TextEncoder().encode(`${keyPrefix ?? ""}k`));
      assertEquals(sent, full.length > 250 ? [] : [full], name);
      await client.close();
      taken++;
    }
  }
  assertGreater(refused, 300);
  assertGreater(taken, 50);
});

test(
  "Client sends nothing of what a hostile serde or encoder gives",
  async () => {
    for (const { name, make } of THINGS) {
      const thing = make() as never;
      const serdes: ReadonlyArray<NonNullable<ClientOptions["serde"]>> = [
        { serialize: () => thing, deserialize: () => 1 },
        {
          serialize: () => ({ data: "v", flags: thing }),
          deserialize: () => 1,
        },
        { serialize: () => ({ data: thing, flags: 1 }), deserialize: () => 1 },
      ];
      const setups: ClientOptions[] = serdes.map((serde) => ({ serde }));
      setups.push({ keyEncoder: () => thing });
      for (const [i, options] of setups.entries()) {
        const recorder = new Recorder();
        const { dial } = recorder;
        const client = new Client("x:1", { ...options, dial, timeout: 500 });
        const about = `${name}, ${i}`;
        const calls = i < 3
          ? [
            client.set("k", 1),
            client.setMany({ k: 1 }),
            client.cas("k", 1, 1),
          ]
          : [client.set("a b", 1), client.get("a b"), client.getMany(["a b"])];
        const ends = await Promise.allSettled(calls);
        assertEquals(recorder.fault, undefined, about);
        for (const end of ends) {
          if (end.status === "fulfilled") continue;
          assert(isRefusal(end.reason), `${about}: ${end.reason}`);
        }
        if (ends.every(({ status }) => status === "rejected")) {
          assertEquals(recorder.text, "", about);
        }
        for (const { keys, data } of recorder.commands) {
          if (i < 3) assertEquals(keys, ["k"], about);
          if (i === 2 && typeof thing === "string") {
            assertEquals(data, latin1(new TextEncoder().encode(thing)), about);
          }
        }
        await client.close();
      }
    }
  },
  { timeout: 60_000 },
);

test("the parser that judges takes no malformed line", () => {
  const good = [
    ...["get k\r\n", "gets k k2\r\n", "gat -1 k\r\n", "mg k f v O1\r\n"],
    ...["set k 0 0 2\r\n\r\n\r\n", "cas k 1 5 0 7 noreply\r\n\r\n", "mn\r\n"],
    ...[
      "incr k 18446744073709551615\r\n",
      "touch k 0 noreply\r\n",
      "stats\r\n",
    ],
    ...[
      "flush_all 0 noreply\r\n",
      "shutdown graceful\r\n",
      "delete noreply\r\n",
    ],
  ];
  for (const text of good) {
    const reader = new CommandReader();
    assertEquals([reader.feed(text).length, reader.rest], [1, ""], text);
  }
  const bad = [
    ...["get\r\n", "get \r\n", "get  k\r\n", "get k \r\n", "GET k\r\n", "\r\n"],
    ...["set k 0 0\r\n", "set k -1 0 1\r\nx\r\n", "set k 0 1.5 1\r\nx\r\n"],
    ...["set k 0 0 1\r\nxx\r\n", "set k 0 0 1 0\r\nx\r\n", "delete k 0\r\n"],
    ...["incr k -1\r\n", "incr k 01\r\n", "touch k\r\n", "flush_all x\r\n"],
    ...[`get ${"x".repeat(251)}\r\n`, "get a\x7f\r\n", "get a\0\r\n", "a\r\n"],
    ...[
      "mn x\r\n",
      "version x\r\n",
      "get a\nb\r\n",
      `gat 1${" k".repeat(2e3)}\r\n`,
    ],
  ];
  for (const text of bad) {
    assertThrows(() => new CommandReader().feed(text), Error, undefined, text);
  }
  assertEquals(latin1(bytesOf("\0\xff\r\n")), "\0\xff\r\n");
});
