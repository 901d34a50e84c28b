/**
 * Spans and metrics of OpenTelemetry, by its semantic conventions for database
 * clients. An entry of its own, as it needs the package `@opentelemetry/api`, and
 * the client needs none.
 *
 * It listens to what clients tell on the channels of `node:diagnostics_channel`:
 * all clients of the process are seen, also those of libraries.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { instrument } from "@x/memcache/otel";
 *
 * const telemetry = instrument();
 * const client = new Client("localhost");
 * telemetry.observe(client, { poolName: "sessions" });
 * await client.close();
 * telemetry.stop();
 * ```
 *
 * @module
 */

import type { ClientMetrics } from "../client/metrics.ts";
import { Instrumented } from "./instrumented.ts";
import type { ObservedClient } from "./observed.ts";
import {
  type AnyMeterProvider,
  type AnyTracerProvider,
  checkOptions,
  type InstrumentOptions,
  type ObserveOptions,
} from "./options.ts";

export type {
  AnyMeterProvider,
  AnyTracerProvider,
  ClientMetrics,
  InstrumentOptions,
  ObservedClient,
  ObserveOptions,
};

/** What {@linkcode instrument} has switched on. */
export interface Instrumentation {
  /**
   * Shows what a client counts by itself as metrics: its connections, hits and
   * misses, and bytes. They are read when metrics are collected. A client that
   * is observed already is so once, under the new name. Does nothing once it is
   * stopped.
   *
   * @param client A client of any kind; a cluster shows each of its servers.
   * @param options The name of its pools.
   * @returns A function that observes it no more.
   */
  observe(client: ObservedClient, options?: ObserveOptions): () => void;
  /**
   * Listens no more, and observes no client. The spans of commands that are still
   * in flight end here.
   */
  stop(): void;
  /** Stops, at the end of a `using`. */
  [Symbol.dispose](): void;
}

/**
 * Makes spans and metrics of all commands, from now on, until it is stopped.
 *
 * - A command is a span of the kind CLIENT, below the caller's active span. A
 *   `getMany` is one for each server, and for each 100 keys; `setMany` and
 *   `deleteMany` are one for each key.
 * - Its duration is recorded in `db.client.operation.duration`; how long
 *   connections took, and commands waited for one, in
 *   `db.client.connection.create_time`, `.wait_time`, `.pending_requests` and
 *   `.timeouts`.
 * - Values are never shown, and keys only on request.
 * - One is active at a time in a process: a new one stops the one before, and
 *   goes on observing its clients. So nothing is told twice.
 * - What an SDK throws is told to `diag` of OpenTelemetry; commands go on.
 *
 * @example Spans only, where a request has one, with keys
 * ```ts
 * import { instrument } from "@x/memcache/otel";
 *
 * const telemetry = instrument({
 *   metrics: false,
 *   requireParent: true,
 *   keys: true,
 * });
 * telemetry.stop();
 * ```
 *
 * @param options What is wanted of it; all but keys by default.
 * @returns What stops it.
 * @throws {MemcacheIllegalInputError} If an option is none that it can be.
 */
export function instrument(options: InstrumentOptions = {}): Instrumentation {
  checkOptions(options);
  return new Instrumented(options);
}
