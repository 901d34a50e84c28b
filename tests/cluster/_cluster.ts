/**
 * A `HashClient` over embedded servers, and what its calls reject with.
 *
 * @module
 */
import { assertInstanceOf } from "@std/assert";
import { HashClient, type HashClientOptions, MemcacheError } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";

/** Runs `fn` with a cluster of embedded servers, and closes all. */
export async function withCluster(
  count: number,
  options: HashClientOptions,
  fn: (client: HashClient, servers: MemcachedServer[]) => Promise<void>,
): Promise<void> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => MemcachedServer.start()),
  );
  const client = new HashClient(servers.map(({ address }) => address), options);
  try {
    await fn(client, servers);
  } finally {
    await client.close();
    for (const server of servers) await server.close();
  }
}

/** What a call rejects with. */
export async function failure(call: Promise<unknown>): Promise<MemcacheError> {
  const error = await call.then(() => undefined, (error) => error);
  assertInstanceOf(error, MemcacheError);
  return error;
}
