/**
 * The servers of a managed cluster: AWS ElastiCache, GCP Memorystore.
 *
 * @module
 */

import { Client } from "../client/client.ts";
import type { ClientOptions } from "../client/options.ts";
import { parseServer, type ServerSpec } from "../conn/address.ts";
import { MemcacheClientError, MemcacheUnknownError } from "../errors.ts";
import {
  type ClusterConfig,
  readClusterConfig,
  unreadable,
} from "./cluster_config.ts";
import type { Discovery } from "./discovery.ts";
import {
  type LookUp,
  type Pace,
  Polling,
  type PollingOptions,
  readPace,
} from "./polling.ts";

/** Options of an {@linkcode ElastiCacheDiscovery}: also those of its client. */
export interface ElastiCacheOptions extends
  PollingOptions,
  Pick<
    ClientOptions,
    | "connectTimeout"
    | "timeout"
    | "noDelay"
    | "tls"
    | "auth"
    | "protocol"
    | "dial"
  > {}

/** Largest reply in bytes. */
const MAX_REPLY = 256 * 1024;

/** How often an older version has to be seen until it is believed. */
const OLDER_SEEN = 3;

/** The key that engines before 1.4.14 keep the list under. */
const OLD_KEY = "AmazonElastiCache:cluster";

const END = { endToken: "END\r\n" };

/**
 * Finds the servers of a managed cluster by asking its configuration endpoint
 * (`config get cluster`): AWS ElastiCache, GCP Memorystore, and the embedded
 * server with the option `cluster`. Engines before 1.4.14, which keep the list
 * as an item, are known too.
 *
 * - Asks at the first `next()` of an iteration, and then about every `interval`.
 *   A list is given when the cluster's version has changed; an older version
 *   than the last only if it stays, since not all servers learn of a change at
 *   the same time.
 * - Servers are named by their host names, as certificates are; by their
 *   addresses where they have no names.
 * - A look-up that fails, or a reply that cannot be read (of more than 256 KiB
 *   or 1,024 servers, too), goes to `onError`, and the last list stays. It is
 *   tried again sooner than usual, from half a second on.
 * - Each look-up has a connection of its own, so that the endpoint's name is
 *   resolved anew. `tls` and `auth` are those of the endpoint; the servers get
 *   theirs from the client that is given the discovery.
 *
 * @example
 * ```ts
 * import { ElastiCacheDiscovery } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const endpoint = await MemcachedServer.start({
 *   cluster: [{ host: "a.cache.example", ip: "10.0.0.1", port: 11211 }],
 * });
 * const discovery = new ElastiCacheDiscovery(endpoint.address);
 * for await (const servers of discovery) {
 *   console.log(servers); // [{ host: "a.cache.example", port: 11211 }]
 *   break;
 * }
 * await endpoint.close();
 * ```
 */
export class ElastiCacheDiscovery implements Discovery {
  readonly #ask: (signal: AbortSignal) => Promise<ClusterConfig>;
  readonly #pace: Pace;

  /**
   * Asks nothing yet.
   *
   * @param endpoint The configuration endpoint.
   * @param options See {@linkcode ElastiCacheOptions}.
   * @throws {MemcacheIllegalInputError} If one of them cannot be used.
   */
  constructor(endpoint: ServerSpec, options: ElastiCacheOptions = {}) {
    this.#pace = readPace(options, 60_000);
    const { connectTimeout, timeout, noDelay, tls, auth, protocol, dial } =
      options;
    const make = (): Client =>
      new Client(endpoint, {
        ...{ connectTimeout, timeout, noDelay, tls, auth, protocol, dial },
        maxValueSize: MAX_REPLY,
      });
    // Whatever is wrong with the options is said here.
    void make().close();
    const { name } = parseServer(endpoint);
    this.#ask = (signal) => ask(make(), name, signal);
  }

  /** Begins an iteration. */
  [Symbol.asyncIterator](): AsyncIterator<readonly ServerSpec[]> {
    return new Polling(byVersion(this.#ask), this.#pace);
  }
}

/** Asks once, by a client that is closed afterwards. */
async function ask(
  client: Client,
  server: string,
  signal: AbortSignal,
): Promise<ClusterConfig> {
  try {
    const options = { ...END, signal };
    try {
      const reply = await client.rawCommand("config get cluster", options);
      return readClusterConfig(reply, "CONFIG cluster");
    } catch (error) {
      if (!(error instanceof MemcacheClientError)) throw error;
      // Does not know the command.
      const reply = await client.rawCommand(`get ${OLD_KEY}`, options);
      if (reply.length > 0) return readClusterConfig(reply, `VALUE ${OLD_KEY}`);
      throw unreadable("the server is no configuration endpoint", error);
    }
  } catch (error) {
    if (error instanceof MemcacheUnknownError) error.server ??= server;
    throw error;
  } finally {
    await client.close();
  }
}

/** Gives the servers when their version has changed. */
function byVersion(
  ask: (signal: AbortSignal) => Promise<ClusterConfig>,
): LookUp {
  let last: number | undefined;
  let older = -1;
  let seen = 0;
  return async (signal) => {
    const { version, servers } = await ask(signal);
    if (version === last) {
      seen = 0;
      return undefined;
    }
    if (last !== undefined && version < last) {
      seen = version === older ? seen + 1 : 1;
      older = version;
      if (seen < OLDER_SEEN) return undefined;
    }
    last = version;
    seen = 0;
    return Object.freeze(servers.map((server) => Object.freeze(server)));
  };
}
