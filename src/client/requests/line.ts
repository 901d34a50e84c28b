/**
 * Reads of many keys on one `get` or `gets` line.
 *
 * @module
 */

import {
  Command,
  COMPLETE,
  COMPLETE_DROP,
  CONTINUES,
  FOREIGN,
  IDEMPOTENT,
  OWN,
  READ_ONLY,
  type ReadText,
  TAKES_FAILURES,
} from "../../connection/request.ts";
import { MARKER } from "../../cache/marks.ts";
import { MemcacheError, rebound } from "../../errors.ts";
import type { Decoder } from "../../wire/decoder.ts";
import { sameKey } from "../../wire/key.ts";
import type { Output } from "../../wire/output.ts";
import { END, VALUE } from "../../wire/reply.ts";
import { type FetchCommand, tellsCas } from "./fetch.ts";

/** A key of a many-key call: the caller's, and the one on the wire. */
export interface KeyPair {
  /** The caller's key. */
  readonly key: string;
  /** The key with its prefix, checked. */
  readonly wireKey: string;
}

/** One line of keys. Hits come in the order of the keys, misses are left out. */
export abstract class KeysCommand extends Command {
  /** The keys with their prefix. */
  protected readonly wireKeys: readonly string[];
  #cursor = 0;
  #found = 0;
  #answered: Uint8Array | undefined = undefined;

  /** Takes the keys. */
  constructor(
    command: "get" | "gets",
    wireKeys: readonly string[],
    traits: number = 0,
  ) {
    super(command, undefined, READ_ONLY | IDEMPOTENT | traits);
    this.wireKeys = wireKeys;
  }

  /**
   * The item of the key at `index` was read. It counts once the line behind it
   * has been read, too: a value that was cut is followed by its rest.
   */
  protected abstract hit(index: number, reply: Decoder, text: ReadText): void;

  /** The line behind the last hit was read: that hit counts. */
  protected abstract prove(): void;

  /** The reply is complete. */
  protected abstract finish(): void;

  override rewind(): void {
    this.#cursor = this.#found = 0;
    this.#answered = undefined;
  }

  override get unanswered(): number {
    return this.wireKeys.length - this.#found;
  }

  override encode(out: Output): void {
    out.text(this.command);
    for (const key of this.wireKeys) {
      out.byte(32);
      out.text(key);
    }
    out.crlf();
  }

  override read(reply: Decoder, kind: number, text: ReadText): number {
    if (kind === VALUE) {
      const index = this.#find(reply);
      if (index < 0) return FOREIGN;
      this.#found++;
      if (this.command === "gets" && !tellsCas(reply, kind)) return FOREIGN;
      if (this.request.settled) return CONTINUES;
      this.prove();
      // A sign of `getOrSet` is no value.
      if (reply.flags !== MARKER) this.hit(index, reply, text);
      return CONTINUES;
    }
    if (kind === END) {
      if (this.request.settled) return COMPLETE;
      this.prove();
      this.finish();
      return COMPLETE;
    }
    const step = this.request.refuse(reply, kind);
    // Behind a value, an error may also be the rest of a value that was cut.
    return this.#begun && step === COMPLETE ? COMPLETE_DROP : step;
  }

  /** Whether a value has been read. */
  get #begun(): boolean {
    return this.#cursor > 0 || this.#answered !== undefined;
  }

  /** The place of the key that was read, each place once; -1 for none. */
  #find(reply: Decoder): number {
    const keys = this.wireKeys;
    const { line, keyStart, keyEnd } = reply;
    const from = this.#cursor;
    for (let i = from; i < keys.length; i++) {
      if (!sameKey(line, keyStart, keyEnd, keys[i])) continue;
      if (this.#answered?.[i] === 1) continue;
      this.#cursor = i + 1;
      if (this.#answered !== undefined) this.#answered[i] = 1;
      else if (i > from) this.#leap(from, i);
      return i;
    }
    // Some proxies answer in an order of their own.
    const answered = this.#answered ??= new Uint8Array(keys.length).fill(1);
    for (let i = 0; i < from; i++) {
      if (
        answered[i] === 0 && sameKey(line, keyStart, keyEnd, keys[i])
      ) {
        answered[i] = 1;
        return i;
      }
    }
    return -1;
  }

  /** Notes the keys that were passed over: misses, or yet to come. */
  #leap(from: number, to: number): void {
    const answered = new Uint8Array(this.wireKeys.length);
    answered.fill(1, 0, from);
    answered[to] = 1;
    this.#answered = answered;
  }
}

/** Single gets of many callers that share a line. */
export class JoinedCommand extends KeysCommand {
  /** The gets; those that have got their value are taken out. */
  readonly #members: Array<FetchCommand | undefined>;
  #held = -1;
  #value: unknown = undefined;
  #flags = 0;

  /** Takes the gets; all have the same deadline. */
  constructor(members: readonly FetchCommand[]) {
    const keys = members.map((member) => member.wireKey);
    // What is told and counted are the gets.
    super("get", keys, TAKES_FAILURES | OWN);
    this.#members = [...members];
    this.request.deadline = members[0].request.deadline;
    this.request.timeout = members[0].request.timeout;
  }

  protected override hit(index: number, reply: Decoder, text: ReadText): void {
    this.#held = index;
    this.#flags = reply.flags;
    this.#value = this.#members[index]?.decode(reply, text);
  }

  protected override prove(): void {
    if (this.#held < 0) return;
    const member = this.#members[this.#held];
    this.#members[this.#held] = undefined;
    this.#held = -1;
    member?.request.tallied(1, 0);
    member?.give(this.#value, this.#flags, 0n);
    this.#value = undefined;
  }

  override keepsBytes(flags: number): boolean {
    // All are of one client; those that have their value are gone.
    const member = this.#members.find((member) => member !== undefined);
    return member?.keepsBytes(flags) ?? true;
  }

  override rewind(): void {
    super.rewind();
    this.#held = -1;
    this.#value = undefined;
  }

  protected override finish(): void {
    this.request.settled = true;
    for (const member of this.#members) {
      member?.request.tallied(0, 1);
      member?.miss();
    }
  }

  override takeFailure(error: unknown): boolean {
    this.request.settled = true;
    for (const member of this.#members) {
      const request = member?.request;
      if (request === undefined || request.settled) continue;
      request.fail(
        error instanceof MemcacheError
          ? rebound(error, request.about())
          : error,
      );
    }
    // The line keeps its place until its reply has come: they need not.
    this.#members.fill(undefined);
    return true;
  }
}
