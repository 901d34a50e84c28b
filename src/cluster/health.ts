/**
 * What is known of a server's health, and what follows from it. No I/O, no
 * timer: time is looked at when there is something to send.
 *
 * States: up → failing → (tried again) → up, or failing → … → dead → up. A
 * server that has just been brought back, or is tried again, is on trial: for
 * a moment commands pass, then they wait for the outcome outside.
 *
 * @module
 */

import type { Loss } from "../client/lanes.ts";
import type { MemcacheError } from "../errors.ts";

/** How a server is: what follows from that is up to `HashClient`. */
export type ServerState = "up" | "failing" | "dead";

/** How failures are dealt with. Times are in milliseconds. */
export interface HealthPolicy {
  /** How often a failing server is tried again before it is dead. */
  readonly retryAttempts: number;
  /** How long it is left alone before each of these. */
  readonly retryTimeout: number;
  /** How long a dead server stays out of the ring. */
  readonly deadTimeout: number;
  /** Gives 0 to 1: clients that failed together must not return in step. */
  readonly random: () => number;
}

/** By how much the pauses of clients differ, at most. */
const RETRY_SPREAD = 0.2;
const DEAD_SPREAD = 0.1;

/**
 * How long commands are sent to a server on trial. A server that is well has
 * answered by then; for one that hangs, these are the only ones that wait.
 */
const TRIAL_TIME = 100;

/**
 * Milliseconds of silence, with a caller who waited in vain, that are a failure
 * at once. A shorter timeout may have met a moment's delay.
 */
const LONG_SILENCE = 200;

/** The health of one server. */
export class Health {
  /** How it is. */
  state: ServerState = "up";
  /** Whether nothing stands in the way of commands: asked for every one. */
  isWell = true;
  /** How often it was tried again in vain since it began to fail. */
  attempts = 0;
  /** When a failing one is tried again, a dead one brought back. */
  retryAt = 0;
  /** What its last failure was. */
  error: MemcacheError | undefined = undefined;

  readonly #policy: HealthPolicy;
  /** Whether it was brought back, and has not been tried since. */
  #isUntried = false;
  #trialAt: number | undefined = undefined;
  /** How many connections were lost under commands, and nothing served. */
  #losses = 0;
  /** When the last one was. */
  #lossAt = -Infinity;

  /** Takes what to do about failures. */
  constructor(policy: HealthPolicy) {
    this.#policy = policy;
  }

  /** Whether it is being tried, and nothing has come of it yet. */
  get isOnTrial(): boolean {
    return this.#trialAt !== undefined;
  }

  /** Whether the next command may try it. */
  isDue(at: number): boolean {
    if (this.#isUntried) return true;
    return this.state === "failing" && !this.isOnTrial && at >= this.retryAt;
  }

  /** Whether its time out of the ring is over. */
  isBackDue(at: number): boolean {
    return this.state === "dead" && at >= this.retryAt;
  }

  /** Whether a command may be sent now. */
  admits(at: number): boolean {
    return this.isWell ||
      this.#trialAt !== undefined && at - this.#trialAt <= TRIAL_TIME;
  }

  /** Brings a dead server back, which has to prove itself. */
  comeBack(): void {
    this.state = "up";
    this.attempts = 0;
    this.#isUntried = true;
    this.isWell = false;
  }

  /** Begins a trial. */
  try(at: number): void {
    this.#isUntried = false;
    this.#trialAt = at;
    this.isWell = false;
  }

  /** Gives a trial up, with nothing learnt. */
  abandonTrial(): void {
    if (this.isOnTrial && this.state === "up") this.#isUntried = true;
    this.#trialAt = undefined;
  }

  /**
   * Notes that the server has answered.
   *
   * @returns Whether it was failing, and is up now.
   */
  succeeded(): boolean {
    if (this.state === "dead") return false;
    const wasFailing = this.state === "failing";
    this.#trialAt = undefined;
    this.#isUntried = false;
    this.state = "up";
    this.attempts = 0;
    this.error = undefined;
    this.isWell = true;
    this.#losses = 0;
    return wasFailing;
  }

  /**
   * Notes a failure. News of a failing server that is not on trial are old
   * news: of connections that began before it failed.
   *
   * @returns Whether the state is another one now.
   */
  failed(at: number, error: MemcacheError): boolean {
    const { retryAttempts } = this.#policy;
    if (this.state === "dead") return false;
    if (this.state === "failing") {
      if (!this.isOnTrial) return false;
      this.attempts++;
    } else this.attempts = 0;
    this.#trialAt = undefined;
    this.#isUntried = false;
    this.isWell = false;
    this.#losses = 0;
    this.error = error;
    const before = this.state;
    this.state = this.attempts >= retryAttempts ? "dead" : "failing";
    this.retryAt = at + this.#pause();
    return this.state !== before;
  }

  /**
   * Notes that a connection that worked has ended under commands. Once that is
   * no failure: the next command opens another one, and finds out. It is one if
   * the connection before ended as well and nothing was served since, or after
   * a silence that says enough.
   *
   * @returns Whether the state is another one now.
   */
  lost(at: number, loss: Loss, error: MemcacheError): boolean {
    if (!this.isWell) return false;
    const isProof = loss.kind === "silent" && loss.silence >= LONG_SILENCE;
    // What ends together began before the first end.
    if (!isProof && loss.openedAt <= this.#lossAt) return false;
    this.#losses = loss.hasServed ? 1 : this.#losses + 1;
    this.#lossAt = at;
    return isProof || this.#losses > 1 ? this.failed(at, error) : false;
  }

  #pause(): number {
    const { retryTimeout, deadTimeout, random } = this.#policy;
    return this.state === "dead"
      ? deadTimeout * (1 + DEAD_SPREAD * random())
      : retryTimeout * (1 + RETRY_SPREAD * random());
  }
}
