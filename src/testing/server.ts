/**
 * The embedded server.
 *
 * @module
 */

import type { Socket } from "node:net";
import { MemcacheError } from "../errors.ts";
import { Clock } from "./clock.ts";
import { checkMembers, type Cluster, type ClusterMember } from "./cluster.ts";
import { type ConnectionOwner, ServerConnection } from "./connection.ts";
import type { ServerState } from "./context.ts";
import { Counters } from "./counters.ts";
import {
  type Fault,
  FaultList,
  type OrderedFault,
  type RequestMatch,
  type ServerRequest,
} from "./faults.ts";
import { encodeLatin1, toBytes } from "./latin1.ts";
import { listen, type Listener } from "./listener.ts";
import {
  type CheckedOptions,
  checkOptions,
  initialSettings,
  type MemcachedServerOptions,
} from "./options.ts";
import { RequestLog } from "./request_log.ts";
import { Store } from "./store.ts";
import { Watchers } from "./watchers.ts";

const TOO_MANY = encodeLatin1("ERROR Too many open connections\r\n");

/**
 * A memcached in this process, for tests and demos: it answers byte for byte
 * as memcached 1.6.18 does, or with what another `version` knows, keeps a log
 * of what it was asked, has a clock that can be moved, and fails on order.
 *
 * It speaks the classic and the meta commands over TCP, TLS and unix domain
 * sockets, and neither UDP nor the binary protocol: a connection that begins
 * with it is closed. It differs from memcached where that is at the mercy of
 * threads: an item's last access is exact, a number that gets shorter is always
 * padded, memory is counted by item and not by slab, and the lines of `watch`
 * are in order and come at once.
 *
 * @example
 * ```ts
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * server.fault({ kind: "drop", match: "get", times: 1 });
 * // new Client(server.address) …
 * server.advance(60);
 * console.log(server.requests.map((request) => request.line));
 * await server.close();
 * ```
 */
export class MemcachedServer implements AsyncDisposable {
  readonly #options: CheckedOptions;
  readonly #clock: Clock;
  readonly #log: RequestLog;
  readonly #faults: FaultList;
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<ServerConnection>();
  #state: ServerState;
  #cluster: Cluster | undefined = undefined;
  #clusterVersion = 0;
  #listener: Listener | undefined;
  #port = 0;
  #lastId = 0;
  #closed = false;
  // Starts and stops follow one another, however they are called.
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: MemcachedServerOptions) {
    this.#options = checkOptions(options);
    this.#clock = new Clock(this.#options.now);
    this.#log = new RequestLog(this.#options.maxRequests);
    this.#faults = new FaultList((fault) => {
      for (const connection of this.#connections) connection.heal(fault);
    });
    this.#state = this.#newState();
    this.cluster = this.#options.cluster;
  }

  /**
   * Starts a server and resolves when it listens.
   *
   * @param options what it is like
   * @returns the server
   * @throws {MemcacheIllegalInputError} if an option is out of its range
   * @throws {MemcacheError} if it cannot listen; `cause` says why
   */
  static async start(
    options: MemcachedServerOptions = {},
  ): Promise<MemcachedServer> {
    const server = new MemcachedServer(options);
    await server.resume();
    return server;
  }

  /** The TCP port, 0 for a unix domain socket. */
  get port(): number {
    return this.#port;
  }

  /** The path of the unix domain socket, empty for TCP. */
  get path(): string {
    return this.#options.path ?? "";
  }

  /** The address, as a client takes it: `127.0.0.1:40123`, `unix:/run/m.sock`. */
  get address(): string {
    if (this.path !== "") return `unix:${this.path}`;
    const { hostname } = this.#options;
    const host = hostname === "0.0.0.0"
      ? "127.0.0.1"
      : hostname === "::"
      ? "::1"
      : hostname;
    return `${host.includes(":") ? `[${host}]` : host}:${this.#port}`;
  }

  /** The requests it has seen since the last `clear()`, oldest first. */
  get requests(): readonly ServerRequest[] {
    return this.#log.requests;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Milliseconds since 1970 by the server's clock. It can be set, and goes on
   * from there.
   */
  get now(): number {
    return this.#clock.now;
  }

  set now(ms: number) {
    this.#clock.now = ms;
  }

  /**
   * Moves the clock, so that items end.
   *
   * @param seconds how far; may be a fraction
   */
  advance(seconds: number): void {
    this.#clock.advance(seconds);
  }

  /**
   * The members of the cluster that `config get cluster` tells; `undefined` for
   * a server that does not know the command. Every change counts the version up.
   */
  get cluster(): readonly ClusterMember[] | undefined {
    return this.#cluster?.members;
  }

  set cluster(members: readonly ClusterMember[] | undefined) {
    this.#cluster = members && {
      members: checkMembers(members),
      version: ++this.#clusterVersion,
    };
  }

  /** Forgets the requests it has seen. */
  clear(): void {
    this.#log.clear();
  }

  /**
   * Waits for a request that is yet to come.
   *
   * @param match which one; any if absent
   * @returns the request, when it is carried out
   * @throws {MemcacheError} if the server is closed before it comes
   */
  nextRequest(match?: RequestMatch): Promise<ServerRequest> {
    return this.#log.next(match);
  }

  /**
   * Orders a fault. Of several that fit, the first that was ordered strikes.
   *
   * @param fault what goes wrong, when, and how often
   * @returns the fault, to count its strikes and to take it back
   * @throws {MemcacheIllegalInputError} if a number of it is out of its range
   *
   * @example
   * ```ts
   * import { MemcachedServer } from "@x/memcache/testing";
   *
   * const server = await MemcachedServer.start();
   * server.fault({ kind: "delay", ms: 200, match: "mg" });
   * server.fault({ kind: "cut", bytes: 5, match: (r) => r.line === "get a" });
   * server.fault({ kind: "greet", bytes: "ERROR Too many open connections\r\n", close: true });
   * server.heal();
   * await server.close();
   * ```
   */
  fault(fault: Fault): OrderedFault {
    return this.#faults.add(fault);
  }

  /** Takes all faults back, and lets stalled connections go on. */
  heal(): void {
    this.#faults.heal();
  }

  /**
   * Closes one connection, as a client that dies does.
   *
   * @param connection its number, as in `ServerRequest.connection`
   * @returns whether it was open
   *
   * @example
   * ```ts
   * import { MemcachedServer } from "@x/memcache/testing";
   *
   * const server = await MemcachedServer.start();
   * // … clients ask for one key; the first of them is to die.
   * const first = server.requests.find(({ command }) => command === "mg");
   * if (first !== undefined) server.disconnect(first.connection);
   * await server.close();
   * ```
   */
  disconnect(connection: number): boolean {
    const found = [...this.#connections].find(({ id }) => id === connection);
    found?.destroy();
    return found !== undefined;
  }

  /** Closes all connections, and goes on listening. */
  disconnectAll(): void {
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  /**
   * Stops as a network that fails does: connections end and new ones are
   * refused. The items stay.
   *
   * @returns when the address is free
   */
  stop(): Promise<void> {
    return this.#inTurn(async () => {
      const listener = this.#listener;
      this.#listener = undefined;
      this.disconnectAll();
      await listener?.close();
    });
  }

  /**
   * Listens again, at the same address as before; nothing if it does.
   *
   * @throws {MemcacheError} if it cannot listen, or was closed
   */
  resume(): Promise<void> {
    return this.#inTurn(() => this.#listen());
  }

  /**
   * Stops and starts again at the same address, without items, as a server
   * that has crashed.
   *
   * @throws {MemcacheError} if it cannot listen, or was closed
   */
  async restart(): Promise<void> {
    await this.stop();
    this.#state = this.#newState();
    await this.resume();
  }

  /**
   * Stops for good: ends listening and closes all connections. Closing twice
   * is fine.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#log.close();
    await this.stop();
  }

  /** Closes the server at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(step);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #listen(): Promise<void> {
    if (this.#listener !== undefined) return;
    if (this.#closed) {
      throw new MemcacheError("Cannot start server: it was closed");
    }
    const port = this.#port || this.#options.port;
    try {
      this.#listener = await listen(this.#options, port, {
        accepted: (socket) => this.#track(socket),
        ready: (socket) => this.#connect(socket),
      });
    } catch (cause) {
      const where = this.path ||
        `port ${port} of ${this.#options.hostname}`;
      throw new MemcacheError(`Cannot listen at ${where}`, { cause });
    }
    this.#port = this.#listener.port;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    // Accepted while the listener was being closed.
    if (this.#listener === undefined && this.#closed) socket.destroy();
  }

  #connect(socket: Socket): void {
    const { counters } = this.#state;
    counters.add("total_connections");
    const fault = this.#faults.forConnection();
    if (fault?.kind === "refuse") {
      socket.destroy();
      return;
    }
    const full = this.#connections.size >= this.#options.maxConnections;
    const connection = new ServerConnection(
      ++this.#lastId,
      socket,
      this.#owner(),
      this.#options.idleTimeout,
    );
    if (full) {
      counters.add("rejected_connections");
      return connection.greet(TOO_MANY, true);
    }
    this.#connections.add(connection);
    connection.announce();
    if (fault?.kind === "greet") {
      connection.greet(toBytes(fault.bytes), fault.close ?? false);
    }
  }

  #owner(): ConnectionOwner {
    return {
      state: this.#state,
      request: (request) => {
        this.#log.add(request);
        return this.#faults.forRequest(request);
      },
      closed: (connection) => this.#connections.delete(connection),
    };
  }

  #newState(): ServerState {
    const counters = new Counters();
    const settings = initialSettings(this.#options);
    const watchers = new Watchers(this.#clock, settings.cas);
    return {
      counters,
      settings,
      watchers,
      clock: this.#clock,
      store: new Store(this.#clock, counters, settings, watchers),
      startedAt: this.#clock.seconds,
      cluster: () => this.#cluster,
      listenAddress: () =>
        this.path === ""
          ? `tcp:${this.#options.hostname}:${this.#port}`
          : `unix:${this.path}`,
      connections: () => this.#connections,
      // Not awaited: the connection that asked is one of those that end.
      shutdown: () => void this.stop(),
    };
  }
}
