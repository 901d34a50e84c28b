/**
 * A memcached that plays recorded replies, without a socket: it holds what it
 * reads against what was recorded, and puts into the replies what the client
 * asked for beyond that.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Conn, ConnEvents } from "@x/memcache";
import { comparable, type Recorded } from "./_meta_requests.ts";

/** What is to be read next, and what to say to it. */
export interface Play {
  /** The recorded command; absent: whatever comes is answered. */
  readonly command?: Recorded;
  /** The recorded reply; absent where a quiet command was not answered. */
  readonly reply: string | undefined;
}

/** The server side of a transport. */
export class Peer {
  /** What is to come. */
  readonly plays: Play[] = [];
  /** The commands that were read, but for questions and fences. */
  readonly read: string[] = [];
  /** What went wrong; the client's side would only see a lost connection. */
  fault: unknown;

  /** Opens a connection. */
  readonly dial = (): Promise<Conn> => {
    let events: ConnEvents | undefined;
    let rest = "";
    const conn: Conn = {
      start: (given) => void (events = given),
      write: (bytes) => {
        rest += latin1(bytes);
        let out = "";
        for (;;) {
          const end = lengthOf(rest);
          if (end === 0) break;
          out += this.#answer(rest.slice(0, end));
          rest = rest.slice(end);
        }
        queueMicrotask(() => events?.data(bytesOf(out)));
        return true;
      },
      ref: () => {},
      unref: () => {},
      close: () => void (events = undefined),
    };
    return Promise.resolve(conn);
  };

  #answer(text: string): string {
    if (text === "mn\r\n") {
      if (this.plays[0]?.command?.name === "mn") this.plays.shift();
      return "MN\r\n";
    }
    if (text === "version\r\n") return "VERSION 1.6.18\r\n";
    this.read.push(text);
    const play = this.plays.shift();
    try {
      assert(play !== undefined, `nothing was to be sent, not ${text}`);
      const { command, reply } = play;
      if (command === undefined) return reply ?? "";
      compare(text, command);
      return reply === undefined ? hidden(text) : adapted(reply, text, command);
    } catch (error) {
      this.fault ??= error;
      return "SERVER_ERROR not as recorded\r\n";
    }
  }
}

/** Where the first command ends, 0 where it is not whole. */
function lengthOf(text: string): number {
  const end = text.indexOf("\r\n") + 2;
  if (end < 2) return 0;
  if (!text.startsWith("ms ")) return end;
  const all = end + Number(text.slice(0, end).split(" ")[2]) + 2;
  return text.length < all ? 0 : all;
}

/** Holds what was sent against what was recorded. */
function compare(text: string, command: Recorded): void {
  const { name, key, flags, data } = command;
  const at = text.indexOf("\r\n");
  const [sentName, sentKey, ...sent] = text.slice(0, at).split(" ");
  assertEquals([sentName, sentKey], [name, key]);
  if (name === "ms") assertEquals(sent.shift(), String(data?.length));
  assertEquals(
    comparable(command, sent),
    comparable(command, flags),
    command.line,
  );
  assertEquals(
    text.slice(at + 2),
    data === undefined ? "" : `${data}\r\n`,
    command.line,
  );
}

/** A recorded reply with the flags that only our client has asked for. */
function adapted(reply: string, text: string, { flags }: Recorded): string {
  if (!/^(?:VA|HD|EN|NS|EX|NF)\b/.test(reply)) return reply;
  const at = reply.indexOf("\r\n");
  const sent = text.slice(0, text.indexOf("\r\n")).split(" ");
  const opaque = sent.find((flag) => /^O\d+$/.test(flag));
  let head = reply.slice(0, at);
  if (sent.includes("q")) head = head.replace(/ O[!-~]+/, ` ${opaque}`);
  if (opaque !== undefined && !flags.some((flag) => flag[0] === "O")) {
    head += ` ${opaque}`;
  }
  if (head.startsWith("VA") && sent.includes("f") && !flags.includes("f")) {
    head += " f0";
  }
  return head + reply.slice(at);
}

/** Says nothing to what was sent quietly, else what a quiet one may not hear. */
function hidden(text: string): string {
  const [name, key, ...flags] = text.slice(0, text.indexOf("\r\n")).split(" ");
  if (flags.includes("q")) return "";
  let head = "";
  for (const flag of flags) {
    if (flag[0] === "O") head += ` ${flag}`;
    if (flag === "k") head += ` k${key}`;
    if (flag === "c" && name !== "mg") head += " c1";
    if (flag === "t" && name !== "mg") head += " t-1";
  }
  if (name === "mg") return `EN${head}\r\n`;
  return flags.includes("v") ? `VA 1${head}\r\n1\r\n` : `HD${head}\r\n`;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}
