/**
 * What the three adapters share: a connect attempt that a signal can end, and
 * the order in which a connection tells what happened.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { TlsOptions } from "../types.ts";
import type { ConnEvents, DialOptions, ServerAddress } from "./conn.ts";

/**
 * Refuses what no adapter can do, and an attempt whose signal has already
 * ended it.
 */
export function checkAttempt(
  address: ServerAddress,
  options: DialOptions,
): void {
  options.signal.throwIfAborted();
  if (address.transport === "unix" && options.tls !== undefined) {
    throw new MemcacheIllegalInputError(
      "Cannot use TLS over a unix domain socket: leave tls out",
      { sent: false },
    );
  }
}

/** The name that the server's certificate must carry: never with a zone. */
export function tlsName(host: string, options: TlsOptions): string {
  return options.serverName ?? host.split("%")[0];
}

/**
 * Settles as `attempt` does, or rejects with the signal's reason as soon as
 * the signal says so. What a given-up attempt still opens is closed.
 *
 * @param signal Ends the attempt.
 * @param attempt The attempt itself.
 * @param close Closes what the attempt opened.
 */
export function abortable<T>(
  signal: AbortSignal,
  attempt: Promise<T>,
  close: (late: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    attempt.then((opened) => {
      signal.removeEventListener("abort", onAbort);
      if (signal.aborted) close(opened);
      else resolve(opened);
    }, (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(signal.aborted ? signal.reason : error);
    });
  });
}

/**
 * Passes on what a socket tells, to the contract of `ConnEvents`: nothing
 * before the start (bytes that come earlier are kept), nothing after the end
 * or after `close`, and the end once.
 *
 * States: early (no listener yet) → started → over.
 */
export class Inbox {
  /** Has the socket read on after a rest; absent where it cannot rest. */
  resume: (() => void) | undefined = undefined;
  #events: ConnEvents | undefined;
  #early: Uint8Array[] = [];
  #ended = false;
  #error: unknown;
  #closed = false;

  /** Whether there is nothing more to send or to tell. */
  get over(): boolean {
    return this.#closed || this.#ended;
  }

  /** Names the listener. What came before is told in a microtask. */
  start(events: ConnEvents): void {
    if (this.#early.length === 0 && !this.#ended) {
      this.#events = events;
      return;
    }
    queueMicrotask(() => {
      for (const bytes of this.#early.splice(0)) {
        if (!this.#closed) events.data(bytes);
      }
      this.#events = events;
      if (this.#ended && !this.#closed) events.end(this.#error);
    });
  }

  /** Passes on bytes, or a copy of them later. */
  data(bytes: Uint8Array): void {
    if (this.over) return;
    if (this.#events !== undefined) this.#events.data(bytes);
    else this.#early.push(bytes.slice());
  }

  /** Passes on that the write in hand is done. */
  drain(): void {
    if (!this.over) this.#events?.drain();
  }

  /** The memory to read into that the listener offers, if any. */
  target(): Uint8Array | undefined {
    const target = this.over ? undefined : this.#events?.target();
    return target === undefined || target.length === 0 ? undefined : target;
  }

  /** Passes on the end of the connection. */
  end(error?: unknown): void {
    if (this.over) return;
    this.#ended = true;
    this.#error = error;
    this.#events?.end(error);
  }

  /** Makes an end of all events. */
  close(): void {
    this.#closed = true;
    this.#early = [];
  }
}
