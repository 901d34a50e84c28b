/**
 * The lasting side of a connection to one server: takes requests at any time,
 * opens a link when there is something to send, spaces the attempts, and keeps
 * the deadlines.
 *
 * States: resting (no link) → connecting → linked → resting …, and closed.
 *
 * @module
 */

import { type MemcacheError, MemcacheUnexpectedCloseError } from "../errors.ts";
import type { Conn } from "../conn/conn.ts";
import { Alarm, now } from "./alarm.ts";
import { Approach, Turn } from "./approach.ts";
import { Attempt } from "./attempt.ts";
import { Backlog } from "./backlog.ts";
import { Expiry } from "./expiry.ts";
import {
  closedEarlyError,
  closedError,
  isClose,
  isReply,
  lateError,
  lossError,
  ownError,
  silentError,
  unreachableError,
} from "./failures.ts";
import type { Lane } from "./lane.ts";
import { Latch } from "./latch.ts";
import { Life } from "./life.ts";
import { Link } from "./link.ts";
import {
  batchBytes,
  type ConnectionOptions,
  placeOf,
  type PoolPlace,
  type Speaks,
} from "./options.ts";
import type { Request } from "./request.ts";
import { CROWD, soon } from "./turns.ts";

/** A pause of at most this many milliseconds is waited for, not failed on. */
const SHORT_PAUSE = 50;

/**
 * A link that was idle for this many milliseconds may have been closed by the
 * server without our knowing; what was sent into that gap is sent again.
 */
const IDLE_RACE = 100;

/** One pipelined connection to one server, opened when it is needed. */
export class Connection implements Lane {
  /** What waits to be sent. */
  readonly unsent: Backlog;
  /** Who waits, and for how long. */
  readonly expiry: Expiry = new Expiry();
  /** What it has in common with the others to its server. */
  readonly approach: Approach;
  readonly #options: ConnectionOptions;
  readonly #name: string;
  readonly #alarm: Alarm = new Alarm(() => this.#expire());
  readonly #place: PoolPlace | undefined;
  readonly #turn: Turn;
  readonly #life: Life;
  readonly #flushSoon = (): void => this.#flush();
  #link: Link | undefined = undefined;
  #attempt: Attempt | undefined = undefined;
  #scheduled = false;
  #held = false;
  #closed = false;
  #drained: Latch | undefined = undefined;
  #speaks: Speaks;
  /** When the attempt began. */
  #dialedAt = 0;

  /**
   * Takes checked options, and its place if it is one of a pool; connects when
   * the first request comes.
   */
  constructor(options: ConnectionOptions, place?: PoolPlace) {
    this.#options = options;
    this.#place = place;
    this.approach = place?.approach ?? new Approach(placeOf(options.address));
    this.unsent = new Backlog(this.approach.unsent);
    this.#life = new Life(options, this.approach);
    this.#turn = new Turn(this.approach, () => {
      if (this.#link === undefined && !this.#closed) this.#connect(now());
    });
    this.#name = options.address.name;
    this.#speaks = options.protocol === "auto" ? "unknown" : options.protocol;
  }

  /** Name of the server. */
  get server(): string {
    return this.#name;
  }

  /** How many requests are waiting or in flight. */
  get pending(): number {
    return this.unsent.length + (this.#link?.pending ?? 0);
  }

  /** Whether a link is open. */
  get connected(): boolean {
    return this.#link !== undefined;
  }

  /** Whether it has been closed for good, or is about to be. */
  get closed(): boolean {
    return this.#closed || this.#drained !== undefined;
  }

  /** The open link, if there is one; for the pool to look at. */
  get link(): Link | undefined {
    return this.#link;
  }

  /** Whether nothing is open, nor on its way to be. */
  get resting(): boolean {
    return this.#link === undefined && this.#attempt === undefined &&
      this.unsent.length === 0;
  }

  /** Takes a request. Its outcome is told to the request, never thrown. */
  execute(request: Request): void {
    request.server = this.#name;
    if (request.settled) return;
    request.begin(this.approach.stats);
    if (request.settled || this.#refuse(request)) return;
    if (!request.needsLink && this.resting) {
      request.done(undefined);
      return;
    }
    this.unsent.add(request);
    if (request.timeout !== this.#options.timeout || request.deadline > 0) {
      this.expiry.mixed = true;
    }
    const link = this.#link;
    if (
      link !== undefined && link.lastBatch <= this.unsent.length &&
      link.writable && link.inflight.length === 0 &&
      this.unsent.isAlone(request, this.#scheduled)
    ) {
      this.#flush();
      return;
    }
    this.#schedule();
  }

  /** Lets go of the link; what is pending fails. The next request reopens. */
  disconnect(): void {
    this.#end(() =>
      new MemcacheUnexpectedCloseError(
        `The connection to ${this.#name} was given up by disconnect()`,
      )
    );
    if (this.#drained !== undefined) this.close();
  }

  /** Has its one link say goodbye. */
  leave(say: (lane: Lane) => void): void {
    say(this);
  }

  /** Takes no more, lets what is pending come to its end, and closes. */
  drain(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#drained ??= new Latch();
    this.#rest();
    return this.#drained.promise;
  }

  /** Closes for good. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end(() => closedError());
    this.#drained?.tell();
  }

  /** Whether the request has been refused at the door. */
  #refuse(request: Request): boolean {
    if (this.closed) {
      request.fail(closedError(request));
      return true;
    }
    const { maxPending } = this.#options;
    if (this.unsent.refuses(request, this.pending, maxPending)) return true;
    const { backoff } = this.approach;
    const at = backoff.failures > 0 && this.#link === undefined &&
        this.#attempt === undefined
      ? now()
      : 0;
    if (backoff.readyAt - at > SHORT_PAUSE && at > 0) {
      request.fail(unreachableError(request, backoff, at));
      return true;
    }
    return false;
  }

  /** Sends what is waiting, or sees to it that it can be sent. */
  #flush(): void {
    this.#scheduled = false;
    this.approach.pulse.count++;
    if (this.#closed || this.unsent.length === 0) return;
    const at = now();
    const earliest = this.unsent.stamp(at);
    if (earliest !== Infinity) this.#alarm.set(earliest, at);
    const link = this.#link;
    if (link === undefined) {
      this.unsent.tellWaits(this.approach.stats);
      this.#connect(at);
      this.#holdAlarm();
      return;
    }
    if (!this.#held) this.#hold(link, true);
    const left = link.writable && link.pump(this.unsent.queue, at);
    this.unsent.taken(link.intake.bytes);
    link.intake.bytes = 0;
    if (!link.writable) this.unsent.tellWaits(this.approach.stats);
    this.#relax(link);
    if (left) this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    soon(this.#flushSoon);
  }

  /** Keeps the process alive for those whom no connection keeps it alive for. */
  #holdAlarm(): void {
    const lost = this.#link === undefined && this.unsent.length > 0;
    this.#alarm.hold(lost || this.expiry.limbo.length > 0);
  }

  /** Lets the process end where nothing is owed, nor left to be sent. */
  #relax(link: Link): void {
    if (this.#link !== link || !link.quiet || this.unsent.length > 0) return;
    if (this.#held) this.#hold(link, false);
    if (this.expiry.limbo.length === 0) this.expiry.mixed = false;
    // Who owes nothing holds up nobody, known to be well or not.
    if (!link.verified) this.#turn.leave();
    if (this.#drained !== undefined) this.#rest();
  }

  /** Notes that there may be nothing left to do. */
  #rest(): void {
    const link = this.#link;
    if (
      this.#closed || this.unsent.length > 0 || this.expiry.limbo.length > 0
    ) return;
    if (this.#drained !== undefined) {
      if (link === undefined || link.quiet) this.close();
    } else if (link === undefined && this.#attempt === undefined) {
      this.#place?.rested();
    }
  }

  #hold(link: Link, alive: boolean): void {
    this.#held = alive;
    link.hold(alive);
  }

  #connect(at: number): void {
    const isGoing = this.#attempt !== undefined || this.#turn.waits;
    if (isGoing || this.unsent.length === 0) return;
    if (this.approach.backoff.readyAt - at > SHORT_PAUSE) {
      this.#unreachable(at);
    } else if (this.#turn.take(at)) this.#dial();
  }

  #dial(): void {
    this.#dialedAt = now();
    const attempt: Attempt = new Attempt(
      this.#options,
      (conn) => this.#linked(attempt, conn),
      (cause) => this.#attemptFailed(attempt, cause),
    );
    this.#attempt = attempt;
    this.#life.dialing();
    if (this.#attempt === attempt) attempt.start();
  }

  /** The transport is open: the protocol begins. */
  #linked(attempt: Attempt, conn: Conn): void {
    const link = this.#adopt(conn);
    // A transport may end as soon as it is started.
    if (this.#attempt !== attempt) return;
    link.hold(true);
    if (this.#options.auth === undefined) {
      this.#begin(attempt, link);
      return;
    }
    attempt.signal.addEventListener("abort", () => link.abandon());
    link.authenticate((error) => {
      if (this.#attempt !== attempt) return;
      if (error === undefined) this.#begin(attempt, link);
      else this.#attemptFailed(attempt, error);
    });
  }

  /**
   * Makes a link of an open transport. Here, where nobody knows of the attempt:
   * what the link keeps, it keeps for as long as it lives.
   */
  #adopt(conn: Conn): Link {
    const { protocol } = this.#options;
    const link: Link = new Link(conn, {
      ...this.#options,
      server: this.#name,
      batchBytes: batchBytes(this.#options),
      speaks: this.approach.refusedProbe ? "classic" : this.#speaks,
      insistsOnMeta: protocol === "meta",
      // Nothing is risked on a link that is not known to be let in.
      patient: this.#place?.serves() === true,
      pulse: this.approach.pulse,
      stats: this.approach.stats,
    }, {
      ready: () => {
        if (this.unsent.length < CROWD) this.#flush();
        else this.#schedule();
        this.#relax(link);
      },
      idle: () => this.#relax(link),
      verified: () => {
        this.#life.answered();
        this.#turn.leave();
      },
      lost: (lost, error) => this.#lost(lost, error),
      report: (error) => this.#life.reported(error),
    });
    return link;
  }

  /** The link is ready for requests. */
  #begin(attempt: Attempt, link: Link): void {
    attempt.succeed();
    this.#attempt = undefined;
    this.#link = link;
    this.#held = true;
    this.#life.opened();
    this.#holdAlarm();
    if (this.unsent.length > 0) this.#flush();
    else this.#relax(link);
  }

  /** An attempt to connect has failed: so has everything that waits for it. */
  #attemptFailed(attempt: Attempt, cause: unknown): void {
    if (this.#attempt !== attempt) return;
    this.#attempt = undefined;
    attempt.giveUp(cause);
    this.#life.gaveUp(cause);
    const at = now();
    this.#life.failed(at, cause);
    this.#unreachable(at);
    this.#turn.leave();
    this.#holdAlarm();
    this.#rest();
  }

  /** There is no way to the server: others may have one, else all fails. */
  #unreachable(at: number): void {
    this.#strand();
    const { backoff } = this.approach;
    this.unsent.fail((request) => unreachableError(request, backoff, at));
  }

  /** Hands what waits to another connection of the pool, if one is open. */
  #strand(): void {
    if (this.#place !== undefined) this.unsent.handOver(this.#place.takes);
  }

  /** The link has ended under its requests. */
  #lost(link: Link, error: MemcacheError | undefined): void {
    const refused = !link.verified &&
      (!link.heard || link.greeting.isRefused) &&
      link.greeting.probes;
    const raced = link.verified && !link.heardSinceOwed &&
      link.idleBefore >= IDLE_RACE;
    if (!link.verified) {
      const cause = error ?? closedEarlyError(this.#name);
      if (this.#attempt !== undefined && this.#link !== link) {
        this.#attemptFailed(this.#attempt, cause);
      } else if (refused || link.ambiguous || isReply(error)) {
        this.#life.turnedAway(now(), cause);
      } else this.#life.failed(now(), cause);
      // What others have been answered was not the reason.
      this.approach.refusedProbe = refused && this.#place?.serves() !== true;
    } else if (!link.closing) {
      const isIdle = raced || link.inflight.length === 0;
      const kind = !isClose(error) ? "broken" : isIdle ? "idle" : "closed";
      this.#life.lost(link, kind, error);
    }
    // The server has carried out nothing, and others of the pool may be open.
    const turnedAway = this.#place !== undefined && !link.verified &&
      error?.code === "ERR_TOO_MANY_CONNECTIONS";
    if (this.#link === link) {
      this.#link = undefined;
      this.#life.ended(link.closing, error);
    }
    this.#held = false;
    this.#takeBack(
      link,
      (request) =>
        (raced || refused) && request.idempotent ||
        link.ambiguous && request.readOnly || turnedAway,
      (request) => request.fail(lossError(request, error)),
    );
    if (this.unsent.length > 0) this.#flush();
    this.#rest();
  }

  /** Takes over what was in flight on a link that is gone. */
  #takeBack(
    link: Link,
    repeats: (request: Request) => boolean,
    tell: (request: Request) => void,
  ): void {
    this.unsent.takeBack(link.inflight, repeats, tell);
    // One who was told may have closed the client.
    if (this.#closed) this.unsent.fail((request) => closedError(request));
    if (!link.verified) this.#strand();
    this.#turn.leave();
  }

  /** Tells the callers whose time is up, and gives up on a silent link. */
  #expire(): void {
    const at = now();
    const link = this.#link;
    const expiry = this.expiry;
    let next = expiry.tell(link?.inflight, this.unsent.queue, at);
    this.unsent.skipSettled();
    if (this.#attempt !== undefined && expiry.vainAt === at) {
      const { timeout } = this.#options;
      const isLate = timeout > 0 && at - this.#dialedAt >= timeout;
      if (isLate) this.#life.isLate(at, lateError(this.#name, timeout));
    }
    if (
      link !== undefined && this.#link === link && link.heardAt < expiry.vainAt
    ) {
      const limit = this.#options.timeout || expiry.vainMs;
      if (link.stalled(at, limit)) this.#replace(link, at);
      else next = Math.min(next, (link.silentSince ?? Infinity) + limit);
    }
    this.#holdAlarm();
    if (next !== Infinity) this.#alarm.set(next, at);
    this.#rest();
  }

  /** Replaces a link that owes replies and is silent. */
  #replace(link: Link, at: number): void {
    const silence = silentError(this.#name, this.#options.timeout);
    if (!link.verified) this.#life.failed(at, silence);
    else this.#life.lost(link, "silent", silence);
    link.abandon();
    this.#link = undefined;
    this.#life.ended(false, silence);
    this.#held = false;
    const isDue = ({ deadline }: Request) => deadline > 0 && deadline <= at;
    this.#takeBack(
      link,
      (request) => request.readOnly && !isDue(request),
      (request) => {
        if (request.deadline > 0 && !this.#closed) {
          this.expiry.limbo.push(request);
        } else request.fail(lossError(request, silence));
      },
    );
    link.forsake(silence);
    if (this.unsent.length > 0) this.#connect(at);
  }

  #end(makeError: () => MemcacheError): void {
    this.#alarm.clear();
    this.#turn.leave();
    const attempt = this.#attempt;
    this.#attempt = undefined;
    const error = makeError();
    attempt?.giveUp(error);
    this.#life.gaveUp(error);
    const link = this.#link;
    this.#link = undefined;
    this.#held = false;
    link?.abandon();
    if (link !== undefined) this.#life.ended(true);
    const fail = (request: Request) => ownError(error, request);
    for (const queue of [link?.inflight, this.expiry.limbo]) {
      while (queue !== undefined && queue.length > 0) {
        const request = queue.shift();
        request?.fail(fail(request));
      }
    }
    this.unsent.fail(fail);
    link?.forsake(error);
  }
}
