/**
 * A real memcached and the embedded server, to be asked the same.
 *
 * @module
 */
import {
  MemcachedServer,
  type MemcachedServerOptions,
} from "@x/memcache/testing";
import { type MemcachedOptions, startMemcached } from "../_memcached.ts";
import { RawClient, type RawTarget } from "./_raw.ts";

/** One of the two. */
export interface Peer {
  /** Which one. */
  readonly name: "memcached" | "embedded";
  /** Where to connect to. */
  readonly target: RawTarget;
  /** Waits until so many seconds of the server's clock have begun. */
  pass(seconds: number): Promise<void>;
  /** The second that its clock is at. */
  time(): Promise<number>;
  /** Ends it. */
  stop(): Promise<void>;
}

/** Starts the embedded server, whose clock stands still. */
export async function embedded(
  options: MemcachedServerOptions = {},
): Promise<Peer> {
  let now = 1_700_000_000_500;
  const server = await MemcachedServer.start({ now: () => now, ...options });
  return {
    name: "embedded",
    target: server,
    pass: (seconds) => {
      now += seconds * 1000;
      return Promise.resolve();
    },
    time: () => Promise.resolve(Math.floor(now / 1000)),
    stop: () => server.close(),
  };
}

/** Starts a real memcached. */
export async function real(options: MemcachedOptions = {}): Promise<Peer> {
  const memcached = await startMemcached(options);
  const target = memcached.path === ""
    ? { port: memcached.port }
    : { path: memcached.path };
  const client = await RawClient.connect(target);
  const time = async () => {
    client.write("stats\r\n");
    const stats = await client.until("END\r\n");
    return Number(/STAT time (\d+)/.exec(stats)?.[1]);
  };
  return {
    name: "memcached",
    target,
    time,
    pass: async (seconds) => {
      const end = await time() + seconds;
      while (await time() < end) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    stop: async () => {
      client.close();
      await memcached.kill();
    },
  };
}

/** Lets both do the same, one after the other, and gives what came of it. */
export async function both<T>(
  act: (peer: Peer) => Promise<T>,
  options: { real?: MemcachedOptions; embedded?: MemcachedServerOptions } = {},
): Promise<{ memcached: T; embedded: T }> {
  const run = async (peer: Peer) => {
    try {
      return await act(peer);
    } finally {
      await peer.stop();
    }
  };
  return {
    memcached: await run(await real(options.real)),
    embedded: await run(await embedded(options.embedded)),
  };
}
