/**
 * Prints what instrumentation costs: 64 gets in flight with nobody listening,
 * with `./otel` and no SDK, with a sampler that says no, and with all of it kept,
 * as medians of the ratios to the first in interleaved rounds. On Deno as it is,
 * elsewhere after a bundle:
 *
 * ```sh
 * deno run -A bench/measure_otel.ts
 * deno bundle --outdir .out bench/measure_otel.ts
 * node .out/measure_otel.js
 * bun .out/measure_otel.js
 * ```
 *
 * @module
 */
import process from "node:process";
import { context } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  InMemorySpanExporter,
} from "@opentelemetry/sdk-trace-node";
import { tracingChannel } from "node:diagnostics_channel";
import { Client } from "../src/client/client.ts";
import { instrument, type InstrumentOptions } from "../src/otel/mod.ts";
import { startMemcached } from "../tests/_memcached.ts";

/** Rounds of which the median is taken, and gets in each. */
const ROUNDS = 61;
const COUNT = 16_384;

/** A way to run: what is switched on for it, and off again. */
interface Side {
  readonly name: string;
  readonly start: () => () => void;
}

/** What a round came to. */
interface Round {
  /** Nanoseconds per get. */
  readonly wall: number;
  /** Nanoseconds of this process's own time per get. */
  readonly cpu: number;
}

const spans = new InMemorySpanExporter();
const meterProvider = new MeterProvider({
  readers: [
    new PeriodicExportingMetricReader({
      exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
      exportIntervalMillis: 2 ** 30,
    }),
  ],
});
const off = new BasicTracerProvider({ sampler: new AlwaysOffSampler() });
const on = new BasicTracerProvider({
  spanProcessors: [
    new BatchSpanProcessor(spans, {
      maxQueueSize: COUNT * 2,
      maxExportBatchSize: COUNT * 2,
      scheduledDelayMillis: 2 ** 30,
    }),
  ],
});

const contexts = new AsyncLocalStorageContextManager().enable();

/** Instruments as with an SDK, which brings contexts. */
function withSdk(options: InstrumentOptions): () => void {
  context.setGlobalContextManager(contexts);
  const telemetry = instrument(options);
  return () => {
    telemetry.stop();
    context.disable();
  };
}

const SIDES: readonly Side[] = [
  { name: "nobody listens", start: () => () => {} },
  {
    name: "a listener that does nothing",
    start: () => {
      const { start, asyncEnd } = tracingChannel("@x/memcache:command");
      const listener = () => {};
      start.subscribe(listener);
      asyncEnd.subscribe(listener);
      return () => {
        start.unsubscribe(listener);
        asyncEnd.unsubscribe(listener);
      };
    },
  },
  {
    name: "./otel, no SDK",
    start: () => {
      const telemetry = instrument();
      return () => telemetry.stop();
    },
  },
  {
    name: "spans not sampled, no metrics",
    start: () => withSdk({ tracerProvider: off, metrics: false }),
  },
  {
    name: "metrics only",
    start: () => withSdk({ spans: false, meterProvider }),
  },
  {
    name: "spans only, all kept",
    start: () => withSdk({ tracerProvider: on, metrics: false }),
  },
  {
    name: "spans and metrics, all kept",
    start: () => withSdk({ tracerProvider: on, meterProvider }),
  },
];

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

const { server } = await startMemcached();
const client = new Client(server, { timeout: 10_000 });
const keys = Array.from({ length: 64 }, (_, i) => `otel:${i}`);
await client.setMany(keys.map((key) => [key, "x".repeat(100)]));

async function work(key: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (await client.get(key) === undefined) throw new Error("A miss");
  }
}

async function play({ start }: Side): Promise<Round> {
  const stop = start();
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await Promise.all(keys.map((key) => work(key, COUNT / keys.length)));
  const wall = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  stop();
  await on.forceFlush();
  spans.reset();
  return { wall: wall * 1e6 / COUNT, cpu: (user + system) * 1000 / COUNT };
}

const rounds = SIDES.map((): Round[] => []);
for (let round = -3; round < ROUNDS; round++) {
  for (const [i, side] of SIDES.entries()) {
    const played = await play(side);
    if (round >= 0) rounds[i].push(played);
  }
}
console.log("   ns/get   ratio      cpu   ratio  64 gets in flight");
for (const [i, { name }] of SIDES.entries()) {
  const column = (pick: (round: Round) => number): string =>
    median(rounds[i].map(pick)).toFixed(0).padStart(9) +
    median(rounds[i].map((round, at) => pick(round) / pick(rounds[0][at])))
      .toFixed(2).padStart(8);
  console.log(
    `${column(({ wall }) => wall)}${column(({ cpu }) => cpu)}  ${name}`,
  );
}
await client.close();
process.exit(0);
