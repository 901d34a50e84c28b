/**
 * What a connection tells of its life, to whoever judges the server by it.
 *
 * @module
 */

import type { MemcacheError } from "../errors.ts";

/** How an open connection ended that was not ended by its client. */
export interface Loss {
  /**
   * `"closed"`: by the server or the network. `"silent"`: it owed replies for a
   * timeout's length, and was given up. `"broken"`: what arrived left it out of
   * step.
   */
  readonly kind: "closed" | "silent" | "broken";
  /** What it ended with, where that is known. */
  readonly error: MemcacheError | undefined;
  /** Whether commands have failed with it, or have to be sent again. */
  readonly isCostly: boolean;
  /** When it was opened, on the clock of the deadlines. */
  readonly openedAt: number;
}

/** Is told what happens to the connections to one server. */
export interface Watch {
  /** A connection is open and may be used. */
  opened(): void;
  /** The server has answered on a new connection. */
  answered(): void;
  /** No connection could be made, or it ended before the server answered. */
  failed(cause: unknown): void;
  /** A connection on which the server had answered has ended. */
  lost(loss: Loss): void;
}
