/**
 * The servers behind a name: each of its addresses is one.
 *
 * @module
 */

import { parseServer, type ServerSpec } from "../conn/address.ts";
import type { ServerAddress } from "../conn/conn.ts";
import {
  MemcacheConnectionError,
  MemcacheIllegalInputError,
  MemcacheTimeoutError,
} from "../errors.ts";
import type { Discovery } from "./discovery.ts";
import {
  idleTimer,
  type LookUp,
  type Pace,
  Polling,
  type PollingOptions,
  readMilliseconds,
  readPace,
  refuse,
} from "./polling.ts";

/** Options of a {@linkcode DnsDiscovery}. */
export interface DnsOptions extends PollingOptions {
  /**
   * Milliseconds between two look-ups, from 1 to 2^30. Each time is drawn evenly
   * from three to five quarters of it.
   *
   * @default {30_000}
   */
  interval?: number;
  /**
   * Uses addresses of IPv4 or of IPv6 only, 4 or 6. If absent, those of IPv4 if
   * there are any, else those of IPv6: a server with both must not count twice.
   */
  family?: 4 | 6;
  /**
   * Milliseconds for one look-up, from 1 to 2^30.
   *
   * @default {5000}
   */
  timeout?: number;
  /**
   * Looks the addresses of a name up.
   *
   * @default {the system's resolver, by `node:dns`}
   */
  lookup?: (host: string) => Promise<readonly string[]>;
}

type Addresses = (signal: AbortSignal) => Promise<readonly string[]>;
type TcpAddress = Extract<ServerAddress, { transport: "tcp" }>;

/** Most servers behind a name. */
const MAX_SERVERS = 1024;

/**
 * Finds the servers behind a name in the DNS: every address (A, AAAA) is one of
 * them. For headless services of Kubernetes and their like, whose name gives all
 * addresses at once.
 *
 * - Looks up at the first `next()` of an iteration, and then about every
 *   `interval`, 30 seconds by default: the system's resolver, which keeps what
 *   it has learnt for as long as the record says. A list is given when the
 *   addresses have changed.
 * - A look-up that fails, or gives no address, goes to `onError`, and the last
 *   list stays. It is tried again sooner than usual, from half a second on.
 * - With `tls` for the server (`memcacheds://name`, or `{ host, tls }`) the
 *   certificates have to be for its name. Port, `tls`, weight and user of the
 *   server are those of every address.
 *
 * Deno needs the permission for the name and for the addresses.
 *
 * @example
 * ```ts
 * import { DnsDiscovery } from "@x/memcache";
 *
 * const discovery = new DnsDiscovery("memcached.default.svc:11211", {
 *   lookup: async () => ["10.0.0.2", "10.0.0.1"], // leave it out for the real one
 * });
 * for await (const servers of discovery) {
 *   console.log(servers.length); // 2
 *   break;
 * }
 * ```
 */
export class DnsDiscovery implements Discovery {
  readonly #server: TcpAddress;
  readonly #addresses: Addresses;
  readonly #pace: Pace;

  /**
   * Looks nothing up yet.
   *
   * @param server The name, with the port of all servers; default 11211.
   * @param options See {@linkcode DnsOptions}.
   * @throws {MemcacheIllegalInputError} If one of them cannot be used.
   */
  constructor(server: ServerSpec, options: DnsOptions = {}) {
    const address = parseServer(server);
    if (address.transport !== "tcp") {
      throw new MemcacheIllegalInputError(
        "Cannot use server address: a unix domain socket has no name to look up",
        { sent: false },
      );
    }
    this.#server = address;
    this.#pace = readPace(options, 30_000);
    const { family, lookup = lookupBySystem } = options;
    if (family !== undefined && family !== 4 && family !== 6) {
      refuse("family", "4 or 6");
    }
    if (typeof lookup !== "function") refuse("lookup", "a function");
    const timeout = readMilliseconds("timeout", options.timeout, 5000);
    this.#addresses = async (signal) => {
      const limits = { timeout, signal };
      return chosen(await limited(lookup, address, limits), address, family);
    };
  }

  /** Begins an iteration. */
  [Symbol.asyncIterator](): AsyncIterator<readonly ServerSpec[]> {
    return new Polling(byAddress(this.#server, this.#addresses), this.#pace);
  }
}

/** Gives the servers when their addresses have changed. */
function byAddress(
  server: TcpAddress,
  addresses: Addresses,
): LookUp {
  let last = "";
  return async (signal) => {
    const found = await addresses(signal);
    const all = found.join(" ");
    if (all === last) return undefined;
    last = all;
    return Object.freeze(found.map((host) => serverAt(server, host)));
  };
}

/** The server at one address of a name. */
function serverAt(server: TcpAddress, host: string): ServerSpec {
  const { port, weight, tls, auth } = server;
  const secure = tls === true ? {} : tls;
  return Object.freeze({
    ...{ host, port, weight },
    // Certificates are for names.
    ...(typeof secure === "object"
      ? { tls: { ...secure, serverName: secure.serverName ?? server.host } }
      : secure === undefined
      ? {}
      : { tls: secure }),
    ...(auth === undefined ? {} : { auth }),
  });
}

/** Looks up by whatever the system does, its list of hosts included. */
async function lookupBySystem(host: string): Promise<readonly string[]> {
  const { promises } = await import("node:dns");
  const found = await promises.lookup(host, { all: true });
  return found.map(({ address }) => address);
}

/** A look-up that may take its time, and fail in any way. */
function limited(
  lookup: (host: string) => Promise<readonly string[]>,
  { name, host }: TcpAddress,
  { timeout, signal }: { timeout: number; signal: AbortSignal },
): Promise<readonly string[]> {
  const about = { server: name, sent: false };
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      reject(signal.reason);
    };
    const timer = idleTimer(() => {
      const why = `no answer within ${timeout} ms (timeout)`;
      reject(new MemcacheTimeoutError(`Cannot look up ${host}: ${why}`, about));
    }, timeout);
    signal.addEventListener("abort", end);
    // Whatever it throws at once is a failure like any other.
    new Promise<readonly string[]>((found) => found(lookup(host)))
      .then(resolve, (cause) => {
        const why = cause instanceof Error ? cause.message : String(cause);
        reject(
          new MemcacheConnectionError(`Cannot look up ${host}: ${why}`, {
            ...about,
            cause,
          }),
        );
      })
      .finally(end);
  });
}

/** The addresses to use, each once and in order. */
function chosen(
  found: readonly string[],
  { name, host, port }: TcpAddress,
  family: 4 | 6 | undefined,
): readonly string[] {
  const fail = (why: string, cause?: unknown): never => {
    throw new MemcacheConnectionError(`Cannot use ${host}: ${why}`, {
      ...{ server: name, sent: false, cause },
    });
  };
  if (!Array.isArray(found)) fail("the look-up gave no array of addresses");
  const all = new Set<string>();
  for (const address of found) {
    try {
      const given = parseServer({ host: address, port });
      if (given.transport === "tcp") all.add(given.host);
    } catch (error) {
      fail("the look-up gave something that is no address", error);
    }
  }
  const [four, six] = [[], []] as [string[], string[]];
  for (const address of all) (address.includes(":") ? six : four).push(address);
  const used = family === 4 || family === undefined && four.length > 0
    ? four
    : six;
  const kind = family === undefined ? "" : ` of IPv${family}`;
  if (used.length === 0) fail(`it has no address${kind}`);
  if (used.length > MAX_SERVERS) {
    fail(
      `it has ${used.length} addresses, at most ${MAX_SERVERS} are allowed`,
    );
  }
  return used.sort();
}
