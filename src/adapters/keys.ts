/**
 * What the storage adapters have in common: lifetimes, and listing by prefix.
 *
 * @module
 */

import type { KeyCommands } from "../client/commands.ts";

/** Keys that are deleted in one call. */
const BATCH = 1000;

/**
 * The `ttl` of an item that must be there for some milliseconds at least: an
 * item of `n` seconds goes between `n - 1` and `n` seconds after its store.
 */
export function toSeconds(milliseconds: number | undefined): number {
  if (milliseconds === undefined || milliseconds === Infinity) return 0;
  return milliseconds <= 0 ? -1 : Math.ceil(milliseconds / 1000) + 1;
}

/** The keys that begin with a prefix; binary keys are nobody's here. */
export async function listKeys(
  client: KeyCommands,
  prefix: string,
): Promise<string[]> {
  // Read to the end at once: a listing that waits holds its server up.
  const keys: string[] = [];
  for await (const { key } of client.keys({ prefix })) {
    if (typeof key === "string") keys.push(key);
  }
  return keys;
}

/** Deletes the keys that begin with a prefix. */
export async function deleteAll(
  client: KeyCommands,
  prefix: string,
): Promise<void> {
  const keys = await listKeys(client, prefix);
  for (let i = 0; i < keys.length; i += BATCH) {
    await client.deleteMany(keys.slice(i, i + BATCH));
  }
}
