/**
 * What happens to one connection, as it is told: to the counters of its server,
 * to whoever judges the server by it, and to those who listen.
 *
 * @module
 */

import type { MemcacheError } from "../errors.ts";
import {
  type ConnectMessage,
  CONNECTS,
  DISCONNECTS,
  isHeard,
  Trace,
} from "../telemetry/channels.ts";
import { now } from "./alarm.ts";
import type { Approach } from "./approach.ts";
import type { Link } from "./link.ts";
import type { ConnectionOptions } from "./options.ts";
import type { Loss } from "./watch.ts";

/** Tells of the attempts and links of one connection. */
export class Life {
  readonly #options: ConnectionOptions;
  readonly #approach: Approach;
  #trace: Trace<ConnectMessage> | undefined = undefined;
  #openedAt = 0;

  /** Takes what the connection knows of its server. */
  constructor(options: ConnectionOptions, approach: Approach) {
    this.#options = options;
    this.#approach = approach;
  }

  /** An attempt begins. */
  dialing(): void {
    if (!isHeard(CONNECTS)) return;
    const { stats: { place }, backoff: { failures } } = this.#approach;
    const tls = this.#options.tls !== undefined;
    this.#trace = new Trace(CONNECTS, { tls, failures, ...place });
    this.#trace.begin();
  }

  /** The attempt has failed, or was given up. */
  gaveUp(cause: unknown): void {
    const trace = this.#trace;
    this.#trace = undefined;
    trace?.erred(cause);
    trace?.done();
  }

  /** The attempt has succeeded. */
  opened(): void {
    const { stats } = this.#approach;
    this.#openedAt = now();
    stats.opened++;
    if (stats.missing > 0) {
      stats.missing--;
      stats.reconnects++;
    }
    const trace = this.#trace;
    this.#trace = undefined;
    this.#options.watch?.opened();
    trace?.done();
  }

  /** The server has answered. */
  answered(): void {
    this.#approach.backoff.succeeded();
    this.#options.watch?.answered();
  }

  /** The server could not be reached. */
  failed(at: number, cause: unknown): void {
    this.turnedAway(at, cause);
    this.#options.watch?.failed(cause, this.#approach.backoff.readyAt);
  }

  /** The server was reached, and ended the link before it had answered. */
  turnedAway(at: number, cause: unknown): void {
    const { backoff, stats } = this.#approach;
    backoff.failed(at, cause);
    stats.failedAttempts++;
  }

  /** An attempt takes longer than a command may. */
  isLate(at: number, cause: MemcacheError): void {
    this.#options.watch?.failed(cause, at);
  }

  /** A link has ended on which the server had answered. */
  lost(link: Link, kind: Loss["kind"], error?: MemcacheError): void {
    const openedAt = this.#openedAt;
    const hasServed = link.served;
    const silence = now() - (link.silentSince ?? Infinity);
    this.#options.watch?.lost({ kind, error, hasServed, openedAt, silence });
  }

  /** A command has failed that no caller waits for. */
  reported(error: MemcacheError): void {
    this.#approach.stats.reported(error);
    this.#options.report(error);
  }

  /** An open link is no more, by our own will or not. */
  ended(isOwn: boolean, error?: MemcacheError): void {
    const { stats } = this.#approach;
    stats.ended++;
    if (!isOwn) {
      stats.lost++;
      stats.missing++;
    }
    if (!DISCONNECTS.hasSubscribers) return;
    DISCONNECTS.publish({ isOwn, error, ...stats.place });
  }
}
