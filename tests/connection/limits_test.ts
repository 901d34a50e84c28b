import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertMatch,
} from "@std/assert";
import {
  MemcacheOverloadError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownError,
  rawSerde,
} from "@x/memcache";
import type { Peer } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import {
  failure,
  outcome,
  outcomes,
  turn,
  warm,
  watched,
  withPair,
} from "./_calls.ts";

const MIB = 2 ** 20;

test("Client refuses more than maxPending commands at once", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair({}, { protocol, maxPending: 10 }, async (pair) => {
      const { server, client, errors } = pair;
      // Before there is a connection, and while there is one.
      for (let round = 0; round < 3; round++) {
        const calls = Array.from(
          { length: 15 },
          (_, i) => () => client.gets(`k${i}`),
        );
        const ends = await outcomes(calls);
        for (const { error } of ends.slice(0, 10)) {
          assertEquals(error, undefined);
        }
        for (const { error } of ends.slice(10)) {
          assertInstanceOf(error, MemcacheOverloadError);
          assertEquals(error.code, "ERR_OVERLOAD");
          assertEquals(error.sent, false);
          assertEquals(error.server, server.address);
          assertEquals(error.command, "gets");
          assertMatch(error.message, /10 commands .* at most 10 .*maxPending/);
        }
      }
      assertEquals(errors.length, 15);
      assertEquals(server.lines.length, 30);
    });
  }
});

test("Client counts slots that a timeout has left as pending, until they are read", async () => {
  await withPair(
    {},
    { maxPending: 5, timeout: 5000 },
    async ({ server, client }) => {
      await warm(client);
      let held = "";
      server.script = (command, peer) => {
        held += peer.reply(command);
        return undefined;
      };
      const short = { timeout: 20 };
      const lost = await outcomes(
        [1, 2, 3, 4, 5].map((i) => () => client.get(`k${i}`, short)),
      );
      for (const { error } of lost) {
        assertInstanceOf(
          error,
          MemcacheTimeoutError,
        );
      }
      assertInstanceOf(await failure(client.get("k6")), MemcacheOverloadError);
      server.last.send(held);
      server.script = (command, peer) => peer.reply(command);
      // The replies are read, then there is room.
      let end = await outcome(client.get("k6"));
      while (end.error instanceof MemcacheOverloadError) {
        await turn();
        end = await outcome(client.get("k6"));
      }
      assertEquals(end.error, undefined);
    },
  );
});

test("Client counts a value no longer once it is stored", async () => {
  await withPair({}, { timeout: 5000 }, async ({ client }) => {
    const value = new Uint8Array(8 * MIB);
    for (let i = 0; i < 6; i++) {
      assertEquals(await client.set("k", value), true);
    }
  });
});

test("Client refuses values beyond 32 MiB that wait unsent", async () => {
  for (const serde of ["bytes", "text"]) {
    await withPair({}, { timeout: 250 }, async ({ server, client }) => {
      await warm(client);
      server.last.pause();
      server.accept = (peer) => peer.pause();
      const value = serde === "bytes" ? new Uint8Array(MIB) : "x".repeat(MIB);
      const calls = Array.from(
        { length: 100 },
        (_, i) => () => client.set(`k${i}`, value),
      );
      const ends = await outcomes(calls);
      const refused = ends.filter(({ error }) =>
        error instanceof MemcacheOverloadError
      );
      const late = ends.filter(({ error }) =>
        error instanceof MemcacheTimeoutError
      );
      assertEquals(refused.length + late.length, 100);
      assertGreater(refused.length, 60);
      const soonest = Math.min(...late.map(({ ms }) => ms));
      for (const { error, ms } of refused) {
        assertEquals(error?.sent, false);
        assertMatch(
          String(error?.message),
          /bytes of values wait already, at most 33554432/,
        );
        assertLess(ms, soonest, "at once");
      }
      // Reads need no room; they share the fate of the connection.
      const read = await outcome(() => client.get("k"));
      assert(!(read.error instanceof MemcacheOverloadError));
      server.accept = undefined;
    });
  }
});

test("Client sends one value of any size, and many once there is room", async () => {
  await withPair({}, { serde: rawSerde, timeout: 10_000 }, async (pair) => {
    const { server, client } = pair;
    server.reads = true;
    await warm(client);
    server.reads = false;
    const before = server.last.received;
    const size = 40 * MIB;
    const big = client.set("big", new Uint8Array(size).fill(120));
    const line = `set big 0 0 ${size}\r\n`.length;
    await server.until(() => server.last.received === before + line + size + 2);
    server.last.send("STORED\r\n");
    assertEquals(await big, true);
  });
});

test("Client refuses a value beyond maxValueSize, and drops the connection", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair({}, { protocol, maxValueSize: 1000 }, async (pair) => {
      const { server, client } = pair;
      server.items.set("fits", { flags: "16", data: "x".repeat(1000), cas: 1 });
      server.items.set("over", { flags: "16", data: "x".repeat(1001), cas: 1 });
      await warm(client);
      const calls = [
        () => client.get("over"),
        () => client.gets("over"),
        () => client.getMany(["fits", "over"]),
        () => client.gat("over", 9),
        () => client.getItem("over"),
      ];
      for (const call of calls) {
        assertEquals((await client.get<string>("fits"))?.length, 1000);
        const peer = server.last;
        const error = await failure(call);
        assertInstanceOf(error, MemcacheUnknownError);
        assertMatch(error.message, /1001 bytes, at most 1000 .*maxValueSize/);
        await server.until(() => peer.closed);
      }
      assertEquals(server.peers.length, 5);
      // The name alone costs nothing.
      assertEquals(await client.has("fits"), true);
    });
  }
});

/** Replies that would take all memory, or never end. */
const HOSTILE: Record<string, (peer: Peer) => void> = {
  "a size of 10^11": (peer) => peer.send("VALUE a 16 100000000000\r\n"),
  "a size of 10^30": (peer) => peer.send(`VALUE a 16 1${"0".repeat(30)}\r\n`),
  "a line without end": (peer) => flood(peer, "x".repeat(10_000)),
  "a key without end": (peer) => {
    peer.send("VALUE ");
    flood(peer, "a".repeat(10_000));
  },
  "statistics without end": (peer) =>
    flood(peer, `STAT a ${"b".repeat(1000)}\r\n`.repeat(20)),
  "items without end": (peer) =>
    flood(peer, "VALUE a 16 1\r\nx\r\n".repeat(100)),
  "errors without end": (peer) => flood(peer, "ERROR\r\n".repeat(1000)),
  "zeros": (peer) => flood(peer, "\0".repeat(10_000)),
};

function flood(peer: Peer, text: string): void {
  if (peer.closed) return;
  peer.send(text);
  setImmediate(flood, peer, text);
}

for (const [what, send] of Object.entries(HOSTILE)) {
  test(`Client drops a connection that sends ${what}`, async () => {
    await withPair({}, { protocol: "classic", timeout: 300 }, async (pair) => {
      const { server, client } = pair;
      await warm(client);
      for (
        const call of [
          () => client.get("a"),
          () => client.getMany(["a", "b"]),
          () => client.stats(),
        ]
      ) {
        await client.get("fine");
        const peer = server.last;
        server.script = (_, peer) => {
          send(peer);
          return undefined;
        };
        const { error } = await outcome(call);
        server.script = (command, peer) => peer.reply(command);
        assert(error !== undefined);
        await server.until(() => peer.closed);
      }
      assertEquals(await client.get("fine"), undefined);
    });
  });
}

test("Client refuses a raw reply beyond maxValueSize", async () => {
  await withPair(
    {
      command: (_, peer) => {
        flood(peer, "x".repeat(10_000));
        return undefined;
      },
    },
    { protocol: "classic", maxValueSize: 50_000 },
    async ({ client }) => {
      const error = await failure(client.rawCommand("dump"));
      assertInstanceOf(error, MemcacheUnknownError);
      assertMatch(error.message, /more than 50000 bytes \(maxValueSize\)/);
    },
  );
});

test("Client sends a large value to a server that reads slowly, in order with others", async () => {
  const traffic = watched();
  await withPair({}, {
    serde: rawSerde,
    timeout: 10_000,
    dial: traffic.dial,
  }, async ({ server, client }) => {
    await warm(client);
    const peer = server.last;
    const text = "0123456789".repeat(400_000);
    const value = new TextEncoder().encode(text);
    peer.pause();
    const calls = [
      client.set("before", "b"),
      client.set("large", value),
      client.get("before"),
      client.set("after", new Uint8Array(30_000).fill(97)),
      client.set("quiet", value, { noreply: true }),
      client.get("after"),
    ];
    // The value is read at the moment of the call: later changes are not seen
    // by the bytes that had been sent, and may be seen by the others.
    const written = traffic.writes.length;
    for (let reads = 0; reads < 20; reads++) {
      peer.resume();
      await turn();
      peer.pause();
    }
    peer.resume();
    const [before, large, read, after, quiet, last] = await Promise.all(calls);
    assertEquals([before, large, after, quiet], [true, true, true, true]);
    assertEquals(new TextDecoder().decode(read as Uint8Array), "b");
    assertEquals((last as Uint8Array).length, 30_000);
    assertEquals(server.items.get("large")?.data === text, true);
    assertEquals(server.items.get("quiet")?.data === text, true);
    assertGreater(traffic.writes.length, written);
  });
});

test("Client reads a large value that comes in small pieces", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair(
      {},
      { protocol, serde: rawSerde, timeout: 10_000 },
      async (pair) => {
        const { server, client } = pair;
        const text = Array.from(
          { length: 3000 },
          (_, i) => `line ${i}\r\nEND\r\n`,
        ).join("");
        server.items.set("large", { flags: "0", data: text, cas: 1 });
        server.items.set("small", { flags: "0", data: "s", cas: 1 });
        await warm(client);
        server.script = (command, peer) => {
          const reply = peer.reply(command);
          let at = 0;
          const send = () => {
            const size = at % 2 === 0 ? 1 : 997;
            peer.send(reply.slice(at, at + size));
            at += size;
            if (at < reply.length) setImmediate(send);
          };
          if (reply.length > 1000) send();
          else peer.send(reply);
          return undefined;
        };
        const value = await client.get<Uint8Array>("large");
        assertEquals(new TextDecoder().decode(value), text);
        server.script = (command, peer) => peer.reply(command);
        assertEquals((await client.get<Uint8Array>("small"))?.length, 1);
      },
    );
  }
});

test("Client tells the server's words where a value is refused before it is sent", async () => {
  // The server answers while the value is still on its way, and goes.
  await withPair({}, { serde: rawSerde, timeout: 5000 }, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    server.reads = false;
    const peer = server.last;
    const large = outcome(client.set("large", new Uint8Array(4 * MIB)));
    const behind = outcome(client.get("behind"));
    await server.until(() => peer.received > MIB);
    peer.end("SERVER_ERROR object too large for cache\r\n");
    server.reads = true;
    const { error } = await large;
    assertInstanceOf(error, MemcacheServerError);
    assertMatch(error.message, /object too large for cache/);
    // It was on its way too, or was kept back and found the next connection.
    const end = await behind;
    if (end.error !== undefined) {
      assertInstanceOf(end.error, MemcacheUnexpectedCloseError);
    }
    assertEquals(await client.get("next"), undefined);
  });
});

test("Client does not write to a connection that has not taken the last bytes", async () => {
  let writable = true;
  let overlaps = 0;
  const traffic = watched();
  await withPair({}, {
    timeout: 10_000,
    dial: async (address, options) => {
      const conn = await traffic.dial(address, options);
      return {
        ...conn,
        start: (events) =>
          conn.start({
            data: (bytes) => events.data(bytes),
            end: (error) => events.end(error),
            target: () => events.target(),
            drain: () => {
              writable = true;
              events.drain();
            },
          }),
        write: (bytes) => {
          if (!writable) overlaps++;
          const taken = conn.write(bytes);
          writable = taken;
          return taken;
        },
      };
    },
  }, async ({ client }) => {
    const calls = Array.from({ length: 300 }, (_, i) => {
      return client.set(`k${i}`, new Uint8Array(i * 300));
    });
    assertEquals(new Set(await Promise.all(calls)).has(true), true);
    assertEquals(overlaps, 0);
  });
});
