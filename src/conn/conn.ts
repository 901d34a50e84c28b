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

/** TCP keep-alive, in seconds and probes. What is absent is the system's. */
export interface KeepAliveOptions {
  /** Seconds without traffic before the first probe; the system's if absent. */
  idle?: number;
  /** Seconds between probes; the system's if absent. */
  interval?: number;
  /**
   * Number of unanswered probes before the connection counts as lost; the
   * system's if absent.
   */
  count?: number;
}

/** What a transport tells its user. Calls never overlap. */
export interface ConnEvents {
  /**
   * Takes bytes that have arrived. The view is valid during the call only: the
   * memory behind it is reused, unless it is the one that `target` gave.
   *
   * @param bytes At least one byte.
   */
  data(bytes: Uint8Array): void;
  /**
   * Called when the bytes that the last `write` kept are with the system: there
   * may be another write.
   */
  drain(): void;
  /**
   * Called when the connection has ended, at most once; nothing is called
   * after it.
   *
   * @param error What it failed with; absent when the other side ended it.
   */
  end(error?: unknown): void;
  /**
   * Offers memory to read the next bytes into, while a large value is being
   * read. Transports may ignore it.
   *
   * @returns The memory; `undefined` for the transport's own buffer.
   */
  target(): Uint8Array | undefined;
}

/** An open connection as a stream of bytes. */
export interface Conn {
  /**
   * Starts the delivery of events. Called once, before anything else.
   *
   * @param events Whom to tell.
   */
  start(events: ConnEvents): void;
  /**
   * Sends bytes. After the end it does nothing and returns `true`.
   *
   * @param bytes What to send, whole.
   * @returns `true`: all are taken, and the memory may be reused. `false`: the
   * connection keeps the memory until `drain` is called, and nothing may be
   * written before that.
   */
  write(bytes: Uint8Array): boolean;
  /**
   * Reads nothing more until `resume`, so that the other side has to wait: what
   * was being read may still arrive. That the connection has ended may be told
   * only after `resume`. Optional, but for listings of any length, which fail
   * without it where they are read too slowly.
   */
  pause?(): void;
  /** Reads on after `pause`. Without one it does nothing. */
  resume?(): void;
  /** Keeps the process alive while the connection is open. */
  ref(): void;
  /** Lets the process end although the connection is open. */
  unref(): void;
  /** Closes at once, unsent bytes included. No event follows. Idempotent. */
  close(): void;
  /**
   * Reads UTF-8 into a string in the fastest way that the runtime has, with
   * U+FFFD for what is no UTF-8. Optional: `TextDecoder` is used without it.
   *
   * @param bytes Where the text is.
   * @param start Index of its first byte.
   * @param end Index behind its last byte.
   * @returns The text.
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
