/**
 * Prints what it costs to be observable: gets and sets, 64 in flight, while
 * nobody listens, while commands are listened to, and with a client of another
 * checkout, if one is given. CPU time of interleaved rounds: the best tenth, as
 * the machine is not ours alone. On Deno as it is, elsewhere after a bundle (for
 * the other checkout, of its `mod.ts` too):
 *
 * ```sh
 * deno run -A bench/measure_telemetry.ts [../other/mod.ts]
 * deno bundle --outdir .out bench/measure_telemetry.ts
 * node .out/measure_telemetry.js [../other/.out/mod.js]
 * ```
 *
 * @module
 */
import { channel, tracingChannel } from "node:diagnostics_channel";
import { resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { Client } from "@x/memcache";
import { startMemcached } from "../tests/_memcached.ts";

const ROUNDS = 60;
const CALLS = 16_384;
const FLIGHT = 64;

const TRACING = ["command", "connect", "wait"];
const nothing = (): void => {};

/** Listens to everything, or to nothing any more. */
function hear(does: "subscribe" | "unsubscribe"): void {
  for (const name of TRACING) {
    const { start, end, asyncStart, asyncEnd, error } = tracingChannel(
      `@x/memcache:${name}`,
    );
    for (const one of [start, end, asyncStart, asyncEnd, error]) {
      one[does](nothing);
    }
  }
  channel("@x/memcache:disconnect")[does](nothing);
}

/** A side of the comparison. */
interface Side {
  readonly name: string;
  readonly client: Client;
  readonly isHeard: boolean;
}

const { server } = await startMemcached();
const [other] = process.argv.slice(2);
const sides: Side[] = [
  { name: "nobody listens", client: new Client(server), isHeard: false },
  { name: "all is listened to", client: new Client(server), isHeard: true },
];
if (other !== undefined) {
  const there = await import(pathToFileURL(resolve(other)).href);
  const client: Client = new there.Client(server);
  sides.unshift({ name: "the other checkout", client, isHeard: false });
}
const value = "x".repeat(100);
await sides[0].client.set("key", value);

const CASES: ReadonlyArray<
  readonly [name: string, call: (client: Client) => Promise<unknown>]
> = [
  ["get", (client) => client.get("key")],
  ["set", (client) => client.set("key", value)],
];

for (const [name, call] of CASES) {
  const run = async (client: Client): Promise<void> => {
    let left = CALLS;
    await Promise.all(Array.from({ length: FLIGHT }, async () => {
      while (left-- > 0) await call(client);
    }));
  };
  const cpu: number[][] = sides.map(() => []);
  for (let round = -5; round < ROUNDS; round++) {
    for (let i = 0; i < sides.length; i++) {
      const at = (i + Math.max(0, round)) % sides.length;
      if (sides[at].isHeard) hear("subscribe");
      const before = process.cpuUsage();
      await run(sides[at].client);
      const { user, system } = process.cpuUsage(before);
      if (sides[at].isHeard) hear("unsubscribe");
      if (round >= 0) cpu[at].push((user + system) * 1000 / CALLS);
    }
  }
  const best = cpu.map((of) => of.sort((a, b) => a - b)[ROUNDS / 10]);
  console.log(`${name}, ${FLIGHT} in flight`);
  for (const [i, side] of sides.entries()) {
    const ratio = (best[i] / best[0]).toFixed(3);
    console.log(`${best[i].toFixed(0).padStart(6)} ns  ${ratio}  ${side.name}`);
  }
}
process.exit(0);
