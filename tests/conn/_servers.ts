/**
 * Servers to dial, and a listener that notes what a connection tells.
 *
 * @module
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";
import { SERVER_CERT, SERVER_KEY } from "../_certs.ts";
import type {
  Conn,
  ConnEvents,
  Dial,
  DialOptions,
  ServerAddress,
} from "../../src/conn/conn.ts";

/** A server in this process. */
export interface Served {
  /** Its TCP address, or the unix one. */
  readonly address: ServerAddress;
  /** Every socket that was accepted, open or not. */
  readonly sockets: net.Socket[];
  /** Waits for the next socket, or for the one that is there. */
  accepted(): Promise<net.Socket>;
  /** Closes the server and all of its sockets. */
  close(): Promise<void>;
}

/** The address of a TCP server. */
export function tcp(host: string, port: number): ServerAddress {
  return { transport: "tcp", host, port, name: `${host}:${port}`, weight: 1 };
}

/** The address of a unix domain socket. */
export function unix(path: string): ServerAddress {
  return { transport: "unix", path, name: path, weight: 1 };
}

/** Starts a server on `host`, or on a unix domain socket. */
export async function serve(
  onSocket: (socket: net.Socket) => void,
  { host = "127.0.0.1", secure }: { host?: string; secure?: tls.TlsOptions } =
    {},
): Promise<Served> {
  const sockets: net.Socket[] = [];
  const raw = new Set<net.Socket>();
  const all = { allowHalfOpen: true, noDelay: true };
  const server = secure === undefined
    ? net.createServer(all)
    : tls.createServer({
      ...all,
      cert: SERVER_CERT,
      key: SERVER_KEY,
      ...secure,
    });
  server.on("connection", (socket: net.Socket) => {
    raw.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => raw.delete(socket));
  });
  server.on(
    secure === undefined ? "connection" : "secureConnection",
    (socket: net.Socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      onSocket(socket);
      server.emit("ready");
    },
  );
  server.on("tlsClientError", () => {});
  const folder = host === "unix" ? mkdtempSync(join(tmpdir(), "conn")) : "";
  const path = join(folder, "m.sock");
  if (folder !== "") server.listen(path);
  else server.listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    address: folder !== "" ? unix(path) : tcp(host, port),
    sockets,
    async accepted() {
      if (sockets.length === 0) await once(server, "ready");
      return sockets[sockets.length - 1];
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of [...sockets, ...raw]) socket.destroy();
      await closed;
      if (folder !== "") rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Sends back what comes in, and ends when the other side does. */
export function echo(socket: net.Socket): void {
  socket.on("data", (bytes) => {
    if (!socket.write(bytes)) socket.pause();
  });
  socket.on("drain", () => socket.resume());
  socket.on("end", () => socket.end());
}

/** Does nothing: neither reads nor writes. */
export function silent(socket: net.Socket): void {
  socket.pause();
}

/** Options of an attempt that nothing ends. */
export function options(more: Partial<DialOptions> = {}): DialOptions {
  return {
    signal: new AbortController().signal,
    noDelay: true,
    keepAlive: false,
    ...more,
  };
}

/** Notes what a connection tells, and minds the contract. */
export class Probe implements ConnEvents {
  readonly chunks: Uint8Array[] = [];
  readonly ends: unknown[] = [];
  received = 0;
  drains = 0;
  /** What went against the contract. */
  readonly faults: string[] = [];
  onData: (bytes: Uint8Array) => void = () => {};
  onDrain: () => void = () => {};
  onTarget: () => Uint8Array | undefined = () => undefined;
  #inside = "";
  #wake: (() => void) | undefined;

  #enter(name: string, work: () => void): void {
    if (this.#inside !== "") this.faults.push(`${name} in ${this.#inside}`);
    if (this.ends.length > 0) this.faults.push(`${name} after end`);
    this.#inside = name;
    work();
    this.#inside = "";
    this.#wake?.();
  }

  data(bytes: Uint8Array): void {
    this.#enter("data", () => {
      if (bytes.length === 0) this.faults.push("empty data");
      this.received += bytes.length;
      this.chunks.push(bytes.slice());
      this.onData(bytes);
    });
  }

  drain(): void {
    this.#enter("drain", () => {
      this.drains++;
      this.onDrain();
    });
  }

  end(error?: unknown): void {
    this.#enter("end", () => {});
    this.ends.push(error);
  }

  target(): Uint8Array | undefined {
    if (this.ends.length > 0) this.faults.push("target after end");
    return this.onTarget();
  }

  /** Resolves once `what` is true; asked after every event. */
  until(what: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!what()) return;
        this.#wake = undefined;
        resolve();
      };
      this.#wake = () => queueMicrotask(check);
      check();
    });
  }

  /** Everything that was received, as text. */
  get text(): string {
    const decoder = new TextDecoder();
    return this.chunks.map((c) => decoder.decode(c, { stream: true })).join("");
  }
}

/** Opens a connection that keeps the process alive, and listens to it. */
export async function open(
  dial: Dial,
  address: ServerAddress,
  more: Partial<DialOptions> = {},
): Promise<{ conn: Conn; probe: Probe }> {
  const conn = await dial(address, options(more));
  conn.ref();
  const probe = new Probe();
  conn.start(probe);
  return { conn, probe };
}

/** Bytes that tell where they belong. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    bytes[i] = seed >>> 24;
  }
  return bytes;
}

/** Writes bytes in chunks, waiting for `drain` where `write` says so. */
export async function send(
  conn: Conn,
  probe: Probe,
  bytes: Uint8Array,
  chunk: number = bytes.length,
): Promise<void> {
  for (let at = 0; at < bytes.length; at += chunk) {
    const drains = probe.drains;
    if (!conn.write(bytes.subarray(at, at + chunk))) {
      await probe.until(() => probe.drains > drains);
    }
  }
}

/** Puts chunks into one. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(
    chunks.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** Resolves when the socket has been closed, whenever and however that was. */
export function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve();
    socket.on("close", () => resolve());
    if (socket.readableEnded) socket.destroy();
    // A socket that is not read does not see the other side's end.
    socket.on("end", () => socket.destroy());
    socket.resume();
  });
}
