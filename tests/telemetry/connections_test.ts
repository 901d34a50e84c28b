/**
 * What is counted and told of connections and of what goes by them, whatever
 * they end by.
 */
import { assert, assertEquals } from "@std/assert";
import { channel, tracingChannel } from "node:diagnostics_channel";
import {
  Client,
  type ClientOptions,
  type Conn,
  dial,
  type DisconnectMessage,
  HashClient,
  PooledClient,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { type Peer, type Script, withServer } from "../_scripted.ts";
import { outcomes, pause, turn, watched } from "../connection/_calls.ts";

/** Numbers from 0 to below 1, the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

type Any = Client | PooledClient | HashClient;

const CLIENTS: Record<string, (server: string, of: ClientOptions) => Any> = {
  Client: (server, options) => new Client(server, options),
  "Client with credentials": (server, options) =>
    new Client(server, {
      ...options,
      auth: { username: "user", password: "secret" },
    }),
  PooledClient: (server, options) =>
    new PooledClient(server, {
      ...options,
      ...{ maxPoolSize: 4, maxPending: 8, poolIdleTimeout: 5 },
    }),
  HashClient: (server, options) =>
    new HashClient([server], {
      ...options,
      ...{ retryAttempts: 1, retryTimeout: 5, deadTimeout: 20 },
    }),
};

/** What is told on a tracing channel: begin, failure and end of each message. */
function heard(name: string): { told: Map<object, string>; stop: () => void } {
  const told = new Map<object, string>();
  const { start, error, asyncEnd } = tracingChannel(`@x/memcache:${name}`);
  const listeners = ([[start, "b"], [error, "f"], [asyncEnd, "e"]] as const)
    .map(([at, event]) => {
      const listener = (given: unknown) => {
        const message = given as object;
        told.set(message, `${told.get(message) ?? ""}${event}`);
        assert(!JSON.stringify(message).includes("secret"));
      };
      at.subscribe(listener);
      return () => at.unsubscribe(listener);
    });
  return { told, stop: () => listeners.forEach((stop) => stop()) };
}

/** How many went well; all have to have ended once. */
function wellOf(told: Map<object, string>): number {
  const all = [...told.values()];
  const odd = all.filter((events) => events !== "be" && events !== "bfe");
  assertEquals(odd, []);
  return all.filter((events) => events === "be").length;
}

/** A call that ends in one of many ways. */
function callOf(client: Any, i: number, random: () => number) {
  const what = random();
  if (what < 0.6) return client.get(`k${i}`);
  if (what < 0.75) return client.set(`k${i}`, "1", { noreply: true });
  if (what < 0.85) {
    const aborting = new AbortController();
    const { signal } = aborting;
    const call = client.incr(`k${i}`, 1, { signal });
    if (what < 0.8) aborting.abort(new Error("enough"));
    else setTimeout(() => aborting.abort(new Error("enough")), 1);
    return call;
  }
  if (what < 0.95) return client.getMany([`k${i}`, "a", "b"]);
  const value = new Uint8Array(5000);
  const call = client.set(`k${i}`, value);
  // It is taken away before it is sent.
  structuredClone(value, { transfer: [value.buffer] });
  return call;
}

for (const [name, make] of Object.entries(CLIENTS)) {
  for (const protocol of ["auto", "classic"] as const) {
    test(
      `metrics() knows the open connections, whatever ends them (${name}, ${protocol})`,
      async () => {
        for (let seed = 1; seed <= 2; seed++) {
          const random = randomOf(seed);
          let isSilent = false;
          let isClosed = false;
          const command: Script = (command, peer) => {
            if (isSilent) return undefined;
            if (isClosed && command.name === "set") {
              return "CLIENT_ERROR authentication failure\r\n";
            }
            if (command.name === "quit") peer.socket.end();
            else peer.answer(command);
            return undefined;
          };
          const [connects, commands, waits] = ["connect", "command", "wait"]
            .map(heard);
          const ends: DisconnectMessage[] = [];
          const ended = (message: unknown) => {
            ends.push(message as DisconnectMessage);
          };
          channel("@x/memcache:disconnect").subscribe(ended);
          await withServer({ command }, async (server) => {
            const traffic = watched();
            const client = make(server.address, {
              ...{ dial: traffic.dial, protocol, timeout: 40 },
              ...{ connectTimeout: 30, maxPending: 16 },
            });
            const counted = () => {
              const { connections } = client.metrics().servers[0];
              assert(connections.open >= 0, JSON.stringify(connections));
              return connections;
            };
            for (let round = 0; round < 14; round++) {
              const calls = outcomes(
                Array.from(
                  { length: 1 + Math.floor(random() * 24) },
                  (_, i) => callOf(client, i, random),
                ),
              );
              const what = Math.floor(random() * 9);
              if (what === 0) await client.disconnect();
              if (what === 1) {
                await turn();
                await client.disconnect();
              }
              if (what === 2) {
                for (const { socket } of server.peers) socket.destroy();
              }
              if (what === 3) isSilent = true;
              if (what === 4) isClosed = true;
              if (what === 5) await outcomes([client.quit()]);
              if (what === 6) await server.close();
              if (what === 7) await pause(12);
              counted();
              await calls;
              counted();
              if (what === 6) await server.listen();
              isSilent = isClosed = false;
              if (random() < 0.3) await pause(60);
            }
            await outcomes([client.get("a")]);
            while (traffic.open !== counted().open) await pause(1);
            await client.close();
            await outcomes([client.get("a")]);
            while (traffic.open > 0) await pause(1);
            const { open, opened, lost, reconnects } = counted();
            assertEquals(open, 0);
            assertEquals(ends.length, opened);
            assertEquals(ends.filter(({ isOwn }) => !isOwn).length, lost);
            assert(reconnects <= lost);
            assertEquals(connects.told.size, traffic.attempts.length);
            assertEquals(wellOf(connects.told), opened);
            // What is told of commands is what is counted of them.
            const { servers: [{ commands: own }], unrouted } = client.metrics();
            const calls = [own, unrouted ?? {}].flatMap((of) =>
              Object.values(of).map(({ calls }) => calls)
            );
            assertEquals(
              calls.reduce((sum, count) => sum + count, 0),
              commands.told.size,
            );
            assert(commands.told.size > 0 && waits.told.size > 0);
            wellOf(commands.told);
            wellOf(waits.told);
          });
          for (const { stop } of [connects, commands, waits]) stop();
          channel("@x/memcache:disconnect").unsubscribe(ended);
        }
      },
      { timeout: 60_000 },
    );
  }
}

test("metrics() counts a reconnect for each connection that a pool had lost", async () => {
  await withServer({}, async (server) => {
    const client = new PooledClient(server.address, {
      ...{ maxPoolSize: 3, maxPending: 4, timeout: 5000 },
    });
    const burst = () =>
      outcomes(Array.from({ length: 12 }, (_, i) => client.get(`k${i}`)));
    const connections = () => client.metrics().servers[0].connections;
    await burst();
    assertEquals(connections().open, 3);
    for (const { socket } of server.peers) socket.destroy();
    while (connections().open > 0) await pause(1);
    await burst();
    const { open, opened, lost, reconnects } = connections();
    assertEquals([open, opened, lost, reconnects], [3, 6, 3, 3]);
    // Those that it has let go of are not lost.
    await client.disconnect();
    await burst();
    assertEquals([connections().opened, connections().reconnects], [9, 3]);
    await client.close();
  });
});

test("metrics() counts gets that share a line once, also where the line is sent again", async () => {
  const held: Array<() => void> = [];
  let isHeld = true;
  const command: Script = (command, peer) => {
    if (peer.number === 0 && isHeld) held.push(() => peer.answer(command));
    else if (peer.number !== 1) peer.answer(command);
    else if (command.name === "get") {
      // Now the other connection has the line.
      peer.socket.destroy();
    }
    return undefined;
  };
  const { told, stop } = heard("command");
  await withServer({ command }, async (server) => {
    const client = new PooledClient(server.address, {
      ...{ maxPoolSize: 2, timeout: 5000 },
    });
    const calls = outcomes(
      Array.from({ length: 200 }, (_, i) => client.get(`k${i}`)),
    );
    await server.until(() => server.peers[1]?.closed === true);
    isHeld = false;
    for (const answer of held) answer();
    const errors = (await calls).filter(({ error }) => error !== undefined);
    assertEquals(errors, []);
    const { servers: [{ commands, connections }] } = client.metrics();
    assertEquals(connections.lost, 1);
    assertEquals([commands.get.calls, commands.get.misses], [200, 200]);
    assertEquals([told.size, wellOf(told)], [200, 200]);
    await client.close();
  });
  stop();
});

for (const protocol of ["auto", "classic", "meta"] as const) {
  test(`metrics() counts connections that end before an answer as failed attempts (${protocol})`, async () => {
    const accept = ({ socket }: Peer) => void socket.end();
    await withServer({ accept }, async (server) => {
      const client = new Client(server.address, { protocol, timeout: 5000 });
      await outcomes([client.get("a")]);
      const attempts = server.peers.length;
      const { open, failedAttempts } = client.metrics().servers[0].connections;
      assertEquals([open, failedAttempts], [0, attempts]);
      assertEquals(client.explain("a").servers[0].state, "failing");
      await client.close();
    });
  });
}

test("a transport that ends as it is started is no open connection", async () => {
  let dials = 0;
  await withServer({}, async (server) => {
    const ended: Conn = {
      start: (events) => events.end(),
      write: () => true,
      ref: () => {},
      unref: () => {},
      close: () => {},
    };
    const client = new Client(server.address, {
      timeout: 5000,
      dial: (address, options) =>
        dials++ === 0 ? Promise.resolve(ended) : dial(address, options),
    });
    const [{ error }] = await outcomes([client.get("a")]);
    assertEquals(error?.code, "ERR_CONNECTION");
    const { open, opened, failedAttempts } =
      client.metrics().servers[0].connections;
    assertEquals([open, opened, failedAttempts], [0, 0, 1]);
    await pause(60);
    // The next one is another.
    assertEquals(await client.get("a"), undefined);
    await client.close();
  });
});
