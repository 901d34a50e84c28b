/**
 * The quiet commands of one link: which of them share a run, where a run ends,
 * and what is known when the link is lost.
 *
 * @module
 */

import {
  type MemcacheError,
  MemcacheUnexpectedCloseError,
  stackless,
} from "../errors.ts";
import type { Output } from "../wire/output.ts";
import type { ServerStats } from "../telemetry/server_stats.ts";
import { Deque } from "./deque.ts";
import { encoded } from "./encoded.ts";
import {
  commandOf,
  keysOf,
  QuietRun,
  type RunOwner,
  type Suspect,
} from "./quiet_run.ts";
import type { LinkOptions } from "./options.ts";
import type { Request } from "./request.ts";

/**
 * Commands whose callers have been told that may be on their way at a time,
 * whatever `maxPending` is: they are remembered until they are known to be done.
 */
const MOST_TOLD = 32_768;

/**
 * From this many bytes on a command is followed by a fence of its own: memcached
 * refuses no item below 1 KiB for its size, its header of 60 bytes included.
 */
const LARGE = 900;

/** What is known of the server and the way there. */
type QuietOptions = Pick<
  LinkOptions,
  "server" | "maxPending" | "batchBytes" | "stats"
>;

/** What a link has to do with its quiet commands. */
export interface QuietOwner {
  /** A reply is owed to the request from now on. */
  ask(request: Request): void;
  /** Shows an error that no caller waits for. */
  report(error: MemcacheError): void;
}

/** The quiet commands of one link. */
export class Quiet implements RunOwner {
  /** Commands in flight whose callers wait for an answer that may not come. */
  owed = 0;
  /** See {@linkcode RunOwner.stats}. */
  readonly stats: ServerStats;
  readonly #server: string;
  readonly #owner: QuietOwner;
  readonly #most: number;
  /** Bytes of commands that may stand before a fence in one write. */
  readonly #mostBefore: number;
  #told = 0;
  #isHeld = false;
  /** Whether every command has a fence of its own. */
  #isSingle = false;
  #open: QuietRun | undefined = undefined;
  /** Runs that are written, but not handed over. */
  #written: QuietRun[] = [];
  /** Runs in flight. */
  readonly #live: Deque<QuietRun> = new Deque();

  /** Takes what the link knows of its server, and the link. */
  constructor(
    { server, maxPending, batchBytes, stats }: QuietOptions,
    owner: QuietOwner,
  ) {
    this.stats = stats;
    this.#server = server;
    this.#most = Math.min(MOST_TOLD, maxPending);
    this.#mostBefore = 2 * batchBytes;
    this.#owner = owner;
  }

  /**
   * Whether a request has to wait: so many are on their way that have not been
   * answered, nor need be.
   */
  holds(request: Request): boolean {
    if (this.#told < this.#most || !request.noreply) return false;
    this.#isHeld = true;
    return true;
  }

  /** Whether those that had to wait can go on, which is told once. */
  resumes(): boolean {
    if (!this.#isHeld || this.#told >= this.#most) return false;
    this.#isHeld = false;
    return true;
  }

  /**
   * Writes a quiet command.
   *
   * @param request The request.
   * @param out Where to.
   * @param opaque A number: the one after that of the command before it.
   * @returns Whether it has been written.
   */
  write(request: Request, out: Output, opaque: number): boolean {
    let run = this.#open;
    if (run !== undefined && !run.suits(request)) this.fence(out);
    run = this.#open ?? new QuietRun(request, opaque, this);
    const start = out.length;
    if (!encoded(request, out, true, opaque)) return false;
    this.#open = run;
    run.add(request);
    if (request.noreply) this.#told++;
    else this.owed++;
    run.endsLarge = out.large !== undefined || out.length - start >= LARGE;
    if (run.endsLarge || this.#isSingle) this.fence(out);
    return true;
  }

  /** Ends the run, if there is one: `mn` is the last that is written of it. */
  fence(out: Output): void {
    const run = this.#open;
    if (run === undefined) return;
    this.#open = undefined;
    // With TLS memcached (1.6.18) would not read it in the record that a large
    // value ends in.
    out.isFenced = out.large !== undefined || out.length > this.#mostBefore;
    if (!out.isFenced) out.text("mn\r\n");
    run.request.server = this.#server;
    run.request.sent = true;
    this.#written.push(run);
    this.#live.push(run);
    this.#owner.ask(run.request);
  }

  /** What was written has been handed to the transport. */
  handOver(): void {
    if (this.#written.length === 0) return;
    const runs = this.#written;
    this.#written = [];
    for (const run of runs) run.handOver();
  }

  /** See {@linkcode RunOwner.report}. */
  report(error: MemcacheError): void {
    this.#owner.report(error);
  }

  /** See {@linkcode RunOwner.puzzled}. */
  puzzled(): void {
    this.#isSingle = true;
  }

  /** See {@linkcode RunOwner.done}. */
  done(run: QuietRun): void {
    // Runs are done in their order.
    this.#live.shift();
    this.#told -= run.told;
    this.owed -= run.owed;
  }

  /**
   * The link has ended: tells what became of commands that no caller waits for.
   * That is not known.
   */
  lost(cause: MemcacheError | undefined): void {
    const lost: Suspect[] = [];
    while (this.#live.length > 0) {
      const run = this.#live.shift();
      if (run === undefined || run.told === 0) continue;
      for (const error of run.errors) this.#owner.report(error);
      lost.push(...run.forsaken);
    }
    this.#told = this.owed = 0;
    if (lost.length === 0) return;
    const command = commandOf(lost);
    const server = this.#server;
    const why = cause === undefined ? "" : `: ${cause.message}`;
    const error = stackless(() =>
      new MemcacheUnexpectedCloseError(
        `Cannot tell what became of ${lost.length} commands sent with noreply: the connection to ${server} ended before the server was done with them${why}`,
        { server, command, cause, sent: true },
      )
    );
    error.failedKeys = keysOf(lost);
    this.#owner.report(error);
  }
}
