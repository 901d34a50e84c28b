/**
 * Memory, descriptors and the end of it all: the part `resources` of
 * `deno task figures`.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import * as net from "node:net";
import process from "node:process";
import {
  Client,
  dial,
  MemcacheError,
  MemcacheOverloadError,
  MemcacheTimeoutError,
} from "../../mod.ts";
import { type Counts, part, type Role } from "./_part.ts";
import { servePeer } from "./_peer.ts";

const MIB = 2 ** 20;
const bun = "Bun" in globalThis;
const deno = "Deno" in globalThis;

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** Takes out the rubbish, as far as the runtime lets us. */
async function clean(): Promise<void> {
  const { gc, Bun } = globalThis as {
    gc?: () => void;
    Bun?: { gc(sync: boolean): void };
  };
  for (let i = 0; i < 4; i++) {
    await pause(10);
    if (Bun !== undefined) Bun.gc(true);
    else gc?.();
  }
}

const resident = (): number => process.memoryUsage().rss;

const round = (value: number): number => Math.round(value * 10) / 10;

/** Bytes that are in use once the rubbish is out. */
async function used(): Promise<number> {
  await clean();
  const { heapUsed, external } = process.memoryUsage();
  // Bun counts what lies outside of its heap as part of it.
  return bun ? heapUsed : heapUsed + external;
}

/** Watches how far the process grows: tells the most, in MiB. */
function watch(): () => number {
  const before = resident();
  let most = before;
  const timer = setInterval(() => most = Math.max(most, resident()), 5);
  return () => {
    clearInterval(timer);
    return round((Math.max(most, resident()) - before) / MIB);
  };
}

/** Open descriptors of this process, 0 where the system does not tell. */
function descriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

/** Descriptors beyond `before`, once the runtime has had time to close them. */
async function moreThan(before: number): Promise<number> {
  for (let tries = 0; tries < 40 && descriptors() > before; tries++) {
    await pause(50);
  }
  return descriptors() - before;
}

/** Counts the warnings of the runtime, as of too many listeners. */
function warnings(): () => number {
  let count = 0;
  process.on("warning", () => count++);
  const { warn, error } = console;
  console.warn = console.error = () => count++;
  return () => {
    Object.assign(console, { warn, error });
    return count;
  };
}

async function opened(address: string, timeout: number): Promise<Client> {
  const client = new Client(address, { timeout });
  await client.get("warm", { timeout: 10_000 });
  await clean();
  return client;
}

const unread: Role = async (address) => {
  const client = await opened(address, 1000);
  await client.get("deaf");
  // The caller's values are there before: what grows is the client's.
  const values = Array.from(
    { length: 100 },
    (_, i) => new Uint8Array(1_000_000).fill(i),
  );
  await clean();
  const grown = watch();
  let refused = 0;
  let late = 0;
  const told = (error: unknown) => {
    if (error instanceof MemcacheOverloadError) refused++;
    else if (error instanceof MemcacheTimeoutError) late++;
    else throw error;
  };
  await Promise.all(
    values.map((value, i) => client.set(`k${i}`, value).catch(told)),
  );
  const rss = grown();
  await client.close();
  return { rss, refused, taken: 100 - refused };
};

const CALLS = 100_000;

const silent: Role = async (address) => {
  const client = await opened(address, 2000);
  const before = await used();
  const grown = watch();
  let late = 0;
  let others = 0;
  await new Promise<void>((resolve) => {
    const told = (error: unknown) => {
      if (error instanceof MemcacheTimeoutError) late++;
      else others++;
      if (late + others === CALLS) resolve();
    };
    for (let i = 0; i < CALLS; i++) client.get("mute").then(told, told);
  });
  const rss = grown();
  const kept = round((await used() - before) / MIB);
  await client.close();
  return { rss, kept, unsettled: CALLS - late };
};

/** The least that as many calls cost: promises that reject with an error. */
const silentBare: Role = async () => {
  const before = await used();
  const grown = watch();
  let left = CALLS;
  await new Promise<void>((resolve) => {
    const told = () => {
      if (--left === 0) resolve();
    };
    const rejects: Array<(error: unknown) => void> = [];
    for (let i = 0; i < CALLS; i++) {
      new Promise((_, reject) => rejects.push(reject)).then(told, told);
    }
    const some = () => {
      for (let i = 0; i < 2000; i++) {
        rejects.pop()?.(new MemcacheTimeoutError("Cannot finish get"));
      }
      if (rejects.length > 0) setImmediate(some);
    };
    setTimeout(some, 2000);
  });
  const rss = grown();
  return { rss, kept: round((await used() - before) / MIB), unsettled: left };
};

/** What is in use while as many calls are pending. */
const held: Role = async (address) => {
  const client = await opened(address, 30_000);
  const before = await used();
  const calls = Array.from(
    { length: CALLS },
    () => client.get("mute").catch(() => {}),
  );
  await pause(200);
  const live = round((await used() - before) / MIB);
  await client.close();
  await Promise.all(calls);
  return { live };
};

const heldBare: Role = async () => {
  const before = await used();
  const rejects: Array<(error: unknown) => void> = [];
  const calls = Array.from(
    { length: CALLS },
    () => new Promise((_, reject) => rejects.push(reject)).catch(() => {}),
  );
  const live = round((await used() - before) / MIB);
  for (const reject of rejects) reject(undefined);
  await Promise.all(calls);
  return { live };
};

const RECONNECTS = 10_000;

/** So many first: the runtime compiles, and its heap finds its size. */
const BEFORE = 2000;

/** Repeats a connection, and tells what that has left behind. */
async function reconnected(
  once: (i: number) => Promise<void>,
): Promise<Counts> {
  const warned = warnings();
  // A client that waits for nothing keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  const begun = watch();
  for (let i = 0; i < BEFORE; i++) await once(i);
  const first = begun();
  const live = await used();
  const open = descriptors();
  const grown = watch();
  for (let i = 0; i < RECONNECTS; i++) await once(i);
  const rss = grown();
  clearInterval(alive);
  return {
    first,
    rss,
    live: round((await used() - live) / MIB),
    descriptors: await moreThan(open),
    warnings: warned(),
  };
}

const reconnects: Role = async (address) => {
  let gone = () => {};
  const client = new Client(address, {
    timeout: 10_000,
    dial: async (to, options) => {
      const conn = await dial(to, options);
      const start = conn.start.bind(conn);
      conn.start = (events) =>
        start({
          data: (bytes) => events.data(bytes),
          drain: () => events.drain(),
          target: () => events.target(),
          end: (error) => (events.end(error), gone()),
        });
      return conn;
    },
  });
  const counts = await reconnected(async (i) => {
    // Either side may be the one that ends it.
    if (i % 2 === 0) {
      await client.get("a");
      await client.disconnect();
    } else {
      const ended = new Promise<void>((resolve) => gone = resolve);
      await client.get("bye");
      await ended;
    }
  });
  await client.close();
  return counts;
};

function partsOf(address: string): { hostname: string; port: number } {
  const [hostname, port] = address.split(":");
  return { hostname, port: Number(port) };
}

/** One command on a socket of the runtime's own. */
async function ask(address: string): Promise<() => void> {
  const { hostname, port } = partsOf(address);
  const command = new TextEncoder().encode("get a\r\n");
  if (deno) {
    const conn = await Deno.connect({ hostname, port });
    await conn.write(command);
    await conn.read(new Uint8Array(64));
    return () => conn.close();
  }
  return await new Promise((resolve, reject) => {
    const socket = net.connect({
      host: hostname,
      port,
      onread: {
        buffer: () => shared,
        callback: () => {
          resolve(() => socket.destroy());
          return true;
        },
      },
    });
    socket.on("error", reject);
    socket.on("connect", () => socket.write(command));
  });
}

const shared = new Uint8Array(64 * 1024);

const reconnectsBare: Role = (address) =>
  reconnected(async () => (await ask(address))());

/** Opens 300 at once and closes them, and tells what that takes. */
async function atOnce(open: () => Promise<() => unknown>): Promise<Counts> {
  const warned = warnings();
  const come = async (count: number) => {
    const all = await Promise.all(Array.from({ length: count }, open));
    await Promise.all(all.map((close) => close()));
    await pause(50);
  };
  // The first ones pay for what all share.
  for (let i = 0; i < 3; i++) await come(30);
  await clean();
  const grown = watch();
  await come(300);
  const rss = grown();
  const before = descriptors();
  await come(300);
  return { rss, descriptors: await moreThan(before), warnings: warned() };
}

const clients: Role = (address) =>
  atOnce(async () => {
    const patience = { timeout: 10_000, connectTimeout: 10_000 };
    const client = new Client(address, patience);
    await client.get("a");
    return () => client.close();
  });

const clientsBare: Role = (address) => atOnce(() => ask(address));

/** What one of many costs, in KiB. */
async function each(make: () => Promise<unknown>): Promise<Counts> {
  const kept: unknown[] = [];
  const some = async (count: number) => {
    for (let left = count; left > 0; left--) kept.push(await make());
    return { live: await used(), rss: resident() };
  };
  const before = await some(200);
  const after = await some(1000);
  const share = (bytes: number) => round(bytes / 1000 / 1024);
  if (kept.length !== 1200) throw new Error("There must be 1,200 of them");
  return {
    live: share(after.live - before.live),
    rss: share(after.rss - before.rss),
  };
}

const idle: Role = (address) =>
  each(async () => {
    const client = new Client(address, { timeout: 10_000 });
    await client.get("a");
    return client;
  });

const idleBare: Role = (address) => each(() => ask(address));

/** How long pending calls wait for their end after `close()`, in ms. */
const closing: Role = async (address) => {
  const counts: Counts = {};
  const measure = async (name: string, client: Client, count: number) => {
    let closed = 0;
    const calls = Array.from(
      { length: count },
      () =>
        client.get("mute").catch((error) => {
          const ours = error instanceof MemcacheError;
          if (ours && error.code === "ERR_CLIENT_CLOSED") closed++;
        }),
    );
    await pause(20);
    const start = performance.now();
    const end = client.close();
    await Promise.all(calls);
    counts[name] = round(performance.now() - start);
    await end;
    if (closed !== count) throw new Error(`${closed} of ${count} closed`);
  };
  await measure("few", await opened(address, 30_000), 1000);
  await measure("many", await opened(address, 30_000), 100_000);
  const connecting = new Client(address, {
    timeout: 30_000,
    connectTimeout: 30_000,
    // A connect that never comes to an end.
    dial: () => new Promise(() => {}),
  });
  await measure("connecting", connecting, 1000);
  return counts;
};

const MEMORY = { unit: "MiB" };

await part([
  {
    name: "unread",
    server: "peer",
    role: unread,
    rows: {
      rss: {
        what: "100 MB of sets to a server that does not read, growth",
        bar: 48,
        ...MEMORY,
      },
      refused: {
        what: "100 MB of sets to a server that does not read, refused at once",
        unit: "of 100",
      },
    },
  },
  {
    name: "silent",
    server: "peer",
    role: silent,
    baseline: silentBare,
    rows: {
      rss: {
        what: "100,000 calls to a silent server, growth",
        bar: 64,
        net: true,
        ...MEMORY,
      },
      kept: {
        what: "100,000 calls to a silent server, in use afterwards",
        ...MEMORY,
      },
      unsettled: {
        what: "100,000 calls to a silent server, not settled",
        unit: "calls",
        bar: 0,
      },
    },
  },
  {
    name: "held",
    server: "peer",
    role: held,
    baseline: heldBare,
    rows: {
      live: {
        what: "100,000 calls to a silent server, in use meanwhile",
        bar: 64,
        ...MEMORY,
      },
    },
  },
  {
    name: "reconnects",
    server: "peer",
    role: reconnects,
    baseline: reconnectsBare,
    rows: {
      rss: {
        what: "10,000 reconnects after the first 2,000, growth",
        bar: 20,
        net: true,
        ...MEMORY,
      },
      first: { what: "the first 2,000, growth", ...MEMORY },
      live: { what: "10,000 reconnects, in use afterwards", ...MEMORY },
      descriptors: {
        what: "10,000 reconnects, descriptors",
        unit: "more",
        bar: 0,
        net: true,
      },
      warnings: { what: "10,000 reconnects, warnings", unit: "lines", bar: 0 },
    },
  },
  {
    name: "young",
    server: "peer",
    role: reconnects,
    baseline: reconnectsBare,
    v8: ["--max-semi-space-size=1"],
    rows: {
      rss: {
        what: "10,000 reconnects, growth with a young heap of 1 MiB",
        bar: 20,
        ...MEMORY,
      },
    },
  },
  {
    name: "clients",
    server: "peer",
    role: clients,
    baseline: clientsBare,
    rows: {
      rss: {
        what: "300 clients at once, growth",
        bar: 20,
        net: true,
        ...MEMORY,
      },
      descriptors: {
        what: "300 clients closed, descriptors",
        unit: "more",
        bar: 0,
      },
      warnings: { what: "300 clients, warnings", unit: "lines", bar: 0 },
    },
  },
  {
    name: "idle",
    server: "peer",
    role: idle,
    baseline: idleBare,
    rows: {
      live: {
        what: "an idle client of 1,000, in use",
        unit: "KiB",
        bar: deno ? 40 : 15,
        net: true,
      },
      rss: { what: "an idle client of 1,000, growth", unit: "KiB", net: true },
    },
  },
  {
    name: "closing",
    server: "peer",
    role: closing,
    rows: {
      few: { what: "close() of 1,000 calls in flight", unit: "ms", bar: 50 },
      connecting: {
        what: "close() of 1,000 calls while connecting",
        unit: "ms",
        bar: 50,
      },
      many: { what: "close() of 100,000 calls in flight", unit: "ms" },
    },
  },
], { peer: servePeer });
