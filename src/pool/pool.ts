/**
 * Connections to one server: as many as the load needs, up to a limit.
 *
 * @module
 */

import { Alarm, now } from "../connection/alarm.ts";
import { Approach } from "../connection/approach.ts";
import { Connection } from "../connection/connection.ts";
import { closedError } from "../connection/failures.ts";
import type { Lane, PoolCounters } from "../connection/lane.ts";
import { type ConnectionOptions, placeOf } from "../connection/options.ts";
import type { Request } from "../connection/request.ts";
import { QuietKeys } from "./quiet_keys.ts";
import { FULL, Seat, SILENCE, UNOPENED } from "./seat.ts";
import { Stores } from "./stores.ts";

export type { PoolCounters };

/** How large a pool may be, and how long it keeps what it does not need. */
export interface PoolLimits {
  /** Most connections, from 1 on. */
  readonly maxPoolSize: number;
  /** Milliseconds after which an idle connection is closed, 0 for never. */
  readonly poolIdleTimeout: number;
}

/**
 * The connections of a {@linkcode PooledClient} to its server, with their
 * counters. Each is pipelined, as the one of a `Client` is.
 *
 * A command goes to the least busy connection: the one with the fewest commands
 * waiting or in flight, where the bytes that a new command would have to wait
 * for count too (1 KiB to be sent, or 128 bytes missing of a value that is
 * arriving, as one command). Another connection is opened only when every one
 * is full: it comes to 128 by that count, or owes replies and has been silent
 * for 50 ms. So 64 gets in flight need one connection, and a value of 16 KiB or
 * more that is still arriving on it gets out of the others' way.
 *
 * Commands of one key go by the same connection as long as a change of that key
 * is on its way. Commands that ask for no reply share a connection, with what
 * comes after them for the same keys and with many-key reads, until the server
 * has answered behind them; where it does not speak meta, nothing else goes by
 * that connection, since an error of theirs would end it.
 *
 * @example Watching a pool
 * ```ts
 * import { PooledClient } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new PooledClient(server.address, { maxPoolSize: 8 });
 * await client.set("greeting", "hello");
 * const { size, idle, pending, opened } = client.pool.counters;
 * console.log({ size, idle, pending, opened }); // 1, 1, 0 and 1
 * await client.close();
 * await server.close();
 * ```
 */
export class Pool {
  /**
   * What the connections have in common.
   *
   * @internal
   */
  readonly approach: Approach;
  /**
   * Most connections.
   *
   * @internal
   */
  readonly maxSize: number;
  readonly #options: ConnectionOptions;
  readonly #idleTimeout: number;
  /** The load from which on a connection is full. */
  readonly #full: number;
  readonly #alarm: Alarm = new Alarm(() => this.#sweep());
  readonly #lateAlarm: Alarm = new Alarm(() => this.#passOn());
  /** Those that take commands, at least one, which may rest. */
  #seats: Seat[];
  /** Those that only finish what they owe. */
  readonly #leaving: Set<Connection> = new Set();
  #quiet: QuietKeys | undefined = undefined;
  readonly #stores: Stores = new Stores();
  /** The pulse at which the loads were measured. */
  #measuredAt = -1;
  #opened = 0;
  #closed = false;
  #drained: Promise<void> | undefined = undefined;

  /** Takes checked options; a {@linkcode PooledClient} makes its own. */
  constructor(
    options: ConnectionOptions,
    { maxPoolSize, poolIdleTimeout }: PoolLimits,
  ) {
    this.#options = this.#watched(options);
    this.approach = new Approach(placeOf(options.address));
    this.maxSize = maxPoolSize;
    this.#idleTimeout = poolIdleTimeout;
    this.#full = Math.min(FULL, options.maxPending);
    this.#seats = [this.#makeSeat()];
  }

  /** Name of the server. */
  get server(): string {
    return this.#options.address.name;
  }

  /** How many commands wait or are in flight. */
  get pending(): number {
    return this.connections.reduce((sum, { pending }) => sum + pending, 0);
  }

  /** Whether it has been closed for good, or is about to be. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The connections, with those that only finish what they owe.
   *
   * @internal
   */
  get connections(): Connection[] {
    return [
      ...this.#seats.map(({ connection }) => connection),
      ...this.#leaving,
    ];
  }

  /** What it holds now, and what it has done so far. */
  get counters(): PoolCounters {
    const { connections } = this;
    const open = connections.filter(({ connected }) => connected).length;
    const size = connections.filter(({ resting }) => !resting).length;
    const busy = connections.filter(({ pending }) => pending > 0).length;
    const { pending } = this;
    const opened = this.#opened;
    const idle = size - busy;
    return { size, idle, busy, pending, opened, closed: opened - open };
  }

  /**
   * Takes a request. Its outcome is told to the request, never thrown.
   *
   * @internal
   * @param request The request.
   */
  execute(request: Request): void {
    if (this.#closed) {
      request.server = this.server;
      request.begin(this.approach.stats);
      request.fail(closedError(request));
      return;
    }
    const seat = this.#quiet === undefined && this.#stores.empty
      ? this.#choose()
      : this.#pinned(request) ?? this.#choose();
    seat.load++;
    if (request.readOnly) {
      seat.connection.execute(request);
      return;
    }
    if (this.maxSize > 1) this.#note(request, seat);
    seat.connection.execute(request);
    // A value weighs more than the one command that was counted.
    seat.measure();
  }

  /** Lets go of all connections; what is pending fails. */
  disconnect(): void {
    const { connections } = this;
    this.#leaving.clear();
    if (!this.#closed) this.#renew();
    for (const connection of connections) {
      connection.disconnect();
      connection.close();
    }
  }

  /**
   * Has every connection say goodbye, and takes new ones for what comes.
   *
   * @internal
   * @param say Is called for each; it gives it its last command.
   */
  leave(say: (lane: Lane) => void): void {
    const seats = this.#seats;
    if (!this.#closed) this.#renew();
    for (const { connection } of seats) {
      this.#leaving.add(connection);
      say(connection);
      connection.drain().then(() => this.#leaving.delete(connection));
    }
  }

  /**
   * Takes no more, lets what is pending come to its end, and closes.
   *
   * @returns Resolves once every connection is closed.
   */
  drain(): Promise<void> {
    this.#closed = true;
    this.#alarm.clear();
    this.#lateAlarm.clear();
    return this.#drained ??= Promise.all(
      this.connections.map((connection) => connection.drain()),
    ).then(() => {});
  }

  /** Closes for good; what is pending fails. */
  close(): void {
    this.#closed = true;
    this.#alarm.clear();
    this.#lateAlarm.clear();
    for (const connection of this.connections) connection.close();
  }

  /** The connection that a request has to go by, if there is one. */
  #pinned(request: Request): Seat | undefined {
    const quiet = this.#quiet;
    if (quiet?.forget()) this.#quiet = undefined;
    const { key } = request;
    const seat = key === undefined ? undefined : this.#stores.seatOf(key);
    if (seat !== undefined || quiet === undefined) return seat;
    return quiet.holds(request) ? quiet.seat : undefined;
  }

  /** Notes what a request changes, for those that come after it. */
  #note(request: Request, seat: Seat): void {
    if (request.noreply) {
      this.#quiet ??= new QuietKeys(seat);
      this.#quiet.add(request);
    }
    const { key } = request;
    if (key !== undefined) this.#stores.add(key, request, seat);
  }

  /** The least busy connection, which may be a new one. */
  #choose(): Seat {
    if (this.#measuredAt !== this.approach.pulse.count) this.#measure();
    const seats = this.#seats;
    let best = seats[0];
    let least = best.load;
    for (let i = 1; i < seats.length && least > 0; i++) {
      const { load } = seats[i];
      if (load < least) {
        best = seats[i];
        least = load;
      }
    }
    return least < this.#full ? best : this.#chooseAnother(best);
  }

  /** What to do when all are full: the best of them, or a new one. */
  #chooseAnother(best: Seat): Seat {
    if (this.#mayGrow(best)) return this.#grow();
    const { maxPending } = this.#options;
    if (best.connection.pending < maxPending) return best;
    return this.#seats.find(({ connection }) =>
      connection.pending < maxPending
    ) ?? best;
  }

  /** Measures the loads: in this turn they only grow, by what is chosen. */
  #measure(): void {
    this.#measuredAt = this.approach.pulse.count;
    const at = now();
    for (const seat of this.#seats) seat.measure(at);
  }

  /**
   * Whether another connection may be opened. While the server fails it is
   * tried for the sake of those that have no way to it.
   */
  #mayGrow({ connection }: Seat): boolean {
    if (this.#seats.length >= this.maxSize) return false;
    const { backoff } = this.approach;
    return backoff.failures === 0 ||
      connection.connected && this.approach.open(now());
  }

  #grow(): Seat {
    const seat = this.#makeSeat();
    this.#seats.push(seat);
    // A new connection is opened with what it is given.
    seat.load = UNOPENED;
    const at = now();
    this.#lateAlarm.set(at + SILENCE, at);
    return seat;
  }

  #makeSeat(): Seat {
    const seat: Seat = new Seat(
      new Connection(this.#options, {
        approach: this.approach,
        takes: (request) => this.#takes(seat, request),
        serves: () => this.#serves(),
        rested: () => this.#rested(seat),
      }),
    );
    return seat;
  }

  /** Goes on without any of the connections. */
  #renew(): void {
    this.#seats = [this.#makeSeat()];
    this.#quiet = undefined;
    this.#stores.clear();
  }

  /** Passes on what waits for connections that take their time to be opened. */
  #passOn(): void {
    if (!this.#serves()) return;
    for (const seat of this.#seats) {
      const { connected, resting, unsent } = seat.connection;
      if (connected || resting) continue;
      seat.isLate = true;
      unsent.handOver((request) => this.#takes(seat, request));
      if (seat.connection.resting && !seat.isPromised) this.#rested(seat);
    }
    this.#measuredAt = -1;
  }

  /** Sends a request by another connection than the one that cannot be opened. */
  #takes(from: Seat, request: Request): boolean {
    const { maxPending } = this.#options;
    let best: Seat | undefined;
    for (const seat of this.#seats) {
      const { connected, pending } = seat.connection;
      if (seat === from || !connected || pending >= maxPending) continue;
      if (best === undefined || seat.load < best.load) best = seat;
    }
    if (best === undefined) return false;
    best.load++;
    best.connection.execute(request);
    return true;
  }

  /** Whether the server has answered on a connection that is open. */
  #serves(): boolean {
    return this.#seats.some(({ connection }) => connection.link?.verified);
  }

  /** Forgets a connection that rests; the last one may be opened again. */
  #rested(seat: Seat): void {
    if (this.#quiet?.seat === seat) this.#quiet = undefined;
    seat.quiet = false;
    if (this.#seats.length > 1) this.#remove(seat);
  }

  #remove(seat: Seat): void {
    this.#seats = this.#seats.filter((other) => other !== seat);
    seat.connection.close();
  }

  /** Closes what has been idle for too long. */
  #sweep(): void {
    const at = now();
    let next = Infinity;
    for (const seat of this.#seats) {
      const { connection, idleSince } = seat;
      if (!connection.connected) continue;
      const due = (idleSince ?? at) + this.#idleTimeout;
      if (due > at) next = Math.min(next, due);
      else {
        connection.disconnect();
        this.#rested(seat);
      }
    }
    if (next !== Infinity) this.#alarm.set(next, at);
  }

  /** Counts what is opened, for whoever else watches too. */
  #watched(options: ConnectionOptions): ConnectionOptions {
    const { watch } = options;
    return {
      ...options,
      watch: {
        opened: () => {
          this.#opened++;
          const at = now();
          if (this.#idleTimeout > 0 && !this.#closed) {
            this.#alarm.set(at + this.#idleTimeout, at);
          }
          watch?.opened();
        },
        answered: () => watch?.answered(),
        failed: (cause, readyAt) => {
          // A server that serves others, and lets nobody in, is not down.
          if (!this.#serves()) watch?.failed(cause, readyAt);
        },
        lost: (loss) => {
          // Silence on one connection says little where others are heard.
          const since = now() - loss.silence;
          const heard = this.#seats.some(({ connection: { link } }) =>
            link !== undefined && link.heardAt > since
          );
          watch?.lost(heard ? { ...loss, silence: 0 } : loss);
        },
      },
    };
  }
}
