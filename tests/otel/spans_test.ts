/**
 * Commands as spans, in the SDK of OpenTelemetry.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Span, trace } from "@opentelemetry/api";
import { tracingChannel } from "node:diagnostics_channel";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Client,
  type CommandMessage,
  HashClient,
  MemcacheConnectionError,
  MemcacheNonNumericError,
  MemcacheNoServersError,
  MemcacheTimeoutError,
  PooledClient,
  type ServerPlace,
} from "@x/memcache";
import { instrument, type InstrumentOptions } from "@x/memcache/otel";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { Sdk, type SeenSpan, withSdk } from "./_sdk.ts";

/** What an instrumented client of a server does, with the SDK that sees it. */
async function withClient(
  fn: (client: Client, server: MemcachedServer, sdk: Sdk) => Promise<void>,
  options?: InstrumentOptions,
): Promise<void> {
  await withSdk(async (sdk) => {
    const telemetry = instrument(options);
    const server = await MemcachedServer.start();
    const client = new Client(server.address);
    try {
      await fn(client, server, sdk);
    } finally {
      await client.close();
      await server.close();
      telemetry.stop();
    }
  });
}

/** Runs below a span of the caller. */
function within<T>(name: string, fn: (span: Span) => Promise<T>): Promise<T> {
  return trace.getTracer("tests").startActiveSpan(name, async (span) => {
    try {
      return await fn(span);
    } finally {
      span.end();
    }
  });
}

/** The span of a command as channels tell it: its name and its server. */
async function spanOf(
  place: ServerPlace,
  moved: ServerPlace = {},
): Promise<unknown[]> {
  const sdk = new Sdk();
  const { tracerProvider } = sdk;
  const telemetry = instrument({ tracerProvider, metrics: false });
  const { start, asyncEnd } = tracingChannel("@x/memcache:command");
  const message: CommandMessage = {
    ...{ command: "get", keys: ["key"], noreply: false, ...place },
  };
  start.publish(message);
  Object.assign(message, moved, { result: undefined });
  asyncEnd.publish(message);
  telemetry.stop();
  const [{ name, attributes }] = sdk.spans;
  await sdk.close();
  const { "db.system.name": _, "db.operation.name": __, ...rest } = attributes;
  return [name, rest];
}

/** The spans of commands. */
function commandsOf(sdk: Sdk): SeenSpan[] {
  return sdk.spans.filter(({ kind }) => kind === "CLIENT");
}

/** A span that went well. */
function span(
  command: string,
  { port }: { port: number },
  parent: string | undefined,
  more: Record<string, unknown> = {},
): unknown {
  return {
    name: `${command} 127.0.0.1:${port}`,
    kind: "CLIENT",
    parent,
    attributes: {
      "db.system.name": "memcached",
      "db.operation.name": command,
      "server.address": "127.0.0.1",
      "server.port": port,
      ...more,
    },
    status: { code: 0 },
  };
}

/** What the server tells of items. */
const items = (hits: number, misses: number) => ({
  "memcached.hits": hits,
  "memcached.misses": misses,
});

test("instrument() makes a span of a command, below the caller's", async () => {
  await withClient(async (client, server, sdk) => {
    await within("request", async () => {
      await client.set("key", "secret");
      await client.get("key");
    });
    await client.get("absent");
    assertEquals(commandsOf(sdk), [
      span("set", server, "request"),
      span("get", server, "request", items(1, 0)),
      span("get", server, undefined, items(0, 1)),
    ]);
    const [{ instrumentationScope: scope, events, links }] = sdk.ended;
    assertEquals([scope.name, scope.version], ["@x/memcache", "0.1.0"]);
    assertEquals([events, links], [[], []]);
    assert(!JSON.stringify(commandsOf(sdk)).includes("key"));
  });
});

test("instrument() tells commands of one turn apart, by their callers", async () => {
  await withClient(async (client, server, sdk) => {
    await client.version();
    const callers = Array.from({ length: 64 }, (_, i) => `caller${i}`);
    await Promise.all(
      callers.map((name) => within(name, () => client.get(name))),
    );
    const gets = commandsOf(sdk).slice(1);
    assertEquals(
      gets.map(({ parent }) => parent).sort(),
      [...callers].sort(),
    );
    const { parent } = gets[0];
    const first = span("get", server, parent, items(0, 1)) as SeenSpan;
    assertEquals(gets[0], first);
  });
});

test("instrument() makes one span for each server of a getMany", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument({ keys: true });
    const servers = await Promise.all(
      [1, 2, 3].map(() => MemcachedServer.start()),
    );
    const client = new HashClient(servers.map(({ address }) => address));
    const keys = Array.from(
      { length: 30 },
      (_, i) => `key ${i}`.replace(" ", ""),
    );
    await within("setup", () => client.setMany(keys.map((key) => [key, key])));
    sdk.ended.length = 0;
    assertEquals(
      (await within("request", () => client.getMany(keys))).size,
      keys.length,
    );
    const spans = commandsOf(sdk);
    assertEquals(
      spans.map(({ name }) => name).sort(),
      servers.map(({ port }) => `get 127.0.0.1:${port}`).sort(),
    );
    for (const { parent, attributes } of spans) {
      assertEquals(parent, "request");
      const asked = attributes["memcached.keys"] as string[];
      assert(asked.length > 1);
      assertEquals(attributes["memcached.key_count"], asked.length);
      assertEquals("db.operation.batch.size" in attributes, false);
    }
    assertEquals(
      spans.flatMap(({ attributes }) => attributes["memcached.keys"]).sort(),
      [...keys].sort(),
    );
    await client.close();
    await Promise.all(servers.map((server) => server.close()));
    telemetry.stop();
  });
});

test("instrument() sees what getOrSet and a namespace send", async () => {
  await withClient(async (client, _server, sdk) => {
    const load = () => within("load", () => Promise.resolve("value"));
    assertEquals(
      await within("request", () => client.getOrSet("key", load, { ttl: 60 })),
      "value",
    );
    const told = commandsOf(sdk);
    assert(told.length >= 2, `${told.length}`);
    assert(told.every(({ parent }) => parent === "request"));
    sdk.ended.length = 0;

    await within("view", async () => {
      const view = client.namespace("app");
      await view.set("key", "value");
      await view.get("key");
    });
    // The version is made, and asked for before each command.
    assertEquals(
      commandsOf(sdk).map(({ name, parent }) => [name.split(" ")[0], parent]),
      ["gets", "add", "get", "set", "get", "get"].map((name) => [name, "view"]),
    );
  });
});

test("instrument() says what a command has failed with", async () => {
  await withClient(async (client, server, sdk) => {
    await client.set("key", "text");
    const error = await assertRejects(
      () => client.incr("key"),
      MemcacheNonNumericError,
    );
    server.fault({
      kind: "garbage",
      bytes: "SERVER_ERROR busy\r\n",
      match: "mg",
    });
    const busy = await assertRejects(() => client.get("key"), Error, "busy");
    assertEquals(commandsOf(sdk).slice(1), [
      {
        ...span("incr", server, undefined, {
          "error.type": "ERR_NON_NUMERIC",
          "db.response.status_code": "CLIENT_ERROR",
        }) as SeenSpan,
        status: { code: 2, message: error.message },
      },
      {
        ...span("get", server, undefined, {
          "error.type": "ERR_SERVER",
          "db.response.status_code": "SERVER_ERROR",
        }) as SeenSpan,
        status: { code: 2, message: busy.message },
      },
    ]);
  });
});

test("instrument() says what was too slow, or given up", async () => {
  await withClient(async (client, server, sdk) => {
    await client.version();
    server.fault({ kind: "stall" });
    const late = await assertRejects(
      () => within("request", () => client.get("key", { timeout: 50 })),
      MemcacheTimeoutError,
    );
    const controller = new AbortController();
    const given = client.get("key", { signal: controller.signal });
    controller.abort();
    await assertRejects(() => given, DOMException);
    const [, slow, aborted] = commandsOf(sdk);
    assertEquals(slow, {
      ...span("get", server, "request", {
        "error.type": "ERR_TIMEOUT",
      }) as SeenSpan,
      status: { code: 2, message: late.message },
    });
    assertEquals(aborted.attributes["error.type"], "AbortError");
    assertEquals(aborted.status.code, 2);
  });
});

test("instrument() sees a command that no server takes", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const server = await MemcachedServer.start();
    const { address, port } = server;
    await server.close();
    const client = new Client(address);
    const error = await assertRejects(
      () => within("request", () => client.get("key")),
      MemcacheConnectionError,
    );
    assertEquals(commandsOf(sdk), [{
      ...span("get", { port }, "request", {
        "error.type": "ERR_CONNECTION",
      }) as SeenSpan,
      status: { code: 2, message: error.message },
    }]);
    await client.close();
    telemetry.stop();
  });
});

test("instrument() names no server where a cluster has none", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const server = await MemcachedServer.start();
    const { address, port } = server;
    await server.close();
    const client = new HashClient([address], { retryAttempts: 0 });
    await assertRejects(() => client.get("key"), MemcacheConnectionError);
    const none = await assertRejects(
      () => within("request", () => client.get("key")),
      MemcacheNoServersError,
    );
    const [dead, lost] = commandsOf(sdk);
    assertEquals(dead.name, `get 127.0.0.1:${port}`);
    assertEquals(lost, {
      name: "get",
      kind: "CLIENT",
      parent: "request",
      attributes: {
        "db.system.name": "memcached",
        "db.operation.name": "get",
        "error.type": "ERR_NO_SERVERS",
      },
      status: { code: 2, message: none.message },
    });
    await client.close();
    telemetry.stop();
  });
});

test("instrument() tells no failure where a read is told a miss", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const server = await MemcachedServer.start();
    const client = new Client(server.address, { errorsAsMisses: true });
    server.fault({ kind: "drop" });
    assertEquals(await client.get("key"), undefined);
    assertEquals(commandsOf(sdk), [
      span("get", server, undefined) as SeenSpan,
    ]);
    await client.close();
    await server.close();
    telemetry.stop();
  });
});

test("instrument() shows keys only if it is told to", async () => {
  await withClient(async (client, server, sdk) => {
    await client.set("user:1", "Ada");
    await client.version();
    assertEquals(commandsOf(sdk), [
      span("set", server, undefined, { "memcached.keys": ["user:1"] }),
      span("version", server, undefined),
    ]);
    assert(!JSON.stringify(sdk.ended[0].attributes).includes("Ada"));
  }, { keys: true });
});

test("instrument() makes no span without a parent if told so", async () => {
  await withClient(async (client, server, sdk) => {
    await client.get("key");
    await within("request", () => client.get("key"));
    assertEquals(commandsOf(sdk), [
      span("get", server, "request", items(0, 1)),
    ]);
    const [{ value }] = await sdk.points("db.client.operation.duration");
    assertEquals((value as { count: number }).count, 2);
  }, { requireParent: true });
});

test("instrument() names the socket of a server", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const folder = await mkdtemp(join(tmpdir(), "otel-"));
    const path = join(folder, "memcached.sock");
    const server = await MemcachedServer.start({ path });
    const client = new PooledClient(server.address);
    await client.get("key");
    assertEquals(commandsOf(sdk), [{
      name: `get ${path}`,
      kind: "CLIENT",
      parent: undefined,
      attributes: {
        "db.system.name": "memcached",
        "db.operation.name": "get",
        "server.address": path,
        "network.transport": "unix",
        ...items(0, 1),
      },
      status: { code: 0 },
    }]);
    await client.close();
    await server.close();
    telemetry.stop();
    await rm(folder, { recursive: true });
  });
});

test("instrument() leaves out a port that is the usual one", async () => {
  const place = { server: "cache:11211", host: "cache", port: 11211 };
  assertEquals(await spanOf(place), ["get cache", {
    "server.address": "cache",
  }]);
  assertEquals(await spanOf({ server: "[::1]:7", host: "::1", port: 7 }), [
    "get [::1]:7",
    { "server.address": "::1", "server.port": 7 },
  ]);
  assertEquals(await spanOf({}), ["get", {}]);
});

test("instrument() names the server that a command ends up with", async () => {
  assertEquals(
    await spanOf({}, { server: "late:1", host: "late", port: 1 }),
    ["get late:1", { "server.address": "late", "server.port": 1 }],
  );
});
