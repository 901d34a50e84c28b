/**
 * A session of the embedded server without a socket.
 *
 * @module
 */
import { Clock } from "../../src/testing/clock.ts";
import type { ServerState } from "../../src/testing/context.ts";
import { Counters } from "../../src/testing/counters.ts";
import { decodeLatin1 } from "../../src/testing/latin1.ts";
import {
  checkOptions,
  initialSettings,
  type MemcachedServerOptions,
} from "../../src/testing/options.ts";
import { Session } from "../../src/testing/session.ts";
import { Store } from "../../src/testing/store.ts";
import { Watchers } from "../../src/testing/watchers.ts";
import { latin1 } from "./_raw.ts";

/** A session, its replies, and its clock, which stands still. */
export class LoneSession {
  /** The state it works on. */
  readonly state: ServerState;
  /** Whether it closed its connection. */
  closed = false;
  readonly #session: Session;
  #blocked = false;
  #now = 1_700_000_000_500;
  #replies = "";

  /**
   * Starts a session as on a fresh server.
   *
   * @param state that of another session, to be on its server
   */
  constructor(options: MemcachedServerOptions = {}, state?: ServerState) {
    this.state = state ?? this.#newState(options);
    this.#session = new Session(this.state, {
      cfd: state === undefined ? 11 : 12,
      request: () => undefined,
      write: (bytes) => {
        this.#replies += decodeLatin1(bytes);
        return !this.#blocked;
      },
      faulted: () => {},
      end: () => this.closed = true,
    });
  }

  /** Another session on the same server. */
  sibling(): LoneSession {
    return new LoneSession({}, this.state);
  }

  /** Whether the client takes nothing more for now. */
  set blocked(blocked: boolean) {
    this.#blocked = blocked;
    if (!blocked) this.#session.drained();
  }

  /** The client has taken what it was sent, and takes one piece more. */
  drain(): void {
    this.#session.drained();
  }

  /** The connection is gone. */
  release(): void {
    this.#session.release();
  }

  #newState(options: MemcachedServerOptions): ServerState {
    const clock = new Clock(() => this.#now);
    const counters = new Counters();
    const settings = initialSettings(checkOptions(options));
    const watchers = new Watchers(clock, settings.cas);
    return {
      clock,
      counters,
      settings,
      watchers,
      store: new Store(clock, counters, settings, watchers),
      startedAt: clock.seconds,
      listenAddress: () => "tcp:127.0.0.1:11211",
      cluster: () => undefined,
      connections: () => [],
      shutdown: () => {},
    };
  }

  /** Moves the clock. */
  advance(seconds: number): void {
    this.#now += seconds * 1000;
  }

  /** Sends a text cut into pieces of the lengths given; takes the replies. */
  ask(text: string, length: (left: number) => number = (left) => left): string {
    const bytes = latin1(text);
    for (let at = 0; at < bytes.length;) {
      const end = at + Math.max(1, length(bytes.length - at));
      this.#session.feed(bytes.slice(at, end));
      at = end;
    }
    const replies = this.#replies;
    this.#replies = "";
    return replies;
  }
}
