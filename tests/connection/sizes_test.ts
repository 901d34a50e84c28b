/**
 * Servers that send more than anybody asked for. This file is also the program
 * whose memory is measured.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { Buffer } from "node:buffer";
import process from "node:process";
import { Client, type ClientOptions } from "@x/memcache";
import { type Command, type Peer, withServer } from "../_scripted.ts";
import { runtime, test } from "../_runtime.ts";
import { outcome, pause, warm } from "./_calls.ts";
import { play, played } from "./_child.ts";

const MIB = 2 ** 20;

/** Most MiB by which a client may grow, whatever it is sent. */
const LIMIT = 16;

/** How often a client asks such a server. */
const ROUNDS = 4;

/** What a hostile server sends, and how it is asked for it. */
interface Case {
  /** Options of the client, besides its protocol. */
  readonly options?: ClientOptions;
  /** The protocols that it can be asked in. @default {both} */
  readonly protocol?: "auto" | "classic";
  /** What is sent in place of a reply, before the flood. */
  head(command: Command): string;
  /** What the flood is made of. */
  readonly piece: string;
  /** MiB of it, at most. */
  readonly mebibytes: number;
  /** What is called. @default {get} */
  call?(client: Client): Promise<unknown>;
  /** Whether the call keeps its own result. @default {false} */
  readonly keeps?: boolean;
  /** Whether it is sent for commands without reply. @default {false} */
  readonly quietly?: boolean;
}

/** The header of a hit in the protocol that it was asked in. */
function header({ name, args }: Command, size: number): string {
  const opaque = args.find((arg) => arg.startsWith("O"));
  return name === "mg"
    ? `VA ${size} f0 ${opaque}\r\n`
    : `VALUE ${args[0]} 0 ${size}\r\n`;
}

const CASES: Readonly<Record<string, Case>> = {
  "a value of 10^11 bytes": {
    head: (command) => header(command, 1e11),
    piece: "x",
    mebibytes: 64,
  },
  "a value of 10^15 bytes": {
    head: (command) => header(command, 1e15),
    piece: "x",
    mebibytes: 64,
  },
  "a value of 1 GiB, streamed": {
    head: (command) => header(command, 1024 * MIB),
    piece: "x",
    mebibytes: 1024,
  },
  "a value of the limit, and nothing of it": {
    head: (command) => header(command, 128 * MIB),
    piece: "",
    mebibytes: 0,
    options: { timeout: 200 },
  },
  "an endless line": { head: () => "", piece: "x", mebibytes: 256 },
  "an endless number": { head: () => "VA ", piece: "1", mebibytes: 256 },
  "an endless key": {
    head: () => "VALUE ",
    piece: "k",
    mebibytes: 256,
    protocol: "classic",
  },
  "endless flags": {
    head: () => "HD",
    piece: " f1",
    mebibytes: 256,
    protocol: "auto",
  },
  "an endless error": {
    head: () => "SERVER_ERROR ",
    piece: "e",
    mebibytes: 256,
  },
  "values without end": {
    head: () => "",
    piece: `VALUE k 0 1000\r\n${"x".repeat(1000)}\r\n`,
    mebibytes: 256,
    protocol: "classic",
  },
  "statistics without end": {
    head: () => "",
    piece: `STAT ${"x".repeat(1000)} 1\r\n`,
    mebibytes: 256,
    call: (client) => client.stats(),
  },
  "a raw reply without end": {
    head: () => "",
    piece: "x",
    mebibytes: 256,
    options: { maxValueSize: 2 * MIB },
    call: (client) => client.rawCommand("debug"),
  },
  "60 MB that nobody asked for": {
    head: (command) =>
      command.name === "mg"
        ? `${header(command, 1)}v\r\n`
        : `${header(command, 1)}v\r\nEND\r\n`,
    piece: "x\r\n",
    mebibytes: 58,
    keeps: true,
  },
  "60 MB of replies that nobody asked for": {
    head: (command) =>
      command.name === "mg"
        ? `${header(command, 1)}v\r\n`
        : `${header(command, 1)}v\r\nEND\r\n`,
    piece: "STORED\r\n",
    mebibytes: 58,
    keeps: true,
  },
  "60 MB of errors behind commands without reply": {
    head: () => "",
    piece: "ERROR\r\n",
    mebibytes: 58,
    call: async (client) => {
      await client.set("k", "v", { noreply: true });
      return await client.get("k", { timeout: 300 });
    },
  },
  "60 MB of errors before the answer to a fence": {
    head: () => "",
    piece: "ERROR\r\n",
    mebibytes: 58,
    quietly: true,
    protocol: "auto",
    call: async (client) => {
      const quiet = client.set("k", "v", { noreply: true });
      return await Promise.all([quiet, client.get("k")]);
    },
  },
  "60 MB of errors that commands without reply could have": {
    head: () => "",
    piece: "ERROR\r\n",
    mebibytes: 58,
    quietly: true,
    keeps: true,
    call: async (client) => {
      await client.set("k", "v", { noreply: true });
      await pause(50);
      // A connection that is lost right now is none of this test's business.
      return await client.get("k").catch(() => client.get("k"));
    },
  },
};

/** Sends as much as is taken, until there is no more or nobody reads it. */
function flood({ socket }: Peer, piece: string, mebibytes: number): void {
  if (piece === "") return;
  const chunk = Buffer.from(piece.repeat(Math.ceil(256 * 1024 / piece.length)));
  let left = mebibytes * MIB;
  const go = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= chunk.length;
      if (!socket.write(chunk)) {
        socket.once("drain", go);
        return;
      }
    }
  };
  go();
}

/** What a client came to. */
interface Figures {
  /** MiB by which its process grew, at most. */
  readonly grown: number;
  /** What became of its calls: codes, or that they had a result. */
  readonly ends: readonly string[];
  /** Milliseconds that the slowest of them took. */
  readonly slowest: number;
  /** How many errors `onError` was told. */
  readonly reports: number;
}

/** Takes out the rubbish, as far as the runtime lets us. */
async function settle(): Promise<void> {
  const { gc, Bun } = globalThis as {
    gc?: () => void;
    Bun?: { gc(sync: boolean): void };
  };
  for (let i = 0; i < 3; i++) {
    await pause(10);
    if (Bun !== undefined) Bun.gc(true);
    else gc?.();
  }
}

async function measure(task: string): Promise<Figures> {
  const [name, protocol, address] = JSON.parse(task) as [
    string,
    "auto" | "classic",
    string,
  ];
  const { options, call = (client: Client) => client.get("k") } = CASES[name];
  let reports = 0;
  const onError = (): void => void reports++;
  const client = new Client(address, { protocol, onError, ...options });
  await warm(client);
  await outcome(call(client));
  await settle();
  const before = process.memoryUsage().rss;
  let most = before;
  const look = (): void => {
    most = Math.max(most, process.memoryUsage().rss);
  };
  const timer = setInterval(look, 2);
  const ends: string[] = [];
  let slowest = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await warm(client);
    const { error, ms } = await outcome(call(client));
    ends.push(error?.code ?? "a result");
    slowest = Math.max(slowest, Math.round(ms));
    // What is still under way is to arrive, and what is no longer needed to go:
    // when that happens is the runtime's choice, not ours.
    await settle();
    look();
  }
  clearInterval(timer);
  await client.close();
  const grown = Math.round((most - before) / MIB * 10) / 10;
  return { grown, ends, slowest, reports };
}

const FLAGS = { deno: ["--v8-flags=--expose-gc"], node: ["--expose-gc"] };

async function run(name: string, protocol: string): Promise<Figures> {
  const { head, piece, mebibytes, quietly = false } = CASES[name];
  let output = "";
  await withServer({
    command: (command, peer) => {
      if (command.name === "mn" || command.line.includes("warm")) {
        return peer.reply(command);
      }
      if (command.noreply !== quietly) return peer.reply(command);
      peer.send(head(command));
      flood(peer, piece, mebibytes);
      return undefined;
    },
  }, async ({ address, peers }) => {
    const task = JSON.stringify([name, protocol, address]);
    const child = await play(
      import.meta.url,
      { role: "measure", address: task },
      FLAGS,
    );
    output = child.output;
    // Each was given up, long before its flood was over.
    for (const { socket } of peers) {
      if (mebibytes > 0) assertLess(socket.bytesWritten, 40 * MIB, name);
    }
  });
  return JSON.parse(output) as Figures;
}

if (!await played({ measure })) {
  for (const [name, { protocol, keeps = false }] of Object.entries(CASES)) {
    const judge = async (speaks: string): Promise<void> => {
      const figures = await run(name, speaks);
      const { grown, ends, slowest, reports } = figures;
      const about = `${name}, ${speaks}: ${JSON.stringify(figures)}`;
      console.log(`${runtime}: ${about}`);
      assertLess(grown, LIMIT, about);
      assertLess(slowest, 1050, about);
      assertLess(reports, 100, about);
      assertEquals(ends.length, ROUNDS);
      if (keeps) assert(ends.every((end) => end === "a result"), about);
      else assert(ends.every((end) => end !== "a result"), about);
    };
    const protocols = protocol === undefined ? ["auto", "classic"] : [protocol];
    test(
      `Client drops a server that sends ${name}, and grows by ${LIMIT} MiB at most`,
      async () => {
        await Promise.all(protocols.map(judge));
      },
      { timeout: 60_000 },
    );
  }
}
