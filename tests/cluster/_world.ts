/**
 * A cluster without sockets: a clock that a test sets, and servers that answer
 * at once, or cannot be reached.
 *
 * @module
 */
import { Approach } from "../../src/connection/approach.ts";
import { BaseClient } from "../../src/client/base_client.ts";
import { type Lane, probeRequest } from "../../src/client/lanes.ts";
import { type ClientOptions, readContext } from "../../src/client/options.ts";
import { Announcer } from "../../src/cluster/events.ts";
import type { HealthPolicy } from "../../src/cluster/health.ts";
import { RingExecutor, type Source } from "../../src/cluster/ring_executor.ts";
import { parseServer } from "../../src/conn/address.ts";
import type { Request } from "../../src/connection/request.ts";
import type { Loss, Watch } from "../../src/connection/watch.ts";
import {
  MemcacheConnectionError,
  MemcacheUnexpectedCloseError,
} from "../../src/errors.ts";
import type { Hasher } from "../../src/ring/hasher.ts";
import { RendezvousHash } from "../../src/ring/rendezvous.ts";
import { Decoder } from "../../src/wire/decoder.ts";
import { Output } from "../../src/wire/output.ts";
import { MORE } from "../../src/wire/reply.ts";
import { type Items, reply } from "../_scripted.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One server, and the way to it. */
export class FakeLane implements Lane {
  readonly server: string;
  readonly approach: Approach = new Approach();
  readonly items: Items = new Map();
  /** Commands that wait; with `holds`, until they are let go. */
  readonly waiting: Request[] = [];
  closed = false;
  /** How many connections were opened. */
  connects = 0;
  /** How often it was let go of. */
  disconnects = 0;
  /** What it answers in place of what memcached would. */
  says: string | ((line: string) => string) | undefined = undefined;
  /** Whether commands wait rather than being answered. */
  holds = false;
  /** Whether answers come after the call, as they do over a network. */
  isLate = false;
  readonly #world: World;
  readonly #watch: Watch;
  #open = false;
  #openedAt = 0;
  #served = false;
  #drained: (() => void) | undefined = undefined;

  constructor(server: string, world: World, watch: Watch) {
    this.server = server;
    this.#world = world;
    this.#watch = watch;
  }

  get pending(): number {
    return this.waiting.length;
  }

  execute(request: Request): void {
    request.server = this.server;
    if (request.settled) return;
    if (request.key !== "probe") this.#world.contacted.push(this.server);
    if (this.holds) this.waiting.push(request);
    else if (this.isLate) queueMicrotask(() => this.#answer(request));
    else this.#answer(request);
  }

  /** Answers what waits, and waits no longer. */
  release(): void {
    this.holds = false;
    for (const request of this.waiting.splice(0)) this.#answer(request);
    this.#drained?.();
  }

  /** Ends the connection under what waits. */
  lose(kind: Loss["kind"] = "closed", silence = 0): void {
    const error = new MemcacheUnexpectedCloseError("lost", {
      server: this.server,
    });
    const loss = { kind, error, silence, openedAt: this.#openedAt };
    const hasServed = this.#served;
    this.#open = false;
    this.#watch.lost({ ...loss, hasServed });
    for (const request of this.waiting.splice(0)) request.fail(error);
  }

  disconnect(): void {
    this.disconnects++;
    this.#open = false;
    for (const request of this.waiting.splice(0)) {
      request.fail(new MemcacheUnexpectedCloseError("let go"));
    }
  }

  leave(say: (lane: Lane) => void): void {
    say(this);
  }

  drain(): Promise<void> {
    this.closed = true;
    if (this.waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained = resolve);
  }

  close(): void {
    this.closed = true;
    for (const request of this.waiting.splice(0)) {
      request.fail(new MemcacheUnexpectedCloseError("closed"));
    }
    this.#drained?.();
  }

  #answer(request: Request): void {
    if (request.settled) return;
    const world = this.#world;
    if (world.down.has(this.server)) {
      this.#open = false;
      const error = new MemcacheConnectionError("Connection refused", {
        server: this.server,
      });
      this.#watch.failed(error, 0);
      request.fail(
        new MemcacheConnectionError(error.message, {
          ...request.about(),
          cause: error,
        }),
      );
      return;
    }
    if (!this.#open) {
      this.#open = true;
      this.#served = false;
      this.#openedAt = world.time;
      this.connects++;
      this.#watch.opened();
      this.#watch.answered();
    }
    const out = new Output(new Uint8Array(256));
    request.kind.encode(out, false, 0);
    request.sent = true;
    const read = new Decoder(1024);
    read.feed(encoder.encode(this.#reply(decoder.decode(out.view()))));
    for (let kind = read.next(); kind !== MORE; kind = read.next()) {
      request.kind.read(
        read,
        kind,
        (bytes, start, end) => decoder.decode(bytes.subarray(start, end)),
      );
    }
    if (request.key !== "probe") this.#served = true;
    if (request.noreply) request.done(request.kind.unacknowledged);
  }

  #reply(text: string): string {
    const { says } = this;
    const [line, data = ""] = text.split("\r\n");
    if (says !== undefined) return typeof says === "string" ? says : says(line);
    const [name, ...args] = line.split(" ");
    const noreply = args.at(-1) === "noreply";
    return reply({ name, args, line, data, noreply }, this.items);
  }
}

/** A clock, servers, and who was contacted. */
export class World {
  /** Milliseconds, as the cluster sees them. */
  time = 0;
  /** The servers that cannot be reached. */
  readonly down: Set<string> = new Set();
  /** Which servers were given a command, probes left out. */
  readonly contacted: string[] = [];
  /** The way to each server, by its name. */
  readonly lanes: Map<string, FakeLane> = new Map();
  /** Events, as `type server`. */
  readonly events: string[] = [];
  /** What routes. */
  readonly executor: RingExecutor;
  /** A client of it. */
  readonly client: BaseClient;

  constructor(
    servers: readonly string[],
    policy: Partial<HealthPolicy> = {},
    options: ClientOptions = {},
    source?: Source,
    hasher: Hasher = new RendezvousHash(),
  ) {
    const context = readContext(options);
    const announcer = new Announcer();
    this.executor = new RingExecutor({
      hasher,
      policy: {
        retryAttempts: 2,
        retryTimeout: 1000,
        deadTimeout: 60_000,
        random: () => 0,
        ...policy,
      },
      now: () => this.time,
      announcer,
      open: ({ name }, watch) => {
        const lane = new FakeLane(name, this, watch);
        this.lanes.set(name, lane);
        return lane;
      },
      probe: () => probeRequest(context),
      source,
    });
    for (
      const type of [
        "serverfailing",
        "serverdead",
        "serverback",
        "connectionopened",
        "connectionlost",
      ] as const
    ) {
      announcer.events.addEventListener(type, ({ server }) => {
        this.events.push(`${type} ${server}`);
      });
    }
    if (source === undefined) this.executor.update(servers.map(parseServer));
    this.client = new BaseClient(context, this.executor);
  }

  /** The way to a server. */
  lane(name: string): FakeLane {
    const lane = this.lanes.get(name);
    if (lane === undefined) throw new Error(`Cannot find ${name}`);
    return lane;
  }

  /** How a server is. */
  state(name: string): string | undefined {
    return this.executor.members.find((member) => member.name === name)
      ?.health.state;
  }

  /** Finds a key that belongs to a server now. */
  keyOf(server: string): string {
    for (let i = 0; i < 10_000; i++) {
      const key = `key${i}`;
      if (this.executor.order(key)[0] === server) return key;
    }
    throw new Error(`Cannot find a key of ${server}`);
  }

  /** Takes what has been contacted so far. */
  takeContacted(): string[] {
    return this.contacted.splice(0);
  }
}
