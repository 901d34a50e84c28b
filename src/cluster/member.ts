/**
 * One server of a cluster: the way to it, and whether it may be used.
 *
 * @module
 */

import type { Way } from "../client/executor.ts";
import type {
  Lane,
  Loss,
  Request,
  ServerAddress,
  Watch,
} from "../client/lanes.ts";
import {
  MemcacheConnectionError,
  MemcacheError,
  MemcacheOverloadError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
} from "../errors.ts";
import type { Announcer } from "./events.ts";
import { failingError } from "./failures.ts";
import { Health, type HealthPolicy } from "./health.ts";

/** Opens the way to a server. */
export type OpenLane = (address: ServerAddress, watch: Watch) => Lane;

/** What the servers of one cluster have in common. */
export interface Household {
  /** What to do about failures. */
  readonly policy: HealthPolicy;
  /** The clock of the deadlines. */
  readonly now: () => number;
  /** Opens the way to a server. */
  readonly open: OpenLane;
  /** Makes a request that any server answers, and that changes nothing. */
  readonly probe: () => Request;
  /** Tells what happens. */
  readonly announcer: Announcer;
  /** Is told that a server has to leave the ring. */
  readonly eject: (member: Member) => void;
}

/** One server of a cluster. */
export class Member implements Way, Watch {
  /** Where it is; its weight may change. */
  address: ServerAddress;
  /** How it is. */
  readonly health: Health;
  /** The way to it, whatever its health. */
  readonly lane: Lane;
  readonly #household: Household;
  /** Before this time no attempt to connect begins. */
  #readyAt = 0;
  /** Counts the times that we have let go of its connections ourselves. */
  #lettingsGo = 0;

  /** Opens nothing before the first request. */
  constructor(address: ServerAddress, household: Household) {
    this.address = address;
    this.#household = household;
    this.health = new Health(household.policy);
    this.lane = household.open(address, this);
  }

  /** Its name. */
  get name(): string {
    return this.address.name;
  }

  /** Sends a request, or fails it where the server is failing. */
  execute(request: Request): void {
    if (this.health.isWell) this.lane.execute(request);
    else this.#executeUnwell(request);
  }

  /** Whether it is dead, and its time out of the ring is over. */
  isBackDue(at: number): boolean {
    return this.health.isBackDue(at) && at >= this.#readyAt;
  }

  /** Brings it back from the dead; the next command will try it. */
  comeBack(): void {
    this.health.comeBack();
    this.#household.announcer.tell("serverback", this.name);
  }

  /** Lets go of its connections; the next request reopens one. */
  disconnect(): void {
    this.#lettingsGo++;
    this.lane.disconnect();
  }

  /** See {@linkcode Watch.opened}. */
  opened(): void {
    this.#household.announcer.tell("connectionopened", this.name);
  }

  /** See {@linkcode Watch.answered}. */
  answered(): void {
    const { announcer } = this.#household;
    if (this.health.succeeded()) announcer.tell("serverback", this.name);
  }

  /** See {@linkcode Watch.failed}. */
  failed(cause: unknown, readyAt: number): void {
    this.#readyAt = readyAt;
    this.#fail(cause);
  }

  #fail(cause: unknown): void {
    const { now } = this.#household;
    const error = this.#named(cause);
    this.#changed(this.health.failed(now(), error), error);
  }

  /** See {@linkcode Watch.lost}. */
  lost(loss: Loss): void {
    const { now, announcer } = this.#household;
    const error = loss.error === undefined
      ? new MemcacheUnexpectedCloseError(
        `The connection to ${this.name} was closed`,
        { server: this.name },
      )
      : this.#named(loss.error);
    announcer.tell("connectionlost", this.name, error);
    // Nobody had a command on it, or it has answered, in whatever words.
    if (loss.kind === "idle" || loss.kind === "broken") return;
    this.#changed(this.health.lost(now(), loss, error), error);
  }

  #executeUnwell(request: Request): void {
    const { health } = this;
    const at = this.#household.now();
    if (health.isDue(at) && at >= this.#readyAt) {
      health.try(at);
      this.lane.execute(request);
      // Unless it has come to its end already.
      if (health.isOnTrial) this.#probe();
    } else if (health.admits(at)) {
      this.lane.execute(request);
    } else {
      request.server = this.name;
      request.begin(this.lane.approach.stats);
      request.fail(failingError(request, this, at));
    }
  }

  /**
   * Sends a request of our own behind the first of a trial: whatever becomes
   * of that one, of this one we are told.
   */
  #probe(): void {
    const request = this.#household.probe();
    const lettingsGo = this.#lettingsGo;
    request.callback(() => this.answered(), (error) => {
      if (lettingsGo !== this.#lettingsGo || isOurs(error)) {
        this.health.abandonTrial();
      } else if (isFailure(error)) this.#fail(error);
      // Whatever else it says, it has answered.
      else this.answered();
    });
    this.lane.execute(request);
  }

  #changed(isChanged: boolean, error: MemcacheError): void {
    if (!isChanged) return;
    const { announcer, eject } = this.#household;
    if (this.health.state === "dead") {
      eject(this);
      announcer.tell("serverdead", this.name, error);
    } else announcer.tell("serverfailing", this.name, error);
  }

  /** An error that names the server. */
  #named(cause: unknown): MemcacheError {
    if (cause instanceof MemcacheError) return cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new MemcacheConnectionError(
      `Cannot connect to ${this.name}: ${why}`,
      { server: this.name, cause },
    );
  }
}

/** Whether an error says nothing of the server. */
function isOurs(error: unknown): boolean {
  return error instanceof MemcacheOverloadError ||
    error instanceof MemcacheError && error.code === "ERR_CLIENT_CLOSED";
}

/** Whether an error says that the server could not be reached. */
function isFailure(error: unknown): boolean {
  return error instanceof MemcacheConnectionError ||
    error instanceof MemcacheTimeoutError ||
    error instanceof MemcacheUnexpectedCloseError;
}
