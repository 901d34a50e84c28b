/**
 * Commands and connections as metrics, in the SDK of OpenTelemetry.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Attributes } from "@opentelemetry/api";
import type { Histogram } from "@opentelemetry/sdk-metrics";
import { tracingChannel } from "node:diagnostics_channel";
import {
  Client,
  HashClient,
  MemcacheConnectionError,
  MemcacheNonNumericError,
  MemcacheTimeoutError,
  PooledClient,
  type WaitMessage,
} from "@x/memcache";
import { instrument } from "@x/memcache/otel";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { type Sdk, secondsOf, withSdk } from "./_sdk.ts";

/** The advised bounds of durations. */
const BOUNDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** What tells of a server. */
function placeOf({ port }: { port: number }): Attributes {
  return { "server.address": "127.0.0.1", "server.port": port };
}

/** What tells of its connections. */
function poolOf(server: { port: number }, name?: string): Attributes {
  return {
    "db.client.connection.pool.name": name ?? `127.0.0.1:${server.port}`,
    ...placeOf(server),
  };
}

/** The series of a histogram, each with how many it has counted. */
async function countsOf(
  sdk: Sdk,
  name: string,
): Promise<[Attributes, number][]> {
  return (await sdk.points(name)).map(({ attributes, value }) => {
    const { count, buckets } = value as Histogram;
    assertEquals(buckets.boundaries, BOUNDS);
    return [attributes, count];
  });
}

/** The series of a sum. */
async function sumsOf(
  sdk: Sdk,
  name: string,
): Promise<[Attributes, unknown][]> {
  return (await sdk.points(name)).map(({ attributes, value }) => [
    attributes,
    value,
  ]);
}

test("instrument() measures commands, by server and failure", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument({ keys: true });
    const server = await MemcachedServer.start();
    const client = new Client(server.address);
    await client.set("key", "text");
    await client.getMany(["key", "absent"]);
    await client.get("key");
    await assertRejects(() => client.incr("key"), MemcacheNonNumericError);
    const about = (command: string): Attributes => ({
      "db.system.name": "memcached",
      "db.operation.name": command,
      ...placeOf(server),
    });
    assertEquals(await countsOf(sdk, "db.client.operation.duration"), [
      [about("set"), 1],
      [about("get"), 2],
      [{
        ...about("incr"),
        "error.type": "ERR_NON_NUMERIC",
        "db.response.status_code": "CLIENT_ERROR",
      }, 1],
    ]);
    const metric = (await sdk.collect()).get("db.client.operation.duration");
    assertEquals(metric?.descriptor.unit, "s");
    assertEquals(/absent|"text"/.exec(JSON.stringify(metric)), null);
    // The same as the spans, but for their clocks.
    const sum = (await sdk.points("db.client.operation.duration"))
      .map(({ value }) => (value as Histogram).sum ?? 0)
      .reduce((sum, value) => sum + value, 0);
    const spans = sdk.ended
      .map(({ duration }) => secondsOf(duration))
      .reduce((sum, value) => sum + value, 0);
    assert(sum > 0 && Math.abs(sum - spans) < 0.02, `${sum} and ${spans}`);
    await client.close();
    await server.close();
    telemetry.stop();
  });
});

test("instrument() measures connections and the waits for them", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const server = await MemcachedServer.start();
    const client = new Client(server.address);
    const { start } = tracingChannel("@x/memcache:wait");
    const waits = new Promise<void>((resolve) => {
      const listener = () => {
        start.unsubscribe(listener);
        resolve();
      };
      start.subscribe(listener);
    });
    const first = client.get("key");
    await waits;
    assertEquals(
      await sumsOf(sdk, "db.client.connection.pending_requests"),
      [[poolOf(server), 1]],
    );
    await first;
    assertEquals(await countsOf(sdk, "db.client.connection.create_time"), [
      [poolOf(server), 1],
    ]);
    assertEquals(await countsOf(sdk, "db.client.connection.wait_time"), [
      [poolOf(server), 1],
    ]);
    assertEquals(
      await sumsOf(sdk, "db.client.connection.pending_requests"),
      [[poolOf(server), 0]],
    );
    assertEquals(await sumsOf(sdk, "db.client.connection.timeouts"), []);
    await client.close();
    const { address, port } = server;
    await server.close();

    const late = new Client(address);
    await assertRejects(() => late.get("key"), MemcacheConnectionError);
    assertEquals(
      (await countsOf(sdk, "db.client.connection.create_time"))[1],
      [{ ...poolOf({ port }), "error.type": "ECONNREFUSED" }, 1],
    );
    assertEquals(
      (await countsOf(sdk, "db.client.connection.wait_time"))[1],
      [{ ...poolOf({ port }), "error.type": "ERR_CONNECTION" }, 1],
    );
    await late.close();
    telemetry.stop();
  });
});

test("instrument() counts commands that time out unsent", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const client = new Client("127.0.0.1:1", {
      dial: (_server, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    });
    await assertRejects(
      () => client.get("key", { timeout: 20 }),
      MemcacheTimeoutError,
    );
    assertEquals(await sumsOf(sdk, "db.client.connection.timeouts"), [
      [poolOf({ port: 1 }), 1],
    ]);
    assertEquals(
      (await countsOf(sdk, "db.client.connection.wait_time"))[0][0],
      { ...poolOf({ port: 1 }), "error.type": "ERR_TIMEOUT" },
    );
    await client.close();
    telemetry.stop();
  });
});

test("stop() takes back what waits, as nobody will tell its end", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const { start } = tracingChannel("@x/memcache:wait");
    const message: WaitMessage = {
      ...{ command: "get", ahead: 0, server: "h:7", host: "h", port: 7 },
    };
    start.publish(message);
    telemetry.stop();
    const [[, waiting]] = await sumsOf(
      sdk,
      "db.client.connection.pending_requests",
    );
    assertEquals(waiting, 0);
  });
});

test("observe() shows connections, hits and bytes of clients", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const server = await MemcachedServer.start();
    const client = new Client(server.address);
    const pooled = new PooledClient(server.address);
    telemetry.observe(client);
    const forget = telemetry.observe(pooled, { poolName: "sessions" });
    await client.set("key", "text");
    await client.getMany(["key", "absent", "gone"]);
    await pooled.get("key");
    const count = (name: string | undefined, state: string) => ({
      ...poolOf(server, name),
      "db.client.connection.state": state,
    });
    assertEquals(await sumsOf(sdk, "db.client.connection.count"), [
      [count(undefined, "idle"), 1],
      [count(undefined, "used"), 0],
      [count("sessions", "idle"), 1],
      [count("sessions", "used"), 0],
    ]);
    assertEquals(await sumsOf(sdk, "db.client.connection.limit"), [
      [poolOf(server, undefined), 1],
      [poolOf(server, "sessions"), 4],
    ]);
    const items = (result: string) => ({
      "db.system.name": "memcached",
      "db.operation.name": "get",
      ...placeOf(server),
      "memcached.result": result,
    });
    // Both clients have the server in common.
    assertEquals(await sumsOf(sdk, "memcached.client.items"), [
      [items("hit"), 2],
      [items("miss"), 2],
    ]);
    const [sent, received] = await sumsOf(sdk, "memcached.client.io");
    assertEquals(sent[0]["network.io.direction"], "transmit");
    assertEquals(received[0]["network.io.direction"], "receive");
    const [one] = client.metrics().servers;
    const [other] = pooled.metrics().servers;
    assertEquals(sent[1], one.bytesSent + other.bytesSent);
    assertEquals(received[1], one.bytesReceived + other.bytesReceived);

    server.fault({ kind: "stall" });
    const busy = client.get("key");
    forget();
    while (server.requests.at(-1)?.command !== "mg") await busyTurn();
    const counted = await sumsOf(sdk, "db.client.connection.count");
    // The SDK goes on telling what it has last been told of the other.
    assertEquals(counted.slice(0, 2), [
      [count(undefined, "idle"), 0],
      [count(undefined, "used"), 1],
    ]);
    server.heal();
    await busy;
    await client.close();
    await pooled.close();
    await server.close();
    telemetry.stop();
  });
});

/** A turn of the event loop. */
function busyTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test("observe() shows each server of a cluster", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const servers = await Promise.all(
      [1, 2].map(() => MemcachedServer.start()),
    );
    const client = new HashClient(servers.map(({ address }) => address));
    telemetry.observe(client, { poolName: "pages" });
    await client.version();
    const points = await sumsOf(sdk, "db.client.connection.count");
    assertEquals(
      points.filter(([, value]) => value === 1).map(([about]) => about),
      servers.map((server) => ({
        ...poolOf(server, "pages"),
        "db.client.connection.state": "idle",
      })),
    );
    await client.close();
    await Promise.all(servers.map((server) => server.close()));
    telemetry.stop();
  });
});
