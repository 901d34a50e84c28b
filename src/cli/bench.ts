/**
 * `memcache bench`: a small load generator.
 *
 * @module
 */

import type { Client, HashClient } from "../../mod.ts";
import { decimal, type Register, whole } from "./arguments.ts";
import { FAILURE, Interrupted, messagesOf, OK } from "./failure.ts";
import type { Histogram } from "../telemetry/histogram.ts";
import { barsOf, makeHistogram, microText } from "./histogram.ts";
import { Progress } from "./progress.ts";
import type { Session } from "./session.ts";
import { bytesText, countText, json } from "./text.ts";

interface BenchFlags {
  readonly connections: number;
  readonly inFlight: number;
  readonly duration: number;
  readonly requests?: number;
  readonly keys: number;
  readonly size: number;
  readonly sets: number;
  readonly prefix: string;
}

/** Keys that are stored or deleted in one go. */
const CHUNK = 1000;
const TICK = 200;

/** Registers it. */
export const registerBench: Register = (program, run) => {
  program.command("bench")
    .description("put load on the servers, and print how long they took")
    .option(
      "-c, --connections <number>",
      "to each server",
      whole("--connections", 1, 1000),
      4,
    )
    .option(
      "-p, --in-flight <number>",
      "commands at a time on each",
      whole("--in-flight", 1, 10_000),
      16,
    )
    .option(
      "-d, --duration <seconds>",
      "how long",
      decimal("--duration", 0.1, 86_400),
      5,
    )
    .option(
      "-n, --requests <number>",
      "how many, in place of a duration",
      whole("--requests", 1),
    )
    .option(
      "-k, --keys <number>",
      "different keys",
      whole("--keys", 1, 10_000_000),
      10_000,
    )
    .option(
      "-z, --size <bytes>",
      "of a value",
      whole("--size", 0, 1024 * 1024),
      100,
    )
    .option(
      "--sets <percent>",
      "share of sets, the others are gets",
      decimal("--sets", 0, 100),
      10,
    )
    .option(
      "--prefix <text>",
      "of the keys, which are deleted at the end",
      "memcache-bench:",
    )
    .action((flags: BenchFlags) =>
      run((session) => new Bench(session, flags).run())
    );
};

class Bench {
  readonly #session: Session;
  readonly #flags: BenchFlags;
  readonly #value: Uint8Array;
  readonly #gets: Histogram = makeHistogram();
  readonly #sets: Histogram = makeHistogram();
  readonly #errors: Map<string, number> = new Map();
  #misses = 0;
  #wrong = 0;
  #left = Infinity;
  #end = Infinity;

  constructor(session: Session, flags: BenchFlags) {
    this.#session = session;
    this.#flags = flags;
    this.#value = Uint8Array.from(
      { length: flags.size },
      (_, i) => 97 + i % 26,
    );
  }

  async run(): Promise<number> {
    const session = this.#session;
    session.endsByItself = true;
    const { connections, keys } = this.#flags;
    const names = Array.from({ length: keys }, (_, i) => this.#key(i));
    for (let i = 0; i < keys; i += CHUNK) {
      this.#checkInterrupt();
      const entries = names.slice(i, i + CHUNK)
        .map((key) => [key, this.#value] as [string, Uint8Array]);
      await session.client.setMany(entries, { ttl: 3600 });
    }
    const clients = Array.from(
      { length: connections },
      () => session.newClient(),
    );
    let seconds = 0;
    try {
      // Connecting is not what is timed.
      await Promise.all(clients.map((client) => client.get(names[0])));
      seconds = await this.#load(clients);
    } finally {
      await Promise.all(clients.map((client) => client.close()));
      for (let i = 0; i < keys; i += CHUNK) {
        await session.client.deleteMany(names.slice(i, i + CHUNK));
      }
    }
    await this.#report(seconds);
    return this.#errors.size > 0 || this.#wrong > 0 ? FAILURE : OK;
  }

  #key(i: number): string {
    return `${this.#flags.prefix}${i}`;
  }

  #checkInterrupt(): void {
    if (this.#session.interrupt.signal.aborted) {
      throw new Interrupted("Interrupted");
    }
  }

  async #load(clients: readonly (Client | HashClient)[]): Promise<number> {
    const { duration, requests, inFlight } = this.#flags;
    const begun = performance.now();
    this.#left = requests ?? Infinity;
    if (requests === undefined) this.#end = begun + duration * 1000;
    const total = requests ?? duration * 1000;
    const progress = new Progress(this.#session.terminal, "bench", total);
    const timer = setInterval(() => {
      const done = this.#gets.count + this.#sets.count;
      progress.update(
        requests === undefined ? performance.now() - begun : done,
        done,
      );
    }, TICK);
    try {
      await Promise.all(
        clients.flatMap((client) =>
          Array.from({ length: inFlight }, () => this.#work(client))
        ),
      );
    } finally {
      clearInterval(timer);
      progress.stop();
    }
    return (performance.now() - begun) / 1000;
  }

  /** One command after another. */
  async #work(client: Client | HashClient): Promise<void> {
    const { keys, sets, size } = this.#flags;
    const { signal } = this.#session.interrupt;
    while (this.#left-- > 0 && !signal.aborted) {
      const begun = performance.now();
      if (begun >= this.#end) return;
      const key = this.#key(Math.floor(Math.random() * keys));
      const isSet = Math.random() * 100 < sets;
      try {
        if (isSet) await client.set(key, this.#value, { ttl: 3600 });
        else {
          const found = await client.get<Uint8Array>(key);
          if (found === undefined) this.#misses++;
          else if (found.length !== size) this.#wrong++;
        }
        const took = Math.round((performance.now() - begun) * 1000);
        (isSet ? this.#sets : this.#gets).add(took);
      } catch (error) {
        const [message] = messagesOf(error);
        this.#errors.set(message, (this.#errors.get(message) ?? 0) + 1);
        // Failing at once, again and again, is no load.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  async #report(seconds: number): Promise<void> {
    const { terminal, json: isJson, addresses } = this.#session;
    const { connections, inFlight, size, keys } = this.#flags;
    const total = this.#gets.count + this.#sets.count;
    const rate = seconds > 0 ? total / seconds : 0;
    const kinds = [["get", this.#gets], ["set", this.#sets]] as const;
    const errors = [...this.#errors.values()].reduce((a, b) => a + b, 0);
    if (isJson) {
      const latencies = Object.fromEntries(kinds.map(([name, times]) => [name, {
        count: times.count,
        mean: Math.round(times.mean),
        ...Object.fromEntries(
          SHARES.map(([title, share]) => [title, times.percentile(share)]),
        ),
        max: times.max,
      }]));
      return await terminal.print(json({
        ...{ seconds, commands: total, perSecond: Math.round(rate) },
        ...{ misses: this.#misses, wrong: this.#wrong, errors },
        microseconds: latencies,
      }));
    }
    const lines = [
      `${countText(rate)} commands/s: ${total} in ${seconds.toFixed(1)} s`,
      `${addresses.length} server${addresses.length === 1 ? "" : "s"}, ` +
      `${connections} x ${inFlight} in flight, ${keys} keys, values of ${
        bytesText(size)
      }`,
      `${this.#misses} misses, ${this.#wrong} wrong values, ${errors} errors`,
    ];
    for (const [message, count] of this.#errors) {
      lines.push(`  ${count} x ${message}`);
    }
    lines.push(
      "",
      `${"".padEnd(4)}${
        ["count", "mean", ...SHARES.map(([title]) => title), "max"]
          .map((title) => title.padStart(10)).join("")
      }`,
    );
    for (const [name, times] of kinds) {
      const numbers = [
        times.mean,
        ...SHARES.map(([, share]) => times.percentile(share)),
        times.max,
      ].map(microText);
      lines.push(
        name.padEnd(4) + [countText(times.count), ...numbers]
          .map((text) => text.padStart(10)).join(""),
      );
    }
    for (const [name, times] of kinds) {
      if (times.count > 0) lines.push("", `${name}:`, ...barsOf(times, 50));
    }
    await terminal.print(lines.join("\n"));
  }
}

const SHARES: readonly (readonly [string, number])[] = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p99", 0.99],
  ["p99.9", 0.999],
];
