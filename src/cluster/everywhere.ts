/**
 * Calls that go to every server at once.
 *
 * @module
 */

import { type Context, observe } from "../client/context.ts";
import type { Executor, Placement } from "../client/executor.ts";
import { FeedServers } from "../client/feed_servers.ts";
import { closedError, type Lane, type Request } from "../client/lanes.ts";
import {
  combined,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheNoServersError,
} from "../errors.ts";
import type { Member } from "./member.ts";

const NO_FEEDS: FeedServers = new FeedServers(() => []);

/** The way to one server, for a client of its own. */
export class MemberExecutor implements Executor {
  readonly #member: Member;
  /** Whether requests are sent to a server that is failing, too. */
  readonly #always: boolean;

  /** Takes the server, and whether its health is no matter. */
  constructor(member: Member, always: boolean) {
    this.#member = member;
    this.#always = always;
  }

  /** See {@linkcode Executor.closed}. */
  get closed(): boolean {
    return this.#member.lane.closed;
  }

  /** See {@linkcode Executor.execute}. */
  execute(request: Request): void {
    if (this.#always) this.#member.lane.execute(request);
    else this.#member.execute(request);
  }

  /** See {@linkcode Executor.everywhere}. */
  everywhere(): this[] {
    return [this];
  }

  /** Feeds come from all servers, not from one: here from none. */
  get feeds(): FeedServers {
    return NO_FEEDS;
  }

  /** See {@linkcode Executor.locate}. */
  locate(): Placement {
    const chosen = { lane: this.#member.lane };
    return { candidates: [chosen], chosen, at: 0 };
  }

  /** See {@linkcode Executor.lanes}. */
  lanes(): Lane[] {
    return [this.#member.lane];
  }

  /** See {@linkcode Lane.leave}. */
  leave(say: (lane: Lane) => void): void {
    this.#member.lane.leave(say);
  }

  /** See {@linkcode Executor.disconnect}. */
  disconnect(): Promise<void> {
    this.#member.disconnect();
    return Promise.resolve();
  }

  /** See {@linkcode Executor.close}. */
  close(): Promise<void> {
    this.#member.lane.close();
    return Promise.resolve();
  }
}

/**
 * Waits for the results of all servers.
 *
 * @param context The client's; it sees each failure once.
 * @param calls What each server was asked, by its name.
 * @returns The results by name, in the order of the servers.
 * @throws {MemcacheError} One error for all that failed, with the results of
 * the others.
 */
export async function gather<T>(
  context: Context,
  calls: ReadonlyMap<string, Promise<T>>,
): Promise<Map<string, T>> {
  const results = new Map<string, T>();
  const errors: MemcacheError[] = [];
  const failedKeys = new Set<string>();
  const ends = await Promise.allSettled(calls.values());
  const names = [...calls.keys()];
  for (const [i, end] of ends.entries()) {
    if (end.status === "fulfilled") {
      results.set(names[i], end.value);
      continue;
    }
    const { reason } = end;
    // An abort has the caller's own reason, and what is wrong with a call is
    // so for every server.
    if (!(reason instanceof MemcacheError)) throw reason;
    if (
      reason instanceof MemcacheIllegalInputError ||
      reason.code === "ERR_CLIENT_CLOSED"
    ) {
      observe(context, reason);
      throw reason;
    }
    observe(context, reason);
    reason.server ??= names[i];
    for (const key of reason.failedKeys ?? []) failedKeys.add(key);
    errors.push(reason);
  }
  if (errors.length === 0) return results;
  const error = combined(errors);
  error.results = results;
  if (failedKeys.size > 0) error.failedKeys = Object.freeze([...failedKeys]);
  throw error;
}

/**
 * Asks each of some servers, and waits for the results of all.
 *
 * @param context The client's; it sees each failure once.
 * @param executor The client's.
 * @param members The servers.
 * @param call Asks one of them.
 * @param command The command's name, for the error where there are none.
 * @returns As {@linkcode gather}.
 */
export function gatherFrom<T>(
  context: Context,
  executor: Executor,
  members: readonly Member[],
  call: (own: Context, member: Member) => Promise<T>,
  command: string,
): Promise<Map<string, T>> {
  if (members.length === 0) {
    const error = executor.closed ? closedError() : new MemcacheNoServersError(
      `Cannot send ${command}: no server, there are none`,
      { command, sent: false },
    );
    observe(context, error);
    return Promise.reject(error);
  }
  // What fails is shown once, not by each server's own client.
  const own = { ...context, onError: undefined };
  const calls = members.map((member) =>
    [member.name, call(own, member)] as const
  );
  return gather(context, new Map(calls));
}
