/**
 * pymemcache's classes as ours.
 *
 * @module
 */
import {
  Client,
  type ClientOptions,
  HashClient,
  PooledClient,
} from "@x/memcache";
import type { Case } from "./_cases.ts";

/** A client of a case. */
export type AnyClient = Client | PooledClient | HashClient;

/** The classes of the recordings that have a counterpart. */
export const CLIENTS: readonly string[] = [
  "Client",
  "PooledClient",
  "HashClient",
  "HashClientSingle",
];

/** The names of the servers of a HashClient, as recorded. */
export function serversOf({ options }: Case): readonly string[] {
  const { servers } = options as { servers?: readonly string[] };
  return servers ?? [];
}

/**
 * Makes the client of a case.
 *
 * @param address Where the server is. A HashClient has the names that were
 * recorded, which place the keys: its `dial` has to lead to the server.
 */
export function makeClient(
  recorded: Case,
  address: string,
  options: ClientOptions,
): AnyClient {
  switch (recorded.client) {
    case "PooledClient":
      return new PooledClient(address, options);
    case "HashClient":
      return new HashClient(serversOf(recorded), options);
    case "HashClientSingle":
      return new HashClient([address], options);
    default:
      return new Client(address, options);
  }
}
