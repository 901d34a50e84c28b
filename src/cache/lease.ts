/**
 * What stands for a load under its key: how it is kept, and how others tell that
 * nobody keeps it any more.
 *
 * @module
 */

import type { Plan } from "./options.ts";
import type { Call, Port, Sighting, ValueSighting } from "./port.ts";

/** What a load is for: the item that its value takes the place of. */
export interface Hold {
  /** An empty item of ours, an old value, or nothing that could be stored. */
  kind: "lease" | "value" | "nothing";
  /** The CAS unique of the item. */
  cas: bigint;
  /** Seconds until an old value ends, -1 if it does not. */
  readonly left: number;
  /** What is returned if the load fails. */
  readonly fallback?: ValueSighting | undefined;
}

/** Longest delay of a timer, in milliseconds. */
const MAX_DELAY = 2_147_483_647;

/** How often a lease is renewed before it would end. */
const RENEWALS = 3;

/** Milliseconds that a load is given by others if it has no limit. */
const PATIENCE = 30_000;

/** Milliseconds after which another process's load must have ended. */
export function patienceOf({ loadTimeout }: Plan): number {
  return (loadTimeout || PATIENCE) + 1000;
}

/** Tells whether the one who loads is alive: who lives renews its lease. */
export class LeaseWatch {
  #cas = 0n;
  #since = 0;

  /** Whether the same item has been there for longer than it should. */
  isDead(seen: Sighting, plan: Plan): boolean {
    if (seen.state !== "mark" && seen.state !== "value") return false;
    if (seen.cas === 0n) return false;
    const at = performance.now();
    if (seen.cas !== this.#cas) {
      this.#cas = seen.cas;
      this.#since = at;
      return false;
    }
    // Most leases end long before, but for those that somebody has touched.
    if (at - this.#since < patienceOf(plan)) return false;
    this.#since = at;
    return true;
  }
}

/**
 * Renews a lease as long as its load takes. An old value becomes a lease before
 * it ends: else another process would find nothing, and load, too.
 */
export class Renewal {
  /** Whether the item has been changed or deleted by another. */
  isLost = false;

  readonly #port: Port;
  readonly #call: Call;
  readonly #hold: Hold;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #going: Promise<void> | undefined = undefined;

  constructor(port: Port, call: Call, hold: Hold) {
    this.#port = port;
    this.#call = call;
    this.#hold = hold;
    const { kind, left } = hold;
    if (kind === "lease") this.#set(this.#interval);
    // Seconds are counted in whole ones: the last one may be over at once.
    else if (kind === "value" && left >= 0) {
      this.#set(Math.min(MAX_DELAY, Math.max(0, left - 1) * 1000));
    }
  }

  get #interval(): number {
    return this.#call.plan.lease * 1000 / RENEWALS;
  }

  /** Ends it, and waits until the CAS unique is known. */
  async stop(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    await this.#going;
  }

  #set(delay: number): void {
    this.#timer = setTimeout(() => {
      this.#going = this.#renew();
    }, delay);
    if (typeof this.#timer === "object") this.#timer.unref();
  }

  async #renew(): Promise<void> {
    try {
      const cas = await this.#port.renew(this.#call, this.#hold.cas);
      if (cas !== undefined) {
        this.#hold.cas = cas;
        this.#hold.kind = "lease";
      } else {
        this.isLost = true;
        return;
      }
    } catch {
      // Shown to `onError`; the next one may have more luck.
    }
    if (!this.#isOver) this.#set(this.#interval);
  }
}
