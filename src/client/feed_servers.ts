/**
 * What a client knows of its feeds: which are open, and where they come from.
 *
 * @module
 */

import type { Abortable } from "../connection/aborts.ts";
import { closedError } from "../connection/failures.ts";
import type { ConnectionOptions } from "../connection/options.ts";
import { MemcacheUnexpectedCloseError } from "../errors.ts";

/** The servers that feeds come from, and the feeds that are open. */
export class FeedServers {
  readonly #servers: () => readonly ConnectionOptions[];
  readonly #open: Set<Abortable> = new Set();

  /** Takes what tells the servers, each time it is asked. */
  constructor(servers: () => readonly ConnectionOptions[]) {
    this.#servers = servers;
  }

  /** How to connect to each of the servers. */
  get all(): readonly ConnectionOptions[] {
    return this.#servers();
  }

  /** Notes a feed that has begun. */
  add(feed: Abortable): void {
    this.#open.add(feed);
  }

  /** Forgets a feed that has come to its end. */
  delete(feed: Abortable): void {
    this.#open.delete(feed);
  }

  /** Ends all feeds, as the client is closed for good. */
  close(): void {
    for (const feed of [...this.#open]) feed.abort(closedError());
  }

  /** Ends all feeds, as the client lets go of its connections. */
  disconnect(): void {
    for (const feed of [...this.#open]) {
      feed.abort(
        new MemcacheUnexpectedCloseError(
          "The connection was given up by disconnect()",
        ),
      );
    }
  }
}
