/**
 * What may be chosen of the instrumentation.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";

/**
 * A `TracerProvider` of `@opentelemetry/api`, of any version 1: its type is not
 * named, so that it may come from another copy of that package.
 */
export interface AnyTracerProvider {
  /**
   * Makes a tracer.
   *
   * @param name The name of what makes the spans.
   * @param version Its version.
   * @returns A `Tracer`.
   */
  getTracer(name: string, version?: string): object;
}

/** A `MeterProvider` of `@opentelemetry/api`, of any version 1. */
export interface AnyMeterProvider {
  /**
   * Makes a meter.
   *
   * @param name The name of what makes the metrics.
   * @param version Its version.
   * @returns A `Meter`.
   */
  getMeter(name: string, version?: string): object;
}

/** What {@linkcode instrument} may be told. */
export interface InstrumentOptions {
  /**
   * Whether commands make spans.
   *
   * @default {true}
   */
  readonly spans?: boolean;
  /**
   * Whether commands and connections are counted as metrics.
   *
   * @default {true}
   */
  readonly metrics?: boolean;
  /**
   * Whether spans have the caller's keys as `memcached.keys`. A key may name a
   * person; values are never shown.
   *
   * @default {false}
   */
  readonly keys?: boolean;
  /**
   * Whether a command makes a span only where its caller has one.
   *
   * @default {false}
   */
  readonly requireParent?: boolean;
  /**
   * Makes the tracer.
   *
   * @default {the global provider, also one that is set later}
   */
  readonly tracerProvider?: AnyTracerProvider;
  /**
   * Makes the meter.
   *
   * @default {the global provider, also one that is set later}
   */
  readonly meterProvider?: AnyMeterProvider;
}

/** What `observe` may be told. */
export interface ObserveOptions {
  /**
   * The name of the client's pools in metrics.
   *
   * @default {the server, such as `"localhost"` or `"10.0.0.1:11212"`}
   */
  readonly poolName?: string;
}

/** Throws if a client counts nothing. */
export function checkClient(client: unknown): void {
  if (isProvider(client ?? null, "metrics")) return;
  refuse("client", "a client with metrics()");
}

/** Throws if a name is none. */
export function checkPoolName(name: unknown): void {
  if (name === undefined || (typeof name === "string" && name !== "")) return;
  refuse("poolName", "a string that is not empty");
}

/** Checks the options, which JavaScript may have given. */
export function checkOptions(options: InstrumentOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new MemcacheIllegalInputError(
      "Cannot use options of instrument(): they must be an object",
      { sent: false },
    );
  }
  for (const name of ["spans", "metrics", "keys", "requireParent"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "boolean") {
      refuse(name, "true or false");
    }
  }
  const { tracerProvider, meterProvider } = options;
  if (!isProvider(tracerProvider, "getTracer")) {
    refuse("tracerProvider", "a TracerProvider");
  }
  if (!isProvider(meterProvider, "getMeter")) {
    refuse("meterProvider", "a MeterProvider");
  }
}

function isProvider(value: unknown, method: string): boolean {
  return value === undefined ||
    typeof Reflect.get(Object(value), method) === "function";
}

/** Refuses an option. */
export function refuse(name: string, wanted: string): never {
  throw new MemcacheIllegalInputError(
    `Cannot use option ${name}: it must be ${wanted}`,
    { sent: false },
  );
}
