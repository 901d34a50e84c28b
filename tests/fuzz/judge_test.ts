/** The judge of the fuzzer, against clients that are broken on purpose. */
import { assert, assertEquals } from "@std/assert";
import { type Client, MemcacheError, type MetaGetResult } from "@x/memcache";
import { test } from "../_runtime.ts";
import { fuzz } from "./_fuzz.ts";

/** A client with one method of another kind. */
function broken(
  method: "get" | "set" | "getMany",
  change: (result: Promise<unknown>, client: Client, key: string) => unknown,
): (client: Client) => Client {
  return (client) =>
    new Proxy(client, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== method) return value.bind(target);
        return (...args: unknown[]) =>
          change(value.apply(target, args), target, String(args[0]));
      },
    });
}

/** A client whose `meta.get` is of another kind. */
function brokenMeta(
  change: (result: MetaGetResult) => MetaGetResult,
): (client: Client) => Client {
  return (client) => {
    const meta = new Proxy(client.meta, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        if (name !== "get") return value.bind(target);
        return (...args: unknown[]) => value.apply(target, args).then(change);
      },
    });
    return new Proxy(client, {
      get: (target, name) => {
        if (name === "meta") return meta;
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
}

/** Clients that are wrong now and then, and what is to be said of them. */
const BROKEN: ReadonlyArray<
  readonly [what: string, wrap: (client: Client) => Client, fault: RegExp]
> = [
  [
    "never ends a call",
    broken("get", (result) => result.catch(() => new Promise(() => {}))),
    /has not settled/,
  ],
  [
    "hands out another's value",
    broken("get", (result, client, key) =>
      result.then((value) => {
        const [name, other] = last.get(client) ?? [key, value];
        if (value !== undefined) last.set(client, [key, value]);
        return value === undefined || name === key ? value : other;
      })),
    /gave a value/,
  ],
  [
    "says stored whatever happened",
    broken("set", (result) => result.catch(() => true)),
    /gave the answer true/,
  ],
  [
    "takes errors for misses",
    broken("get", (result) => result.catch(() => undefined)),
    /gave a miss/,
  ],
  [
    "loses hits",
    broken(
      "getMany",
      (result) =>
        result.then((hits) =>
          new Map([...hits as Map<string, unknown>].slice(1))
        ),
    ),
    /gave a miss of/,
  ],
  [
    "takes hits of the meta protocol for misses",
    brokenMeta((result) => ({ ...result, status: "miss" })),
    /gave a miss of/,
  ],
  [
    "tells another version of an item",
    brokenMeta((result) => ({ ...result, cas: (result.cas ?? 0n) + 1n })),
    /gave a value of/,
  ],
  [
    "rejects with something else",
    broken(
      "get",
      (result) => result.catch((error) => Promise.reject(String(error))),
    ),
    /rejected with/,
  ],
  [
    "fails for no reason",
    broken("set", async (result) => {
      await result;
      throw new MemcacheError("no reason");
    }),
    /rejected/,
  ],
];

const last = new WeakMap<Client, readonly [key: string, value: unknown]>();

for (const [what, wrap, fault] of BROKEN) {
  test(`fuzz() catches a client that ${what}`, async () => {
    const { failures } = await fuzz({ seed: 9, count: 1500, wrap });
    assertEquals(failures.length, 1);
    assert(fault.test(failures[0].fault), failures[0].fault);
  }, { timeout: 30_000 });
}

test("fuzz() runs one case as it runs among others", async () => {
  const all = await fuzz({ seed: 9, count: 1500, wrap: BROKEN[2][1] });
  const [{ number, fault, report }] = all.failures;
  const one = await fuzz({
    seed: 9,
    from: number,
    count: 1,
    wrap: BROKEN[2][1],
  });
  assertEquals(one.failures, [{ number, fault, report }]);
});
