/**
 * What is counted and told of connections, whatever they end by.
 */
import { assert, assertEquals } from "@std/assert";
import { channel, tracingChannel } from "node:diagnostics_channel";
import {
  Client,
  type ClientOptions,
  type DisconnectMessage,
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

const CLIENTS = {
  Client: (server: string, options: ClientOptions) =>
    new Client(server, options),
  "Client with credentials": (server: string, options: ClientOptions) =>
    new Client(server, {
      ...options,
      auth: { username: "user", password: "secret" },
    }),
  PooledClient: (server: string, options: ClientOptions) =>
    new PooledClient(server, {
      ...options,
      ...{ maxPoolSize: 4, maxPending: 8, poolIdleTimeout: 5 },
    }),
};

for (const [name, make] of Object.entries(CLIENTS)) {
  for (const protocol of ["auto", "classic"] as const) {
    test(
      `metrics() knows the open connections, whatever ends them (${name}, ${protocol})`,
      async () => {
        for (let seed = 1; seed <= 3; seed++) {
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
          const begun = new Map<unknown, string>();
          const ends: DisconnectMessage[] = [];
          const { start, error, asyncEnd } = tracingChannel(
            "@x/memcache:connect",
          );
          const told = (event: string) => (message: unknown) => {
            begun.set(message, `${begun.get(message) ?? ""}${event}`);
            assert(!JSON.stringify(message).includes("secret"));
          };
          const listeners = [
            [start, told("b")],
            [error, told("f")],
            [asyncEnd, told("e")],
            [channel("@x/memcache:disconnect"), (message: unknown) => {
              ends.push(message as DisconnectMessage);
            }],
          ] as const;
          for (const [at, listener] of listeners) at.subscribe(listener);
          await withServer({ command }, async (server) => {
            const traffic = watched();
            const client = make(server.address, {
              ...{ dial: traffic.dial, protocol, timeout: 40 },
              ...{ connectTimeout: 30 },
            });
            const counted = () => {
              const { connections } = client.metrics().servers[0];
              assert(connections.open >= 0, JSON.stringify(connections));
              return connections;
            };
            for (let round = 0; round < 14; round++) {
              const calls = Array.from(
                { length: 1 + Math.floor(random() * 20) },
                (_, i) =>
                  random() < 0.2
                    ? client.set(`k${i}`, "1", { noreply: true })
                    : client.get(`k${i}`),
              );
              const ended = outcomes(calls);
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
              await ended;
              counted();
              if (what === 6) await server.listen();
              isSilent = isClosed = false;
              if (random() < 0.3) await pause(60);
            }
            await outcomes([client.get("a")]);
            while (traffic.open !== counted().open) await pause(1);
            await client.close();
            while (traffic.open > 0) await pause(1);
            const { open, opened, lost, reconnects } = counted();
            assertEquals(open, 0);
            assertEquals(ends.length, opened);
            assertEquals(ends.filter(({ isOwn }) => !isOwn).length, lost);
            assert(reconnects <= lost);
            const all = [...begun.values()];
            assertEquals(all.length, traffic.attempts.length);
            assertEquals(
              all.filter((events) => events === "be").length,
              opened,
            );
            assertEquals(
              all.filter((events) => events !== "be" && events !== "bfe"),
              [],
            );
          });
          for (const [at, listener] of listeners) at.unsubscribe(listener);
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
