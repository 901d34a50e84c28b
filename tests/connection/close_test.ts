import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertMatch,
} from "@std/assert";
import {
  type Client,
  type Dial,
  MemcacheError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import {
  allWithin,
  failure,
  type Outcome,
  outcome,
  outcomes,
  pause,
  turn,
  warm,
  watched,
  within,
  withPair,
} from "./_calls.ts";

const CALLS: ReadonlyArray<(client: Client) => Promise<unknown>> = [
  (client) => client.get("a"),
  (client) => client.gets("a"),
  (client) => client.getMany(["a", "b"]),
  (client) => client.set("a", "x"),
  (client) => client.setMany({ a: 1, b: 2 }),
  (client) => client.deleteMany(["a", "b"]),
  (client) => client.incr("a", 1),
  (client) => client.incr("a", 1, { initial: 1 }),
  (client) => client.version(),
  (client) => client.stats(),
  (client) => client.rawCommand("version"),
  (client) => client.set("a", new Uint8Array(100_000)),
  (client) => client.get("a", { timeout: 0 }),
];

function start(client: Client): Promise<Outcome[]> {
  return outcomes(CALLS.map((call) => call(client)));
}

async function assertClosed(client: Client, about: string): Promise<void> {
  const ends = await allWithin(50, CALLS.map((call) => () => call(client)));
  for (const { error } of ends) {
    assertInstanceOf(error, MemcacheError, about);
    assertEquals(error.code, "ERR_CLIENT_CLOSED", about);
    assertMatch(error.message, /closed by close\(\)/);
    assertEquals(error.sent, false, about);
  }
}

/** Brings a client into a state; what comes back lets go of it. */
type State = (pair: {
  readonly client: Client;
  readonly silence: () => void;
  readonly block: () => void;
  readonly stick: () => void;
}) => Promise<void> | void;

/** What a client may be at, and whether its commands have been sent. */
const STATES: Record<string, readonly [state: State, sent: boolean]> = {
  "connecting": [({ block }) => block(), false],
  "waiting for the first reply": [({ silence }) => silence(), true],
  "waiting for replies": [async ({ client, silence }) => {
    await warm(client);
    silence();
  }, true],
  "resting": [async ({ client, silence }) => {
    await warm(client);
    await client.disconnect();
    silence();
  }, true],
};

for (const [what, [enter, sent]] of Object.entries(STATES)) {
  for (const way of ["close", "disconnect"] as const) {
    test(`Client.${way}() rejects all that is pending while ${what}`, async () => {
      let blocked = false;
      let dialled = false;
      let aborted = 0;
      const traffic = watched();
      const dial: Dial = (address, options) => {
        if (!blocked) return traffic.dial(address, options);
        dialled = true;
        return new Promise((_, reject) => {
          options.signal.addEventListener("abort", () => {
            aborted++;
            reject(options.signal.reason);
          });
        });
      };
      await withPair(
        {},
        { dial, timeout: 5000, connectTimeout: 5000 },
        async (pair) => {
          const { server, client, errors } = pair;
          await enter({
            client,
            silence: () => server.script = () => undefined,
            block: () => blocked = true,
            stick: () => server.last.pause(),
          });
          const calls = start(client);
          while (blocked && !dialled) await turn();
          if (sent) {
            await server.until(() => server.last?.lines.includes("stats"));
          }
          const settled = within(50, calls);
          await client[way]();
          await settled;
          const ends = await calls;
          assertEquals(aborted, blocked ? 1 : 0);
          assertEquals(traffic.open, 0);
          if (way === "close") {
            for (const { error } of ends) {
              assertEquals(error?.code, "ERR_CLIENT_CLOSED");
            }
          } else {
            for (const { error } of ends) {
              assertInstanceOf(error, MemcacheUnexpectedCloseError);
              assertMatch(error.message, /given up by disconnect\(\)/);
            }
          }
          for (const { error } of ends) {
            assertEquals(error?.sent, sent);
            assertEquals(error?.server, server.address);
            assert(error?.command !== undefined);
          }
          assertEquals(errors.length >= CALLS.length, true);
          await server.until(() => server.peers.every((peer) => peer.closed));
          blocked = false;
          server.script = (command, peer) => peer.reply(command);
          if (way === "close") {
            await assertClosed(client, "later");
          } else {
            assertEquals(await client.get("a"), undefined);
            assertEquals(await client.set("a", "x"), true);
          }
        },
      );
    });
  }
}

test("Client.close() rejects what waits behind bytes that nobody takes", async () => {
  await withPair({}, { timeout: 5000 }, async ({ server, client }) => {
    await warm(client);
    server.last.pause();
    const value = new Uint8Array(2 ** 20);
    const calls = Array.from(
      { length: 20 },
      (_, i) => () => client.set(`k${i}`, value),
    );
    const ends = outcomes([...calls, () => client.get("a")]);
    await pause(20);
    await client.close();
    const told = await ends;
    for (const { error, ms } of told) {
      assertEquals(error?.code, "ERR_CLIENT_CLOSED");
      assertLess(ms, 2000);
    }
    assert(told.some(({ error }) => error?.sent === true));
    assert(told.some(({ error }) => error?.sent === false));
  });
});

test("Client.close() rejects what waits for the next attempt", async () => {
  let attempts = 0;
  const dial: Dial = () => {
    attempts++;
    return Promise.reject(new Error("refused"));
  };
  await withPair({}, { dial }, async ({ client }) => {
    // Two failures: then there may be a pause before the next attempt.
    await outcome(client.get("a"));
    await outcome(client.get("a"));
    const calls = start(client);
    await client.close();
    for (const { error } of await calls) assert(error instanceof MemcacheError);
    const before = attempts;
    await pause(60);
    assertEquals(attempts, before);
  });
});

test("Client.close() may be called at any time, and again", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await Promise.all([client.close(), client.close()]);
    await client.close();
    await client.disconnect();
    await assertClosed(client, "never opened");
    assertEquals(server.peers.length, 0);
    const { error } = await outcome(client.quit());
    assertEquals(error?.code, "ERR_CLIENT_CLOSED");
  });
  await withPair({}, {}, async ({ server, client }) => {
    await warm(client);
    await client[Symbol.asyncDispose]();
    await server.until(() => server.last.closed);
    await assertClosed(client, "disposed");
  });
});

test("Client.close() in the callback of a call is no trouble for the others", async () => {
  await withPair({}, {}, async ({ client }) => {
    await warm(client);
    const calls = start(client);
    const first = outcome(client.get("b").then(() => client.close()));
    const ends = [...await calls, await first];
    for (const { error } of ends) {
      if (error !== undefined) assertEquals(error.code, "ERR_CLIENT_CLOSED");
    }
  });
});

test("Client.disconnect() lets a stuck client start anew", async () => {
  await withPair({}, { timeout: 3000 }, async ({ server, client }) => {
    for (let round = 0; round < 3; round++) {
      await warm(client);
      server.script = () => undefined;
      const stuck = outcome(client.get("a"));
      await turn();
      await client.disconnect();
      assertInstanceOf((await stuck).error, MemcacheUnexpectedCloseError);
      server.script = (command, peer) => peer.reply(command);
    }
    assertEquals(server.peers.length, 3);
  });
});

test("Client.quit() says goodbye, and stays usable", async () => {
  const traffic = watched();
  await withPair(
    {
      command: (command, peer) => {
        if (command.name !== "quit") return peer.reply(command);
        peer.end();
        return undefined;
      },
    },
    { dial: traffic.dial },
    async ({ server, client, errors }) => {
      await warm(client);
      const before = [client.get("a"), client.set("b", "x")];
      await client.quit();
      assertEquals(await Promise.all(before), [undefined, true]);
      assertEquals(server.last.lines.at(-1), "quit");
      assertEquals(traffic.open, 0);
      assertEquals(await client.get("b"), "x");
      // What is called behind a goodbye travels on the next connection.
      const [, value] = await Promise.all([client.quit(), client.get("b")]);
      assertEquals(value, "x");
      assertEquals(server.peers.length, 3);
      assertEquals(errors, []);
    },
  );
});

test("Client.quit() lets go of a server that does not say goodbye", async () => {
  for (const how of ["is silent", "answers ERROR", "answers OK"]) {
    const traffic = watched();
    await withPair(
      {
        command: (command, peer) =>
          command.name !== "quit"
            ? peer.reply(command)
            : how === "is silent"
            ? undefined
            : how === "answers ERROR"
            ? "ERROR\r\n"
            : "OK\r\n",
      },
      { dial: traffic.dial, timeout: 60 },
      async ({ client }) => {
        await warm(client);
        const { error } = await within(150, () => client.quit());
        assertEquals(error, undefined, how);
        assertEquals(traffic.open, 0, how);
        assertEquals(await client.get("a"), undefined, how);
      },
    );
  }
});

test("Client.shutdown() resolves when the server goes, and tells why it does not", async () => {
  await withPair(
    {
      command: (command, peer) => {
        if (command.name !== "shutdown") return peer.reply(command);
        peer.end();
        return undefined;
      },
    },
    {},
    async ({ server, client }) => {
      assertEquals(await client.shutdown(), undefined);
      assertEquals(server.last.lines.at(-1), "shutdown");
      assertEquals(await client.shutdown({ graceful: true }), undefined);
      assertEquals(server.last.lines.at(-1), "shutdown graceful");
    },
  );
  await withPair(
    {
      command: (command, peer) =>
        command.name === "shutdown"
          ? "ERROR: shutdown not enabled\r\n"
          : peer.reply(command),
    },
    {},
    async ({ server, client }) => {
      const error = await failure(client.shutdown());
      assertMatch(error.message, /shutdown not enabled/);
      assertEquals(await client.get("a"), undefined);
      assertEquals(server.peers.length, 1);
    },
  );
});
