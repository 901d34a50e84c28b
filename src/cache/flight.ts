/**
 * One value on its way: a load, or the wait for that of another one.
 *
 * States: looking → (waiting → looking)* → loading → storing → landed. It is
 * left alone when all its callers have gone.
 *
 * @module
 */

import { MemcacheError, MemcacheTimeoutError } from "../errors.ts";
import { type Hold, LeaseWatch, Renewal } from "./lease.ts";
import type { Plan } from "./options.ts";
import type {
  Call,
  MarkSighting,
  Port,
  Sighting,
  ValueSighting,
} from "./port.ts";

/** What a load is for that can be stored nowhere. */
const NOTHING: Hold = Object.freeze({ kind: "nothing", cas: 0n, left: -1 });

/** How much longer than the one before it a pause is. */
const GROWTH = 1.5;

/** Whether a value may be returned while another one is loaded. */
export function isUsable({ spare }: Plan, { left }: ValueSighting): boolean {
  return spare === 0 || left < 0 || left > spare;
}

/** What is kept of a load that failed. */
export function keptFailure({ key }: Call): MemcacheError {
  return new MemcacheError(
    "Cannot load value: its load has failed lately, which is kept for errorTtl seconds",
    { code: "ERR_LOAD_FAILED", command: "getOrSet", key },
  );
}

/** What `onError` is told of a load that failed where no caller is told. */
function hiddenFailure({ key }: Call, cause: unknown): MemcacheError {
  return new MemcacheError(
    "Cannot load value anew: the load failed, see the cause; the old value is returned as long as it is kept",
    { code: "ERR_LOAD_FAILED", command: "getOrSet", key, cause },
  );
}

/** One value on its way to all who wait for it. */
export class Flight {
  /** What the callers get. */
  readonly outcome: Promise<unknown>;
  /** Settles when there is nothing left to do, after the outcome. Never rejects. */
  rest: Promise<void> = Promise.resolve();
  /** Whether it goes on without callers. */
  readonly isBackground: boolean;
  /** Whether the outcome is there. */
  hasLanded = false;
  /** Callers that wait. */
  callers = 0;
  /** Calls there were when the lease was known to be ours, if it is. */
  leasedAt: number = Infinity;
  /** Whether it is loading, with the lease in place. */
  isLoading = false;
  /** Whether its load has failed. */
  hasFailed = false;

  readonly #port: Port;
  readonly #call: Call;
  readonly #calls: () => number;
  readonly #control: AbortController = new AbortController();
  #ended = false;
  /** Rejects what it waits for: a pause, or the load. */
  #interrupt: ((reason: unknown) => void) | undefined = undefined;
  /** Ends the load when its time is over. */
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  /** Ends a pause between two looks. */
  #wake: (() => void) | undefined = undefined;
  /** A value that a caller has won meanwhile. */
  #offer: ValueSighting | undefined = undefined;
  #classic: (() => void) | undefined;

  /**
   * Starts.
   *
   * @param call Whose key, load and plan.
   * @param port The client.
   * @param first What is known of the key to begin with; absent for a value
   * that is to be loaded anew in the background.
   * @param calls How many calls there have been.
   * @param classic Is told that the server speaks no meta.
   */
  constructor(
    call: Call,
    port: Port,
    first: Sighting | undefined,
    calls: () => number,
    classic: () => void,
  ) {
    this.#call = call;
    this.#port = port;
    this.#calls = calls;
    this.#classic = classic;
    this.isBackground = first === undefined;
    this.outcome = first === undefined ? this.#refresh() : this.#find(first);
    // Each caller hears of it, and there may be none.
    const land = (): void => void (this.hasLanded = true);
    this.outcome.then(land, land);
  }

  /** One more caller waits, or one less. */
  count(change: 1 | -1): void {
    this.callers += change;
    this.#keep();
  }

  /** A load that hangs keeps the process as long as it is waited for. */
  #keep(): void {
    if (typeof this.#timer !== "object") return;
    if (this.callers > 0) this.#timer.ref();
    else this.#timer.unref();
  }

  /** All callers have gone: what is only waited for ends, a load may go on. */
  abandon(): void {
    const reason = new DOMException(
      "Nobody waits for the load any more",
      "AbortError",
    );
    this.#control.abort(reason);
    if (this.#wake !== undefined) this.#interrupt?.(reason);
  }

  /** Is given a value that a caller has won: the next look would not. */
  offer(seen: ValueSighting): void {
    this.#offer = seen;
    this.#wake?.();
  }

  /** Ends it at once. */
  end(reason: unknown): void {
    this.#ended = true;
    this.#control.abort(reason);
    this.#interrupt?.(reason);
  }

  /** Loads a value anew that is this process's to load. */
  async #refresh(): Promise<void> {
    const standing = await this.#port.stand(this.#call);
    if (standing === undefined || this.#ended) return;
    await this.#load({ kind: "value", ...standing }).catch((error) => {
      if (!this.#ended) this.#port.observe(hiddenFailure(this.#call, error));
    });
  }

  /** Comes to a value, of this process or another. */
  async #find(first: Sighting): Promise<unknown> {
    const { plan } = this.#call;
    const start = performance.now();
    const limit = plan.loadTimeout + plan.lease * 1000;
    const watch = new LeaseWatch();
    let pause = 0;
    for (let seen = first;; seen = await this.#look()) {
      this.#control.signal.throwIfAborted();
      if (seen.state === "value") {
        const answer = this.#fromValue(seen, pause > 0);
        if (answer !== undefined) return await answer.outcome;
      } else if (
        seen.state === "mark" && seen.mark !== "computing" && !seen.isStale
      ) {
        if (seen.mark === "failed") throw keptFailure(this.#call);
        return seen.mark === "null" ? null : undefined;
      } else if (seen.state === "missing") {
        const hold = await this.#lease();
        if (hold !== undefined) return await this.#load(hold);
      } else if (seen.state !== "mark") {
        return await this.#load(await this.#anyhow(seen.state));
      } else if (seen.isStale) {
        const hold = await this.#outdate(seen);
        if (hold !== undefined) return await this.#load(hold);
      }
      // Another process is at it. Is it alive?
      if (watch.isDead(seen, plan)) {
        const hold = await this.#seize(seen);
        if (hold !== undefined) return await this.#load(hold);
      }
      if (plan.loadTimeout > 0 && performance.now() - start > limit) {
        throw this.#late();
      }
      pause = pause === 0
        ? plan.firstPause
        : Math.min(pause * GROWTH, plan.longestPause);
      await this.#pause(pause * (1 - plan.random() / 2));
    }
  }

  /** What a value means, unless another process has yet to load it anew. */
  #fromValue(
    seen: ValueSighting,
    hasWaited: boolean,
  ): { outcome: unknown } | undefined {
    const { plan } = this.#call;
    const { value, cas, isWon, isTaken, isStale } = seen;
    // The first look has no CAS unique: whoever won it has to ask for one.
    if (isWon && !hasWaited) return { outcome: this.#loadAnew(seen) };
    if (isWon) {
      // Whoever loaded it has failed, or has been taken for dead.
      if (!isStale && !isUsable(plan, seen)) {
        return { outcome: this.#loadAnew(seen) };
      }
      return { outcome: this.#hand(cas).then(() => value) };
    }
    if (isUsable(plan, seen)) return { outcome: value };
    // One who speaks classic cannot be told whose turn it is.
    return isTaken ? undefined : { outcome: this.#loadAnew(seen) };
  }

  async #loadAnew(fallback: ValueSighting): Promise<unknown> {
    const standing = fallback.cas === 0n
      ? await this.#port.stand(this.#call)
      : fallback;
    const { cas, left } = standing ?? NOTHING;
    const kind = standing === undefined ? "nothing" : "value";
    return await this.#load({ kind, cas, left, fallback });
  }

  /** Looks at the key, unless a caller has done so with more luck. */
  async #look(): Promise<Sighting> {
    const seen = this.#offer ?? await this.#port.look(this.#call);
    this.#offer = undefined;
    return seen;
  }

  /** Lets the next who asks load the value anew. */
  async #hand(known: bigint): Promise<void> {
    await this.#quietly(
      (async () => {
        const cas = known || (await this.#port.stand(this.#call))?.cas;
        if (cas !== undefined) await this.#port.hand(this.#call, cas);
      })(),
    );
  }

  /** Asks for the lease of a key that has no item. */
  async #lease(): Promise<Hold | undefined> {
    try {
      const { isWon, cas, isClassic } = await this.#port.lease(this.#call);
      if (isClassic) this.#tellClassic();
      return isWon ? { kind: "lease", cas, left: -1 } : undefined;
    } catch (error) {
      if (this.#port.hides(error)) return { ...NOTHING };
      throw error;
    }
  }

  /** What to load for where the item cannot be read. */
  async #anyhow(state: "unreadable" | "unknown"): Promise<Hold> {
    if (state === "unknown") return { ...NOTHING };
    try {
      const standing = await this.#port.stand(this.#call);
      return standing === undefined
        ? { ...NOTHING }
        : { kind: "value", ...standing };
    } catch {
      return { ...NOTHING };
    }
  }

  /** Takes the place of a sign that is out of date. */
  async #outdate({ cas }: MarkSighting): Promise<Hold | undefined> {
    const seen = cas === 0n ? await this.#port.look(this.#call) : undefined;
    if (seen !== undefined && (seen.state !== "mark" || !seen.isStale)) {
      return undefined;
    }
    const own = await this.#port.renew(this.#call, seen?.cas ?? cas);
    return own === undefined
      ? undefined
      : { kind: "lease", cas: own, left: -1 };
  }

  /** Takes over from a process that has died. */
  async #seize(seen: Sighting): Promise<Hold | undefined> {
    if (seen.state === "mark") {
      const cas = await this.#port.renew(this.#call, seen.cas);
      return cas === undefined ? undefined : { kind: "lease", cas, left: -1 };
    }
    // The next look of any process wins it.
    if (seen.state === "value") await this.#port.hand(this.#call, seen.cas);
    return undefined;
  }

  #tellClassic(): void {
    this.#classic?.();
    this.#classic = undefined;
  }

  /** Loads the value, and puts it where it belongs. */
  async #load(hold: Hold): Promise<unknown> {
    const { plan } = this.#call;
    if (this.#control.signal.aborted) {
      // All who wanted it left as it was about to begin.
      await this.#withdraw(hold);
      throw this.#control.signal.reason;
    }
    const renewal = new Renewal(this.#port, this.#call, hold);
    this.leasedAt = hold.kind === "lease" ? this.#calls() : Infinity;
    this.isLoading = true;
    let value: unknown;
    try {
      value = await this.#run(hold.kind === "value");
    } catch (error) {
      this.isLoading = false;
      this.hasFailed = true;
      await renewal.stop();
      await this.#giveUp(hold);
      this.#passOn();
      if (hold.fallback === undefined || this.#ended) throw error;
      this.#port.observe(hiddenFailure(this.#call, error));
      return hold.fallback.value;
    }
    this.isLoading = false;
    await renewal.stop();
    if (hold.kind === "nothing" || renewal.isLost || this.#ended) return value;
    const { cas } = hold;
    if (value !== undefined && value !== null) {
      await this.#quietly(this.#port.put(this.#call, cas, value));
    } else if (plan.negativeTtl === undefined) {
      await this.#quietly(this.#port.release(this.#call, cas));
    } else {
      const mark = value === null ? "null" : "undefined";
      const { negativeTtl } = plan;
      await this.#quietly(this.#port.mark(this.#call, cas, mark, negativeTtl));
    }
    return value;
  }

  /** Runs the load, within its time. */
  #run(isRefresh: boolean): Promise<unknown> {
    const { load, key, plan } = this.#call;
    return new Promise((resolve, reject) => {
      const timer = this.#timer = plan.loadTimeout === 0
        ? undefined
        : setTimeout(() => fail(this.#slow()), plan.loadTimeout);
      this.#keep();
      const fail = (reason: unknown): void => {
        clearTimeout(timer);
        this.#interrupt = undefined;
        reject(reason);
        this.#control.abort(reason);
      };
      this.#interrupt = fail;
      const { signal } = this.#control;
      // What it throws at once is told as what it rejects with.
      new Promise((settle) => settle(load(key, { signal, isRefresh }))).then(
        (value) => {
          clearTimeout(timer);
          this.#interrupt = undefined;
          resolve(value);
        },
        fail,
      );
    });
  }

  /** Lets others load. */
  async #withdraw({ kind, cas }: Hold): Promise<void> {
    if (kind === "nothing" || this.#ended) return;
    if (kind === "value") await this.#hand(cas);
    else await this.#quietly(this.#port.release(this.#call, cas));
  }

  /** Lets others load, now or after `errorTtl`. */
  async #giveUp(hold: Hold): Promise<void> {
    const { kind, cas, fallback } = hold;
    const { errorTtl } = this.#call.plan;
    if (kind === "nothing" || this.#ended) return;
    if (errorTtl === undefined) return await this.#withdraw(hold);
    if (kind === "lease") {
      const mark = this.#port.mark(this.#call, cas, "failed", errorTtl);
      return await this.#quietly(mark);
    }
    // Who needs a new value must not wait, nor be told of a failure for long.
    const isSpare = fallback !== undefined &&
      !isUsable(this.#call.plan, fallback);
    if (isSpare) return await this.#withdraw(hold);
    this.rest = this.#pause(errorTtl * 1000, false)
      .then(() => this.#hand(cas), () => {});
  }

  /** Lets others have what a caller has won, and nobody needs here any more. */
  #passOn(): void {
    const offer = this.#offer;
    this.#offer = undefined;
    if (offer === undefined || this.#ended) return;
    this.rest = this.rest.then(() => this.#hand(offer.cas));
  }

  /** Waits; a caller who waits too keeps the process alive. */
  #pause(ms: number, holds: boolean = true): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#wake = this.#interrupt = undefined;
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const timer = setTimeout(wake, ms);
      if (typeof timer === "object" && !holds) timer.unref();
      if (holds) this.#wake = wake;
      this.#interrupt = (reason) => {
        end();
        reject(reason);
      };
      if (this.#ended) this.#interrupt(this.#control.signal.reason);
      else if (this.#offer !== undefined && holds) wake();
    });
  }

  /** What fails here has been shown to `onError`, and changes no result. */
  async #quietly(command: Promise<unknown>): Promise<void> {
    try {
      await command;
    } catch {
      // The value is what the caller wants.
    }
  }

  #slow(): MemcacheTimeoutError {
    const { key, plan } = this.#call;
    return new MemcacheTimeoutError(
      `Cannot load value: the load had not finished within ${plan.loadTimeout} ms (loadTimeout)`,
      { command: "getOrSet", key },
    );
  }

  #late(): MemcacheTimeoutError {
    const { key, plan } = this.#call;
    return new MemcacheTimeoutError(
      `Cannot load value: nobody else had loaded it within ${plan.loadTimeout} ms (loadTimeout) and a lease of ${plan.lease} seconds`,
      { command: "getOrSet", key },
    );
  }
}
