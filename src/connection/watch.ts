/**
 * What a connection tells of its life, to whoever judges the server by it.
 *
 * @module
 */

import type { MemcacheError } from "../errors.ts";

/** How an open connection ended that was not ended by its client. */
export interface Loss {
  /**
   * `"idle"`: closed while nothing was owed, or so soon after that what was
   * sent is sent again. `"closed"`: by the server or the network, under
   * commands. `"silent"`: it owed replies for a timeout's length, and was given
   * up. `"broken"`: what arrived left it out of step.
   */
  readonly kind: "idle" | "closed" | "silent" | "broken";
  /** What it ended with, where that is known. */
  readonly error: MemcacheError | undefined;
  /** Whether it had answered a command, beyond what is said to begin with. */
  readonly hasServed: boolean;
  /** When it was opened, on the clock of the deadlines. */
  readonly openedAt: number;
  /** For how many milliseconds the server had been silent when it ended. */
  readonly silence: number;
}

/** Is told what happens to the connections to one server. */
export interface Watch {
  /** A connection is open and may be used. */
  opened(): void;
  /** The server has answered on a new connection. */
  answered(): void;
  /**
   * No connection could be made, or it ended before the server answered.
   *
   * @param cause What it ended with.
   * @param readyAt The next attempt does not begin before.
   */
  failed(cause: unknown, readyAt: number): void;
  /** A connection on which the server had answered has ended. */
  lost(loss: Loss): void;
}
