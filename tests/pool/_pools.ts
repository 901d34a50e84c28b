/**
 * Pools of connections to scripted servers.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  type MemcacheError,
  PooledClient,
  type PooledClientOptions,
} from "@x/memcache";
import {
  type Command,
  type Peer,
  type ScriptedServer,
  type ScriptOptions,
  withServer,
} from "../_scripted.ts";

/** A client over a pool, and the server that it talks to. */
export interface Pair {
  /** The server. */
  readonly server: ScriptedServer;
  /** The client. */
  readonly client: PooledClient;
  /** What `onError` was told. */
  readonly errors: MemcacheError[];
}

/** Runs `fn` with a server and a client, and closes both. */
export async function withPool(
  script: ScriptOptions,
  options: PooledClientOptions,
  fn: (pair: Pair) => Promise<void>,
): Promise<void> {
  await withServer(script, async (server) => {
    const errors: MemcacheError[] = [];
    const client = new PooledClient(server.address, {
      timeout: 8000,
      connectTimeout: 8000,
      onError: (error) => errors.push(error),
      ...options,
    });
    try {
      await fn({ server, client, errors });
    } finally {
      await client.close();
    }
  });
}

/** Answers that a server keeps to itself. */
export class Held {
  readonly #held: Array<() => void> = [];
  readonly #server: ScriptedServer;
  readonly #match: (command: Command, peer: Peer) => boolean;

  /** Keeps the answers to the commands that match. */
  constructor(
    server: ScriptedServer,
    match: (command: Command, peer: Peer) => boolean = () => true,
  ) {
    this.#server = server;
    this.#match = match;
    server.script = (command, peer) => this.#take(command, peer);
  }

  /** How many there are. */
  get length(): number {
    return this.#held.length;
  }

  /** Waits until there are so many. */
  async until(count: number): Promise<void> {
    await this.#server.until(() => this.#held.length >= count);
  }

  /** Sends all, and keeps no more. */
  release(): void {
    this.#server.script = (command, peer) => peer.reply(command);
    for (const send of this.#held.splice(0)) send();
  }

  #take(command: Command, peer: Peer): string | undefined {
    if (command.name === "mn" || !this.#match(command, peer)) {
      return peer.reply(command);
    }
    this.#held.push(() => peer.answer(command));
    return undefined;
  }
}

/** Opens `count` connections, by more gets at a time than fewer would take. */
export async function spread(
  { server, client }: Pair,
  count: number,
): Promise<void> {
  const held = new Held(server);
  const gets = Array.from(
    { length: 128 * count },
    (_, i) => client.get(`spread-${i}`),
  );
  await server.until(() => server.peers.length === count);
  held.release();
  await Promise.all(gets);
  assertEquals(client.pool.counters.size, count);
  assertEquals(client.pool.pending, 0);
}

/** The connections that a line was read on, by their numbers. */
export function peersOf(server: ScriptedServer, text: string): number[] {
  return server.peers.filter(({ lines }) =>
    lines.some((line) => line.includes(text))
  ).map(({ number }) => number);
}

/** The values that there are, each once. */
export function distinct(values: Iterable<unknown>): unknown[] {
  return [...new Set(values)];
}
