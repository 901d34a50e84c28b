/**
 * Choosing a connection: what a pool does before a command is queued, with
 * commands that wait on each of its connections. And gets over a pool beside
 * those over one connection.
 *
 * @module
 */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { Client } from "../src/client/client.ts";
import { readOptions } from "../src/client/options.ts";
import { PooledClient } from "../src/client/pooled_client.ts";
import { GetCommand } from "../src/client/requests/fetch.ts";
import { Connection } from "../src/connection/connection.ts";
import type { Lane } from "../src/connection/lane.ts";
import { Pool } from "../src/pool/pool.ts";
import { rawSerde } from "../src/serde/raw.ts";
import type { Case } from "./_measure.ts";

/** Choices in one run: the event loop does not turn meanwhile. */
const COUNT = 10_000;

/** Makes the cases; what is opened for them ends with the process. */
export async function poolCases(): Promise<Case[]> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.unref();
    // It answers the probe, and nothing else.
    socket.once("data", () => socket.write("MN\r\n"));
  });
  server.unref();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      // A server that listens on TCP has an address of this kind.
      resolve((server.address() as AddressInfo).port);
    });
  });
  const { context, connection: options } = readOptions(`127.0.0.1:${port}`, {
    timeout: 0,
  });
  const get = () =>
    new GetCommand("get", context, "key", "key", undefined, 0).request;
  const settled = get();
  settled.done(undefined);
  const makeCase = (name: string, lane: Lane): Case => ({
    group: "choosing a connection",
    name,
    baseline: !(lane instanceof Pool),
    count: COUNT,
    bytes: 0,
    run: () => {
      // One that is settled is taken to its connection, and no further.
      for (let i = 0; i < COUNT; i++) lane.execute(settled);
    },
  });
  const cases = [makeCase("none to choose", new Connection(options))];
  for (const size of [1, 2, 4, 8]) {
    const pool = new Pool(options, { maxPoolSize: size, poolIdleTimeout: 0 });
    for (let i = 0; i < 128 * size; i++) {
      const request = get();
      request.callback(() => {}, () => {});
      pool.execute(request);
    }
    while (pool.counters.opened < size) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    cases.push(makeCase(`${size} connections, all in use`, pool));
  }
  const idle = new Pool(options, { maxPoolSize: 4, poolIdleTimeout: 0 });
  cases.push(makeCase("nothing in use", idle));
  return cases;
}

/** Gets in flight. */
export const FLIGHT = 64;

/** Bytes of the values. */
export const SIZES: readonly number[] = [100, 100_000];

/** One of the clients that are compared. */
export interface Side {
  /** What it is. */
  readonly name: string;
  /** Does so many gets, {@linkcode FLIGHT} at a time. */
  readonly run: (count: number) => Promise<void>;
  /** How many connections it has open. */
  readonly opened: () => number;
  /** Closes it. */
  readonly close: () => Promise<void>;
}

/** Opens a client, a pool as it grows by itself, and one that is all open. */
export async function openSides(server: string, size: number): Promise<Side[]> {
  const options = { serde: rawSerde, timeout: 10_000 };
  const client = new Client(server, options);
  const pools = [
    new PooledClient(server, options),
    new PooledClient(server, options),
  ];
  const keys = Array.from({ length: FLIGHT }, (_, i) => `${size}-${i}`);
  const value = new Uint8Array(size).fill(120);
  await client.setMany(keys.map((key) => [key, value]));
  // By more at a time than fewer connections would take.
  await Promise.all(Array.from({ length: 2000 }, () => pools[1].get("none")));
  const makeSide = (
    name: string,
    client: Client | PooledClient,
    opened: () => number,
  ): Side => ({
    name,
    run: (count) => getMany(client, keys, count),
    opened,
    close: () => client.close(),
  });
  return [
    makeSide("Client", client, () => 1),
    makeSide("PooledClient", pools[0], () => pools[0].pool.counters.size),
    makeSide(
      "PooledClient, all open",
      pools[1],
      () => pools[1].pool.counters.size,
    ),
  ];
}

/** As many callers as there are keys, each with one get at a time. */
async function getMany(
  client: Client | PooledClient,
  keys: readonly string[],
  count: number,
): Promise<void> {
  const each = count / keys.length;
  await Promise.all(keys.map(async (key) => {
    for (let i = 0; i < each; i++) await client.get(key);
  }));
}
