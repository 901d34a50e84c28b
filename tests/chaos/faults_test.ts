/**
 * Real servers are frozen, killed and started again under load: no wrong
 * value, no call past its time, and everything works again soon.
 */
import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import type { KeyCommands } from "@x/memcache";
import { needsMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { random } from "../connection/_random.ts";
import { Calls } from "./_calls.ts";
import { type Kind, KINDS } from "./_kinds.ts";
import { Lateness } from "./_lateness.ts";
import { Ledger } from "./_ledger.ts";
import { Load } from "./_load.ts";
import { recovery } from "./_recovery.ts";
import { descriptors } from "./_resources.ts";
import { type Site, withSites } from "./_sites.ts";

/** Calls that are on their way at the same time. */
const WIDTH = 24;

/** Milliseconds for a call. */
const TIMEOUT = 150;

/** Milliseconds for a call while all is well. */
const PATIENCE = 1000;

/** What befalls a server; `busy` makes so many calls meanwhile. */
type Action = (
  site: Site,
  busy: (calls: number) => Promise<void>,
) => Promise<void>;

/** Every action leaves the server running. */
const ACTIONS: Record<string, Action> = {
  "frozen for a moment": async (site, busy) => {
    await site.pause();
    const load = busy(WIDTH);
    await turns(3);
    site.resume();
    await load;
  },
  "frozen for longer than calls wait": async (site, busy) => {
    await site.pause();
    await busy(3 * WIDTH);
    site.resume();
  },
  "killed and started again": async (site, busy) => {
    const load = busy(10 * WIDTH);
    await site.kill();
    await site.restart();
    await load;
  },
  "killed and down for many calls": async (site, busy) => {
    await site.kill();
    await busy(20 * WIDTH);
    await site.restart();
  },
  "killed while frozen": async (site, busy) => {
    await site.pause();
    await busy(2 * WIDTH);
    await site.kill();
    await busy(2 * WIDTH);
    await site.restart();
  },
  "frozen while it starts": async (site, busy) => {
    await site.kill();
    await site.restart();
    await site.pause();
    await busy(2 * WIDTH);
    site.resume();
  },
};

/** Waits for so many turns of the event loop with I/O between them. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/** Does everything to servers under load; counts descriptors after each round. */
async function storm(kind: Kind, rounds: number): Promise<number[]> {
  const counts: number[] = [];
  const ledger = new Ledger(kind.servers);
  const lateness = new Lateness();
  const calls = new Calls(ledger, lateness);
  await withSites(kind, ledger, false, async (sites) => {
    const servers = sites.map((site) => site.address);
    const clients: KeyCommands[] = Array.from(
      { length: 3 },
      () =>
        kind.make(servers, {
          ...sites[0].options,
          timeout: TIMEOUT,
          connectTimeout: TIMEOUT,
        }),
    );
    const load = new Load({
      clients,
      calls,
      ledger,
      random: random(1),
      serverOf: kind.serverOf?.(servers) ?? (() => 0),
      limitOf: kind.limitOf,
      timeout: TIMEOUT,
      width: WIDTH,
    });
    try {
      await load.run(20 * WIDTH);
      assertGreater(calls.good, 10 * WIDTH, "The load does not load");
      let turn = 0;
      for (let round = 0; round < rounds; round++) {
        for (const [name, action] of Object.entries(ACTIONS)) {
          const site = sites[turn++ % sites.length];
          await action(site, (count) => load.run(count));
          await recovery(clients, performance.now(), lateness);
          // From then on nothing fails any more.
          const failed = new Map(calls.errors);
          const began = performance.now();
          await load.run(8 * WIDTH, PATIENCE);
          const busy = lateness.between(began, performance.now());
          if (busy < PATIENCE / 4) assertEquals(calls.errors, failed, name);
          assertEquals(ledger.wrong, [], name);
        }
        await load.readAll(1000);
        counts.push(descriptors());
      }
      assertEquals(ledger.wrong, []);
      assertEquals(calls.open, 0);
      assertGreater(ledger.judged, calls.good / 4, "The judge sleeps");
    } finally {
      lateness.stop();
      await Promise.all(clients.map((client) => client.close()));
    }
  });
  return counts;
}

test(
  "Client gives no wrong value while real servers freeze and die",
  async () => {
    const counts = await storm(KINDS.client, 2);
    // Connections come and go; there are as many as before.
    assertLessOrEqual(counts[1], counts[0] + 2);
  },
  { ...needsMemcached, timeout: 60_000 },
);

/** What is alike but for its bytes is left to the soak. */
const OTHERS = ["classic", "retrying", "pooled", "hash"];

test(
  "No client gives a wrong value while real servers freeze and die",
  async () => {
    await Promise.all(OTHERS.map((name) => storm(KINDS[name], 1)));
  },
  { ...needsMemcached, timeout: 60_000 },
);
