/**
 * The transport of Node: `node:net` and `node:tls`. Deno and Bun have these
 * modules too and use this adapter for what their own sockets cannot do.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import * as net from "node:net";
import type { ConnectionOptions } from "node:tls";
import { MemcacheConnectionError } from "../errors.ts";
import type { TlsOptions } from "../types.ts";
import { checkAttempt, Inbox, tlsName } from "./attempt.ts";
import { readEnough } from "./pace.ts";
import type {
  Conn,
  ConnEvents,
  Dial,
  DialOptions,
  KeepAliveOptions,
  ServerAddress,
} from "./conn.ts";

type OnRead = NonNullable<net.SocketConstructorOpts["onread"]>;
type KeepAlive = (
  enable: boolean,
  idle: number,
  interval?: number,
  count?: number,
) => void;

/**
 * What all sockets read into: bytes are passed on before the next read, so
 * one buffer serves the whole process and an idle connection holds none.
 */
let shared: Uint8Array | undefined;

const utf8Slice: (this: Uint8Array, start: number, end: number) => string =
  (Buffer.prototype as unknown as {
    utf8Slice(this: Uint8Array, start: number, end: number): string;
  }).utf8Slice;

/** What carries the records of a TLS socket. */
interface Carrier {
  readStop(): void;
  readStart(): void;
}

/**
 * What is below a TLS socket in Deno (2.9): it reads on when the socket itself
 * is paused, and keeps all that it reads.
 */
function below(socket: net.Socket): Carrier | undefined {
  if (!("Deno" in globalThis)) return undefined;
  const { _handle } = socket as {
    _handle?: { _parent?: Partial<Carrier> | null } | null;
  };
  const carrier = _handle?._parent;
  return typeof carrier?.readStop === "function" &&
      typeof carrier.readStart === "function"
    ? carrier as Carrier
    : undefined;
}

/** A `Conn` over a socket of `node:net` or `node:tls` that is open. */
export class NodeConn implements Conn {
  #socket: net.Socket;
  #inbox: Inbox;
  #waiting = false;
  #paused = false;

  constructor(socket: net.Socket, inbox: Inbox) {
    this.#socket = socket;
    this.#inbox = inbox;
    inbox.resume = () => {
      if (!inbox.over && !this.#paused) socket.resume();
    };
    const finish = (error?: unknown) => {
      socket.destroy();
      inbox.end(error);
    };
    socket.on("end", finish);
    socket.on("error", finish);
    socket.on("close", () => finish());
  }

  start(events: ConnEvents): void {
    this.#inbox.start(events);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#inbox.over) return true;
    this.#socket.write(bytes, this.#written);
    // What the system has not taken at once is counted here, and kept.
    this.#waiting = this.#socket.writableLength > 0;
    return !this.#waiting;
  }

  #written = (error?: Error | null): void => {
    // Also called for a write that was taken at once, then with nothing to
    // tell, or too early for the one that waits.
    if (error || !this.#waiting || this.#socket.writableLength > 0) return;
    this.#waiting = false;
    this.#inbox.drain();
  };

  pause(): void {
    if (this.#inbox.over) return;
    this.#paused = true;
    this.#socket.pause();
    below(this.#socket)?.readStop();
  }

  resume(): void {
    if (!this.#paused || this.#inbox.over) return;
    this.#paused = false;
    below(this.#socket)?.readStart();
    this.#socket.resume();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    this.#inbox.close();
    this.#socket.destroy();
  }

  text(bytes: Uint8Array, start: number, end: number): string {
    return utf8Slice.call(bytes, start, end);
  }
}

/** Where a socket leaves what it reads. */
export function onRead(inbox: Inbox): OnRead {
  return {
    buffer: () => inbox.target() ?? (shared ??= new Uint8Array(64 * 1024)),
    callback: (length, bytes) => {
      if (length < bytes.length) {
        inbox.data(bytes.subarray(0, length));
        return true;
      }
      const start = performance.now();
      inbox.data(bytes);
      // A read that fills the buffer says that more waits.
      if (inbox.resume === undefined || !readEnough(start)) return true;
      setImmediate(inbox.resume);
      return false;
    },
  };
}

async function connector(
  address: ServerAddress,
  options: TlsOptions | undefined,
): Promise<(onread: OnRead) => net.Socket> {
  if (address.transport === "unix") {
    return (onread) => net.connect({ path: address.path, onread });
  }
  const { host, port } = address;
  if (options === undefined) {
    return (onread) => net.connect({ host, port, onread });
  }
  const tls = await import("node:tls");
  const name = tlsName(host, options);
  const { caCerts, cert, key, alpnProtocols } = options;
  return (onread) => {
    // The type leaves out the options of the socket below, which count too.
    const settings: ConnectionOptions & { onread: OnRead } = {
      host,
      port,
      onread,
      // The extension carries names only; an address is checked all the same.
      servername: net.isIP(name) ? "" : name,
      checkServerIdentity: (_, cert) => {
        const error = tls.checkServerIdentity(name, cert);
        // Node 22.23 knows no IPv6 address there, but finds it here.
        const found = error !== undefined && net.isIPv6(name) &&
          socket.getPeerX509Certificate()?.checkIP(name) !== undefined;
        return found ? undefined : error;
      },
      rejectUnauthorized: !options.insecureSkipVerify,
    };
    if (caCerts !== undefined) settings.ca = [...caCerts];
    if (cert !== undefined) settings.cert = cert;
    if (key !== undefined) settings.key = key;
    if (alpnProtocols) settings.ALPNProtocols = [...alpnProtocols];
    const socket = tls.connect(settings);
    return socket;
  };
}

function setKeepAlive(
  socket: net.Socket,
  keepAlive: boolean | KeepAliveOptions,
): void {
  if (keepAlive === false) return;
  const set = socket.setKeepAlive.bind(socket) as KeepAlive;
  if (keepAlive === true) return set(true, 0);
  // What is absent is as in Linux: Node has no word for the system's own.
  const { idle = 7200, interval = 75, count = 9 } = keepAlive;
  set(true, idle * 1000, interval * 1000, count);
}

/**
 * Opens a socket by `node:net` or `node:tls`.
 *
 * @param adopt Makes the connection of the open socket. Called within the
 * event that says that it is open, so that nothing can happen in between.
 */
export async function openNode(
  address: ServerAddress,
  options: DialOptions,
  inbox: Inbox,
  adopt: (socket: net.Socket) => Conn,
): Promise<Conn> {
  checkAttempt(address, options);
  const { signal } = options;
  const connect = await connector(address, options.tls);
  signal.throwIfAborted();
  const socket = connect(onRead(inbox));
  const conn = await new Promise<Conn>((resolve, reject) => {
    const fail = (error: unknown) => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onClose = () =>
      fail(
        new MemcacheConnectionError(
          "Cannot connect: the connection ended before it was ready",
        ),
      );
    const onReady = () => {
      signal.removeEventListener("abort", onAbort);
      socket.unref();
      const conn = adopt(socket);
      socket.off("error", fail);
      socket.off("close", onClose);
      resolve(conn);
    };
    signal.addEventListener("abort", onAbort);
    socket.on("error", fail);
    socket.on("close", onClose);
    socket.once("connect", () => {
      socket.setNoDelay(options.noDelay);
      setKeepAlive(socket, options.keepAlive);
      if (options.tls === undefined) onReady();
    });
    if (options.tls !== undefined) socket.once("secureConnect", onReady);
  });
  if (!signal.aborted) return conn;
  conn.close();
  throw signal.reason;
}

/**
 * Opens a connection by `node:net` and `node:tls`.
 *
 * All of TCP keep-alive can be set in Node 24 and later; before that, and in
 * Deno and Bun, `idle` only: then ten probes follow, one a second.
 *
 * @param address Where the server is.
 * @param options How to connect.
 * @returns The connection, once bytes can be sent.
 * @throws The runtime's own error, or the reason of `options.signal`.
 */
export const dialNode: Dial = (address, options) => {
  const inbox = new Inbox();
  return openNode(
    address,
    options,
    inbox,
    (socket) => new NodeConn(socket, inbox),
  );
};
