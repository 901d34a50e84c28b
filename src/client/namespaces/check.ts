/**
 * The question which version of a namespace the server has, as many calls share
 * it.
 *
 * @module
 */

import {
  COMPANION,
  IDEMPOTENT,
  READ_ONLY,
  type Request,
} from "../../connection/request.ts";
import { FROM_VIEW, UNKEPT, type ViewSerde } from "../../serde/serde.ts";
import type { Context } from "../context.ts";
import type { Executor } from "../executor.ts";
import { FetchCommand } from "../requests/fetch.ts";
import { isNewer, isVersion, VERSION_LENGTH } from "./version.ts";

/** It is not known yet. */
export const PENDING = 0;
/** The version is the one that was used. */
export const SAME = 1;
/** There is a newer version, and it is known. */
export const MOVED = 2;
/** The version is missing, or older than one that has been seen. */
export const LOST = 3;
/** It could not be asked for. */
export const FAILED = 4;

/** What the server says of the version that a call has used. */
export type Verdict =
  | typeof PENDING
  | typeof SAME
  | typeof MOVED
  | typeof LOST
  | typeof FAILED;

/** Versions as they are stored: text. What is none reads as an empty one. */
export const VERSION_SERDE: ViewSerde<string> = {
  serialize: (_key, version) => ({ data: version, flags: 0 }),
  deserialize: (_key, data) => versionIn(data, 0, data.length),
  [UNKEPT]: -1,
  [FROM_VIEW]: (_key, bytes, start, end) => versionIn(bytes, start, end),
};

function versionIn(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > VERSION_LENGTH) return "";
  return String.fromCharCode(...bytes.subarray(start, end));
}

/** Reads a version. It is asked for alone, and told by its own serde. */
class VersionRead extends FetchCommand {}

/** One question to the server. */
export class Check {
  /** What the server has; once it has answered, and unless it has none. */
  found: string | undefined = undefined;
  /** Why there is no answer. */
  error: unknown = undefined;
  /** Whether there is one, or never will be. */
  settled = false;
  readonly #request: Request;
  #waiting: Array<() => void> | undefined = undefined;

  /**
   * Asks the server.
   *
   * @param context That of version keys.
   * @param executor Where to.
   * @param name The key, without the client's prefix.
   * @param timeout Milliseconds, 0 for none.
   * @param learn Takes what was found, and says it as it is known already.
   */
  constructor(
    context: Context,
    executor: Executor,
    name: string,
    timeout: number,
    learn: (found: string | undefined) => string | undefined,
  ) {
    const { request } = new VersionRead(
      "get",
      context,
      name,
      context.keyPrefix + name,
      undefined,
      READ_ONLY | IDEMPOTENT | COMPANION,
    );
    this.#request = request;
    request.timeout = timeout;
    request.callback((found) => {
      // What the serde gives, or nothing.
      this.found = learn(found as string | undefined);
      this.#settle();
    }, (error) => {
      this.error = error;
      this.#settle();
    });
    executor.execute(request, name);
  }

  /**
   * Whether a call that begins now may share it: as long as it has not been
   * sent, what the server will answer is what holds after the call has begun.
   * A deadline that is set already would not be the call's.
   */
  isOpenTo(timeout: number): boolean {
    const request = this.#request;
    return !request.sent && !request.settled && request.deadline === 0 &&
      request.timeout === timeout;
  }

  /** What it says of a version that was used. */
  verdict(used: string): Verdict {
    if (!this.settled) return PENDING;
    const { found } = this;
    if (found === used) return SAME;
    if (this.error !== undefined) return FAILED;
    return isVersion(found) && isNewer(found, used) ? MOVED : LOST;
  }

  /** Calls back once it is settled. */
  whenSettled(tell: () => void): void {
    if (this.settled) tell();
    else (this.#waiting ??= []).push(tell);
  }

  #settle(): void {
    this.settled = true;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    for (const tell of waiting ?? []) tell();
  }
}

/** The questions of one namespace: one for each that it is nested in. */
export class Round {
  /** When they were asked: no call that shares them began long before. */
  readonly startedAt: number = performance.now();
  readonly #checks: readonly Check[];
  #settled: Promise<void> | undefined = undefined;

  /** Takes them in the order of the versions. */
  constructor(checks: readonly Check[]) {
    this.#checks = checks;
  }

  /** Why one of them has no answer. */
  get error(): unknown {
    return this.#checks.find(({ error }) => error !== undefined)?.error;
  }

  /** See {@linkcode Check.isOpenTo}. */
  isOpenTo(timeout: number): boolean {
    const checks = this.#checks;
    for (let i = 0; i < checks.length; i++) {
      if (!checks[i].isOpenTo(timeout)) return false;
    }
    return true;
  }

  /** What they say of the versions that were used: the worst of it. */
  verdict(used: readonly string[]): Verdict {
    const checks = this.#checks;
    let worst: Verdict = SAME;
    for (let i = 0; i < checks.length; i++) {
      const verdict = checks[i].verdict(used[i]);
      if (verdict === PENDING) return PENDING;
      if (verdict > worst) worst = verdict;
    }
    return worst;
  }

  /** Settles once all are, and never rejects. */
  get settled(): Promise<void> {
    return this.#settled ??= new Promise((resolve) => {
      let open = this.#checks.length;
      for (const check of this.#checks) {
        check.whenSettled(() => {
          if (--open === 0) resolve();
        });
      }
    });
  }
}
