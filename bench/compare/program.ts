/**
 * What runs on the runtime that is measured: all contenders in one process,
 * round after round in turn. Started by run.ts, which tells it what to do in
 * its argument and reads the last line that it prints.
 *
 * @module
 */
import process from "node:process";
import { measureCodec } from "./codec.ts";
import { type Contender, openOurs, openPeer, type Ours } from "./contenders.ts";
import { Floor, type Transport } from "./floor.ts";
import { measureMemory } from "./memory.ts";
import { pinThreads } from "./pin.ts";
import { profile } from "./profile.ts";
import {
  type Items,
  itemsName,
  makeItems,
  runScenario,
  type Scenario,
  SCENARIOS,
  store,
  verify,
  WrongAnswer,
} from "./scenarios.ts";

/** What run.ts tells it. */
export interface Task {
  /** The server's port. */
  readonly port: number;
  /** Our client's module, as a URL. */
  readonly ours: string;
  /** The one of another version. */
  readonly before: string | undefined;
  /** Where the packages from npm are. */
  readonly peers: string;
  /** Names of contenders, those that are measured and in this order. */
  readonly contenders: readonly string[];
  /** Names of scenarios: all loads, or all of the codec. */
  readonly scenarios: readonly string[];
  readonly rounds: number;
  /** Milliseconds for a round. */
  readonly time: number;
  /** Weigh that many idle clients of each contender instead; 0: measure. */
  readonly idle: number;
  /** The CPU for the server and for this program's main thread: 0 or 1. */
  readonly cpu: number;
  /** Our client's timeout, if not its own. */
  readonly timeout: number | undefined;
  /** Profile the loads instead, ours only. */
  readonly profile: boolean;
}

/** What a contender came to in a scenario. */
export interface Row {
  readonly scenario: string;
  readonly contender: string;
  /** One for each round: operations per second, milliseconds or KiB. */
  readonly values: number[];
  /** Microseconds of this process's CPU time per operation. */
  readonly cpu: number[];
  /** Why there is no figure. */
  error?: string;
}

/** What the program prints. */
export interface Outcome {
  /** The runtime and its version. */
  readonly runtime: string;
  /** Versions of the packages from npm. */
  readonly versions: Record<string, string>;
  /** Whether the threads were placed. */
  readonly pinned: boolean;
  readonly rows: Row[];
  /** Lines to print, where the loads were profiled. */
  readonly profiles: string[];
}

/** Longest time for a run that should take a fraction of a second. */
const PATIENCE = 30_000;
/** Milliseconds of work before anything counts. */
const WARM = 1000;
/** Milliseconds that are profiled. */
const PROFILED = 3000;
/** Rounds of a case of the codec. */
const CODEC = 15;
/** Milliseconds of a round that measures time. */
const MEASURED = 1000;

/** A contender, or the floor, as the rounds see it. */
interface Player {
  readonly name: string;
  prepare(scenario: Scenario): Promise<void>;
  run(scenario: Scenario, count: number): Promise<number>;
  /**
   * One call alone, after others were at work: some clients close what has
   * been idle for 5 s, and memcache then opens a connection for each call.
   */
  wake(scenario: Scenario): Promise<void>;
  verify(scenario: Scenario): Promise<void>;
  /** Starts anew after a failure. */
  renew(): Promise<void>;
  close(): Promise<void>;
}

class ClientPlayer implements Player {
  readonly name: string;
  #open: () => Contender;
  #client: Contender;
  #prefix: string;
  #items = new Map<string, Items>();

  constructor(name: string, prefix: string, open: () => Contender) {
    this.name = name;
    this.#open = open;
    this.#prefix = prefix;
    this.#client = open();
  }

  async prepare(scenario: Scenario): Promise<void> {
    const name = itemsName(scenario);
    if (this.#items.has(name)) {
      await this.wake(scenario);
      return await this.verify(scenario);
    }
    const items = makeItems(this.#prefix, scenario);
    await store(this.#client, items, scenario.kind === "bytes");
    this.#items.set(name, items);
  }

  async run(scenario: Scenario, count: number): Promise<number> {
    const items = this.#items.get(itemsName(scenario))!;
    return await runScenario(scenario, this.#client, items, count);
  }

  async wake(scenario: Scenario): Promise<void> {
    const { keys } = this.#items.get(itemsName(scenario))!;
    await this.#client.get(keys[0]).catch(() => this.#client.get(keys[0]));
  }

  async verify(scenario: Scenario): Promise<void> {
    const items = this.#items.get(itemsName(scenario))!;
    await verify(this.#client, items, scenario.kind === "bytes");
  }

  async renew(): Promise<void> {
    await this.#client.close();
    this.#client = this.#open();
    this.#items.clear();
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

class FloorPlayer implements Player {
  readonly name = "floor";
  #ours: Ours & Transport;
  #port: number;
  #floors = new Map<string, Floor>();

  constructor(ours: Ours & Transport, port: number) {
    this.#ours = ours;
    this.#port = port;
  }

  async prepare(scenario: Scenario): Promise<void> {
    // For the floor a value is bytes, whatever it is stored as.
    const name = itemsName(scenario);
    if (!this.#floors.has(name)) {
      const items = makeItems("f0", scenario);
      const client = openOurs(this.name, this.#ours, this.#port, 0);
      await store(client, items, false);
      await client.close();
      this.#floors.set(name, await Floor.open(this.#ours, this.#port, items));
    }
    await this.verify(scenario);
  }

  run(scenario: Scenario, count: number): Promise<number> {
    return this.#floors.get(itemsName(scenario))!.run(scenario, count);
  }

  async verify(scenario: Scenario): Promise<void> {
    await this.#floors.get(itemsName(scenario))!.check(scenario);
  }

  async wake(): Promise<void> {}

  async renew(): Promise<void> {
    await this.close();
    this.#floors.clear();
  }

  async close(): Promise<void> {
    for (const floor of this.#floors.values()) await floor.close();
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Rejects when a run does not end: some clients never call back. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`no end within ${PATIENCE / 1000} s`);
    timer = setTimeout(() => reject(error), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Operations of a warm-up, until there have been enough; per millisecond. */
async function warmUp(
  player: Player,
  scenario: Scenario,
  time: number,
): Promise<number> {
  if (scenario.unit === "ms") {
    await player.run(scenario, MEASURED);
    return 1;
  }
  const begun = performance.now();
  let count = Math.max(scenario.callers, scenario.batch);
  for (;;) {
    const start = performance.now();
    const done = await player.run(scenario, count);
    const now = performance.now();
    const pace = done / (now - start);
    if (now - begun >= Math.min(WARM, 10 * time)) return pace;
    count = Math.ceil(Math.min(2 * count, pace * time));
  }
}

async function measure(
  players: Player[],
  scenario: Scenario,
  task: Task,
): Promise<Row[]> {
  const { rounds, time } = task;
  const rows = players.map(({ name }): Row => ({
    ...{ scenario: scenario.name, contender: name },
    ...{ values: [], cpu: [] },
  }));
  const paces: number[] = [];
  const attempt = async (i: number, act: () => Promise<void>) => {
    if (rows[i].error !== undefined) return;
    try {
      await within(act());
    } catch (error) {
      const { name, message } = error as Error;
      // A peer that cannot do it says so; one that answers wrongly, once it
      // has been found to do it, spoils the run, and so do we at any time.
      const own = ["ours", "before", "floor"].includes(players[i].name);
      if (error instanceof WrongAnswer && (own || paces[i] !== undefined)) {
        throw error;
      }
      rows[i].error = `${name}: ${message}`;
      say(`${scenario.name} ${players[i].name}: ${rows[i].error}`);
      await players[i].renew();
    }
  };
  for (const [i, player] of players.entries()) {
    await attempt(i, async () => {
      await player.prepare(scenario);
      paces[i] = await warmUp(player, scenario, time);
    });
  }
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < players.length; n++) {
      const i = (n + round) % players.length;
      const { values, cpu } = rows[i];
      await attempt(i, async () => {
        const timed = scenario.unit === "ms";
        const count = timed ? MEASURED : paces[i] * time;
        await players[i].wake(scenario);
        if (!timed) await players[i].run(scenario, count / 20);
        pinThreads(task.cpu);
        const usage = process.cpuUsage();
        const start = performance.now();
        const done = await players[i].run(scenario, count);
        const elapsed = performance.now() - start;
        const { user, system } = process.cpuUsage(usage);
        if (timed) {
          values.push(done);
          return;
        }
        values.push(done / elapsed * 1000);
        cpu.push((user + system) / done);
        paces[i] = done / elapsed;
      });
    }
  }
  for (const [i, player] of players.entries()) {
    await attempt(i, async () => {
      await player.wake(scenario);
      await player.verify(scenario);
    });
  }
  return rows;
}

function runtime(): string {
  const { deno, bun, node } = process.versions as Record<string, string>;
  return deno ? `deno ${deno}` : bun ? `bun ${bun}` : `node ${node}`;
}

async function run(task: Task): Promise<Outcome> {
  const { port, contenders, timeout } = task;
  const ours = await import(task.ours) as Ours & Transport;
  const before = task.before === undefined
    ? undefined
    : await import(task.before) as Ours;
  const versions: Record<string, string> = {};
  const open = (name: string): Contender => {
    if (name === "ours") return openOurs(name, ours, port, timeout);
    if (name === "before") return openOurs(name, before!, port, timeout);
    const peer = openPeer(name, task.peers, port);
    versions[name] = peer.version;
    return peer;
  };
  const pinned = pinThreads(task.cpu);
  const rows: Row[] = [];
  const profiles: string[] = [];
  if (task.idle > 0) {
    for (const name of contenders) {
      const { keys, values } = makeItems("idle", SCENARIOS[0]);
      const client = open(name);
      await client.set(keys[0], values[0]);
      const kib = await within(
        measureMemory(() => open(name), keys[0], values[0], task.idle),
      );
      await client.close();
      rows.push({
        ...{ scenario: "idle", contender: name, values: [kib], cpu: [] },
      });
    }
    return { runtime: runtime(), versions, pinned, rows, profiles };
  }
  const codec = SCENARIOS.filter(({ kind, name }) =>
    kind === "codec" && task.scenarios.includes(name)
  ).map(({ name }) => name);
  if (codec.length > 0) {
    rows.push(...await measureCodec(codec, contenders, task.peers, CODEC));
    return { runtime: runtime(), versions, pinned, rows, profiles };
  }
  const players = contenders.map((name, i) =>
    name === "floor"
      ? new FloorPlayer(ours, port)
      : new ClientPlayer(name, `c${i}`, () => open(name))
  );
  for (const scenario of SCENARIOS) {
    if (!task.scenarios.includes(scenario.name)) continue;
    if (task.profile) {
      const [player] = players;
      await player.prepare(scenario);
      const pace = await warmUp(player, scenario, task.time);
      pinThreads(task.cpu);
      const run = () => player.run(scenario, pace * PROFILED);
      profiles.push(`\n${scenario.name}: ${scenario.title}`);
      profiles.push(...await profile(run));
      continue;
    }
    const able = players.filter(({ name }) =>
      // Nothing can be late that does nothing.
      name !== "floor" || scenario.kind !== "late"
    );
    rows.push(...await measure(able, scenario, task));
    say(`  ${scenario.name}`);
  }
  for (const player of players) await player.close();
  return { runtime: runtime(), versions, pinned, rows, profiles };
}

const outcome = await run(JSON.parse(process.argv[2]));
process.stdout.write(`\n${JSON.stringify(outcome)}\n`);
// Some peers leave timers behind.
process.exitCode = 0;
setTimeout(() => process.exit(), 100);
