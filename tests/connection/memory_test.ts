/**
 * What a client holds: this file is also the program that is measured, so that
 * nobody else's memory counts.
 */
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import process from "node:process";
import {
  Client,
  type Conn,
  dial,
  MemcacheOverloadError,
  MemcacheTimeoutError,
  parseServer,
} from "@x/memcache";
import { withServer } from "../_scripted.ts";
import { runtime, test } from "../_runtime.ts";
import { type Outcome, outcome, pause, warm } from "./_calls.ts";
import { play, played } from "./_child.ts";

const MIB = 2 ** 20;

/** Takes out the rubbish, as far as the runtime lets us. */
async function settle(): Promise<void> {
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

/** Bytes that are in use once the rubbish is out. */
async function used(): Promise<number> {
  await settle();
  const { heapUsed, external } = process.memoryUsage();
  // Bun counts what lies outside of its heap as part of it.
  return runtime === "bun" ? heapUsed : heapUsed + external;
}

const mebibytes = (bytes: number): number => Math.round(bytes / MIB);

/** Watches how far the memory of the process grows. */
function watch(): () => number {
  const before = resident();
  let most = before;
  const timer = setInterval(() => most = Math.max(most, resident()), 5);
  return () => {
    clearInterval(timer);
    return Math.max(most, resident()) - before;
  };
}

/** What one of many costs, in KiB: of the process, and of what is in use. */
async function each(count: number, make: () => Promise<unknown>) {
  const kept: unknown[] = [];
  const some = async (count: number) => {
    for (let left = count; left > 0; left--) kept.push(await make());
    return { live: await used(), rss: resident() };
  };
  // The first ones pay for what all share.
  await some(200);
  const before = await some(1);
  const after = await some(count);
  assert(kept.length > count);
  const share = (bytes: number) => Math.round(bytes / count / 102.4) / 10;
  return {
    live: share(after.live - before.live),
    rss: share(after.rss - before.rss),
  };
}

/** The result of {@linkcode each}. */
interface Share {
  readonly live: number;
  readonly rss: number;
}

const ROLES: Record<string, (address: string) => Promise<unknown>> = {
  "sets to a server that does not read": async (address) => {
    const client = new Client(address, { timeout: 700 });
    await warm(client);
    const count = { stored: 0, refused: 0, late: 0 };
    const told = ({ error }: Outcome) => {
      // A server that stops to read may have read some more.
      if (error === undefined) count.stored++;
      if (error instanceof MemcacheOverloadError) count.refused++;
      if (error instanceof MemcacheTimeoutError) count.late++;
    };
    // The caller's values are there before: what grows is the client's.
    const values = Array.from(
      { length: 100 },
      (_, i) => new Uint8Array(MIB).fill(i),
    );
    await settle();
    const grown = watch();
    const calls = values.map((value, i) => outcome(client.set(`k${i}`, value)));
    for (const end of await Promise.all(calls)) told(end);
    const rss = mebibytes(grown());
    // And now the caller forgets them: what stays is the client's.
    values.length = 0;
    await client.disconnect();
    await warm(client);
    const before = await used();
    const more = Array.from(
      { length: 100 },
      (_, i) => outcome(client.set(`k${i}`, new Uint8Array(MIB).fill(i))),
    );
    const held = mebibytes(await used() - before);
    for (const end of await Promise.all(more)) told(end);
    await client.close();
    return { ...count, rss, held, kept: mebibytes(await used() - before) };
  },
  "stores without reply to a server that does not read": async (address) => {
    const unknown = { told: 0, keys: 0 };
    const client = new Client(address, {
      timeout: 1500,
      maxPending: 30_000,
      onError: ({ failedKeys }) => {
        if (failedKeys === undefined) return;
        unknown.told++;
        unknown.keys += failedKeys.length;
      },
    });
    await warm(client);
    const count = { stored: 0, refused: 0, late: 0, others: 0 };
    const before = await used();
    const grown = watch();
    let left = 100_000;
    let resolve: (() => void) | undefined;
    const settled = new Promise<void>((done) => void (resolve = done));
    const end = () => {
      if (--left === 0) resolve?.();
    };
    const stored = () => (count.stored++, end());
    const failed = (error: unknown) => {
      if (error instanceof MemcacheOverloadError) count.refused++;
      else if (error instanceof MemcacheTimeoutError) count.late++;
      else count.others++;
      end();
    };
    for (let at = 0; at < 100_000; at += 10_000) {
      for (let i = 0; i < 10_000; i++) {
        client.set("key", "value", { noreply: true }).then(stored, failed);
      }
      await pause(0);
    }
    const held = mebibytes(await used() - before);
    await settled;
    const rss = mebibytes(grown());
    const kept = mebibytes(await used() - before);
    await client.close();
    return { ...count, ...unknown, rss, held, kept };
  },
  "calls to a silent server": async (address) => {
    const client = new Client(address, { timeout: 1500 });
    await warm(client);
    const before = await used();
    const grown = watch();
    let late = 0;
    let others = 0;
    let slowest = 0;
    const start = performance.now();
    const settled = new Promise<void>((resolve) => {
      const told = (error: unknown) => {
        if (error instanceof MemcacheTimeoutError) late++;
        else others++;
        slowest = performance.now() - start;
        if (late + others === 100_000) resolve();
      };
      for (let i = 0; i < 100_000; i++) client.get("mute").then(told, told);
    });
    const held = mebibytes(await used() - before);
    await settled;
    const rss = mebibytes(grown());
    // The connection still owes its replies, and nobody waits for them.
    const kept = mebibytes(await used() - before);
    await client.close();
    return { late, others, slowest: Math.round(slowest), rss, held, kept };
  },
  "idle connections of the runtime": async (address) => {
    const to = parseServer(address);
    const { signal } = new AbortController();
    return await each(1000, async () => {
      const conn: Conn = await dial(to, {
        signal,
        noDelay: true,
        keepAlive: false,
      });
      await new Promise<void>((resolve) => {
        conn.start({
          data: () => resolve(),
          drain: () => {},
          end: () => {},
          target: () => undefined,
        });
        conn.ref();
        conn.write(new TextEncoder().encode("get a\r\n"));
      });
      conn.unref();
      return conn;
    });
  },
  "idle clients": async (address) => {
    return await each(1000, async () => {
      const client = new Client(address, {
        timeout: 5000,
        connectTimeout: 5000,
      });
      await client.get("a");
      return client;
    });
  },
};

const flags = { deno: ["--v8-flags=--expose-gc"], node: ["--expose-gc"] };

/** Told of stores without reply. */
interface Unknown {
  /** Errors that say of keys that nothing is known of them. */
  readonly told: number;
  /** The keys in them. */
  readonly keys: number;
}

/** Measures in a role; a `deaf` server answers one command, and reads no more. */
async function measure<T>(role: string, deaf: boolean): Promise<T> {
  let result = "";
  await withServer({
    command: (command, peer) => {
      if (deaf && command.name !== "mn") peer.pause();
      return command.line.includes("mute") ? undefined : peer.reply(command);
    },
  }, async ({ address }) => {
    const { output } = await play(import.meta.url, { role, address }, flags);
    result = output;
  });
  return JSON.parse(result) as T;
}

interface Counts {
  readonly stored: number;
  readonly refused: number;
  readonly late: number;
  readonly others: number;
  readonly slowest: number;
  /** MiB by which the process grew, at most. */
  readonly rss: number;
  /** MiB in use while the calls were pending. */
  readonly held: number;
  /** MiB in use after their end. */
  readonly kept: number;
}

function say(what: string, figures: object): void {
  console.log(`${what}: ${JSON.stringify(figures)}`);
}

if (!await played(ROLES)) {
  test(
    "Client holds no more than it must: sets not read, calls not answered, idle",
    async () => {
      const sets = "sets to a server that does not read";
      const quiet = "stores without reply to a server that does not read";
      const calls = "calls to a silent server";
      const [unread, unheard, mute, socket, client] = await Promise.all([
        measure<Counts>(sets, true),
        measure<Counts & Unknown>(quiet, true),
        measure<Counts>(calls, true),
        measure<Share>("idle connections of the runtime", false),
        measure<Share>("idle clients", false),
      ]);
      say(`100 MB of ${sets}, MiB`, unread);
      say(`100,000 ${quiet}, MiB`, unheard);
      say(`100,000 ${calls}, MiB`, mute);
      say("an idle connection of the runtime, KiB", socket);
      say("an idle client, KiB", client);

      const { stored, refused, late } = unread;
      assertEquals(stored + refused + late, 200);
      assertLess(stored, 20);
      assertGreater(refused, 120);
      assertLess(unread.rss, 48);
      assertLess(unread.held, 48);
      assertLess(unread.kept, 8);

      // What the server has read before it stopped is known.
      assertGreater(unheard.keys, 0);
      assertLess(unheard.keys, unheard.stored + 1);
      assertLess(unheard.told, 6);
      assertEquals(unheard.others, 0);
      assertEquals(
        unheard.stored + unheard.refused + unheard.late,
        100_000,
      );
      assertGreater(unheard.refused + unheard.late, 20_000);
      assertLess(unheard.held, 96);
      assertLess(unheard.kept, 8);

      assertEquals([mute.late, mute.others], [100_000, 0]);
      assertLess(mute.held, 64);
      assertLess(mute.kept, 8);
      assertLess(mute.slowest, 15_000);

      const limit = runtime === "deno" ? 40 : 15;
      assertLess(client.live - socket.live, limit);
      // The system gives memory in large pieces, at times of its own.
      assertLess(client.rss - socket.rss, 2 * limit);
    },
    { timeout: 60_000 },
  );
}
