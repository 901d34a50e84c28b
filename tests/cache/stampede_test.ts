/**
 * Many processes want one key at the same time: how often it is loaded, and how
 * long the slowest call takes. Each load is a line that is appended to a file,
 * which no two processes can do as one.
 *
 * This file is also the program that the processes run.
 */
import { assert, assertEquals } from "@std/assert";
import { Client } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { needsMemcached, startMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { Fellow, type Orders, played, ready } from "./_processes.ts";

const PROCESSES = 8;
const CALLERS = 50;
const KEY = "stampede";

/** The time of a load, in milliseconds. */
const LOAD = 300;

/**
 * A key that is asked for all the time: its lifetimes in seconds, and the time of
 * its load in milliseconds. One is loaded anew in time, one is not.
 */
const SWIFT = { ttl: 5, refreshAhead: 2, load: 1000 };
const SLOW = { ttl: 3, refreshAhead: 1, load: 3500 };

/** How long it is asked for, in milliseconds. */
const WHILE = 9000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Appends a line for a load: who loads, and when. */
function note(log: string): void {
  appendFileSync(log, `${process.pid} ${Date.now()}\n`);
}

function loadsIn(log: string): Array<{ pid: number; at: number }> {
  return readFileSync(log, "utf-8").split("\n").filter(Boolean).map((line) => {
    const [pid, at] = line.split(" ").map(Number);
    return { pid, at };
  });
}

/** What a process says of its calls. */
interface Said {
  readonly values: unknown[];
  readonly calls: number;
  /** Milliseconds of the slowest call, and of the slowest turn of the loop. */
  readonly slowest: number;
  readonly lag: number;
}

/** Asks for a key that is not there, many times at once. */
async function miss(
  { address, log }: Orders,
  protocol: "auto" | "classic",
): Promise<Said> {
  const client = new Client(address, { protocol });
  await client.get("warm");
  await ready();
  const start = performance.now();
  const values = await Promise.all(
    Array.from({ length: CALLERS }, () =>
      client.getOrSet(KEY, async () => {
        note(log);
        await pause(LOAD);
        return { loadedBy: process.pid };
      }, { ttl: 60 })),
  );
  const slowest = performance.now() - start;
  await client.close();
  const kinds = [...new Set(values.map((value) => JSON.stringify(value)))];
  return { values: kinds, calls: values.length, slowest, lag: 0 };
}

/** Asks all the time, over several lifetimes. */
async function refresh(
  { address, log }: Orders,
  { load, ...options }: typeof SWIFT,
): Promise<Said> {
  const client = new Client(address);
  const ask = () =>
    client.getOrSet<number>(KEY, async () => {
      note(log);
      await pause(load);
      return Date.now();
    }, options);
  await ready();
  // The first load of all is waited for.
  await ask();
  const values = new Set<number>();
  const start = performance.now();
  let calls = 0;
  let slowest = 0;
  let lag = 0;
  while (performance.now() - start < WHILE) {
    const asked = performance.now();
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        values.add(await ask());
        slowest = Math.max(slowest, performance.now() - asked);
        calls++;
      }),
    );
    const slept = performance.now();
    await pause(10);
    lag = Math.max(lag, performance.now() - slept - 10);
  }
  await client.close();
  return { values: [...values], calls, slowest, lag };
}

const ROLES = {
  miss: (orders: Orders) => miss(orders, "auto"),

  classic: (orders: Orders) => miss(orders, "classic"),

  /** The same, but the first who loads never ends. */
  async deadly({ address, log }: Orders): Promise<Said> {
    const client = new Client(address);
    await client.get("warm");
    await ready();
    const start = performance.now();
    const values = await Promise.all(
      Array.from({ length: CALLERS }, () =>
        client.getOrSet(KEY, async () => {
          note(log);
          await pause(loadsIn(log).length === 1 ? 1e6 : LOAD);
          return "alive";
        }, { ttl: 60, lease: 2 })),
    );
    const slowest = performance.now() - start;
    await client.close();
    const kinds = [...new Set(values)];
    return { values: kinds, calls: values.length, slowest, lag: 0 };
  },

  swift: (orders: Orders) => refresh(orders, SWIFT),

  slow: (orders: Orders) => refresh(orders, SLOW),
};

/** Runs a role in all processes at the same time. */
async function together(
  role: keyof typeof ROLES,
  address: string,
  during: (log: string, fellows: readonly Fellow[]) => Promise<void> = () =>
    Promise.resolve(),
): Promise<{ said: Said[]; loads: ReturnType<typeof loadsIn> }> {
  const folder = mkdtempSync(join(tmpdir(), "memcache-cache-"));
  const log = join(folder, "loads");
  appendFileSync(log, "");
  const fellows = Array.from(
    { length: PROCESSES },
    () => new Fellow(import.meta.url, { role, address, log }),
  );
  try {
    for (const fellow of fellows) await fellow.ready();
    for (const fellow of fellows) fellow.go();
    await during(log, fellows);
    const said: Said[] = [];
    for (const fellow of fellows) {
      const result = await fellow.result<Said>();
      if (result !== undefined) said.push(result);
    }
    return { said, loads: loadsIn(log) };
  } finally {
    for (const fellow of fellows) await fellow.end();
    rmSync(folder, { recursive: true });
  }
}

const SERVERS: Readonly<
  Record<string, () => Promise<{ address: string; end(): Promise<void> }>>
> = {
  "memcached": async () => {
    const memcached = await startMemcached();
    return { address: memcached.server, end: () => memcached.kill() };
  },
  "the embedded server": async () => {
    const server = await MemcachedServer.start();
    return { address: server.address, end: () => server.close() };
  },
};

/** Says what was measured, for whoever runs this file by itself. */
function tell(what: string, said: readonly Said[], loads: number): void {
  if (process.env.MEMCACHE_TELL === undefined) return;
  const sum = said.reduce((all, { calls }) => all + calls, 0);
  const slowest = Math.max(...said.map(({ slowest }) => slowest));
  const lag = Math.max(...said.map(({ lag }) => lag));
  console.log(
    `${what}: ${sum} calls, ${loads} loads, slowest ${
      slowest.toFixed(0)
    } ms, ` +
      `slowest turn ${lag.toFixed(0)} ms`,
  );
}

if (!await played(ROLES)) {
  for (const [name, start] of Object.entries(SERVERS)) {
    const options = name === "memcached" ? needsMemcached : {};

    for (const role of ["miss", "classic"] as const) {
      const how = role === "miss" ? "" : ", without meta";
      test(
        `getOrSet() loads once for ${PROCESSES} processes with ${CALLERS} callers each, on ${name}${how}`,
        async () => {
          const { address, end } = await start();
          try {
            const { said, loads } = await together(role, address);
            tell(`${role} on ${name}`, said, loads.length);
            assertEquals(loads.length, 1);
            assertEquals(said.length, PROCESSES);
            const value = JSON.stringify({ loadedBy: loads[0].pid });
            for (const { values, calls } of said) {
              assertEquals([values, calls], [[value], CALLERS]);
            }
          } finally {
            await end();
          }
        },
        { timeout: 60_000, ...options },
      );
    }

    test(
      `getOrSet() loads twice if who loads is killed, on ${name}`,
      async () => {
        const { address, end } = await start();
        try {
          const { said, loads } = await together(
            "deadly",
            address,
            async (log, fellows) => {
              while (loadsIn(log).length === 0) await pause(5);
              // For a while it renews its lease, and the others wait.
              await pause(2500);
              const [first, ...others] = loadsIn(log);
              assertEquals(others, []);
              fellows.find(({ pid }) => pid === first.pid)?.kill();
            },
          );
          tell(`killed on ${name}`, said, loads.length);
          assertEquals(loads.length, 2);
          assertEquals(said.length, PROCESSES - 1);
          for (const { values, calls } of said) {
            assertEquals([values, calls], [["alive"], CALLERS]);
          }
        } finally {
          await end();
        }
      },
      { timeout: 60_000, ...options },
    );

    for (const role of ["swift", "slow"] as const) {
      const { ttl, refreshAhead, load } = role === "swift" ? SWIFT : SLOW;
      const who = role === "swift" ? ", and nobody waits" : " by a slow load";
      test(
        `getOrSet() loads once at a time${who}, on ${name}`,
        async () => {
          const { address, end } = await start();
          try {
            const { said, loads } = await together(role, address);
            tell(`${role} on ${name}`, said, loads.length);
            assertEquals(said.length, PROCESSES);
            assert(loads.length >= 3, `${loads.length} loads`);
            // A load begins after the last one, and not before it is due.
            const rest = Math.max(0, ttl - refreshAhead - 2) * 1000;
            for (let i = 1; i < loads.length; i++) {
              const gap = loads[i].at - loads[i - 1].at;
              assert(gap >= load + rest - 50, `${gap} ms between two loads`);
            }
            for (const { values, slowest, lag } of said) {
              assert(values.length <= loads.length);
              // Whoever asks as a load begins, and waits, waits for all of it.
              // A machine that is slow is no fault of ours.
              const isQuick = slowest < load + lag;
              assert(role === "slow" || isQuick, `${slowest} ms, lag ${lag}`);
            }
          } finally {
            await end();
          }
        },
        { timeout: 90_000, ...options },
      );
    }
  }
}
