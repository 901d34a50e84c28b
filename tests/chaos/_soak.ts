/**
 * A mixed load for a chosen time, while whatever can befall servers and
 * networks does.
 *
 * @module
 */
import { type Dial, dial } from "@x/memcache";
import { random } from "../connection/_random.ts";
import { Calls } from "./_calls.ts";
import { Deck, NETWORK_FAULTS, PROCESS_FAULTS } from "./_faults.ts";
import type { Kind } from "./_kinds.ts";
import { Lateness } from "./_lateness.ts";
import { Ledger } from "./_ledger.ts";
import { Load } from "./_load.ts";
import { recovery } from "./_recovery.ts";
import { descriptors, residentMemory } from "./_resources.ts";
import { withSites } from "./_sites.ts";

/** Milliseconds for a call, unless it is an impatient one. */
const TIMEOUT = 250;

/** Calls that are on their way at the same time, unless the kind says more. */
const WIDTH = 32;

/** Clients that share the calls, unless their kind has it otherwise. */
const CLIENTS = 4;

/** What a soak is to do. */
export interface SoakOptions {
  /** The kind of the clients. */
  readonly kind: Kind;
  /** How long the load lasts; longer if not every fault has happened by then. */
  readonly seconds: number;
  /** What chance begins with. */
  readonly seed: number;
  /** Told of the progress, once a second. */
  readonly progress?: (report: SoakReport) => void;
}

/** A number before and after. */
export interface Change {
  /** Once the clients were connected. */
  readonly before: number;
  /** When everything was over. */
  after: number;
}

/** What a soak came to. */
export interface SoakReport {
  /** Every call. */
  readonly calls: Calls;
  /** Complaints: wrong values, calls past their time, errors of the wrong kind. */
  readonly wrong: readonly string[];
  /** How many results were judged. */
  readonly judged: number;
  /** What happened to servers and network, and how often. */
  readonly faults: ReadonlyMap<string, number>;
  /** How often a connection was tried. */
  readonly attempts: number;
  /** How often one was opened after the first ones. */
  readonly reconnects: number;
  /** Seconds that it took. */
  readonly seconds: number;
  /** Milliseconds until all keys were usable at the end. */
  readonly recovery: number;
  /** The longest time that the event loop was held. */
  readonly held: number;
  /** Open descriptors. */
  readonly descriptors: Change;
  /** Resident memory, in MiB. */
  readonly memory: Change;
}

/** Runs a soak. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { kind, seed, seconds, progress } = options;
  const width = kind.width ?? WIDTH;
  const ledger = new Ledger(kind.servers, kind.strict ?? true);
  return await withSites(kind, ledger, true, async (sites) => {
    const servers = sites.map((site) => site.address);
    const traffic = { attempts: 0, opened: 0 };
    const clients = Array.from(
      { length: kind.clients ?? CLIENTS },
      () =>
        kind.make(servers, {
          ...sites[0].options,
          timeout: TIMEOUT,
          connectTimeout: TIMEOUT,
          dial: counted(traffic),
        }),
    );
    const lateness = new Lateness();
    const calls = new Calls(ledger, lateness);
    const load = new Load({
      clients,
      calls,
      ledger,
      random: random(seed),
      serverOf: kind.serverOf?.(servers) ?? (() => 0),
      limitOf: kind.limitOf,
      timeout: TIMEOUT,
      width,
    });
    const decks = sites.map(({ number }) =>
      new Deck(
        { ...PROCESS_FAULTS, ...NETWORK_FAULTS },
        random(seed * 1000 + number + 1),
      )
    );
    let meter: ReturnType<typeof setInterval> | undefined;
    try {
      await load.run(10 * width, 1000);
      const began = performance.now();
      const first = traffic.opened;
      const change = (now: number): Change => ({ before: now, after: now });
      const held = {
        descriptors: change(descriptors()),
        memory: change(residentMemory()),
      };
      let recovered = 0;
      const report = (): SoakReport => {
        held.descriptors.after = descriptors();
        held.memory.after = residentMemory();
        const faults = new Map<string, number>();
        for (const { played } of decks) {
          for (const [name, count] of played) {
            faults.set(name, (faults.get(name) ?? 0) + count);
          }
        }
        return {
          calls,
          wrong: ledger.wrong,
          judged: ledger.judged,
          faults,
          attempts: traffic.attempts,
          reconnects: traffic.opened - first,
          seconds: (performance.now() - began) / 1000,
          recovery: recovered,
          held: lateness.longest,
          ...held,
        };
      };
      if (progress !== undefined) {
        meter = setInterval(() => progress(report()), 1000);
      }
      let over = false;
      const storms = Promise.all(sites.map(async (site, i) => {
        const deck = decks[i];
        while (
          !deck.complete || performance.now() - began < seconds * 1000
        ) await deck.play(site);
      })).finally(() => over = true);
      await Promise.all([storms, load.until(() => over)]);
      recovered = (await recovery(clients, performance.now(), lateness)).ms;
      await load.run(10 * width, 1000);
      await load.readAll(1000);
      return report();
    } finally {
      clearInterval(meter);
      lateness.stop();
      await Promise.all(clients.map((client) => client.close()));
    }
  });
}

/** The runtime's own transport, with a meter. */
function counted(traffic: { attempts: number; opened: number }): Dial {
  return async (address, options) => {
    traffic.attempts++;
    const conn = await dial(address, options);
    traffic.opened++;
    return conn;
  };
}

/** A report as text, line by line. */
export function linesOf(report: SoakReport): string[] {
  const { calls, faults, descriptors, memory } = report;
  const counts = (map: ReadonlyMap<string, number>) =>
    [...map].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([name, count]) => `${name} ${count}`).join(", ");
  const { ms, call } = calls.slowest;
  return [
    `${calls.total} calls in ${report.seconds.toFixed(1)} s, ` +
    `${calls.good} resolved, ${report.judged} results judged`,
    `calls: ${counts(calls.made)}`,
    `errors: ${counts(calls.errors)}`,
    `faults: ${counts(faults)}`,
    `${report.attempts} attempts to connect, ${report.reconnects} reconnects`,
    `slowest past its timeout: ${ms.toFixed(1)} ms (${call}); ` +
    `the event loop was held for ${report.held.toFixed(0)} ms at most`,
    `usable ${report.recovery.toFixed(0)} ms after the last fault`,
    `descriptors: ${descriptors.before} before, ${descriptors.after} after; ` +
    `resident memory: ${memory.before.toFixed(0)} MiB before, ` +
    `${memory.after.toFixed(0)} MiB after`,
    `wrong: ${report.wrong.length}`,
    ...report.wrong.slice(0, 20).map((text) => `  ${text}`),
  ];
}
