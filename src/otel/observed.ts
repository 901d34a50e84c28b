/**
 * What clients count by themselves, as metrics.
 *
 * @module
 */

import type {
  Attributes,
  BatchObservableCallback,
  BatchObservableResult,
  Meter,
  Observable,
} from "@opentelemetry/api";
import type { ClientMetrics, ServerMetrics } from "../client/metrics.ts";
import type { ServerPlace } from "../telemetry/channels.ts";
import { operationAttributes, serverAttributes } from "./attributes.ts";
import { poolAttributes } from "./connections.ts";
import { attempt } from "./guard.ts";
import type { AnyMeterProvider } from "./options.ts";
import { MeterSource } from "./providers.ts";

/** A client, as far as it is observed. */
export interface ObservedClient {
  /**
   * Tells what was counted.
   *
   * @returns What `metrics()` of every client returns.
   */
  metrics(): ClientMetrics;
}

/** What is read of clients. */
interface Instruments {
  readonly connections: Observable;
  readonly limits: Observable;
  readonly items: Observable;
  readonly bytes: Observable;
  /** Reads them no more. */
  detach(): void;
}

/** Sums, each with what it is about: clients may have servers in common. */
type Sums = Map<string, { readonly attributes: Attributes; value: number }>;

/** The clients that are observed. */
export class Observed {
  readonly #clients: Map<ObservedClient, string | undefined> = new Map();
  readonly #instruments: MeterSource<Instruments>;
  #attached: Instruments | undefined = undefined;

  /** Takes where the metrics go. */
  constructor(provider: AnyMeterProvider | undefined) {
    this.#instruments = new MeterSource(provider, (meter) => this.#make(meter));
  }

  /** Takes a client in, under a name for its pools if there is one. */
  add(client: ObservedClient, poolName: string | undefined): void {
    this.#clients.set(client, poolName);
    this.attach();
  }

  /** Leaves a client out from now on. */
  remove(client: ObservedClient): void {
    this.#clients.delete(client);
  }

  /** Finds the provider, which may be another one by now. */
  attach(): void {
    if (this.#clients.size === 0) return;
    const found = this.#instruments.get();
    if (found === this.#attached) return;
    this.#attached?.detach();
    this.#attached = found;
  }

  /** Takes over what another one has observed. */
  takeOver(other: Observed): void {
    for (const [client, poolName] of other.#clients) this.add(client, poolName);
  }

  /** Observes nothing any more. */
  stop(): void {
    this.#clients.clear();
    this.#attached?.detach();
    this.#attached = undefined;
  }

  #make(meter: Meter): Instruments {
    const connections = meter.createObservableUpDownCounter(
      "db.client.connection.count",
      {
        description: "Connections that are open, by what they do.",
        unit: "{connection}",
      },
    );
    const limits = meter.createObservableUpDownCounter(
      "db.client.connection.limit",
      {
        description: "Connections that may be open at a time.",
        unit: "{connection}",
      },
    );
    const items = meter.createObservableCounter("memcached.client.items", {
      description: "Items that commands have found, or have not.",
      unit: "{item}",
    });
    const bytes = meter.createObservableCounter("memcached.client.io", {
      description: "Bytes sent to servers, and received from them.",
      unit: "By",
    });
    const all = [connections, limits, items, bytes];
    const instruments = { connections, limits, items, bytes };
    const read: BatchObservableCallback = (result) =>
      this.#read(instruments, result);
    meter.addBatchObservableCallback(read, all);
    return {
      ...instruments,
      detach: () => meter.removeBatchObservableCallback(read, all),
    };
  }

  #read(
    { connections, limits, items, bytes }: Omit<Instruments, "detach">,
    result: BatchObservableResult,
  ): void {
    const sums = {
      connections: new Map(),
      limits: new Map(),
      items: new Map(),
      bytes: new Map(),
    };
    for (const [client, poolName] of this.#clients) {
      for (const server of serversOf(client)) {
        const place = placeOf(server.server);
        const pool = poolAttributes(place, poolName);
        addConnections(sums.connections, server, pool);
        add(sums.limits, server.pool?.limit ?? 1, pool, {});
        addItems(sums.items, server, place);
        const about = serverAttributes(place);
        add(sums.bytes, server.bytesSent, about, {
          "network.io.direction": "transmit",
        });
        add(sums.bytes, server.bytesReceived, about, {
          "network.io.direction": "receive",
        });
      }
    }
    tell(result, connections, sums.connections);
    tell(result, limits, sums.limits);
    tell(result, items, sums.items);
    tell(result, bytes, sums.bytes);
  }
}

/** Those of a client; none of one that cannot tell. */
function serversOf(client: ObservedClient): readonly ServerMetrics[] {
  return attempt(() => client.metrics().servers) ?? [];
}

function addConnections(
  sums: Sums,
  { connections: { open }, pool, inFlight }: ServerMetrics,
  attributes: Attributes,
): void {
  // A pool counts those as idle, too, that are yet to open.
  const idle = Math.min(open, pool?.idle ?? (inFlight > 0 ? 0 : open));
  const state = "db.client.connection.state";
  add(sums, idle, attributes, { [state]: "idle" });
  add(sums, open - idle, attributes, { [state]: "used" });
}

function addItems(
  sums: Sums,
  { commands }: ServerMetrics,
  place: ServerPlace,
): void {
  for (const [command, { hits, misses }] of Object.entries(commands)) {
    if (hits + misses === 0) continue;
    const attributes = operationAttributes(command, place);
    add(sums, hits, attributes, { "memcached.result": "hit" });
    add(sums, misses, attributes, { "memcached.result": "miss" });
  }
}

function add(
  sums: Sums,
  value: number,
  about: Attributes,
  more: Attributes,
): void {
  const attributes = { ...about, ...more };
  const key = JSON.stringify(attributes);
  const sum = sums.get(key);
  if (sum === undefined) sums.set(key, { attributes, value });
  else sum.value += value;
}

function tell(
  result: BatchObservableResult,
  instrument: Observable,
  sums: Sums,
): void {
  for (const { attributes, value } of sums.values()) {
    result.observe(instrument, value, attributes);
  }
}

/** Where a server is, by its name. */
export function placeOf(server: string): ServerPlace {
  const colon = server.lastIndexOf(":");
  const port = Number(server.slice(colon + 1));
  if (colon < 0 || server.includes("/") || !Number.isInteger(port)) {
    return { server, path: server };
  }
  const host = server.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return { server, host, port };
}
