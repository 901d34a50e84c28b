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
import type { CommandOptions } from "../types.ts";
import type { Decoder } from "../wire/decoder.ts";
import type { Output } from "../wire/output.ts";
import { isError } from "../wire/reply.ts";
import { lineText, replyError } from "../wire/reply_error.ts";
import { listen, unlisten } from "./aborts.ts";

/** The reply goes on. */
export const CONTINUES = 0;
/** The reply is complete. */
export const COMPLETE = 1;
/** The reply is complete, and the connection is no longer to be trusted. */
export const COMPLETE_DROP = 2;
/** The reply cannot be this request's. */
export const FOREIGN = 3;

/** Reads UTF-8 in the runtime's fastest way. */
export type ReadText = (
  bytes: Uint8Array,
  start: number,
  end: number,
) => string;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads UTF-8 where the transport has no faster way. */
export const plainText: ReadText = (bytes, start, end) =>
  decoder.decode(bytes.subarray(start, end));

/** Where a request's failures are shown, besides to its caller. */
export type Observe = (error: MemcacheError) => void;

/** Shows an error to the user's own function, whose failures are its own. */
export function show(observe: Observe, error: MemcacheError): void {
  try {
    const late: unknown = observe(error);
    if (late instanceof Promise) late.catch(() => {});
  } catch {
    // Telling is all we can do: the command's outcome does not depend on it.
  }
}

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
}

/** One command on its way. */
export abstract class Request {
  /** Name of the command in protocol.txt. */
  readonly command: string;
  /** The caller's key, for errors. */
  readonly key: string | undefined;
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

  #resolve: ((value: unknown) => void) | undefined = undefined;
  #reject: ((error: unknown) => void) | undefined = undefined;
  #rare: Rare | undefined = undefined;

  /** Names the command and its key. */
  constructor(command: string, key: string | undefined) {
    this.command = command;
    this.key = key;
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

  /** The promise of its outcome. To be called once, before it is executed. */
  promise<T>(): Promise<T> {
    const promise = new Promise<unknown>(grab);
    this.#resolve = grabbedResolve;
    this.#reject = grabbedReject;
    // The result's type is what the subclass resolves with.
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

  /** Whether no reply is asked for. */
  get noreply(): boolean {
    return false;
  }

  /** Bytes of its value, as far as known before it is encoded. */
  get weight(): number {
    return 0;
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

  /** Whether it reads only, and may be sent again after a lost connection. */
  get readOnly(): boolean {
    return false;
  }

  /** Whether sending it twice does no harm. */
  get idempotent(): boolean {
    return this.readOnly;
  }

  /** Whether it carries a value. */
  get carriesValue(): boolean {
    return false;
  }

  /** Whether the bytes of a value with these flags may be kept. */
  keepsBytes(_flags: number): boolean {
    return true;
  }

  /** The token that ends its raw reply, if it has one. */
  get rawToken(): Uint8Array | undefined {
    return undefined;
  }

  /** Whether it may share one line with others of its kind. */
  get joinable(): boolean {
    return false;
  }

  /** Whether the end of the connection is what this request waits for. */
  get endsConnection(): boolean {
    return false;
  }

  /** Whether there is nothing to do for it where nothing is connected. */
  get needsLink(): boolean {
    return true;
  }

  /** What its caller is told when it was sent without asking for a reply. */
  get unacknowledged(): unknown {
    return true;
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

  /** Tells the caller the outcome. */
  done(value: unknown): void {
    if (this.settled) return;
    this.settled = true;
    if (this.#rare !== undefined) this.#unlisten();
    this.#resolve?.(value);
    this.#resolve = this.#reject = undefined;
    this.release();
  }

  /** Tells the caller of a failure, and completes what the error says. */
  fail(error: unknown): void {
    if (this.settled) return;
    this.settled = true;
    if (this.#rare !== undefined) this.#unlisten();
    if (error instanceof MemcacheError) {
      error.sent ??= this.sent;
      const observe = this.#rare?.observe;
      if (observe !== undefined) show(observe, error);
    }
    this.#reject?.(error);
    this.#resolve = this.#reject = undefined;
    this.release();
  }

  /** Gives up on the caller's wish: rejects with the signal's reason. */
  abort(reason: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.#unlisten();
    this.#reject?.(reason);
    this.#resolve = this.#reject = undefined;
    this.release();
  }

  /** Lets go of the value once nobody needs it. */
  release(): void {}

  /** It is sent once more, on another link. */
  replay(): void {
    const rare = this.#rarely();
    rare.replays++;
    rare.unfencedBefore = 0;
    this.rewind();
  }

  /** Forgets what has been read of a reply. */
  protected rewind(): void {}

  /** What is known of the command, for an error. */
  about(): MemcacheErrorOptions {
    return {
      server: this.server,
      command: this.command,
      key: this.key,
      sent: this.sent,
    };
  }

  /**
   * Deals with a reply that is none of the good ones: an error line fails the
   * request, anything else is foreign.
   */
  protected refuse(reply: Decoder, kind: number): number {
    if (!isError(kind)) return FOREIGN;
    const error = replyError(
      kind,
      lineText(reply.line, reply.lineStart, reply.lineEnd),
      this.about(),
    );
    this.fail(error);
    return survives(error, this.carriesValue) ? COMPLETE : COMPLETE_DROP;
  }

  #unlisten(): void {
    const rare = this.#rare;
    if (rare?.signal === undefined) return;
    unlisten(rare.signal, this);
    rare.signal = undefined;
  }

  #rarely(): Rare {
    return this.#rare ??= {
      signal: undefined,
      observe: undefined,
      replays: 0,
      unfencedBefore: 0,
    };
  }
}

/**
 * Writes a command, or fails it and leaves no trace of it: what is not written
 * as a whole must not be waited for.
 */
export function encoded(
  request: Request,
  out: Output,
  meta: boolean,
  opaque: number,
): boolean {
  const start = out.length;
  try {
    request.encode(out, meta, opaque);
    request.sent = true;
    return true;
  } catch (error) {
    out.length = start;
    out.large = undefined;
    request.fail(error);
    return false;
  }
}
