/**
 * The seam between `getOrSet` and a client: the few things that it does with
 * the item of a key.
 *
 * @module
 */

import type { MemcacheError } from "../errors.ts";
import type { Mark } from "./marks.ts";
import type { LoadContext, Plan } from "./options.ts";

/** Makes the value of a key. */
export type Load = (key: string, context: LoadContext) => unknown;

/** One call's key, load and plan. */
export interface Call {
  /** The caller's key. */
  readonly key: string;
  /** The key with its prefix, checked. */
  readonly wireKey: string;
  /** The key that chooses the server. */
  readonly route: string;
  /** The options, checked. */
  readonly plan: Plan;
  /** Makes the value. */
  readonly load: Load;
}

/** A call whose caller waits for more than one reply. */
export interface Waiting extends Call {
  /** How many calls there were before it. */
  readonly order: number;
  /** Until when, on the clock of `performance.now`; 0: for good. */
  readonly deadline: number;
  /** Milliseconds that the caller has given it, for the error. */
  readonly patience: number;
  /** The caller's signal. */
  readonly signal: AbortSignal | undefined;
}

/** What is stored under a key. */
export type Sighting =
  | { readonly state: "missing" }
  | MarkSighting
  | ValueSighting
  /** Something that the serde cannot read. */
  | { readonly state: "unreadable" }
  /** Nobody knows: the server cannot be asked, and errors are misses. */
  | { readonly state: "unknown" };

/** A sign of ours, or an empty item that another client's lease made. */
export interface MarkSighting {
  readonly state: "mark";
  readonly mark: Mark;
  /** The CAS unique, 0 where it was not asked for. */
  readonly cas: bigint;
  /** Whether it was marked as stale: what is being computed is out of date. */
  readonly isStale: boolean;
}

/** A value, and what is known of it. */
export interface ValueSighting {
  readonly state: "value";
  readonly value: unknown;
  /** The CAS unique, 0 where it was not asked for. */
  readonly cas: bigint;
  /** Whether it is this caller's to load the value anew (`W`). */
  readonly isWon: boolean;
  /** Whether it is another caller's (`Z`). */
  readonly isTaken: boolean;
  /** Whether it was marked as stale (`X`). */
  readonly isStale: boolean;
  /** Seconds that are left, -1 for no end, or not known. */
  readonly left: number;
}

/** What is known of an item that was not read. */
export interface Standing {
  /** The CAS unique. */
  readonly cas: bigint;
  /** Seconds that are left, -1 for no end, or not known. */
  readonly left: number;
  /** Whether asking has won the item: it is the asker's to load anew. */
  readonly isWon: boolean;
}

/** What became of a lease that was asked for. */
export interface Lease {
  /** Whether it was given. */
  readonly isWon: boolean;
  /** The CAS unique of the item that stands for it. */
  readonly cas: bigint;
  /** Whether the server speaks no meta. */
  readonly isClassic: boolean;
}

/** What `getOrSet` does with items; a command that fails rejects. */
export interface Port {
  /** Looks at a key, and takes over a value that is to be loaded anew. */
  look(call: Call): Promise<Sighting>;
  /** Tells what is known of an item without reading it, if there is one. */
  stand(call: Call): Promise<Standing | undefined>;
  /** Marks a key that has no item as being computed. */
  lease(call: Call): Promise<Lease>;
  /** Prolongs a lease, or takes one over; its new CAS unique, if it was there. */
  renew(call: Call, cas: bigint): Promise<bigint | undefined>;
  /** Stores a value, unless the item has changed. */
  put(call: Call, cas: bigint, value: unknown): Promise<void>;
  /** Puts a sign in the place of an item that has not changed. */
  mark(call: Call, cas: bigint, mark: Mark, seconds: number): Promise<void>;
  /** Deletes an item that has not changed. */
  release(call: Call, cas: bigint): Promise<void>;
  /** Lets the next who asks for a value load it anew. */
  hand(call: Call, cas: bigint): Promise<void>;
  /** Whether a failed read is a miss. */
  hides(error: unknown): boolean;
  /** Shows a failure to `onError`. */
  observe(error: MemcacheError): void;
  /** The outcome, as long as the caller waits for it. */
  wait(outcome: Promise<unknown>, waiting: Waiting): Promise<unknown>;
}
