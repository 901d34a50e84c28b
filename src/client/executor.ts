/**
 * The seam between commands and routing: where a request goes is the
 * executor's choice, and its only one.
 *
 * @module
 */

import { closedError } from "../connection/failures.ts";
import type { Lane } from "../connection/lane.ts";
import type { Request } from "../connection/request.ts";
import {
  MemcacheIllegalInputError,
  MemcacheTimeoutError,
  stackless,
} from "../errors.ts";
import type { ServerStats } from "../telemetry/server_stats.ts";
import type { CommandOptions } from "../types.ts";
import { describe } from "../wire/numbers.ts";
import type { Context } from "./context.ts";
import type { FeedServers } from "./feed_servers.ts";
import { readTimeout } from "./options.ts";

/** Where the requests for some of the keys go: one server. */
export interface Way {
  /** Sends a request there. It is told the outcome; nothing is thrown. */
  execute(request: Request): void;
}

/** A server that could have a key. */
export interface Candidate {
  /** The way to it. */
  readonly lane: Lane;
  /** How it is, and when it is tried again; by its connections if absent. */
  readonly health?: {
    readonly state: "up" | "failing" | "dead";
    readonly retryAt: number;
  };
}

/** Where a route leads. */
export interface Placement {
  /** Those that could have the key, first the one whose own it is. */
  readonly candidates: readonly Candidate[];
  /** The one that has it now. */
  readonly chosen: Candidate | undefined;
  /** Why there are none, where that is known. */
  readonly cause?: string;
  /** The time, on the clock of their health. */
  readonly at: number;
}

/** Takes requests to servers. */
export interface Executor {
  /**
   * Sends a request.
   *
   * @param request It is told the outcome; nothing is thrown.
   * @param route The key that chooses the server, without prefix.
   */
  execute(request: Request, route: string): void;
  /**
   * Finds the way that requests of a route go now, so that many keys can share
   * a request. Absent where all go the same way.
   */
  readonly ways?: ((route: string) => Way) | undefined;
  /** Settles once the ways are known; absent where they are. Never rejects. */
  readonly ready?: Promise<void> | undefined;
  /** The ways to all servers that are in use, each once. */
  everywhere(): Way[];
  /** The lanes to all servers, also to those that are not in use any more. */
  lanes(): Lane[];
  /** Settles once no request waits for the ways; absent where none does. */
  readonly settled?: Promise<void> | undefined;
  /**
   * Is told that something is sent past it, with its timeout in milliseconds.
   * Absent where that is nothing to it.
   */
  passing?(timeout: number): void;
  /** Finds where a route leads, and where else it could. */
  locate(route: string): Placement;
  /** What is counted of requests that found no server; absent where all do. */
  readonly unrouted?: ServerStats | undefined;
  /** The servers, for what needs connections of its own to them. */
  readonly feeds: FeedServers;
  /** Whether it has been closed for good. */
  readonly closed: boolean;
  /** Lets go of connections. */
  disconnect(): Promise<void>;
  /** Closes for good. */
  close(): Promise<void>;
}

/**
 * Starts one request that a caller waits for.
 *
 * @param context What the client's requests have in common.
 * @param executor Where to.
 * @param request The request, fresh.
 * @param route The key that chooses the server.
 * @param options The caller's.
 * @returns The outcome.
 */
export function start<T>(
  context: Context,
  executor: Pick<Executor, "execute">,
  request: Request,
  route: string,
  options: CommandOptions | undefined,
): Promise<T> {
  if (options !== undefined) {
    readTimeout(options?.timeout, 0);
    const gone = abortedSignal(options);
    if (gone !== undefined) return Promise.reject(gone.reason);
  }
  request.limit(options, context.timeout);
  request.observedBy(context.onError);
  const promise = request.promise<T>();
  executor.execute(request, route);
  return promise;
}

/** The caller's signal, if it has given the call up already. */
function abortedSignal(
  options: CommandOptions | undefined,
): AbortSignal | undefined {
  // Who has no types may give null, or something else altogether.
  const signal: unknown = options?.signal ?? undefined;
  if (signal === undefined) return undefined;
  if (!(signal instanceof AbortSignal)) {
    throw new MemcacheIllegalInputError(
      `Cannot use option signal: ${describe(signal)}, must be an AbortSignal`,
      { sent: false },
    );
  }
  return signal.aborted ? signal : undefined;
}

/**
 * Checks a call that may send nothing at all.
 *
 * @returns The caller's signal, if it has given the call up already.
 * @throws {MemcacheError} If the client has been closed.
 */
export function checkCall(
  executor: Pick<Executor, "closed">,
  options: CommandOptions | undefined,
): AbortSignal | undefined {
  if (executor.closed) throw closedError();
  return abortedSignal(options);
}

/**
 * Waits until the ways are known, within a call's time.
 *
 * @returns Absent if they are known; else it rejects if time is up, or the call
 * is given up.
 */
export function whenReady(
  context: Context,
  { ready }: Pick<Executor, "ready">,
  command: string,
  options: CommandOptions | undefined,
): Promise<void> | undefined {
  if (ready === undefined) return undefined;
  const timeout = readTimeout(options?.timeout, context.timeout);
  return context.waits.bounded(ready, {
    deadline: timeout > 0 ? performance.now() + timeout : 0,
    signal: options?.signal,
    holds: true,
    timedOut: () => listTimeout(command, timeout),
  });
}

/** The error of a command that has waited for the servers to be known. */
export function listTimeout(
  command: string,
  timeout: number,
  key?: string,
): MemcacheTimeoutError {
  return stackless(() =>
    new MemcacheTimeoutError(
      `Cannot send ${command}: the list of servers had not come within ${timeout} ms (timeout)`,
      { command, key, sent: false },
    )
  );
}
