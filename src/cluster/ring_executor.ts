/**
 * The executor of a cluster: a key chooses its server, and a server that does
 * not work loses its keys to the others.
 *
 * @module
 */

import type { Executor, Placement, Way } from "../client/executor.ts";
import { FeedServers } from "../client/feed_servers.ts";
import {
  closedError,
  type ConnectionOptions,
  type Lane,
  type Request,
  type ServerAddress,
} from "../client/lanes.ts";
import type { Hasher } from "../ring/hasher.ts";
import { ServerStats } from "../telemetry/server_stats.ts";
import { noServersError } from "./failures.ts";
import { type Household, Member } from "./member.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** What a {@linkcode RingExecutor} is told. */
export interface RingOptions extends Omit<Household, "eject"> {
  /** Maps keys to names of servers. It is the executor's alone. */
  readonly hasher: Hasher;
  /** Where the list of servers comes from, unless it is known. */
  readonly source?: Source | undefined;
  /** Tells how to connect to a server, for feeds. */
  readonly connection?: (address: ServerAddress) => ConnectionOptions;
}

/** Will tell the servers by `update()`, or its failure by `unknown()`. */
export interface Source {
  /** Sees to it that one of the two is called. */
  readonly begin: () => void;
  /** How many commands may wait for that. */
  readonly limit: number;
}

/** Sends each request to the server of its route. */
export class RingExecutor implements Executor {
  /** See {@linkcode Executor.feeds}. */
  readonly feeds: FeedServers;
  /** What is counted of commands that found no server. */
  readonly unrouted: ServerStats = new ServerStats({});
  readonly #hasher: Hasher;
  readonly #household: Household;
  readonly #members: Map<string, Member> = new Map();
  readonly #dead: Set<Member> = new Set();
  readonly #draining: Set<Lane> = new Set();
  /** The one server of a cluster of one: it needs no ring. */
  #only: Member | undefined = undefined;
  #closed = false;
  /** As long as the servers are not known. */
  #awaited: { source: Source; room: WaitingRoom } | undefined = undefined;
  /** Why they are not, as far as that is known. */
  #reason: unknown = undefined;
  /** Where requests go that find no server: to their end. */
  readonly #nowhere: Way = {
    execute: (request) => {
      if (request.settled) return;
      request.begin(this.unrouted);
      const error = this.#closed ? closedError(request) : noServersError(
        request,
        this.members,
        this.#household.now(),
        this.#reason,
      );
      request.fail(error);
    },
  };
  readonly #find = (route: string): Way => this.#wayOf(route);

  /** Starts without servers. */
  constructor(options: RingOptions) {
    this.#hasher = options.hasher;
    this.#household = {
      ...options,
      eject: (member) => this.#eject(member),
    };
    const { source, connection } = options;
    this.feeds = new FeedServers(() =>
      connection === undefined
        ? []
        : this.members.map(({ address }) => connection(address))
    );
    if (source === undefined) return;
    this.#awaited = { source, room: new WaitingRoom(source.limit) };
  }

  /** The servers, in the order in which they came. */
  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** See {@linkcode Executor.closed}. */
  get closed(): boolean {
    return this.#closed;
  }

  /** See {@linkcode Executor.ways}. */
  get ways(): ((route: string) => Way) | undefined {
    return this.#only === undefined ? this.#find : undefined;
  }

  /** See {@linkcode Executor.ready}. */
  get ready(): Promise<void> | undefined {
    const awaited = this.#awaited;
    if (awaited === undefined || this.#closed) return undefined;
    const { opened } = awaited.room;
    awaited.source.begin();
    return opened;
  }

  /** See {@linkcode Executor.execute}. */
  execute(request: Request, route: string): void {
    const only = this.#only;
    if (only !== undefined && only.health.isWell) only.lane.execute(request);
    else if (this.#awaited === undefined || this.#closed) {
      this.#wayOf(route).execute(request);
    } else {
      const { room, source } = this.#awaited;
      request.begin(this.unrouted);
      // A listener may have closed the client.
      if (this.#closed) {
        this.#nowhere.execute(request);
        return;
      }
      room.add(request, route);
      source.begin();
    }
  }

  /**
   * Takes a whole list of servers: those that are new come, others leave. Of
   * those with the same name the last one counts.
   *
   * @throws {MemcacheIllegalInputError} If the hasher refuses one; then all
   * stay that were there, and no other comes.
   */
  update(servers: readonly ServerAddress[]): void {
    if (this.#closed) return;
    const listed = new Map(servers.map((server) => [server.name, server]));
    const added: string[] = [];
    try {
      for (const server of listed.values()) {
        if (this.add(server)) added.push(server.name);
      }
    } catch (error) {
      for (const name of added) this.remove(name);
      throw error;
    }
    for (const name of [...this.#members.keys()]) {
      if (!listed.has(name)) this.remove(name);
    }
    const room = this.#awaited?.room;
    this.#awaited = this.#reason = undefined;
    room?.empty((request, route) => {
      try {
        this.execute(request, route);
      } catch (error) {
        // A hasher of the user's own: nobody else is there to be told.
        request.fail(error);
      }
    });
  }

  /** Is told that no list of servers could be had: who waits need not. */
  unknown(reason: unknown): void {
    if (this.#awaited === undefined) return;
    this.#reason = reason;
    this.#awaited.room.empty((request) => this.#nowhere.execute(request));
  }

  /**
   * Adds a server, or gives one that is there its new weight.
   *
   * @returns Whether there was none of that name.
   * @throws {MemcacheError} If it has been closed: nobody would close the way.
   */
  add(address: ServerAddress): boolean {
    if (this.#closed) throw closedError();
    const { name, weight } = address;
    const known = this.#members.get(name);
    if (known !== undefined) {
      if (known.address.weight === weight) return false;
      this.#hasher.addNode(name, weight);
      if (known.health.state === "dead") this.#hasher.removeNode(name);
      known.address = address;
      return false;
    }
    this.#hasher.addNode(name, weight);
    const member = new Member(address, this.#household);
    this.#members.set(name, member);
    this.#choose();
    return true;
  }

  /**
   * Takes a server out at once; what is in flight on it comes to its end.
   *
   * @returns Settles once its connections are closed: whether there was one.
   */
  async remove(name: string): Promise<boolean> {
    const member = this.#members.get(name);
    if (member === undefined) return false;
    this.#members.delete(name);
    const wasDead = this.#dead.delete(member);
    const { forgetNode } = this.#hasher;
    if (forgetNode !== undefined) forgetNode.call(this.#hasher, name);
    else if (!wasDead) this.#hasher.removeNode(name);
    this.#choose();
    const { lane } = member;
    this.#draining.add(lane);
    await lane.drain();
    this.#draining.delete(lane);
    return true;
  }

  /** The servers in the order in which they would get a key. */
  order(route: string): string[] {
    this.#revive();
    return this.#namesOf(route);
  }

  #namesOf(route: string): string[] {
    const names = this.#hasher.getNodes?.(route);
    if (names !== undefined) return [...names];
    const name = this.#hasher.getNode(route);
    return name === undefined ? [] : [name];
  }

  /** See {@linkcode Executor.locate}. */
  locate(route: string): Placement {
    const chosen = this.#memberOf(route);
    const names = new Set(this.#namesWithDead(route));
    for (const name of this.#members.keys()) names.add(name);
    const candidates = [...names].flatMap((name) =>
      this.#members.get(name) ?? []
    );
    return {
      candidates,
      chosen,
      cause: this.#whyNone(),
      at: this.#household.now(),
    };
  }

  /** The same with the dead servers in the ring for a moment. */
  #namesWithDead(route: string): string[] {
    const raised: string[] = [];
    try {
      for (const { address: { name, weight } } of this.#dead) {
        this.#hasher.addNode(name, weight);
        raised.push(name);
      }
      return this.#namesOf(route);
    } finally {
      for (const name of raised) this.#hasher.removeNode(name);
    }
  }

  /** See {@linkcode Executor.everywhere}. */
  everywhere(): Way[] {
    return this.members.filter(({ health }) => health.state !== "dead");
  }

  /** See {@linkcode Executor.lanes}. */
  lanes(): Lane[] {
    return [...this.members.map(({ lane }) => lane), ...this.#draining];
  }

  /** See {@linkcode Executor.settled}. */
  get settled(): Promise<void> | undefined {
    const room = this.#awaited?.room;
    return room === undefined || room.isEmpty ? undefined : room.opened;
  }

  /** See {@linkcode Executor.disconnect}. */
  disconnect(): Promise<void> {
    for (const member of this.#members.values()) member.disconnect();
    this.feeds.disconnect();
    return Promise.resolve();
  }

  /** See {@linkcode Executor.close}. */
  close(): Promise<void> {
    this.#closed = true;
    for (const { lane } of this.#members.values()) lane.close();
    for (const lane of this.#draining) lane.close();
    this.feeds.close();
    this.#awaited?.room.empty((request) => this.#nowhere.execute(request));
    return Promise.resolve();
  }

  /** Why there are no servers, unless there are, or were never any. */
  #whyNone(): string | undefined {
    if (this.#awaited === undefined || this.#members.size > 0) return undefined;
    const reason = this.#reason;
    return reason === undefined
      ? "the list of servers has not come yet"
      : reason instanceof Error
      ? reason.message
      : String(reason);
  }

  #wayOf(route: string): Way {
    return this.#memberOf(route) ?? this.#nowhere;
  }

  /** The server that has a key now. */
  #memberOf(route: string): Member | undefined {
    if (this.#dead.size > 0) this.#revive();
    const only = this.#only;
    if (only !== undefined) {
      return only.health.state === "dead" ? undefined : only;
    }
    const name = this.#hasher.getNode(route);
    return name === undefined ? undefined : this.#members.get(name);
  }

  /** Brings those back that have been dead for long enough. */
  #revive(): void {
    const at = this.#household.now();
    for (const member of this.#dead) {
      if (!member.isBackDue(at)) continue;
      this.#dead.delete(member);
      const { name, weight } = member.address;
      this.#hasher.addNode(name, weight);
      member.comeBack();
    }
  }

  #eject(member: Member): void {
    if (this.#members.get(member.name) !== member) return;
    this.#dead.add(member);
    this.#hasher.removeNode(member.name);
  }

  #choose(): void {
    const [first, second] = this.#members.values();
    this.#only = second === undefined ? first : undefined;
  }
}
