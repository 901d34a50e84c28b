/**
 * A transport without a socket: what a client sends is text for a function,
 * and what it is to receive is handed over piece by piece.
 *
 * @module
 */
import type { Conn, ConnEvents } from "@x/memcache";
import { bytesOf, latin1 } from "./_commands.ts";

/** One connection in memory. */
export class Pipe implements Conn {
  /** Whether the client has closed it. */
  closed = false;
  /** Whether it was ended from the other side. */
  ended = false;
  /** Everything that was sent. */
  sent = "";
  /** Whether the next write is kept until `drain`. */
  keepsNext = false;

  readonly #take: (text: string, pipe: Pipe) => void;
  #events: ConnEvents | undefined;

  /** Takes whom to tell what the client sends. */
  constructor(take: (text: string, pipe: Pipe) => void) {
    this.#take = take;
  }

  start(events: ConnEvents): void {
    this.#events = events;
  }

  write(bytes: Uint8Array): boolean {
    if (this.closed || this.ended) return true;
    const text = latin1(bytes);
    this.sent += text;
    this.#take(text, this);
    if (!this.keepsNext) return true;
    this.keepsNext = false;
    queueMicrotask(() => {
      if (!this.closed && !this.ended) this.#events?.drain();
    });
    return false;
  }

  ref(): void {}

  unref(): void {}

  close(): void {
    this.closed = true;
  }

  /**
   * Hands bytes over. Their memory is used again at once, as a transport's is:
   * who has kept a view will see it.
   *
   * @param direct Whether to read into the memory that the client offers.
   */
  deliver(text: string, direct = false): void {
    let at = 0;
    while (at < text.length && !this.closed && !this.ended) {
      const target = direct ? this.#events?.target() : undefined;
      if (target === undefined) {
        const bytes = bytesOf(at === 0 ? text : text.slice(at));
        this.#events?.data(bytes);
        bytes.fill(0x23);
        return;
      }
      const bytes = target.subarray(0, text.length - at);
      for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(at + i);
      at += bytes.length;
      this.#events?.data(bytes);
    }
  }

  /** Ends the connection from the other side. */
  end(error?: unknown): void {
    if (this.closed || this.ended) return;
    this.ended = true;
    this.#events?.end(error);
  }
}
