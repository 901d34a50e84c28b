/**
 * The seam between routing and one server: what a connection and a pool of
 * connections have in common.
 *
 * @module
 */

import type { Approach } from "./approach.ts";
import type { Request } from "./request.ts";

/** What a pool holds, and what it has done. */
export interface PoolCounters {
  /** Connections that are open or being opened. */
  readonly size: number;
  /** Those of them that have nothing to do. */
  readonly idle: number;
  /** Those that have commands waiting or in flight. */
  readonly busy: number;
  /** Commands that wait or are in flight. */
  readonly pending: number;
  /** Connections that have been opened since the pool was made. */
  readonly opened: number;
  /** Those of them that have ended, for whatever reason. */
  readonly closed: number;
}

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
  /** Those of a pool; absent where it is one connection. */
  readonly counters?: PoolCounters;
  /** Most connections that it opens; absent where it is one. */
  readonly maxSize?: number;
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
