/**
 * One client's connection: a socket, its session, and the faults that spoil
 * its replies.
 *
 * @module
 */

import type { Socket } from "node:net";
import type { ConnectionInfo, ServerState } from "./context.ts";
import type { ReplyFault, ServerRequest } from "./faults.ts";
import { concatBytes, toBytes } from "./latin1.ts";
import { Session } from "./session.ts";
import type { CloseReason, LoggedConnection } from "./watchers.ts";

/** What a connection needs of the server that accepted it. */
export interface ConnectionOwner {
  /** The state that sessions share. */
  readonly state: ServerState;
  /** Logs a request and names the fault that strikes it. */
  request(request: ServerRequest): ReplyFault | undefined;
  /** The connection is gone. */
  closed(connection: ServerConnection): void;
}

/** The first connection has the next descriptor. */
const FIRST_DESCRIPTOR = 10;

interface Delayed {
  readonly due: number;
  readonly action: () => void;
}

/** A connection that a client has opened. */
export class ServerConnection implements ConnectionInfo {
  readonly id: number;
  readonly remote: string;
  lastCommandAt: number;
  readonly #socket: Socket;
  readonly #logged: LoggedConnection;
  readonly #session: Session;
  readonly #delayed: Delayed[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stalledBy: ReplyFault | undefined;
  #full = false;
  #open = false;

  /** Takes a socket over. */
  constructor(
    id: number,
    socket: Socket,
    owner: ConnectionOwner,
    idleTimeout: number,
  ) {
    const { state } = owner;
    this.id = id;
    const { remoteAddress, remotePort = 0 } = socket;
    this.remote = remoteAddress === undefined
      ? state.listenAddress()
      : `tcp:${remoteAddress}:${remotePort}`;
    this.#logged = {
      ip: remoteAddress ?? "unix",
      port: remotePort,
      cfd: id + FIRST_DESCRIPTOR,
    };
    this.lastCommandAt = state.clock.seconds;
    this.#socket = socket;
    this.#session = new Session(state, {
      cfd: this.#logged.cfd,
      request: (command, line, data) => {
        this.lastCommandAt = state.clock.seconds;
        const at = state.clock.now;
        return owner.request({
          command,
          line,
          ...(data === undefined ? {} : { data }),
          connection: id,
          at,
        });
      },
      write: (bytes) => {
        this.#later(0, () => this.#write(bytes));
        return !this.#full;
      },
      faulted: (fault, reply) => this.#faulted(fault, reply),
      end: (reason) => this.#later(0, () => this.#end(reason)),
    });
    socket.setNoDelay?.(true);
    if (idleTimeout > 0) {
      socket.setTimeout(idleTimeout, () => {
        // Those who watch may be silent for as long as they like.
        if (!this.#session.watching) this.destroy("idle_timeout");
      });
    }
    socket.on("data", (bytes: Uint8Array) => this.#session.feed(bytes));
    socket.on("drain", () => {
      this.#full = false;
      this.#session.drained();
      this.#adjustReading();
    });
    socket.on("error", () => this.destroy());
    socket.on("end", () => this.#logEnd("normal"));
    socket.on("close", () => {
      this.#clear();
      this.#logEnd("normal");
      this.#session.release();
      owner.closed(this);
    });
  }

  /** Tells those who watch that a client has connected. */
  announce(): void {
    this.#open = true;
    this.#session.server.watchers.connected(this.#logged);
  }

  /** Sends bytes that no command asked for, and closes if told to. */
  greet(bytes: Uint8Array, close: boolean): void {
    this.#write(bytes);
    if (close) this.#end();
  }

  /** Goes on if it was this fault, or any, that silenced the connection. */
  heal(fault: object): void {
    if (this.#stalledBy !== fault) return;
    this.#stalledBy = undefined;
    this.#session.resume();
    this.#adjustReading();
  }

  /** Closes at once. */
  destroy(reason: CloseReason = "error"): void {
    this.#clear();
    this.#logEnd(reason);
    this.#socket.destroy();
  }

  #faulted(fault: ReplyFault, reply: Uint8Array): void {
    switch (fault.kind) {
      case "delay":
        return this.#later(fault.ms, () => this.#write(reply));
      case "drop":
        return this.#later(0, () => this.#end());
      case "cut":
        return this.#later(0, () => {
          this.#write(reply.subarray(0, fault.bytes));
          this.#end();
        });
      case "garbage": {
        const garbage = toBytes(fault.bytes);
        const parts = fault.place === "before"
          ? [garbage, reply]
          : fault.place === "after"
          ? [reply, garbage]
          : [garbage];
        return this.#later(0, () => this.#write(concatBytes(parts)));
      }
      case "swallow":
        return;
      case "stall":
        this.#stalledBy = fault;
        this.#adjustReading();
    }
  }

  // What is sent after a delayed reply waits for it: one connection, one order.
  #later(ms: number, action: () => void): void {
    if (ms === 0 && this.#delayed.length === 0) return action();
    this.#delayed.push({ due: performance.now() + ms, action });
    if (this.#timer === undefined) this.#arm();
  }

  #arm(): void {
    const [first] = this.#delayed;
    if (first === undefined) {
      this.#timer = undefined;
      return;
    }
    const left = Math.max(0, Math.ceil(first.due - performance.now()));
    this.#timer = setTimeout(() => {
      this.#delayed.shift();
      first.action();
      while ((this.#delayed[0]?.due ?? Infinity) <= performance.now()) {
        this.#delayed.shift()?.action();
      }
      this.#arm();
    }, left);
  }

  #write(bytes: Uint8Array): void {
    if (bytes.length === 0 || !this.#socket.writable) return;
    this.#session.server.counters.add("bytes_written", bytes.length);
    // A client that does not read its replies is not read from either.
    if (!this.#socket.write(bytes)) {
      this.#full = true;
      this.#adjustReading();
    }
  }

  #adjustReading(): void {
    if (this.#full || this.#stalledBy !== undefined) this.#socket.pause();
    else this.#socket.resume();
  }

  #end(reason: CloseReason = "error"): void {
    this.#logEnd(reason);
    if (!this.#socket.writable) return;
    this.#socket.end(() => this.#socket.destroy());
  }

  #logEnd(reason: CloseReason): void {
    if (!this.#open) return;
    this.#open = false;
    // memcached takes the end of one who watches for an error, always.
    const { server, watching } = this.#session;
    server.watchers.closed(this.#logged, watching ? "error" : reason);
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#delayed.length = 0;
  }
}
