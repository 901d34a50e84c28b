import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  Client,
  type ErrorClass,
  type KeyCommands,
  MemcacheCasError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheMissError,
  MemcacheNonNumericError,
  MemcacheNotFoundError,
  MemcacheNotStoredError,
  MemcacheNoValueError,
  RetryingClient,
  StrictClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "./_memcached.ts";
import { test, type TestOptions } from "./_runtime.ts";
import { rejects } from "./conformance/stage.ts";

type Call = (client: StrictClient, key: string) => Promise<unknown>;

/** What a missing key comes to. */
const MISSING: Record<
  string,
  [call: Call, expected: ErrorClass, code: string, command?: string]
> = {
  get: [(c, k) => c.get(k), MemcacheNoValueError, "ERR_NO_VALUE"],
  getItem: [
    (c, k) => c.getItem(k),
    MemcacheNoValueError,
    "ERR_NO_VALUE",
    "gets",
  ],
  gets: [(c, k) => c.gets(k), MemcacheNoValueError, "ERR_NO_VALUE"],
  gat: [(c, k) => c.gat(k, 60), MemcacheNoValueError, "ERR_NO_VALUE"],
  gats: [(c, k) => c.gats(k, 60), MemcacheNoValueError, "ERR_NO_VALUE"],
  replace: [
    (c, k) => c.replace(k, 1),
    MemcacheNotStoredError,
    "ERR_NOT_STORED",
  ],
  append: [
    (c, k) => c.append(k, "1"),
    MemcacheNotStoredError,
    "ERR_NOT_STORED",
  ],
  prepend: [
    (c, k) => c.prepend(k, "1"),
    MemcacheNotStoredError,
    "ERR_NOT_STORED",
  ],
  cas: [(c, k) => c.cas(k, 1, 1n), MemcacheNotFoundError, "ERR_NOT_FOUND"],
  delete: [(c, k) => c.delete(k), MemcacheNotFoundError, "ERR_NOT_FOUND"],
  touch: [(c, k) => c.touch(k, 60), MemcacheNotFoundError, "ERR_NOT_FOUND"],
  incr: [(c, k) => c.incr(k), MemcacheNotFoundError, "ERR_NOT_FOUND"],
  decr: [(c, k) => c.decr(k, 1n), MemcacheNotFoundError, "ERR_NOT_FOUND"],
  ttl: [(c, k) => c.ttl(k), MemcacheNoValueError, "ERR_NO_VALUE", "mg"],
  size: [(c, k) => c.size(k), MemcacheNoValueError, "ERR_NO_VALUE", "mg"],
  peek: [(c, k) => c.peek(k), MemcacheNoValueError, "ERR_NO_VALUE", "mg"],
  take: [(c, k) => c.take(k), MemcacheNoValueError, "ERR_NO_VALUE", "mg"],
  getAndTouch: [
    (c, k) => c.getAndTouch(k, 60),
    MemcacheNoValueError,
    "ERR_NO_VALUE",
    "gat",
  ],
  invalidate: [
    (c, k) => c.invalidate(k),
    MemcacheNotFoundError,
    "ERR_NOT_FOUND",
    "md",
  ],
};

/** What says nothing of a missing key, and what it comes to. */
const SILENT: Record<string, [call: Call, outcome: unknown]> = {
  "get with a default": [(c, k) => c.get(k, { default: 5 }), 5],
  "get with the default undefined": [
    (c, k) => c.get(k, { default: undefined }),
    undefined,
  ],
  "gat with a default": [(c, k) => c.gat(k, 60, { default: null }), null],
  "getAndTouch with a default": [
    (c, k) => c.getAndTouch(k, 60, { default: null }),
    null,
  ],
  "peek with a default": [(c, k) => c.peek(k, { default: 0 }), 0],
  "take with the default undefined": [
    (c, k) => c.take(k, { default: undefined }),
    undefined,
  ],
  "update of nothing": [(c, k) => c.update(k, () => undefined), undefined],
  update: [(c, k) => c.update(k, () => 1), 1],
  getMany: [(c, k) => c.getMany([k]), new Map()],
  getsMany: [(c, k) => c.getsMany([k]), new Map()],
  has: [(c, k) => c.has(k), false],
  deleteMany: [(c, k) => c.deleteMany([k]), true],
  "replace without reply": [
    (c, k) => c.replace(k, 1, { noreply: true }),
    true,
  ],
  "append without reply": [
    (c, k) => c.append(k, "1", { noreply: true }),
    true,
  ],
  "prepend without reply": [
    (c, k) => c.prepend(k, "1", { noreply: true }),
    true,
  ],
  "cas without reply": [(c, k) => c.cas(k, 1, 1n, { noreply: true }), true],
  "delete without reply": [(c, k) => c.delete(k, { noreply: true }), true],
  "touch without reply": [(c, k) => c.touch(k, 60, { noreply: true }), true],
  "incr without reply": [
    (c, k) => c.incr(k, 1, { noreply: true }),
    undefined,
  ],
  "decr without reply": [
    (c, k) => c.decr(k, 1, { noreply: true }),
    undefined,
  ],
  "incr with initial": [(c, k) => c.incr(k, 1, { initial: 7 }), 7],
  "decr with initial": [(c, k) => c.decr(k, 1n, { initial: 7 }), 7n],
  set: [(c, k) => c.set(k, 1), true],
  add: [(c, k) => c.add(k, 1), true],
  setMany: [(c, k) => c.setMany({ [k]: 1 }), []],
};

/** What a key that has the value 5 comes to. */
const PRESENT: Record<string, [call: Call, outcome: unknown]> = {
  get: [(c, k) => c.get(k), 5],
  "get with a default": [(c, k) => c.get(k, { default: 6 }), 5],
  getMany: [(c, k) => c.getMany([k]), new Map([["key", 5]])],
  gat: [(c, k) => c.gat(k, 60), 5],
  has: [(c, k) => c.has(k), true],
  set: [(c, k) => c.set(k, 6), true],
  replace: [(c, k) => c.replace(k, 6), true],
  append: [(c, k) => c.append(k, "0"), true],
  prepend: [(c, k) => c.prepend(k, "1"), true],
  "add without reply": [(c, k) => c.add(k, 6, { noreply: true }), true],
  delete: [(c, k) => c.delete(k), true],
  touch: [(c, k) => c.touch(k, 60), true],
  incr: [(c, k) => c.incr(k), 6],
  decr: [(c, k) => c.decr(k, 5n), 0n],
  ttl: [(c, k) => c.ttl(k), -1],
  size: [(c, k) => c.size(k), 1],
  peek: [(c, k) => c.peek(k), 5],
  take: [(c, k) => c.take(k), 5],
  getAndTouch: [(c, k) => c.getAndTouch(k, 60), 5],
  invalidate: [(c, k) => c.invalidate(k), true],
  update: [(c, k) => c.update<number>(k, (value) => (value ?? 0) + 1), 6],
};

async function behave(wrapped: KeyCommands): Promise<void> {
  const client = new StrictClient(wrapped);
  assertStrictEquals(client.client, wrapped);
  const key = "key";
  for (const [title, [call, expected, code, command]] of entries(MISSING)) {
    const error = await rejects(() => call(client, key), MemcacheError, {
      command: command ?? title,
      key,
      sent: true,
      code,
    }, title);
    assert(error instanceof expected, `${title}: ${error.name}`);
    assert(error instanceof MemcacheMissError, title);
    assert(!error.message.endsWith("."), error.message);
  }
  for (const [title, [call, outcome]] of entries(SILENT)) {
    assertEquals(await call(client, key), outcome, title);
    await wrapped.delete(key);
  }
  for (const [title, [call, outcome]] of entries(PRESENT)) {
    await wrapped.set(key, 5);
    assertEquals(await call(client, key), outcome, title);
  }

  await wrapped.set(key, 5);
  await rejects(() => client.add(key, 6), MemcacheNotStoredError, {
    command: "add",
    key,
  });
  const item = await client.getItem(["route", key]);
  assertEquals(item, await wrapped.getItem(key));
  assertEquals(await client.gets(key), { value: 5, cas: item.cas });
  assertEquals(await client.gats(key, 60), { value: 5, cas: item.cas });
  const versions = await client.getsMany([key]);
  assertEquals(versions.get(key)?.cas, item.cas);
  assertEquals(await client.cas(key, 6, item.cas), true);
  await rejects(() => client.cas(key, 7, item.cas), MemcacheCasError, {
    code: "ERR_CAS",
    command: "cas",
    key,
    sent: true,
  });
  assertEquals(await client.get(key), 6);

  const large = new Uint8Array(1024 * 1024);
  const refused = await rejects(
    () => client.setMany({ a: 1, b: large, c: 3 }),
    MemcacheNotStoredError,
  );
  assertEquals(refused.failedKeys, ["b"]);
  assertEquals(
    await client.getMany(["a", "b", "c"]),
    new Map([["a", 1], ["c", 3]]),
  );

  // What is no miss stays what it is.
  await client.set(key, "text");
  await rejects(() => client.incr(key), MemcacheNonNumericError);
  await rejects(() => client.get("a b"), MemcacheIllegalInputError);
  await rejects(() => client.delete(["route", "gone"]), MemcacheNotFoundError, {
    key: "gone",
  });
  await client.disconnect();
  assertEquals(await client.get(key), "text");
  await client[Symbol.asyncDispose]();
  const closed = { code: "ERR_CLIENT_CLOSED" };
  await rejects(() => client.get(key), MemcacheError, closed);
  await rejects(() => wrapped.get(key), MemcacheError, closed);
  await client.close();
}

const entries = Object.entries;

/** What it is tried on. */
const SERVERS: Record<
  string,
  [
    run: (use: (client: KeyCommands) => Promise<void>) => Promise<void>,
    TestOptions,
  ]
> = {
  memcached: [
    (use) => withMemcached({}, ({ server }) => use(new Client(server))),
    needsMemcached,
  ],
  "the embedded server": [async (use) => {
    const server = await MemcachedServer.start();
    try {
      await use(new Client(server.address));
    } finally {
      await server.close();
    }
  }, {}],
};

SERVERS["memcached around which it is retried"] = [
  (use) => SERVERS.memcached[0]((client) => use(new RetryingClient(client))),
  needsMemcached,
];

for (const [title, [run, options]] of entries(SERVERS)) {
  test(`StrictClient throws on misses of ${title}`, () => run(behave), options);
}
