/**
 * Follows a discovery: hands over its lists as they come.
 *
 * @module
 */

import type { ServerAddress } from "../client/lanes.ts";
import type { ServerSpec } from "../conn/address.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { MemcacheError } from "../errors.ts";

/** Whom a roster tells. */
export interface RosterOwner {
  /** Reads what a list has for a server; throws where it cannot be used. */
  check(server: ServerSpec): ServerAddress;
  /** A list has come, in place of the last one; throws if that cannot be. */
  listed(servers: readonly ServerAddress[]): void;
  /** The discovery has failed, or gave a list that cannot be used. */
  failed(error: MemcacheError): void;
}

/** Reads the lists of one discovery. */
export class Roster {
  readonly #discovery: Discovery;
  readonly #owner: RosterOwner;
  #iterator: AsyncIterator<readonly ServerSpec[]> | undefined = undefined;
  #isKnown = false;
  #isStopped = false;

  /** Asks nothing before `begin()`. */
  constructor(discovery: Discovery, owner: RosterOwner) {
    this.#discovery = discovery;
    this.#owner = owner;
  }

  /** Begins to read, unless it does or has done so already. */
  begin(): void {
    if (this.#isKnown || this.#isStopped || this.#iterator !== undefined) {
      return;
    }
    this.#read();
  }

  /** Ends for good. Does not wait: a generator may take its time. */
  stop(): void {
    this.#isStopped = true;
    const iterator = this.#iterator;
    this.#iterator = undefined;
    try {
      Promise.resolve(iterator?.return?.()).catch(() => {});
    } catch {
      // An iterator of the user's own; nobody listens to it any more.
    }
  }

  async #read(): Promise<void> {
    try {
      const iterator = this.#discovery[Symbol.asyncIterator]();
      this.#iterator = iterator;
      for (;;) {
        const { done, value } = await iterator.next();
        if (this.#isStopped) return;
        if (done) break;
        this.#take(value);
      }
      if (!this.#isKnown) throw new Error("it ended without a list");
    } catch (error) {
      if (!this.#isStopped) this.#owner.failed(failure(error));
    } finally {
      this.#iterator = undefined;
    }
  }

  #take(list: readonly ServerSpec[]): void {
    try {
      const servers = list.map((server) => this.#owner.check(server));
      if (servers.length === 0) throw new Error("the list is empty");
      this.#owner.listed(servers);
      this.#isKnown = true;
    } catch (error) {
      // The next one may be better.
      this.#owner.failed(failure(error));
    }
  }
}

function failure(error: unknown): MemcacheError {
  if (error instanceof MemcacheError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new MemcacheError(`Cannot discover servers: ${why}`, {
    cause: error,
    sent: false,
  });
}
