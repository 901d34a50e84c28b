/**
 * Hits read by `get` and by `getOrSet`.
 *
 * @module
 */
import { Client } from "../src/client/client.ts";

/** Calls in flight. */
export const FLIGHT = 64;

/** One way to read hits. */
export interface CacheSide {
  /** What it is. */
  readonly name: string;
  /** Reads so many, {@linkcode FLIGHT} at a time. */
  readonly run: (count: number) => Promise<void>;
}

type Read = (client: Client, key: string) => Promise<unknown>;

function load(): never {
  throw new Error("This was to be a hit");
}

const READS: Readonly<Record<string, Read>> = {
  "get": (client, key) => client.get(key),
  "getOrSet, no options": (client, key) => client.getOrSet(key, load),
  "getOrSet, ttl": (client, key) => client.getOrSet(key, load, { ttl: 60 }),
  "getOrSet, ttl, refreshAhead, staleFor": (client, key) =>
    client.getOrSet(key, load, { ttl: 60, refreshAhead: 10, staleFor: 30 }),
};

/** Stores what is read, and opens a client for each way. */
export async function openCacheSides(server: string): Promise<CacheSide[]> {
  const keys = Array.from({ length: FLIGHT }, (_, i) => `cache:key:${i}`);
  const sides: CacheSide[] = [];
  for (const [name, read] of Object.entries(READS)) {
    const client = new Client(server);
    for (const key of keys) await client.set(key, "v".repeat(100));
    sides.push({
      name,
      run: async (count) => {
        for (let done = 0; done < count; done += FLIGHT) {
          await Promise.all(keys.map((key) => read(client, key)));
        }
      },
    });
  }
  return sides;
}
