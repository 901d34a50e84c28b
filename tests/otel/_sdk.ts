/**
 * The SDK of OpenTelemetry with all that it is told kept in memory.
 *
 * @module
 */
import {
  type Attributes,
  context,
  type HrTime,
  metrics,
  SpanKind,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  type SpanExporter,
} from "@opentelemetry/sdk-trace-node";

/** A span, as far as tests look at it. */
export interface SeenSpan {
  readonly name: string;
  readonly kind: string;
  /** Name of the span above it. */
  readonly parent: string | undefined;
  readonly attributes: Attributes;
  /** The status: 0 if it is not set, 2 for an error. */
  readonly status: { readonly code: number; readonly message?: string };
}

/** One series of a metric. */
export interface Point {
  readonly attributes: Attributes;
  readonly value: number | Histogram;
}

/** Providers that keep what they are told. */
export class Sdk {
  /** The spans that have ended, in the order of their ends. */
  readonly ended: ReadableSpan[] = [];
  readonly tracerProvider: BasicTracerProvider;
  // That of the SDK keeps a timer for each span.
  readonly #spanExporter: SpanExporter = {
    export: (spans, done) => {
      this.ended.push(...spans);
      done({ code: 0 });
    },
    shutdown: () => Promise.resolve(),
  };
  readonly #metricExporter: InMemoryMetricExporter = new InMemoryMetricExporter(
    AggregationTemporality.CUMULATIVE,
  );
  #meterProvider: MeterProvider | undefined = undefined;

  constructor(sampler?: Sampler) {
    this.tracerProvider = new BasicTracerProvider({
      ...sampler === undefined ? {} : { sampler },
      spanProcessors: [new SimpleSpanProcessor(this.#spanExporter)],
    });
  }

  /** The provider of meters, from which metrics are read on demand only. */
  get meterProvider(): MeterProvider {
    return this.#meterProvider ??= new MeterProvider({
      readers: [
        new PeriodicExportingMetricReader({
          exporter: this.#metricExporter,
          exportIntervalMillis: 2 ** 30,
        }),
      ],
    });
  }

  /** Makes them the global ones, with contexts that follow asynchronous calls. */
  register(): void {
    useContexts();
    trace.setGlobalTracerProvider(this.tracerProvider);
    metrics.setGlobalMeterProvider(this.meterProvider);
  }

  /** What tests compare of them. */
  get spans(): SeenSpan[] {
    const { ended } = this;
    return ended.map((
      { name, kind, parentSpanContext, attributes, status },
    ) => ({
      name,
      kind: SpanKind[kind],
      parent: ended.find((span) =>
        span.spanContext().spanId === parentSpanContext?.spanId
      )?.name,
      attributes: { ...attributes },
      status: { ...status },
    }));
  }

  /** Collects what has been measured until now. */
  async collect(): Promise<Map<string, MetricData>> {
    this.#metricExporter.reset();
    await this.meterProvider.forceFlush();
    const found = new Map<string, MetricData>();
    for (const { scopeMetrics } of this.#metricExporter.getMetrics()) {
      for (const { scope, metrics } of scopeMetrics) {
        for (const metric of metrics) {
          if (scope.name === "@x/memcache") {
            found.set(metric.descriptor.name, metric);
          }
        }
      }
    }
    return found;
  }

  /** The series of a metric; none if it was not measured. */
  async points(name: string): Promise<Point[]> {
    const metric = (await this.collect()).get(name);
    return (metric?.dataPoints ?? []).map(({ attributes, value }) => ({
      attributes: { ...attributes },
      // Nothing here asks for the exponential kind.
      value: value as number | Histogram,
    }));
  }

  /** Lets go of everything, the global places included. */
  async close(): Promise<void> {
    trace.disable();
    metrics.disable();
    context.disable();
    await this.tracerProvider.shutdown();
    await this.#meterProvider?.shutdown();
  }
}

/** Makes contexts follow asynchronous calls. */
export function useContexts(): void {
  context.setGlobalContextManager(
    new AsyncLocalStorageContextManager().enable(),
  );
}

/** Seconds of a time of the SDK. */
export function secondsOf([seconds, nanoseconds]: HrTime): number {
  return seconds + nanoseconds / 1e9;
}

/** Runs with an SDK that is the global one meanwhile. */
export async function withSdk(
  fn: (sdk: Sdk) => Promise<void>,
  sampler?: Sampler,
): Promise<void> {
  const sdk = new Sdk(sampler);
  sdk.register();
  try {
    await fn(sdk);
  } finally {
    await sdk.close();
  }
}
