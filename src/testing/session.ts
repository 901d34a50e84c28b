/**
 * One connection's side of the protocol: bytes in, replies out. It knows no
 * socket, and what it answers does not depend on how the bytes are cut, but
 * for the limits on lines that are memcached's own.
 *
 * @module
 */

import { COMMANDS, STORAGE_COMMANDS } from "./commands.ts";
import type { Words } from "./classic.ts";
import type { CommandContext, ServerState } from "./context.ts";
import type { ReplyFault } from "./faults.ts";
import { concatBytes, decodeLatin1, Output } from "./latin1.ts";
import { readUint64 } from "./numbers.ts";
import type { CloseReason, Watcher, WatchTopic } from "./watchers.ts";

/** What a session tells the connection that carries it. */
export interface SessionSink {
  /** The number of the connection's descriptor. */
  readonly cfd: number;
  /** A request is about to be carried out: logs it, names its fault. */
  request(
    command: string,
    line: string,
    data: Uint8Array | undefined,
  ): ReplyFault | undefined;
  /** Sends replies; `false`: no more until `drained()` is called. */
  write(bytes: Uint8Array): boolean;
  /** Sends what a fault makes of a reply. */
  faulted(fault: ReplyFault, reply: Uint8Array): void;
  /** Closes the connection after what was sent. */
  end(reason: CloseReason): void;
}

const LF = 0x0a;
const CR = 0x0d;
const BINARY_MAGIC = 0x80;
/** Without a line end after so many bytes, only get and gets may go on. */
const MAX_UNENDED_LINE = 2048;
/** memcached's read buffer: longest line of all other commands. */
const MAX_LINE = 16384;
/** Longest line of get and gets. memcached has no limit here. */
const MAX_GET_LINE = 16 * 1024 * 1024;
/** memcached looks for a get behind so many blanks. */
const MAX_INDENT = 100;
/** A dump is sent in pieces of so many bytes. */
const MAX_PIECE = 16 * 1024;
/** Most bytes of the log that wait for a client that watches. */
const MAX_LOG = 256 * 1024;
/** Replies are sent when they are so long, even before their chunk is done. */
const MAX_OUTPUT = 1024 * 1024;
const UNAUTHENTICATED = "CLIENT_ERROR unauthenticated";

type Data = (data: Uint8Array | undefined) => void;

/** A data block that is being read, or thrown away. */
interface Block {
  readonly request: { readonly command: string; readonly line: string };
  /** Where it is read to; absent while it is thrown away. */
  readonly bytes: Uint8Array | undefined;
  /** Length with its line end. */
  readonly length: number;
  readonly done: Data;
  filled: number;
}

/**
 * A connection's protocol state: a line is read, then perhaps a data block is
 * read or thrown away. A dump is streamed before the next line is read. It ends
 * in "watching" or "ended", both for good, or is "stalled" by a fault until that
 * is healed.
 */
export class Session implements CommandContext {
  readonly server: ServerState;
  readonly out: Output = new Output();
  noreply = false;
  readonly #sink: SessionSink;
  #line: Uint8Array[] = [];
  #lineLength = 0;
  #longGet = false;
  #block: Block | undefined;
  #wanted: Omit<Block, "request" | "filled"> | undefined;
  #stalled: (() => void) | undefined;
  #blocked = false;
  #held: Uint8Array[] = [];
  #started = false;
  #watcher: Watcher | undefined;
  #skipped = 0;
  #stream: Iterator<string, void> | undefined;
  #stuck = false;
  #ran = 0;
  #ended = false;
  #loggedIn: boolean;
  #loginReply: string | undefined;

  /** Makes the session of a new connection. */
  constructor(server: ServerState, sink: SessionSink) {
    this.server = server;
    this.#sink = sink;
    this.#loggedIn = server.settings.auth === undefined;
  }

  /** Takes bytes in and sends the replies to them in one piece. */
  feed(bytes: Uint8Array): void {
    this.server.counters.add("bytes_read", bytes.length);
    this.#held.push(bytes);
    this.#stuck = false;
    this.#continue();
  }

  /** Goes on after a stall. */
  resume(): void {
    const action = this.#stalled;
    if (action === undefined) return;
    this.#stalled = undefined;
    this.server.watchers.cfd = this.#sink.cfd;
    action();
    this.#continue();
  }

  /** Goes on when the replies that were too much are out. */
  drained(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#continue();
  }

  /** Answers with a line, unless the command asked for no reply. */
  reply(line: string): void {
    if (!this.noreply) this.out.text(`${line}\r\n`);
    this.noreply = false;
  }

  /** Answers with a line even so. */
  fail(line: string): void {
    this.noreply = false;
    this.out.text(`${line}\r\n`);
  }

  /** Reads a data block, then calls back. */
  readData(length: number, done: Data): void {
    const bytes = new Uint8Array(length + 2);
    this.#wanted = { bytes, length: length + 2, done };
  }

  /** Throws a data block away, then calls back. */
  skipData(length: number, done: () => void): void {
    this.#wanted = { bytes: undefined, length: length + 2, done };
  }

  /** Streams the log from here on. */
  watch(topics: ReadonlySet<WatchTopic>): boolean {
    const watcher = { topics, take: (line: string) => this.#takeLog(line) };
    if (!this.server.watchers.add(watcher)) return false;
    this.#watcher = watcher;
    return true;
  }

  /** Answers with texts, as the client takes them in. */
  stream(texts: Iterator<string, void>): void {
    this.#stream = texts;
    // memcached forgets what came with the command until there is more to read.
    this.#stuck = true;
  }

  /** Whether replies to other commands of the packet are still to be sent. */
  get pipelined(): boolean {
    return this.#ran > 1;
  }

  /** Notes that memcached sends its replies at once behind this command. */
  sendsNow(): void {
    this.#ran = 0;
  }

  /** Closes the connection when what it was sent is out. */
  close(): void {
    this.#close("normal");
  }

  /** Lets everything go: the connection is no more. */
  release(): void {
    if (this.#watcher !== undefined) this.server.watchers.delete(this.#watcher);
    this.#stream?.return?.();
    this.#stream = undefined;
  }

  /** Whether it streams the log. */
  get watching(): boolean {
    return this.#watcher !== undefined;
  }

  #close(reason: CloseReason): void {
    this.#ended = true;
    this.#flush();
    this.#sink.end(reason);
  }

  #waits(): boolean {
    return this.#blocked || this.#stuck || this.#stalled !== undefined;
  }

  #takeLog(line: string): boolean {
    if (this.#blocked && this.out.length + line.length > MAX_LOG) {
      this.#skipped++;
      return false;
    }
    if (this.#skipped > 0) {
      this.out.text(`skipped=${this.#skipped}\n`);
      this.#skipped = 0;
    }
    this.out.text(line);
    // The OK may still be on its way out.
    if (!this.#blocked) this.#flush();
    return true;
  }

  /** Takes the next text of what is streamed. */
  #nextText(): void {
    const { value, done } = this.#stream?.next() ?? { done: true };
    if (done) this.#stream = undefined;
    else this.out.text(value);
  }

  #continue(): void {
    this.server.watchers.cfd = this.#sink.cfd;
    this.#ran = 0;
    while (true) {
      while (this.#stream !== undefined && !this.#blocked) {
        this.#nextText();
        if (this.out.length >= MAX_PIECE) this.#flush();
      }
      if (this.#held.length === 0 || this.#waits()) break;
      const [bytes] = this.#held.splice(0, 1);
      const at = this.#consume(bytes);
      if (at < bytes.length) this.#held.unshift(bytes.subarray(at));
    }
    if (!this.#blocked || !this.watching) this.#flush();
  }

  /** Takes bytes in until it has to wait, and returns how many. */
  #consume(bytes: Uint8Array): number {
    if (!this.#started) {
      // The binary protocol is told by its first byte, and not spoken here.
      this.#started = true;
      if (bytes[0] === BINARY_MAGIC) this.#close("error");
    }
    let at = 0;
    while (at < bytes.length && !this.#waits()) {
      if (this.#ended || this.watching) return bytes.length;
      at = this.#block === undefined
        ? this.#readLine(bytes, at)
        : this.#readBlock(this.#block, bytes, at);
      if (this.out.length >= MAX_OUTPUT) this.#flush();
    }
    return at;
  }

  #flush(): void {
    this.#settleLogin();
    if (this.out.mark > 0 && !this.#sink.write(this.out.take())) {
      this.#blocked = true;
    }
  }

  #readLine(bytes: Uint8Array, from: number): number {
    const end = bytes.indexOf(LF, from);
    const part = bytes.subarray(from, end === -1 ? undefined : end);
    if (end === -1) {
      this.#line.push(part);
      this.#lineLength += part.length;
      this.#checkUnendedLine();
      return bytes.length;
    }
    let line = part;
    if (this.#line.length > 0) {
      line = concatBytes([...this.#line, part]);
      this.#line = [];
      this.#lineLength = 0;
      this.#longGet = false;
    }
    if (line.length >= MAX_LINE && !isGet(line)) this.#close("error");
    else this.#runLine(line);
    return end + 1;
  }

  #checkUnendedLine(): void {
    if (this.#lineLength <= MAX_UNENDED_LINE) return;
    this.#longGet ||= this.#loggedIn && isGet(concatBytes(this.#line));
    if (!this.#longGet || this.#lineLength > MAX_GET_LINE) {
      this.#close("error");
    }
  }

  #readBlock(block: Block, bytes: Uint8Array, from: number): number {
    const count = Math.min(block.length - block.filled, bytes.length - from);
    block.bytes?.set(bytes.subarray(from, from + count), block.filled);
    block.filled += count;
    if (block.filled === block.length) {
      this.#block = undefined;
      const { command, line } = block.request;
      const data = block.bytes && withoutLineEnd(block.bytes);
      this.#perform(command, line, data, () => block.done(data));
    }
    return from + count;
  }

  #runLine(bytes: Uint8Array): void {
    const line = decodeLatin1(
      bytes[bytes.length - 1] === CR ? bytes.subarray(0, -1) : bytes,
    );
    const nul = line.indexOf("\0");
    const text = nul === -1 ? line : line.slice(0, nul);
    const words = text.split(" ").filter((word) => word !== "");
    const command = words[0] ?? "";
    if (this.#loggedIn && !STORAGE_COMMANDS.has(command)) {
      this.#perform(command, line, undefined, () => this.#dispatch(words));
      return;
    }
    // A store is a request once its data is there; its line only tells
    // whether there will be any.
    const { mark } = this.out;
    if (this.#loggedIn) this.#dispatch(words);
    else this.#login(words);
    if (this.#wanted !== undefined) {
      const request = { command, line };
      this.#block = { ...this.#wanted, request, filled: 0 };
      this.#wanted = undefined;
      return;
    }
    const reply = this.out.cut(mark);
    this.#perform(command, line, undefined, () => this.out.paste(reply));
  }

  #perform(
    command: string,
    line: string,
    data: Uint8Array | undefined,
    action: () => void,
  ): void {
    const fault = this.#sink.request(command, line, data);
    if (fault === undefined) return action();
    if (fault.kind === "stall") {
      this.#flush();
      this.#stalled = action;
      return this.#sink.faulted(fault, new Uint8Array(0));
    }
    // The login's own reply is still to come: it is part of this request.
    if (this.#loggedIn) this.#flush();
    if (fault.kind !== "drop" || fault.execute !== false) action();
    // What a fault does, it does to the whole reply.
    while (this.#stream !== undefined) this.#nextText();
    this.#settleLogin();
    const reply = this.out.take();
    if (fault.kind === "drop" || fault.kind === "cut") this.#ended = true;
    this.#sink.faulted(fault, reply);
  }

  #dispatch(words: Words): void {
    const [command = ""] = words;
    this.#ran++;
    const entry = COMMANDS.get(command);
    const { knows } = this.server.settings;
    if (entry !== undefined && (!entry.needs || knows[entry.needs])) {
      const { least, most, run } = entry;
      if (words.length < least || words.length > most) this.fail("ERROR");
      else run(this, words);
      return;
    }
    // Browsers are hung up on.
    const last = words[words.length - 1] ?? "";
    if (command.length > 1 && last.startsWith("HTTP/")) this.#close("error");
    else this.fail("ERROR");
  }

  // ASCII authentication: only a set that carries "user password" is heard
  // (protocol.txt, "Authentication"). Of several refused lines that arrive
  // together, only the last is answered, as in memcached.
  #login(words: Words): void {
    const size = words.length < 5 || words[0] !== "set"
      ? undefined
      : readUint64(words[4]);
    if (size === undefined) {
      this.#loginReply = UNAUTHENTICATED;
    } else if (size + 2n > BigInt(MAX_LINE)) {
      this.skipData(MAX_LINE - 2, () => this.#close("error"));
    } else {
      this.readData(Number(size), (data) => this.#checkLogin(data));
    }
  }

  #checkLogin(data: Uint8Array | undefined): void {
    const { settings: { auth }, counters } = this.server;
    if (data === undefined) {
      this.#loginReply = "CLIENT_ERROR bad command line termination";
      return;
    }
    const [user, password] = decodeLatin1(data).split(" ")
      .filter((word) => word !== "");
    if (password === undefined) {
      this.#loginReply = "CLIENT_ERROR bad authentication token format";
    } else if (
      isUtf8(user, auth?.username) && isUtf8(password, auth?.password)
    ) {
      counters.add("auth_cmds");
      this.#loginReply = "STORED";
      this.#settleLogin();
      this.#loggedIn = true;
    } else {
      counters.add("auth_errors");
      this.#loginReply = "CLIENT_ERROR authentication failure";
    }
  }

  #settleLogin(): void {
    if (this.#loginReply === undefined) return;
    this.fail(this.#loginReply);
    this.#loginReply = undefined;
  }
}

function isGet(line: Uint8Array): boolean {
  let start = 0;
  while (line[start] === 0x20) start++;
  const name = decodeLatin1(line.subarray(start, start + 5));
  return start <= MAX_INDENT && (name.startsWith("get ") || name === "gets ");
}

function isUtf8(latin1: string, text: string | undefined): boolean {
  return text !== undefined &&
    decodeLatin1(new TextEncoder().encode(text)) === latin1;
}

function withoutLineEnd(bytes: Uint8Array): Uint8Array | undefined {
  const end = bytes.length - 2;
  return bytes[end] === CR && bytes[end + 1] === LF
    ? bytes.subarray(0, end)
    : undefined;
}
