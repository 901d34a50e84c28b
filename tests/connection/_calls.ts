/**
 * Clients of scripted servers, and what became of their calls.
 *
 * @module
 */
import { assert } from "@std/assert";
import {
  Client,
  type ClientOptions,
  type Conn,
  type Dial,
  dial,
  type MemcacheError,
} from "@x/memcache";
import {
  type ScriptedServer,
  type ScriptOptions,
  withServer,
} from "../_scripted.ts";

/** A client and the server that it talks to. */
export interface Pair {
  /** The server. */
  readonly server: ScriptedServer;
  /** The client. */
  readonly client: Client;
  /** What `onError` was told. */
  readonly errors: MemcacheError[];
}

/** Runs `fn` with a server and a client, and closes both. */
export async function withPair(
  script: ScriptOptions,
  options: ClientOptions,
  fn: (pair: Pair) => Promise<void>,
): Promise<void> {
  await withServer(script, async (server) => {
    const errors: MemcacheError[] = [];
    const onError = (error: MemcacheError) => void errors.push(error);
    const client = new Client(server.address, { onError, ...options });
    try {
      await fn({ server, client, errors });
    } finally {
      await client.close();
    }
  });
}

/** What became of a call. */
export interface Outcome {
  /** What it resolved to. */
  readonly value?: unknown;
  /** What it rejected with, `undefined` if it did not. */
  readonly error?: MemcacheError;
  /** Milliseconds from the call to its end. */
  readonly ms: number;
}

/**
 * Opens the client's connection and learns what the server speaks, in whatever
 * time the runtime takes to load its sockets.
 */
export async function warm(client: Client): Promise<void> {
  await client.get("warm", { timeout: 5000 });
}

/** As {@linkcode warm}, and learns the version of a server that speaks meta. */
export async function acquaint(client: Client): Promise<void> {
  await warm(client);
  // A key in base64 needs it, as stores without reply do.
  await client.meta.debug(new Uint8Array([0]), { timeout: 5000 });
}

/** A call that is on its way, or one that is made when its time is taken. */
export type Call = Promise<unknown> | (() => Promise<unknown>);

/** Waits for a call, whatever becomes of it. */
export async function outcome(call: Call): Promise<Outcome> {
  const start = performance.now();
  try {
    const value = await (typeof call === "function" ? call() : call);
    return { value, ms: performance.now() - start };
  } catch (error) {
    // The tests look at its fields, and see at once if it is none of ours.
    return { error: error as MemcacheError, ms: performance.now() - start };
  }
}

/** Waits for many calls. */
export function outcomes(calls: Iterable<Call>): Promise<Outcome[]> {
  return Promise.all([...calls].map(outcome));
}

/**
 * Waits for a call that is to end within `limit` milliseconds: before a timer of
 * that length does, so that a busy machine makes no difference.
 */
export async function within(limit: number, call: Call): Promise<Outcome> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const start = performance.now();
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const ms = Math.round(performance.now() - start);
      reject(new Error(`No end within ${limit} ms, ${ms} ms are over`));
    }, limit);
  });
  try {
    return await Promise.race([outcome(call), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for calls that are all to end within `limit` milliseconds. */
export function allWithin(
  limit: number,
  calls: Iterable<Call>,
): Promise<Outcome[]> {
  return Promise.all([...calls].map((call) => within(limit, call)));
}

/** Waits for a call to fail. */
export async function failure(call: Call): Promise<MemcacheError> {
  const { value, error } = await outcome(call);
  assert(error !== undefined, `Expected a failure, got ${String(value)}`);
  return error;
}

/** What a transport was asked to do. */
export interface Traffic {
  /** The transport. */
  readonly dial: Dial;
  /** When attempts began. */
  readonly attempts: number[];
  /** Every write, by its number of bytes. */
  readonly writes: number[];
  /** How many connections are open. */
  open: number;
}

/** A transport that notes what it is asked to do. */
export function watched(through: Dial = dial): Traffic {
  const traffic: Traffic = {
    attempts: [],
    writes: [],
    open: 0,
    dial: async (address, options) => {
      traffic.attempts.push(performance.now());
      const conn = await through(address, options);
      traffic.open++;
      return watchedConn(conn, traffic);
    },
  };
  return traffic;
}

function watchedConn(conn: Conn, traffic: Traffic): Conn {
  let over = false;
  const end = () => {
    if (!over) traffic.open--;
    over = true;
  };
  return {
    start: (events) =>
      conn.start({
        data: (bytes) => events.data(bytes),
        drain: () => events.drain(),
        end: (error) => (end(), events.end(error)),
        target: () => events.target(),
      }),
    write: (bytes) => {
      traffic.writes.push(bytes.length);
      return conn.write(bytes);
    },
    ref: () => conn.ref(),
    unref: () => conn.unref(),
    close: () => (end(), conn.close()),
  };
}

/** Waits for `ms` milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for the turn after the next I/O. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
