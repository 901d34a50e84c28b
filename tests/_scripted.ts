/**
 * A TCP server that answers by script: it keeps the protocol, until a test
 * bends an accept, a reply or the time it takes.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import * as net from "node:net";

/** One command as it was read: a line, and its value if it has one. */
export interface Command {
  /** The first word. */
  readonly name: string;
  /** The other words, `noreply` included. */
  readonly args: readonly string[];
  /** The whole line. */
  readonly line: string;
  /** The value of a store, one character for each byte. */
  readonly data: string;
  /** Whether it is sent with `noreply`, or quiet as a meta command. */
  readonly noreply: boolean;
}

/**
 * What a server does with a command. A string is sent as the reply, `undefined`
 * sends nothing: the reply may be sent later by `peer.send`.
 */
export type Script = (command: Command, peer: Peer) => string | undefined;

/** What a server does besides answering. */
export interface ScriptOptions {
  /** Called for every connection, before its first byte is read. */
  accept?: (peer: Peer) => void;
  /** Answers the commands. Default: as memcached does, by {@linkcode Peer.answer}. */
  command?: Script;
}

/** The items of a server: flags, value and CAS unique by key. */
export type Items = Map<string, { flags: string; data: string; cas: number }>;

/** One connection, as the server sees it. */
export class Peer {
  /** How many connections were accepted before it. */
  readonly number: number;
  /** The commands that were read, in their order. */
  readonly commands: Command[] = [];
  /** Every byte that was read, one character for each, piece by piece. */
  readonly packets: string[] = [];
  /** How many bytes were received. */
  received = 0;
  /** Whether the connection has ended, from either side. */
  closed = false;
  /** Whether the client has ended its side. */
  ended = false;
  /** The socket itself. */
  readonly socket: net.Socket;

  readonly #server: ScriptedServer;
  #rest = "";
  /** How much of `#rest` the command at its begin needs. */
  #need = 0;

  /** Takes a socket that was accepted. */
  constructor(server: ScriptedServer, socket: net.Socket, number: number) {
    this.#server = server;
    this.socket = socket;
    this.number = number;
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => this.#take(bytes));
    socket.on("end", () => {
      this.ended = true;
      // It is a half-open server: what is left to be said is said.
      socket.end();
      server.changed();
    });
    socket.on("close", () => {
      this.closed = true;
      server.changed();
    });
  }

  /** Everything that was read. */
  get text(): string {
    return this.packets.join("");
  }

  /** The lines of the commands that were read. */
  get lines(): string[] {
    return this.commands.map((command) => command.line);
  }

  /** Sends text, one byte for each character. */
  send(text: string): void {
    if (!this.closed && text !== "") this.socket.write(bytesOf(text));
  }

  /** What memcached would answer to a command; what it does is done. */
  reply(command: Command): string {
    return reply(command, this.#server.items);
  }

  /** Sends what memcached would answer. */
  answer(command: Command): void {
    this.send(this.reply(command));
  }

  /** Ends the connection after what was sent. */
  end(text = ""): void {
    this.send(text);
    this.socket.end();
  }

  /** Ends the connection by a reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Reads no further. */
  pause(): void {
    this.socket.pause();
  }

  /** Reads again. */
  resume(): void {
    this.socket.resume();
  }

  #take(bytes: Uint8Array): void {
    this.received += bytes.length;
    if (this.#server.reads) {
      const text = latin1(bytes);
      this.packets.push(text);
      this.#rest += text;
      for (;;) {
        const command = this.#next();
        if (command === undefined) break;
        this.commands.push(command);
        this.send(this.#server.script(command, this) ?? "");
      }
    }
    this.#server.changed();
  }

  #next(): Command | undefined {
    if (this.#rest.length < this.#need) return undefined;
    const end = this.#rest.indexOf("\r\n");
    if (end < 0) return undefined;
    const line = this.#rest.slice(0, end);
    const [name, ...args] = line.split(" ");
    let next = end + 2;
    let data = "";
    if (STORES.has(name)) {
      const from = next;
      next += Number(name === "ms" ? args[1] : args[3]) + 2;
      this.#need = next;
      if (this.#rest.length < next) return undefined;
      data = this.#rest.slice(from, next - 2);
    }
    this.#rest = this.#rest.slice(next);
    this.#need = 0;
    const noreply = META.test(name)
      ? args.includes("q")
      : args.at(-1) === "noreply";
    return { name, args, line, data, noreply };
  }
}

/** A server by script, on a port of its own. */
export class ScriptedServer {
  /** Every connection that was accepted. */
  readonly peers: Peer[] = [];
  /** What is stored. */
  readonly items: Items = new Map();
  /** Answers the commands; may be replaced at any time. */
  script: Script;
  /** Called for every connection; may be replaced at any time. */
  accept: ((peer: Peer) => void) | undefined;
  /** Whether bytes are read; else they are counted, and lost. */
  reads = true;

  readonly #server: net.Server;
  #port = 0;
  #waiting: Array<() => void> = [];

  /** Takes the script; `start` makes a running one. */
  constructor({ accept, command }: ScriptOptions) {
    this.script = command ?? answering;
    this.accept = accept;
    this.#server = net.createServer(
      { allowHalfOpen: true, noDelay: true },
      (socket) => {
        const peer = new Peer(this, socket, this.peers.length);
        this.peers.push(peer);
        this.accept?.(peer);
        this.changed();
      },
    );
  }

  /** Starts a server. */
  static async start(options: ScriptOptions = {}): Promise<ScriptedServer> {
    const server = new ScriptedServer(options);
    await server.listen();
    return server;
  }

  /** Listens: at the port that it had before, if it had one. */
  async listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as net.AddressInfo).port;
  }

  /** Where it listens, as a client takes it. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The connection that was accepted last. */
  get last(): Peer {
    return this.peers[this.peers.length - 1];
  }

  /** The commands of all connections, by their lines, probes left out. */
  get lines(): string[] {
    return this.peers.flatMap((peer) => peer.lines)
      .filter((line) => line !== "mn");
  }

  /** Waits until something is so; asks again whenever something happens. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Says that something has happened. */
  changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Stops listening and ends every connection; `listen` starts it again. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const peer of this.peers) peer.socket.destroy();
    await closed;
  }
}

/** Starts a server, hands it to `fn` and closes it when that has settled. */
export async function withServer(
  options: ScriptOptions,
  fn: (server: ScriptedServer) => Promise<void>,
): Promise<void> {
  const server = await ScriptedServer.start(options);
  try {
    await fn(server);
  } finally {
    await server.close();
  }
}

/** The words of classic memcached only: `ERROR` to all that is meta. */
export function classic(command: Command, peer: Peer): undefined {
  if (META.test(command.name)) peer.send("ERROR\r\n");
  else peer.answer(command);
}

const META = /^m[nagsde]$/;

const STORES = new Set([
  ...["set", "add", "replace", "append", "prepend", "cas", "ms"],
]);

function answering(command: Command, peer: Peer): undefined {
  peer.answer(command);
}

/** What memcached would answer to a command; what it does is done to `items`. */
export function reply(command: Command, items: Items): string {
  const { name, args, data, noreply } = command;
  const [key] = args;
  const item = items.get(key);
  const say = (text: string) => noreply ? "" : `${text}\r\n`;
  const put = (text: string, flags = args[1]) => {
    items.set(key, { flags, data: text, cas: (item?.cas ?? 0) + 1 });
    return say("STORED");
  };
  switch (name) {
    case "mn":
      return "MN\r\n";
    case "mg":
      return metaGet(args, item);
    case "ms":
      return metaSet(command, items);
    case "md":
      return metaReply(command, items.delete(key) ? "HD" : "NF");
    case "get":
    case "gets":
      return values(args, items, name);
    case "gat":
    case "gats":
      return values(args.slice(1), items, name);
    case "set":
      return put(data);
    case "add":
      return item ? say("NOT_STORED") : put(data);
    case "replace":
      return item ? put(data) : say("NOT_STORED");
    case "append":
      return item ? put(item.data + data, item.flags) : say("NOT_STORED");
    case "prepend":
      return item ? put(data + item.data, item.flags) : say("NOT_STORED");
    case "cas":
      if (item === undefined) return say("NOT_FOUND");
      return args[4] === String(item.cas) ? put(data) : say("EXISTS");
    case "delete":
      return say(items.delete(key) ? "DELETED" : "NOT_FOUND");
    case "touch":
      return say(item ? "TOUCHED" : "NOT_FOUND");
    case "incr":
    case "decr": {
      if (item === undefined) return say("NOT_FOUND");
      const sign = name === "incr" ? 1 : -1;
      item.data = String(Math.max(0, Number(item.data) + sign * +args[1]));
      return say(item.data);
    }
    case "flush_all":
      items.clear();
      return say("OK");
    case "me":
      return "EN\r\n";
    case "version":
      return "VERSION 1.6.18\r\n";
    case "stats":
      return "STAT pid 1\r\nEND\r\n";
    default:
      return "ERROR\r\n";
  }
}

function metaGet(
  [, ...flags]: readonly string[],
  item: { flags: string; data: string; cas: number } | undefined,
): string {
  const echo = flags.filter((flag) => flag[0] === "O").join(" ");
  if (item === undefined) return flags.includes("q") ? "" : `EN ${echo}\r\n`;
  const back = flags.map((flag) =>
    flag === "f" ? `f${item.flags}` : flag === "c" ? `c${item.cas}` : ""
  ).filter((flag) => flag !== "");
  const head = [...back, echo].join(" ");
  return flags.includes("v")
    ? `VA ${item.data.length} ${head}\r\n${item.data}\r\n`
    : `HD ${head}\r\n`;
}

/** The modes of `ms`, and the commands that do the same. */
const MODES: Readonly<Record<string, string>> = {
  E: "add",
  R: "replace",
  A: "append",
  P: "prepend",
  S: "set",
};

function metaSet(command: Command, items: Items): string {
  const [key, , ...flags] = command.args;
  const told = (letter: string) =>
    flags.find((flag) => flag[0] === letter)?.slice(1);
  const cas = told("C");
  const name = cas === undefined ? MODES[told("M") ?? "S"] : "cas";
  const args = [key, told("F") ?? "0", told("T") ?? "0", "", cas ?? ""];
  const word = reply({ ...command, name, args, noreply: false }, items).trim();
  return metaReply(command, META_WORDS[word]);
}

const META_WORDS: Readonly<Record<string, string>> = {
  STORED: "HD",
  NOT_STORED: "NS",
  EXISTS: "EX",
  NOT_FOUND: "NF",
};

/** An answer that is only a word, with the opaque token; none where it is left out. */
export function metaReply({ args, noreply }: Command, word: string): string {
  if (noreply && word === "HD") return "";
  const back = args.filter((flag) => flag[0] === "O");
  return `${[word, ...back].join(" ")}\r\n`;
}

function values(keys: readonly string[], items: Items, name: string): string {
  let reply = "";
  for (const key of keys) {
    const item = items.get(key);
    if (item === undefined) continue;
    const { flags, data, cas } = item;
    const unique = name.endsWith("s") ? ` ${cas}` : "";
    reply += `VALUE ${key} ${flags} ${data.length}${unique}\r\n${data}\r\n`;
  }
  return `${reply}END\r\n`;
}

/** Text of bytes, one character for each. */
function latin1(bytes: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = bytes;
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}

/** Bytes of a text, one for each character. */
function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
