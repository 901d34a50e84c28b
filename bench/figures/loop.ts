/**
 * How long the event loop is held, and how late it is: the part `loop` of
 * `deno task figures`.
 *
 * @module
 */
import { Client } from "../../mod.ts";
import { startMemcached } from "../../tests/_memcached.ts";
import { watchLoop } from "./_loop.ts";
import { type Counts, part, type Role } from "./_part.ts";

const VALUE = "x".repeat(100);
const BURST = 100_000;

/** Sees to it that what is measured has run before, as in a real program. */
async function warmed(address: string): Promise<Client> {
  const client = new Client(address, { timeout: 30_000 });
  for (let round = 0; round < 20; round++) {
    const calls: Array<Promise<unknown>> = [];
    for (let i = 0; i < 200; i++) {
      calls.push(client.set(`w${i}`, VALUE), client.get(`w${i}`));
    }
    await Promise.all(calls);
    await client.getMany(Array.from({ length: 200 }, (_, i) => `w${i}`));
  }
  return client;
}

/**
 * Repeats some work, and tells the longest turn of all. What `begin` does at
 * once counts, unless it is the caller's own loop.
 */
async function held(
  rounds: number,
  begin: () => Promise<unknown>,
  callersLoop: boolean = false,
): Promise<Counts> {
  const all = { wall: 0, own: 0, work: 0 };
  for (let i = 0; i < rounds; i++) {
    const early = callersLoop ? begin() : undefined;
    const stop = watchLoop();
    await (early ?? begin());
    const { wall, own, work } = await stop();
    all.wall = Math.max(all.wall, wall);
    all.own = Math.max(all.own, own);
    all.work = Math.max(all.work, work);
  }
  return all;
}

/** Makes many calls in one turn. */
function burst(make: (i: number) => Promise<unknown>): () => Promise<unknown> {
  return () =>
    new Promise<void>((resolve, reject) => {
      let open = BURST;
      const told = () => {
        if (--open === 0) resolve();
      };
      for (let i = 0; i < BURST; i++) make(i).then(told, reject);
    });
}

const getMany: Role = async (address) => {
  const client = await warmed(address);
  const keys = Array.from({ length: 10_000 }, (_, i) => `many:${i}`);
  await client.setMany(new Map(keys.map((key) => [key, VALUE])));
  const counts = await held(5, async () => {
    const found = await client.getMany(keys);
    if (found.size !== keys.length) throw new Error(`${found.size} found`);
  });
  await client.close();
  return counts;
};

const sets: Role = async (address) => {
  const client = await warmed(address);
  const counts = await held(
    1,
    burst((i) => client.set(`set:${i}`, VALUE)),
    true,
  );
  await client.close();
  return counts;
};

const gets: Role = async (address) => {
  const client = await warmed(address);
  const counts = await held(
    1,
    burst((i) => client.get(`w${i % 200}`)),
    true,
  );
  await client.close();
  return counts;
};

/**
 * The least that so many calls cost: promises, each with an object that knows
 * how to settle it, that are settled in short turns.
 */
const burstBare: Role = async () => {
  class Call {
    readonly key: string;
    resolve: (value: unknown) => void = () => {};
    settled = false;

    constructor(key: string) {
      this.key = key;
    }
  }
  const calls: Call[] = [];
  const make = (i: number) => {
    const call = new Call(`set:${i}`);
    const promise = new Promise<unknown>((resolve) => call.resolve = resolve);
    calls.push(call);
    return promise;
  };
  const some = (): void => {
    const until = performance.now() + 2;
    do {
      const call = calls.pop();
      if (call === undefined) return;
      call.settled = true;
      call.resolve(call.key);
    } while (performance.now() < until);
    setImmediate(some);
  };
  // As late as the first reply comes.
  setTimeout(some, 5);
  return await held(1, burst(make), true);
};

const large: Role = async (address) => {
  const client = await warmed(address);
  const text = "x".repeat(1_000_000);
  const bytes = new Uint8Array(1_000_000).fill(120);
  const counts = await held(5, async () => {
    for (const value of [text, bytes]) {
      await client.set("large", value);
      await client.get("large");
    }
  });
  await client.close();
  return counts;
};

/** Tells how late timers are, for two seconds. */
async function lateness(): Promise<Counts> {
  const found: number[] = [];
  const until = performance.now() + 2000;
  let due = performance.now() + 2;
  while (due < until) {
    const wait = Math.max(1, Math.ceil(due - performance.now()));
    due = performance.now() + wait;
    await new Promise((resolve) => setTimeout(resolve, wait));
    found.push(performance.now() - due);
    due = performance.now() + 2;
  }
  found.sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(found[Math.floor(found.length * share)] * 100) / 100;
  return { p50: at(0.5), p99: at(0.99), most: at(0.9999) };
}

/** How late timers are while 1,000 callers ask one after the other. */
const late: Role = async (address) => {
  const client = await warmed(address);
  let going = true;
  const caller = async (key: string) => {
    while (going) await client.get(key);
  };
  const callers = Array.from({ length: 1000 }, (_, i) => caller(`w${i % 200}`));
  const counts = await lateness();
  going = false;
  await Promise.all(callers);
  await client.close();
  return counts;
};

/** The same where there is nothing but short turns: other processes do that. */
const lateBare: Role = async () => {
  let going = true;
  const turn = () => {
    const until = performance.now() + 0.3;
    while (performance.now() < until);
    if (going) setImmediate(turn);
  };
  turn();
  const counts = await lateness();
  going = false;
  return counts;
};

const HOLD = {
  own: { unit: "ms", bar: 10 },
  work: { unit: "ms" },
  wall: { unit: "ms" },
};

function holds(what: string) {
  return {
    own: { what, ...HOLD.own },
    work: { what: `${what}: without the collector`, ...HOLD.work },
    wall: { what: `${what}: with other processes`, ...HOLD.wall },
  };
}

await part([
  {
    name: "many",
    server: "memcached",
    role: getMany,
    rows: holds("longest turn, getMany of 10,000 keys"),
  },
  {
    name: "sets",
    server: "memcached",
    role: sets,
    baseline: burstBare,
    rows: holds("longest turn, 100,000 queued sets"),
  },
  {
    name: "gets",
    server: "memcached",
    role: gets,
    baseline: burstBare,
    rows: holds("longest turn, 100,000 queued gets"),
  },
  {
    name: "large",
    server: "memcached",
    role: large,
    rows: holds("longest turn, values of 1 MB"),
  },
  {
    name: "late",
    server: "memcached",
    role: late,
    baseline: lateBare,
    rows: {
      p99: {
        what: "timers late by, p99, 1,000 gets in flight",
        unit: "ms",
        bar: 3,
      },
      p50: { what: "timers late by, median, 1,000 gets in flight", unit: "ms" },
      most: {
        what: "timers late by, at most, 1,000 gets in flight",
        unit: "ms",
      },
    },
  },
], {
  memcached: async () => {
    const memcached = await startMemcached({ args: ["-m", "256"] });
    return { address: memcached.server, stop: () => memcached.kill() };
  },
});
