/**
 * One server as an executor: there is only one way to go.
 *
 * @module
 */

import type { Lane } from "../connection/lane.ts";
import type { Request } from "../connection/request.ts";
import type { Executor } from "./executor.ts";

/** Sends every request by one lane, whatever its route. */
export class LaneExecutor implements Executor {
  readonly #lane: Lane;

  /** Takes the lane: a connection or a pool. */
  constructor(lane: Lane) {
    this.#lane = lane;
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

  get closed(): boolean {
    return this.#lane.closed;
  }

  disconnect(): Promise<void> {
    this.#lane.disconnect();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#lane.close();
    return Promise.resolve();
  }
}
