/**
 * What is told on the channels of `node:diagnostics_channel`.
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { channel, tracingChannel } from "node:diagnostics_channel";
import process from "node:process";
import {
  Client,
  type CommandMessage,
  type ConnectMessage,
  type DisconnectMessage,
  HashClient,
  PooledClient,
  type WaitMessage,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import type { Script } from "../_scripted.ts";
import { withPair } from "../connection/_calls.ts";

const EVENTS = ["start", "end", "error", "asyncStart", "asyncEnd"] as const;

/** What was told, in its order. */
interface Told<M> {
  readonly event: string;
  readonly message: M;
  /** What it was at the time. */
  readonly snapshot: M;
}

/** Listens to a tracing channel while `fn` runs. */
async function listening<M>(
  name: string,
  fn: (told: Told<M>[]) => Promise<void>,
): Promise<void> {
  const tracing = tracingChannel(`@x/memcache:${name}`);
  const told: Told<M>[] = [];
  const listeners = EVENTS.map((event) => {
    const listener = (given: unknown) => {
      const message = given as M;
      told.push({ event, message, snapshot: { ...message } });
    };
    tracing[event].subscribe(listener);
    return () => tracing[event].unsubscribe(listener);
  });
  try {
    await fn(told);
  } finally {
    for (const stop of listeners) stop();
  }
}

/** The events of each message, in the order in which messages began. */
function byMessage<M>(told: readonly Told<M>[]): Map<M, string> {
  const all = new Map<M, string>();
  for (const { event, message } of told) {
    const before = all.get(message);
    all.set(message, before === undefined ? event : `${before} ${event}`);
  }
  return all;
}

const WELL = "start end asyncStart asyncEnd";
const FAILED = "start end error asyncStart asyncEnd";

test("commands are told with their keys, server and outcome", async () => {
  await listening<CommandMessage>("command", async (told) => {
    await withPair({}, { protocol: "classic" }, async ({ client, server }) => {
      const value = { id: 1 };
      await client.set("a", value);
      assertEquals(await client.get("a"), value);
      await client.get("b");
      await client.getMany(["a", "b"]);
      await client.set("c", "1", { noreply: true });
      await client.version();
      const messages = byMessage(told);
      assertEquals([...messages.values()], Array(6).fill(WELL));
      const host = "127.0.0.1";
      const port = Number(server.address.split(":")[1]);
      const place = { server: server.address, host, port };
      assertEquals([...messages.keys()].slice(0, 3), [
        { command: "set", keys: ["a"], noreply: false, ...place, result: true },
        {
          command: "get",
          keys: ["a"],
          noreply: false,
          ...place,
          hits: 1,
          misses: 0,
          result: value,
        },
        {
          command: "get",
          keys: ["b"],
          noreply: false,
          ...place,
          hits: 0,
          misses: 1,
          result: undefined,
        },
      ]);
      assertEquals(
        [...messages.keys()].slice(3).map((
          { command, keys, noreply, hits, misses },
        ) => [command, keys, noreply, hits, misses]),
        [
          ["get", ["a", "b"], false, 1, 1],
          ["set", ["c"], true, undefined, undefined],
          ["version", [], false, undefined, undefined],
        ],
      );
      const [begun] = told;
      assertEquals("result" in begun.snapshot, false);
    });
  });
});

test("a command is told before its caller is", async () => {
  await withPair({}, {}, async ({ client }) => {
    const order: string[] = [];
    await listening<CommandMessage>("command", async (told) => {
      const call = client.get("a").then(() => {
        order.push(...told.map(({ event }) => event), "caller");
      });
      assertEquals(told.map(({ event }) => event), ["start", "end"]);
      await call;
    });
    assertEquals(order, ["start", "end", "asyncStart", "asyncEnd", "caller"]);
  });
});

test("commands that fail are told with their errors, also hidden ones", async () => {
  const command = () => undefined;
  await withPair(
    { command },
    { timeout: 30, protocol: "classic" },
    async ({ client }) => {
      await listening<CommandMessage>("command", async (told) => {
        const error = await assertRejects(() => client.get("a"));
        const aborting = new AbortController();
        const { signal } = aborting;
        const call = assertRejects(() =>
          client.get("b", { signal, timeout: 5000 })
        );
        const reason = new Error("enough");
        aborting.abort(reason);
        await call;
        const messages = byMessage(told);
        assertEquals([...messages.values()], [FAILED, FAILED]);
        const [first, second] = [...messages.keys()];
        assertStrictEquals(first.error, error);
        assertStrictEquals(second.error, reason);
      });
    },
  );
  await withPair({ command }, {
    ...{ timeout: 30, protocol: "classic", errorsAsMisses: true },
  }, async ({ client }) => {
    await listening<CommandMessage>("command", async (told) => {
      assertEquals(await client.get("a", { default: 7 }), 7);
      const [[message, events], ...others] = [...byMessage(told)];
      assertEquals([events, others], [FAILED, []]);
      assertEquals(message.result, 7);
      assert(message.error instanceof Error);
    });
  });
});

test("what is refused before it is a command is not told", async () => {
  await withPair({}, {}, async ({ client }) => {
    await listening<CommandMessage>("command", async (told) => {
      await assertRejects(() => client.get("no key"));
      assertEquals(told, []);
    });
  });
});

test("commands are told in their caller's asynchronous context", async () => {
  const context = new AsyncLocalStorage<string>();
  const servers = await Promise.all([1, 2].map(() => MemcachedServer.start()));
  const { start } = tracingChannel("@x/memcache:command");
  const seen: string[] = [];
  const listener = (message: unknown) => {
    const { keys } = message as CommandMessage;
    seen.push(`${keys.length > 1 ? "many" : keys[0]} in ${context.getStore()}`);
  };
  const clients = [
    new Client(servers[0].address),
    new PooledClient(servers[0].address),
    new HashClient(servers.map(({ address }) => address)),
  ];
  const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
  start.subscribe(listener);
  for (const client of clients) {
    await Promise.all(
      ["x", "y", "z"].map((name) =>
        context.run(name, async () => {
          await client.get(name);
          await client.set(name, "1");
          await client.getMany(keys);
        })
      ),
    );
  }
  start.unsubscribe(listener);
  for (const name of ["x", "y", "z"]) {
    const own = seen.filter((line) => line.endsWith(`in ${name}`));
    const count = (what: string) =>
      own.filter((line) => line.startsWith(`${what} `)).length;
    assertEquals([count(name), count("many"), own.length], [6, 4, 10]);
  }
  for (const client of clients) await client.close();
  for (const server of servers) await server.close();
});

test("stores that are bound to the start of a command are made for it", async () => {
  const store = new AsyncLocalStorage<unknown>();
  const { start } = tracingChannel("@x/memcache:command");
  const made: unknown[] = [];
  await withPair({}, {}, async ({ client }) => {
    start.bindStore(store, (message) => {
      made.push((message as CommandMessage).command);
      return message;
    });
    await client.get("a");
    start.unbindStore(store);
    await client.get("a");
  });
  assertEquals(made, ["get"]);
});

test("attempts to connect are told, and ends of connections", async () => {
  const ends: DisconnectMessage[] = [];
  const listener = (message: unknown) => {
    ends.push(message as DisconnectMessage);
  };
  channel("@x/memcache:disconnect").subscribe(listener);
  await listening<ConnectMessage>("connect", async (told) => {
    await withPair({}, {}, async ({ client, server }) => {
      await client.get("a");
      server.peers[0].socket.destroy();
      while (ends.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await client.get("a");
      await client.disconnect();
      const place = {
        server: server.address,
        host: "127.0.0.1",
        port: Number(server.address.split(":")[1]),
      };
      assertEquals([...byMessage(told)], [
        [{ tls: false, failures: 0, ...place }, WELL],
        [{ tls: false, failures: 0, ...place }, WELL],
      ]);
      assertEquals(
        ends.map(({ isOwn, server, host, port }) => ({
          isOwn,
          server,
          host,
          port,
        })),
        [{ isOwn: false, ...place }, { isOwn: true, ...place }],
      );
    });
  });
  channel("@x/memcache:disconnect").unsubscribe(listener);
});

test("attempts that fail are told with what failed, and how many before", async () => {
  const server = await MemcachedServer.start();
  await server.close();
  await listening<ConnectMessage>("connect", async (told) => {
    const client = new Client(server.address, {
      auth: { username: "u", password: "secret" },
    });
    await assertRejects(() => client.get("a"));
    await assertRejects(() => client.get("a"));
    const messages = byMessage(told);
    assertEquals([...messages.values()], [FAILED, FAILED]);
    assertEquals([...messages.keys()].map(({ failures }) => failures), [0, 1]);
    for (const { message } of told) {
      assert(message.error instanceof Error);
      assert(!JSON.stringify(message).includes("secret"));
    }
    await client.close();
  });
});

test("waits for a connection are told, and end when the command is written", async () => {
  await withPair({}, { protocol: "classic" }, async ({ client, server }) => {
    await listening<WaitMessage>("wait", async (told) => {
      const calls = [client.get("a"), client.get("b")];
      await Promise.all(calls);
      const messages = byMessage(told);
      assertEquals([...messages.values()], [WELL, WELL]);
      assertEquals(
        [...messages.keys()].map((
          { command, ahead, server },
        ) => [command, ahead, server]),
        [["get", 0, server.address], ["get", 1, server.address]],
      );
      // Where a connection is open, nothing waits for one.
      await client.get("c");
      assertEquals(byMessage(told).size, 2);
    });
  });
});

test("waits are told where a connection takes no more of a batch", async () => {
  const command: Script = (command, peer) => {
    if (command.args[0] === "held") return undefined;
    // It was held until now.
    if (command.name === "set") peer.send("END\r\n");
    peer.answer(command);
    return undefined;
  };
  await withPair({ command }, { protocol: "classic" }, async (pair) => {
    const { client, server } = pair;
    await client.get("warm");
    // Behind this one commands are sent in a batch.
    const held = client.get("held");
    await server.until(() => server.lines.includes("get held"));
    await listening<WaitMessage>("wait", async (told) => {
      const calls = [
        // More than the sockets between the two hold.
        client.set("a", new Uint8Array(2 ** 24)),
        client.get("b"),
      ];
      await Promise.all([held, ...calls]);
      assertEquals(
        [...byMessage(told)].map((
          [{ command, ahead }, events],
        ) => [command, ahead, events]),
        [["get", 0, WELL]],
      );
    });
  });
});

test("a wait that ends with its command's failure is told so", async () => {
  const dial = () => new Promise<never>(() => {});
  const client = new Client("127.0.0.1:1", {
    dial,
    timeout: 20,
    connectTimeout: 0,
  });
  await listening<WaitMessage>("wait", async (told) => {
    const error = await assertRejects(() => client.get("a"));
    const [[message, events]] = [...byMessage(told)];
    assertEquals(events, FAILED);
    assertStrictEquals(message.error, error);
  });
  await client.close();
});

test("a command of a cluster without servers is told without one", async () => {
  const client = new HashClient([]);
  await listening<CommandMessage>("command", async (told) => {
    await assertRejects(() => client.get("a"));
    const [[message, events]] = [...byMessage(told)];
    assertEquals([events, message.server], [FAILED, undefined]);
  });
  await client.close();
});

test("the questions of a cluster to a server on trial are not told", async () => {
  const server = await MemcachedServer.start();
  const client = new HashClient([server.address], {
    retryAttempts: 1,
    retryTimeout: 1,
  });
  await server.stop();
  await assertRejects(() => client.get("a"));
  await new Promise((resolve) => setTimeout(resolve, 5));
  await server.resume();
  await listening<CommandMessage>("command", async (told) => {
    await client.get("b").catch(() => {});
    await client.flush();
    const keys = [...byMessage(told).keys()].flatMap(({ keys }) => keys);
    assertEquals(keys, ["b"]);
  });
  await client.close();
  await server.close();
});

test("a listener that throws does no harm to a command", async () => {
  const thrown: unknown[] = [];
  const seen = (error: unknown) => void thrown.push(error);
  process.on("uncaughtException", seen);
  const { start, asyncEnd } = tracingChannel("@x/memcache:command");
  const listener = () => {
    throw new Error("a listener's own");
  };
  try {
    await withPair({}, {}, async ({ client }) => {
      await client.set("a", "1");
      start.subscribe(listener);
      asyncEnd.subscribe(listener);
      assertEquals(await Promise.all([client.get("a"), client.get("b")]), [
        "1",
        undefined,
      ]);
      start.unsubscribe(listener);
      asyncEnd.unsubscribe(listener);
      assertEquals(await client.get("a"), "1");
    });
    while (thrown.length < 4) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assertEquals(thrown.length, 4);
  } finally {
    process.off("uncaughtException", seen);
  }
  // Where the test runner lets a test see what nobody has caught.
}, { runtimes: ["deno"] });

test("a command is told with its hits and misses, on whatever line it goes", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  await client.set("a", "1");
  for (const count of [1, 20, 400]) {
    await listening<CommandMessage>("command", async (told) => {
      const keys = Array.from({ length: count }, (_, i) => i % 2 ? "a" : "no");
      await Promise.all(keys.map((key) => client.get(key)));
      await client.getMany(["a", "b", "c"]);
      await client.meta.get("no", { quiet: true });
      await client.delete("no");
      const seen = [...byMessage(told).keys()];
      for (const { keys: [key], hits, misses } of seen.slice(0, count)) {
        assertEquals([hits, misses], key === "a" ? [1, 0] : [0, 1]);
      }
      assertEquals(
        seen.slice(count).map(({ hits, misses }) => [hits, misses]),
        [[1, 2], [0, 1], [0, 1]],
      );
    });
  }
  await client.close();
  await server.close();
});
