/**
 * The seam between routing and one server: what a connection and a pool of
 * connections have in common.
 *
 * @module
 */

import type { Approach } from "./approach.ts";
import type { Request } from "./request.ts";

/** A way to one server, over one connection or over several. */
export interface Lane {
  /** Name of the server. */
  readonly server: string;
  /** How many requests are waiting or in flight. */
  readonly pending: number;
  /** What its connections have in common. */
  readonly approach: Approach;
  /** Whether it has been closed for good; one that drains is closed to all. */
  readonly closed: boolean;
  /** The connections that it is made of; absent where it is one itself. */
  readonly connections?: readonly Lane[];
  /** Takes a request. Its outcome is told to the request, never thrown. */
  execute(request: Request): void;
  /** Lets go of what is open; what is pending fails. The next request reopens. */
  disconnect(): void;
  /**
   * Has every connection say goodbye. What is given afterwards goes by others.
   *
   * @param say Is called for each; the last command is to be given to it there.
   */
  leave(say: (lane: Lane) => void): void;
  /**
   * Takes no more, lets what is pending come to its end, and closes.
   *
   * @returns Settles once it is closed, and never rejects.
   */
  drain(): Promise<void>;
  /** Closes for good; what is pending fails. */
  close(): void;
}
