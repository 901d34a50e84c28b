/**
 * Waiting for what is on its way, over all connections of a client.
 *
 * @module
 */

import {
  combined,
  MemcacheError,
  MemcacheTimeoutError,
  stackless,
} from "../errors.ts";
import type { CommandOptions } from "../types.ts";
import { type Context, observe } from "./context.ts";
import { checkCall, type Executor, start, whenReady } from "./executor.ts";
import { readTimeout } from "./options.ts";
import { FlushCommand } from "./requests/flush.ts";

/**
 * Waits until all that was sent before is done.
 *
 * @param context What the client's requests have in common.
 * @param executor The ways to the servers.
 * @param options The caller's.
 * @throws {MemcacheError} One error for all servers that failed.
 */
export async function flush(
  context: Context,
  executor: Executor,
  options: CommandOptions | undefined,
): Promise<void> {
  try {
    readTimeout(options?.timeout, 0);
    const gone = checkCall(executor, options);
    if (gone !== undefined) throw gone.reason;
    const { settled } = executor;
    // At once, where that can be: it has its place behind what was called.
    if (settled !== undefined) {
      await whenReady(context, { ready: settled }, "mn", options);
    }
  } catch (error) {
    observe(context, error);
    throw error;
  }
  const timeout = readTimeout(options?.timeout, context.timeout);
  const deadline = timeout > 0 ? performance.now() + timeout : 0;
  const ends = await Promise.allSettled(
    executor.lanes().flatMap((lane) => lane.connections ?? [lane])
      .map((lane) => {
        if (!lane.closed) {
          const { request } = new FlushCommand();
          return start<void>(context, lane, request, "", options);
        }
        // It takes no more: when it has ended all is done that it had.
        return context.waits.bounded(lane.drain(), {
          deadline,
          signal: options?.signal,
          timedOut: () => lateError(lane.server, timeout),
        });
      }),
  );
  const errors: MemcacheError[] = [];
  for (const end of ends) {
    if (end.status === "fulfilled") continue;
    // An abort has the caller's own reason.
    if (!(end.reason instanceof MemcacheError)) throw end.reason;
    errors.push(end.reason);
  }
  if (errors.length > 0) throw combined(errors);
}

/** The error of a connection that has not come to its end. */
function lateError(server: string, timeout: number): MemcacheTimeoutError {
  return stackless(() =>
    new MemcacheTimeoutError(
      `Cannot finish mn: ${server} had not answered all that was sent within ${timeout} ms (timeout)`,
      { server, command: "mn", sent: true },
    )
  );
}
