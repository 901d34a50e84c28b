/**
 * What `metrics()` counts, held against what the servers count themselves.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Client,
  type ClientMetrics,
  FallbackClient,
  HashClient,
  PooledClient,
  RetryingClient,
  StrictClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import type { Script } from "../_scripted.ts";
import { outcome, pause, withPair } from "../connection/_calls.ts";

const NON_NUMERIC = "cannot increment or decrement non-numeric value";

/** The opaque flag of a meta command. */
function opaqueOf({ args }: { args: readonly string[] }): string {
  return args.find((arg) => /^O\d+$/.test(arg)) ?? "";
}

/** The sums over servers and commands. */
function sums({ servers }: ClientMetrics): Record<string, number> {
  const all = servers.flatMap(({ commands }) => Object.values(commands));
  const sum = (of: "calls" | "hits" | "misses" | "aborted") =>
    all.reduce((sum, command) => sum + command[of], 0);
  return {
    ...{ calls: sum("calls"), hits: sum("hits"), misses: sum("misses") },
    aborted: sum("aborted"),
    answered: all.reduce((sum, { latency }) => sum + latency.count, 0),
  };
}

for (const protocol of ["auto", "classic", "meta"] as const) {
  test(
    `metrics() counts hits and misses as memcached does (${protocol})`,
    async () => {
      await withMemcached({}, async ({ server }) => {
        const client = new Client(server, { protocol, timeout: 5000 });
        const count = async () => {
          const stats = await client.stats() as Record<string, number>;
          const of = (end: "hits" | "misses") =>
            ["get", "delete", "incr", "decr", "touch", "cas"]
              .reduce((sum, name) => sum + stats[`${name}_${end}`], 0);
          return [of("hits"), of("misses")];
        };
        const before = await count();
        for (let i = 0; i < 10; i++) await client.set(`k${i}`, `${i}`);
        await Promise.all(
          Array.from({ length: 300 }, (_, i) => client.get(`k${i % 20}`)),
        );
        await client.getMany(Array.from({ length: 250 }, (_, i) => `k${i}`));
        await client.gets("k1");
        await client.gets("none");
        await client.has("k1");
        await client.has("none");
        await client.incr("k1");
        await client.decr("k1");
        await client.incr("none");
        await client.touch("k1", 60);
        await client.touch("none", 60);
        await client.delete("k2");
        await client.delete("none");
        const item = await client.gets("k3");
        assert(item !== undefined);
        await client.cas("k3", "new", item.cas);
        await client.cas("none", "new", 1n);
        if (protocol !== "classic") {
          await client.meta.get("k1");
          await client.meta.get("none");
          await client.meta.get("none", { quiet: true });
          await client.meta.get("k1", { quiet: true });
          await client.meta.getMany(["k1", "none", "k4"]);
          await client.ttl("k4");
          await client.meta.delete("none");
        }
        const [hits, misses] = await count();
        const counted = sums(client.metrics());
        assertEquals(
          [counted.hits, counted.misses],
          [hits - before[0], misses - before[1]],
        );
        await client.close();
      });
    },
    needsMemcached,
  );
}

test("metrics() counts stores as neither hits nor misses, but for cas", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  for (const key of ["a", "none"]) {
    await client.set("a", "1");
    const { cas } = await client.gets("a") ?? { cas: 0n };
    await client.meta.set(key, "2", { compareCas: cas });
    await client.append(key, "3");
    await client.replace(key, "4", { noreply: true });
    await client.cas(key, "5", 1n);
  }
  await client.flush();
  const { servers: [{ commands }] } = client.metrics();
  for (const name of ["set", "ms", "append", "replace"]) {
    const { hits, misses } = commands[name];
    assertEquals([name, hits, misses], [name, 0, 0]);
  }
  // The other one has changed: it is neither.
  assertEquals([commands.cas.hits, commands.cas.misses], [0, 1]);
  await client.close();
  await server.close();
});

test("metrics() counts calls, latencies and bytes", async () => {
  await withPair({}, { protocol: "classic" }, async ({ server, client }) => {
    await client.set("a", "1");
    await client.get("a");
    await client.get("b");
    await client.set("c", "3", { noreply: true });
    await client.flush();
    const { servers, unrouted } = client.metrics();
    assertEquals(unrouted, undefined);
    const [{ commands, connections, inFlight, ...one }] = servers;
    assertEquals(one.server, server.address);
    assertEquals(one.pool, undefined);
    assertEquals(inFlight, 0);
    assertEquals(connections, {
      ...{ open: 1, opened: 1, lost: 0, reconnects: 0, failedAttempts: 0 },
    });
    const { get, set } = commands;
    assertEquals([get.calls, get.hits, get.misses], [2, 1, 1]);
    // What asks for no reply has none to wait for.
    assertEquals([set.calls, set.latency.count], [2, 1]);
    const { count, mean, max, p50, p90, p99, p999, buckets } = get.latency;
    assertEquals(count, 2);
    assert(mean > 0 && mean <= max && p50 <= p90 && p90 <= p99);
    assert(p99 <= p999 && p999 <= max);
    assertEquals(buckets.reduce((sum, { count }) => sum + count, 0), 2);
    assertEquals(one.bytesSent, server.peers[0].received);
    assert(one.bytesReceived > 0);
    // A copy: what is counted later does not change it.
    await client.get("a");
    assertEquals(get.calls, 2);
  });
});

test("metrics() tells how long replies took", async () => {
  let late: (() => void) | undefined;
  await withPair(
    {
      command: (command, peer) => {
        if (command.name !== "get") peer.answer(command);
        else late = () => peer.send("END\r\n");
        return undefined;
      },
    },
    { protocol: "classic" },
    async ({ client, server }) => {
      await client.set("warm", "1");
      const begun = performance.now();
      const call = client.get("a");
      await server.until(() => late !== undefined);
      const sent = performance.now();
      while (performance.now() - sent < 30) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assertEquals(client.metrics().servers[0].inFlight, 1);
      late?.();
      await call;
      const took = performance.now() - begun;
      const { max } = client.metrics().servers[0].commands.get.latency;
      assert(max >= 29 && max <= took + 1, `${max} of ${took} ms`);
    },
  );
});

test("metrics() counts failures by their codes, also those that are hidden", async () => {
  const command: Script = (command, peer) => {
    if (command.name === "incr") return `CLIENT_ERROR ${NON_NUMERIC}\r\n`;
    if (command.name !== "get") peer.answer(command);
    return undefined;
  };
  const options = { timeout: 50, errorsAsMisses: true } as const;
  await withPair(
    { command },
    { ...options, protocol: "classic" },
    async ({ client }) => {
      await client.set("a", "1", { timeout: 5000 });
      await assertRejects(() => client.incr("a"));
      assertEquals(await client.get("a"), undefined);
      const aborting = new AbortController();
      const { signal } = aborting;
      const given = client.get("b", { signal, timeout: 5000 });
      aborting.abort(new Error("enough"));
      await outcome(given);
      const [{ commands }] = client.metrics().servers;
      assertEquals(commands.incr.errors, { ERR_NON_NUMERIC: 1 });
      assertEquals(commands.get.errors, { ERR_TIMEOUT: 1 });
      assertEquals([commands.get.calls, commands.get.aborted], [2, 1]);
      assertEquals([commands.get.hits, commands.get.misses], [0, 0]);
      assertEquals(commands.get.latency.count, 0);
    },
  );
});

test("metrics() counts failures of commands without reply", async () => {
  const command: Script = (command, peer) => {
    if (command.name === "ms") {
      return "NS O1\r\n".replace("O1", opaqueOf(command));
    }
    peer.answer(command);
    return undefined;
  };
  await withPair({ command }, {}, async ({ client, errors }) => {
    await client.set("a", "1", { noreply: true });
    await client.flush();
    const [error] = errors;
    assertEquals(error.code, "ERR_NOT_STORED");
    const { set } = client.metrics().servers[0].commands;
    assertEquals([set.calls, set.errors], [1, { ERR_NOT_STORED: 1 }]);
    // That says nothing of the server.
    assertEquals(client.explain("a").servers[0].lastError, undefined);
  });
});

test("metrics() counts connections that are lost, and those in their place", async () => {
  await withPair({}, { protocol: "classic" }, async ({ client, server }) => {
    await client.get("a");
    server.peers[0].socket.destroy();
    while (client.metrics().servers[0].connections.open > 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await client.get("a");
    const { connections } = client.metrics().servers[0];
    assertEquals(connections, {
      ...{ open: 1, opened: 2, lost: 1, reconnects: 1, failedAttempts: 0 },
    });
    await client.disconnect();
    await client.get("a");
    const { open, opened, lost, reconnects } =
      client.metrics().servers[0].connections;
    assertEquals([open, opened, lost, reconnects], [1, 3, 1, 1]);
  });
});

test("metrics() counts attempts that fail", async () => {
  const server = await MemcachedServer.start();
  await server.close();
  const client = new Client(server.address);
  await assertRejects(() => client.get("a"));
  const [{ commands, connections }] = client.metrics().servers;
  assertEquals(connections.failedAttempts, 1);
  assertEquals(connections.opened, 0);
  const [count] = Object.values(commands.get.errors);
  assertEquals([count, commands.get.calls], [1, 1]);
  await client.close();
  assertEquals(client.metrics().servers[0].commands.get.calls, 1);
});

test("metrics() of a pool adds its connections up, and has its counters", async () => {
  const server = await MemcachedServer.start();
  const client = new PooledClient(server.address, { maxPoolSize: 2 });
  await Promise.all(
    Array.from({ length: 500 }, (_, i) => client.incr(`n${i}`)),
  );
  const [{ commands, connections, pool }] = client.metrics().servers;
  assertEquals(commands.incr.misses, 500);
  assertEquals(pool, { ...client.pool.counters, limit: 2 });
  assertEquals(connections.open, client.pool.counters.size);
  await client.close();
  await server.close();
});

test("metrics() of a cluster tells servers apart, and what found none", async () => {
  const servers = await Promise.all(
    [1, 2, 3].map(() => MemcachedServer.start()),
  );
  const client = new HashClient(servers.map(({ address }) => address));
  const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
  await client.setMany(keys.map((key) => [key, "1"]));
  await client.getMany(keys);
  const metrics = client.metrics();
  assertEquals(metrics.unrouted, undefined);
  assertEquals(
    metrics.servers.map(({ server }) => server),
    servers.map(({ address }) => address),
  );
  for (const { commands, server } of metrics.servers) {
    const own = keys.filter((key) => client.serversFor(key)[0] === server);
    assertEquals(commands.get.hits, own.length);
    assertEquals(commands.set.calls, own.length);
    assertEquals(commands.get.calls, 1);
  }
  await client.close();
  for (const server of servers) await server.close();

  const empty = new HashClient([]);
  await assertRejects(() => empty.get("a"));
  const { unrouted, servers: none } = empty.metrics();
  assertEquals(none, []);
  assertEquals(unrouted?.get.errors, { ERR_NO_SERVERS: 1 });
  assertEquals(empty.namespace("users:").metrics(), empty.metrics());
  await empty.close();
});

test("metrics() of clients around others is that of the others", async () => {
  const [a, b] = [await MemcachedServer.start(), await MemcachedServer.start()];
  const inner = new Client(a.address);
  const other = new Client(b.address);
  const strict = new StrictClient(inner);
  await inner.set("x", "1");
  await strict.get("x");
  assertEquals(strict.metrics(), inner.metrics());
  assertEquals(new RetryingClient(inner).metrics(), inner.metrics());
  const both = new FallbackClient([inner, other]);
  await both.get("y");
  assertEquals(
    both.metrics().servers.map((
      { server, commands },
    ) => [server, commands.get.misses]),
    [[a.address, 1], [b.address, 1]],
  );
  const users = inner.namespace("users:");
  await users.get("z");
  assertEquals(users.metrics(), inner.metrics());
  await both.close();
  await a.close();
  await b.close();
});

test("metrics() counts a command that waited for the list of servers where it went", async () => {
  const server = await MemcachedServer.start();
  let tell: (list: string[]) => void = () => {};
  const client = new HashClient(async function* () {
    yield await new Promise<string[]>((resolve) => tell = resolve);
  }());
  const begun = performance.now();
  const calls = [client.get("a"), client.set("b", "1")];
  await pause(30);
  tell([server.address]);
  await Promise.all(calls);
  const took = performance.now() - begun;
  const { unrouted, servers: [{ commands }] } = client.metrics();
  assertEquals(unrouted, undefined);
  assertEquals([commands.get.calls, commands.get.misses], [1, 1]);
  const { count, max } = commands.get.latency;
  // From the call on.
  assertEquals(count, 1);
  assert(max >= 29 && max <= took + 1, `${max} of ${took} ms`);
  await client.close();
  await server.close();
});

test("metrics() counts what a closed client refuses, whatever client it is", async () => {
  for (
    const client of [
      new Client("localhost:1"),
      new PooledClient("localhost:1"),
      new HashClient(["localhost:1"]),
      new HashClient(["localhost:1"], { maxPoolSize: 2 }),
    ]
  ) {
    await client.close();
    await assertRejects(() => client.get("a"));
    const { servers: [{ commands }] } = client.metrics();
    assertEquals(commands.get?.errors, { ERR_CLIENT_CLOSED: 1 });
    assertEquals(client.explain("a").servers[0].lastError, undefined);
  }
});
