/**
 * The way out of a link: segments, one after another, as fast as the transport
 * takes them.
 *
 * States: free → busy (the transport keeps a segment) → free …, and ended.
 *
 * @module
 */

import type { Conn } from "../conn/conn.ts";
import { type MemcacheError, MemcacheIllegalInputError } from "../errors.ts";
import type { ServerStats } from "../telemetry/server_stats.ts";
import { encodeText, type Output } from "../wire/output.ts";
import { now } from "./alarm.ts";
import { asMemcacheError } from "./failures.ts";
import { returnMemory } from "./memory.ts";
import type { LinkOptions } from "./options.ts";

/** Bytes to be written, and how many the server has been told of. */
interface Segment {
  readonly bytes: Uint8Array;
  readonly length: number;
}

const CRLF: Segment = { bytes: encodeText("\r\n"), length: 2 };

/** Behind a large quiet command, in a write and a TLS record of its own. */
const FENCE: Segment = { bytes: encodeText("mn\r\n"), length: 4 };

/** Writes what commands were encoded to. */
export class Writer {
  /** Whether the transport still keeps something. */
  busy = false;
  /** When the transport kept what it could not send at once. */
  keptAt = 0;
  /** Bytes that it keeps, or that wait behind those. */
  kept = 0;

  readonly #conn: Conn;
  readonly #stats: ServerStats;
  readonly #server: string;
  readonly #failed: (error: MemcacheError) => void;
  #segments: Segment[] = [];
  #memory: Uint8Array | undefined = undefined;
  #open = true;

  /** Takes the transport, and whom to tell that nothing more can be sent. */
  constructor(
    conn: Conn,
    { server, stats }: Pick<LinkOptions, "server" | "stats">,
    failed: (error: MemcacheError) => void,
  ) {
    this.#conn = conn;
    this.#stats = stats;
    this.#server = server;
    this.#failed = failed;
  }

  /** Sends an output; its memory is given back once it has been sent. */
  send(out: Output): void {
    this.#memory = out.bytes;
    if (out.length > 0) {
      this.#segments.push({ bytes: out.view(), length: out.length });
    }
    if (out.large !== undefined) {
      const { large, largeLength } = out;
      this.#segments.push({ bytes: large, length: largeLength }, CRLF);
    }
    if (out.isFenced) this.#segments.push(FENCE);
    this.#write();
  }

  /** The transport has taken what it kept. */
  drained(): void {
    const segment = this.#segments.shift();
    if (segment === undefined || !this.#hasShrunk(segment)) this.#write();
  }

  /** Forgets what has not been sent. */
  end(): void {
    this.#open = false;
    this.#segments = [];
    // The memory may still be in the hands of the transport: it is not lent
    // to anyone else, but left to the garbage collector.
    this.#memory = undefined;
  }

  #write(): void {
    while (this.#open) {
      const segment = this.#segments[0];
      if (segment === undefined) break;
      this.busy = true;
      if (this.#hasShrunk(segment)) return;
      this.#stats.bytesSent += segment.length;
      try {
        if (!this.#conn.write(segment.bytes)) {
          this.keptAt = now();
          this.kept = this.#segments.reduce(
            (sum, { length }) => sum + length,
            0,
          );
          return;
        }
      } catch (error) {
        this.#failed(asMemcacheError(error));
        return;
      }
      this.#segments.shift();
    }
    this.busy = false;
    this.kept = 0;
    if (this.#memory !== undefined) returnMemory(this.#memory);
    this.#memory = undefined;
  }

  /**
   * A large value is sent from the caller's memory. If that was taken away, the
   * server would take the commands behind it for the rest of the value.
   */
  #hasShrunk({ bytes, length }: Segment): boolean {
    if (bytes.length === length) return false;
    this.#failed(
      new MemcacheIllegalInputError(
        "Cannot send value: its memory was transferred or resized before it was sent",
        { server: this.#server },
      ),
    );
    return true;
  }
}
