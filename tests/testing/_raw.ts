/**
 * A client that knows nothing of memcached: bytes out, bytes in.
 *
 * @module
 */
import * as net from "node:net";
import * as tls from "node:tls";
import { decodeLatin1 } from "../../src/testing/latin1.ts";

/** Where to connect to, and how. */
export interface RawTarget {
  /** TCP port on 127.0.0.1. */
  readonly port?: number;
  /** Path of a unix domain socket. */
  readonly path?: string;
  /** TLS, where the server speaks it. */
  readonly tls?: tls.ConnectionOptions;
}

/** Turns a latin1 text into bytes. */
export function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** A connection that is read from as a latin1 text. */
export class RawClient {
  readonly #socket: net.Socket;
  #received = "";
  #wake: () => void = () => {};
  /** Whether the server has ended it. */
  ended = false;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Uint8Array) => {
      this.#received += decodeLatin1(bytes);
      this.#wake();
    });
    const end = () => {
      this.ended = true;
      this.#wake();
    };
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", end);
  }

  /** Connects, and rejects if that fails. */
  static async connect(target: RawTarget): Promise<RawClient> {
    const where = target.path
      ? { path: target.path }
      : { port: target.port ?? 0, host: "127.0.0.1" };
    const socket = target.tls === undefined
      ? net.connect(where)
      : tls.connect({ ...where, ...target.tls });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("Connection refused")));
      socket.once(target.tls ? "secureConnect" : "connect", () => resolve());
    });
    socket.setNoDelay(true);
    return client;
  }

  /** Sends a latin1 text. */
  write(text: string): void {
    this.#socket.write(latin1(text));
  }

  /** Waits for so many bytes, or the end, and takes what is there. */
  async read(length: number): Promise<string> {
    while (this.#received.length < length && !this.ended) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const received = this.#received;
    this.#received = "";
    return received;
  }

  /** Waits for a text that ends as given, or the end, and takes it. */
  async until(end: string | RegExp): Promise<string> {
    const there = () =>
      typeof end === "string"
        ? this.#received.endsWith(end)
        : end.test(this.#received);
    while (!there() && !this.ended) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return await this.read(0);
  }

  /** Sends, and takes what comes before the reply to `mn` behind it. */
  async fenced(text: string): Promise<string> {
    this.write(`${text}mn\r\n`);
    const fence = "MN\r\n";
    const received = await this.until(fence);
    return received.endsWith(fence)
      ? received.slice(0, -fence.length)
      : received;
  }

  /** Sends, and waits for as many bytes as are expected. */
  ask(text: string, expected: string): Promise<string> {
    this.write(text);
    return this.read(expected.length);
  }

  /** Ends its own side and takes what still comes until the server's end. */
  rest(): Promise<string> {
    if (!this.ended) this.#socket.end();
    return this.read(Infinity);
  }

  /** Reads no more, so that the server's writes pile up. */
  pause(): void {
    this.#socket.pause();
  }

  /** Reads again. */
  resume(): void {
    this.#socket.resume();
  }

  /** Closes at once. */
  close(): void {
    this.#socket.destroy();
  }
}
