/**
 * `HashClient`: many servers, each key on one of them.
 *
 * @module
 */

import { routeOf } from "../client/arguments.ts";
import { BaseClient } from "../client/base_client.ts";
import type { Namespace, NoreplyOptions } from "../client/commands.ts";
import { type Context, observe } from "../client/context.ts";
import type { Executor } from "../client/executor.ts";
import { now, openLane, probeRequest } from "../client/lanes.ts";
import { readConnection, readContext, refuse } from "../client/options.ts";
import { makeNamespace } from "../client/namespaces/namespace_client.ts";
import { parseServer, type ServerSpec } from "../conn/address.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { Key } from "../types.ts";
import { ClusterClient } from "./cluster_client.ts";
import { DeletingClient } from "./deleting.ts";
import { Announcer, type ServerEvents } from "./events.ts";
import type { ServerState } from "./health.ts";
import { type HashClientOptions, readHashOptions } from "./options.ts";
import { RingExecutor } from "./ring_executor.ts";
import { Roster } from "./roster.ts";

/** How one of the servers of a {@linkcode HashClient} is. */
export interface ServerStatus {
  /** Its name: `host:port`, or the path of its socket. */
  readonly server: string;
  /** Its share of the keys, relative to that of others. */
  readonly weight: number;
  /** Whether it is used, has failed and is left alone, or is out of the ring. */
  readonly state: ServerState;
  /** Commands that wait for it or are in flight. */
  readonly pending: number;
}

/**
 * A client for any number of servers: each key belongs to one of them, which
 * the hasher chooses, as pymemcache does.
 *
 * A server fails when no connection to it can be made, when it is silent for as
 * long as a command may take, or when it closes connections under commands
 * twice within `retryTimeout`. What it says is no failure, `SERVER_ERROR`
 * included, nor is a slow reply while others arrive, nor an abort. Commands for
 * a failing server fail at once with a {@linkcode MemcacheConnectionError}.
 * After `retryTimeout` it is tried again: it is well as soon as it has
 * answered. After `retryAttempts` of these in vain it leaves the ring, and its
 * keys belong to other servers until `deadTimeout` is over. It comes back with
 * what it held when it left, which may be out of date.
 *
 * Many-key calls go to all servers at once. One that fails costs only its own
 * keys: these are misses with `errorsAsMisses`; else the call rejects with one
 * error, which has `failedKeys`, and for reads the `values` of the others.
 *
 * @example
 * ```ts
 * import { HashClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const servers = await Promise.all([1, 2, 3].map(() => MemcachedServer.start()));
 * const client = new HashClient(servers.map((server) => server.address));
 * await client.setMany({ "user:1": "Ada", "user:2": "Grace" });
 * console.log(await client.getMany(["user:1", "user:2"]));
 * console.log(await client.version()); // Map { "127.0.0.1:…" => "1.6.18", … }
 * await client.close();
 * for (const server of servers) await server.close();
 * ```
 */
export class HashClient extends ClusterClient {
  readonly #context: Context;
  readonly #executor: RingExecutor;
  readonly #announcer: Announcer;
  readonly #roster: Roster | undefined;
  readonly #deleter: DeletingClient | undefined;
  /** Checks a server as far as the options have to fit it. */
  readonly #check: (server: ServerSpec) => ReturnType<typeof parseServer>;

  /**
   * Makes a client; nothing is opened, and no discovery is asked, until the
   * first command.
   *
   * @param servers Where the servers are, or what knows that. Of servers with
   * the same name the last one counts.
   * @param options See {@linkcode HashClientOptions}.
   * @throws {MemcacheIllegalInputError} If one of them cannot be used.
   */
  constructor(
    servers: Iterable<ServerSpec> | Discovery,
    options: HashClientOptions = {},
  ) {
    const context = readContext(options);
    const { hasher, policy, deleteFromAll, pool } = readHashOptions(options);
    const settings = Object.freeze({ ...options });
    const check = (server: ServerSpec) => {
      const address = parseServer(server);
      readConnection(address, settings, context);
      return address;
    };
    const list = isDiscovery(servers) ? [] : listOf(servers).map(check);
    const { maxPending } = readConnection(
      parseServer("localhost"),
      { ...settings, tls: undefined },
      context,
    );
    const announcer = new Announcer();
    const roster = !isDiscovery(servers) ? undefined : new Roster(servers, {
      check,
      listed: (servers) => executor.update(servers),
      failed: (error) => {
        observe(context, error);
        executor.unknown(error);
      },
    });
    const executor: RingExecutor = new RingExecutor({
      hasher,
      policy,
      now,
      announcer,
      open: (address, watch) =>
        openLane(address, settings, context, pool, watch),
      connection: (address) => readConnection(address, settings, context),
      probe: () => probeRequest(context),
      source: roster && { begin: () => roster.begin(), limit: maxPending },
    });
    super(context, executor);
    if (roster === undefined) executor.update(list);
    this.#context = context;
    this.#executor = executor;
    this.#announcer = announcer;
    this.#roster = roster;
    this.#deleter = deleteFromAll
      ? new DeletingClient(context, executor, executor)
      : undefined;
    this.#check = check;
  }

  /** What happens to the servers, as events on an `EventTarget`. */
  get events(): ServerEvents {
    return this.#announcer.events;
  }

  /** The servers and how they are, in the order in which they came. */
  get servers(): readonly ServerStatus[] {
    return this.#executor.members.map(({ name, address, health, lane }) => ({
      server: name,
      weight: address.weight,
      state: health.state,
      pending: lane.pending,
    }));
  }

  /**
   * Adds a server, or gives one that is there its new weight. About the share
   * of the keys that it takes move to it; what it needs to be found again is in
   * no cache yet.
   *
   * @param server Where it is.
   * @returns Whether there was none of that name.
   * @throws {MemcacheIllegalInputError} If it cannot be used.
   * @throws {MemcacheError} If the client has been closed.
   */
  addServer(server: ServerSpec): boolean {
    return this.#executor.add(this.#check(server));
  }

  /**
   * Takes a server out: its keys belong to others from now on. What waits for
   * it or is in flight comes to its end, then its connections are closed.
   *
   * @param server Where it is.
   * @returns Whether there was such a server, once its connections are closed.
   * @throws {MemcacheIllegalInputError} If that is no address.
   */
  async removeServer(server: ServerSpec): Promise<boolean> {
    return await this.#executor.remove(parseServer(server).name);
  }

  /**
   * Lists the servers in the order in which a key would have them: first the
   * one it has now, then the one it would have if that were gone, and so on.
   *
   * @param key The key, as commands take it.
   * @returns The names of the servers, of those in the ring; only the first
   * one where the hasher does not tell more.
   */
  serversFor(key: Key): string[] {
    return this.#executor.order(routeOf(key));
  }

  /** Makes a view of its own keys. See {@linkcode KeyCommands.namespace}. */
  override namespace(prefix: string): Namespace {
    const ring = this.#executor;
    const make = (context: Context, executor: Executor): BaseClient =>
      this.#deleter === undefined
        ? new BaseClient(context, executor)
        : new DeletingClient(context, executor, ring);
    return makeNamespace(
      { context: this.#context, executor: ring, make },
      prefix,
    );
  }

  /** Deletes an item. See {@linkcode KeyCommands.delete}. */
  override delete(key: Key, options?: NoreplyOptions): Promise<boolean> {
    return this.#deleter?.delete(key, options) ?? super.delete(key, options);
  }

  /** Deletes many items. See {@linkcode KeyCommands.deleteMany}. */
  override deleteMany(
    keys: Iterable<Key>,
    options?: NoreplyOptions,
  ): Promise<true> {
    return this.#deleter?.deleteMany(keys, options) ??
      super.deleteMany(keys, options);
  }

  /** Closes for good. See {@linkcode KeyCommands.close}. */
  override close(): Promise<void> {
    this.#roster?.stop();
    return super.close();
  }
}

function isDiscovery(
  servers: Iterable<ServerSpec> | Discovery,
): servers is Discovery {
  return typeof servers === "object" && servers !== null &&
    Symbol.asyncIterator in servers;
}

/** The servers of a list. A text is one server: its letters are none. */
function listOf(servers: Iterable<ServerSpec>): ServerSpec[] {
  if (
    typeof servers === "object" && servers !== null &&
    Symbol.iterator in servers
  ) return [...servers];
  return refuse("servers", servers, "a list of servers, or a discovery");
}
