/**
 * Commands whose serde takes its time.
 *
 * @module
 */

import type { Command } from "../connection/request.ts";
import type { CommandOptions } from "../types.ts";
import { type Context, observe } from "./context.ts";
import { checkCall, type Executor, start } from "./executor.ts";
import { readTimeout } from "./options.ts";
import { serdeTimeout } from "./serde_waits.ts";

/** What a command is about, before there is one. */
export interface Plan {
  /** Name of the command in protocol.txt. */
  readonly command: string;
  /** The caller's key. */
  readonly key: string;
  /** The key that chooses the server. */
  readonly route: string;
}

/**
 * Starts a command once its serde has made it; the clock runs from the call on.
 *
 * @param context What the client's requests have in common.
 * @param executor Where to.
 * @param late The command that is being made.
 * @param plan What it is about.
 * @param options The caller's.
 * @returns The outcome.
 * @throws {MemcacheError} If the call is refused at once.
 */
export function startLate<T>(
  context: Context,
  executor: Executor,
  late: Promise<Command>,
  { command, key, route }: Plan,
  options: CommandOptions | undefined,
): Promise<T> {
  const limit = readTimeout(options?.timeout, context.timeout);
  const gone = checkCall(executor, options);
  if (gone !== undefined) return Promise.reject(gone.reason);
  const deadline = limit > 0 ? Math.ceil(performance.now() + limit) : 0;
  const refused = (error: unknown): Promise<never> => {
    observe(context, error);
    return Promise.reject(error);
  };
  return context.waits.bounded(late, {
    deadline,
    signal: options?.signal,
    timedOut: () => serdeTimeout(limit, { command, key, sent: false }),
  }).then(({ request }) => {
    try {
      request.deadline = deadline;
      return start<T>(context, executor, request, route, options);
    } catch (error) {
      return refused(error);
    }
  }, refused);
}
