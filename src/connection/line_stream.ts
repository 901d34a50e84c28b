/**
 * A connection of its own for replies of lines without an end in sight, such as
 * a listing of all keys or a log. Lines are taken one by one; those that wait
 * have bounded room, and when it is used up nothing more is read from the
 * connection, so that the server waits.
 *
 * States: new → opening → open → over. It never comes back.
 *
 * @module
 */

import type { Conn, ConnEvents } from "../conn/conn.ts";
import {
  type MemcacheError,
  type MemcacheErrorOptions,
  MemcacheOverloadError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownError,
} from "../errors.ts";
import { ServerStats } from "../telemetry/server_stats.ts";
import { Output } from "../wire/output.ts";
import { Alarm, now } from "./alarm.ts";
import { Attempt } from "./attempt.ts";
import { asMemcacheError, dialError } from "./failures.ts";
import { AuthCommand, loginError } from "./handshake.ts";
import type { ConnectionOptions } from "./options.ts";
import { plainText, type ReadText } from "./request.ts";
import { soon } from "./turns.ts";
import { Writer } from "./writer.ts";

/** Bytes that wait, from which on nothing more is read. */
const HIGH = 256 * 1024;

/** Bytes that wait, below which it is read on. */
const LOW = 64 * 1024;

/** Bytes that may wait where the transport cannot be paused. */
const LIMIT = 8 * 1024 * 1024;

/** Longest line, in bytes. Those of memcached have up to 4 KiB. */
const MAX_LINE = 64 * 1024;

/** The most room that is kept while nothing waits. */
const MAX_SPARE = 64 * 1024;

/** Lines after which others get their turn: less than 3 ms of work. */
const RUN = 128;

const LF = 10;
const CR = 13;
const NOTHING: Uint8Array = new Uint8Array(0);

/** Who waits for something to happen. */
interface Waiter {
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

/** A connection that is read by lines. */
export class LineStream implements ConnEvents {
  /** Milliseconds that the server may be silent while a line is waited for. */
  timeout = 0;
  /** Milliseconds that the server may be kept waiting between two lines. */
  maxPause = 0;

  readonly #options: ConnectionOptions;
  readonly #command: string;
  readonly #alarm: Alarm = new Alarm(() => this.#ring());
  #attempt: Attempt | undefined = undefined;
  #conn: Conn | undefined = undefined;
  #writer: Writer | undefined = undefined;
  #text: ReadText = plainText;
  /** What has arrived: the bytes from `#start` to `#end`. */
  #bytes: Uint8Array = NOTHING;
  #start = 0;
  #end = 0;
  /** Up to here there is no line end. */
  #scanned = 0;
  /** Lines that were there already, one after another. */
  #run = 0;
  #paused = false;
  #sent = false;
  #waiter: Waiter | undefined = undefined;
  /** When something was last heard of the server, or first waited for. */
  #heardAt = 0;
  /** When a line was last taken. */
  #takenAt = 0;
  #held = false;
  #isRef = false;
  /** That the other side has ended it; what has arrived may still be taken. */
  #ended: MemcacheError | undefined = undefined;
  /** Why it is over. */
  #over: { readonly reason: unknown } | undefined = undefined;

  /** Takes where to, and the name of the command that it is for. */
  constructor(options: ConnectionOptions, command: string) {
    this.#options = options;
    this.#command = command;
  }

  /** Name of the server. */
  get server(): string {
    return this.#options.address.name;
  }

  /** What errors tell of the command. */
  about(): MemcacheErrorOptions {
    const { server } = this;
    return { server, command: this.#command, sent: this.#sent };
  }

  /** Connects, and logs in where that is wanted. */
  async open(): Promise<void> {
    const { auth } = this.#options;
    const attempt = new Attempt(
      this.#options,
      (conn) => this.#begin(conn),
      (cause) => this.close(dialError(cause, this.about())),
    );
    this.#attempt = attempt;
    attempt.start();
    await this.#wait();
    if (auth !== undefined) {
      const out = new Output(new Uint8Array(64));
      new AuthCommand(auth).encode(out);
      this.#writer?.send(out);
      const error = loginError(await this.line(), this.about());
      if (error !== undefined) {
        this.close(error);
        throw error;
      }
    }
    attempt.succeed();
    this.#attempt = undefined;
  }

  /** Sends a command line, which comes without CRLF. */
  send(line: string): void {
    const out = new Output(new Uint8Array(64));
    out.text(line);
    out.crlf();
    this.#sent = true;
    this.#writer?.send(out);
  }

  /** Takes the next line, without its end; absent if there is none yet. */
  take(): string | undefined {
    if (this.#scanned === this.#end) return undefined;
    const at = this.#bytes.indexOf(LF, this.#scanned);
    // What lies behind the end is old.
    if (at < 0 || at >= this.#end) {
      this.#scanned = this.#end;
      return undefined;
    }
    const bytes = this.#bytes;
    const from = this.#start;
    const to = at > from && bytes[at - 1] === CR ? at - 1 : at;
    const line = this.#text(bytes, from, to);
    this.#start = this.#scanned = at + 1;
    if (this.#start === this.#end) this.#empty();
    if (this.#paused) this.#goOn();
    return line;
  }

  /**
   * Waits for the next line. Where many are there already, everything else gets
   * its turn now and then: to promises that settle at once nobody comes first.
   */
  async line(): Promise<string> {
    if (++this.#run === RUN) {
      this.#run = 0;
      await new Promise<void>(soon);
    }
    for (;;) {
      const line = this.take();
      if (line !== undefined) return line;
      this.#run = 0;
      await this.#wait();
    }
  }

  /** Waits for a while, or until something happens. */
  async rest(milliseconds: number): Promise<void> {
    const { timeout } = this;
    this.timeout = 0;
    const timer = setTimeout(() => this.#wake(), milliseconds);
    try {
      await this.#wait();
    } finally {
      clearTimeout(timer);
      this.timeout = timeout;
    }
  }

  /** Says whether what is waited for keeps the process alive. */
  hold(alive: boolean): void {
    this.#held = alive;
    this.#ref();
  }

  /** Makes an end of it. Who waits is told the reason, and who comes later. */
  close(reason: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = { reason };
    this.#alarm.clear();
    this.#attempt?.giveUp(reason);
    this.#writer?.end();
    this.#bytes = NOTHING;
    this.#start = this.#end = this.#scanned = 0;
    try {
      this.#conn?.close();
    } catch {
      // A transport of the user's own; to us it is closed.
    }
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.fail(reason);
  }

  #begin(conn: Conn): void {
    if (conn.text !== undefined) {
      this.#text = (bytes, start, end) => conn.text!(bytes, start, end);
    }
    this.#conn = conn;
    const { server } = this;
    // What is counted is counted of commands.
    const told = { server, stats: new ServerStats({ server }) };
    this.#writer = new Writer(conn, told, (error) => this.close(error));
    conn.start(this);
    this.#wake();
    this.#ref();
  }

  /** Waits for something to happen. */
  #wait(): Promise<void> {
    return new Promise((wake, fail) => {
      if (this.#over !== undefined) return fail(this.#over.reason);
      if (this.#ended !== undefined) {
        this.close(this.#ended);
        return fail(this.#ended);
      }
      this.#waiter = { wake, fail };
      this.#heardAt = now();
      if (this.timeout > 0) {
        this.#alarm.set(this.#heardAt + this.timeout, this.#heardAt);
      }
      this.#ref();
    });
  }

  #wake(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    this.#waiter = undefined;
    this.#ref();
    waiter.wake();
  }

  /** Keeps the process alive while something is waited for, or lets it end. */
  #ref(): void {
    const wanted = this.#held && this.#waiter !== undefined;
    if (wanted === this.#isRef || this.#conn === undefined) return;
    this.#isRef = wanted;
    try {
      if (wanted) this.#conn.ref();
      else this.#conn.unref();
    } catch {
      // A transport of the user's own; the process lives a little longer.
    }
  }

  #ring(): void {
    const at = now();
    const { timeout, maxPause } = this;
    if (this.#waiter !== undefined && timeout > 0) {
      const due = this.#heardAt + timeout;
      if (at < due) return this.#alarm.set(due, at);
      this.close(
        new MemcacheTimeoutError(
          `Cannot finish ${this.#command}: ${this.server} was silent for ${timeout} ms (timeout)`,
          this.about(),
        ),
      );
    } else if (this.#paused && maxPause > 0) {
      const due = this.#takenAt + maxPause;
      if (at < due) return this.#alarm.set(due, at);
      this.close(
        new MemcacheTimeoutError(
          `Cannot finish ${this.#command}: ${this.server} was kept waiting for ${maxPause} ms (maxPause) by who reads`,
          this.about(),
        ),
      );
    }
  }

  /** The connection has taken what it kept. */
  drain(): void {
    if (this.#over === undefined) this.#writer?.drained();
  }

  /** Lines are short: the transport's own memory will do. */
  target(): undefined {
    return undefined;
  }

  /** Bytes have arrived. */
  data(bytes: Uint8Array): void {
    if (this.#over !== undefined) return;
    this.#heardAt = now();
    this.#append(bytes);
    const waiting = this.#end - this.#start;
    if (waiting > MAX_LINE && !this.#hasLine()) {
      return this.close(
        new MemcacheUnknownError(
          `Cannot read the reply to ${this.#command}: a line of more than ${MAX_LINE} bytes`,
          this.about(),
        ),
      );
    }
    if (waiting > HIGH && !this.#paused) this.#pause(waiting);
    this.#wake();
  }

  /** The other side has ended the connection: what has arrived still counts. */
  end(error?: unknown): void {
    if (this.#over !== undefined) return;
    const cause = error === undefined ? undefined : asMemcacheError(error);
    const why = cause === undefined ? "" : `: ${cause.message}`;
    this.#ended = new MemcacheUnexpectedCloseError(
      `Cannot finish ${this.#command}: the connection to ${this.server} ended before its end${why}`,
      { ...this.about(), cause },
    );
    this.#wake();
  }

  #append(bytes: Uint8Array): void {
    const held = this.#end - this.#start;
    const need = held + bytes.length;
    if (this.#end + bytes.length > this.#bytes.length) {
      if (need > this.#bytes.length) {
        const room = Math.max(need, 2 * this.#bytes.length, 4096);
        const grown = new Uint8Array(room);
        grown.set(this.#bytes.subarray(this.#start, this.#end));
        this.#bytes = grown;
      } else this.#bytes.copyWithin(0, this.#start, this.#end);
      this.#scanned -= this.#start;
      this.#start = 0;
      this.#end = held;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Forgets what has been taken; much room is not kept. */
  #empty(): void {
    this.#start = this.#end = this.#scanned = 0;
    if (this.#bytes.length > MAX_SPARE && !this.#paused) this.#bytes = NOTHING;
  }

  #hasLine(): boolean {
    const at = this.#bytes.indexOf(LF, this.#scanned);
    if (at >= 0 && at < this.#end) return true;
    this.#scanned = this.#end;
    return false;
  }

  #pause(waiting: number): void {
    const conn = this.#conn;
    if (conn?.pause !== undefined && conn.resume !== undefined) {
      this.#paused = true;
      conn.pause();
      this.#takenAt = now();
      if (this.maxPause > 0) {
        this.#alarm.set(this.#takenAt + this.maxPause, this.#takenAt);
      }
    } else if (waiting > LIMIT) {
      this.close(
        new MemcacheOverloadError(
          `Cannot finish ${this.#command}: ${waiting} bytes wait to be read, at most ${LIMIT} may where the transport has no pause()`,
          this.about(),
        ),
      );
    }
  }

  /** A line was taken: perhaps there is room for more. */
  #goOn(): void {
    this.#takenAt = now();
    if (this.#end - this.#start >= LOW) return;
    this.#paused = false;
    this.#conn?.resume?.();
  }
}
