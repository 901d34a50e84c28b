/**
 * `MemcachedServer`: a memcached in the same process, for tests and demos of
 * programs that use memcached, on Deno, Bun and Node.
 *
 * @example
 * ```ts
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * console.log(`listening at ${server.address}`);
 * await server.close();
 * ```
 *
 * @module
 */

export type { ClusterMember } from "./cluster.ts";
export type {
  ConnectionFault,
  Fault,
  FaultScope,
  OrderedFault,
  ReplyFault,
  RequestMatch,
  ServerRequest,
} from "./faults.ts";
export type { MemcachedServerOptions, ServerTlsOptions } from "./options.ts";
export { MemcachedServer } from "./server.ts";
