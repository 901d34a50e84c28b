/**
 * The transport of Deno: its own sockets.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { abortable, checkAttempt, tlsName } from "./attempt.ts";
import type { Conn, ConnEvents, Dial } from "./conn.ts";
import { readEnough } from "./pace.ts";

const SMALL = 16 * 1024;
const LARGE = 64 * 1024;
const NOTHING = new Uint8Array(0);

/** A large read buffer that no connection uses at the moment. */
let spare: Uint8Array | undefined;

/** Up to here Deno's own decoder costs more than it saves. */
const SHORT_TEXT = 256;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const utf8Slice: (this: Uint8Array, start: number, end: number) => string =
  (Buffer.prototype as unknown as {
    utf8Slice(this: Uint8Array, start: number, end: number): string;
  }).utf8Slice;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class DenoConn implements Conn {
  #socket: Deno.Conn;
  #events: ConnEvents | undefined;
  #over = false;
  #failure: unknown;
  #rest: Uint8Array = NOTHING;
  /** Settles with `resume`; absent unless it is paused. */
  #pause: Promise<void> | undefined;
  #goOn: () => void = () => {};

  constructor(socket: Deno.Conn) {
    this.#socket = socket;
    socket.unref();
  }

  start(events: ConnEvents): void {
    this.#events = events;
    void this.#read(events);
  }

  async #read(events: ConnEvents): Promise<void> {
    const small: Uint8Array = new Uint8Array(SMALL);
    let large: Uint8Array | undefined;
    let into: Uint8Array = small;
    for (;;) {
      let count: number | null;
      try {
        count = await this.#socket.read(into);
      } catch (error) {
        return this.#end(this.#failure ?? error);
      }
      if (this.#over) return;
      if (count === null) return this.#end(this.#failure);
      const full = count === into.length;
      const start = full ? performance.now() : 0;
      events.data(full ? into : into.subarray(0, count));
      if (full && readEnough(start)) await nextTurn();
      while (this.#pause !== undefined) await this.#pause;
      if (this.#over) return;
      const target = events.target();
      // A read that fills the buffer says that more waits; any other says
      // that the next read will wait, and then little memory shall be held.
      if (target !== undefined && target.length > 0) into = target;
      else if (full && (into === small || into === large)) {
        into = large ??= spare ?? new Uint8Array(LARGE);
        spare = undefined;
      } else into = small;
      if (into !== large && large !== undefined) {
        spare = large;
        large = undefined;
      }
    }
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over || bytes.length === 0) return true;
    this.#rest = bytes;
    this.#socket.write(bytes).then(this.#written, this.#failed);
    return false;
  }

  #written = (count: number): void => {
    if (this.#over) return;
    if (count < this.#rest.length) this.write(this.#rest.subarray(count));
    else {
      this.#rest = NOTHING;
      this.#events?.drain();
    }
  };

  #failed = (error: unknown): void => {
    // The read that waits finds the same end, after what had arrived.
    this.#failure = error;
  };

  #end(error: unknown): void {
    if (this.#over) return;
    this.close();
    this.#events?.end(error);
  }

  pause(): void {
    if (this.#over) return;
    this.#pause ??= new Promise((resolve) => this.#goOn = resolve);
  }

  resume(): void {
    this.#pause = undefined;
    this.#goOn();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.resume();
    this.#socket.close();
  }

  text(bytes: Uint8Array, start: number, end: number): string {
    return end - start <= SHORT_TEXT
      ? utf8Slice.call(bytes, start, end)
      : decoder.decode(bytes.subarray(start, end));
  }
}

function shut(socket: Deno.Conn): void {
  try {
    socket.close();
  } catch {
    // It is closed already, or has become part of one that is.
  }
}

/**
 * A signal that ends an attempt of Deno's, and nothing more. Deno (2.9) asks
 * its signal once again when the connection is open: one that opened in the
 * moment of the abort would be in nobody's hands, and stay open. This signal
 * does not answer that; `abortable` closes what comes too late.
 */
function endOf(signal: AbortSignal): AbortSignal {
  const end = AbortSignal.any([signal]);
  Object.defineProperty(end, "throwIfAborted", { value: () => {} });
  return end;
}

/**
 * Opens a connection by Deno's own sockets; TLS with a certificate of one's
 * own, authorities of one's own or no verification by `node:tls`.
 *
 * Of TCP keep-alive Deno can only switch the system's settings on: `idle`,
 * `interval` and `count` are not set.
 *
 * @param address Where the server is.
 * @param options How to connect.
 * @returns The connection, once bytes can be sent.
 * @throws The runtime's own error, or the reason of `options.signal`.
 */
export const dialDeno: Dial = async (address, options) => {
  checkAttempt(address, options);
  const { signal, tls } = options;
  if (address.transport === "unix") {
    const { path } = address;
    const attempt = Deno.connect({ transport: "unix", path });
    return new DenoConn(await abortable(signal, attempt, shut));
  }
  // Deno's own TLS takes no client certificate after the connect, and adds
  // authorities to the system's where it should trust no others.
  if (tls?.cert || tls?.caCerts || tls?.insecureSkipVerify) {
    const { dialNode } = await import("./node.ts");
    return dialNode(address, options);
  }
  const { host: hostname, port } = address;
  const attempt = Deno.connect({ hostname, port, signal: endOf(signal) });
  let socket: Deno.Conn = await abortable(signal, attempt, shut);
  try {
    const tcp = socket as Deno.TcpConn;
    tcp.setNoDelay(options.noDelay);
    if (options.keepAlive !== false) tcp.setKeepAlive(true);
    if (tls !== undefined) {
      // Not connectTls, which neither knows the signal nor TCP_NODELAY: its
      // first command waits 40 ms for an acknowledgement.
      const secure = await Deno.startTls(tcp, {
        hostname: tlsName(hostname, tls),
        ...(tls.alpnProtocols && { alpnProtocols: [...tls.alpnProtocols] }),
      });
      socket = secure;
      await abortable(signal, secure.handshake(), () => {});
    }
    signal.throwIfAborted();
    return new DenoConn(socket);
  } catch (error) {
    shut(socket);
    throw error;
  }
};
