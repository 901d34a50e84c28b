/**
 * What connections leave behind: this file is also the program that is
 * measured, so that nobody else's memory and descriptors count.
 */
import { assertEquals, assertLess } from "@std/assert";
import { readdirSync } from "node:fs";
import process from "node:process";
import { Client } from "@x/memcache";
import { runtime, test } from "../_runtime.ts";
import { withServer } from "../_scripted.ts";
import { pause, warm, watched } from "./_calls.ts";
import { play, played } from "./_child.ts";

const RECONNECTS = 10_000;
const CLIENTS = 300;

/** What is left once the work is done. */
interface Left {
  /** Descriptors beyond those before; 0 where the system does not tell. */
  readonly descriptors: number;
  /** MiB in use beyond those before, once the rubbish is out. */
  readonly live: number;
  /** What the runtime has warned of. */
  readonly warnings: readonly string[];
}

function descriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

async function used(): Promise<number> {
  const { gc, Bun } = globalThis as {
    gc?: () => void;
    Bun?: { gc(sync: boolean): void };
  };
  for (let i = 0; i < 4; i++) {
    await pause(10);
    if (Bun !== undefined) Bun.gc(true);
    else gc?.();
  }
  const { heapUsed, external } = process.memoryUsage();
  return runtime === "bun" ? heapUsed : heapUsed + external;
}

/** Does some work before, and then all of it, and tells what that has left. */
async function leftBy(
  work: (count: number) => Promise<void>,
  count: number,
): Promise<Left> {
  const warnings: string[] = [];
  const warned = (...said: unknown[]) => void warnings.push(said.join(" "));
  process.on("warning", warned);
  const { warn, error } = console;
  Object.assign(console, { warn: warned, error: warned });
  const alive = setInterval(() => {}, 1000);
  await work(count / 10);
  // A runtime opens some of its own, a little later, and once.
  await pause(1000);
  const before = { live: await used(), open: descriptors() };
  await work(count);
  for (let i = 0; i < 40 && descriptors() > before.open; i++) await pause(50);
  const live = await used() - before.live;
  clearInterval(alive);
  Object.assign(console, { warn, error });
  return {
    descriptors: descriptors() - before.open,
    live: Math.round(live / 2 ** 20 * 10) / 10,
    warnings,
  };
}

const ROLES: Record<string, (address: string) => Promise<Left>> = {
  reconnects: async (address) => {
    const traffic = watched();
    const client = new Client(address, { timeout: 20_000, dial: traffic.dial });
    const left = await leftBy(async (count) => {
      for (let i = 0; i < count; i++) {
        // Either side may be the one that ends it.
        await client.get(i % 2 === 0 ? "a" : "bye");
        if (i % 2 === 0) await client.disconnect();
        while (traffic.open > 0) await pause(0);
      }
      traffic.attempts.length = traffic.writes.length = 0;
    }, RECONNECTS);
    await client.close();
    return left;
  },
  clients: (address) =>
    leftBy(async (count) => {
      const all = Array.from(
        { length: count },
        () => new Client(address, { timeout: 20_000, connectTimeout: 20_000 }),
      );
      await Promise.all(all.map(warm));
      await Promise.all(all.map((client) => client.close()));
    }, CLIENTS),
};

const flags = { deno: ["--v8-flags=--expose-gc"], node: ["--expose-gc"] };

/** Plays a role; tells how many connections the server has seen, too. */
async function measure(role: string): Promise<Left & { peers: number }> {
  let result = { peers: 0 };
  await withServer({
    command: (command, peer) => {
      if (!command.line.includes("bye")) return peer.reply(command);
      peer.answer(command);
      peer.socket.end();
      return undefined;
    },
  }, async ({ address, peers }) => {
    const task = { role, address };
    const { output } = await play(import.meta.url, task, flags, 100_000);
    result = { ...JSON.parse(output), peers: peers.length };
  });
  // It is what the role has told, and the peers.
  return result as Left & { peers: number };
}

if (!await played(ROLES)) {
  test("Client leaves nothing behind after 10,000 reconnects", async () => {
    const { peers, live, ...left } = await measure("reconnects");
    console.log(`in use after ${RECONNECTS} reconnects: ${live} MiB more`);
    assertEquals(left, { descriptors: 0, warnings: [] });
    assertEquals(peers, RECONNECTS * 1.1);
    assertLess(live, 4);
  }, { timeout: 120_000 });

  test(
    "Client.close() of 300 clients at once leaves nothing behind",
    async () => {
      const { peers, live, ...left } = await measure("clients");
      console.log(`in use after ${CLIENTS} clients: ${live} MiB more`);
      assertEquals(left, { descriptors: 0, warnings: [] });
      assertEquals(peers, CLIENTS * 1.1);
      assertLess(live, 4);
    },
    { timeout: 120_000 },
  );
}
