import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  type Key,
  type KeyCommands,
  type MemcacheError,
  MemcacheIllegalInputError,
  MemcacheUnexpectedCloseError,
  RetryingClient,
  type RetryOptions,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { scripted, type ScriptedClient } from "../_scripted_client.ts";
import { rejects } from "../conformance/stage.ts";

/** A loss that says which keys it was about. */
function lost(...failedKeys: string[]): MemcacheError {
  const error = new MemcacheUnexpectedCloseError("lost", { sent: true });
  error.failedKeys = failedKeys;
  return error;
}

function over(
  options: RetryOptions,
  ...answers: unknown[]
): ScriptedClient & { retrying: RetryingClient<KeyCommands> } {
  const script = scripted(...answers);
  return { ...script, retrying: new RetryingClient(script.client, options) };
}

/** What the calls were given as keys or entries. */
function given({ calls }: ScriptedClient): unknown[] {
  return calls.map(({ args }) => args[0]);
}

test("RetryingClient stores again what was not stored", async () => {
  const options = { ttl: 60 };
  const pairs: [Key, unknown][] = [
    ["a", 1],
    [["route", "b"], 2],
    ["c", 3],
    ["b", 4],
    ["d", 5],
  ];
  const script = over({ attempts: 3 }, lost("b", "d"), lost("d"), ["d"]);
  assertEquals(await script.retrying.setMany(pairs, options), ["d"]);
  assertEquals(given(script), [
    pairs,
    [pairs[1], pairs[3], pairs[4]],
    [pairs[4]],
  ]);
  for (const { method, args } of script.calls) {
    assertEquals(method, "setMany");
    assertStrictEquals(args[1], options);
  }
});

test("RetryingClient stores again what an object or a generator gave", async () => {
  const object = over({}, lost("b"), []);
  assertEquals(await object.retrying.setMany({ a: 1, b: 2 }), []);
  assertEquals(given(object), [[["a", 1], ["b", 2]], [["b", 2]]]);

  function* pairs(): Generator<[string, number]> {
    yield ["a", 1];
    yield ["b", 2];
  }
  const generator = over({}, lost("a", "b"), []);
  assertEquals(await generator.retrying.setMany(pairs()), []);
  const both = [["a", 1], ["b", 2]];
  assertEquals(given(generator), [both, both]);
});

test("RetryingClient deletes again what was not deleted", async () => {
  const script = over({}, lost("b", "c"), true);
  const keys: Set<Key> = new Set(["a", "b", ["r", "c"]]);
  assertEquals(await script.retrying.deleteMany(keys), true);
  assertEquals(given(script), [["a", "b", ["r", "c"]], ["b", ["r", "c"]]]);
});

/** A loss that brings what had arrived. */
function partly(
  values: Record<string, unknown>,
  ...failedKeys: string[]
): MemcacheError {
  const error = lost(...failedKeys);
  error.values = new Map(Object.entries(values));
  return error;
}

test("RetryingClient reads again what was not read", async () => {
  for (const method of ["getMany", "getsMany"] as const) {
    const keys: Key[] = ["a", "b", ["r", "c"], "d", "a", "miss"];
    const script = over(
      { attempts: 4 },
      partly({ d: 4, a: 1 }, "b", "c"),
      new MemcacheUnexpectedCloseError("lost"),
      partly({}, "c"),
      new Map([["c", 3]]),
    );
    const hits = await script.retrying[method](keys);
    assertEquals<unknown>([...hits], [["a", 1], ["c", 3], ["d", 4]]);
    assertEquals(given(script), [
      keys,
      ["b", ["r", "c"]],
      ["b", ["r", "c"]],
      [["r", "c"]],
    ]);
  }
});

test("RetryingClient tells in the end what was read", async () => {
  const script = over({}, partly({ b: 2 }, "a", "c"), partly({ a: 1 }, "c"));
  const error = await rejects(
    () => script.retrying.getMany(["a", "b", "c"]),
    MemcacheUnexpectedCloseError,
    { failedKeys: ["c"] },
  );
  assertEquals([...error.values ?? []], [["a", 1], ["b", 2]]);

  // An attempt that failed as a whole, without naming any.
  const whole = new MemcacheUnexpectedCloseError("lost");
  const other = over({}, partly({ b: 2 }, "a", "c"), whole);
  await rejects(
    () => other.retrying.getMany(["a", "b", "c"]),
    MemcacheUnexpectedCloseError,
    { failedKeys: ["a", "c"] },
  );
  assertEquals([...whole.values ?? []], [["b", 2]]);

  const nothing = new MemcacheUnexpectedCloseError("lost");
  const first = over({ attempts: 1 }, nothing);
  await rejects(() => first.retrying.getMany(["a"]), Error);
  assertEquals("values" in nothing || "failedKeys" in nothing, false);
});

test("RetryingClient tells in the end which keys failed", async () => {
  const last = lost("c");
  const script = over({}, lost("b", "c"), last);
  const error = await rejects(
    () => script.retrying.deleteMany(["a", "b", "c"]),
    MemcacheUnexpectedCloseError,
    { failedKeys: ["c"] },
  );
  assertStrictEquals(error, last);

  // An attempt that failed as a whole, without naming any.
  const whole = new MemcacheUnexpectedCloseError("lost");
  for (const method of ["setMany", "deleteMany"] as const) {
    const { retrying } = over({}, lost("b", "c"), whole);
    const call = method === "setMany"
      ? retrying.setMany({ a: 1, b: 2, c: 3 })
      : retrying.deleteMany(["a", "b", "c"]);
    await rejects(() => call, MemcacheUnexpectedCloseError, {
      failedKeys: ["b", "c"],
    });
  }
});

test("RetryingClient repeats all of it when no keys are named", async () => {
  const whole = new MemcacheUnexpectedCloseError("lost");
  const stores = over({}, whole, []);
  await stores.retrying.setMany([["a", 1], ["b", 2]]);
  assertEquals(given(stores), [[["a", 1], ["b", 2]], [["a", 1], ["b", 2]]]);

  function* keys(): Generator<string> {
    yield "a";
    yield "b";
  }
  for (const method of ["getMany", "getsMany", "deleteMany"] as const) {
    const script = over({}, whole, true);
    assertEquals<unknown>(await script.retrying[method](keys()), true);
    assertEquals(given(script), [["a", "b"], ["a", "b"]]);
  }
});

test("RetryingClient leaves it to the client to refuse what is no list", async () => {
  const refusal = new MemcacheIllegalInputError("no list", { sent: false });
  for (const bad of [undefined, null, 5, "key", Symbol.iterator]) {
    // No type would let these through.
    const keys = bad as unknown as Iterable<string>;
    for (const method of ["getMany", "deleteMany", "setMany"] as const) {
      const script = over({}, refusal);
      const call = method === "setMany"
        ? script.retrying.setMany(keys as Iterable<never>)
        : script.retrying[method](keys);
      await rejects(() => call, MemcacheIllegalInputError);
      assertEquals(given(script), [bad]);
    }
  }
});

test("RetryingClient rejects with what an iterable throws", async () => {
  const broken: Iterable<never> = {
    [Symbol.iterator]: () => {
      throw new TypeError("broken");
    },
  };
  const { retrying, calls } = over({});
  for (const method of ["getMany", "deleteMany", "setMany"] as const) {
    await rejects(() => retrying[method](broken), TypeError);
  }
  assertEquals(calls, []);
});
