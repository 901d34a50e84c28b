/**
 * pymemcache's methods, arguments and results as ours.
 *
 * @module
 */
import { HashClient, parseServer, StrictClient } from "@x/memcache";
import type { AnyClient } from "./_clients.ts";
import type { Step } from "./_cases.ts";
import { type Tagged, textOf, toKey, toOurs, utf8Text } from "./_python.ts";
import { bytes } from "../_vectors.ts";

/** The arguments of a call by pymemcache's names; what is absent is absent. */
class Given {
  readonly #values: Map<string, Tagged> = new Map();

  constructor({ method, args, kwargs }: Step, names: readonly string[]) {
    if (args.length > names.length) {
      throw new Error(`${method}: ${args.length}`);
    }
    args.forEach((value, index) => this.#values.set(names[index], value));
    for (const [name, value] of Object.entries(kwargs)) {
      if (!names.includes(name)) throw new Error(`${method}: ${name}`);
      this.#values.set(name, value);
    }
  }

  /** The argument as it was recorded. */
  tagged(name: string): Tagged | undefined {
    return this.#values.get(name);
  }

  /** The argument as a value of ours; the types are what is tried here. */
  value<T>(name: string): T {
    const tagged = this.#values.get(name);
    return (tagged === undefined ? undefined : toOurs(tagged)) as T;
  }

  get key(): string {
    return toKey(this.tagged("key") as Tagged) as string;
  }

  get keys(): string[] {
    const tagged = this.tagged("keys") as Tagged;
    if (tagged.t === "str") return textOf(tagged) as unknown as string[];
    return (tagged.v as readonly Tagged[]).map((key) => toKey(key) as string);
  }

  /** A lifetime; pymemcache's default is 0. */
  get ttl(): number {
    return this.tagged("expire") === undefined ? 0 : this.value("expire");
  }

  /** `None` and nothing stand for the client's default. */
  get noreply(): boolean | undefined {
    const value = this.value("noreply") ?? undefined;
    return value === undefined ? undefined : Boolean(value);
  }

  get store(): { ttl: number; noreply?: boolean; flags?: number } {
    const { ttl, noreply } = this;
    const flags = this.value<number | null | undefined>("flags") ?? undefined;
    return { ttl, noreply, flags };
  }

  /** An `int` of any size is a bigint, so that the result is one. */
  get delta(): bigint {
    const tagged = this.tagged("value") as Tagged;
    return tagged.t === "int" ? BigInt(String(tagged.v)) : this.value("value");
  }

  /** Text of an argument that is text or bytes, else its value. */
  text<T>(name: string): T {
    const tagged = this.tagged(name);
    return (tagged?.t === "bytes" ? textOf(tagged) : this.value(name)) as T;
  }
}

const STORE = ["key", "value", "expire", "noreply", "flags"];

/** pymemcache's parameters, in their order. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  get: ["key", "default"],
  gets: ["key", "default", "cas_default"],
  gat: ["key", "expire", "default"],
  gats: ["key", "expire", "default", "cas_default"],
  get_many: ["keys"],
  get_multi: ["keys"],
  gets_many: ["keys"],
  set: STORE,
  add: STORE,
  replace: STORE,
  append: STORE,
  prepend: STORE,
  cas: ["key", "value", "cas", "expire", "noreply", "flags"],
  set_many: ["values", "expire", "noreply", "flags"],
  set_multi: ["values", "expire", "noreply", "flags"],
  delete: ["key", "noreply"],
  delete_many: ["keys", "noreply"],
  delete_multi: ["keys", "noreply"],
  incr: ["key", "value", "noreply"],
  decr: ["key", "value", "noreply"],
  touch: ["key", "expire", "noreply"],
  flush_all: ["delay", "noreply"],
  cache_memlimit: ["memlimit"],
  version: [],
  quit: [],
  shutdown: ["graceful"],
  close: [],
  raw_command: ["command", "end_tokens"],
  __getitem__: ["key"],
  __setitem__: ["key", "value"],
};

interface Versioned {
  readonly value: unknown;
  readonly cas: bigint;
}

/** pymemcache's pair of a value and a CAS unique; ours takes no defaults. */
function pair(item: Versioned | undefined, given: Given): unknown[] {
  return item === undefined
    ? [given.value("default"), given.value("cas_default")]
    : [item.value, bytes(String(item.cas))];
}

/** The entries of a dict, whose keys may be bytes. */
function entries(tagged: Tagged): Array<[string, unknown]> {
  return (tagged.v as ReadonlyArray<readonly [Tagged, Tagged]>)
    .map(([key, value]) => [toKey(key) as string, toOurs(value)]);
}

/**
 * Calls what pymemcache's method is here.
 *
 * @returns What pymemcache's method would return.
 */
export async function call(client: AnyClient, step: Step): Promise<unknown> {
  const { method } = step;
  if (method === "parse_server") {
    return parseServer(toOurs(step.args[0]) as string).name;
  }
  if (method === "stats") {
    const words = step.args.map((arg) => toOurs(arg) as string);
    if (!(client instanceof HashClient)) {
      return plainStats(await client.stats(...words));
    }
    const all = [...await client.stats(...words)];
    return all.map(([server, stats]) => [server, plainStats(stats)]);
  }
  const names = PARAMETERS[method];
  if (names === undefined) throw new Error(`Cannot translate ${method}`);
  const given = new Given(step, names);
  const { noreply } = given;
  switch (method) {
    case "get":
      return await client.get(given.key, { default: given.value("default") });
    case "__getitem__":
      return await new StrictClient(client).get(given.key);
    case "gets":
      return pair(await client.gets(given.key), given);
    case "gat":
      return await client.gat(given.key, given.ttl, {
        default: given.value("default"),
      });
    case "gats":
      return pair(await client.gats(given.key, given.ttl), given);
    case "get_many":
    case "get_multi":
      return await client.getMany(given.keys);
    case "gets_many": {
      const items = await client.getsMany(given.keys);
      return new Map([...items].map(([key, item]) => [key, pair(item, given)]));
    }
    case "set":
    case "add":
    case "replace":
    case "append":
    case "prepend":
      return await client[method](given.key, given.value("value"), given.store);
    case "__setitem__":
      return void await client.set(given.key, given.value("value"));
    case "cas":
      return await client.cas(
        given.key,
        given.value("value"),
        given.text("cas"),
        given.store,
      );
    case "set_many":
    case "set_multi":
      return await client.setMany(
        entries(given.tagged("values") as Tagged),
        given.store,
      );
    case "delete":
      return await client.delete(given.key, { noreply });
    case "delete_many":
    case "delete_multi":
      return await client.deleteMany(given.keys, { noreply });
    case "incr":
    case "decr":
      return await client[method](given.key, given.delta, { noreply });
    case "touch":
      return await client.touch(given.key, given.ttl, { noreply });
    case "flush_all": {
      const delay = given.value<number>("delay") ?? 0;
      const done = await client.flushAll({ delay, noreply });
      // For many servers pymemcache returns nothing.
      return done instanceof Map ? undefined : done;
    }
    case "version": {
      const version = await client.version();
      return bytes(version instanceof Map ? only(version) : version);
    }
    case "quit":
      await client.quit();
      return undefined;
    case "close":
      return await client.disconnect();
  }
  if (client instanceof HashClient) {
    throw new Error(`Cannot translate ${method} of HashClient`);
  }
  switch (method) {
    case "cache_memlimit":
      return await client.cacheMemlimit(given.value("memlimit"));
    case "shutdown":
      return await client.shutdown({ graceful: given.value("graceful") });
    default:
      return await client.rawCommand(given.text("command"), {
        endToken: given.text<string | null>("end_tokens") ?? undefined,
      });
  }
}

/** The only value of a map. */
function only<T>(values: ReadonlyMap<string, T>): T {
  const [value, ...others] = values.values();
  if (others.length > 0) throw new Error(`${others.length} more`);
  return value;
}

/** Statistics as pymemcache has them: text is bytes. */
function plainStats(stats: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(stats).map(([name, value]) => [
      name,
      typeof value === "string" ? bytes(utf8Text(value)) : value,
    ]),
  );
}
