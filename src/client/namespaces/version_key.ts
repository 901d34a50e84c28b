/**
 * The item that holds the version of a namespace.
 *
 * @module
 */

import { MemcacheServerError } from "../../errors.ts";
import type { CommandOptions } from "../../types.ts";
import type { Context } from "../context.ts";
import type { Executor } from "../executor.ts";
import { KeyClient } from "../key_client.ts";
import { readTimeout } from "../options.ts";
import { Check, VERSION_SERDE } from "./check.ts";
import { isNewer, isVersion, nextVersion } from "./version.ts";

/** How often a version is stored that others change meanwhile. */
const MAX_ROUNDS = 32;

/** Milliseconds that a command gets when the call's time is up. */
const LEAST = 1;

/**
 * Knows the newest version of one namespace that this client has seen.
 *
 * A version is never followed by an older one: where the server has lost it, or
 * has an older one, it is given a new one that nobody has used, and the
 * namespace is empty.
 */
export class VersionKey {
  /** The key without the client's prefix. It chooses the server, too. */
  readonly name: string;
  readonly #context: Context;
  readonly #executor: Executor;
  readonly #commands: KeyClient;
  #current: string | undefined = undefined;
  #open: Check | undefined = undefined;
  #settling: Promise<void> | undefined = undefined;
  readonly #learn = (found: string | undefined): string | undefined => {
    const current = this.#current;
    // The text that is known: comparing the two is free, then.
    if (found === current) return current;
    if (!isVersion(found)) return undefined;
    if (current === undefined || isNewer(found, current)) {
      this.#current = found;
    }
    return found;
  };

  /** Takes the context of the client, and the way to its servers. */
  constructor(context: Context, executor: Executor, name: string) {
    this.name = name;
    this.#context = Object.freeze({
      ...context,
      serde: VERSION_SERDE,
      defaultNoreply: false,
      errorsAsMisses: false,
      // The calls that fail for it are shown.
      onError: undefined,
    });
    this.#executor = executor;
    this.#commands = new KeyClient(this.#context, executor);
  }

  /** The newest version that has been seen, if any has. */
  get current(): string | undefined {
    return this.#current;
  }

  /** Asks which version the server has; shared by who asks at the same time. */
  check(timeout: number): Check {
    const open = this.#open;
    if (open !== undefined && open.isOpenTo(timeout)) return open;
    const check = new Check(
      this.#context,
      this.#executor,
      this.name,
      timeout,
      this.#learn,
    );
    this.#open = check;
    return check;
  }

  /**
   * Sees to it that the server has a version that is as new as any that has
   * been seen.
   *
   * @throws {MemcacheError} If that cannot be.
   */
  settle(): Promise<void> {
    return this.#settling ??= this.#store(
      undefined,
      (found) =>
        isVersion(found) &&
        (this.#current === undefined || !isNewer(this.#current, found)),
    )
      .finally(() => this.#settling = undefined);
  }

  /**
   * Stores a new version, whatever there was.
   *
   * @param options A timeout for all of it, a signal.
   * @throws {MemcacheError} If it is not known to be stored.
   */
  renew(options: CommandOptions | undefined): Promise<void> {
    return this.#store(options, () => false);
  }

  /** Stores a new version, unless there is one that will do. */
  async #store(
    options: CommandOptions | undefined,
    suffices: (found: string | undefined) => boolean,
  ): Promise<void> {
    const { name } = this;
    const timeout = readTimeout(options?.timeout, this.#context.timeout);
    const start = performance.now();
    const left = (): CommandOptions => {
      const spent = performance.now() - start;
      return {
        ...(options?.signal ? { signal: options.signal } : {}),
        timeout: timeout > 0 ? Math.max(LEAST, timeout - spent) : 0,
      };
    };
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const found = await this.#commands.gets<string>(name, left());
      if (suffices(found?.value)) {
        this.#learn(found?.value);
        return;
      }
      const made = nextVersion(found?.value, this.#current);
      // Whoever was faster decides: his may be older than what was seen here.
      const stored = found === undefined
        ? await this.#commands.add(name, made, left())
        : await this.#commands.cas(name, made, found.cas, left());
      if (stored === true) {
        this.#learn(made);
        return;
      }
    }
    throw new MemcacheServerError(
      `Cannot store version of namespace: others have changed it ${MAX_ROUNDS} times meanwhile`,
      { command: "cas", key: name, sent: true },
    );
  }
}
