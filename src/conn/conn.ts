/**
 * The seam between the protocol and the socket: what a transport must do, and
 * no more. Three adapters implement it, one for each runtime; users may bring
 * their own.
 *
 * @module
 */

import type { TlsOptions } from "../types.ts";

/** Where a server is, as {@linkcode parseServer} makes it of a spec. */
export type ServerAddress =
  | {
    /** TCP, with or without TLS. */
    readonly transport: "tcp";
    /** Name or address; IPv6 without brackets. */
    readonly host: string;
    /** 1 to 65535. */
    readonly port: number;
    /** `host:port`: the server's name on rings and in errors. */
    readonly name: string;
    /** Share of keys on weighted rings. */
    readonly weight: number;
    /** TLS, where the spec asks for it. */
    readonly tls?: boolean | TlsOptions;
    /** Credentials, where the spec carries them. */
    readonly auth?: {
      readonly username: string;
      readonly password: string;
    };
  }
  | {
    /** A unix domain socket. */
    readonly transport: "unix";
    /** The socket's path. */
    readonly path: string;
    /** The path: the server's name on rings and in errors. */
    readonly name: string;
    /** Share of keys on weighted rings. */
    readonly weight: number;
  };

/** TCP keep-alive, in seconds and probes. */
export interface KeepAliveOptions {
  /** Seconds without traffic before the first probe. */
  idle?: number;
  /** Seconds between probes. */
  interval?: number;
  /** Unanswered probes before the connection counts as lost. */
  count?: number;
}

/** What a transport tells its user. Calls never overlap. */
export interface ConnEvents {
  /**
   * Bytes have arrived. The view is valid during the call only: the memory
   * behind it is reused, unless it is the one that `target` gave.
   */
  data(bytes: Uint8Array): void;
  /** The bytes that the last `write` kept are with the system: write again. */
  drain(): void;
  /**
   * The connection has ended: by the other side (no error), or by a failure.
   * Called at most once, and nothing is called after it.
   */
  end(error?: unknown): void;
  /**
   * Memory that the next bytes may be read into, when a large value is being
   * read; `undefined`: the transport's own buffer. Transports may ignore it.
   */
  target(): Uint8Array | undefined;
}

/** An open connection as a stream of bytes. */
export interface Conn {
  /** Starts the delivery of events. Called once, before anything else. */
  start(events: ConnEvents): void;
  /**
   * Sends bytes. `true`: all are taken, and the memory may be reused. `false`:
   * the connection keeps the memory until `drain` is called, and nothing may
   * be written before that. After the end it does nothing and returns `true`.
   */
  write(bytes: Uint8Array): boolean;
  /** Keeps the process alive while the connection is open. */
  ref(): void;
  /** Lets the process end although the connection is open. */
  unref(): void;
  /** Closes at once, unsent bytes included. No event follows. Idempotent. */
  close(): void;
  /**
   * Reads UTF-8 into a string in the fastest way that the runtime has, with
   * U+FFFD for what is no UTF-8. Optional: `TextDecoder` is used without it.
   */
  text?(bytes: Uint8Array, start: number, end: number): string;
}

/** How to open a connection. */
export interface DialOptions {
  /**
   * Ends the attempt: the connect deadline, or a client that was closed. The
   * attempt rejects with the signal's reason and leaves no socket behind.
   */
  signal: AbortSignal;
  /** TCP_NODELAY. */
  noDelay: boolean;
  /** TCP keep-alive: off, the system's settings, or as given. */
  keepAlive: boolean | KeepAliveOptions;
  /** TLS over TCP: absent for none. */
  tls?: TlsOptions;
}

/**
 * Opens a connection: resolves when bytes can be sent (with TLS: after the
 * handshake and the check of the certificate), rejects with the runtime's
 * error as it is. The connection does not keep the process alive until `ref`
 * is called, but the attempt does.
 */
export type Dial = (
  address: ServerAddress,
  options: DialOptions,
) => Promise<Conn>;
