/**
 * The transport of Bun: its own sockets, opened by `node:net` and `node:tls`.
 *
 * An attempt of `Bun.connect` cannot be given up: to a host that does not
 * answer it holds a descriptor and the process for two minutes. So Bun's node
 * modules connect (and check certificates), and the Bun socket below them is
 * taken over once it is open, which costs less per command than going
 * through a node stream.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Inbox } from "./attempt.ts";
import type { Conn, ConnEvents, Dial } from "./conn.ts";
import { NodeConn, openNode } from "./node.ts";
import { readEnough } from "./pace.ts";

/** Bun reads up to 512 KiB at once; so much is passed on before a look at the clock. */
const PIECE = 64 * 1024;

/** What is used of a Bun socket. */
interface BunSocket {
  write(bytes: Uint8Array): number;
  end(): void;
  ref(): void;
  unref(): void;
  pause(): void;
  resume(): void;
  setNoDelay(on: boolean): void;
  reload(options: { socket: BunHandlers }): void;
}

interface BunHandlers {
  data(socket: BunSocket, bytes: Uint8Array): void;
  drain(): void;
  end(): void;
  close(socket: BunSocket, error?: unknown): void;
  error(socket: BunSocket, error: unknown): void;
}

const utf8Slice: (this: Uint8Array, start: number, end: number) => string =
  (Buffer.prototype as unknown as {
    utf8Slice(this: Uint8Array, start: number, end: number): string;
  }).utf8Slice;

class BunConn implements Conn {
  #socket: BunSocket;
  #inbox: Inbox;
  #rest: Uint8Array | undefined;
  /** What was read and is passed on after a rest; absent when not resting. */
  #kept: Uint8Array[] | undefined;
  /** Whether the rest lasts until it is ended from outside. */
  #paused = false;
  /** The end, if it came in a rest. */
  #ended: { readonly error: unknown } | undefined;

  constructor(socket: BunSocket, inbox: Inbox) {
    this.#socket = socket;
    this.#inbox = inbox;
    const finish = (error?: unknown) => {
      if (this.#kept === undefined) inbox.end(error ?? undefined);
      else this.#ended ??= { error: error ?? undefined };
      socket.end();
    };
    socket.reload({
      socket: {
        data: (_, bytes) => this.#receive(bytes),
        drain: () => this.#flush(),
        end: () => finish(),
        close: (_, error) => finish(error),
        error: (_, error) => finish(error),
      },
    });
  }

  start(events: ConnEvents): void {
    this.#inbox.start(events);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#inbox.over) return true;
    const taken = this.#socket.write(bytes);
    if (taken === bytes.length) return true;
    this.#rest = taken > 0 ? bytes.subarray(taken) : bytes;
    return false;
  }

  #receive(bytes: Uint8Array): void {
    if (this.#kept !== undefined) {
      this.#kept.push(bytes.slice());
      return;
    }
    for (let at = 0; at < bytes.length; at += PIECE) {
      const start = performance.now();
      const end = at + PIECE;
      this.#inbox.data(
        bytes.length <= PIECE ? bytes : bytes.subarray(at, end),
      );
      const rests = this.#paused;
      if (!rests && (bytes.length < PIECE || !readEnough(start))) continue;
      this.#kept = end < bytes.length ? [bytes.slice(end)] : [];
      if (rests) return;
      this.#socket.pause();
      setImmediate(this.#goOn);
      return;
    }
  }

  #goOn = (): void => {
    if (this.#paused) return;
    const kept = this.#kept ?? [];
    this.#kept = undefined;
    for (const bytes of kept) this.#receive(bytes);
    if (this.#kept !== undefined) return;
    if (this.#ended !== undefined) this.#inbox.end(this.#ended.error);
    else if (!this.#inbox.over) this.#socket.resume();
  };

  #flush(): void {
    if (this.#rest === undefined || this.#inbox.over) return;
    const rest = this.#rest;
    this.#rest = undefined;
    if (this.write(rest)) this.#inbox.drain();
  }

  pause(): void {
    if (this.#inbox.over) return;
    this.#paused = true;
    this.#kept ??= [];
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    setImmediate(this.#goOn);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    this.#inbox.close();
    this.#socket.end();
  }

  text(bytes: Uint8Array, start: number, end: number): string {
    return utf8Slice.call(bytes, start, end);
  }
}

/**
 * Opens a connection by Bun's own sockets, or by `node:net` where they cannot
 * be had.
 *
 * Of TCP keep-alive Bun sets `idle` only: then ten probes follow, one a
 * second.
 *
 * @param address Where the server is.
 * @param options How to connect.
 * @returns The connection, once bytes can be sent.
 * @throws The runtime's own error, or the reason of `options.signal`.
 */
export const dialBun: Dial = (address, options) => {
  const inbox = new Inbox();
  return openNode(address, options, inbox, (socket) => {
    const { _handle: raw } = socket as { _handle?: Partial<BunSocket> };
    const { reload, write, end, ref, unref, pause, resume, setNoDelay } = raw ??
      {};
    const known = [reload, write, end, ref, unref, pause, resume, setNoDelay];
    if (known.some((method) => method === undefined)) {
      return new NodeConn(socket, inbox);
    }
    const conn = new BunConn(raw as BunSocket, inbox);
    // Bun switches it on by itself, and its node:net does not switch it off.
    if (!options.noDelay) (raw as BunSocket).setNoDelay(false);
    return conn;
  });
};
