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
  type Retry,
  RetryingClient,
  type RetryOptions,
  type ServerCommands,
  StrictClient,
} from "@x/memcache";
import { FakeTime } from "../_fake_time.ts";
import { test } from "../_runtime.ts";
import { scripted, type ScriptedClient } from "../_scripted_client.ts";
import { outcome, rejects } from "../conformance/stage.ts";

type Failure = new (
  message?: string,
  options?: MemcacheErrorOptions,
) => MemcacheError;

function lost(): MemcacheError {
  return new MemcacheUnexpectedCloseError("lost", { sent: true });
}

function unsent(): MemcacheError {
  return new MemcacheConnectionError("refused", { sent: false });
}

/** What a call came to: its result, or `!` and what it rejected with. */
async function tried(call: Promise<unknown>): Promise<unknown> {
  return await outcome(call).catch((error) => `!${error}`);
}

function over(
  options: RetryOptions,
  ...answers: unknown[]
): ScriptedClient & { retrying: RetryingClient<KeyCommands & ServerCommands> } {
  const script = scripted(...answers);
  return { ...script, retrying: new RetryingClient(script.client, options) };
}

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

test("RetryingClient makes `attempts` attempts", async () => {
  const errors = Array.from(
    { length: 6 },
    (_, i) => new MemcacheConnectionError(`failure ${i + 1}`),
  );
  for (const attempts of [undefined, 1, 2, 3, 5]) {
    const { retrying, calls } = over({ attempts }, ...errors);
    const expected = attempts ?? 2;
    const error = await tried(retrying.get("key"));
    assertEquals(error, `!MemcacheConnectionError: failure ${expected}`);
    assertEquals(calls.length, expected);
  }
  const { retrying, calls } = over({ attempts: 5 }, ...errors.slice(3), 7);
  assertEquals(await retrying.get("key"), 7);
  assertEquals(calls.length, 4);
});

test("RetryingClient waits between attempts", () =>
  FakeTime.with(async (time) => {
    const asked: number[] = [];
    const delays: [RetryOptions["retryDelay"], number[]][] = [
      [undefined, [0, 0]],
      [0, [0, 0]],
      [250, [250, 250]],
      [(attempt) => {
        asked.push(attempt);
        return attempt * 10;
      }, [10, 20]],
    ];
    for (const [retryDelay, expected] of delays) {
      const retries: number[] = [];
      const { retrying, calls } = over(
        {
          attempts: 3,
          retryDelay,
          onRetry: (retry) => retries.push(retry.delay),
        },
        lost(),
        lost(),
        "value",
      );
      const start = time.now;
      const call = tried(retrying.get("key"));
      const at: number[] = [];
      for (let i = 0; i < 3; i++) {
        await time.settle();
        if (time.timers > 0) {
          assertEquals(time.next, expected[calls.length - 1]);
          await time.tick(expected[calls.length - 1] - 1);
          const before = calls.length;
          await time.tick(1);
          assertEquals(calls.length, before + 1);
        }
        at.push(time.now - start);
      }
      assertEquals(await call, "value");
      assertEquals(retries, expected);
      assertEquals(at.at(-1), expected[0] + expected[1]);
    }
    assertEquals(asked, [1, 2]);
  }));

test("RetryingClient refuses a retryDelay that gives no delay", async () => {
  for (const bad of [NaN, -1, Infinity, undefined, "5"]) {
    const { retrying, calls } = over(
      { retryDelay: () => bad as number },
      lost(),
    );
    const error = await rejects(
      () => retrying.get("key"),
      MemcacheIllegalInputError,
    );
    assertEquals(String(error.cause), String(lost()));
    assertEquals(calls.length, 1);
  }
  const thrown = new RangeError("mine");
  const { retrying } = over({
    retryDelay: () => {
      throw thrown;
    },
  }, lost());
  assertStrictEquals(
    await rejects(() => retrying.get("k"), RangeError),
    thrown,
  );
});

test("RetryingClient takes the timeout of a call for all its attempts", () =>
  FakeTime.with(async (time) => {
    // Each attempt takes 30 ms.
    const slow = () => {
      time.now += 30;
      return lost();
    };
    const { retrying, calls } = over(
      { attempts: 9, retryDelay: 50 },
      ...[slow, slow, slow, slow],
    );
    const options = { timeout: 200, default: 5 };
    const call = tried(retrying.get("key", options));
    await time.tick(1000);
    // At 0, 80 and 160; the next would be at 240.
    assertEquals(await call, `!${lost()}`);
    assertEquals(calls.map(({ args }) => args), [
      ["key", { timeout: 200, default: 5 }],
      ["key", { timeout: 120, default: 5 }],
      ["key", { timeout: 40, default: 5 }],
    ]);
    assertStrictEquals(calls[0].args[1], options);
    assertEquals(options, { timeout: 200, default: 5 });
  }));

test("RetryingClient fails at once when the next attempt would be too late", () =>
  FakeTime.with(async (time) => {
    for (const [timeout, waits] of [[50, false], [51, true]] as const) {
      const { retrying } = over({ retryDelay: 50 }, lost());
      let settled = false;
      const call = tried(retrying.get("key", { timeout }))
        .finally(() => settled = true);
      await time.settle();
      assertEquals(settled, !waits);
      await time.tick(50);
      assertEquals(await call, waits ? undefined : `!${lost()}`);
    }
    // A timer that rings late: no time is left, and 0 would mean no limit.
    const { retrying, calls } = over({ retryDelay: 50 }, lost());
    const call = tried(retrying.get("key", { timeout: 60 }));
    await time.settle();
    time.now += 70;
    await time.tick(0);
    assertEquals(await call, `!${lost()}`);
    assertEquals(calls.length, 1);
  }));

test("RetryingClient leaves options alone that set no deadline", async () => {
  const given = [undefined, {}, { timeout: 0 }, { noreply: false }];
  for (const options of given) {
    const { retrying, calls } = over({}, lost());
    await retrying.set("key", 1, options);
    assertEquals(calls.length, 2);
    for (const { args } of calls) {
      assertEquals(args.length, 3);
      assertStrictEquals(args[2], options);
    }
  }
});

test("RetryingClient ends with the reason of an abort", () =>
  FakeTime.with(async (time) => {
    const reason = new Error("enough");
    // Between two attempts.
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = over({ retryDelay: 1000 }, lost());
    const call = rejects(() => waiting.retrying.get("key", { signal }), Error);
    await time.tick(999);
    assertEquals(time.timers, 1);
    controller.abort(reason);
    assertStrictEquals(await call, reason);
    assertEquals(time.timers, 0);
    assertEquals(waiting.calls.length, 1);

    // During an attempt, whatever the attempt then fails with.
    for (const failure of [reason, lost(), unsent()]) {
      const controller = new AbortController();
      const { retrying, calls } = over({ attempts: 3 }, () => {
        controller.abort(reason);
        return failure;
      });
      const call = retrying.get("key", { signal: controller.signal });
      assertStrictEquals(await rejects(() => call, Error), reason);
      assertEquals(calls.length, 1);
    }

    // A reason that looks like an error which may be gone the next time.
    const timedOut = new MemcacheTimeoutError("not ours", { sent: false });
    const own = new AbortController();
    own.abort(timedOut);
    const { retrying, calls } = over({}, timedOut);
    const error = await rejects(
      () => retrying.get("key", { signal: own.signal }),
      MemcacheTimeoutError,
    );
    assertStrictEquals(error, timedOut);
    assertEquals(calls.length, 1);
  }));

test("RetryingClient leaves no listener on a signal", () =>
  FakeTime.with(async (time) => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: unknown[]) => {
      listeners++;
      Reflect.apply(addEventListener, signal, args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      listeners--;
      Reflect.apply(removeEventListener, signal, args);
    };
    const { retrying } = over(
      { attempts: 3, retryDelay: 5 },
      ...[lost(), lost(), "value"],
    );
    const call = retrying.get("key", { signal });
    await time.tick(4);
    assertEquals(listeners, 1);
    await time.tick(10);
    assertEquals(await call, "value");
    assertEquals(listeners, 0);
  }));

test("RetryingClient.close() ends the waits between attempts", () =>
  FakeTime.with(async (time) => {
    for (const end of ["close", Symbol.asyncDispose] as const) {
      const closed = new MemcacheError("closed", { code: "ERR_CLIENT_CLOSED" });
      const { retrying, calls } = over(
        { retryDelay: 10_000, attempts: 9 },
        ...[lost(), lost(), undefined, closed, closed],
      );
      const waiting = [tried(retrying.get("a")), tried(retrying.get("b"))];
      await time.settle();
      assertEquals(time.timers, 2);
      await retrying[end]();
      assertEquals(await Promise.all(waiting), [`!${closed}`, `!${closed}`]);
      assertEquals(calls.map(({ method }) => method), [
        ...["get", "get", "close", "get", "get"],
      ]);
    }
  }));

test("RetryingClient.disconnect() fails what is pending", () =>
  FakeTime.with(async (time) => {
    let fail = (_error: Error): void => {};
    const { retrying, calls } = over(
      { retryDelay: 10_000, attempts: 9 },
      ...[lost(), () => new Promise((_, reject) => fail = reject), undefined],
      ...[lost(), "value"],
    );
    const waiting = tried(retrying.get("a"));
    await time.settle();
    const running = tried(retrying.get("b"));
    assertEquals(time.timers, 1);
    await retrying.disconnect();
    fail(lost());
    assertEquals([await waiting, await running], [`!${lost()}`, `!${lost()}`]);
    assertEquals(time.timers, 0);
    assertEquals(calls.map(({ args: [key] }) => key), ["a", "b", undefined]);

    // What begins later is attempted again.
    const later = tried(retrying.get("c"));
    await time.tick(10_000);
    assertEquals(await later, "value");
  }));

test("RetryingClient keeps retries below their share of the calls", () =>
  FakeTime.with(async (time) => {
    const outage = async (options: RetryOptions, calls: number) => {
      const script = scripted();
      let attempts = 0;
      script.client.get = () => {
        attempts++;
        return Promise.reject(lost());
      };
      const retrying = new RetryingClient(script.client, options);
      const batch = async (count: number) => {
        attempts = 0;
        for (let i = 0; i < count; i++) await tried(retrying.get("key"));
        return attempts - count;
      };
      return { first: await batch(calls), batch };
    };
    // 100 are there at first, and each call brings 0.2.
    const usual = await outage({}, 100);
    assertEquals(usual.first, 100);
    const rest = await usual.batch(1000);
    assert(Math.abs(rest - 220) <= 1, `${rest}`);
    const few = await usual.batch(10);
    assert(few === 2 || few === 3, `${few}`);
    // 10 a second come by themselves, up to 100.
    await time.tick(1000);
    const refilled = await usual.batch(20);
    assert(Math.abs(refilled - 14) <= 1, `${refilled}`);
    await time.tick(3_600_000);
    const full = await usual.batch(400);
    assert(Math.abs(full - 180) <= 1, `${full}`);

    const none = await outage({ retryBudget: 0 }, 500);
    assertEquals(none.first, 100);
    const all = await outage({ retryBudget: Infinity, attempts: 4 }, 500);
    assertEquals(all.first, 1500);
    const one = await outage({ retryBudget: 1 }, 500);
    assertEquals(one.first, 500);
  }));

test("RetryingClient tells onRetry of every retry", async () => {
  const retries: Retry[] = [];
  const errors = [lost(), unsent()];
  const { retrying } = over(
    {
      attempts: 3,
      retryDelay: (attempt) => attempt - 1,
      onRetry: (retry) => {
        retries.push(retry);
        throw new Error("ignored");
      },
    },
    ...errors,
    true,
    lost(),
  );
  assertEquals(await retrying.set("key", 1), true);
  await tried(retrying.add("key", 1));
  assertEquals(retries, [
    { method: "set", attempt: 1, delay: 0, error: errors[0] },
    { method: "set", attempt: 2, delay: 1, error: errors[1] },
  ]);
});

test("RetryingClient rejects where a client throws", async () => {
  const { retrying, calls } = over({}, () => {
    throw new TypeError("at once");
  }, () => {
    throw unsent();
  }, "value");
  assertEquals(await tried(retrying.get("key")), "!TypeError: at once");
  assertEquals(await tried(retrying.get("key")), "value");
  assertEquals(calls.length, 3);
});
