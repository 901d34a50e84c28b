/**
 * Loads that a test lets go on, and what became of calls.
 *
 * @module
 */
import { assert } from "@std/assert";
import { MemcachedServer } from "@x/memcache/testing";
import {
  Client,
  type ClientOptions,
  type LoadContext,
  type MemcacheError,
} from "@x/memcache";

/** A load that waits until it is told how to end. */
export class Gate<T = unknown> {
  /** How often it was called. */
  loads = 0;
  /** What it was told besides its key, each time. */
  readonly contexts: LoadContext[] = [];
  #called: () => void = () => {};
  #open: Array<
    readonly [resolve: (value: T) => void, reject: (error: unknown) => void]
  > = [];

  /** The load. */
  readonly load = (_key: string, context: LoadContext): Promise<T> => {
    this.loads++;
    this.contexts.push(context);
    return new Promise<T>((resolve, reject) => {
      this.#open.push([resolve, reject]);
      this.#called();
    });
  };

  /** Settles once it has been called so often. */
  async called(times: number = 1): Promise<void> {
    while (this.loads < times) {
      await new Promise<void>((resolve) => this.#called = resolve);
    }
  }

  /** Ends all loads with a value. */
  resolve(value: T): void {
    for (const [resolve] of this.#open.splice(0)) resolve(value);
  }

  /** Ends all loads with an error. */
  reject(error: unknown): void {
    for (const [, reject] of this.#open.splice(0)) reject(error);
  }
}

/** Where a test takes place. */
export interface Place {
  /** The server. */
  readonly server: MemcachedServer;
  /** Opens a client, in place of another process; it is closed at the end. */
  open(options?: ClientOptions): Client;
  /** What `onError` of all clients has seen. */
  readonly errors: MemcacheError[];
  /** The lines that the server has read since it was last asked. */
  lines(): string[];
}

/** Runs a test with an embedded server. */
export async function withPlace(
  run: (place: Place) => Promise<void>,
  options?: Parameters<typeof MemcachedServer.start>[0],
): Promise<void> {
  const server = await MemcachedServer.start(options);
  const clients: Client[] = [];
  const errors: MemcacheError[] = [];
  try {
    await run({
      server,
      errors,
      open: (options) => {
        const client = new Client(server.address, {
          onError: (error) => void errors.push(error),
          ...options,
        });
        clients.push(client);
        return client;
      },
      lines: () => {
        const lines = server.requests.map(({ line }) =>
          line.replace(/ O\d+/, "")
        ).filter((line) => line !== "mn");
        server.clear();
        return lines;
      },
    });
  } finally {
    for (const client of clients) await client.close();
    await server.close();
  }
}

/** Makes sure that the server is known to speak meta, or not to. */
export async function warm(client: Client): Promise<Client> {
  await client.get("warm");
  return client;
}

/** What settles in its own time. */
export interface Watched<T> {
  /** Whether it has settled. */
  isSettled: boolean;
  /** What it watches. */
  readonly promise: Promise<T>;
}

/** Watches a promise, which may reject. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched: Watched<T> = { isSettled: false, promise };
  const settle = () => void (watched.isSettled = true);
  promise.then(settle, settle);
  return watched;
}

/** Waits until something is so, as replies come in. */
export async function until(what: () => boolean, about = ""): Promise<void> {
  const end = performance.now() + 5000;
  while (!what()) {
    assert(performance.now() < end, `Not so within 5 s: ${about || what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
