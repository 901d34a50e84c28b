/**
 * The seam between commands and routing: where a request goes is the
 * executor's choice, and its only one.
 *
 * @module
 */

import type { Request } from "../connection/request.ts";
import type { CommandOptions } from "../types.ts";
import type { Context } from "./context.ts";
import { readTimeout } from "./options.ts";

/** Takes requests to servers. */
export interface Executor {
  /**
   * Sends a request.
   *
   * @param request It is told the outcome; nothing is thrown.
   * @param route The key that chooses the server, without prefix.
   */
  execute(request: Request, route: string): void;
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
  executor: Executor,
  request: Request,
  route: string,
  options: CommandOptions | undefined,
): Promise<T> {
  if (options !== undefined) {
    readTimeout(options.timeout, 0);
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
  }
  request.limit(options, context.timeout);
  request.observedBy(context.onError);
  const promise = request.promise<T>();
  executor.execute(request, route);
  return promise;
}
