/**
 * The way of the commands of a namespace: that of the client, and beside each
 * command the question whether the namespace still has the version that it uses.
 *
 * @module
 */

import type { Lane } from "../../connection/lane.ts";
import type { Request } from "../../connection/request.ts";
import type { ServerStats } from "../../telemetry/server_stats.ts";
import type { Executor, Placement, Way } from "../executor.ts";
import type { FeedServers } from "../feed_servers.ts";
import { Round } from "./check.ts";
import type { VersionKey } from "./version_key.ts";

/** The executor of a namespace at one version. */
export class ViewExecutor implements Executor {
  /** How many requests have been sent. */
  count = 0;
  readonly #inner: Executor;
  readonly #prefix: string;
  readonly #keys: readonly VersionKey[];
  readonly #wrapped: WeakMap<Way, Way> = new WeakMap();
  #round: Round | undefined = undefined;
  readonly #only: Way = { execute: (request) => this.execute(request, "") };
  readonly #find = (route: string): Way => this.#wayOf(route);

  /**
   * Takes the client's executor, and the keys of the versions.
   *
   * @param prefix Put before routes: the namespace without its versions, so
   * that no key moves to another server when they change.
   */
  constructor(inner: Executor, prefix: string, keys: readonly VersionKey[]) {
    this.#inner = inner;
    this.#prefix = prefix;
    this.#keys = keys;
  }

  /** See {@linkcode Executor.closed}. */
  get closed(): boolean {
    return this.#inner.closed;
  }

  /** See {@linkcode Executor.feeds}. */
  get feeds(): FeedServers {
    return this.#inner.feeds;
  }

  /** See {@linkcode Executor.ready}. */
  get ready(): Promise<void> | undefined {
    return this.#inner.ready;
  }

  /** See {@linkcode Executor.ways}. */
  get ways(): ((route: string) => Way) | undefined {
    return this.#inner.ways === undefined ? undefined : this.#find;
  }

  /** Whatever goes to all servers has no version. */
  everywhere(): Way[] {
    return this.#inner.everywhere();
  }

  /** See {@linkcode Executor.lanes}. */
  lanes(): Lane[] {
    return this.#inner.lanes();
  }

  /** See {@linkcode Executor.locate}. */
  locate(route: string): Placement {
    return this.#inner.locate(this.#prefix + route);
  }

  /** See {@linkcode Executor.unrouted}. */
  get unrouted(): ServerStats | undefined {
    return this.#inner.unrouted;
  }

  /** See {@linkcode Executor.settled}. */
  get settled(): Promise<void> | undefined {
    return this.#inner.settled;
  }

  /** See {@linkcode Executor.execute}. */
  execute(request: Request, route: string): void {
    this.count++;
    this.ask(request.timeout);
    this.#inner.execute(request, this.#prefix + route);
  }

  /** See {@linkcode Executor.passing}. */
  passing(timeout: number): void {
    this.count++;
    this.ask(timeout);
  }

  /** The connections are the client's. */
  disconnect(): Promise<void> {
    return Promise.resolve();
  }

  /** The connections are the client's. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Asks for the versions, or shares a question that has not been sent: in the
   * same write as what is sent next, so that it costs no round trip.
   *
   * @param timeout Milliseconds, 0 for none.
   */
  ask(timeout: number): Round {
    const round = this.#round;
    if (round !== undefined && round.isOpenTo(timeout)) return round;
    return this.#round = new Round(
      this.#keys.map((key) => key.check(timeout)),
    );
  }

  /**
   * The question that was asked with the last request.
   *
   * @param count How many there had been when the call began.
   * @returns `undefined` if none has been sent since.
   */
  roundSince(count: number): Round | undefined {
    return this.count === count ? undefined : this.#round;
  }

  #wayOf(route: string): Way {
    const full = this.#prefix + route;
    const way = this.#inner.ways?.(full);
    // A list of servers that has shrunk to one needs no ways any more.
    if (way === undefined) return this.#only;
    let wrapped = this.#wrapped.get(way);
    if (wrapped === undefined) {
      wrapped = {
        execute: (request) => {
          this.count++;
          this.ask(request.timeout);
          way.execute(request);
        },
      };
      // Keys that go the same way have to be known for that.
      this.#wrapped.set(way, wrapped);
    }
    return wrapped;
  }
}
