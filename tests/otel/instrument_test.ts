/**
 * Starting and stopping, options, and what an SDK that throws does: nothing.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import {
  context,
  createContextKey,
  diag,
  type DiagLogger,
  DiagLogLevel,
  metrics,
  trace,
} from "@opentelemetry/api";
import { AlwaysOffSampler } from "@opentelemetry/sdk-trace-node";
import { channel, tracingChannel } from "node:diagnostics_channel";
import { Client, MemcacheIllegalInputError } from "@x/memcache";
import { instrument, type InstrumentOptions } from "@x/memcache/otel";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { Sdk, useContexts, withSdk } from "./_sdk.ts";

/** Whether anybody listens to anything. */
function isHeard(): boolean {
  const parts = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;
  return channel("@x/memcache:disconnect").hasSubscribers ||
    ["command", "connect", "wait"].some((name) => {
      const tracing = tracingChannel(`@x/memcache:${name}`);
      return parts.some((part) => tracing[part].hasSubscribers);
    });
}

/** Runs with a server and a client of it. */
async function withClient(
  fn: (client: Client) => Promise<void>,
): Promise<void> {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  try {
    await fn(client);
  } finally {
    await client.close();
    await server.close();
  }
}

/** How many commands were measured. */
async function countOf(sdk: Sdk): Promise<number> {
  return (await sdk.points("db.client.operation.duration"))
    .map(({ value }) => (value as { count: number }).count)
    .reduce((sum, count) => sum + count, 0);
}

test("stop() leaves nobody listening", async () => {
  await withSdk(async (sdk) => {
    assertEquals(isHeard(), false);
    const telemetry = instrument();
    assertEquals(isHeard(), true);
    await withClient(async (client) => {
      telemetry.observe(client);
      await client.get("key");
      telemetry.stop();
      assertEquals(isHeard(), false);
      await client.get("key");
      assertEquals(sdk.ended.length, 1);
      assertEquals(await countOf(sdk), 1);
      telemetry.stop();
      const again = instrument();
      await client.get("key");
      again[Symbol.dispose]();
      assertEquals(isHeard(), false);
      assertEquals(sdk.ended.length, 2);
    });
  });
});

test("stop() ends the spans of what is in flight", async () => {
  await withSdk(async (sdk) => {
    const server = await MemcachedServer.start();
    const client = new Client(server.address);
    await client.version();
    const telemetry = instrument();
    server.fault({ kind: "stall" });
    const late = client.get("key");
    telemetry.stop();
    assertEquals(sdk.spans.map(({ status }) => status), [{ code: 0 }]);
    server.heal();
    await late;
    assertEquals(sdk.ended.length, 1);
    assertEquals(await countOf(sdk), 0);
    await client.close();
    await server.close();
  });
});

test("instrument() twice tells everything once, by the later options", async () => {
  await withSdk(async (sdk) => {
    await withClient(async (client) => {
      const first = instrument();
      first.observe(client);
      const second = instrument({ keys: true });
      await client.get("key");
      assertEquals(
        sdk.spans.map(({ attributes }) => attributes["memcached.keys"]),
        [["key"]],
      );
      assertEquals(await countOf(sdk), 1);
      // What was observed is so still, and once.
      const items = await sdk.points("memcached.client.items");
      assertEquals(items.map(({ value }) => value), [0, 1]);
      first.stop();
      await client.get("key");
      assertEquals(sdk.ended.length, 2);
      second.stop();
      assertEquals(isHeard(), false);
    });
  });
});

test("instrument() stops the one of another copy of the package", () => {
  const telemetry = instrument();
  const { start } = tracingChannel("@x/memcache:command");
  const key = Symbol.for("@x/memcache/otel");
  assertEquals(Reflect.get(start, key), telemetry);
  telemetry.stop();
  let stops = 0;
  Reflect.set(start, key, { stop: () => stops++ });
  instrument().stop();
  assertEquals(stops, 1);
  assertEquals(Reflect.has(start, key), false);
});

test("instrument() takes global providers that are set later", async () => {
  const telemetry = instrument();
  await withClient(async (client) => {
    telemetry.observe(client);
    await client.get("before");
    await withSdk(async (sdk) => {
      await client.get("key");
      assertEquals(sdk.ended.length, 1);
      assertEquals(await countOf(sdk), 1);
      assertEquals(
        (await sdk.points("db.client.connection.count")).length,
        2,
      );
    });
    // And others after them.
    await withSdk(async (sdk) => {
      await client.get("key");
      assertEquals(sdk.ended.length, 1);
      assertEquals(await countOf(sdk), 1);
    });
  });
  telemetry.stop();
});

test("instrument() takes the providers that it is given", async () => {
  const sdk = new Sdk();
  const { tracerProvider, meterProvider } = sdk;
  await withSdk(async (other) => {
    const telemetry = instrument({ tracerProvider, meterProvider });
    await withClient(async (client) => {
      telemetry.observe(client);
      await client.get("key");
    });
    telemetry.stop();
    assertEquals(other.ended, []);
    assertEquals((await other.collect()).size, 0);
  });
  assertEquals(sdk.ended.length, 1);
  assertEquals(await countOf(sdk), 1);
  await sdk.close();
});

test("instrument() can leave out spans, or metrics", async () => {
  await withSdk(async (sdk) => {
    await withClient(async (client) => {
      const metered = instrument({ spans: false });
      await client.get("key");
      metered.stop();
      assertEquals(sdk.ended, []);
      assertEquals(await countOf(sdk), 1);
      const traced = instrument({ metrics: false });
      traced.observe(client);
      await client.get("key");
      traced.stop();
      assertEquals(sdk.ended.length, 1);
      assertEquals(await countOf(sdk), 1);
      assertEquals(await sdk.points("db.client.connection.count"), []);
    });
  });
});

test("instrument() starts no span where tracing is suppressed", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    let started = 0;
    trace.disable();
    trace.setGlobalTracerProvider({
      getTracer: (name, version) => {
        const tracer = sdk.tracerProvider.getTracer(name, version);
        return {
          startSpan: (...args) => {
            started++;
            return tracer.startSpan(...args);
          },
          startActiveSpan: tracer.startActiveSpan.bind(tracer),
        };
      },
    });
    const key = createContextKey(
      "OpenTelemetry SDK Context Key SUPPRESS_TRACING",
    );
    await withClient(async (client) => {
      const quiet = context.active().setValue(key, true);
      await context.with(quiet, () => client.get("key"));
      assertEquals(started, 0);
      assertEquals(await countOf(sdk), 1);
      await client.get("key");
      assertEquals(started, 1);
    });
    telemetry.stop();
  });
});

test("instrument() asks a sampler that says no, and measures all the same", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument({ keys: true });
    await withClient(async (client) => {
      await client.get("key");
    });
    telemetry.stop();
    assertEquals(sdk.ended, []);
    assertEquals(await countOf(sdk), 1);
  }, new AlwaysOffSampler());
});

test("instrument() keeps the errors of an SDK away from commands", async () => {
  const fail = (): never => {
    throw new Error("an SDK's own");
  };
  const told: unknown[] = [];
  const quiet = () => {};
  const logger: DiagLogger = {
    error: (message, error) => told.push(message, error),
    ...{ warn: quiet, info: quiet, debug: quiet, verbose: quiet },
  };
  diag.setLogger(logger, DiagLogLevel.ERROR);
  useContexts();
  const sdk = new Sdk();
  const span = sdk.tracerProvider.getTracer("tests").startSpan("broken");
  span.end = fail;
  const tracers = [fail, () => span];
  await withClient(async (client) => {
    for (const startSpan of tracers) {
      const telemetry = instrument({
        tracerProvider: {
          getTracer: () => ({ startSpan, startActiveSpan: fail }),
        },
        meterProvider: sdk.meterProvider,
      });
      await client.set("key", "value");
      assertEquals(await client.get("key"), "value");
      telemetry.stop();
    }
    // What is measured does not suffer from what is traced.
    assertEquals(await countOf(sdk), 4);

    const telemetry = instrument({
      spans: false,
      meterProvider: { getMeter: fail },
    });
    telemetry.observe(client);
    assertEquals(await client.get("key"), "value");
    telemetry.stop();
  });
  assertEquals(new Set(told.filter((_, i) => i % 2 === 0)).size, 1);
  assertEquals(told.length > 8, true);

  diag.setLogger({ ...logger, error: fail }, {
    suppressOverrideMessage: true,
  });
  await withClient(async (client) => {
    const telemetry = instrument({ tracerProvider: { getTracer: fail } });
    assertEquals(await client.get("key"), undefined);
    telemetry.stop();
  });
  diag.disable();
  context.disable();
  metrics.disable();
  await sdk.close();
});

test("observe() survives a client that throws", async () => {
  await withSdk(async (sdk) => {
    const telemetry = instrument();
    const broken = {
      metrics: (): never => {
        throw new Error("broken");
      },
    };
    await withClient(async (client) => {
      telemetry.observe(broken);
      telemetry.observe(client);
      await client.get("key");
      assertEquals(
        (await sdk.points("db.client.connection.count")).length,
        2,
      );
    });
    telemetry.stop();
  });
});

const REFUSED: readonly [options: unknown, message: string][] = [
  [{ spans: 1 }, "Cannot use option spans: it must be true or false"],
  [{ metrics: null }, "Cannot use option metrics: it must be true or false"],
  [{ keys: "all" }, "Cannot use option keys: it must be true or false"],
  [
    { requireParent: 0 },
    "Cannot use option requireParent: it must be true or false",
  ],
  [
    { tracerProvider: {} },
    "Cannot use option tracerProvider: it must be a TracerProvider",
  ],
  [
    { meterProvider: null },
    "Cannot use option meterProvider: it must be a MeterProvider",
  ],
];

test("instrument() refuses what it cannot use", () => {
  for (const [options, message] of REFUSED) {
    assertThrows(
      () => instrument(options as InstrumentOptions),
      MemcacheIllegalInputError,
      message,
    );
  }
  assertEquals(isHeard(), false);
  const telemetry = instrument();
  assertThrows(
    () => telemetry.observe({} as Client),
    MemcacheIllegalInputError,
    "Cannot use option client: it must be a client with metrics()",
  );
  assertThrows(
    () =>
      telemetry.observe({ metrics: () => ({ servers: [] }) }, { poolName: "" }),
    MemcacheIllegalInputError,
    "Cannot use option poolName: it must be a string that is not empty",
  );
  telemetry.stop();
});
