/**
 * Deno with its own OpenTelemetry switched on: a program, and a collector on
 * loopback that keeps what it sends.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";

const CHILD = `${import.meta.dirname}/_deno_child.ts`;

/** A value of OTLP, as JSON writes it. */
type Value = Readonly<Record<string, unknown>>;
/** A list of attributes. */
type Pairs = readonly { readonly key: string; readonly value: Value }[];

/** A span of OTLP. */
interface Span {
  readonly name: string;
  readonly kind: number;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly attributes: Pairs;
  readonly status: { readonly code: number; readonly message: string };
}

/** A series of a metric of OTLP. */
interface Point {
  readonly attributes: Pairs;
  readonly count?: string;
  readonly asDouble?: number;
  readonly explicitBounds?: readonly number[];
}

/** A metric of OTLP. */
interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}

/** What a program sends to `/v1/traces` and `/v1/metrics`, as far as it is read. */
interface Sent {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly Metric[] }[];
  }[];
}

/** A collector that keeps what it is sent. */
class Collector {
  readonly spans: Span[] = [];
  /** The metrics as they were last sent, by name. */
  readonly metrics: Map<string, Metric> = new Map();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #arrived: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        this.#keep(await request.json());
        this.#arrived.resolve();
        this.#arrived = Promise.withResolvers();
        return Response.json({});
      },
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Resolves when something has been sent. */
  get arrival(): Promise<void> {
    return this.#arrived.promise;
  }

  async close(): Promise<void> {
    await this.#server.shutdown();
  }

  #keep({ resourceSpans = [], resourceMetrics = [] }: Sent): void {
    for (const { scopeSpans } of resourceSpans) {
      for (const { spans } of scopeSpans) this.spans.push(...spans);
    }
    for (const { scopeMetrics } of resourceMetrics) {
      for (const { metrics } of scopeMetrics) {
        for (const metric of metrics) this.metrics.set(metric.name, metric);
      }
    }
  }
}

/** What attributes say, without the names of their types. */
function read(pairs: Pairs): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [key, Object.values(value)[0]]),
  );
}

test("instrument() tells the OpenTelemetry of Deno", async () => {
  const server = await MemcachedServer.start();
  const collector = new Collector();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", CHILD, `127.0.0.1:${server.port}`],
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_METRIC_EXPORT_INTERVAL: "50",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const done = () =>
    (collector.metrics.get("db.client.connection.count")?.sum?.dataPoints
      .some(({ asDouble }) => asDouble === 1) ?? false) &&
    collector.metrics.get("db.client.operation.duration")?.histogram
        ?.dataPoints
        .length === 3;
  while (!done()) await collector.arrival;
  await child.stdin.close();
  const { code, stderr } = await output;
  assertEquals(new TextDecoder().decode(stderr), "");
  assertEquals(code, 0);

  const request = collector.spans.find(({ name }) => name === "request");
  assert(request !== undefined);
  const place = { "server.address": "127.0.0.1", "server.port": server.port };
  const about = (command: string) => ({
    "db.system.name": "memcached",
    "db.operation.name": command,
    ...place,
  });
  const twoKeys = {
    "memcached.key_count": 2,
    "memcached.hits": 1,
    "memcached.misses": 1,
  };
  const failure = {
    "error.type": "ERR_NON_NUMERIC",
    "db.response.status_code": "CLIENT_ERROR",
  };
  const spans = collector.spans.filter((span) => span !== request);
  assertEquals(
    spans.map(({ name, kind, parentSpanId, attributes, status }) => [
      name,
      kind,
      parentSpanId === request.spanId,
      read(attributes),
      status.code,
    ]),
    [
      [`set 127.0.0.1:${server.port}`, 3, true, about("set"), 0],
      [
        `get 127.0.0.1:${server.port}`,
        ...[3, true, { ...about("get"), ...twoKeys }, 0],
      ],
      [
        `incr 127.0.0.1:${server.port}`,
        ...[3, true, { ...about("incr"), ...failure }, 2],
      ],
    ],
  );

  const durations = collector.metrics.get("db.client.operation.duration");
  assertEquals(durations?.unit, "s");
  const points = durations?.histogram?.dataPoints ?? [];
  const counts = points.map(({ attributes, count }) => {
    const all = read(attributes);
    return [String(all["db.operation.name"]), { all, count }] as const;
  });
  assertEquals(counts.length, 3);
  assertEquals(Object.fromEntries(counts), {
    get: { all: about("get"), count: "1" },
    incr: { all: { ...about("incr"), ...failure }, count: "1" },
    set: { all: about("set"), count: "1" },
  });
  assertEquals(points[0].explicitBounds, [
    ...[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
  ]);
  const items = collector.metrics.get("memcached.client.items");
  assertEquals(
    items?.sum?.dataPoints.map(({ attributes, asDouble }) => [
      read(attributes)["memcached.result"],
      asDouble,
    ]).sort(),
    [["hit", 1], ["miss", 1]],
  );
  const pools = collector.metrics.get("db.client.connection.count");
  for (const { attributes } of pools?.sum?.dataPoints ?? []) {
    const { "db.client.connection.state": _, ...rest } = read(attributes);
    assertEquals(rest, {
      "db.client.connection.pool.name": "pages",
      ...place,
    });
  }
  const all = JSON.stringify([collector.spans, [...collector.metrics]]);
  assertEquals(/user:|Ada/.exec(all), null);
  await collector.close();
  await server.close();
}, { runtimes: ["deno"], timeout: 30_000 });
