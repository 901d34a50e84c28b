/**
 * `explain()`: where a key goes, and why.
 *
 * @module
 */

import { now } from "../connection/alarm.ts";
import { closedError } from "../connection/failures.ts";
import type { Key } from "../types.ts";
import { wireKey } from "../wire/key.ts";
import { itemKey, routeOf } from "./arguments.ts";
import type { Context } from "./context.ts";
import type { Candidate, Executor } from "./executor.ts";

/** The last failure that says something of a server. */
export interface LastError {
  /** Code of the error. */
  readonly code: string;
  /** What it says. */
  readonly message: string;
  /** How many milliseconds ago it was. */
  readonly ago: number;
}

/** How a server is, as far as the client knows. */
export interface ServerCondition {
  /** Name of the server: `host:port` or the path of its socket. */
  readonly server: string;
  /**
   * `"failing"`: it could not be reached, or did not answer, when it was last
   * tried; one that has but lost a connection is up until then. `"dead"`: it is
   * out of the ring of a cluster.
   */
  readonly state: "up" | "failing" | "dead";
  /**
   * Milliseconds until it is tried again, where it is not up; 0 where the next
   * command tries it.
   */
  readonly retryIn: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Commands that wait or are in flight. */
  readonly inFlight: number;
  /** Its last failure, unless there was none. */
  readonly lastError?: LastError;
}

/**
 * Where a command for a key would go now, and why. Nothing is sent to tell it.
 *
 * @example
 * ```ts
 * import { HashClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const servers = await Promise.all([1, 2, 3].map(() => MemcachedServer.start()));
 * const client = new HashClient(servers.map((server) => server.address));
 * console.log(client.explain("user:1").text);
 * // "127.0.0.1:… is the first of 3 servers for this key"
 * await client.close();
 * for (const server of servers) await server.close();
 * ```
 */
export interface Explanation {
  /** The caller's key. */
  readonly key: string;
  /** What has chosen the server: the key, or the first of a pair. */
  readonly routingKey: string;
  /**
   * The key as it goes on the wire, with its prefix. Absent in a namespace,
   * where it has a version in it that the server knows.
   */
  readonly wireKey?: string;
  /** Name of the server, `undefined` if there is none that could have the key. */
  readonly server: string | undefined;
  /**
   * `"only"`: there is one server. `"first"`: it is the key's own. `"failover"`:
   * it stands in for one that is dead. `"none"`: no server could be had.
   */
  readonly reason: "only" | "first" | "failover" | "none";
  /** All of it in a sentence. */
  readonly text: string;
  /**
   * The servers, in the order in which the key would have them; as far as the
   * hasher tells, then as they came.
   */
  readonly servers: readonly ServerCondition[];
}

/**
 * Explains a key.
 *
 * @throws {MemcacheIllegalInputError} If it is none.
 */
export function explainKey(
  context: Context,
  executor: Executor,
  key: Key,
): Explanation {
  const name = itemKey(key);
  const wire = wireKey(name, context, "explain");
  const routingKey = routeOf(key);
  const { candidates, at, ...found } = executor.locate(routingKey);
  const chosen = executor.closed ? undefined : found.chosen;
  const cause = executor.closed ? closedError().message : found.cause;
  const servers = candidates.map((one) => conditionOf(one, at));
  const [first] = candidates;
  const reason = chosen === undefined
    ? "none"
    : candidates.length === 1
    ? "only"
    : chosen === first
    ? "first"
    : "failover";
  const server = chosen?.lane.server;
  const current = servers.find((one) => one.server === server);
  const text = textOf(reason, current, servers, cause);
  return {
    key: name,
    routingKey,
    wireKey: wire,
    server,
    reason,
    text,
    servers,
  };
}

function conditionOf({ lane, health }: Candidate, at: number): ServerCondition {
  const { stats, backoff } = lane.approach;
  const state = health?.state ?? (backoff.failures > 0 ? "failing" : "up");
  // Whatever its health, no attempt to connect begins before its pause is over.
  const pause = Math.max(backoff.readyAt - now(), (health?.retryAt ?? 0) - at);
  const condition: ServerCondition = {
    server: lane.server,
    state,
    retryIn: state === "up" ? 0 : Math.max(0, Math.round(pause)),
    connections: stats.opened - stats.ended,
    inFlight: lane.pending,
  };
  const { lastError } = stats;
  if (lastError === undefined) return condition;
  const { code, message } = lastError;
  const ago = Math.max(0, Date.now() - lastError.at);
  return { ...condition, lastError: { code, message, ago } };
}

function textOf(
  reason: Explanation["reason"],
  current: ServerCondition | undefined,
  servers: readonly ServerCondition[],
  cause: string | undefined,
): string {
  if (current === undefined) {
    const why = cause ?? servers.map(troubleOf).join("; ");
    return why === ""
      ? "There is no server for this key: the client has none"
      : `There is no server for this key: ${why}`;
  }
  const { server } = current;
  const trouble = current.state === "up" ? "" : `; ${troubleOf(current)}`;
  if (reason === "only") return `${server} is the only server${trouble}`;
  if (reason === "first") {
    return `${server} is the first of ${servers.length} servers for this key${trouble}`;
  }
  const before = servers.slice(0, servers.indexOf(current));
  const others = before.map(troubleOf).join("; ");
  return `${server} stands in for this key${trouble}: ${others}`;
}

/** What is wrong with a server, and until when. */
function troubleOf(
  { server, state, retryIn, lastError }: ServerCondition,
): string {
  const until = retryIn === 0
    ? "the next command tries it"
    : `it is tried again in ${retryIn} ms`;
  const why = lastError === undefined ? "" : ` (${lastError.message})`;
  return `${server} is ${state}, ${until}${why}`;
}
