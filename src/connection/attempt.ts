/**
 * One try to open a connection, with its deadline.
 *
 * States: started → over (succeeded or given up); what comes later is closed.
 *
 * @module
 */

import type { Conn } from "../conn/conn.ts";
import { connectTimeoutError } from "./failures.ts";
import type { ConnectionOptions } from "./options.ts";

/** Dials once, and tells how it went. */
export class Attempt {
  readonly #options: ConnectionOptions;
  readonly #opened: (conn: Conn) => void;
  readonly #failed: (cause: unknown) => void;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #over = false;

  /** Takes whom to tell; neither is told anything once it is over. */
  constructor(
    options: ConnectionOptions,
    opened: (conn: Conn) => void,
    failed: (cause: unknown) => void,
  ) {
    this.#options = options;
    this.#opened = opened;
    this.#failed = failed;
  }

  /** Aborts when the attempt is given up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Dials. */
  start(): void {
    const { address, dial, noDelay, keepAlive, tls, connectTimeout } =
      this.#options;
    if (connectTimeout > 0) {
      // A transport that does not heed the signal must not hold us up: the
      // attempt fails here, not in the transport's answer.
      this.#timer = setTimeout(() =>
        this.#fail(
          connectTimeoutError(address.name, connectTimeout),
        ), connectTimeout);
    }
    const { signal } = this;
    const options = tls === undefined
      ? { signal, noDelay, keepAlive }
      : { signal, noDelay, keepAlive, tls };
    Promise.resolve().then(() => dial(address, options)).then(checked).then(
      (conn) => {
        if (this.#over) conn.close();
        else this.#opened(conn);
      },
    ).catch((error) => this.#fail(error));
  }

  /** The connection is ready: the deadline no longer counts. */
  succeed(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  /** Ends the attempt in whatever phase it is. */
  giveUp(reason: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#controller.abort(reason);
  }

  #fail(cause: unknown): void {
    if (!this.#over) this.#failed(cause);
  }
}

/** Refuses what a transport of the user's own gives in place of a connection. */
function checked(conn: Conn): Conn {
  const { start, write, ref, unref, close } = conn ?? {};
  for (const method of [start, write, ref, unref, close]) {
    if (typeof method !== "function") {
      throw new TypeError("what the transport gave is no connection");
    }
  }
  return conn;
}
