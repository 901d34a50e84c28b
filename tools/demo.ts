/**
 * Does the main job and prints what it did, step by step: `deno task demo`.
 *
 * It talks to the server that `MEMCACHED_URL` names, else to a memcached on
 * the default port of this machine, else to the embedded server. It touches
 * keys of its own only, and deletes them at the end. Its exit code is 1 when
 * anything is not as it should be.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import {
  Client,
  type ClientOptions,
  MemcacheError,
  MemcacheNonNumericError,
  parseServer,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";

/** What {@linkcode runDemo} can be told. */
export interface DemoOptions {
  /** The server to use; absent: look for one. */
  url?: string | undefined;
  /**
   * Where to look for a memcached.
   *
   * @default {"127.0.0.1:11211"}
   */
  usual?: string;
  /**
   * Takes the output, line by line.
   *
   * @default {console.log}
   */
  print?: (line: string) => void;
}

const MANY = 1000;
const BURST = 10_000;

/** The width of a step's title, with its time behind. */
const WIDTH = 66;

/** Everything that was printed for a step, and how long it took. */
type Say = (line: string) => void;

/** A server to talk to, and how it was found. */
interface Found {
  readonly server: string;
  readonly how: string;
  close(): Promise<void>;
}

/** Ends the demo where a result is not the one that is meant to be. */
function expect(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(
    `Surprise: ${what} is ${show(actual)}, not ${show(expected)}`,
  );
}

/** A value as it would be written in a program. */
function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Uint8Array) return `Uint8Array [${value.join(", ")}]`;
  return JSON.stringify(value) ?? String(value);
}

/** A number with its thousands apart. */
function grouped(value: unknown): string {
  return Math.round(Number(value)).toLocaleString("en-US");
}

async function findServer(
  url: string | undefined,
  usual: string,
): Promise<Found> {
  const close = () => Promise.resolve();
  if (url) return { server: url, how: "named by MEMCACHED_URL", close };
  const probe = new Client(usual, { connectTimeout: 500, timeout: 500 });
  try {
    await probe.version();
    return { server: usual, how: "found on the default port", close };
  } catch (error) {
    if (!(error instanceof MemcacheError)) throw error;
    const embedded = await MemcachedServer.start();
    return {
      server: embedded.address,
      how: `the embedded one, as none answers at ${usual} (${error.code})`,
      close: () => embedded.close(),
    };
  } finally {
    await probe.close();
  }
}

async function readValues(client: Client, say: Say): Promise<void> {
  const values: Readonly<Record<string, unknown>> = {
    text: "naïve café ☕",
    integer: 42,
    bigint: 2n ** 64n,
    decimal: 2.5,
    boolean: true,
    object: { id: 7, tags: ["a", "b"], parent: null },
    bytes: new Uint8Array([0, 13, 10, 255]),
  };
  for (const [key, value] of Object.entries(values)) {
    expect(`set ${key}`, await client.set(key, value, { ttl: 60 }), true);
    const item = await client.getItem(key);
    expect(`the value of ${key}`, item?.value, value);
    say(
      `${key.padEnd(8)} ${show(item?.value).padEnd(44)} flags ${item?.flags}`,
    );
  }
}

async function meetMisses(client: Client, say: Say): Promise<void> {
  expect("get of a missing key", await client.get("nothing"), undefined);
  const fallback = await client.get("nothing", { default: "a default" });
  expect("the default", fallback, "a default");
  expect("has of a missing key", await client.has("nothing"), false);
  expect("delete of a missing key", await client.delete("nothing"), false);
  expect("replace of a missing key", await client.replace("nothing", 1), false);
  expect("add of a stored key", await client.add("text", "other"), false);
  say("get → undefined, with a default → the default, has → false");
  say("delete, replace of a missing key → false; add of a stored one → false");
}

async function handleMany(client: Client, say: Say): Promise<void> {
  const users = Array.from(
    { length: MANY },
    (_, id) => [`user:${id}`, { id, name: `User ${id}` }] as const,
  );
  const refused = await client.setMany(users, { ttl: 60 });
  expect("the keys that setMany() could not store", refused, []);
  const missing = ["user:none", "user:nobody"];
  const keys = [...users.map(([key]) => key), ...missing];
  const found = await client.getMany(keys);
  expect("what getMany() found", found, new Map(users));
  say(
    `setMany() stored ${grouped(MANY)} objects; getMany() of ${
      grouped(keys.length)
    } keys found ${grouped(found.size)}`,
  );
}

async function count(client: Client, say: Say): Promise<void> {
  const steps = [
    await client.incr("visits", 1, { initial: 100, ttl: 60 }),
    await client.incr("visits", 5),
    await client.decr("visits", 1000),
  ];
  expect("the counter", steps, [100, 105, 0]);
  say(`initial 100, + 5, - 1000 → ${steps.join(", ")} (never below 0)`);
  await client.set("big", 2n ** 63n);
  const big = await client.incr("big", 1n);
  expect("the 64-bit counter", big, 2n ** 63n + 1n);
  say(`with a bigint delta all 64 bits: 2n ** 63n + 1n → ${show(big)}`);
  expect("incr of a missing key", await client.incr("none"), undefined);
}

async function compareAndStore(client: Client, say: Say): Promise<void> {
  await client.set("stock", 10);
  const seen = await client.gets<number>("stock");
  if (seen === undefined) throw new Error("Surprise: stock is gone");
  const first = await client.cas("stock", seen.value - 1, seen.cas);
  const second = await client.cas("stock", seen.value - 1, seen.cas);
  await client.delete("stock");
  const third = await client.cas("stock", seen.value - 1, seen.cas);
  expect("the outcomes of cas", [first, second, third], [
    true,
    false,
    undefined,
  ]);
  say("unchanged → true, changed since it was read → false, gone → undefined");
}

async function outlive(client: Client, say: Say): Promise<void> {
  await client.set("brief", "soon gone", { ttl: 2 });
  await client.set("kept", "touched", { ttl: 2 });
  const inAnHour = new Date(Date.now() + 3_600_000);
  expect("gat", await client.gat("kept", 60), "touched");
  expect("touch", await client.touch("kept", inAnHour), true);
  const started = performance.now();
  while (await client.has("brief")) {
    if (performance.now() - started > 6000) {
      throw new Error("Surprise: an item with a ttl of 2 s is there after 6 s");
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  expect("the touched item", await client.get("kept"), "touched");
  say(`ttl 2 → gone after ${seconds} s (the server counts whole seconds)`);
  say("the one that was touched meanwhile stays");
}

async function burst(client: Client, say: Say): Promise<void> {
  const keys = Array.from(
    { length: BURST },
    (_, i) => `user:${(i * 7) % MANY}`,
  );
  const started = performance.now();
  const users = await Promise.all(
    keys.map((key) => client.get<{ id: number }>(key)),
  );
  const seconds = (performance.now() - started) / 1000;
  users.forEach((user, i) =>
    expect(`get ${i} of the burst`, user?.id, (i * 7) % MANY)
  );
  say(
    `${grouped(BURST)} calls of get() at once, over one connection: ${
      grouped(BURST / seconds)
    } a second`,
  );
}

async function askServer(client: Client, say: Say): Promise<void> {
  const stats = await client.stats();
  const gets = Number(stats.get_hits) + Number(stats.get_misses);
  if (!(gets >= BURST)) {
    throw new Error(`Surprise: the server counts ${gets} gets`);
  }
  say(
    `version ${stats.version}, up ${grouped(stats.uptime)} s, ` +
      `connections: ${stats.curr_connections}`,
  );
  say(
    `${grouped(stats.curr_items)} items, ${grouped(stats.bytes)} of ` +
      `${grouped(stats.limit_maxbytes)} bytes`,
  );
  say(
    `${grouped(stats.get_hits)} hits, ${grouped(stats.get_misses)} misses, ` +
      `${grouped(stats.evictions)} evictions`,
  );
}

async function fail(client: Client, say: Say): Promise<void> {
  const calls: ReadonlyArray<readonly [string, () => Promise<unknown>]> = [
    ['get("two words")', () => client.get("two words")],
    ['set("n", NaN)', () => client.set("n", NaN)],
    ['incr("text")', () => client.incr("text")],
  ];
  for (const [call, run] of calls) {
    const error = await run().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(error instanceof MemcacheError)) {
      throw new Error(`Surprise: ${call} did not fail as it should`);
    }
    expect(
      `sent of ${call}`,
      error.sent,
      error instanceof MemcacheNonNumericError,
    );
    say(`${call} → ${error.name}, ${error.code}, sent: ${error.sent}`);
    say(`  ${error.message}`);
  }
}

/** All keys that the steps use. */
function ownKeys(): string[] {
  const words =
    "text integer bigint decimal boolean object bytes visits big stock brief kept";
  return [
    ...words.split(" "),
    ...Array.from({ length: MANY }, (_, id) => `user:${id}`),
  ];
}

async function cleanUp(client: Client, say: Say): Promise<void> {
  const keys = ownKeys();
  await client.deleteMany(keys);
  expect("what is left", await client.getMany(keys), new Map());
  say(`${grouped(keys.length)} keys deleted, none is left`);
}

const STEPS: ReadonlyArray<
  readonly [title: string, run: (client: Client, say: Say) => Promise<void>]
> = [
  ["Store values and read them back, by type", readValues],
  ["Misses are values, not errors", meetMisses],
  ["Many keys in one call", handleMany],
  ["Counters", count],
  ["Compare and store (cas)", compareAndStore],
  ["Lifetimes", outlive],
  ["A pipelined burst", burst],
  ["What the server says of itself", askServer],
  ["Errors say what to do", fail],
  ["Clean up", cleanUp],
];

/**
 * Runs all steps.
 *
 * @param options Where to, and where the output goes.
 * @throws If a step does not come to what it is meant to; the keys are deleted
 * all the same.
 */
export async function runDemo(options: DemoOptions = {}): Promise<void> {
  const { url, usual = "127.0.0.1:11211", print = console.log } = options;
  const found = await findServer(url, usual);
  const prefix = `memcache-demo:${crypto.randomUUID().slice(0, 8)}:`;
  // Slow machines run it too, with ten thousand commands in flight.
  const settings: ClientOptions = { keyPrefix: prefix, timeout: 10_000 };
  const client = new Client(found.server, settings);
  try {
    const started = performance.now();
    const version = await client.version();
    const took = performance.now() - started;
    const { name } = parseServer(found.server);
    print(`memcached ${version} at ${name}: ${found.how}`);
    print(`connected and answered in ${took.toFixed(1)} ms`);
    print(`all keys begin with ${prefix}`);
    for (const [index, [title, run]] of STEPS.entries()) {
      const lines: string[] = [];
      const begun = performance.now();
      await run(client, (line) => lines.push(line));
      const ms = (performance.now() - begun).toFixed(1);
      print("");
      print(
        `${`${index + 1}. ${title} `.padEnd(WIDTH, ".")} ${ms.padStart(7)} ms`,
      );
      for (const line of lines) print(`   ${line}`);
    }
    print("");
    print(`done in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  } catch (error) {
    await client.deleteMany(ownKeys()).catch(() => {});
    throw error;
  } finally {
    await client.close();
    await found.close();
  }
}

if (import.meta.main) {
  try {
    await runDemo({ url: Deno.env.get("MEMCACHED_URL") });
  } catch (error) {
    console.error(
      error instanceof Error ? `${error.name}: ${error.message}` : error,
    );
    Deno.exit(1);
  }
}
