/**
 * `metrics()`: what a client has counted so far.
 *
 * @module
 */

import type { Lane, PoolCounters } from "../connection/lane.ts";
import { type CommandMetrics, commandMetrics } from "../telemetry/metrics.ts";
import type { ServerStats } from "../telemetry/server_stats.ts";
import type { Executor } from "./executor.ts";

/** What a client has counted of the connections to one server. */
export interface ConnectionMetrics {
  /** Those that are open now. */
  readonly open: number;
  /** Those that have been opened. */
  readonly opened: number;
  /** Those of them that this client has not ended itself. */
  readonly lost: number;
  /** Those that were opened in place of a lost one. */
  readonly reconnects: number;
  /**
   * Attempts that have come to nothing; also those that ended before the server
   * had answered.
   */
  readonly failedAttempts: number;
}

/** The connections of a pool. */
export interface PoolMetrics extends PoolCounters {
  /** Most connections that it opens (`maxPoolSize`). */
  readonly limit: number;
}

/** What a client has counted of one server, since it has it. */
export interface ServerMetrics {
  /** Name of the server: `host:port` or the path of its socket. */
  readonly server: string;
  /** Commands that wait or are in flight now. */
  readonly inFlight: number;
  /** Bytes written to its connections; with TLS, before they are encrypted. */
  readonly bytesSent: number;
  /** Bytes read from them. */
  readonly bytesReceived: number;
  /** The connections. Those of `keys()` and `watch()` are not among them. */
  readonly connections: ConnectionMetrics;
  /** The pool; absent where there is one connection only. */
  readonly pool?: PoolMetrics;
  /** The commands, by their names in protocol.txt. */
  readonly commands: Readonly<Record<string, CommandMetrics>>;
}

/**
 * What a client has counted, at the moment: plain data, for logs and for whatever
 * collects metrics. It is counted always, and `metrics()` may be called at any
 * time: nothing is sent.
 *
 * @example Hit ratio and slow commands
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await client.set("user:1", "Ada");
 * await client.getMany(["user:1", "user:2"]);
 *
 * const [{ commands, connections }] = client.metrics().servers;
 * const { hits, misses, latency } = commands.get;
 * console.log(hits / (hits + misses)); // 0.5
 * console.log(`99 % within ${latency.p99} ms`, connections.reconnects); // …, 0
 * await client.close();
 * await server.close();
 * ```
 */
export interface ClientMetrics {
  /** Those of each server that the client has, in the order they came in. */
  readonly servers: readonly ServerMetrics[];
  /**
   * Commands of a cluster that have found no server, by their names; absent
   * where there were none.
   */
  readonly unrouted?: Readonly<Record<string, CommandMetrics>>;
}

/** Tells what has been counted of the servers of an executor. */
export function readMetrics(executor: Executor): ClientMetrics {
  const servers = executor.lanes().map(serverMetrics);
  const { unrouted } = executor;
  if (unrouted === undefined) return { servers };
  const commands = Object.entries(commandsOf(unrouted));
  // Those that have found one after a while count there.
  const lost = commands.filter(([, { calls }]) => calls > 0);
  return lost.length === 0
    ? { servers }
    : { servers, unrouted: Object.fromEntries(lost) };
}

function serverMetrics(lane: Lane): ServerMetrics {
  const { stats } = lane.approach;
  const { bytesSent, bytesReceived, opened, ended } = stats;
  const { lost, reconnects, failedAttempts } = stats;
  const open = opened - ended;
  const metrics = {
    server: lane.server,
    inFlight: lane.pending,
    ...{ bytesSent, bytesReceived },
    connections: { open, opened, lost, reconnects, failedAttempts },
  };
  const commands = commandsOf(stats);
  const { counters, maxSize: limit } = lane;
  return counters === undefined || limit === undefined
    ? { ...metrics, commands }
    : { ...metrics, pool: { ...counters, limit }, commands };
}

function commandsOf(stats: ServerStats): Record<string, CommandMetrics> {
  return Object.fromEntries(
    [...stats.commands].map(([name, one]) => [name, commandMetrics(one)]),
  );
}
