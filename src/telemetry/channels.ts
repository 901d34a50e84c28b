/**
 * What a client tells on the channels of `node:diagnostics_channel`, which all
 * runtimes have. As long as nobody listens, telling costs a look at five flags.
 *
 * @module
 */

import { channel, tracingChannel } from "node:diagnostics_channel";

/** Which server something is about. */
export interface ServerPlace {
  /**
   * Name of the server: `host:port` or the path of its socket. Absent as long as
   * none has been chosen.
   */
  server?: string;
  /** Name or address of its host; absent for a socket. */
  host?: string;
  /** Its port, 1 to 65535; absent for a socket. */
  port?: number;
  /** Path of its socket; absent for TCP. */
  path?: string;
}

/**
 * A command, as it is told on the tracing channel `@x/memcache:command`: `start`
 * and `end` when it is given to the client, `error` if it fails, `asyncStart` and
 * `asyncEnd` when its caller is told. A `getMany` is one command for each server,
 * and for each 100 keys; `setMany` and `deleteMany` are one for each key.
 *
 * Not told is what is refused before it could be sent, such as an illegal key,
 * nor what `keys()` and `watch()` send.
 *
 * The same object goes through all of them. `start` is told in the caller's
 * asynchronous context.
 *
 * @example Slow commands
 * ```ts
 * import { tracingChannel } from "node:diagnostics_channel";
 * import type { CommandMessage } from "@x/memcache";
 *
 * const begun = new WeakMap<object, number>();
 * const { start, asyncEnd } = tracingChannel("@x/memcache:command");
 * start.subscribe((message) => {
 *   begun.set(message as CommandMessage, performance.now());
 * });
 * asyncEnd.subscribe((message) => {
 *   const { command, keys, server } = message as CommandMessage;
 *   const took = performance.now() - (begun.get(message as object) ?? Infinity);
 *   if (took > 100) console.warn(command, keys, server, took);
 * });
 * ```
 */
export interface CommandMessage extends ServerPlace {
  /** Name of the command in protocol.txt. */
  readonly command: string;
  /** The caller's keys; none for a command that is about no key. */
  readonly keys: readonly string[];
  /** Whether the server was asked for no reply. */
  readonly noreply: boolean;
  /**
   * How many of its items the server had; absent before it has told, and for
   * commands that need none, as `set`.
   */
  hits?: number;
  /** How many of its items the server did not have; absent as `hits` is. */
  misses?: number;
  /** What the command resolves with; absent before, and if it fails. */
  result?: unknown;
  /** What it fails with; absent if it does not. */
  error?: unknown;
}

/**
 * An attempt to connect, as it is told on the tracing channel
 * `@x/memcache:connect`: from the dial to the end of the handshake, with TLS and
 * credentials.
 */
export interface ConnectMessage extends ServerPlace {
  /** Whether the connection is to be encrypted. */
  readonly tls: boolean;
  /** Attempts in a row that have failed before this one. */
  readonly failures: number;
  /** What the attempt fails with; absent if it does not. */
  error?: unknown;
}

/**
 * A command that waits for a connection, as it is told on the tracing channel
 * `@x/memcache:wait`: none is open, or the one that it was given to takes no
 * more for the moment. From the turn of the event loop that it was called in
 * until it is written.
 */
export interface WaitMessage extends ServerPlace {
  /** Name of the command in protocol.txt. */
  readonly command: string;
  /** Commands that wait before it on the same connection. */
  readonly ahead: number;
  /** What the command fails with before it is written; absent if it is. */
  error?: unknown;
}

/**
 * The end of an open connection, as it is told on the plain channel
 * `@x/memcache:disconnect`.
 */
export interface DisconnectMessage extends ServerPlace {
  /** Whether the client ended it, and not the server or the network. */
  readonly isOwn: boolean;
  /** What it ended with, where that is known. */
  readonly error?: unknown;
}

/** What is used of a channel: the types of `node:` are not everybody's. */
interface Outlet<M extends object> {
  readonly hasSubscribers: boolean;
  publish(message: M): void;
  runStores(message: M, run: () => void): void;
  readonly _stores?: { readonly size: number };
}

/** What is used of a tracing channel. */
export interface Tracing<M extends object> {
  /** It begins. */
  readonly start: Outlet<M>;
  /** It has begun. */
  readonly end: Outlet<M>;
  /** It is about to end. */
  readonly asyncStart: Outlet<M>;
  /** It has ended. */
  readonly asyncEnd: Outlet<M>;
  /** It has failed. */
  readonly error: Outlet<M>;
}

/** The parts of a tracing channel, each where one look finds it. */
function tracing<M extends object>(name: string): Tracing<M> {
  const { start, end, asyncStart, asyncEnd, error } = tracingChannel(name);
  return { start, end, asyncStart, asyncEnd, error };
}

/** Commands. */
export const COMMANDS: Tracing<CommandMessage> = tracing("@x/memcache:command");
/** Attempts to connect. */
export const CONNECTS: Tracing<ConnectMessage> = tracing("@x/memcache:connect");
/** Commands that wait for a connection. */
export const WAITS: Tracing<WaitMessage> = tracing("@x/memcache:wait");
/** Connections that have ended. */
export const DISCONNECTS: Outlet<DisconnectMessage> = channel(
  "@x/memcache:disconnect",
);

/** Whether anybody listens. */
export function isHeard<M extends object>(tracing: Tracing<M>): boolean {
  // Not every runtime has `hasSubscribers` of the whole.
  return tracing.start.hasSubscribers || tracing.asyncEnd.hasSubscribers ||
    tracing.error.hasSubscribers || tracing.end.hasSubscribers ||
    tracing.asyncStart.hasSubscribers;
}

/**
 * Tells of two moments that are one here: `second` is told within the stores that
 * are bound to `first`. Where there are none, doing without is many times as fast.
 */
function tell<M extends object>(
  first: Outlet<M>,
  second: Outlet<M>,
  message: M,
): void {
  // Of the runtimes' own making, and looked at with care: else it costs time.
  if (first._stores === undefined || first._stores.size > 0) {
    first.runStores(message, () => second.publish(message));
    return;
  }
  first.publish(message);
  second.publish(message);
}

/** What is added to a message. */
interface Outcome {
  hits?: number;
  misses?: number;
  result?: unknown;
  error?: unknown;
}

/** Something that takes its time, as far as it is told. */
export class Trace<M extends object = object> {
  readonly #tracing: Tracing<M>;
  readonly #message: M & Outcome;

  /** Takes where to tell of it, and what. */
  constructor(tracing: Tracing<M>, message: M) {
    this.#tracing = tracing;
    this.#message = message;
  }

  /**
   * Tells that it begins. Apart from the constructor: a listener may bring it to
   * its end at once, and whoever ends it has to know of it.
   */
  begin(): void {
    tell(this.#tracing.start, this.#tracing.end, this.#message);
  }

  /** Another server has it now. */
  moved({ server, host, port, path }: ServerPlace): void {
    Object.assign(this.#message, { server, host, port, path });
  }

  /** So many items were there, and so many were not. */
  tallied(hits: number, misses: number): void {
    if (hits === 0 && misses === 0) return;
    const message = this.#message;
    message.hits = (message.hits ?? 0) + hits;
    message.misses = (message.misses ?? 0) + misses;
  }

  /** Tells what it ends with. */
  resolved(result: unknown): void {
    this.#message.result = result;
    this.done();
  }

  /** Tells that it fails, which happens once; it is yet to end. */
  erred(error: unknown): void {
    if ("error" in this.#message) return;
    this.#message.error = error;
    this.#tracing.error.publish(this.#message);
  }

  /** Tells that it has ended. */
  done(): void {
    tell(this.#tracing.asyncStart, this.#tracing.asyncEnd, this.#message);
  }
}
