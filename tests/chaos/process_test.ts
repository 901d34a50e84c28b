/**
 * What is left in a process after faults: this file is also the program that
 * the test runs.
 */
import { assertEquals, assertLess } from "@std/assert";
import type { KeyCommands } from "@x/memcache";
import { needsMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { play, played } from "../connection/_child.ts";
import { KINDS } from "./_kinds.ts";
import { Ledger } from "./_ledger.ts";
import { type Site, withSites } from "./_sites.ts";

/** How calls end while nothing answers. */
async function failures(client: KeyCommands): Promise<number> {
  const calls = Array.from(
    { length: 40 },
    (_, i) => client.get(`k${i}`, { timeout: 200 }),
  );
  const ends = await Promise.allSettled(calls);
  return ends.filter(({ status }) => status === "rejected").length;
}

/** Calls until all succeed again. */
async function healed(client: KeyCommands): Promise<true> {
  while (await failures(client) > 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** Does everything but close the client, and ends while a server is down. */
async function endure(name: string): Promise<unknown> {
  const kind = KINDS[name];
  const ledger = new Ledger(kind.servers);
  // Not with withSites: nobody closes anything at the end.
  return await new Promise((resolve, reject) => {
    withSites(kind, ledger, false, async (sites) => {
      resolve(await storm(sites, kind.make));
      await new Promise(() => {});
    }).catch(reject);
  });
}

async function storm(
  sites: readonly Site[],
  make: typeof KINDS[string]["make"],
): Promise<unknown> {
  const servers = sites.map((site) => site.address);
  const client = make(servers, {
    ...sites[0].options,
    timeout: 300,
    connectTimeout: 300,
  });
  const told = [await healed(client)];
  for (const site of sites) await site.pause();
  told.push(await failures(client) > 0 as true);
  for (const site of sites) site.resume();
  told.push(await healed(client));
  for (const site of sites) await site.kill();
  told.push(await failures(client) > 0 as true);
  for (const site of sites) await site.restart();
  told.push(await healed(client));
  // One is down and one is silent when the program has nothing else to do.
  await sites[0].kill();
  await sites[sites.length - 1].pause();
  await failures(client);
  return told;
}

const roles = Object.fromEntries(
  Object.keys(KINDS).map((name) => [name, () => endure(name)]),
);

if (!await played(roles)) {
  for (const name of Object.keys(KINDS)) {
    test(
      `${name} lets a process end by itself, whatever befell its servers`,
      async () => {
        const { output, ms } = await play(import.meta.url, {
          role: name,
          address: "",
        });
        assertEquals(output, JSON.stringify(Array(5).fill(true)));
        assertLess(ms, 20_000);
      },
      { ...needsMemcached, timeout: 30_000 },
    );
  }
}
