/**
 * One connection of a pool, and how busy it is.
 *
 * @module
 */

import type { Connection } from "../connection/connection.ts";

/** From this load on a connection is full. */
export const FULL = 128;

/** Bytes on their way to the server that weigh as much as one command. */
const OUTGOING = 1024;

/**
 * Missing bytes of a value that weigh as much as one command: nothing else can
 * arrive before they do.
 */
const INCOMING = 128;

/** What a connection weighs that is yet to be opened. */
export const UNOPENED = 32;

/**
 * What a connection weighs that is to be left alone where there is another: it
 * takes its time to be opened, or may end by an error of a quiet command.
 */
const AVOIDED = 1_000_000;

/** A connection that owes replies is full after so many silent milliseconds. */
export const SILENCE = 50;

/** A connection and what its pool knows of it. */
export class Seat {
  /** The connection. */
  readonly connection: Connection;
  /** Whether commands without reply are on their way there. */
  quiet = false;
  /**
   * How busy the connection is: commands that wait or are in flight, and what
   * the bytes weigh that they have to wait for. 0 for one that has nothing to
   * do. It is measured now and then, and counted on in between.
   */
  load = 0;
  /** Whether it takes its time to be opened. */
  isLate = false;
  /** What its silence weighs. */
  #silence = 0;

  /** Takes the connection. */
  constructor(connection: Connection) {
    this.connection = connection;
  }

  /** Measures the load, and from time to time the silence. */
  measure(at?: number): void {
    const { link, unsent } = this.connection;
    if (link === undefined) {
      const load = UNOPENED + unsent.length + unsent.bytes / OUTGOING;
      this.load = this.connection.resting
        ? 0
        : this.isLate
        ? AVOIDED + load
        : load;
      return;
    }
    this.isLate = false;
    let load = unsent.length + link.pending;
    if (at !== undefined) {
      this.#silence = load > 0 && at - (link.silentSince ?? at) >= SILENCE
        ? FULL
        : 0;
    }
    load += this.#silence;
    const outgoing = unsent.bytes + link.outgoing;
    if (outgoing > 0) load += outgoing / OUTGOING;
    const { incoming } = link;
    if (incoming > 0) load += incoming / INCOMING;
    if (this.quiet && !link.fences) load += AVOIDED;
    this.load = load;
  }

  /** Whether callers of a link that is gone still have their time. */
  get isPromised(): boolean {
    return this.connection.expiry.limbo.length > 0;
  }

  /** When it was last used, if it is open and has nothing to do. */
  get idleSince(): number | undefined {
    const { link, unsent } = this.connection;
    if (
      link === undefined || !link.quiet || unsent.length > 0 || this.isPromised
    ) return undefined;
    return Math.max(link.heardAt, link.wroteAt);
  }

  /**
   * Sets a mark behind all that the connection has been given.
   *
   * @returns Tells whether the server has come to it; `undefined` if there are
   * commands that have not been written yet.
   */
  mark(): (() => boolean) | undefined {
    const { connection } = this;
    if (connection.unsent.length > 0) return undefined;
    const { link } = connection;
    const count = (link?.asked ?? 0) + 1;
    return () =>
      link === undefined || connection.link !== link ||
      link.asked - link.inflight.length >= count;
  }
}
