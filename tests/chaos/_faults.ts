/**
 * What befalls servers and the network before them, by chance.
 *
 * @module
 */
import type { Proxy } from "./_proxy.ts";
import type { Site } from "./_sites.ts";

/** One thing to happen to a site; it is over, and healed, when it settles. */
export type Fault = (site: Site, random: () => number) => Promise<void>;

/** What happens to the process. */
export const PROCESS_FAULTS: Readonly<Record<string, Fault>> = {
  "frozen shortly": async (site, random) => {
    await site.pause();
    await pause(random, 10, 120);
    site.resume();
  },
  "frozen for long": async (site, random) => {
    await site.pause();
    await pause(random, 300, 700);
    site.resume();
  },
  "killed, back at once": async (site) => {
    await site.kill();
    await site.restart();
  },
  "killed, down for long": async (site, random) => {
    await site.kill();
    await pause(random, 100, 600);
    await site.restart();
  },
  "killed while frozen": async (site, random) => {
    await site.pause();
    await pause(random, 50, 350);
    await site.kill();
    await site.restart();
  },
};

/** What happens to the network. */
export const NETWORK_FAULTS: Readonly<Record<string, Fault>> = {
  "cut at a random byte": (site, random) =>
    each(site, (pipe) => {
      const way = random() < 0.5 ? "toServer" : "toClient";
      pipe.cut(way, below(random, 3000));
    }),
  "cut on the spot": (site) => each(site, (pipe) => pipe.destroy()),
  "reset": (site) => each(site, (pipe) => pipe.reset()),
  "ended by the server's side only": (site) =>
    each(site, (pipe) => pipe.halfClose("toClient")),
  "ended by the client's side only": (site) =>
    each(site, (pipe) => pipe.halfClose("toServer")),
  "delayed": async (site, random) => {
    const proxy = proxyOf(site);
    proxy.delay = 5 + below(random, 80);
    await pause(random, 100, 400);
    proxy.delay = 0;
  },
  "held, and goes on": async (site, random) => {
    const proxy = proxyOf(site);
    proxy.hold();
    await pause(random, 50, 600);
    proxy.release();
  },
  "held, and lost": async (site, random) => {
    const proxy = proxyOf(site);
    proxy.hold();
    await pause(random, 50, 600);
    for (const pipe of proxy.pipes) pipe.destroy();
    proxy.release();
  },
  "held by half, and cut": async (site, random) => {
    await each(site, (pipe) => pipe.cut("toClient", below(random, 200)));
    const proxy = proxyOf(site);
    proxy.hold();
    await pause(random, 20, 200);
    proxy.release();
  },
  "refusing": async (site, random) => {
    const proxy = proxyOf(site);
    await proxy.refuse();
    await pause(random, 50, 500);
    await proxy.listen();
  },
};

/** Every fault in an order of chance, again and again. */
export class Deck {
  /** What happened, and how often. */
  readonly played: Map<string, number> = new Map();
  readonly #faults: ReadonlyArray<readonly [string, Fault]>;
  readonly #random: () => number;
  #left: Array<readonly [string, Fault]> = [];

  /** Takes what may happen. */
  constructor(
    faults: Readonly<Record<string, Fault>>,
    random: () => number,
  ) {
    this.#faults = Object.entries(faults);
    this.#random = random;
  }

  /** Whether everything has happened once. */
  get complete(): boolean {
    return this.played.size === this.#faults.length;
  }

  /** Lets the next thing happen after a moment, and waits until it is over. */
  async play(site: Site): Promise<void> {
    await pause(this.#random, 20, 250);
    if (this.#left.length === 0) this.#left = [...this.#faults];
    const at = below(this.#random, this.#left.length);
    const [[name, fault]] = this.#left.splice(at, 1);
    await fault(site, this.#random);
    this.played.set(name, (this.played.get(name) ?? 0) + 1);
  }
}

function below(random: () => number, limit: number): number {
  return Math.floor(random() * limit);
}

function pause(
  random: () => number,
  least: number,
  more: number,
): Promise<void> {
  return new Promise((resolve) =>
    setTimeout(resolve, least + below(random, more))
  );
}

function proxyOf(site: Site): Proxy {
  if (site.proxy === undefined) throw new Error("There is no proxy");
  return site.proxy;
}

function each(
  site: Site,
  fault: (pipe: Proxy["pipes"][number]) => void,
): Promise<void> {
  for (const pipe of proxyOf(site).pipes) fault(pipe);
  return Promise.resolve();
}
