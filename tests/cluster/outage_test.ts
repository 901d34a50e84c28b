import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
} from "@std/assert";
import {
  HashClient,
  type HashClientOptions,
  MemcacheConnectionError,
  MemcacheError,
} from "@x/memcache";
import {
  type Memcached,
  needsMemcached,
  startMemcached,
} from "../_memcached.ts";
import { test } from "../_runtime.ts";

/** What a call may take, in milliseconds. */
const TIMEOUT = 400;

/** What it may take beyond that on a busy machine. */
const SLACK = 400;

const OPTIONS: HashClientOptions = {
  timeout: TIMEOUT,
  connectTimeout: TIMEOUT,
  retryAttempts: 2,
  retryTimeout: 150,
  deadTimeout: 500,
};

/** Runs `fn` with a client of three real servers, and ends all. */
async function withServers(
  options: HashClientOptions,
  fn: (client: HashClient, servers: Memcached[]) => Promise<void>,
): Promise<void> {
  const servers = await Promise.all([1, 2, 3].map(() => startMemcached()));
  const client = new HashClient(
    servers.map(({ server }) => server),
    { ...OPTIONS, ...options },
  );
  try {
    await fn(client, servers);
  } finally {
    await client.close();
    for (const server of servers) {
      server.resume();
      await server.kill();
    }
  }
}

/** Finds keys that belong to a server, while all are in the ring. */
function keysOf(client: HashClient, server: Memcached, count: number) {
  const keys: string[] = [];
  for (let i = 0; keys.length < count; i++) {
    if (client.serversFor(`key${i}`)[0] === server.server) keys.push(`key${i}`);
  }
  return keys;
}

function stateOf(client: HashClient, { server }: Memcached): string {
  return client.servers.find((one) => one.server === server)?.state ?? "gone";
}

/** How a call ended, and how many milliseconds it took. */
async function timed(
  call: Promise<unknown>,
): Promise<{ value?: unknown; error?: unknown; ms: number }> {
  const start = performance.now();
  const ms = () => performance.now() - start;
  return await call.then(
    (value) => ({ value, ms: ms() }),
    (error: unknown) => ({ error, ms: ms() }),
  );
}

/** Calls until it is so. */
async function until(
  client: HashClient,
  key: string,
  condition: () => boolean,
): Promise<void> {
  while (!condition()) {
    await client.get(key).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test(
  "HashClient fails fast for a frozen server, and for no other",
  async () => {
    await withServers({ deadTimeout: 60_000 }, async (client, servers) => {
      const [frozen, ...others] = servers;
      const [mine] = keysOf(client, frozen, 1);
      const theirs = others.flatMap((server) => keysOf(client, server, 5));
      await client.setMany([mine, ...theirs].map((key) => [key, key] as const));
      frozen.pause();
      const first = await timed(client.get(mine));
      assertInstanceOf(first.error, MemcacheError);
      assertLess(first.ms, TIMEOUT + SLACK);
      await until(client, mine, () => stateOf(client, frozen) === "failing");
      const fast = await timed(client.set(mine, "x"));
      assertInstanceOf(fast.error, MemcacheConnectionError);
      assertEquals([fast.error.server, fast.error.sent], [
        frozen.server,
        false,
      ]);
      assertLess(fast.ms, 50);
      const { error } = await timed(client.getMany([mine, ...theirs]));
      assertInstanceOf(error, MemcacheError);
      assertEquals(error.failedKeys, [mine]);
      assertEquals([...error.values ?? []], theirs.map((key) => [key, key]));
      // Meanwhile others are as quick as ever.
      const ends = await Promise.all(
        theirs.map((key) => timed(client.get(key))),
      );
      assertEquals(ends.map(({ value }) => value), theirs);
      await until(client, mine, () => stateOf(client, frozen) === "dead");
      assertEquals(await client.set(mine, "elsewhere"), true);
      assertEquals(await client.get(mine), "elsewhere");
    });
  },
  { ...needsMemcached, timeout: 30_000 },
);

test(
  "HashClient uses a server again that was frozen for a moment",
  async () => {
    const options = { retryAttempts: 20 };
    await withServers(options, async (client, servers) => {
      const [frozen] = servers;
      const [key] = keysOf(client, frozen, 1);
      await client.set(key, "kept");
      frozen.pause();
      await until(client, key, () => stateOf(client, frozen) === "failing");
      frozen.resume();
      const start = performance.now();
      await until(client, key, () => stateOf(client, frozen) === "up");
      // A retry that began before, or a pause with what chance adds to it.
      assertLess(performance.now() - start, TIMEOUT + 150 * 1.2 + SLACK);
      assertEquals(await client.get(key), "kept");
    });
  },
  { ...needsMemcached, timeout: 30_000 },
);

test(
  "HashClient costs nobody a call where a server restarts at rest",
  async () => {
    await withServers({}, async (client, servers) => {
      const [server] = servers;
      const [key] = keysOf(client, server, 1);
      await client.set(key, "gone");
      await server.restart();
      assertEquals(await client.get(key), undefined);
      assertEquals(await client.set(key, "new"), true);
      assertEquals(stateOf(client, server), "up");
    });
  },
  { ...needsMemcached, timeout: 30_000 },
);

for (const usePooling of [false, true]) {
  const name = usePooling ? "pooled HashClient" : "HashClient";
  test(`${name} keeps its promises while servers come and go`, async () => {
    const options = { usePooling, maxPoolSize: 2 };
    await withServers(options, async (client, servers) => {
      const keys = Array.from({ length: 60 }, (_, i) => `key${i}`);
      let version = 0;
      let isOver = false;
      let done = 0;
      let slowest = 0;
      const faults: string[] = [];
      const check = (key: string, value: unknown) => {
        // Whatever version it is: it is a value of this key.
        const [of, number] = String(value).split("#");
        if (of === key && Number(number) <= version) return;
        faults.push(`${key} has ${value}`);
      };
      const run = async (call: () => Promise<unknown>) => {
        const { value, error, ms } = await timed(call());
        slowest = Math.max(slowest, ms);
        if (error === undefined) done++;
        else if (!(error instanceof MemcacheError)) faults.push(`${error}`);
        else for (const [key, got] of error.values ?? []) check(key, got);
        return value;
      };
      const worker = async (seed: number) => {
        for (let i = seed; !isOver; i++) {
          const key = keys[i % keys.length];
          const some = keys.slice(i % 40, i % 40 + 20);
          const next = () => `${key}#${++version}`;
          await run(() => client.set(key, next()));
          const got = await run(() => client.get(key));
          if (got !== undefined) check(key, got);
          const many = await run(() => client.getMany(some));
          if (many instanceof Map) {
            for (const [name, value] of many) {
              if (!some.includes(name)) faults.push(`unasked ${name}`);
              check(name, value);
            }
          }
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      };
      const workers = Promise.all([0, 17, 31].map(worker));
      const pause = (ms: number) =>
        new Promise((resolve) => setTimeout(resolve, ms));
      const healthy = async () => {
        const end = performance.now() + 1500;
        const isWell = () =>
          client.servers.every(({ state }) => state === "up");
        while (!isWell() && performance.now() < end) await pause(10);
      };
      await pause(100);
      servers[0].pause();
      await pause(600);
      servers[0].resume();
      await servers[1].kill();
      await pause(600);
      await servers[1].restart();
      await servers[2].restart();
      await healthy();
      isOver = true;
      await workers;
      assertEquals(faults, []);
      assertLess(slowest, TIMEOUT + SLACK);
      assert(done > 100, `${done} calls succeeded`);
      // All of the keys can be used again.
      await until(
        client,
        "key",
        () => client.servers.every(({ state }) => state === "up"),
      );
      assertEquals(
        await client.setMany(keys.map((key) => [key, `${key}#0`] as const)),
        [],
      );
      assertEquals((await client.getMany(keys)).size, keys.length);
    });
  }, { ...needsMemcached, timeout: 30_000 });
}

test(
  "HashClient with every server gone says so, until one is back",
  async () => {
    const options = { deadTimeout: 300 };
    await withServers(options, async (client, servers) => {
      await client.setMany({ a: 1, b: 2, c: 3, d: 4, e: 5 });
      for (const server of servers) await server.kill();
      const isDead = () =>
        client.servers.every(({ state }) => state === "dead");
      while (!isDead()) {
        const { error, ms } = await timed(
          client.getMany(["a", "b", "c", "d", "e", "f", "g", "h", "i"]),
        );
        assertInstanceOf(error, MemcacheError);
        assertLess(ms, TIMEOUT + SLACK);
      }
      const { error, ms } = await timed(client.get("a"));
      assertEquals((error as MemcacheError).code, "ERR_NO_SERVERS");
      assertLess(ms, 50);
      for (const server of servers) await server.restart();
      while (client.servers.some(({ state }) => state !== "up")) {
        await client.getMany(["a", "b", "c", "d", "e", "f", "g"]).catch(
          () => {},
        );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assertEquals(await client.setMany({ a: 1, b: 2, c: 3 }), []);
    });
  },
  { ...needsMemcached, timeout: 30_000 },
);
