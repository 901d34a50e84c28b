/**
 * What `getOrSet` does with items, as commands of a client.
 *
 * @module
 */

import { type Mark, MARK_DATA, MARKER } from "../cache/marks.ts";
import { lifetime } from "../cache/options.ts";
import type {
  Call,
  Lease,
  Port,
  Sighting,
  Standing,
  Waiting,
} from "../cache/port.ts";
import { listen, unlisten } from "../connection/aborts.ts";
import { closedError } from "../connection/failures.ts";
import type { Command } from "../connection/request.ts";
import { type MemcacheError, MemcacheTimeoutError } from "../errors.ts";
import { isThenable } from "../serde/guard.ts";
import { type Context, hidden, observe } from "./context.ts";
import { type Executor, start } from "./executor.ts";
import { exptimeNow } from "./arguments.ts";
import { startLate } from "./late.ts";
import { LookCommand, StandCommand } from "./requests/ask.ts";
import {
  type Change,
  type Deposit,
  DepositCommand,
  WithdrawCommand,
} from "./requests/lease.ts";
import { kept, serializing } from "./storing.ts";

const NAME = "getOrSet";

/** The port of a client. */
export class CachePort implements Port {
  readonly #context: Context;
  readonly #executor: Executor;
  /** Those who wait for an outcome. */
  readonly #waiting: Set<(error: unknown) => void> = new Set();

  /** Takes what the commands of the client have. */
  constructor(context: Context, executor: Executor) {
    this.#context = context;
    this.#executor = executor;
  }

  look(call: Call): Promise<Sighting> {
    return this.#run(new LookCommand(this.#context, call), call);
  }

  stand(call: Call): Promise<Standing | undefined> {
    return this.#run(new StandCommand(this.#context, call), call);
  }

  async lease(call: Call): Promise<Lease> {
    const { isDone, cas, isClassic } = await this.#deposit(
      call,
      undefined,
      sign("computing", call.plan.lease),
    );
    if (!isDone || !isClassic) return { isWon: isDone, cas, isClassic };
    // It could only be another's by now if this lease were over.
    const own = await this.stand(call);
    return { isWon: own !== undefined, cas: own?.cas ?? 0n, isClassic };
  }

  async renew(call: Call, cas: bigint): Promise<bigint | undefined> {
    const renewed = await this.#deposit(
      call,
      cas,
      sign("computing", call.plan.lease),
    );
    if (!renewed.isDone) return undefined;
    return renewed.isClassic ? (await this.stand(call))?.cas : renewed.cas;
  }

  async put(call: Call, cas: bigint, value: unknown): Promise<void> {
    try {
      await this.#store(call, cas, value);
    } catch (error) {
      // Nothing has come into its place, so nobody need wait for the lease.
      this.release(call, cas).catch(() => {});
      throw error;
    }
  }

  async mark(
    call: Call,
    cas: bigint,
    mark: Mark,
    seconds: number,
  ): Promise<void> {
    await this.#deposit(call, cas, sign(mark, seconds));
  }

  release(call: Call, cas: bigint): Promise<void> {
    return this.#run(new WithdrawCommand(call, cas, false), call);
  }

  hand(call: Call, cas: bigint): Promise<void> {
    return this.#run(new WithdrawCommand(call, cas, true), call);
  }

  hides(error: unknown): boolean {
    return hidden(this.#context, error);
  }

  observe(error: MemcacheError): void {
    observe(this.#context, error);
  }

  wait(outcome: Promise<unknown>, waiting: Waiting): Promise<unknown> {
    const { deadline, signal, patience, key } = waiting;
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        if (signal !== undefined) unlisten(signal, member);
        this.#waiting.delete(fail);
      };
      const fail = (error: unknown): void => {
        end();
        reject(error);
      };
      const member = { abort: fail };
      const timer = deadline === 0 ? undefined : setTimeout(() => {
        const error = late(key, patience);
        observe(this.#context, error);
        fail(error);
      }, Math.max(0, Math.ceil(deadline - performance.now())));
      this.#waiting.add(fail);
      if (signal !== undefined) listen(signal, member);
      outcome.then((value) => {
        end();
        resolve(value);
      }, fail);
    });
  }

  /** Tells all who wait that the client has been closed. */
  close(): void {
    for (const fail of [...this.#waiting]) fail(closedError());
  }

  #store(call: Call, cas: bigint, value: unknown): Promise<unknown> {
    const { plan, key, route } = call;
    let made: DepositCommand | Promise<DepositCommand>;
    try {
      made = serializing(
        this.#context,
        NAME,
        key,
        value,
        (serialized) =>
          new DepositCommand(call, cas, {
            ...kept(serialized, false),
            exptime: lifetime(plan, plan.keep),
            classicExptime: lifetime(plan, 0),
          }),
      );
    } catch (error) {
      observe(this.#context, error);
      return Promise.reject(error);
    }
    if (!isThenable(made)) return this.#run(made, call);
    const about = { command: NAME, key, route };
    return startLate(this.#context, this.#executor, made, about, undefined);
  }

  async #deposit(
    call: Call,
    cas: bigint | undefined,
    deposit: Deposit,
  ): Promise<Change> {
    return await this.#run(new DepositCommand(call, cas, deposit), call);
  }

  /** Sends a command, with the time that the client gives to each. */
  #run<T>({ request }: Command, { route }: Call): Promise<T> {
    return start(this.#context, this.#executor, request, route, undefined);
  }
}

/** A sign, as it is stored. */
function sign(mark: Mark, seconds: number): Deposit {
  const exptime = exptimeNow(seconds, NAME);
  return {
    data: MARK_DATA[mark],
    flags: MARKER,
    exptime,
    classicExptime: exptime,
  };
}

function late(key: string, patience: number): MemcacheTimeoutError {
  return new MemcacheTimeoutError(
    `Cannot finish ${NAME}: its value had not been loaded within ${patience} ms (timeout)`,
    { command: NAME, key },
  );
}
