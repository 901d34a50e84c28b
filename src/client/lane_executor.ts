/**
 * One server as an executor: there is only one way to go.
 *
 * @module
 */

import type { Lane } from "../connection/lane.ts";
import type { Request } from "../connection/request.ts";
import type { ConnectionOptions } from "../connection/options.ts";
import type { Executor, Placement } from "./executor.ts";
import { FeedServers } from "./feed_servers.ts";

/** Sends every request by one lane, whatever its route. */
export class LaneExecutor implements Executor {
  /** See {@linkcode Executor.feeds}. */
  readonly feeds: FeedServers;
  readonly #lane: Lane;

  /** Takes the lane, a connection or a pool, and how it connects. */
  constructor(lane: Lane, connection: ConnectionOptions) {
    this.#lane = lane;
    const servers = Object.freeze([connection]);
    this.feeds = new FeedServers(() => servers);
  }

  execute(request: Request): void {
    this.#lane.execute(request);
  }

  everywhere(): Lane[] {
    return [this.#lane];
  }

  lanes(): Lane[] {
    return [this.#lane];
  }

  locate(): Placement {
    const chosen = { lane: this.#lane };
    return { candidates: [chosen], chosen, at: 0 };
  }

  get closed(): boolean {
    return this.#lane.closed;
  }

  disconnect(): Promise<void> {
    this.#lane.disconnect();
    this.feeds.disconnect();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#lane.close();
    this.feeds.close();
    return Promise.resolve();
  }
}
