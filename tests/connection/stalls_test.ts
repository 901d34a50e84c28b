import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
} from "@std/assert";
import {
  Client,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import { FakeTime } from "../_fake_time.ts";
import { Pipe } from "../fuzz/_pipe.ts";
import { type Peer, reply, type Script } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import {
  acquaint,
  outcome,
  outcomes,
  pause,
  warm,
  watched,
  withPair,
} from "./_calls.ts";

/** Answers nothing on the first connection, and all on the others. */
const silentFirst: Script = (command, peer) =>
  peer.number === 0 ? undefined : peer.reply(command);

/** The words of memcached until `silence()`, on that connection. */
function muted(): { script: Script; silence: (peer: Peer) => void } {
  const mute = new Set<Peer>();
  return {
    script: (command, peer) => mute.has(peer) ? undefined : peer.reply(command),
    silence: (peer) => void mute.add(peer),
  };
}

test("Client replaces a connection that is silent for a timeout's length", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    const { script, silence } = muted();
    await withPair(
      { command: script },
      { protocol, timeout: 200 },
      async (pair) => {
        const { server, client } = pair;
        await warm(client);
        const first = server.last;
        silence(first);
        const lost = outcome(() => client.get("a"));
        await pause(100);
        // These are in flight when the time is up: reads are sent once more.
        const start = performance.now();
        const replayed = [
          client.get("b"),
          client.gets("c"),
          client.getMany(["d", "e"]),
          client.version(),
          client.has("f"),
        ];
        const written = [
          outcome(() => client.set("g", 1)),
          outcome(() => client.incr("h", 1)),
          outcome(() => client.delete("i")),
        ];
        assertInstanceOf((await lost).error, MemcacheTimeoutError);
        assertEquals(await Promise.all(replayed), [
          undefined,
          undefined,
          new Map(),
          "1.6.18",
          false,
        ]);
        assertLess(
          performance.now() - start,
          200,
          "in less than their timeout",
        );
        for (const { error, ms } of await Promise.all(written)) {
          // Nobody knows what became of a write: it is not sent again.
          assertInstanceOf(error, MemcacheTimeoutError);
          assertEquals(error.sent, true);
          assert(ms > 199, `told after ${ms} ms`);
        }
        assertEquals(server.peers.length, 2);
        const twice = server.peers[1].lines.join("\n");
        assert(!/^(set|incr|delete)/m.test(twice), twice);
        await server.until(() => first.closed);
      },
    );
  }
});

test("Client sends a read at most twice", async () => {
  // Whatever connection it takes, nothing comes back.
  await withPair({}, { timeout: 150 }, async ({ server, client }) => {
    await warm(client);
    server.script = () => undefined;
    const first = outcome(() => client.get("a", { timeout: 60 }));
    const again = outcome(() => client.get("many", { timeout: 900 }));
    const sent = () => server.lines.filter((line) => line.includes("many"));
    await server.until(() => sent().length === 2);
    // This caller's time is up long before, and the second connection goes too.
    const second = outcome(() => client.get("b", { timeout: 60 }));
    const ends = await Promise.all([first, second, again]);
    for (const { error } of ends) assertInstanceOf(error, MemcacheTimeoutError);
    assert(server.peers[1].closed, "the second connection was replaced");
    assertEquals(sent().length, 2);
  });
});

test("Client gives later commands to the new connection, on time", async () => {
  const { script, silence } = muted();
  await withPair({ command: script }, { timeout: 100 }, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    for (let round = 0; round < 3; round++) {
      silence(server.last);
      const calls = [];
      for (let i = 0; i < 30; i++) {
        calls.push(outcome(() => client.get(`k${i}`)));
        await pause(7);
      }
      const ends = await Promise.all(calls);
      const failed = ends.filter(({ error }) => error !== undefined);
      // Those of the first moments are lost, those after them are not.
      assertLess(failed.length, 8);
      assertEquals(ends[29].error, undefined);
      assertEquals(server.peers.length, round + 2);
    }
  });
});

test("Client looks for silence even where one caller is very patient", async () => {
  const { script, silence } = muted();
  await withPair({ command: script }, { timeout: 100 }, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    silence(server.last);
    const [lost, patient] = await outcomes([
      () => client.get("a", { timeout: 20 }),
      () => client.get("b", { timeout: 3000 }),
    ]);
    assertInstanceOf(lost.error, MemcacheTimeoutError);
    assertEquals(patient.error, undefined);
    assertLess(patient.ms, 1500);
  });
});

test("Client replaces a connection on which only aborted commands wait", async () => {
  const { script, silence } = muted();
  await withPair({ command: script }, { timeout: 100 }, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    const first = server.last;
    silence(first);
    const controller = new AbortController();
    const aborted = outcome(client.get("a", { signal: controller.signal }));
    controller.abort("enough");
    assertEquals(String((await aborted).error), "enough");
    await server.until(() => first.closed);
    assertEquals(await client.get("b"), undefined);
  });
});

test("Client does not take a slow server for a silent one", () =>
  FakeTime.with(async (time) => {
    const owed: string[] = [];
    const pipe = new Pipe((text) => {
      for (const line of text.split("\r\n").slice(0, -1)) {
        const [name, ...args] = line.split(" ");
        const command = { name, args, line, data: "", noreply: false };
        owed.push(reply(command, new Map()));
      }
    });
    const answer = async (count: number) => {
      await time.settle();
      pipe.deliver(owed.splice(0, count).join(""));
    };
    let attempts = 0;
    const client = new Client("127.0.0.1", {
      timeout: 150,
      dial: () => Promise.resolve((attempts++, pipe)),
    });
    try {
      const first = client.get("first");
      await answer(2);
      assertEquals(await first, undefined);
      const calls = Array.from(
        { length: 12 },
        (_, i) => outcome(client.gets(`k${i}`)),
      );
      await time.settle();
      assertEquals(owed.length, 12);
      // One reply each 30 ms: every caller but the first waits for others.
      for (let i = 0; i < 12; i++) {
        await time.tick(30);
        await answer(1);
      }
      const ends = await Promise.all(calls);
      assertEquals(
        ends.map(({ error, ms }) => [error?.code, ms]),
        [30, 60, 90, 120].map((ms): unknown[] => [undefined, ms])
          .concat(Array(8).fill(["ERR_TIMEOUT", 150])),
      );
      assertEquals([attempts, pipe.closed], [1, false], "It is kept");
      const next = client.get("next");
      await answer(1);
      assertEquals(await next, undefined);
      assertEquals(attempts, 1);
    } finally {
      await client.close();
    }
  }));

test("Client gives up a reply that goes on long after its caller has left", async () => {
  await withPair({}, { timeout: 60 }, async ({ server, client }) => {
    await warm(client);
    const first = server.last;
    let drip: ReturnType<typeof setInterval> | undefined;
    server.script = (command, peer) => {
      if (peer !== first) return peer.reply(command);
      drip ??= setInterval(() => peer.send("STAT a b\r\n"), 5);
      return undefined;
    };
    try {
      const { error } = await outcome(() => client.stats());
      assertInstanceOf(error, MemcacheTimeoutError);
      await server.until(() => first.closed);
      assertEquals(await client.get("a"), undefined);
    } finally {
      clearInterval(drip);
    }
  });
});

test("Client replaces a connection that takes no bytes, though no reply is owed", async () => {
  await withPair({}, { timeout: 150 }, async ({ server, client, errors }) => {
    await acquaint(client);
    const first = server.last;
    first.pause();
    // More than the system takes: the connection is stuck with them.
    const value = new Uint8Array(2 ** 20);
    const stuck = [];
    for (let i = 0; i < 20; i++) {
      stuck.push(outcome(client.set(`v${i}`, value, { noreply: true })));
    }
    const read = outcome(() => client.get("a"));
    const later = pause(200).then(() => outcome(() => client.get("b")));
    assertInstanceOf((await read).error, MemcacheTimeoutError);
    assertEquals((await later).error, undefined);
    const ends = await Promise.all(stuck);
    assert(ends.some(({ value }) => value === true));
    for (const { error } of ends) {
      if (error !== undefined) assertInstanceOf(error, MemcacheTimeoutError);
    }
    assert(errors.length > 0);
    await server.until(() => server.peers.length === 2);
  });
});

test("Client opens a new connection where the first one never answered", async () => {
  for (const protocol of ["auto", "classic", "meta"] as const) {
    const traffic = watched();
    await withPair({ command: silentFirst }, {
      protocol,
      timeout: 60,
      dial: traffic.dial,
    }, async ({ client }) => {
      const { error } = await outcome(() => client.get("a", { timeout: 150 }));
      assert(error === undefined || error instanceof MemcacheTimeoutError);
      assertEquals(await client.get("b", { timeout: 1000 }), undefined);
      assertEquals(traffic.attempts.length, 2);
      assertEquals(traffic.open, 1);
    });
  }
});

test("Client with timeout 0 replaces a silent connection by the caller's timeout", async () => {
  const { script, silence } = muted();
  await withPair({ command: script }, { timeout: 0 }, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    silence(server.last);
    const [write, read, lost] = await outcomes([
      () => client.set("a", 1),
      () => client.get("b"),
      () => client.get("c", { timeout: 60 }),
    ]);
    assertInstanceOf(lost.error, MemcacheTimeoutError);
    assertInstanceOf(write.error, MemcacheUnexpectedCloseError);
    assertEquals(write.error.sent, true);
    assertEquals(read.error, undefined);
  });
});
