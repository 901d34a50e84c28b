import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Client,
  FallbackClient,
  type Key,
  type KeyCommands,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheUnexpectedCloseError,
  RetryingClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { FakeTime } from "./_fake_time.ts";
import { needsMemcached, withMemcached } from "./_memcached.ts";
import { test } from "./_runtime.ts";
import { scripted, type ScriptedClient } from "./_scripted_client.ts";
import { rejects } from "./conformance/stage.ts";

/** Clients by script, and one around them. */
function over(
  ...answers: unknown[][]
): { client: FallbackClient; scripts: ScriptedClient[] } {
  const scripts = answers.map((list) => scripted(...list));
  const client = new FallbackClient(scripts.map(({ client }) => client));
  return { client, scripts };
}

/** The calls of each client: the method and its arguments. */
function made(scripts: readonly ScriptedClient[]): unknown[][] {
  return scripts.map(({ calls }) =>
    calls.map(({ method, args }) => [method, ...args])
  );
}

function versioned(value: unknown, cas: bigint): Record<string, unknown> {
  return { value, cas };
}

type Call = (client: FallbackClient) => Promise<unknown>;

/**
 * Reads: the call, what three clients answer, what comes of it, and what each
 * was asked; a client after the hit is asked nothing.
 */
const READS: Record<
  string,
  [call: Call, answers: unknown[][], result: unknown, asked: unknown[][]]
> = {
  "get of the first": [
    (c) => c.get("k"),
    [[1], [2], [3]],
    1,
    [[["get", "k", undefined]], [], []],
  ],
  "get of the second": [
    (c) => c.get("k"),
    [[undefined], [2], [3]],
    2,
    [[["get", "k", undefined]], [["get", "k", undefined]], []],
  ],
  "get of what is null": [
    (c) => c.get("k", { default: 5 }),
    [[null], [2]],
    null,
    [
      [["get", "k", {}]],
      [],
    ],
  ],
  "get of nothing": [(c) => c.get("k"), [[], []], undefined, [
    [["get", "k", undefined]],
    [["get", "k", undefined]],
  ]],
  "get with a default": [(c) => c.get("k", { default: 5 }), [[], []], 5, [
    [["get", "k", {}]],
    [["get", "k", {}]],
  ]],
  "get with a default and a hit": [
    (c) => c.get(["r", "k"], { default: 5, timeout: 0 }),
    [[], [2]],
    2,
    [
      [["get", ["r", "k"], { timeout: 0 }]],
      [["get", ["r", "k"], { timeout: 0 }]],
    ],
  ],
  "getItem of the first": [
    (c) => c.getItem("k"),
    [[{ key: "k", value: 1, flags: 2, cas: 7n }], []],
    { key: "k", value: 1, flags: 2, cas: 7n },
    [[["getItem", "k", undefined]], []],
  ],
  "getItem of the second": [
    (c) => c.getItem("k"),
    [[], [{ key: "k", value: 1, flags: 2, cas: 7n }]],
    { key: "k", value: 1, flags: 2, cas: 0n },
    [[["getItem", "k", undefined]], [["getItem", "k", undefined]]],
  ],
  "gets of the first": [
    (c) => c.gets("k"),
    [[versioned(1, 7n)], []],
    versioned(1, 7n),
    [[["gets", "k", undefined]], []],
  ],
  "gets of the second": [
    (c) => c.gets("k"),
    [[], [versioned(1, 7n)]],
    versioned(1, 0n),
    [[["gets", "k", undefined]], [["gets", "k", undefined]]],
  ],
  "gat of the first": [(c) => c.gat("k", 60), [[1], []], 1, [
    [["gat", "k", 60, undefined]],
    [],
  ]],
  "gat of the third": [
    (c) => c.gat("k", 60, { default: 9 }),
    [[], [], [3]],
    3,
    [[["gat", "k", 60, {}]], [["get", "k", {}]], [["get", "k", {}]]],
  ],
  "gat of nothing": [(c) => c.gat("k", 60, { default: 9 }), [[], []], 9, [
    [["gat", "k", 60, {}]],
    [["get", "k", {}]],
  ]],
  "gats of the first": [
    (c) => c.gats("k", 60),
    [[versioned(1, 7n)], []],
    versioned(1, 7n),
    [[["gats", "k", 60, undefined]], []],
  ],
  "gats of the second": [
    (c) => c.gats("k", 60),
    [[], [versioned(1, 7n)]],
    versioned(1, 0n),
    [[["gats", "k", 60, undefined]], [["gets", "k", undefined]]],
  ],
  "has of the second": [
    (c) => c.has("k"),
    [[false], [true], [true]],
    true,
    [[["has", "k", undefined]], [["has", "k", undefined]], []],
  ],
  "has of nothing": [(c) => c.has("k"), [[false], [false]], false, [
    [["has", "k", undefined]],
    [["has", "k", undefined]],
  ]],
  "getMany of all": [
    (c) => c.getMany(["a", ["r", "b"], "a", "x"]),
    [[new Map([["b", 2]])], [new Map([["a", 1]])], [new Map()]],
    new Map([["a", 1], ["b", 2]]),
    [
      [["getMany", ["a", ["r", "b"], "a", "x"], undefined]],
      [["getMany", ["a", "a", "x"], undefined]],
      [["getMany", ["x"], undefined]],
    ],
  ],
  "getMany of the first": [
    (c) => c.getMany(["a"]),
    [[new Map([["a", 1]])], []],
    new Map([["a", 1]]),
    [[["getMany", ["a"], undefined]], []],
  ],
  "getMany of what is undefined": [
    (c) => c.getMany(["a", "b"]),
    [[new Map([["a", undefined]])], [new Map([["b", undefined]])]],
    new Map([["a", undefined], ["b", undefined]]),
    [
      [["getMany", ["a", "b"], undefined]],
      [["getMany", ["b"], undefined]],
    ],
  ],
  "getsMany of all": [
    (c) => c.getsMany(new Set(["a", "b"])),
    [[new Map([["b", versioned(2, 7n)]])], [
      new Map([["a", versioned(1, 8n)]]),
    ]],
    new Map([["a", versioned(1, 0n)], ["b", versioned(2, 7n)]]),
    [
      [["getsMany", ["a", "b"], undefined]],
      [["getsMany", ["a"], undefined]],
    ],
  ],
};

test("FallbackClient reads from the first client that has it", async () => {
  for (const [title, [call, answers, result, asked]] of Object.entries(READS)) {
    const { client, scripts } = over(...answers);
    const found = await call(client);
    assertEquals(found, result, title);
    if (found instanceof Map && result instanceof Map) {
      assertEquals([...found.keys()], [...result.keys()], title);
    }
    assertEquals(made(scripts), asked, title);
  }
});

test("FallbackClient writes to the first client only", async () => {
  const options = { timeout: 5 };
  const writes: Record<string, [call: Call, args: unknown[]]> = {
    set: [(c) => c.set("k", 1, options), ["k", 1, options]],
    add: [(c) => c.add("k", 1, options), ["k", 1, options]],
    replace: [(c) => c.replace("k", 1, options), ["k", 1, options]],
    append: [(c) => c.append("k", 1, options), ["k", 1, options]],
    prepend: [(c) => c.prepend("k", 1, options), ["k", 1, options]],
    cas: [(c) => c.cas("k", 1, 7n, options), ["k", 1, 7n, options]],
    setMany: [(c) => c.setMany({ k: 1 }, options), [{ k: 1 }, options]],
    delete: [(c) => c.delete("k", options), ["k", options]],
    deleteMany: [(c) => c.deleteMany(["k"], options), [["k"], options]],
    incr: [(c) => c.incr("k", 2, options), ["k", 2, options]],
    decr: [(c) => c.decr("k", 2n, options), ["k", 2n, options]],
    touch: [(c) => c.touch("k", 60, options), ["k", 60, options]],
  };
  for (const [method, [call, args]] of Object.entries(writes)) {
    // What the first says counts, also if it is no.
    for (const answer of [true, false, undefined]) {
      const { client, scripts } = over([answer], []);
      assertEquals(await call(client), answer, method);
      assertEquals(made(scripts), [[[method, ...args]], []], method);
      assertStrictEquals(scripts[0].calls[0].args.at(-1), options);
    }
    const { client, scripts } = over([new MemcacheConnectionError("no")], []);
    await rejects(() => call(client), MemcacheConnectionError);
    assertEquals(scripts[1].calls, [], method);
  }
});

test("FallbackClient does not take an error for a miss", async () => {
  const reads: Call[] = [
    (c) => c.get("k"),
    (c) => c.getItem("k"),
    (c) => c.getMany(["k"]),
    (c) => c.gets("k"),
    (c) => c.getsMany(["k"]),
    (c) => c.gat("k", 1),
    (c) => c.gats("k", 1),
    (c) => c.has("k"),
  ];
  for (const call of reads) {
    const error = new MemcacheConnectionError("no");
    const { client, scripts } = over([error], [1]);
    assertStrictEquals(await rejects(() => call(client), Error), error);
    assertEquals(scripts[1].calls, []);
  }
});

test("FallbackClient tells what it has read before a client failed", async () => {
  const error = new MemcacheUnexpectedCloseError("lost");
  const { client } = over([new Map([["b", 2]])], [error]);
  await rejects(() => client.getMany(["a", "b", "c"]), Error, {
    failedKeys: ["a", "c"],
  });
  assertEquals(error.values, new Map([["b", 2]]));

  const partly = new MemcacheUnexpectedCloseError("lost");
  partly.failedKeys = ["c"];
  partly.values = new Map([["a", versioned(1, 8n)]]);
  const other = over([new Map([["b", versioned(2, 7n)]])], [partly]);
  await rejects(() => other.client.getsMany(["a", "b", "c"]), Error, {
    failedKeys: ["c"],
  });
  assertEquals([...partly.values], [
    ["a", versioned(1, 0n)],
    ["b", versioned(2, 7n)],
  ]);
});

test("FallbackClient takes the timeout of a call for all clients", () =>
  FakeTime.with(async (time) => {
    const slow = (answer: unknown) => () => {
      time.now += 30;
      return answer;
    };
    const { client, scripts } = over(
      [slow(undefined)],
      [slow(undefined)],
      [slow(undefined)],
    );
    const { signal } = new AbortController();
    const options = { timeout: 50, signal, default: 1 };
    assertEquals(await client.get("k", options), 1);
    assertEquals(made(scripts), [
      [["get", "k", { timeout: 50, signal }]],
      [["get", "k", { timeout: 20, signal }]],
      // No time is left, and 0 would mean no limit.
      [["get", "k", { timeout: 1, signal }]],
    ]);
    const many = over(
      [slow(new Map())],
      [slow(new Map([["k", 1]]))],
    );
    await many.client.getMany(["k"], { timeout: 50 });
    assertEquals(many.scripts[1].calls[0].args[1], { timeout: 20 });
    const none = over([slow(new Map())], [new Map()]);
    const given = { timeout: 0 };
    await none.client.getMany(["k"], given);
    assertStrictEquals(none.scripts[1].calls[0].args[1], given);
  }));

test("FallbackClient refuses what is no list of clients", () => {
  for (const bad of [[], new Set(), undefined, null, 5, "client", {}]) {
    assertThrows(
      // No type would let these through.
      () => new FallbackClient(bad as unknown as KeyCommands[]),
      MemcacheIllegalInputError,
      "Cannot use list of clients",
    );
  }
  const [a, b] = [scripted().client, scripted().client];
  const given = [a, b];
  const client = new FallbackClient(given);
  given.pop();
  assertEquals(client.clients.length, 2);
  assert(Object.isFrozen(client.clients));
  assertStrictEquals(new FallbackClient(new Set([b])).clients[0], b);
});

test("FallbackClient leaves it to the client to refuse keys", async () => {
  for (const bad of [undefined, null, 5, "key"]) {
    const refusal = new MemcacheIllegalInputError("no list");
    const { client, scripts } = over([refusal], []);
    // No type would let these through.
    const keys = bad as unknown as Iterable<Key>;
    await rejects(() => client.getMany(keys), MemcacheIllegalInputError);
    assertEquals(scripts[0].calls[0].args[0], bad);
  }
});

test("FallbackClient lets go of all clients and closes them all", async () => {
  for (const method of ["disconnect", "close"] as const) {
    const error = new TypeError("cannot");
    const { client, scripts } = over([error], [() => {
      throw new RangeError("cannot either");
    }], []);
    assertStrictEquals(await rejects(() => client[method](), Error), error);
    assertEquals(made(scripts), [[[method]], [[method]], [[method]]]);
  }
  const { client, scripts } = over([], []);
  await client[Symbol.asyncDispose]();
  assertEquals(made(scripts), [[["close"]], [["close"]]]);
});

/** A cluster that is empty, and one that is not. */
async function warm(cold: string, old: string): Promise<void> {
  const first = new Client(cold);
  const second = new Client(old);
  const client = new FallbackClient([first, second]);
  try {
    await second.setMany({ a: 1, b: 2 });
    assertEquals(await client.get("a"), 1);
    assertEquals(
      await client.getMany(["a", "b"]),
      new Map([["a", 1], ["b", 2]]),
    );
    assertEquals(await client.gat("a", 60), 1);
    assertEquals(await first.get("a"), undefined);

    // The number of the other server's item can be had here too: it is not used.
    const seen = await client.gets<number>("a");
    assertEquals(seen, { value: 1, cas: 0n });
    assertEquals(await client.cas("a", 10, 0n), undefined);
    assertEquals(await client.add("a", 10), true);
    assertEquals(await client.cas("a", 11, 0n), false);
    assertEquals(await client.get("a"), 10);
    const own = await client.gets("a");
    assertEquals(await client.cas("a", 12, own?.cas ?? 0n), true);

    // What is deleted from the first is read from the second.
    assertEquals(await client.delete("a"), true);
    assertEquals(await client.get("a"), 1);
    assertEquals(await client.incr("b"), undefined);
    assertEquals(await second.get("b"), 2);
  } finally {
    await client.close();
  }
  await rejects(() => first.get("a"), MemcacheError, {
    code: "ERR_CLIENT_CLOSED",
  });
  await rejects(() => second.get("a"), MemcacheError, {
    code: "ERR_CLIENT_CLOSED",
  });
}

test("FallbackClient warms a cluster of the embedded server", async () => {
  const servers = [
    await MemcachedServer.start(),
    await MemcachedServer.start(),
  ];
  try {
    await warm(servers[0].address, servers[1].address);
  } finally {
    for (const server of servers) await server.close();
  }
});

test(
  "FallbackClient warms a cluster of memcached",
  () =>
    withMemcached({}, (cold) =>
      withMemcached({}, async (old) => {
        await warm(cold.server, old.server);

        // Without the new one: an error, unless the client says that it is a miss.
        await cold.kill();
        const second = new Client(old.server);
        await second.set("key", "value");
        for (const errorsAsMisses of [false, true]) {
          const first = new Client(cold.server, { errorsAsMisses });
          const client = new FallbackClient([
            new RetryingClient(first),
            second,
          ]);
          if (errorsAsMisses) assertEquals(await client.get("key"), "value");
          else await rejects(() => client.get("key"), MemcacheConnectionError);
          await first.close();
        }
        await second.close();
      })),
  needsMemcached,
);
