/**
 * What an outage of real servers costs, in numbers. The tests hold them to
 * their bars, `deno task figures outage` prints them.
 *
 * @module
 */
import {
  Client,
  type Dial,
  dial,
  HashClient,
  type KeyCommands,
} from "@x/memcache";
import { type Memcached, startMemcached } from "../_memcached.ts";
import { freeze } from "./_freeze.ts";
import { Lateness } from "./_lateness.ts";

/** Waits for `ms` milliseconds. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits for the turn after the next I/O. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Whether a call resolves. */
function succeeds(call: Promise<unknown>): Promise<boolean> {
  return call.then(() => true, () => false);
}

/** The runtime's own transport, and when it was asked for a connection. */
function noted(attempts: number[]): Dial {
  return (address, options) => {
    attempts.push(performance.now());
    return dial(address, options);
  };
}

/** The value below which a share of the values is. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Runs `fn` with servers of its own, and with a look at the event loop. */
async function withServers<T>(
  count: number,
  fn: (servers: readonly Memcached[], lateness: Lateness) => Promise<T>,
): Promise<T> {
  const servers: Memcached[] = [];
  const lateness = new Lateness();
  try {
    for (let i = 0; i < count; i++) servers.push(await startMemcached());
    return await fn(servers, lateness);
  } finally {
    lateness.stop();
    await Promise.all(servers.map((server) => server.kill()));
  }
}

/** How long after their timeouts calls to a frozen server end. */
export interface TimeoutFigures {
  /** The longest, in milliseconds, less what the event loop was late by. */
  readonly late: number;
  /** The longest before its timeout. */
  readonly early: number;
  /** How many calls timed out. */
  readonly calls: number;
}

/** Lets calls time out on a frozen server, while others go on. */
export async function timeouts(rounds: number): Promise<TimeoutFigures> {
  return await withServers(2, async ([frozen, fine], lateness) => {
    const client = new Client(frozen.server);
    const other = new Client(fine.server);
    await Promise.all([client.get("a"), other.get("a")]);
    let late = -Infinity;
    let early = -Infinity;
    let calls = 0;
    const call = async (timeout: number, write: boolean) => {
      const start = performance.now();
      const good = await succeeds(
        write ? client.set("a", 1, { timeout }) : client.get("a", { timeout }),
      );
      const end = performance.now();
      if (good) throw new Error("A frozen server answered");
      calls++;
      const ms = end - start - timeout;
      early = Math.max(early, -ms);
      late = Math.max(late, ms - lateness.between(start, end));
    };
    let over = false;
    const others = (async () => {
      while (!over) await other.set("a", "x".repeat(1000));
    })();
    await freeze(frozen);
    for (let round = 0; round < rounds; round++) {
      const all: Array<Promise<void>> = [];
      for (const timeout of [10, 50, 90, 170, 300]) {
        for (const write of [true, false]) {
          all.push(call(timeout, write), call(timeout, write));
          await pause(3);
        }
      }
      await Promise.all(all);
    }
    over = true;
    await others;
    frozen.resume();
    await Promise.all([client.close(), other.close()]);
    return { late, early, calls };
  });
}

/** How soon a client finds a server that is back. */
export interface RestartFigures {
  /** Milliseconds from the server's start to the first good call, each time. */
  readonly waits: readonly number[];
  /** Calls that failed because the server had closed an idle connection. */
  readonly lost: number;
  /** How many idle connections it had closed. */
  readonly idle: number;
}

/**
 * Kills servers under a client that calls all the time, and starts them again
 * after some time; and while it is idle.
 *
 * @param downs For how long they are down, in milliseconds.
 */
export async function restarts(
  downs: readonly number[],
): Promise<RestartFigures> {
  return await withServers(1, async ([server], lateness) => {
    const client = new Client(server.server);
    const waits: number[] = [];
    let lost = 0;
    for (const down of downs) {
      await client.get("a", { timeout: 5000 });
      await server.kill();
      const end = performance.now() + down;
      while (performance.now() < end) {
        await succeeds(client.get("a"));
        await pause(3);
      }
      await server.restart();
      const back = performance.now();
      while (!await succeeds(client.get("a"))) await pause(3);
      const now = performance.now();
      waits.push(Math.max(0, now - back - lateness.between(back, now)));
      // And while nobody calls: the next call finds a closed connection.
      await client.set("b", 1);
      await server.restart();
      if (!await succeeds(client.get("b", { timeout: 5000 }))) lost++;
      if (!await succeeds(client.set("b", 1))) lost++;
    }
    await client.close();
    return { waits, lost, idle: downs.length };
  });
}

/** How often a client tries to connect to a server that is down. */
export interface AttemptFigures {
  /** Attempts in the first two seconds. */
  readonly first: number;
  /** Attempts a second after that. */
  readonly perSecond: number;
  /** Calls that were made meanwhile. */
  readonly calls: number;
}

/**
 * Calls a server that is down, from many callers.
 *
 * @param make Makes the client of one server.
 * @param seconds How long to look after the first two seconds.
 */
export async function attempts(
  make: (server: string, dial: Dial) => KeyCommands,
  seconds: number,
): Promise<AttemptFigures> {
  return await withServers(1, async ([server]) => {
    const times: number[] = [];
    const client = make(server.server, noted(times));
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => client.get(`k${i}`)),
    );
    await server.kill();
    times.length = 0;
    const start = performance.now();
    let calls = 0;
    const load = async () => {
      while (performance.now() - start < 2000 + seconds * 1000) {
        await succeeds(client.get("a"));
        calls++;
        await turn();
      }
    };
    await Promise.all([load(), load(), load(), load(), load()]);
    await client.close();
    const first = times.filter((time) => time - start < 2000).length;
    return { first, perSecond: (times.length - first) / seconds, calls };
  });
}

/** How a fleet comes back to a server that was down. */
export interface FleetFigures {
  /** Milliseconds from the first client's return to the last one's. */
  readonly spread: number;
  /** Milliseconds from the server's start to the last one's. */
  readonly last: number;
}

/**
 * Takes a server from many clients that all call, and gives it back.
 *
 * @param clients How many.
 * @param down For how many milliseconds.
 */
export async function fleet(
  clients: number,
  down: number,
): Promise<FleetFigures> {
  return await withServers(1, async ([server]) => {
    const all = Array.from(
      { length: clients },
      () => new Client(server.server),
    );
    await Promise.all(all.map((client) => client.get("a", { timeout: 5000 })));
    await server.kill();
    let up = Infinity;
    const returns = all.map(async (client) => {
      for (;;) {
        await pause(5);
        if (await succeeds(client.get("a")) && up !== Infinity) {
          return performance.now();
        }
      }
    });
    await pause(down);
    await server.restart();
    up = performance.now();
    const times = await Promise.all(returns);
    await Promise.all(all.map((client) => client.close()));
    const last = Math.max(...times);
    return { spread: last - Math.min(...times), last: last - up };
  });
}

/** What one silent server of three costs those who talk to the others. */
export interface SilenceFigures {
  /** Milliseconds that 99 of 100 calls to the others took at most. */
  readonly p99: number;
  /** The same while all three answered. */
  readonly before: number;
  /** How many calls were measured. */
  readonly calls: number;
  /** How many calls to the silent one failed meanwhile. */
  readonly failed: number;
}

/** Chooses the client for a server, and a key that this server has. */
export type Ways = (servers: readonly string[]) => {
  readonly ways: ReadonlyArray<readonly [client: KeyCommands, key: string]>;
  readonly close: () => Promise<unknown>;
};

/** Three clients, of one server each. */
export const threeClients: Ways = (servers) => {
  const clients = servers.map((server) => new Client(server, { timeout: 300 }));
  return {
    ways: clients.map((client) => [client, "key"] as const),
    close: () => Promise.all(clients.map((client) => client.close())),
  };
};

/** One client of all three, with a key for each. */
export const oneHashClient: Ways = (servers) => {
  const client = new HashClient(servers, { timeout: 300 });
  const keyOf = (server: string): string => {
    let key = 0;
    while (client.serversFor(`key${key}`)[0] !== server) key++;
    return `key${key}`;
  };
  return {
    ways: servers.map((server) => [client, keyOf(server)] as const),
    close: () => client.close(),
  };
};

/**
 * Freezes one of three servers under a load on all of them.
 *
 * @param calls How many calls to measure.
 */
export async function silence(
  ways: Ways,
  calls: number,
): Promise<SilenceFigures> {
  return await withServers(3, async (servers, lateness) => {
    const { ways: all, close } = ways(servers.map(({ server }) => server));
    for (const [client, key] of all) {
      await client.set(key, "x".repeat(100), { timeout: 5000 });
    }
    const measured = async () => {
      const times: number[] = [];
      let failed = 0;
      const caller = async (
        [client, key]: typeof all[number],
        own: boolean,
      ) => {
        while (times.length < calls) {
          const start = performance.now();
          const good = await succeeds(client.get(key));
          const end = performance.now();
          if (own) {
            if (!good) throw new Error("A server that is well did not answer");
            times.push(end - start - lateness.between(start, end));
          } else if (!good) failed++;
          await turn();
        }
      };
      await Promise.all(
        all.flatMap((way, i) =>
          Array.from({ length: 8 }, () => caller(way, i > 0))
        ),
      );
      return { p99: quantile(times, 0.99), failed };
    };
    const before = await measured();
    await freeze(servers[0]);
    const after = await measured();
    servers[0].resume();
    await close();
    return {
      p99: after.p99,
      before: before.p99,
      calls,
      failed: after.failed,
    };
  });
}
