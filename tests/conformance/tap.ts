/**
 * A transport that a test looks into: it counts connections, notes what is
 * sent, and holds back what arrives, whatever the transport below is.
 *
 * @module
 */
import { type Conn, type ConnEvents, type Dial, dial } from "@x/memcache";

/** Most bytes of one write that are noted: more than commands come to. */
const LONGEST = 48 * 1024;

/** Looks into every connection that is opened through its `dial`. */
export class Tap {
  /** How many connections have been opened. */
  connects = 0;
  /**
   * What was sent, one character for each byte; of a large value only its
   * beginning.
   */
  sent = "";
  readonly #conns = new Set<TappedConn>();
  readonly #waiting: Array<[text: string, found: () => void]> = [];
  readonly #hidden: RegExp | undefined;
  #holding = false;

  /** Takes what is left out of `sent`, with the flag `g`. */
  constructor(hidden?: RegExp) {
    this.#hidden = hidden;
  }

  /** For the option `dial` of a client. */
  readonly dial: Dial = async (address, options) => {
    const conn = new TappedConn(await dial(address, options), this);
    this.connects++;
    this.#conns.add(conn);
    return conn;
  };

  /** Whether what arrives is held back. */
  get holding(): boolean {
    return this.#holding;
  }

  /** Holds back what arrives from now on. */
  hold(): void {
    this.#holding = true;
  }

  /** Hands over what was held back, and holds nothing back any more. */
  release(): void {
    this.#holding = false;
    for (const conn of this.#conns) conn.release();
  }

  /** Ends every connection, as a server does that goes away. */
  cut(): void {
    for (const conn of this.#conns) conn.cut();
  }

  /** Waits until a text has been sent. */
  async wrote(text: string): Promise<void> {
    if (this.sent.includes(text)) return;
    await new Promise<void>((resolve) => this.#waiting.push([text, resolve]));
  }

  /** Notes bytes that are sent. */
  note(bytes: Uint8Array): void {
    const text = String.fromCharCode(...bytes.subarray(0, LONGEST));
    this.sent += this.#hidden ? text.replace(this.#hidden, "") : text;
    for (const [text, found] of this.#waiting) {
      if (this.sent.includes(text)) found();
    }
  }

  /** Forgets a connection that was closed. */
  forget(conn: TappedConn): void {
    this.#conns.delete(conn);
  }
}

class TappedConn implements Conn {
  readonly text?: (bytes: Uint8Array, start: number, end: number) => string;
  readonly #conn: Conn;
  readonly #tap: Tap;
  #events: ConnEvents | undefined;
  #held: Array<(events: ConnEvents) => void> = [];

  constructor(conn: Conn, tap: Tap) {
    this.#conn = conn;
    this.#tap = tap;
    if (conn.text !== undefined) this.text = conn.text.bind(conn);
  }

  start(events: ConnEvents): void {
    this.#events = events;
    this.#conn.start({
      data: (bytes) => {
        if (!this.#held.length && !this.#tap.holding) events.data(bytes);
        // The memory is the transport's own and will be used again.
        else {
          const copy = bytes.slice();
          this.#held.push((events) => events.data(copy));
        }
      },
      drain: () => events.drain(),
      end: (error) => {
        if (!this.#tap.holding) events.end(error);
        else this.#held.push((events) => events.end(error));
      },
      target: () =>
        this.#tap.holding || this.#held.length > 0
          ? undefined
          : events.target(),
    });
  }

  release(): void {
    for (const tell of this.#held.splice(0)) {
      if (this.#events !== undefined) tell(this.#events);
    }
  }

  cut(): void {
    const events = this.#events;
    this.close();
    events?.end();
  }

  write(bytes: Uint8Array): boolean {
    this.#tap.note(bytes);
    return this.#conn.write(bytes);
  }

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }

  close(): void {
    this.#events = undefined;
    this.#held = [];
    this.#tap.forget(this);
    this.#conn.close();
  }
}
