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
import { Attempt } from "./attempt.ts";
import { Backoff } from "./backoff.ts";
import { Deque } from "./deque.ts";
import { Expiry } from "./expiry.ts";
import {
  closedEarlyError,
  closedError,
  isClose,
  lateError,
  lossError,
  overloadError,
  silentError,
  unreachableError,
} from "./failures.ts";
import { Link } from "./link.ts";
import { batchBytes, type ConnectionOptions, type Speaks } from "./options.ts";
import type { Request } from "./request.ts";
import type { Loss } from "./watch.ts";

/** Bytes of values that may wait on one connection before more are refused. */
export const MAX_UNSENT_BYTES: number = 32 * 1024 * 1024;

/** A pause of at most this many milliseconds is waited for, not failed on. */
const SHORT_PAUSE = 50;

/**
 * A link that was idle for this many milliseconds may have been closed by the
 * server without our knowing; what was sent into that gap is sent again.
 */
const IDLE_RACE = 100;

/** One pipelined connection to one server, opened when it is needed. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #name: string;
  readonly #unsent: Deque<Request> = new Deque();
  readonly #expiry: Expiry = new Expiry();
  readonly #alarm: Alarm = new Alarm(() => this.#expire());
  readonly #backoff: Backoff = new Backoff();
  readonly #flushSoon = (): void => this.#flush();
  #link: Link | undefined = undefined;
  #attempt: Attempt | undefined = undefined;
  #pause: ReturnType<typeof setTimeout> | undefined = undefined;
  #scheduled = false;
  #held = false;
  #fresh = 0;
  #unsentBytes = 0;
  #closed = false;
  #speaks: Speaks;
  #refusedProbe = false;
  /** When the link was opened, and when the attempt began. */
  #openedAt = 0;
  #dialedAt = 0;

  /** Takes checked options; connects when the first request comes. */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#name = options.address.name;
    this.#speaks = options.protocol === "auto" ? "unknown" : options.protocol;
  }

  /** Name of the server. */
  get server(): string {
    return this.#name;
  }

  /** How many requests are waiting or in flight. */
  get pending(): number {
    return this.#unsent.length + (this.#link?.inflight.length ?? 0);
  }

  /** Whether a link is open. */
  get connected(): boolean {
    return this.#link !== undefined;
  }

  /** Whether it has been closed for good. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether nothing is open, nor on its way to be. */
  get #resting(): boolean {
    return this.#link === undefined && this.#attempt === undefined &&
      this.#unsent.length === 0;
  }

  /** Takes a request. Its outcome is told to the request, never thrown. */
  execute(request: Request): void {
    request.server = this.#name;
    if (request.settled) return;
    if (this.#refuse(request)) return;
    if (!request.needsLink && this.#resting) {
      request.done(undefined);
      return;
    }
    this.#unsent.push(request);
    this.#fresh++;
    this.#unsentBytes += request.weight;
    if (request.timeout !== this.#options.timeout || request.deadline > 0) {
      this.#expiry.mixed = true;
    }
    const link = this.#link;
    if (
      link !== undefined && link.lastBatch < 2 && link.writable &&
      link.inflight.length === 0 && this.#unsent.length === 1 &&
      !this.#scheduled
    ) {
      this.#flush();
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flushSoon);
  }

  /** Lets go of the link; what is pending fails. The next request reopens. */
  disconnect(): void {
    this.#end(() =>
      new MemcacheUnexpectedCloseError(
        `The connection to ${this.#name} was given up by disconnect()`,
      )
    );
  }

  /** Closes for good. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end(() => closedError());
  }

  /** Whether the request has been refused at the door. */
  #refuse(request: Request): boolean {
    if (this.#closed) {
      request.fail(closedError(request));
      return true;
    }
    const { maxPending } = this.#options;
    if (this.pending >= maxPending) {
      request.fail(
        overloadError(
          request,
          `${this.pending} commands wait already, at most ${maxPending} may (maxPending)`,
        ),
      );
      return true;
    }
    const { weight } = request;
    if (
      weight > 0 && this.#unsentBytes > 0 &&
      this.#unsentBytes + weight > MAX_UNSENT_BYTES
    ) {
      request.fail(
        overloadError(
          request,
          `${this.#unsentBytes} bytes of values wait already, at most ${MAX_UNSENT_BYTES} may`,
        ),
      );
      return true;
    }
    const at = this.#backoff.failures > 0 && this.#link === undefined &&
        this.#attempt === undefined
      ? now()
      : 0;
    if (this.#backoff.readyAt - at > SHORT_PAUSE && at > 0) {
      request.fail(unreachableError(request, this.#backoff, at));
      return true;
    }
    return false;
  }

  /** Sends what is waiting, or sees to it that it can be sent. */
  #flush(): void {
    this.#scheduled = false;
    if (this.#closed || this.#unsent.length === 0) return;
    const at = now();
    this.#stamp(at);
    const link = this.#link;
    if (link === undefined) {
      this.#connect(at);
      this.#holdAlarm();
      return;
    }
    if (!this.#held) this.#hold(link, true);
    if (!link.writable) return;
    const left = link.pump(this.#unsent, at);
    this.#unsentBytes -= link.takenBytes;
    link.takenBytes = 0;
    this.#relax(link);
    if (left && !this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#flushSoon);
    }
  }

  /** Sets the deadlines of the requests that came since the last turn. */
  #stamp(at: number): void {
    const count = this.#unsent.length;
    let earliest = Infinity;
    for (let i = Math.max(0, count - this.#fresh); i < count; i++) {
      const request = this.#unsent.at(i);
      if (request.deadline === 0 && request.timeout > 0) {
        request.deadline = Math.ceil(at + request.timeout);
      }
      if (request.deadline > 0 && request.deadline < earliest) {
        earliest = request.deadline;
      }
    }
    this.#fresh = 0;
    if (earliest !== Infinity) this.#alarm.set(earliest, at);
  }

  /** Keeps the process alive for those whom no connection keeps it alive for. */
  #holdAlarm(): void {
    const lost = this.#link === undefined && this.#unsent.length > 0;
    this.#alarm.hold(lost || this.#expiry.limbo.length > 0);
  }

  /** Lets the process end where nothing is owed, nor left to be sent. */
  #relax(link: Link): void {
    if (this.#link !== link || !link.quiet || this.#unsent.length > 0) return;
    if (this.#held) this.#hold(link, false);
    if (this.#expiry.limbo.length === 0) this.#expiry.mixed = false;
  }

  #hold(link: Link, alive: boolean): void {
    this.#held = alive;
    link.hold(alive);
  }

  #connect(at: number): void {
    if (this.#attempt !== undefined || this.#pause !== undefined) return;
    const wait = this.#backoff.readyAt - at;
    if (wait > SHORT_PAUSE) {
      this.#failUnsent((request) =>
        unreachableError(request, this.#backoff, at)
      );
      return;
    }
    if (wait > 0) {
      this.#pause = setTimeout(() => {
        this.#pause = undefined;
        if (this.#unsent.length > 0) this.#dial();
      }, Math.ceil(wait));
      return;
    }
    this.#dial();
  }

  #dial(): void {
    this.#dialedAt = now();
    const attempt: Attempt = new Attempt(
      this.#options,
      (conn) => this.#linked(attempt, conn),
      (cause) => this.#attemptFailed(attempt, cause),
    );
    this.#attempt = attempt;
    attempt.start();
  }

  /** The transport is open: the protocol begins. */
  #linked(attempt: Attempt, conn: Conn): void {
    const link = this.#adopt(conn);
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
    const { auth, maxValueSize, protocol, join, report } = this.#options;
    const link: Link = new Link(conn, {
      server: this.#name,
      maxValueSize,
      batchBytes: batchBytes(this.#options),
      auth,
      speaks: this.#refusedProbe ? "classic" : this.#speaks,
      insistsOnMeta: protocol === "meta",
      join,
    }, {
      ready: () => {
        this.#flush();
        this.#relax(link);
      },
      idle: () => this.#relax(link),
      verified: () => {
        this.#backoff.succeeded();
        this.#options.watch?.answered();
      },
      lost: (lost, error) => this.#lost(lost, error),
      report,
    });
    return link;
  }

  /** The link is ready for requests. */
  #begin(attempt: Attempt, link: Link): void {
    attempt.succeed();
    this.#attempt = undefined;
    this.#link = link;
    this.#openedAt = now();
    this.#options.watch?.opened();
    this.#held = true;
    this.#holdAlarm();
    if (this.#unsent.length > 0) this.#flush();
    else this.#hold(link, false);
  }

  /** An attempt to connect has failed: so has everything that waits for it. */
  #attemptFailed(attempt: Attempt, cause: unknown): void {
    if (this.#attempt !== attempt) return;
    this.#attempt = undefined;
    attempt.giveUp(cause);
    const at = now();
    this.#failed(at, cause);
    this.#failUnsent((request) => unreachableError(request, this.#backoff, at));
    this.#holdAlarm();
  }

  #failUnsent(makeError: (request: Request) => unknown): void {
    // Callbacks may queue more: those are not part of this failure.
    for (let count = this.#unsent.length; count > 0; count--) {
      const request = this.#unsent.shift();
      if (request === undefined) continue;
      this.#unsentBytes -= request.weight;
      if (!request.settled) request.fail(makeError(request));
    }
  }

  /** The link has ended under its requests. */
  #lost(link: Link, error: MemcacheError | undefined): void {
    const refused = !link.verified && (!link.heard || link.refusedProbe) &&
      this.#options.protocol === "auto" && !this.#refusedProbe;
    const raced = link.verified && !link.heardSinceOwed &&
      link.idleBefore >= IDLE_RACE;
    if (!link.verified) {
      const cause = error ?? closedEarlyError(this.#name);
      if (this.#attempt !== undefined && this.#link !== link) {
        this.#attemptFailed(this.#attempt, cause);
      } else if (refused) this.#backoff.failed(now(), cause);
      else this.#failed(now(), cause);
      this.#refusedProbe = refused;
    } else if (!link.closing) {
      const kind = isClose(error) ? "closed" : "broken";
      this.#tellLoss(kind, error, link.inflight.length > 0 && !raced);
    }
    if (this.#link === link) this.#link = undefined;
    this.#held = false;
    const again: Request[] = [];
    while (link.inflight.length > 0) {
      const request = link.inflight.shift();
      if (request === undefined || request.settled) continue;
      const repeat = (raced || refused) && request.idempotent ||
        link.ambiguous && request.readOnly;
      if (repeat && request.replays === 0) again.push(request);
      else request.fail(lossError(request, error));
    }
    this.#replay(again);
    if (this.#unsent.length > 0 && !this.#closed) this.#flush();
  }

  /** Puts requests back to the front of the line, in their order. */
  #replay(requests: Request[]): void {
    for (let i = requests.length - 1; i >= 0; i--) {
      const request = requests[i];
      request.replay();
      this.#unsent.unshift(request);
      this.#unsentBytes += request.weight;
    }
  }

  /** Tells the callers whose time is up, and gives up on a silent link. */
  #expire(): void {
    const at = now();
    const link = this.#link;
    const expiry = this.#expiry;
    let next = expiry.tell(link?.inflight, this.#unsent, at);
    while (this.#unsent.peek()?.settled) {
      this.#unsentBytes -= this.#unsent.shift()?.weight ?? 0;
    }
    if (this.#attempt !== undefined && expiry.vainAt === at) {
      const { timeout, watch } = this.#options;
      const isLate = timeout > 0 && at - this.#dialedAt >= timeout;
      if (isLate) watch?.failed(lateError(this.#name, timeout));
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
  }

  /** Replaces a link that owes replies and is silent. */
  #replace(link: Link, at: number): void {
    link.abandon();
    this.#link = undefined;
    this.#held = false;
    const again: Request[] = [];
    while (link.inflight.length > 0) {
      const request = link.inflight.shift();
      if (request === undefined || request.settled) continue;
      const { deadline } = request;
      const due = deadline > 0 && deadline <= at;
      if (request.readOnly && request.replays === 0 && !due) {
        again.push(request);
      } else if (deadline > 0) this.#expiry.limbo.push(request);
      else {
        const { timeout } = this.#options;
        request.fail(lossError(request, silentError(this.#name, timeout)));
      }
    }
    const silence = silentError(this.#name, this.#options.timeout);
    if (!link.verified) this.#failed(at, silence);
    else this.#tellLoss("silent", silence, true);
    this.#replay(again);
    if (this.#unsent.length > 0) this.#connect(at);
  }

  /** Notes that the server could not be reached. */
  #failed(at: number, cause: unknown): void {
    this.#backoff.failed(at, cause);
    this.#options.watch?.failed(cause);
  }

  /** Tells that a link has ended on which the server had answered. */
  #tellLoss(
    kind: Loss["kind"],
    error: MemcacheError | undefined,
    isCostly: boolean,
  ): void {
    const openedAt = this.#openedAt;
    this.#options.watch?.lost({ kind, error, isCostly, openedAt });
  }

  #end(makeError: () => MemcacheError): void {
    this.#alarm.clear();
    if (this.#pause !== undefined) clearTimeout(this.#pause);
    this.#pause = undefined;
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.giveUp(makeError());
    const link = this.#link;
    this.#link = undefined;
    this.#held = false;
    link?.abandon();
    const fail = (request: Request): MemcacheError => {
      const { server, command, key, sent } = request;
      return Object.assign(makeError(), { server, command, key, sent });
    };
    for (const queue of [link?.inflight, this.#expiry.limbo]) {
      while (queue !== undefined && queue.length > 0) {
        const request = queue.shift();
        request?.fail(fail(request));
      }
    }
    this.#failUnsent(fail);
  }
}
