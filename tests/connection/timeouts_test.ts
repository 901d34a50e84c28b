import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
} from "@std/assert";
import {
  type Client,
  jsonSerde,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import {
  type Call,
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

/** How late a timeout may be told, in milliseconds. */
const SLACK = 50;

/** A plain timer as long as a timeout: what the runtime itself is late by. */
async function timer(ms: number): Promise<number> {
  const { ms: took } = await outcome(pause(ms));
  return Math.max(0, took - ms);
}

/** Runs calls that are to time out, and holds them to their time. */
async function inTime(
  calls: ReadonlyArray<readonly [timeout: number, call: Call]>,
): Promise<Outcome[]> {
  const told = outcomes(calls.map(([, call]) => call));
  const late = Promise.all(calls.map(([timeout]) => timer(timeout)));
  const ends = await told;
  const excuse = Math.max(...await late);
  ends.forEach(({ error, ms }, i) => {
    const [timeout] = calls[i];
    assertInstanceOf(error, MemcacheTimeoutError);
    assertEquals(error.code, "ERR_TIMEOUT");
    assert(error.message.includes(`${timeout} ms`), error.message);
    // Deno's clock and Node's timers may differ by part of a millisecond.
    assert(ms > timeout - 1, `${timeout} ms: told after ${ms} ms`);
    assert(ms < timeout + SLACK + excuse, `${timeout} ms: told after ${ms} ms`);
  });
  return ends;
}

const silent = () => undefined;

for (const protocol of ["auto", "classic"] as const) {
  test(`Client tells a timeout in its time, whatever else is in flight (${protocol})`, async () => {
    await withPair({}, { protocol, timeout: 120 }, async (pair) => {
      const { server, client } = pair;
      await warm(client);
      server.script = silent;
      await inTime([
        [120, () => client.get("a")],
        [40, () => client.get("b", { timeout: 40 })],
        [200, () => client.get("c", { timeout: 200 })],
        [80, () => client.get("d", { timeout: 80 })],
        [80, () => client.get("e", { timeout: 80 })],
        [120, () => client.get("f")],
        [60, () => client.getMany(["g", "h"], { timeout: 60 })],
        [100, () => client.getMany(["i"], { timeout: 100 })],
        [120, () => client.set("j", 1)],
        [30, () => client.set("k", 1, { timeout: 30 })],
        [170, () => client.incr("l", 1, { timeout: 170 })],
        [120, () => client.version()],
        [20, () => client.setMany({ m: 1, n: 2 }, { timeout: 20 })],
        [90, () => client.deleteMany(["o", "p"], { timeout: 90 })],
        [50, () => client.incr("q", 1, { timeout: 50, initial: 0 })],
      ]);
    });
  });
}

test("Client tells the timeout of a first command in its time", async () => {
  await withPair({ command: silent }, { timeout: 60 }, async ({ client }) => {
    const ends = await inTime([
      [60, () => client.get("a")],
      [30, () => client.set("b", 1, { timeout: 30 })],
      [90, () => client.delete("c", { timeout: 90 })],
    ]);
    assertEquals(ends.map(({ error }) => error?.sent), [true, true, true]);
  });
});

test("Client tells a timeout in its time while bytes trickle in", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    let drip: ReturnType<typeof setInterval> | undefined;
    await withPair(
      {},
      { protocol, timeout: 100 },
      async ({ server, client }) => {
        await warm(client);
        server.script = (command, peer) => {
          if (drip !== undefined) return undefined;
          const opaque = command.args.at(-1);
          peer.send(
            protocol === "auto"
              ? `VA 100000 f16 ${opaque}\r\n`
              : "VALUE slow 16 100000\r\n",
          );
          drip = setInterval(() => peer.send("x"), 5);
          return undefined;
        };
        await inTime([
          [100, () => client.get("slow")],
          [100, () => client.gets("behind")],
          [60, () => client.set("behind", 1, { timeout: 60 })],
        ]);
        clearInterval(drip);
        // What trickles on for ever is given up: the next calls find a new way.
        server.script = (command, peer) => peer.reply(command);
        await server.until(() => server.last.number > 0 || server.last.closed)
          .then(() => warm(client));
      },
    );
  }
});

test("Client counts the time that a serde takes to write", async () => {
  await withPair({}, {
    timeout: 160,
    serde: {
      serialize: async (key: string, value: unknown) => {
        await pause(120);
        return jsonSerde.serialize(key, value);
      },
      deserialize: jsonSerde.deserialize,
    },
  }, async ({ server, client }) => {
    await warm(client);
    server.script = silent;
    const slow = within(160 + SLACK, () => client.set("slow", 1));
    await pause(110);
    // Called later, sent earlier: the order on the wire is not that of time.
    const [set, get] = await Promise.all([
      slow,
      within(160 + SLACK, () => client.get("quick")),
    ]);
    assertInstanceOf(set.error, MemcacheTimeoutError);
    for (const { ms } of [set, get]) {
      assertGreater(ms, 159);
    }
  });
});

test("Client waits for ever with timeout 0, and only there", async () => {
  await withPair({}, { timeout: 300 }, async ({ server, client }) => {
    await warm(client);
    let late: (() => void) | undefined;
    server.script = (command, peer) => {
      const { args, name } = command;
      if (name === "mn") return "MN\r\n";
      late ??= () => peer.send(`VA 2 f16 ${args.at(-1)}\r\nok\r\n`);
      return undefined;
    };
    const patient = outcome(client.get("a", { timeout: 0 }));
    // The alarm of the first get rings meanwhile: nobody has waited in vain.
    await pause(350);
    late?.();
    assertEquals((await patient).value, "ok");
  });
  await withPair({}, { timeout: 0 }, async ({ server, client }) => {
    await warm(client);
    server.script = silent;
    const patient = outcome(client.set("a", 1));
    await inTime([[50, () => client.get("b", { timeout: 50 })]]);
    // The silent connection was given up, and with it a reply that nobody
    // else can give: that is told at once.
    assertInstanceOf((await patient).error, MemcacheUnexpectedCloseError);
  });
});

test("Client reads the reply that a timeout has left, and throws it away", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair(
      {},
      { protocol, timeout: 1000 },
      async ({ server, client }) => {
        for (let i = 0; i < 10; i++) {
          server.items.set(`k${i}`, { flags: "16", data: `v${i}`, cas: 1 });
        }
        await warm(client);
        let held = "";
        server.script = (command, peer) => {
          held += peer.reply(command);
          return undefined;
        };
        const short = { timeout: 20 };
        const lost = await outcomes([
          client.get("k0", short),
          client.set("k9", "new", short),
          client.getMany(["k1", "k2"], short),
          client.incr("none", 1, short),
        ]);
        for (const { error } of lost) {
          assertInstanceOf(error, MemcacheTimeoutError);
          assertEquals(error.sent, true);
        }
        const calls = [
          client.get("k3"),
          client.gets("k4"),
          client.getMany(["k5", "none"]),
          client.delete("k6"),
        ];
        await server.until(() =>
          server.last.commands.at(-1)?.name === "delete"
        );
        server.script = (command, peer) => peer.reply(command);
        const half = Math.floor(held.length / 2);
        server.last.send(held.slice(0, half));
        await turn();
        server.last.send(held.slice(half));
        assertEquals(await Promise.all(calls), [
          "v3",
          { value: "v4", cas: 1n },
          new Map([["k5", "v5"]]),
          true,
        ]);
        assertEquals(await client.get("k9"), "new");
        assertEquals(server.peers.length, 1, "The connection is kept");
      },
    );
  }
});

test("Client tells 6,000 timeouts of one turn, and none of them early", async () => {
  await withPair({}, { timeout: 150 }, async ({ server, client, errors }) => {
    await warm(client);
    // Neither this connection nor the next is read from.
    server.last.pause();
    server.accept = (peer) => peer.pause();
    const calls = Array.from({ length: 6000 }, () => () => client.get("k"));
    for (const { error, ms } of await outcomes(calls)) {
      assertInstanceOf(error, MemcacheTimeoutError);
      assertGreater(ms, 149);
    }
    assertEquals(errors.length, 6000, "onError sees each of them once");
    server.accept = undefined;
    assertEquals(await client.get("k", { timeout: 1000 }), undefined);
  });
});

/** Ways to be kept waiting before anything is sent. */
const UNSENT: Record<string, (client: Client) => Promise<unknown>> = {
  "get()": (client) => client.get("a", { timeout: 30 }),
  "set()": (client) => client.set("a", 1, { timeout: 30 }),
  "set() with noreply": (client) =>
    client.set("a", 1, { timeout: 30, noreply: true }),
  "getMany()": (client) => client.getMany(["a", "b"], { timeout: 30 }),
  "incr()": (client) => client.incr("a", 1, { timeout: 30 }),
};

for (const [name, call] of Object.entries(UNSENT)) {
  test(`Client ${name} that found no connection in time was not sent`, async () => {
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => open = resolve);
    const traffic = watched();
    await withPair({}, {
      dial: async (address, options) => {
        await gate;
        return traffic.dial(address, options);
      },
    }, async ({ server, client }) => {
      const error = await failure(call(client));
      assertInstanceOf(error, MemcacheTimeoutError);
      assertEquals(error.sent, false);
      open?.();
      // The connection that comes too late serves others, and nobody else
      // gets to see the command.
      assertEquals(await client.get("b"), undefined);
      assert(server.last.lines.every((line) => !/\ba\b/.test(line)));
    });
  });
}
