/**
 * Cases that threads about other clients tell of.
 *
 * @module
 */
import type { ClientOptions } from "@x/memcache";
import type { Script } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { type Pair, warm, withPair } from "./_calls.ts";

/** As memcached answers. */
export const usual: Script = (command, peer) => peer.reply(command);

/** Keys that are told apart by their numbers. */
export function names(count: number, prefix = "k"): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

/** A case on both protocols, with a client that has been connected. */
export function thread(
  name: string,
  fn: (pair: Pair) => Promise<void>,
  options: ClientOptions = {},
): void {
  test(name, async () => {
    for (const protocol of ["auto", "classic"] as const) {
      await withPair({}, { protocol, ...options }, async (pair) => {
        await warm(pair.client);
        await fn(pair);
      });
    }
  });
}
