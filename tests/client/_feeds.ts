/**
 * What the tests of listings and logs have in common.
 *
 * @module
 */
import { assert, assertRejects } from "@std/assert";
import {
  Client,
  type ClientOptions,
  type Conn,
  type Dial,
  dial,
  type Feed,
  type MemcacheError,
} from "@x/memcache";
import * as net from "node:net";

/** The values of a feed, as many as are wanted. */
export async function some<T>(feed: Feed<T>, count: number): Promise<T[]> {
  const values: T[] = [];
  for await (const value of feed) {
    values.push(value);
    if (values.length === count) break;
  }
  return values;
}

/** All values of a feed. */
export function all<T>(feed: Feed<T>): Promise<T[]> {
  return some(feed, Infinity);
}

/** The error that something fails with. */
export async function failure(
  promise: Promise<unknown>,
): Promise<MemcacheError> {
  // Who expects something else says so.
  return await assertRejects(() => promise) as MemcacheError;
}

/** Counts what its connections receive, and knows which are open. */
export class Counter {
  /** Bytes that were received. */
  received = 0;
  /** Connections that were opened. */
  dials = 0;
  /** Those that are open. */
  readonly open: Set<Conn> = new Set();
  readonly #canPause: boolean;

  /** Its connections can be paused, or cannot. */
  constructor(canPause = true) {
    this.#canPause = canPause;
  }

  readonly dial: Dial = async (address, options) => {
    this.dials++;
    const conn = await dial(address, options);
    const { pause, resume } = this.#canPause ? conn : {};
    this.open.add(conn);
    return {
      start: (events) =>
        conn.start({
          data: (bytes) => {
            this.received += bytes.length;
            events.data(bytes);
          },
          drain: () => events.drain(),
          end: (error) => {
            this.open.delete(conn);
            events.end(error);
          },
          target: () => events.target(),
        }),
      write: (bytes) => conn.write(bytes),
      ref: () => conn.ref(),
      unref: () => conn.unref(),
      close: () => {
        this.open.delete(conn);
        conn.close();
      },
      ...(pause && { pause: () => pause.call(conn) }),
      ...(resume && { resume: () => resume.call(conn) }),
    };
  };
}

/** Stores `count` small items, whose keys are `key:000000` and so on. */
export async function fill(port: number, count: number): Promise<void> {
  const socket = net.connect(port, "127.0.0.1");
  let reply = "";
  socket.on("data", (bytes: Uint8Array) => {
    reply += new TextDecoder().decode(bytes);
  });
  const closed = new Promise<void>((resolve, reject) => {
    socket.on("close", () => resolve());
    socket.on("error", reject);
  });
  let text = "";
  for (let i = 0; i < count; i++) {
    const key = `key:${String(i).padStart(6, "0")}`;
    text += `set ${key} 0 0 5 noreply\r\nhello\r\n`;
  }
  socket.write(`${text}version\r\nquit\r\n`);
  await closed;
  assert(reply.startsWith("VERSION "), reply);
}

/** Asks the server something until the answer is as it should be. */
export async function until(
  what: () => Promise<boolean> | boolean,
): Promise<void> {
  const end = performance.now() + 8000;
  while (!await what()) {
    assert(performance.now() < end, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Runs with a client, and closes it. */
export async function withClient<T>(
  server: string,
  options: ClientOptions,
  run: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client(server, options);
  try {
    return await run(client);
  } finally {
    await client.close();
  }
}
