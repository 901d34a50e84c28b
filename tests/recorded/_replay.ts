/**
 * Replays recorded calls: a server over `node:net` that gives the recorded
 * replies and notes what it receives, and a transport that cuts what arrives
 * exactly where it is told to.
 *
 * @module
 */
import {
  type Conn,
  type ConnEvents,
  type Dial,
  dial,
  parseServer,
} from "@x/memcache";
import { type Command, type Peer, ScriptedServer } from "../_scripted.ts";
import { call } from "./_calls.ts";
import { type Case, type Step, step } from "./_cases.ts";
import { type AnyClient, makeClient, serversOf } from "./_clients.ts";
import { toOptions } from "./_options.ts";
import { notation } from "./_python.ts";

/** What came of one call. */
export interface Observed {
  /** The call. */
  readonly method: string;
  /** The bytes that the server received, one character for each. */
  readonly sent: string;
  /** What the call returned, or `!` and the class of the error. */
  readonly outcome: string;
  /** Whether a connection is open when all is done. */
  readonly open: boolean;
  /** How many connections were opened. */
  readonly connects: number;
}

/**
 * Cuts a reply.
 *
 * @param reply The call that is answered.
 * @param left How many bytes are left.
 * @param count How many pieces there were.
 * @returns The size of the next piece, at least 1.
 */
export type Cut = (reply: Step, left: number, count: number) => number;

/** How long a connection may take to be given up after an error. */
const PATIENCE = 1000;

/** The time at which all calls are made, in milliseconds since 1970. */
export const NOW = 1_700_000_000_000;

/** The last call of every case: the client still works, on a good connection. */
export const AFTERMATH: Step = step({
  method: "version",
  reply: "VERSION 1.2.3\r\n",
  sent: "version\r\n",
  outcome: 'b"1.2.3"',
});

/** The same for a client of several servers: a command for one of them. */
export const CLUSTER_AFTERMATH: Step = step({
  method: "get",
  args: [{ t: "str", v: "aftermath" }],
  reply: "END\r\n",
  sent: "get aftermath\r\n",
  outcome: "none",
});

/** A server for many cases, one after another. */
export class Replay {
  readonly #server: ScriptedServer;
  readonly #tap: Tap = new Tap();
  readonly #cut: Cut;
  #current: Step = AFTERMATH;
  #wanted = 0;
  /** What each command is answered, where several servers share the reply. */
  #split: Array<{ readonly line: string; readonly reply: string }> | undefined;
  #replied = false;

  private constructor(server: ScriptedServer, cut: Cut) {
    this.#server = server;
    this.#cut = cut;
    server.script = (command, peer) => this.#answer(command, peer);
  }

  /**
   * Runs `fn` with a server, at a time that stands still.
   *
   * @param cut How replies arrive.
   */
  static async with(
    cut: Cut,
    fn: (replay: Replay) => Promise<void>,
  ): Promise<void> {
    const server = await ScriptedServer.start();
    const { now } = Date;
    Date.now = () => NOW;
    try {
      await fn(new Replay(server, cut));
    } finally {
      Date.now = now;
      await server.close();
    }
  }

  /** Runs the calls of a case with a client of its own. */
  async run(recorded: Case, steps: readonly Step[]): Promise<Observed[]> {
    const observed: Observed[] = [];
    this.#tap.open.clear();
    this.#server.peers.length = 0;
    let client: AnyClient | undefined;
    for (const current of steps) {
      if (current.method === "constructor") {
        const outcome = await settled(() => {
          const { address } = this.#server;
          const { dial } = this.#tap;
          const target = parseServer(address);
          client = makeClient(recorded, address, {
            ...toOptions(recorded),
            // Whatever the servers are called, here they are all the same.
            dial: (_, options) => dial(target, options),
          });
          return Promise.resolve();
        });
        observed.push({
          method: current.method,
          sent: "",
          outcome,
          open: false,
          connects: 0,
        });
        if (client === undefined) break;
      } else if (client !== undefined) {
        const isSplit = serversOf(recorded).length > 1;
        observed.push(await this.#call(client, current, isSplit));
      }
    }
    await client?.close();
    return observed;
  }

  async #call(
    client: AnyClient,
    current: Step,
    isSplit: boolean,
  ): Promise<Observed> {
    const tap = this.#tap;
    this.#current = current;
    this.#wanted = repliesTo(current.sent);
    this.#split = isSplit ? splitReplies(current) : undefined;
    this.#replied = false;
    const connects = tap.connects;
    const written = tap.written;
    const { peers } = this.#server;
    const before = peers.map((peer) => peer.text.length);
    const received = (): string =>
      peers.map((peer, i) => peer.text.slice(before[i] ?? 0)).join("");
    tap.expect(
      isSplit ? 0 : current.reply.length,
      (left, count) => this.#cut(current, left, count),
    );
    const outcome = await settled(() => call(client, current));
    await this.#server.until(() =>
      received().length >= tap.written - written ||
      tap.open.size === 0
    );
    // What is wrong with the rest of a reply shows when the rest is there.
    if (this.#replied) {
      await tap.until(() => tap.arrived || tap.open.size === 0);
    }
    const ends = current.open === false || (current.eof && this.#replied);
    if (ends && tap.open.size > 0) {
      await tap.until(() => tap.open.size === 0, PATIENCE);
    }
    return {
      method: current.method,
      sent: received(),
      outcome,
      open: tap.open.size > 0,
      connects: tap.connects - connects,
    };
  }

  #answer(command: Command, peer: Peer): undefined {
    if (!this.#server.peers.includes(peer)) return;
    const split = this.#split;
    if (split !== undefined) {
      const at = split.findIndex(({ line }) => line === command.line);
      if (at >= 0) peer.send(split.splice(at, 1)[0].reply);
      return;
    }
    if (isSilent(command.line) || --this.#wanted !== 0) return;
    this.#replied = true;
    if (this.#current.eof) peer.end(this.#current.reply);
    else peer.send(this.#current.reply);
  }
}

/** Waits for an outcome, and shows it. */
export async function settled(run: () => Promise<unknown>): Promise<string> {
  try {
    return notation(await run());
  } catch (error) {
    return `!${error instanceof Error ? error.name : String(error)}`;
  }
}

const STORES =
  /^(?:set|add|replace|append|prepend|cas) [^ ]+ [^ ]+ [^ ]+ (\d+)/;

/** Whether a command asks for no reply; in a `get` the word is a key. */
function isSilent(line: string): boolean {
  return line.endsWith(" noreply") && !/^g(?:et|at)/.test(line);
}

/** How many of the commands in a text ask for a reply. */
function repliesTo(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\r\n", at);
    if (end < 0) break;
    const line = text.slice(at, end);
    if (!isSilent(line)) count++;
    const store = STORES.exec(line);
    at = end + 2 + (store === null ? 0 : Number(store[1]) + 2);
  }
  return count;
}

/**
 * Puts each command together with its own part of the reply: recordings of
 * several servers have one piece, or two, for each command.
 */
function splitReplies(
  { sent, reply, pieces }: Step,
): Array<{ line: string; reply: string }> {
  const lines = sent.split("\r\n").filter((line) =>
    /^(?:[gs]et|stats|version)\b/.test(line)
  );
  const sum = (lengths: readonly number[]): number =>
    lengths.reduce((sum, length) => sum + length, 0);
  // What we are answered beyond what pymemcache was.
  const rest = reply.length - sum(pieces);
  const lengths = rest > 0 ? [...pieces, rest] : pieces;
  const each = lengths.length / lines.length;
  return lines.map((line, i) => {
    const start = sum(lengths.slice(0, i * each));
    const end = sum(lengths.slice(0, (i + 1) * each));
    return { line, reply: reply.slice(start, end) };
  });
}

type CutLeft = (left: number, count: number) => number;

/** Sees and cuts what goes through the connections of a client. */
class Tap {
  /** Connections that neither side has ended. */
  readonly open: Set<TappedConn> = new Set();
  /** How many connections were opened. */
  connects = 0;
  /** How many bytes were written. */
  written = 0;
  /** Bytes that are awaited before any is handed on. */
  expected = 0;
  /** How they are cut. */
  cut: CutLeft = (left) => left;
  /** Whether the reply has been handed on, whole. */
  arrived = false;
  #waiting: Array<() => void> = [];

  /** For the option `dial` of a client. */
  readonly dial: Dial = async (address, options) => {
    const conn = new TappedConn(await dial(address, options), this);
    this.connects++;
    this.open.add(conn);
    return conn;
  };

  /** Says what the next reply is like. */
  expect(length: number, cut: CutLeft): void {
    this.expected = length;
    this.cut = cut;
    this.arrived = length === 0;
  }

  /** Says that something has happened. */
  changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Waits until something is so, for ever or for some milliseconds. */
  async until(condition: () => boolean, limit = 0): Promise<void> {
    let late = false;
    const timer = limit === 0 ? undefined : setTimeout(() => {
      late = true;
      this.changed();
    }, limit);
    while (!condition() && !late) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    clearTimeout(timer);
  }
}

class TappedConn implements Conn {
  readonly text?: (bytes: Uint8Array, start: number, end: number) => string;
  readonly #conn: Conn;
  readonly #tap: Tap;
  #events: ConnEvents | undefined;
  #held: Uint8Array = new Uint8Array(0);

  constructor(conn: Conn, tap: Tap) {
    this.#conn = conn;
    this.#tap = tap;
    if (conn.text !== undefined) this.text = conn.text.bind(conn);
  }

  start(events: ConnEvents): void {
    this.#events = events;
    this.#conn.start({
      data: (bytes) => {
        const held = new Uint8Array(this.#held.length + bytes.length);
        held.set(this.#held);
        held.set(bytes, this.#held.length);
        this.#held = held;
        if (held.length >= this.#tap.expected) this.#handOn();
      },
      drain: () => events.drain(),
      end: (error) => {
        this.#handOn();
        if (this.#events !== undefined) {
          this.#forget();
          events.end(error);
        }
        this.#tap.changed();
      },
      target: () => undefined,
    });
  }

  /** Hands on what has arrived, in pieces whose memory is used again. */
  #handOn(): void {
    const held = this.#held;
    this.#held = new Uint8Array(0);
    const memory = new Uint8Array(held.length);
    let count = 0;
    for (let at = 0; at < held.length && this.#events !== undefined;) {
      const size = this.#tap.cut(held.length - at, count++);
      const piece = memory.subarray(0, Math.min(size, held.length - at));
      piece.set(held.subarray(at, at + piece.length));
      at += piece.length;
      this.#events.data(piece);
      piece.fill(0x21);
    }
    this.#tap.arrived = true;
    this.#tap.changed();
  }

  write(bytes: Uint8Array): boolean {
    this.#tap.written += bytes.length;
    return this.#conn.write(bytes);
  }

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }

  close(): void {
    this.#forget();
    this.#conn.close();
    this.#tap.changed();
  }

  #forget(): void {
    this.#events = undefined;
    this.#tap.open.delete(this);
  }
}
