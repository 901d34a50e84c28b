/**
 * Connections, and waiting for them, as metrics.
 *
 * @module
 */

import type {
  Attributes,
  Counter,
  Histogram,
  Meter,
  UpDownCounter,
} from "@opentelemetry/api";
import type {
  ConnectMessage,
  ServerPlace,
  WaitMessage,
} from "../telemetry/channels.ts";
import { errorAttributes, serverAttributes, targetOf } from "./attributes.ts";
import type { AnyMeterProvider } from "./options.ts";
import { MeterSource, seconds } from "./providers.ts";

/** What is measured of connections. */
interface Instruments {
  readonly createTime: Histogram;
  readonly waitTime: Histogram;
  readonly pending: UpDownCounter;
  readonly timeouts: Counter;
}

function makeInstruments(meter: Meter): Instruments {
  return {
    createTime: seconds(
      meter,
      "db.client.connection.create_time",
      "The time it took to create a new connection.",
    ),
    waitTime: seconds(
      meter,
      "db.client.connection.wait_time",
      "The time it took to obtain an open connection.",
    ),
    pending: meter.createUpDownCounter(
      "db.client.connection.pending_requests",
      {
        description: "Commands that wait for an open connection.",
        unit: "{request}",
      },
    ),
    timeouts: meter.createCounter("db.client.connection.timeouts", {
      description: "Commands that timed out before a connection took them.",
      unit: "{timeout}",
    }),
  };
}

/** Which pool of connections something is about: those to one server. */
export function poolAttributes(place: ServerPlace, name?: string): Attributes {
  const target = targetOf(place);
  return {
    "db.client.connection.pool.name": name ??
      (target === "" ? "memcached" : target),
    ...serverAttributes(place),
  };
}

/** A command that waits. */
interface Wait {
  readonly begun: number;
  readonly attributes: Attributes;
  /** Where it was counted. */
  readonly instruments: Instruments;
}

/** Tells of connections. */
export class Connections {
  readonly #instruments: MeterSource<Instruments>;
  readonly #attempts: Map<ConnectMessage, number> = new Map();
  readonly #waits: Map<WaitMessage, Wait> = new Map();

  /** Takes where the metrics go. */
  constructor(provider: AnyMeterProvider | undefined) {
    this.#instruments = new MeterSource(provider, makeInstruments);
  }

  /** An attempt to connect begins. */
  dialing(message: ConnectMessage): void {
    this.#attempts.set(message, performance.now());
  }

  /** An attempt to connect has ended. */
  dialed(message: ConnectMessage): void {
    const begun = this.#attempts.get(message);
    if (begun === undefined) return;
    this.#attempts.delete(message);
    this.#instruments.get()?.createTime.record(
      (performance.now() - begun) / 1000,
      withFailure(poolAttributes(message), message),
    );
  }

  /** A command begins to wait. */
  waiting(message: WaitMessage): void {
    const instruments = this.#instruments.get();
    if (instruments === undefined) return;
    const begun = performance.now();
    const attributes = poolAttributes(message);
    this.#waits.set(message, { begun, attributes, instruments });
    instruments.pending.add(1, attributes);
  }

  /** A command waits no more. */
  waited(message: WaitMessage): void {
    const wait = this.#waits.get(message);
    if (wait === undefined) return;
    this.#waits.delete(message);
    const { begun, attributes, instruments } = wait;
    const took = (performance.now() - begun) / 1000;
    instruments.pending.add(-1, attributes);
    const all = withFailure(attributes, message);
    instruments.waitTime.record(took, all);
    if (all["error.type"] === "ERR_TIMEOUT") {
      instruments.timeouts.add(1, attributes);
    }
  }

  /** Forgets what was begun: nobody will tell its end. */
  stop(): void {
    for (const { attributes, instruments } of this.#waits.values()) {
      instruments.pending.add(-1, attributes);
    }
    this.#waits.clear();
    this.#attempts.clear();
  }
}

/** Adds what something has failed with, if it has. */
function withFailure(
  attributes: Attributes,
  message: { error?: unknown },
): Attributes {
  return "error" in message
    ? { ...attributes, ...errorAttributes(message.error) }
    : attributes;
}
