/**
 * Clients around others.
 *
 * @module
 */

import type {
  ClientMetrics,
  Explanation,
  Feed,
  KeyCommands,
  KeyEntry,
  KeysOptions,
} from "./client/commands.ts";
import type { MetaCommands } from "./client/meta_commands.ts";
import type { CommandOptions, Key } from "./types.ts";

/**
 * What {@linkcode StrictClient} and {@linkcode FallbackClient} have in common:
 * what is about the clients that they are around, and not about values. Not to
 * be made directly.
 *
 * @example
 * ```ts
 * import { Client, type ClientAround, StrictClient } from "@x/memcache";
 *
 * const shutDown = async (client: ClientAround): Promise<void> => {
 *   await client.flush();
 *   await client.close();
 * };
 *
 * await shutDown(new StrictClient(new Client("localhost:11211")));
 * ```
 */
export class ClientAround<C extends KeyCommands = KeyCommands> {
  readonly #clients: readonly C[];

  /** Takes the clients, at least one: closing this one closes them. */
  constructor(clients: readonly C[]) {
    this.#clients = clients;
  }

  /** The meta protocol of the first client: no other is asked. */
  get meta(): MetaCommands {
    return this.#clients[0].meta;
  }

  /** Lists the keys of the first client. See {@linkcode KeyCommands.keys}. */
  keys(options?: KeysOptions): Feed<KeyEntry> {
    return this.#clients[0].keys(options);
  }

  /**
   * Tells what was counted for the servers of all clients, those of the first
   * one first. See {@linkcode InsightCommands.metrics}.
   *
   * @returns Plain data; `unrouted` is that of the first client.
   */
  metrics(): ClientMetrics {
    const [first, ...others] = this.#clients.map((client) => client.metrics());
    const rest = others.flatMap(({ servers }) => servers);
    return { ...first, servers: [...first.servers, ...rest] };
  }

  /**
   * Tells where the first client has a key, and that there are others. See
   * {@linkcode InsightCommands.explain}.
   *
   * @param key 1 to 250 bytes, prefix included.
   * @returns What the first client says of it.
   */
  explain(key: Key): Explanation {
    const said = this.#clients[0].explain(key);
    const others = this.#clients.length - 1;
    if (others === 0) return said;
    const more =
      `of the first client; what it does not have is read from ${others} more`;
    return { ...said, text: `${said.text}, ${more}` };
  }

  /** Waits for what is on its way. See {@linkcode KeyCommands.flush}. */
  flush(options?: CommandOptions): Promise<void> {
    return this.#all((client) => client.flush(options));
  }

  /** Lets go of all connections. See {@linkcode KeyCommands.disconnect}. */
  disconnect(): Promise<void> {
    return this.#all((client) => client.disconnect());
  }

  /** Closes what it is around. See {@linkcode KeyCommands.close}. */
  close(): Promise<void> {
    return this.#all((client) => client.close());
  }

  /** Closes what it is around, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Does something to all clients, whatever becomes of each. */
  async #all(act: (client: C) => Promise<void>): Promise<void> {
    const outcomes = await Promise.allSettled(
      this.#clients.map(async (client) => await act(client)),
    );
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  }
}
