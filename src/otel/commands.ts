/**
 * Commands as spans, and as the metric of how long they took.
 *
 * @module
 */

import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  type Histogram,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import type { CommandMessage } from "../telemetry/channels.ts";
import {
  errorAttributes,
  operationAttributes,
  targetOf,
} from "./attributes.ts";
import { attempt, complain } from "./guard.ts";
import { MeterSource, seconds, TracerSource } from "./providers.ts";
import type { InstrumentOptions } from "./options.ts";

/** What the SDKs mark a context by in which nothing is to be traced. */
const SUPPRESSED = createContextKey(
  "OpenTelemetry SDK Context Key SUPPRESS_TRACING",
);

/** How many operations are remembered, by command and server. */
const LIMIT = 1000;

/** A command for a server. */
interface Operation {
  /** The name of its spans. */
  readonly name: string;
  /** What is the same for all of them. */
  readonly attributes: Attributes;
}

/** A command that has not ended. */
interface Running {
  readonly begun: number;
  /** The caller's context. */
  readonly active: Context;
  /** The server that was known when it began. */
  readonly server: string | undefined;
  readonly operation: Operation;
  readonly span: Span | undefined;
  readonly durations: Histogram | undefined;
}

/** Tells of commands. */
export class Commands {
  readonly #tracers: TracerSource | undefined;
  readonly #durations: MeterSource<Histogram> | undefined;
  readonly #showsKeys: boolean;
  readonly #requiresParent: boolean;
  readonly #operations: Map<string, Map<string | undefined, Operation>> =
    new Map();
  #known = 0;
  readonly #running: Map<CommandMessage, Running> = new Map();

  /** Takes what is wanted. */
  constructor(options: InstrumentOptions) {
    const { spans = true, metrics = true, keys, requireParent } = options;
    if (spans) this.#tracers = new TracerSource(options.tracerProvider);
    if (metrics) {
      this.#durations = new MeterSource(
        options.meterProvider,
        (meter) =>
          seconds(
            meter,
            "db.client.operation.duration",
            "Duration of database client operations.",
          ),
      );
    }
    this.#showsKeys = keys === true;
    this.#requiresParent = requireParent === true;
  }

  /** A command begins; called in its caller's context. */
  started(message: CommandMessage): void {
    const durations = this.#durations?.get();
    const tracer = this.#tracers?.get();
    if (tracer === undefined && durations === undefined) return;
    const active = context.active();
    const operation = this.#operationOf(message);
    let span: Span | undefined;
    try {
      span = tracer && this.#startSpan(tracer, message, operation, active);
    } catch (error) {
      complain(error);
    }
    const begun = performance.now();
    this.#running.set(message, {
      begun,
      active,
      server: message.server,
      operation,
      span,
      durations,
    });
  }

  /** A command has ended. */
  ended(message: CommandMessage): void {
    const running = this.#running.get(message);
    if (running === undefined) return;
    this.#running.delete(message);
    const { begun, active, span, durations } = running;
    const took = performance.now() - begun;
    // A server may have been found later, or another one.
    const hasMoved = message.server !== running.server;
    const operation = hasMoved ? this.#operationOf(message) : running.operation;
    // What failed may be told as a miss: then it has a result as well.
    const failure = "error" in message && !("result" in message)
      ? errorAttributes(message.error)
      : undefined;
    try {
      if (span?.isRecording() === true) {
        if (hasMoved) rename(span, operation);
        setItems(span, message);
        if (failure !== undefined) setFailure(span, failure, message.error);
      }
      span?.end();
    } catch (error) {
      complain(error);
    }
    durations?.record(
      took / 1000,
      failure === undefined
        ? operation.attributes
        : { ...operation.attributes, ...failure },
      active,
    );
  }

  /** Ends what is left of what was begun: nobody will tell its end. */
  stop(): void {
    const left = [...this.#running.values()];
    this.#running.clear();
    for (const { span } of left) attempt(() => span?.end());
  }

  #startSpan(
    tracer: Tracer,
    { keys }: CommandMessage,
    { name, attributes }: Operation,
    active: Context,
  ): Span | undefined {
    if (active.getValue(SUPPRESSED) === true) return undefined;
    if (this.#requiresParent && trace.getSpan(active) === undefined) {
      return undefined;
    }
    const span = tracer.startSpan(
      name,
      { kind: SpanKind.CLIENT, attributes },
      active,
    );
    if (span.isRecording()) {
      if (keys.length > 1) {
        span.setAttribute("memcached.key_count", keys.length);
      }
      if (this.#showsKeys && keys.length > 0) {
        span.setAttribute("memcached.keys", [...keys]);
      }
    }
    return span;
  }

  #operationOf(message: CommandMessage): Operation {
    const { command, server } = message;
    let servers = this.#operations.get(command);
    const found = servers?.get(server);
    if (found !== undefined) return found;
    if (this.#known >= LIMIT) {
      // Servers come and go.
      this.#operations.clear();
      servers = undefined;
      this.#known = 0;
    }
    if (servers === undefined) {
      servers = new Map();
      this.#operations.set(command, servers);
    }
    const target = targetOf(message);
    const operation = {
      name: target === "" ? command : `${command} ${target}`,
      attributes: operationAttributes(command, message),
    };
    servers.set(server, operation);
    this.#known++;
    return operation;
  }
}

function rename(span: Span, { name, attributes }: Operation): void {
  span.updateName(name);
  span.setAttributes(attributes);
}

/** What the server has told of its items. */
function setItems(span: Span, { hits, misses }: CommandMessage): void {
  if (hits === undefined || misses === undefined) return;
  span.setAttribute("memcached.hits", hits);
  span.setAttribute("memcached.misses", misses);
}

function setFailure(span: Span, failure: Attributes, error: unknown): void {
  span.setAttributes(failure);
  span.setStatus(
    error instanceof Error
      ? { code: SpanStatusCode.ERROR, message: error.message }
      : { code: SpanStatusCode.ERROR },
  );
}
