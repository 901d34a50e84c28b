import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Client,
  type CommandOptions,
  HashClient,
  type KeyCommands,
  MemcacheAuthError,
  MemcacheClientError,
  MemcacheConnectionError,
  MemcacheError,
  type MemcacheErrorOptions,
  MemcacheIllegalInputError,
  MemcacheMissError,
  MemcacheNonNumericError,
  MemcacheNoServersError,
  MemcacheOverloadError,
  MemcacheSerdeError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
  RetryingClient,
  type RetryOptions,
  type ServerCommands,
  StrictClient,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { scripted } from "../_scripted_client.ts";
import { rejects } from "../conformance/stage.ts";
import { lost, over, tried, unsent } from "./_tried.ts";

type Failure = new (
  message?: string,
  options?: MemcacheErrorOptions,
) => MemcacheError;

test("RetryingClient refuses what pymemcache refuses, and more", () => {
  const client = scripted().client;
  const refused = (options: unknown, about: string): string => {
    const error = assertThrows(
      // No type would let these through.
      () => new RetryingClient(client, options as RetryOptions),
      MemcacheIllegalInputError,
      `Cannot use option ${about}: `,
    );
    assertEquals([error.sent, error.code], [false, "ERR_ILLEGAL_INPUT"]);
    assert(!error.message.endsWith("."), error.message);
    return error.message;
  };
  const bad: Record<string, unknown[]> = {
    attempts: [0, -1, 1.5, NaN, Infinity, "2", null],
    retryDelay: [-1, NaN, Infinity, 2 ** 31, "1", null, {}],
    retryFor: [
      ...["all", Error, { length: 0 }, new Set([Error]), [Map], [null]],
      ...[["MemcacheError"], [new Error()]],
    ],
    doNotRetryFor: [MemcacheError, [() => {}], [Error, undefined]],
    retryUnsafe: [1, "yes", null],
    retryBudget: [-0.1, NaN, "1", null],
    onRetry: [1, {}, null],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) refused({ [name]: value }, name);
  }
  for (const value of [null, 5]) refused(value, "options");
  const both = refused({
    retryFor: [MemcacheTimeoutError, MemcacheServerError],
    doNotRetryFor: [MemcacheClientError, MemcacheServerError],
  }, "retryFor");
  assert(both.includes("MemcacheServerError"), both);
  // A class below one of the other list is fine.
  new RetryingClient(client, {
    attempts: 1,
    retryDelay: 2 ** 31 - 1,
    retryFor: [Error, MemcacheServerError],
    doNotRetryFor: [MemcacheUnexpectedCloseError],
    retryBudget: Infinity,
  });
  new RetryingClient(client, { retryFor: [], doNotRetryFor: undefined });
});

test("RetryingClient copies its lists", async () => {
  const retryFor = [MemcacheTimeoutError];
  const { retrying, calls } = over({ retryFor }, lost());
  retryFor[0] = MemcacheUnexpectedCloseError;
  assertEquals(await tried(retrying.get("key")), `!${lost()}`);
  assertEquals(calls.length, 1);
});

/** Errors, and whether a get is attempted again after them by default. */
const ERRORS: ReadonlyArray<
  [class_: Failure, retried: boolean, options?: MemcacheErrorOptions]
> = [
  [MemcacheConnectionError, true],
  [MemcacheConnectionError, true, { code: "ERR_TOO_MANY_CONNECTIONS" }],
  [MemcacheUnexpectedCloseError, true],
  [MemcacheServerError, true],
  [MemcacheServerError, false, { code: "ERR_VALUE_REFUSED" }],
  [MemcacheTimeoutError, true],
  [MemcacheUnknownError, true],
  [MemcacheNoServersError, true],
  [MemcacheAuthError, false],
  [MemcacheOverloadError, false],
  [MemcacheClientError, false],
  [MemcacheIllegalInputError, false],
  [MemcacheUnknownCommandError, false],
  [MemcacheNonNumericError, false],
  [MemcacheSerdeError, false],
  [MemcacheMissError, false],
  [MemcacheError, false],
  [MemcacheError, false, { code: "ERR_CLIENT_CLOSED" }],
];

test("RetryingClient attempts again after errors that may be gone", async () => {
  for (const [Class, retried, options] of ERRORS) {
    const about = `${Class.name} ${options?.code}`;
    const error = new Class("message", { sent: false, ...options });
    const { retrying, calls } = over({}, error, "value");
    const [result] = await Promise.allSettled([retrying.get("key")]);
    assertEquals(result.status, retried ? "fulfilled" : "rejected", about);
    assertEquals(calls.length, retried ? 2 : 1, about);
    if (result.status === "rejected") {
      assertStrictEquals(result.reason, error, about);
    }
  }
  const { retrying, calls } = over({}, new TypeError("other"));
  assertEquals(await tried(retrying.get("key")), "!TypeError: other");
  assertEquals(calls.length, 1);
});

/** Lists, an error, and whether a get is attempted again after it. */
const LISTS: ReadonlyArray<
  [options: RetryOptions, error: Error, retried: boolean]
> = [
  [{ retryFor: [] }, lost(), true],
  [{ retryFor: [] }, new MemcacheSerdeError("x"), false],
  [{ retryFor: [MemcacheSerdeError] }, new MemcacheSerdeError("x"), true],
  [{ retryFor: [MemcacheSerdeError] }, lost(), false],
  [{ retryFor: [MemcacheServerError] }, lost(), true],
  [{ retryFor: [Error] }, new RangeError("x"), true],
  [{ retryFor: [TypeError] }, new RangeError("x"), false],
  [{ doNotRetryFor: [MemcacheServerError] }, lost(), false],
  [{ doNotRetryFor: [MemcacheTimeoutError] }, lost(), true],
  [{ doNotRetryFor: [TypeError] }, new RangeError("x"), false],
  [
    {
      retryFor: [MemcacheServerError],
      doNotRetryFor: [MemcacheUnexpectedCloseError],
    },
    lost(),
    false,
  ],
  [
    { retryFor: [MemcacheError] },
    new MemcacheError("closed", { code: "ERR_CLIENT_CLOSED" }),
    false,
  ],
  [
    { retryFor: [MemcacheServerError] },
    new MemcacheServerError("large", { code: "ERR_VALUE_REFUSED" }),
    true,
  ],
];

test("RetryingClient goes by retryFor and doNotRetryFor", async () => {
  for (const [index, [options, error, retried]] of LISTS.entries()) {
    const { retrying, calls } = over(options, error, "value");
    await tried(retrying.get("key"));
    assertEquals(calls.length, retried ? 2 : 1, `list ${index}`);
  }
});

type Tried = RetryingClient<KeyCommands & ServerCommands>;

type OptionsOf = CommandOptions & { noreply?: boolean };

/** Every command, and whether it is attempted again when it may have been sent. */
const COMMANDS: Record<
  string,
  [repeated: boolean, call: (c: Tried, o?: OptionsOf) => Promise<unknown>]
> = {
  get: [true, (c, o) => c.get("k", o)],
  getItem: [true, (c, o) => c.getItem("k", o)],
  getMany: [true, (c, o) => c.getMany(["k"], o)],
  gets: [true, (c, o) => c.gets("k", o)],
  getsMany: [true, (c, o) => c.getsMany(["k"], o)],
  gat: [true, (c, o) => c.gat("k", 60, o)],
  gats: [true, (c, o) => c.gats("k", 60, o)],
  has: [true, (c, o) => c.has("k", o)],
  set: [true, (c, o) => c.set("k", 1, o)],
  add: [false, (c, o) => c.add("k", 1, o)],
  replace: [true, (c, o) => c.replace("k", 1, o)],
  append: [false, (c, o) => c.append("k", "1", o)],
  prepend: [false, (c, o) => c.prepend("k", "1", o)],
  cas: [false, (c, o) => c.cas("k", 1, 1n, o)],
  setMany: [true, (c, o) => c.setMany([["k", 1]], o)],
  delete: [true, (c, o) => c.delete("k", o)],
  deleteMany: [true, (c, o) => c.deleteMany(["k"], o)],
  incr: [false, (c, o) => c.incr("k", 1, o)],
  decr: [false, (c, o) => c.decr("k", 1, o)],
  touch: [true, (c, o) => c.touch("k", 60, o)],
  stats: [true, (c) => c.stats()],
  statsSettings: [true, (c, o) => c.statsSettings(o)],
  statsItems: [true, (c, o) => c.statsItems(o)],
  statsSlabs: [true, (c, o) => c.statsSlabs(o)],
  statsSizes: [true, (c, o) => c.statsSizes(o)],
  statsConns: [true, (c, o) => c.statsConns(o)],
  version: [true, (c, o) => c.version(o)],
  flushAll: [true, (c, o) => c.flushAll(o)],
  verbosity: [true, (c, o) => c.verbosity(1, o)],
  cacheMemlimit: [true, (c, o) => c.cacheMemlimit(64, o)],
  rawCommand: [false, (c, o) => c.rawCommand("mn", o)],
  shutdown: [false, (c, o) => c.shutdown(o)],
};

test("RetryingClient repeats only what does no harm twice", async () => {
  for (const [name, [repeated, call]] of Object.entries(COMMANDS)) {
    const cases: [RetryOptions, Error, OptionsOf | undefined, boolean][] = [
      [{}, lost(), undefined, repeated],
      // What is not known may have been.
      [{}, new MemcacheTimeoutError("late"), undefined, repeated],
      [{}, unsent(), undefined, true],
      [{ retryUnsafe: true }, lost(), undefined, true],
      [{}, lost(), { noreply: true }, repeated && name === "stats"],
      [{}, unsent(), { noreply: true }, true],
      [{ retryUnsafe: true }, lost(), { noreply: true }, true],
      [{ retryUnsafe: true }, new MemcacheSerdeError("x"), undefined, false],
    ];
    for (const [index, [options, error, given, again]] of cases.entries()) {
      const { retrying, calls } = over(options, error);
      const result = await tried(call(retrying, given));
      const about = `${name}, case ${index}`;
      assertEquals(calls.length, again ? 2 : 1, about);
      assertEquals(result, again ? undefined : `!${error}`, about);
      assertEquals(calls[0], { method: name, args: calls[0].args }, about);
      assertEquals(calls.at(-1), calls[0], about);
    }
  }
});

test("RetryingClient looks at the errors of all servers", async () => {
  const several = (...errors: MemcacheError[]): MemcacheError => {
    const error = new MemcacheServerError("2 servers failed", { sent: false });
    error.errors = errors;
    return error;
  };
  const cases: [MemcacheError, boolean][] = [
    [several(new MemcacheSerdeError("x"), lost()), true],
    [several(new MemcacheSerdeError("x"), new MemcacheAuthError("x")), false],
    [several(unsent(), unsent()), true],
  ];
  for (const [error, again] of cases) {
    const { retrying, calls } = over({}, error);
    await tried(retrying.getMany(["a", "b"]));
    assertEquals(calls.length, again ? 2 : 1);
  }
  const { retrying, calls } = over(
    { doNotRetryFor: [MemcacheConnectionError] },
    several(unsent(), unsent()),
  );
  await tried(retrying.getMany(["a", "b"]));
  assertEquals(calls.length, 1);
});

test("RetryingClient repeats nothing that some servers have carried out", async () => {
  for (const name of ["rawCommand", "shutdown", "version"]) {
    const [repeated, call] = COMMANDS[name];
    const error = unsent();
    error.results = new Map([["a:1", undefined]]);
    const { retrying, calls } = over({}, error);
    await tried(call(retrying));
    assertEquals(calls.length, repeated ? 2 : 1, name);
    error.results = new Map();
    const other = over({}, error);
    await tried(call(other.retrying));
    assertEquals(other.calls.length, 2, name);
  }
});

test("RetryingClient tells that a command was sent, whichever attempt did it", async () => {
  const told = async (options: RetryOptions, ...errors: MemcacheError[]) => {
    const { retrying, calls } = over({ retryDelay: 0, ...options }, ...errors);
    const error = await rejects(() => retrying.set("a", 1), MemcacheError);
    assertEquals(calls.length, errors.length);
    return error.sent;
  };
  assertEquals(await told({ attempts: 3 }, lost(), unsent(), unsent()), true);
  assertEquals(await told({ attempts: 3 }, unsent(), lost(), unsent()), true);
  assertEquals(await told({ attempts: 2 }, unsent(), unsent()), false);
  assertEquals(await told({ attempts: 2 }, unsent(), lost()), true);
});

test("RetryingClient hands over what is no command as it is", async () => {
  for (const name of ["quit", "disconnect", "close"] as const) {
    const { retrying, calls } = over({ retryUnsafe: true }, unsent());
    await rejects(() => retrying[name](), MemcacheConnectionError);
    assertEquals(calls, [{ method: name, args: [] }]);
  }
  class More extends Client {
    #servers = 1;
    limit = 3;
    get servers(): number {
      return this.#servers;
    }
    set servers(count: number) {
      this.#servers = count;
    }
    addServer(): number {
      return ++this.#servers;
    }
  }
  const client = new More();
  const retrying = new RetryingClient(client);
  assertStrictEquals(retrying.client, client);
  assertEquals(retrying.addServer(), 2);
  assertEquals(retrying.servers, 2);
  retrying.servers = 5;
  assertEquals([client.servers, retrying.limit], [5, 3]);
  client.limit = 4;
  assertEquals(retrying.limit, 4);
  assert(retrying instanceof RetryingClient);
  assert(!(client instanceof RetryingClient));
  assert(!("version" in new RetryingClient(new StrictClient(client))));
  assertEquals(Object.keys(retrying), []);
  await retrying.close();
});

test("RetryingClient has the types of the client that it wraps", async () => {
  const client: RetryingClient<Client> = new RetryingClient(new Client());
  const commands: KeyCommands & ServerCommands & AsyncDisposable = client;
  const typed: (key: string) => Promise<number | undefined> = (key) =>
    client.get<number>(key);
  const big: (key: string) => Promise<bigint | undefined> = (key) =>
    client.incr(key, 1n);
  const version: () => Promise<string> = client.version;
  const strict = new RetryingClient(new StrictClient(new Client()));
  const stored: (key: string) => Promise<true> = (key) => strict.set(key, 1);
  const inner: Client = strict.client.client;
  // A cluster answers for each server, and has more than commands.
  const cluster: RetryingClient<HashClient> = new RetryingClient(
    new HashClient(["a", "b"]),
  );
  const versions: () => Promise<Map<string, string>> = cluster.version;
  assertEquals(cluster.addServer("c"), true);
  assertEquals(cluster.servers.length, 3);
  assertStrictEquals(cluster.events, cluster.client.events);
  assertEquals(typeof versions, "function");
  await cluster.close();
  // @ts-expect-error a StrictClient has no commands for a server
  assertEquals(strict.version, undefined);
  const outer: StrictClient<RetryingClient<Client>> = new StrictClient(client);
  const twice: () => Promise<string> = new RetryingClient(client).version;
  for (const one of [typed, big, version, stored, commands.get, twice]) {
    assertEquals(typeof one, "function");
  }
  await inner.close();
  await outer.close();
  await strict[Symbol.asyncDispose]();
});
