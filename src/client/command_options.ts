/**
 * What commands on keys are told, and what some of them answer.
 *
 * @module
 */

import type { CommandOptions, Ttl } from "../types.ts";

/** Options of `get` and `gat`. */
export interface GetOptions<T = unknown> extends CommandOptions {
  /**
   * What a miss resolves to.
   *
   * @default {undefined}
   */
  default?: T;
}

/** Options of commands that may go without a reply. */
export interface NoreplyOptions extends CommandOptions {
  /**
   * Sends the command without asking for a reply: resolves once the bytes are
   * handed to the transport. Errors that the server sends for it all the same
   * go to `onError`.
   *
   * Where the server speaks meta and is memcached 1.6.10 or later, which the
   * first on a connection wait to know, stores go as quiet `ms`: those that are refused go to `onError`, too, as
   * {@linkcode MemcacheNotStoredError}, {@linkcode MemcacheCasError} or
   * {@linkcode MemcacheNotFoundError} with command and key. An error line that
   * several commands may have earned is one error with their `failedKeys`; so is
   * what was on its way when a connection ended.
   * {@linkcode KeyCommands.flush} waits until all is told.
   *
   * @default {the client's `defaultNoreply`; `false` for cas, incr and decr}
   */
  noreply?: boolean;
}

/** Options of stores. */
export interface StoreOptions extends NoreplyOptions {
  /**
   * Lifetime of the item.
   *
   * @default {0}
   */
  ttl?: Ttl;
  /**
   * The number stored beside the value, 0 to 2^32 - 1; overrides the serde's,
   * which is used if absent.
   */
  flags?: number;
}

/** Options of `incr` and `decr`. */
export interface CountOptions extends NoreplyOptions {
  /**
   * Creates a missing counter with this value, to which the delta is not
   * applied: 0 to 2^64 - 1, a safe integer if given as a number. It needs a
   * reply. If absent, a missing counter stays missing.
   */
  initial?: number | bigint;
  /**
   * Lifetime of a counter that is created.
   *
   * @default {0}
   */
  ttl?: Ttl;
}

/** A value with the version of its item. */
export interface Versioned<T> {
  /** The value. */
  value: T;
  /** The CAS unique. */
  cas: bigint;
}
