/**
 * The protocol over one open connection: requests go out in one order, and the
 * n-th reply belongs to the n-th request that expects one. A link never comes
 * back: when it ends, its decoder and whatever bytes are left end with it.
 *
 * States: authenticating → ready (the first packet carries the probe) → ended.
 *
 * @module
 */

import { type MemcacheError, MemcacheUnknownError } from "../errors.ts";
import type { Conn, ConnEvents } from "../conn/conn.ts";
import { ticks } from "../telemetry/server_stats.ts";
import { Decoder } from "../wire/decoder.ts";
import { Output } from "../wire/output.ts";
import { INVALID, isError, MORE } from "../wire/reply.ts";
import { lineName, lineText, replyError } from "../wire/reply_error.ts";
import { now } from "./alarm.ts";
import { Deque } from "./deque.ts";
import { encoded } from "./encoded.ts";
import { asMemcacheError } from "./failures.ts";
import { Greeting } from "./greeting.ts";
import {
  AuthCommand,
  ERROR_LINES,
  FenceCommand,
  noreplyError,
} from "./handshake.ts";
import { BULK, Intake } from "./intake.ts";
import { lendMemory } from "./memory.ts";
import type { LinkOptions, LinkOwner } from "./options.ts";
import {
  type Command,
  COMPLETE,
  COMPLETE_DROP,
  CONTINUES,
  plainText,
  type ReadText,
  type Request,
} from "./request.ts";
import { Quiet } from "./quiet.ts";
import { OPAQUE_LIMIT } from "./quiet_run.ts";
import { tells } from "./tally.ts";
import { turnIsOver } from "./turns.ts";
import { Writer } from "./writer.ts";

/** One open connection with its requests in flight. */
export class Link implements ConnEvents {
  /** Requests whose replies are owed, the next one first. */
  readonly inflight: Deque<Request> = new Deque();
  /** Whether a reply of the server's has been verified. */
  verified = false;
  /** Whether a command has been answered, beyond what is said to begin with. */
  served = false;
  /** Whether anything has arrived at all. */
  heard = false;
  /** Whether an error line came that cannot be put to one command. */
  ambiguous = false;
  /** When bytes last arrived. */
  heardAt: number;
  /** When commands were last written. */
  wroteAt = 0;
  /** How many replies have been asked for since the link is open. */
  asked = 0;
  /** When the first of the requests now in flight was sent. */
  owedAt = 0;
  /** Whether anything has arrived since then. */
  heardSinceOwed = false;
  /** Milliseconds without traffic before the first request in flight. */
  idleBefore = 0;
  /** How many requests the last flush wrote. */
  lastBatch = 0;
  /** Whether the server is about to end the connection on our request. */
  closing = false;
  /** What is known of the server. */
  readonly greeting: Greeting;
  /** What takes requests from the queue. */
  readonly intake: Intake;

  readonly #conn: Conn;
  readonly #owner: LinkOwner<Link>;
  readonly #options: LinkOptions;
  readonly #decoder: Decoder;
  readonly #text: ReadText;
  readonly #writer: Writer;
  readonly #quiet: Quiet;
  #authenticated: boolean;
  #open = true;
  #opaque = Math.floor(Math.random() * OPAQUE_LIMIT);
  /** Error lines that commands without reply may still have, if not quiet. */
  #unfenced = 0;
  #unfencedName = "";
  /** Bytes of the values of stores in flight. */
  #storing = 0;

  /** Takes over an open connection and starts it. */
  constructor(conn: Conn, options: LinkOptions, owner: LinkOwner<Link>) {
    this.#conn = conn;
    this.#options = options;
    this.#owner = owner;
    this.#writer = new Writer(conn, options, (error) => this.drop(error));
    this.#decoder = new Decoder(
      options.maxValueSize,
      (flags) => this.inflight.peek()?.kind.keepsBytes(flags) ?? true,
    );
    this.#text = conn.text === undefined
      ? plainText
      : (bytes, start, end) => conn.text!(bytes, start, end);
    this.greeting = new Greeting(options, (error) => this.drop(error));
    this.intake = new Intake(options);
    this.#quiet = new Quiet(options, {
      ask: (request) => this.#ask(request),
      report: (error) => owner.report(error),
    });
    this.#authenticated = options.auth === undefined;
    this.heardAt = now();
    conn.start(this);
  }

  /** Whether no reply is owed, and every byte has been taken. */
  get quiet(): boolean {
    return this.inflight.length === 0 && !this.#writer.busy;
  }

  /** How many commands wait for a reply, or for their turn to go without. */
  get pending(): number {
    return this.inflight.length + this.#quiet.owed;
  }

  /** Whether errors of commands without reply are known for theirs. */
  get fences(): boolean {
    return this.greeting.speaks !== "classic";
  }

  /** Bytes of values not known to be stored, and of what the transport keeps. */
  get outgoing(): number {
    return this.#storing + this.#writer.kept;
  }

  /** Bytes that are missing of a value that is being read. */
  get incoming(): number {
    return this.#decoder.missing;
  }

  /** Whether requests can be written now. */
  get writable(): boolean {
    return this.#open && this.#authenticated && !this.#writer.busy &&
      !this.closing;
  }

  /** Sends the credentials, if there are any. */
  authenticate(settled: (error?: unknown) => void): void {
    const { auth } = this.#options;
    if (auth === undefined) return;
    const command = new AuthCommand(auth);
    command.request.callback(() => {
      this.#authenticated = true;
      settled();
    }, settled);
    this.#owed(now());
    const out = new Output(new Uint8Array(64));
    this.#say(command, out);
    this.#writer.send(out);
  }

  /** Keeps the process alive, or lets it end. */
  hold(alive: boolean): void {
    try {
      if (alive) this.#conn.ref();
      else this.#conn.unref();
    } catch {
      // A transport of the user's own; the process lives a little longer.
    }
  }

  /**
   * Writes what is waiting, as far as the connection takes it.
   *
   * @returns Whether requests are left that only lack their turn.
   */
  pump(unsent: Deque<Request>, at: number): boolean {
    const { greeting } = this;
    if (this.#options.patient && !greeting.isSaid && this.writable) {
      this.#inquire(greeting.probe(), at);
    }
    const waiting = unsent.length;
    const bulk = unsent.length >= (greeting.speaks === "meta" ? BULK : 2);
    while (this.writable && !this.#waits(unsent)) {
      const out = new Output(lendMemory());
      const silent: Request[] = [];
      if (this.inflight.length === 0) this.#owed(at);
      while (
        !this.#waits(unsent) && out.length < this.#options.batchBytes &&
        out.large === undefined && !this.closing
      ) {
        const meta = greeting.speaks === "meta";
        const request = this.intake.take(unsent, bulk, meta);
        if (request !== undefined) this.#encode(request, out, silent);
      }
      this.#quiet.fence(out);
      this.#writer.send(out);
      for (const request of silent) request.done(request.kind.unacknowledged);
      this.#quiet.handOver();
      if (unsent.length > 0 && turnIsOver()) break;
    }
    const next = unsent.peek();
    if (next?.isDemanding && this.writable && greeting.delays(next)) {
      this.#inquire(greeting.question(next), at);
    }
    const taken = waiting - unsent.length;
    if (taken > 0) {
      this.lastBatch = taken;
      this.wroteAt = at;
    }
    return this.writable && !this.#waits(unsent);
  }

  /**
   * Whether there is nothing to send now. Behind a command without reply comes
   * a fence, and what fence there can be the answer to the probe will tell, as
   * it tells whether meta commands can be sent at all.
   */
  #waits(unsent: Deque<Request>): boolean {
    const next = unsent.peek();
    if (next === undefined) return true;
    const { greeting } = this;
    if (greeting.speaks === "meta") {
      return this.#quiet.holds(next) ||
        next.needsVersion && greeting.delays(next);
    }
    return next.isDemanding && greeting.delays(next) ||
      greeting.speaks === "unknown" &&
        (this.#options.patient || this.#unfenced > 0 && !next.noreply);
  }

  #encode(
    request: Request,
    out: Output,
    silent: Request[],
  ): void {
    const { greeting } = this;
    if (!greeting.isSaid) this.#say(greeting.probe(), out);
    const meta = greeting.isMeta(request);
    if (meta && this.#unfenced > 0) {
      const name = this.#unfencedName;
      this.#say(new FenceCommand(name, this.#unfenced, this.#owner), out);
      this.#unfenced = 0;
    }
    const next = this.#opaque + 1;
    const opaque = next === OPAQUE_LIMIT ? 0 : next;
    if (meta && request.isQuiet) {
      if (request.needsVersion && !this.#suits(request)) return;
      if (this.#quiet.write(request, out, opaque)) this.#opaque = opaque;
      return;
    }
    if (request.noreply) {
      if (!encoded(request, out, meta, 0)) return;
      this.#unfenced += ERROR_LINES;
      this.#unfencedName = request.command;
      silent.push(request);
      return;
    }
    this.#quiet.fence(out);
    if (request.needsVersion && !this.#suits(request)) return;
    this.#opaque = opaque;
    if (!encoded(request, out, meta, opaque)) return;
    if (this.#unfenced > 0) {
      request.unfencedBefore = this.#unfenced;
      this.#unfenced = 0;
    }
    if (request.endsConnection) this.closing = true;
    this.#storing += request.weight;
    this.#ask(request);
  }

  /** A reply is owed to the request from now on. */
  #ask(request: Request): void {
    this.asked++;
    this.inflight.push(request);
  }

  /** Whether the server's version knows all of a command; else it fails. */
  #suits(request: Request): boolean {
    try {
      request.kind.checkVersion(this.greeting.version);
      return true;
    } catch (error) {
      request.fail(error);
      return false;
    }
  }

  /** Asks a question of our own before any other command. */
  #inquire(question: Command | undefined, at: number): void {
    if (question === undefined) return;
    if (this.inflight.length === 0) this.#owed(at);
    const out = new Output(lendMemory());
    this.#say(question, out);
    this.#writer.send(out);
  }

  /** Sends a command of our own. */
  #say(command: Command, out: Output): void {
    const { request } = command;
    request.server = this.#options.server;
    request.sent = true;
    command.encode(out, false, 0);
    this.#ask(request);
  }

  /** Notes that replies are owed from now on. */
  #owed(at: number): void {
    this.idleBefore = at - this.heardAt;
    this.owedAt = at;
    this.heardSinceOwed = false;
  }

  /** The connection has taken what it kept. */
  drain(): void {
    if (!this.#open) return;
    this.#writer.drained();
    if (this.#open && !this.#writer.busy) this.#owner.ready();
  }

  /** Memory for the rest of a large value. */
  target(): Uint8Array | undefined {
    return this.#decoder.target();
  }

  /** Bytes have arrived. */
  data(bytes: Uint8Array): void {
    if (!this.#open) return;
    this.heardAt = now();
    this.heard = this.heardSinceOwed = true;
    const { pulse, stats } = this.#options;
    pulse.count++;
    stats.heardAt = ticks(this.heardAt);
    stats.bytesReceived += bytes.length;
    const decoder = this.#decoder;
    decoder.feed(bytes);
    while (this.#open) {
      const head = this.inflight.peek();
      if (head === undefined) {
        if (!decoder.pending || !this.#stray()) break;
        continue;
      }
      const token = head.rawToken;
      const kind = token === undefined
        ? decoder.next()
        : decoder.nextRaw(token);
      if (kind === MORE) return;
      if (kind === INVALID) {
        this.#outOfStep(head, decoder.fault);
        return;
      }
      if (isError(kind) && head.unfencedBefore > 0) {
        // It may be the answer to a command that asked for none. Which one is
        // it? Nobody can tell, so nobody is told a lie.
        const error = noreplyError(
          decoder,
          kind,
          this.#unfencedName,
          head.server,
        );
        this.ambiguous = true;
        this.#owner.report(error);
        this.drop(error);
        return;
      }
      if (tells(kind)) head.kind.tally(stats, decoder, kind);
      const step = head.kind.read(decoder, kind, this.#text);
      if (step === CONTINUES) continue;
      if (step === COMPLETE) {
        this.inflight.shift();
        if (this.#storing > 0) this.#storing -= head.weight;
        // It was refused, or is not yet done: others need not wait for that.
        if (head.endsConnection) this.closing = false;
        const probed = head.probes;
        this.served ||= this.verified && !probed;
        // An error line to the probe may be the last thing that is said here.
        if (!this.verified && !(probed && this.greeting.isRefused)) {
          this.verified = true;
          this.#owner.verified(this.greeting.speaks);
        }
        if (head.endsConnection || probed || this.#quiet.resumes()) {
          this.#owner.ready();
        }
        continue;
      }
      if (step === COMPLETE_DROP) {
        this.inflight.shift();
        // A second line may follow, or none ever again.
        const line = lineText(decoder.line, decoder.lineStart, decoder.lineEnd);
        this.drop(replyError(kind, line, head.about()));
        return;
      }
      this.#outOfStep(head, lineName(decoder, kind));
      return;
    }
    if (this.#open && this.inflight.length === 0) this.#owner.idle();
  }

  /**
   * Reads a line that arrived with nothing in flight. Only commands without
   * reply can be behind it: else the first byte is one too many.
   */
  #stray(): boolean {
    const decoder = this.#decoder;
    const server = this.#options.server;
    if (this.#unfenced > 0) {
      const kind = decoder.next();
      if (kind === MORE && !decoder.midData) return false;
      if (isError(kind)) {
        this.#unfenced--;
        const name = this.#unfencedName;
        this.#owner.report(noreplyError(decoder, kind, name, server));
        return true;
      }
    }
    this.drop(
      new MemcacheUnknownError(
        "Cannot go on with the connection: bytes arrived that no command asked for",
        { server },
      ),
    );
    return false;
  }

  /** A reply came that cannot be its head's: nothing on this link is safe. */
  #outOfStep(head: Request, what: string): void {
    const error = new MemcacheUnknownError(
      `Cannot read the reply to ${head.command}: ${what}`,
      head.about(),
    );
    this.inflight.shift();
    head.fail(error);
    this.drop(error);
  }

  /** The other side has ended the connection. */
  end(error?: unknown): void {
    if (!this.#open) return;
    const head = this.inflight.peek();
    if (head?.endsConnection && !this.#decoder.pending) {
      this.inflight.shift();
      head.done(undefined);
    }
    this.drop(error === undefined ? undefined : asMemcacheError(error));
  }

  /** Ends the link: every request in flight goes back to its owner. */
  drop(error: MemcacheError | undefined): void {
    if (!this.#open) return;
    this.abandon();
    this.#owner.lost(this, error);
    this.forsake(error);
  }

  /** Tells of commands without reply that are not known to be done. */
  forsake(error: MemcacheError | undefined): void {
    this.#quiet.lost(error);
  }

  /** Closes the connection without telling its owner. */
  abandon(): void {
    this.#open = false;
    this.#writer.end();
    try {
      this.#conn.close();
    } catch {
      // A transport of the user's own; to us it is closed.
    }
  }

  /** When the silence began, if replies are owed or bytes are to be taken. */
  get silentSince(): number | undefined {
    if (this.inflight.length > 0) return Math.max(this.heardAt, this.owedAt);
    return this.#writer.busy
      ? Math.max(this.heardAt, this.#writer.keptAt)
      : undefined;
  }

  /**
   * Whether the server owes something and has been silent for `limit`
   * milliseconds, or is held up by a reply that goes on long after its caller
   * has left.
   */
  stalled(at: number, limit: number): boolean {
    const since = this.silentSince;
    if (since === undefined || limit <= 0) return false;
    if (at - since >= limit) return true;
    const head = this.inflight.peek();
    return head !== undefined && head.settled && head.deadline > 0 &&
      at - head.deadline > 2 * limit;
  }
}
