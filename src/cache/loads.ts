/**
 * The loads of one client: one flight for each key.
 *
 * @module
 */

import { MemcacheError } from "../errors.ts";
import { Flight, isUsable, keptFailure } from "./flight.ts";
import { patienceOf } from "./lease.ts";
import type { Call, Port, Sighting, Standing, Waiting } from "./port.ts";

/** Keys that are watched for a load that does not come, at most. */
const MAX_WATCHED = 1000;

/** Since when a value waits for another process to load it anew. */
interface Watched {
  readonly since: number;
  last: number;
  /** The CAS unique that the item had then, once it is known. */
  cas: bigint | undefined;
}

/** What a client is loading. */
export class Loads {
  /** How many calls there have been. */
  calls = 0;

  readonly #port: Port;
  readonly #flights: Map<string, Flight> = new Map();
  /** All that are under way, also those that others need not join. */
  readonly #all: Set<Flight> = new Set();
  readonly #watched: Map<string, Watched> = new Map();
  #isClassicTold = false;

  /** Takes the client. */
  constructor(port: Port) {
    this.#port = port;
  }

  /** What a call resolves to: the answer to its first look was no plain hit. */
  answer(call: Waiting, seen: Sighting): unknown {
    if (seen.state === "value") {
      if (isUsable(call.plan, seen) && !(seen.isWon && call.plan.waits)) {
        if (seen.isWon) this.#refresh(call);
        else if (seen.isTaken) this.#watch(call);
        return seen.value;
      }
    } else if (seen.state === "mark" && !seen.isStale) {
      if (seen.mark === "failed") return Promise.reject(keptFailure(call));
      if (seen.mark === "undefined") return undefined;
      if (seen.mark === "null") return null;
    }
    return this.#join(this.#flightFor(call, seen), call);
  }

  /** Ends all. */
  close(reason: () => unknown): void {
    for (const flight of [...this.#all]) flight.end(reason());
    this.#watched.clear();
  }

  #flightFor(call: Waiting, seen: Sighting): Flight {
    const id = idOf(call);
    const flight = this.#flights.get(id);
    if (flight === undefined) return this.#start(id, call, seen);
    // Somebody has deleted the item under its lease, or marked it as stale: what
    // is being loaded may be older than that.
    const isOutdated = seen.state === "missing" ||
      seen.state === "mark" && seen.isStale;
    if (isOutdated && flight.isLoading && call.order > flight.leasedAt) {
      return this.#start(id, call, seen);
    }
    if (seen.state === "value" && seen.isWon) {
      // It lets go of the key, and this is the one who has got it.
      if (flight.hasFailed) return this.#start(id, call, seen);
      flight.offer(seen);
    }
    return flight;
  }

  #start(id: string, call: Call, seen: Sighting | undefined): Flight {
    const flight = new Flight(
      call,
      this.#port,
      seen,
      () => this.calls,
      () => this.#tellClassic(),
    );
    this.#flights.set(id, flight);
    this.#all.add(flight);
    const land = (): void => {
      this.#detach(id, flight);
      flight.rest.then(() => this.#all.delete(flight));
    };
    flight.outcome.then(land, land);
    return flight;
  }

  #detach(id: string, flight: Flight): void {
    if (this.#flights.get(id) === flight) this.#flights.delete(id);
  }

  /** Waits for a flight as long as the caller does. */
  #join(flight: Flight, call: Waiting): Promise<unknown> {
    flight.count(1);
    // A background flight is about a value: who needs one waits on.
    const outcome = flight.isBackground
      ? flight.outcome.then(() => this.#again(call), () => this.#again(call))
      : flight.outcome;
    const leave = (): void => {
      flight.count(-1);
      if (flight.callers > 0 || flight.isBackground || flight.hasLanded) return;
      this.#detach(idOf(call), flight);
      flight.abandon();
    };
    return this.#port.wait(outcome, call).finally(leave);
  }

  /** Looks once more, now that a load in the background has ended. */
  async #again(call: Waiting): Promise<unknown> {
    return await this.answer(call, await this.#port.look(call));
  }

  /** Loads a value anew while the old one is returned. */
  #refresh(call: Call): void {
    const id = idOf(call);
    const flight = this.#flights.get(id);
    // Where one is under way, it is about to take the place of this value.
    if (flight === undefined || flight.hasFailed) {
      this.#start(id, call, undefined);
    }
  }

  /**
   * It was let go of when it was looked at, and looking has won it. A load that
   * a caller has to wait for has none here: it is let go of again.
   */
  #won(call: Call, { cas }: Standing): Promise<void> | void {
    if (call.plan.waits) return this.#port.hand(call, cas);
    this.#refresh(call);
  }

  /**
   * A value is another's to load anew. Where that takes longer than a load may,
   * with the same item all the while, the other has died, or was no caller of
   * `getOrSet` at all: any read of a stale item takes its token.
   */
  #watch(call: Call): void {
    const id = idOf(call);
    const at = performance.now();
    const patience = patienceOf(call.plan);
    const known = this.#watched.get(id);
    if (known !== undefined && at - known.last <= patience) {
      known.last = at;
      if (at - known.since < patience) return;
    }
    this.#watched.delete(id);
    const before = known?.cas;
    const watched: Watched = { since: at, last: at, cas: undefined };
    this.#watched.set(id, watched);
    for (const [oldest] of this.#watched) {
      if (this.#watched.size <= MAX_WATCHED) break;
      this.#watched.delete(oldest);
    }
    this.#port.stand(call).then((standing) => {
      const cas = watched.cas = standing?.cas;
      if (standing?.isWon) return this.#won(call, standing);
      if (cas === undefined || cas !== before) return;
      if (at - (known?.since ?? at) < patience) return;
      return this.#port.hand(call, cas);
    }).catch(() => {
      // Shown to `onError`; the next time is as good.
    });
  }

  #tellClassic(): void {
    if (this.#isClassicTold) return;
    this.#isClassicTold = true;
    this.#port.observe(
      new MemcacheError(
        "Cannot use all of getOrSet: the server speaks no meta commands; one caller still loads a value at a time, by add, but refreshAhead, staleFor and staleIfError do nothing",
        { code: "ERR_NO_META", command: "getOrSet" },
      ),
    );
  }
}

/** What tells flights apart: no key on the wire has a blank in it. */
function idOf({ key, wireKey, route }: Call): string {
  return route === key ? wireKey : `${wireKey} ${route}`;
}
