/**
 * How long it takes until everything works again.
 *
 * @module
 */
import type { KeyCommands } from "@x/memcache";
import type { Lateness } from "./_lateness.ts";

/** Milliseconds after which all keys have to be usable, whatever happened. */
export const RECOVERY = 1500;

/** Milliseconds for each call of a sweep. */
const PATIENCE = 400;

/** Keys of a sweep. */
const SWEPT = 12;

/** When everything worked again, in milliseconds. */
export interface Recovery {
  /** From the end of the fault to the begin of the first sweep that succeeded. */
  readonly ms: number;
  /** What the machine was busy for meanwhile. */
  readonly busy: number;
}

/**
 * Stores and reads a few keys through every client, until all of that succeeds.
 *
 * @param since When the fault was over.
 */
export async function recovery(
  clients: readonly KeyCommands[],
  since: number,
  lateness: Lateness,
): Promise<Recovery> {
  let last: unknown;
  for (;;) {
    const began = performance.now();
    const ms = began - since;
    const busy = lateness.between(since, began);
    if (ms - busy > RECOVERY) {
      throw new Error(`Not all keys are usable after ${Math.round(ms)} ms`, {
        cause: last,
      });
    }
    const results = await Promise.allSettled(clients.map(sweep));
    last = results.find((result) => result.status === "rejected")?.reason;
    if (last === undefined) return { ms, busy };
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function sweep(client: KeyCommands): Promise<void> {
  const options = { timeout: PATIENCE };
  const results = await Promise.allSettled(
    Array.from({ length: SWEPT }, async (_, i) => {
      const key = `swept:${i}`;
      await client.set(key, key, options);
      if (await client.get(key, options) !== key) {
        throw new Error(`${key} is gone`);
      }
    }),
  );
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
  }
}
