/**
 * Real servers, each with a proxy before it if wanted, and what can befall them.
 *
 * @module
 */
import {
  type Memcached,
  type MemcachedClientOptions,
  startMemcached,
} from "../_memcached.ts";
import { freeze } from "./_freeze.ts";
import type { Kind } from "./_kinds.ts";
import type { Ledger } from "./_ledger.ts";
import { Proxy } from "./_proxy.ts";

/** One server. */
export class Site {
  /** Its number. */
  readonly number: number;
  /** The proxy before it. */
  readonly proxy: Proxy | undefined;
  readonly #memcached: Memcached;
  readonly #ledger: Ledger;

  private constructor(
    number: number,
    memcached: Memcached,
    proxy: Proxy | undefined,
    ledger: Ledger,
  ) {
    this.number = number;
    this.#memcached = memcached;
    this.proxy = proxy;
    this.#ledger = ledger;
  }

  /** Starts a server. */
  static async start(
    number: number,
    { transport }: Kind,
    ledger: Ledger,
    proxied: boolean,
  ): Promise<Site> {
    // Nothing is ever evicted: what is gone was lost.
    const memcached = await startMemcached({
      transport: transport ?? "tcp",
      args: ["-m", "2048"],
    });
    const proxy = proxied ? await Proxy.start(memcached.port) : undefined;
    return new Site(number, memcached, proxy, ledger);
  }

  /** Where clients find it. */
  get address(): string {
    return this.proxy?.address ?? this.#memcached.server;
  }

  /** What a client needs to be let in. */
  get options(): MemcachedClientOptions {
    return this.#memcached.options;
  }

  /** Freezes it. */
  pause(): Promise<void> {
    return freeze(this.#memcached);
  }

  /** Lets it go on. */
  resume(): void {
    this.#memcached.resume();
  }

  /** Kills it; it stays down. */
  async kill(): Promise<void> {
    const dead = this.#ledger.killing(this.number);
    await this.#memcached.kill();
    dead();
  }

  /** Starts it again where it was. */
  restart(): Promise<void> {
    return this.#memcached.restart();
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    await this.#memcached.kill();
    await this.proxy?.close();
  }
}

/** Starts servers, hands them to `fn` and ends them when that has settled. */
export async function withSites<T>(
  kind: Kind,
  ledger: Ledger,
  proxied: boolean,
  fn: (sites: readonly Site[]) => Promise<T>,
): Promise<T> {
  const sites: Site[] = [];
  try {
    for (let i = 0; i < kind.servers; i++) {
      sites.push(await Site.start(i, kind, ledger, proxied));
    }
    return await fn(sites);
  } finally {
    await Promise.all(sites.map((site) => site.close()));
  }
}
