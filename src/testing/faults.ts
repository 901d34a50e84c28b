/**
 * Faults on order: what can go wrong, and which requests it hits.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";

/** A request as the server saw it. */
export interface ServerRequest {
  /** The command's name, such as `"get"`; empty for an empty line. */
  readonly command: string;
  /** The command line, one character for each byte, without its line end. */
  readonly line: string;
  /** The data block of a store, without its line end. */
  readonly data?: Uint8Array;
  /** Number of the connection it came in on, from 1. */
  readonly connection: number;
  /** Milliseconds since 1970 by the server's clock. */
  readonly at: number;
}

/** Which requests: the name of a command, or a function that tells. */
export type RequestMatch = string | ((request: ServerRequest) => boolean);

/** How often a fault strikes, and whom. */
export interface FaultScope {
  /**
   * How many times it strikes.
   *
   * @default {Infinity, until it is healed}
   */
  times?: number;
  /** Which requests it strikes; all if absent. Not for `refuse` and `greet`. */
  match?: RequestMatch;
}

/** A fault that strikes requests. */
export type ReplyFault =
  | {
    /** The reply comes late, and those behind it on the connection wait. */
    readonly kind: "delay";
    /** Milliseconds from the request to its reply. */
    readonly ms: number;
  }
  | {
    /** The connection is closed in place of a reply. */
    readonly kind: "drop";
    /**
     * Whether the command is carried out all the same.
     *
     * @default {true}
     */
    readonly execute?: boolean;
  }
  | {
    /** The connection is closed after a part of the reply. */
    readonly kind: "cut";
    /** How many bytes of the reply are sent. */
    readonly bytes: number;
  }
  | {
    /** Bytes that are no reply are sent. */
    readonly kind: "garbage";
    /** The bytes, or a text (sent as UTF-8), line ends included. */
    readonly bytes: string | Uint8Array;
    /**
     * Where they go in relation to the reply.
     *
     * @default {"instead"}
     */
    readonly place?: "before" | "instead" | "after";
  }
  | {
    /** The reply is left out, and the connection goes on. */
    readonly kind: "swallow";
  }
  | {
    /**
     * The connection goes silent: nothing is read or carried out from this
     * request on. Healing it lets everything run that has come in.
     */
    readonly kind: "stall";
  };

/** A fault that strikes new connections. */
export type ConnectionFault =
  | {
    /** The connection is accepted and closed at once. */
    readonly kind: "refuse";
  }
  | {
    /** Bytes are sent before anything was asked. */
    readonly kind: "greet";
    /** The bytes, or a text (sent as UTF-8), line ends included. */
    readonly bytes: string | Uint8Array;
    /**
     * Whether the connection is closed after them.
     *
     * @default {false}
     */
    readonly close?: boolean;
  };

/** A fault to order with {@linkcode MemcachedServer.fault}. */
export type Fault = (ReplyFault | ConnectionFault) & FaultScope;

/** A fault that has been ordered. */
export interface OrderedFault {
  /** How many times it has struck. */
  readonly hits: number;
  /** Takes it back. */
  heal(): void;
}

/** One ordered fault and what is left of it. */
class Order implements OrderedFault {
  readonly fault: Fault;
  readonly #heal: (order: Order) => void;
  hits = 0;

  constructor(fault: Fault, heal: (order: Order) => void) {
    this.fault = fault;
    this.#heal = heal;
  }

  strikes(): boolean {
    return this.hits < (this.fault.times ?? Infinity);
  }

  heal(): void {
    this.#heal(this);
  }
}

/** The faults that a server has been ordered to have. */
export class FaultList {
  readonly #healed: (fault: Fault) => void;
  #orders: readonly Order[] = [];

  /** Makes an empty list; `healed` is told of every fault that goes. */
  constructor(healed: (fault: Fault) => void) {
    this.#healed = healed;
  }

  /** Orders a fault. */
  add(fault: Fault): OrderedFault {
    checkFault(fault);
    const order = new Order({ ...fault }, (order) => {
      this.#orders = this.#orders.filter((other) => other !== order);
      this.#healed(order.fault);
    });
    this.#orders = [...this.#orders, order];
    return order;
  }

  /** Takes all faults back. */
  heal(): void {
    for (const order of this.#orders) order.heal();
  }

  /** The fault that strikes a request: the first that was ordered. */
  forRequest(request: ServerRequest): ReplyFault | undefined {
    for (const order of this.#orders) {
      const { fault } = order;
      if (fault.kind === "refuse" || fault.kind === "greet") continue;
      if (!order.strikes() || !matches(request, fault.match)) continue;
      order.hits++;
      return fault;
    }
    return undefined;
  }

  /** The fault that strikes a new connection. */
  forConnection(): ConnectionFault | undefined {
    for (const order of this.#orders) {
      const { fault } = order;
      if (fault.kind !== "refuse" && fault.kind !== "greet") continue;
      if (!order.strikes()) continue;
      order.hits++;
      return fault;
    }
    return undefined;
  }
}

/** Whether a request is one of those meant; all are without a match. */
export function matches(
  request: ServerRequest,
  match: RequestMatch | undefined,
): boolean {
  if (match === undefined) return true;
  return typeof match === "string" ? request.command === match : match(request);
}

function checkFault(fault: Fault): void {
  const check = (name: string, value: number, least: number) => {
    if (!(value >= least)) {
      throw new MemcacheIllegalInputError(
        `Cannot order fault: ${name} is ${value}, at least ${least} is needed`,
        { sent: false },
      );
    }
  };
  check("times", fault.times ?? Infinity, 1);
  if (fault.kind === "delay") check("ms", fault.ms, 0);
  if (fault.kind === "cut") check("bytes", fault.bytes, 0);
}
