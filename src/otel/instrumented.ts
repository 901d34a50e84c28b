/**
 * What listens to the channels while clients are instrumented.
 *
 * @module
 */

import { tracingChannel } from "node:diagnostics_channel";
import {
  type CommandMessage,
  COMMANDS,
  type ConnectMessage,
  type WaitMessage,
} from "../telemetry/channels.ts";
import { Commands } from "./commands.ts";
import { Connections } from "./connections.ts";
import { attempt, guarded } from "./guard.ts";
import { Observed, type ObservedClient } from "./observed.ts";
import {
  checkClient,
  checkPoolName,
  type InstrumentOptions,
  type ObserveOptions,
} from "./options.ts";

/** The one that is active is kept at a channel, which all copies of this have. */
const ACTIVE = Symbol.for("@x/memcache/otel");
// A channel is an object of its own that takes any property.
const registry = COMMANDS.start as { [ACTIVE]?: { stop(): void } };

type Listener = (message: unknown) => void;
interface Tap {
  subscribe(listener: Listener): void;
  unsubscribe(listener: Listener): unknown;
}

/** Makes spans and metrics until it is stopped. */
export class Instrumented {
  readonly #commands: Commands;
  readonly #connections: Connections | undefined;
  readonly #observed: Observed | undefined;
  #taps: ReadonlyArray<readonly [tap: Tap, listener: Listener]> = [];

  /** Starts, in place of the one that is active. */
  constructor(options: InstrumentOptions) {
    const { metrics = true, meterProvider } = options;
    this.#commands = new Commands(options);
    if (metrics) {
      this.#connections = new Connections(meterProvider);
      this.#observed = new Observed(meterProvider);
    }
    const before = registry[ACTIVE];
    const theirs = before instanceof Instrumented
      ? before.#observed
      : undefined;
    if (theirs !== undefined) {
      attempt(() => this.#observed?.takeOver(theirs));
    }
    before?.stop();
    registry[ACTIVE] = this;
    this.#listen();
  }

  /** See `Instrumentation`. */
  observe(client: ObservedClient, options: ObserveOptions = {}): () => void {
    checkClient(client);
    checkPoolName(options.poolName);
    const { poolName } = options;
    // Once it is stopped it observes nothing.
    if (registry[ACTIVE] === this) {
      attempt(() => this.#observed?.add(client, poolName));
    }
    return () => this.#observed?.remove(client);
  }

  /** See `Instrumentation`. */
  stop(): void {
    if (registry[ACTIVE] === this) delete registry[ACTIVE];
    for (const [tap, listener] of this.#taps) tap.unsubscribe(listener);
    this.#taps = [];
    attempt(() => this.#commands.stop());
    attempt(() => this.#connections?.stop());
    attempt(() => this.#observed?.stop());
  }

  /** See `Instrumentation`. */
  [Symbol.dispose](): void {
    this.stop();
  }

  #listen(): void {
    const commands = this.#commands;
    const observed = this.#observed;
    const command = tracingChannel("@x/memcache:command");
    const taps: [Tap, Listener][] = [
      [
        command.start,
        guarded<CommandMessage>((message) => commands.started(message)),
      ],
      [
        command.asyncEnd,
        guarded<CommandMessage>((message) => {
          commands.ended(message);
          observed?.attach();
        }),
      ],
    ];
    const connections = this.#connections;
    if (connections !== undefined) {
      const connect = tracingChannel("@x/memcache:connect");
      const wait = tracingChannel("@x/memcache:wait");
      taps.push(
        [
          connect.start,
          guarded<ConnectMessage>((message) => connections.dialing(message)),
        ],
        [
          connect.asyncEnd,
          guarded<ConnectMessage>((message) => connections.dialed(message)),
        ],
        [
          wait.start,
          guarded<WaitMessage>((message) => connections.waiting(message)),
        ],
        [
          wait.asyncEnd,
          guarded<WaitMessage>((message) => connections.waited(message)),
        ],
      );
    }
    for (const [tap, listener] of taps) tap.subscribe(listener);
    this.#taps = taps;
  }
}
