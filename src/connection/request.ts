/**
 * What a command is to a connection: how to write it, how to read its reply,
 * and whom to tell.
 *
 * States: waiting (unsent) → in flight (`sent`) → settled. A request that is
 * settled in flight, by a timeout or an abort, keeps its place in the line
 * until its reply has been read.
 *
 * @module
 */

import {
  MemcacheError,
  type MemcacheErrorOptions,
  survives,
} from "../errors.ts";
import {
  type CommandMessage,
  COMMANDS,
  isHeard,
  type ServerPlace,
  Trace,
  WAITS,
} from "../telemetry/channels.ts";
import type { CommandStats, ServerStats } from "../telemetry/server_stats.ts";
import type { CommandOptions } from "../types.ts";
import type { Decoder } from "../wire/decoder.ts";
import type { Output } from "../wire/output.ts";
import { isError, VALUE } from "../wire/reply.ts";
import { lineText, replyError } from "../wire/reply_error.ts";
import { listen, unlisten } from "./aborts.ts";
import { type Observe, show } from "./observe.ts";
import { tally } from "./tally.ts";
import type { ReadText } from "./text.ts";
import {
  CARRIES_VALUE,
  COMPANION,
  COMPLETE,
  COMPLETE_DROP,
  ENDS_CONNECTION,
  FOREIGN,
  IDEMPOTENT,
  JOINABLE,
  NEEDS_META,
  NEEDS_NO_LINK,
  NEEDS_VERSION,
  NOREPLY,
  OWN,
  PROBES,
  QUIET,
  RAW_REPLY,
  READ_ONLY,
  RELEASES,
  TAKES_FAILURES,
} from "./traits.ts";

export * from "./observe.ts";
export * from "./text.ts";
export * from "./traits.ts";

let grabbedResolve: (value: unknown) => void;
let grabbedReject: (error: unknown) => void;
const grab = (
  resolve: (value: unknown) => void,
  reject: (error: unknown) => void,
): void => {
  grabbedResolve = resolve;
  grabbedReject = reject;
};

/** What few requests have: there may be many of them at a time. */
interface Rare {
  signal: AbortSignal | undefined;
  observe: Observe | undefined;
  replays: number;
  unfencedBefore: number;
  /** Tells of it, and of its wait for a connection, if anybody listens. */
  trace: Trace<CommandMessage> | undefined;
  wait: Trace | undefined;
}

/**
 * What tells one command from another: how it is written, and what its replies
 * mean.
 *
 * It is apart from its {@linkcode Request} because engines read a property
 * several times faster where all objects are of one class, and requests go
 * through many hands.
 */
export abstract class Command {
  /** What the connection knows of it. */
  readonly request: Request;
  /** Name of the command in protocol.txt. */
  readonly command: string;
  /** The caller's key, for errors. */
  readonly key: string | undefined;

  /** Names the command and its key, its traits, and the bytes of its value. */
  constructor(
    command: string,
    key: string | undefined,
    traits: number,
    weight = 0,
  ) {
    this.command = command;
    this.key = key;
    this.request = new Request(this, traits, weight);
  }

  /**
   * Writes the command.
   *
   * @param out Where to.
   * @param meta Whether the server speaks the meta protocol.
   * @param opaque A number of this connection's, for the meta flag `O`.
   */
  abstract encode(out: Output, meta: boolean, opaque: number): void;

  /**
   * Reads one reply, or one part of it.
   *
   * @param reply The decoder, standing behind the reply.
   * @param kind What was read, never `MORE` nor `INVALID`.
   * @param text How to make strings of its bytes.
   */
  abstract read(reply: Decoder, kind: number, text: ReadText): number;

  /**
   * Checks that a server of this version knows all of the command; called if it
   * {@linkcode NEEDS_VERSION}.
   *
   * @param _version As the server tells it, empty if it does not; absent where
   * it is not asked, as it speaks no meta.
   * @throws {MemcacheIllegalInputError} If it does not.
   */
  checkVersion(_version: string | undefined): void {}

  /** Whether the bytes of a value with these flags may be kept. */
  keepsBytes(_flags: number): boolean {
    return true;
  }

  /** The token that ends its raw reply, if it has one. */
  get rawToken(): Uint8Array | undefined {
    return undefined;
  }

  /** The caller's keys. */
  get keys(): readonly string[] {
    return this.key === undefined ? [] : [this.key];
  }

  /** How many of its keys no item has come for: misses, where that is all. */
  get unanswered(): number {
    return 0;
  }

  /** Counts what a reply says of items, before it is read. */
  tally(server: ServerStats, _reply: Decoder, kind: number): void {
    const stats = server.of(this.command);
    const { hits, misses } = stats;
    // Most replies, of which there may be many on a line.
    if (kind === VALUE) stats.hits++;
    else tally(stats, kind, this.request.carriesValue, this.unanswered);
    this.request.tallied(stats.hits - hits, stats.misses - misses);
  }

  /** The requests that it stands for, if it stands for others. */
  get members(): readonly Request[] | undefined {
    return undefined;
  }

  /** Tells its caller what it means that a quiet command was not answered. */
  silent(): void {}

  /** What its caller is told when it was sent without asking for a reply. */
  get unacknowledged(): unknown {
    return true;
  }

  /** Deals with a failure; `false` leaves it to the request. */
  takeFailure(_error: unknown): boolean {
    return false;
  }

  /** Lets go of the value once nobody needs it. */
  release(): void {}

  /** Forgets what has been read of a reply. */
  rewind(): void {}
}

/** One command on its way. */
export class Request {
  /** How it is written and read. */
  readonly kind: Command;
  /** Name of the server that it was given to. */
  server: string | undefined = undefined;
  /** Milliseconds from the call to the end of the reply, 0 for none. */
  timeout = 0;
  /**
   * When it times out, on the clock of `performance.now`; 0: not yet known.
   * A whole number, which takes no memory of its own.
   */
  deadline = 0;
  /** Whether its caller has been told. */
  settled = false;
  /** Whether a byte of it may have reached the server. */
  sent = false;
  /** When it began, in `ticks`; -1: not yet known. */
  startedAt = -1;
  /** Bytes of its value, as far as known before it is encoded. */
  readonly weight: number;

  readonly #traits: number;
  #resolve: ((value: unknown) => void) | undefined = undefined;
  #reject: ((error: unknown) => void) | undefined = undefined;
  /** Where it is counted, if it is. */
  #stats: CommandStats | undefined = undefined;
  #rare: Rare | undefined = undefined;

  /** Made by its command. */
  constructor(kind: Command, traits: number, weight: number) {
    this.kind = kind;
    this.#traits = traits;
    this.weight = weight;
  }

  /** Name of the command in protocol.txt. */
  get command(): string {
    return this.kind.command;
  }

  /** The caller's key, for errors. */
  get key(): string | undefined {
    return this.kind.key;
  }

  /** The promise of its outcome. To be called once, before it is executed. */
  promise<T>(): Promise<T> {
    const promise = new Promise<unknown>(grab);
    this.#resolve = grabbedResolve;
    this.#reject = grabbedReject;
    // The result's type is what the command resolves with.
    return promise as Promise<T>;
  }

  /** Calls back in place of a promise: one part of a larger call. */
  callback(
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Shows failures to `observe` too. */
  observedBy(observe: Observe | undefined): void {
    if (observe !== undefined) this.#rarely().observe = observe;
  }

  /** See {@linkcode NOREPLY}. */
  get noreply(): boolean {
    return (this.#traits & NOREPLY) !== 0;
  }

  /** See {@linkcode QUIET}. */
  get quiet(): boolean {
    return (this.#traits & QUIET) !== 0;
  }

  /** Whether its answer may never come. */
  get isQuiet(): boolean {
    return (this.#traits & (NOREPLY | QUIET)) !== 0;
  }

  /** See {@linkcode READ_ONLY}. */
  get readOnly(): boolean {
    return (this.#traits & READ_ONLY) !== 0;
  }

  /** See {@linkcode IDEMPOTENT}. */
  get idempotent(): boolean {
    return (this.#traits & IDEMPOTENT) !== 0;
  }

  /** See {@linkcode CARRIES_VALUE}. */
  get carriesValue(): boolean {
    return (this.#traits & CARRIES_VALUE) !== 0;
  }

  /** See {@linkcode COMPANION}. */
  get isCompanion(): boolean {
    return (this.#traits & COMPANION) !== 0;
  }

  /** See {@linkcode JOINABLE}. */
  get joinable(): boolean {
    return (this.#traits & JOINABLE) !== 0;
  }

  /** See {@linkcode ENDS_CONNECTION}. */
  get endsConnection(): boolean {
    return (this.#traits & ENDS_CONNECTION) !== 0;
  }

  /** See {@linkcode NEEDS_NO_LINK}. */
  get needsLink(): boolean {
    return (this.#traits & NEEDS_NO_LINK) === 0;
  }

  /** See {@linkcode PROBES}. */
  get probes(): boolean {
    return (this.#traits & PROBES) !== 0;
  }

  /** Whether the server has to be known better before it is sent. */
  get isDemanding(): boolean {
    return (this.#traits & (NEEDS_META | NEEDS_VERSION | QUIET)) !== 0;
  }

  /** See {@linkcode NEEDS_VERSION}. */
  get needsVersion(): boolean {
    return (this.#traits & NEEDS_VERSION) !== 0;
  }

  /** The token that ends its raw reply, if it has one. */
  get rawToken(): Uint8Array | undefined {
    return (this.#traits & RAW_REPLY) === 0 ? undefined : this.kind.rawToken;
  }

  /** How often it has been sent again. */
  get replays(): number {
    return this.#rare?.replays ?? 0;
  }

  /** Commands without reply, sent before this one and not known to be done. */
  get unfencedBefore(): number {
    return this.#rare?.unfencedBefore ?? 0;
  }

  /** Notes how many commands without reply were sent before this one. */
  set unfencedBefore(count: number) {
    this.#rarely().unfencedBefore = count;
  }

  /** The caller's signal, as long as it is listened to. */
  get signal(): AbortSignal | undefined {
    return this.#rare?.signal;
  }

  /** Takes over the caller's options. */
  limit(options: CommandOptions | undefined, timeout: number): void {
    this.timeout = options?.timeout ?? timeout;
    const signal = options?.signal;
    if (signal === undefined || signal === null) return;
    this.#rarely().signal = signal;
    listen(signal, this);
  }

  /** It is counted with those for this server, and told of if anybody listens. */
  begin(server: ServerStats): void {
    if ((this.#traits & OWN) !== 0) return;
    this.#stats = server.of(this.kind.command);
    if (!isHeard(COMMANDS)) return;
    const rare = this.#rarely();
    if (rare.trace !== undefined) rare.trace.moved(server.place);
    else {
      const { kind: { command, keys }, noreply } = this;
      const message = { command, keys, noreply, ...server.place };
      rare.trace = new Trace(COMMANDS, message);
      rare.trace.begin();
    }
  }

  /** It waits for a connection, behind so many others. */
  waits(place: ServerPlace, ahead: number): void {
    if (this.settled || (this.#traits & OWN) !== 0) return;
    const rare = this.#rarely();
    if (rare.wait !== undefined) return;
    rare.wait = new Trace(WAITS, { command: this.command, ahead, ...place });
    rare.wait.begin();
  }

  /** So many items were there, and so many were not. */
  tallied(hits: number, misses: number): void {
    this.#rare?.trace?.tallied(hits, misses);
  }

  /** It is on its way to the server. */
  leaves(): void {
    this.sent = true;
    const wait = this.#rare?.wait;
    if (this.#rare === undefined || wait === undefined) return;
    this.#rare.wait = undefined;
    // A listener may close the client, and this is in the middle of a batch.
    queueMicrotask(() => wait.done());
  }

  /** Tells the caller the outcome. */
  done(value: unknown): void {
    if (this.settled) return;
    this.#stats?.done(this.noreply ? -1 : this.startedAt);
    const rare = this.#settle();
    rare?.trace?.resolved(value);
    this.#resolve?.(value);
    this.#forget();
  }

  /** Tells the caller of a failure, and completes what the error says. */
  fail(error: unknown): void {
    if (this.settled) return;
    this.#stats?.failed(error);
    // What becomes of it counts no more: it may be told as a miss.
    this.#stats = undefined;
    this.#rare?.wait?.erred(error);
    this.#rare?.trace?.erred(error);
    // A listener may have given it up.
    if (this.settled) return;
    if (
      (this.#traits & TAKES_FAILURES) !== 0 && this.kind.takeFailure(error)
    ) return;
    const rare = this.#settle();
    if (error instanceof MemcacheError) {
      error.sent ??= this.sent;
      const observe = rare?.observe;
      if (observe !== undefined) show(observe, error);
    }
    rare?.trace?.done();
    this.#reject?.(error);
    this.#forget();
  }

  /** Gives up on the caller's wish: rejects with the signal's reason. */
  abort(reason: unknown): void {
    if (this.settled) return;
    this.#stats?.gaveUp();
    this.#stats = undefined;
    const rare = this.#settle();
    rare?.trace?.erred(reason);
    rare?.trace?.done();
    this.#reject?.(reason);
    this.#forget();
  }

  /** It is sent once more, on another link. */
  replay(): void {
    const rare = this.#rarely();
    rare.replays++;
    rare.unfencedBefore = 0;
    this.kind.rewind();
  }

  /** What is known of the command, for an error. */
  about(): MemcacheErrorOptions {
    const { command, key } = this.kind;
    return { server: this.server, command, key, sent: this.sent };
  }

  /**
   * Deals with a reply that is none of the good ones: an error line fails the
   * request, anything else is foreign.
   */
  refuse(reply: Decoder, kind: number): number {
    if (!isError(kind)) return FOREIGN;
    const error = replyError(
      kind,
      lineText(reply.line, reply.lineStart, reply.lineEnd),
      this.about(),
    );
    this.fail(error);
    return survives(error, this.carriesValue) ? COMPLETE : COMPLETE_DROP;
  }

  #settle(): Rare | undefined {
    this.settled = true;
    const rare = this.#rare;
    if (rare === undefined) return undefined;
    if (rare.signal !== undefined) unlisten(rare.signal, this);
    rare.signal = undefined;
    rare.wait?.done();
    return rare;
  }

  #forget(): void {
    this.#resolve = this.#reject = undefined;
    if ((this.#traits & RELEASES) !== 0) this.kind.release();
  }

  #rarely(): Rare {
    return this.#rare ??= {
      signal: undefined,
      observe: undefined,
      replays: 0,
      unfencedBefore: 0,
      trace: undefined,
      wait: undefined,
    };
  }
}
