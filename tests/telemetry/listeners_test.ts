/**
 * Listeners that do something to the client in the middle of what they are told.
 */
import { assert, assertEquals } from "@std/assert";
import { tracingChannel } from "node:diagnostics_channel";
import {
  Client,
  type ClientOptions,
  HashClient,
  PooledClient,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { type Script, withServer } from "../_scripted.ts";
import { allWithin } from "../connection/_calls.ts";

const EVENTS = ["start", "end", "error", "asyncStart", "asyncEnd"] as const;
type Event = typeof EVENTS[number];

/**
 * Calls `act` the first time that something is told, and tells what was told of
 * each thing.
 */
async function acting(
  name: string,
  on: Event,
  act: () => unknown,
  fn: (told: Map<unknown, string>) => Promise<void>,
): Promise<void> {
  const tracing = tracingChannel(`@x/memcache:${name}`);
  const told = new Map<unknown, string>();
  let hasActed = false;
  const listeners = EVENTS.map((event) => {
    const listener = (message: unknown) => {
      const before = told.get(message);
      told.set(message, before === undefined ? event : `${before} ${event}`);
      if (event !== on || hasActed) return;
      hasActed = true;
      act();
    };
    tracing[event].subscribe(listener);
    return () => tracing[event].unsubscribe(listener);
  });
  try {
    await fn(told);
  } finally {
    for (const stop of listeners) stop();
  }
}

/** Checks that all that has begun was told to end, once. */
function assertEnded(told: Map<unknown, string>): void {
  for (const events of told.values()) {
    const names = events.split(" ").sort().join(" ");
    const well = ["asyncEnd asyncStart end start"];
    const failed = ["asyncEnd asyncStart end error start"];
    assert([...well, ...failed].includes(names), events);
  }
}

const NON_NUMERIC = "cannot increment or decrement non-numeric value";

const command: Script = (command, peer) => {
  if (command.name === "incr") return `CLIENT_ERROR ${NON_NUMERIC}\r\n`;
  peer.answer(command);
  return undefined;
};

const CLIENTS = {
  Client: (server, options) => new Client(server, options),
  PooledClient: (server, options) => new PooledClient(server, options),
  HashClient: (server, options) => new HashClient([server], options),
  "HashClient without a list": (server, options) =>
    new HashClient(
      async function* () {
        yield await Promise.resolve([server]);
      }(),
      options,
    ),
} satisfies Record<string, (server: string, options: ClientOptions) => Any>;

type Any = Client | PooledClient | HashClient;

for (const name of ["command", "wait", "connect"] as const) {
  for (const on of EVENTS) {
    for (const what of ["abort", "close", "disconnect"] as const) {
      test(`a listener to ${name}:${on} may ${what}()`, async () => {
        for (const make of Object.values(CLIENTS)) {
          await withServer({ command }, async (server) => {
            const options = { protocol: "classic", timeout: 5000 } as const;
            const client = make(server.address, options);
            const aborting = new AbortController();
            const { signal } = aborting;
            const act = () =>
              what === "abort"
                ? aborting.abort(new Error("enough"))
                : void client[what]();
            await acting(name, on, act, async (told) => {
              await allWithin(3000, [
                client.incr("a", 1, { signal }),
                client.get("b", { signal }),
                client.set("c", "1", { noreply: true, signal }),
                client.getMany(["d", "e"], { signal }),
              ]);
              await client.close();
              await server.until(() =>
                server.peers.every(({ closed }) => closed)
              );
              assertEnded(told);
              for (const one of client.metrics().servers) {
                assertEquals([one.connections.open, one.inFlight], [0, 0]);
              }
            });
          });
        }
      });
    }
  }
}

test("a listener may begin a command where one has waited in vain for servers", async () => {
  const client = new HashClient(
    async function* () {
      yield await new Promise<string[]>(() => {});
    }(),
    { timeout: 20 },
  );
  const calls: Promise<unknown>[] = [];
  const again = () => calls.push(client.get("b"));
  await acting("command", "error", again, async (told) => {
    calls.push(client.get("a"));
    await allWithin(3000, [calls[0]]);
    await allWithin(3000, calls);
    assertEquals(calls.length, 2);
    assertEnded(told);
  });
  await client.close();
});
