/**
 * Quiet commands: the server answers them only if something is out of the
 * ordinary. They go in runs, each with `mn` behind it, whose answer says that
 * all of the run is done.
 *
 * States of a run: open (commands join it) → in flight (its `mn` is written) →
 * done (`MN` has come), or lost with its link.
 *
 * @module
 */

import {
  MemcacheCasError,
  MemcacheError,
  type MemcacheErrorOptions,
  type MemcacheMissError,
  MemcacheNotFoundError,
  MemcacheNotStoredError,
  MemcacheTimeoutError,
  rebound,
  stackless,
} from "../errors.ts";
import type { ServerStats } from "../telemetry/server_stats.ts";
import type { Decoder } from "../wire/decoder.ts";
import type { Output } from "../wire/output.ts";
import { EX, HD, isError, MN, NF, NS } from "../wire/reply.ts";
import { lineText, replyError } from "../wire/reply_error.ts";
import { timeoutError } from "./failures.ts";
import { ERROR_LINES } from "./handshake.ts";
import { tally } from "./tally.ts";
import {
  Command,
  COMPLETE,
  CONTINUES,
  FOREIGN,
  type ReadText,
  type Request,
  TAKES_FAILURES,
} from "./request.ts";

/** Numbers given as opaque values stay below this. */
export const OPAQUE_LIMIT = 1_000_000;

/** Whom a run tells what became of its commands. */
export interface RunOwner {
  /** What is counted of the server. */
  readonly stats: ServerStats;
  /** Shows an error that no caller waits for. */
  report(error: MemcacheError): void;
  /** Is told that error lines came which no one command can be blamed for. */
  puzzled(): void;
  /** Is told that the run is done. */
  done(run: QuietRun): void;
}

/** An error line, which does not say whose it is. */
interface ErrorLine {
  readonly text: string;
  readonly error: MemcacheError;
}

/** What the answers say of a store that was refused. */
const REFUSALS: ReadonlyMap<
  number,
  readonly [type: typeof MemcacheMissError, why: string]
> = new Map([
  [NS, [MemcacheNotStoredError, "the server did not store the value"]],
  [EX, [
    MemcacheCasError,
    "the item has changed since its CAS unique was read",
  ]],
  [NF, [MemcacheNotFoundError, "the key is not stored"]],
]);

/** A quiet command whose outcome is not known. */
export interface Suspect {
  readonly command: string;
  readonly key: string | undefined;
  /** Whose caller waits for it; absent if the caller has been told. */
  readonly request?: Request;
}

/** The stores that go quietly, in place of those with `noreply`. */
const STORES: ReadonlySet<string> = new Set([
  ...["set", "add", "replace", "append", "prepend", "cas"],
]);

/** Whether a command has a value that the server may refuse. */
function isStore({ command, request }: Suspect): boolean {
  return request?.carriesValue ?? STORES.has(command);
}

/** The commands that can meet a value which is no number. */
const COUNTING: ReadonlySet<string> = new Set(["incr", "decr", "ma"]);

/**
 * Quiet commands in a row, and the `mn` behind them: one entry in the line of
 * those that are owed a reply.
 */
export class QuietRun extends Command {
  /** How many of its callers have been told at the hand-over. */
  told = 0;
  /** How many wait to be told. */
  owed = 0;
  /** Whether the last command has a value that may be too large. */
  endsLarge = false;
  readonly #owner: RunOwner;
  /** The opaque number of the first; the others have those that follow. */
  readonly #opaque: number;
  /**
   * The requests; once they are handed over, only those that someone waits for.
   */
  #requests: Request[] = [];
  /** In their place the keys of those that nobody waits for. */
  #keys: ReadonlyArray<string | undefined> = [];
  /** Their commands, unless all are that of the first. */
  #commands: readonly string[] | undefined = undefined;
  #isMixed = false;
  #length = 0;
  /** The first whose outcome is not known yet. */
  #at = 0;
  #lines: ErrorLine[] | undefined = undefined;
  #lineCount = 0;

  /** Begins with a request, which is yet to be added. */
  constructor(first: Request, opaque: number, owner: RunOwner) {
    super(first.command, undefined, TAKES_FAILURES);
    this.request.timeout = first.timeout;
    this.request.deadline = first.deadline;
    this.#opaque = opaque;
    this.#owner = owner;
  }

  /** Whether a request may join: those that wait have one deadline only. */
  suits(request: Request): boolean {
    return request.noreply || request.deadline === this.request.deadline;
  }

  /** Takes a request that has been written. */
  add(request: Request): void {
    this.#length = this.#requests.push(request);
    if (request.command !== this.command) this.#isMixed = true;
    if (request.noreply) this.told++;
    else this.owed++;
  }

  /**
   * Tells those callers who do not wait for the server. There may be many of
   * them, and their values: of these no more is kept than is needed to say what
   * became of them.
   */
  handOver(): void {
    if (this.told === 0) return;
    const requests = this.#requests;
    if (this.owed > 0) {
      for (const request of requests) {
        if (request.noreply) request.done(request.kind.unacknowledged);
      }
      return;
    }
    this.#requests = [];
    const keys = new Array<string | undefined>(requests.length);
    if (this.#isMixed) {
      this.#commands = requests.map(({ command }) => command);
    }
    for (let i = 0; i < requests.length; i++) {
      const request = requests[i];
      const { kind } = request;
      keys[i] = kind.key;
      request.done(kind.unacknowledged);
    }
    this.#keys = keys;
  }

  /** Never written: its commands are, one by one. */
  override encode(_out: Output): void {}

  override keepsBytes(flags: number): boolean {
    const next = this.#requests.find((request, i) =>
      i >= this.#at && !request.noreply
    );
    return next?.kind.keepsBytes(flags) ?? true;
  }

  override read(reply: Decoder, kind: number, text: ReadText): number {
    if (kind === MN) {
      this.#settle(this.#length);
      this.request.done(true);
      this.#owner.done(this);
      return COMPLETE;
    }
    if (isError(kind)) return this.#keep(reply, kind);
    const index = this.#indexOf(reply);
    if (index < 0) return FOREIGN;
    const suspect = this.#suspect(index);
    const { request } = suspect;
    const isRead = request === undefined
      ? this.#refuse(suspect, kind)
      : request.kind.read(reply, kind, text) === COMPLETE;
    if (!isRead) return FOREIGN;
    this.#settle(index);
    this.#at = index + 1;
    return CONTINUES;
  }

  override tally(server: ServerStats, reply: Decoder, kind: number): void {
    const index = this.#indexOf(reply);
    if (index < 0) return;
    const suspect = this.#suspect(index);
    const stats = server.of(suspect.command);
    const { hits, misses } = stats;
    tally(stats, kind, isStore(suspect), 0);
    suspect.request?.tallied(stats.hits - hits, stats.misses - misses);
  }

  /** Whose answer it is; -1 if nobody's. */
  #indexOf({ opaque }: Decoder): number {
    if (opaque < 0) return -1;
    const index = (opaque - this.#opaque + OPAQUE_LIMIT) % OPAQUE_LIMIT;
    return index < this.#at || index >= this.#length ? -1 : index;
  }

  /** Those whose callers wait for an outcome that is not known. */
  override get members(): readonly Request[] {
    return this.#requests.filter((request, i) =>
      i >= this.#at && !request.noreply
    );
  }

  /** Those that no caller waits for, and whose outcome is not known. */
  get forsaken(): readonly Suspect[] {
    return this.#between(this.#at, this.#length)
      .filter(({ request }) => request === undefined);
  }

  /** The errors that have come since the last outcome was known. */
  get errors(): readonly MemcacheError[] {
    return this.#lines?.map(({ error }) => error) ?? [];
  }

  override takeFailure(error: unknown): boolean {
    // It keeps its place until its answer has come: its callers need not wait.
    this.request.settled = true;
    for (const request of this.members) {
      if (error instanceof MemcacheTimeoutError) {
        request.fail(timeoutError(request));
      } else if (error instanceof MemcacheError) {
        request.fail(rebound(error, request.about()));
      } else request.fail(error);
    }
    return true;
  }

  #suspect(index: number): Suspect {
    const request = this.#requests[index];
    if (request === undefined) {
      const command = this.#commands?.[index] ?? this.command;
      return { command, key: this.#keys[index] };
    }
    const { command, key } = request;
    return request.noreply ? { command, key } : { command, key, request };
  }

  #between(from: number, to: number): Suspect[] {
    const some: Suspect[] = [];
    for (let i = from; i < to; i++) some.push(this.#suspect(i));
    return some;
  }

  /** What is known of a command, for an error. */
  #about({ command, key }: Suspect): MemcacheErrorOptions {
    return { server: this.request.server, command, key, sent: true };
  }

  /** Keeps an error line until it is known who is left to have earned it. */
  #keep(reply: Decoder, kind: number): number {
    if (this.#lineCount++ === this.#length * ERROR_LINES) return FOREIGN;
    const text = lineText(reply.line, reply.lineStart, reply.lineEnd);
    const { server } = this.request;
    const error = replyError(kind, text, { server, sent: true });
    (this.#lines ??= []).push({ text, error });
    return CONTINUES;
  }

  /** A quiet store was answered: unless it says so, it has not been done. */
  #refuse(suspect: Suspect, kind: number): boolean {
    if (!isStore(suspect)) return false;
    if (kind === HD) return true;
    const refusal = REFUSALS.get(kind);
    if (refusal === undefined) return false;
    const [Refusal, why] = refusal;
    const about = this.#about(suspect);
    this.#owner.report(
      stackless(() =>
        new Refusal(`Cannot run ${suspect.command}: ${why}`, about)
      ),
    );
    return true;
  }

  /** What stands before `end` has not been answered, nor will it be. */
  #settle(end: number): void {
    const from = this.#at;
    this.#at = end;
    const lines = this.#lines;
    if (lines !== undefined) {
      this.#lines = undefined;
      this.#blame(lines, this.#between(from, end), end);
    }
    if (this.owed === 0) return;
    for (let i = from; i < end; i++) {
      const request = this.#requests[i];
      if (request.noreply) continue;
      // Of all commands only a read is silent for one reason alone.
      if (request.command === "mg") {
        this.#owner.stats.of("mg").misses++;
        request.tallied(0, 1);
      }
      if (!request.settled) request.kind.silent();
    }
  }

  /**
   * Puts error lines to those who have earned them. Where that cannot be known,
   * nobody is told a lie: all who may have are told just that.
   */
  #blame(
    lines: readonly ErrorLine[],
    all: readonly Suspect[],
    end: number,
  ): void {
    for (const alike of byText(lines)) {
      const [line] = alike;
      const suspects = this.#suspects(line, all, end);
      // A value that is refused is refused with one line.
      const each = line.error.code === "ERR_VALUE_REFUSED" &&
        alike.length === suspects.length;
      if (suspects.length === 0) this.#owner.report(line.error);
      else if (suspects.length > 1 && !each) {
        this.#puzzle(line, alike.length, suspects);
      } else {
        for (const suspect of suspects) this.#strike(suspect, line.error);
      }
    }
  }

  /** Those who can have earned an error line. */
  #suspects(
    { text, error }: ErrorLine,
    all: readonly Suspect[],
    end: number,
  ): readonly Suspect[] {
    let some = all;
    if (error.code === "ERR_VALUE_REFUSED") {
      // Values that may be too large end their runs.
      const isLast = text.includes("too large") && this.endsLarge &&
        end === this.#length;
      some = isLast ? all.slice(-1) : all.filter(isStore);
    } else if (error.code === "ERR_NON_NUMERIC") {
      some = all.filter(({ command }) => COUNTING.has(command));
    }
    return some.length > 0 ? some : all;
  }

  #strike(suspect: Suspect, error: MemcacheError): void {
    const own = rebound(error, this.#about(suspect));
    if (suspect.request === undefined) this.#owner.report(own);
    else suspect.request.fail(own);
  }

  /** Tells all who may have earned an error line that one of them has. */
  #puzzle(
    { text, error }: ErrorLine,
    count: number,
    suspects: readonly Suspect[],
  ): void {
    this.#owner.puzzled();
    const failedKeys = keysOf(suspects);
    const times = count === 1 ? "" : ` ${count} times`;
    const message =
      `Cannot tell which of ${suspects.length} commands failed: the server answered "${text}"${times}`;
    const tell = (about: MemcacheErrorOptions): MemcacheError => {
      const told = rebound(error, about);
      told.message = message;
      told.failedKeys = failedKeys;
      return told;
    };
    if (suspects.some(({ request }) => request === undefined)) {
      const { server } = this.request;
      const command = commandOf(suspects);
      this.#owner.report(tell({ server, command, sent: true }));
    }
    for (const suspect of suspects) {
      suspect.request?.fail(tell(this.#about(suspect)));
    }
  }
}

/** The keys of commands, for an error. */
export function keysOf(suspects: readonly Suspect[]): readonly string[] {
  return Object.freeze(
    suspects.map(({ key }) => key).filter((key) => key !== undefined),
  );
}

/** The name of commands, for an error, if they have but one. */
export function commandOf(suspects: readonly Suspect[]): string | undefined {
  const names = new Set(suspects.map(({ command }) => command));
  const [name] = names;
  return names.size === 1 ? name : undefined;
}

/** Puts error lines together that say the same. */
function byText(lines: readonly ErrorLine[]): Iterable<ErrorLine[]> {
  const groups = new Map<string, ErrorLine[]>();
  for (const line of lines) {
    const group = groups.get(line.text);
    if (group === undefined) groups.set(line.text, [line]);
    else group.push(line);
  }
  return groups.values();
}
