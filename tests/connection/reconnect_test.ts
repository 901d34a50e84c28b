import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertLessOrEqual,
  assertMatch,
} from "@std/assert";
import {
  Client,
  type Conn,
  type Dial,
  dial,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheTimeoutError,
} from "@x/memcache";
import { ScriptedServer, withServer } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import {
  failure,
  outcome,
  outcomes,
  pause,
  turn,
  warm,
  watched,
  within,
  withPair,
} from "./_calls.ts";

/** An address where nobody listens. */
async function nowhere(): Promise<string> {
  const server = await ScriptedServer.start();
  await server.close();
  return server.address;
}

test("Client opens one connection for all of its first commands", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ server, client }) => {
    const calls = Array.from({ length: 50 }, (_, i) => client.gets(`k${i}`));
    await turn();
    calls.push(client.gets("later"));
    await Promise.all(calls);
    assertEquals(traffic.attempts.length, 1);
    assertEquals(server.peers.length, 1);
  });
});

test("Client tells on one line why it cannot connect", async () => {
  const dial = () => Promise.reject(new Error("no suitable key share\n"));
  const client = new Client("127.0.0.1:11211", { dial });
  const { message } = await failure(client.get("a"));
  assertEquals(
    message,
    "Cannot connect to 127.0.0.1:11211: no suitable key share",
  );
  await client.close();
});

test("Client opens nothing before its first command, nor for one that is refused", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ client }) => {
    await failure(client.get("not legal"));
    const signal = AbortSignal.abort("gone");
    assertEquals(String(await failure(client.get("a", { signal }))), "gone");
    await client.quit();
    await client.disconnect();
    await turn();
    assertEquals(traffic.attempts.length, 0);
  });
});

test("Client fails with the runtime's reason where nobody listens", async () => {
  const server = await nowhere();
  const errors: MemcacheError[] = [];
  const client = new Client(server, {
    onError: (error) => void errors.push(error),
  });
  const ends = await outcomes([
    client.get("a"),
    client.set("a", 1),
    client.getMany(["a", "b"]),
    client.incr("a", 1),
    client.version(),
    client.set("a", 1, { noreply: true }),
  ]);
  for (const { error, ms } of ends) {
    assertInstanceOf(error, MemcacheConnectionError);
    assertEquals(error.code, "ERR_CONNECTION");
    assertEquals(error.sent, false);
    assertEquals(error.server, server);
    assert(error.cause instanceof Error);
    assertMatch(error.message, new RegExp(`^Cannot connect to ${server}: .+`));
    assertLess(ms, 500);
  }
  assertEquals(errors.length, 6);
  await client.close();
});

test("Client tries at most 20 times in 2 s, under any load, and fails fast meanwhile", async () => {
  const traffic = watched();
  const client = new Client(await nowhere(), { dial: traffic.dial });
  const start = performance.now();
  let calls = 0;
  let slowest = 0;
  const load = async () => {
    while (performance.now() - start < 1000) {
      const { error, ms } = await outcome(() => client.get("a"));
      assertInstanceOf(error, MemcacheConnectionError);
      assertEquals(error.sent, false);
      slowest = Math.max(slowest, ms);
      calls++;
      await turn();
    }
  };
  await Promise.all([load(), load(), load(), load()]);
  await client.close();
  const after = traffic.attempts.length;
  assertLessOrEqual(after, 20);
  assertGreater(after, 3);
  assertGreater(calls, 100, "Most of them without an attempt");
  assertLess(slowest, 500, "A short pause is waited for, a long one is not");
});

test("Client never makes two attempts at the same time", async () => {
  let now = 0;
  let most = 0;
  let total = 0;
  const slow: Dial = async () => {
    total++;
    most = Math.max(most, ++now);
    await pause(15);
    now--;
    throw new Error("no way");
  };
  const client = new Client("127.0.0.1:1", { dial: slow });
  for (let i = 0; i < 40; i++) {
    void outcome(() => client.get("a"));
    await pause(3);
  }
  await client.close();
  while (now > 0) await turn();
  assertEquals(most, 1);
  assertGreater(total, 1);
});

test("Client counts a server that takes connections and says nothing, too", async () => {
  await Promise.all(["ends", "resets"].map(async (how) => {
    const traffic = watched();
    await withPair(
      {
        accept: (peer) => how === "ends" ? peer.end() : peer.reset(),
      },
      { dial: traffic.dial },
      async ({ client }) => {
        const start = performance.now();
        while (performance.now() - start < 800) {
          const { error } = await outcome(() => client.get("a"));
          assert(error instanceof MemcacheError);
          await turn();
        }
        assertLessOrEqual(traffic.attempts.length, 16);
      },
    );
  }));
});

test("Client finds a server that is back within 250 ms, as a rule", async () => {
  const waits = await Promise.all(
    Array.from({ length: 21 }, (_, i) => i * 25).map(async (down) => {
      const server = await ScriptedServer.start();
      const client = new Client(server.address);
      await warm(client);
      await server.close();
      const end = performance.now() + down;
      while (performance.now() < end) {
        await outcome(() => client.get("a"));
        await pause(3);
      }
      await server.listen();
      const back = performance.now();
      while ((await outcome(() => client.get("a"))).error !== undefined) {
        await pause(3);
      }
      const wait = performance.now() - back;
      // And from then on nothing fails.
      for (let i = 0; i < 20; i++) await client.get("a");
      await client.close();
      await server.close();
      return wait;
    }),
  );
  waits.sort((a, b) => a - b);
  assertLess(waits[10], 250, waits.join(" "));
  assertLess(waits[20], 500, waits.join(" "));
});

/** Transports that never come to an end. */
const NEVER: Record<string, Dial> = {
  "never answers": (_, { signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    }),
  "ignores its signal": () => new Promise(() => {}),
};

for (const [how, never] of Object.entries(NEVER)) {
  test(`Client gives an attempt up after connectTimeout, if the transport ${how}`, async () => {
    const traffic = watched(never);
    const client = new Client("127.0.0.1:1", {
      dial: traffic.dial,
      connectTimeout: 60,
    });
    const ends = await Promise.all([
      within(110, () => client.get("a")),
      within(110, () => client.set("b", 1)),
      within(80, () => client.get("c", { timeout: 30 })),
    ]);
    for (const { error, ms } of ends.slice(0, 2)) {
      assertInstanceOf(error, MemcacheTimeoutError);
      assertMatch(error.message, /60 ms \(connectTimeout\)/);
      assertEquals(error.sent, false);
      assertGreater(ms, 59);
    }
    // Its own time was over before.
    const [, , { error, ms }] = ends;
    assertInstanceOf(error, MemcacheTimeoutError);
    assertMatch(error.message, /30 ms \(timeout\)/);
    assertEquals(error.sent, false);
    assertGreater(ms, 29);
    await client.close();
  });
}

test("Client with connectTimeout 0 waits as long as its commands do", async () => {
  const client = new Client("127.0.0.1:1", {
    dial: NEVER["ignores its signal"],
    connectTimeout: 0,
    timeout: 40,
  });
  for (let round = 0; round < 2; round++) {
    const { error, ms } = await within(900, () => client.get("a"));
    assertInstanceOf(error, MemcacheTimeoutError);
    assertGreater(ms, 39);
  }
  await client.close();
});

test("Client closes a connection that comes after its attempt was given up", async () => {
  await withServer({}, async (server) => {
    let late: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => late = resolve);
    const traffic = watched(async (address, options) => {
      if (traffic.attempts.length > 1) return dial(address, options);
      // Does not heed the signal, and connects when it has long been aborted.
      await gate;
      const { signal } = new AbortController();
      return dial(address, { ...options, signal });
    });
    const client = new Client(server.address, {
      dial: traffic.dial,
      connectTimeout: 30,
    });
    assertInstanceOf(await failure(client.get("a")), MemcacheTimeoutError);
    assertEquals(await client.get("a"), undefined);
    late?.();
    await server.until(() => server.peers.length === 2);
    await server.until(() => server.peers[1].closed || server.peers[1].ended);
    assertEquals(traffic.open, 1);
    assertEquals(server.peers[1].text, "");
    assertEquals(await client.get("a"), undefined);
    await client.close();
  });
});

/** What a transport may fail with, and what is no connection. */
const BAD: Record<string, () => unknown> = {
  "throws": () => {
    throw new RangeError("no way");
  },
  "rejects with text": () => Promise.reject("no way"),
  "rejects with nothing": () => Promise.reject(undefined),
  "resolves to nothing": () => Promise.resolve(undefined),
  "returns nothing": () => undefined,
  "resolves to what is no connection": () => Promise.resolve({ write: true }),
};

for (const [how, bad] of Object.entries(BAD)) {
  test(`Client fails with a MemcacheConnectionError where the transport ${how}`, async () => {
    const errors: MemcacheError[] = [];
    const client = new Client("127.0.0.1:1", {
      // What users bring need not be what it is said to be.
      dial: bad as Dial,
      timeout: 300,
      connectTimeout: 200,
      onError: (error) => void errors.push(error),
    });
    const { error } = await within(190, () => client.get("a"));
    assertInstanceOf(error, MemcacheConnectionError);
    assertEquals(error.sent, false);
    if (how === "throws") assertInstanceOf(error.cause, RangeError);
    assertEquals(errors, [error]);
    await client.close();
  });
}

test("Client gives every caller an error of its own", async () => {
  const client = new Client(await nowhere());
  const [one, two, three] = await outcomes([
    client.get("a"),
    client.get("b"),
    client.set("c", 1),
  ]);
  assert(one.error !== two.error);
  assertEquals([one.error?.key, two.error?.key, three.error?.key], [
    "a",
    "b",
    "c",
  ]);
  assertEquals(three.error?.command, "set");
  await client.close();
});

test("Client makes one attempt for a call after a long pause, whatever came before", async () => {
  const traffic = watched();
  const address = await nowhere();
  const client = new Client(address, { dial: traffic.dial });
  for (let i = 0; i < 30; i++) await outcome(() => client.get("a"));
  const before = traffic.attempts.length;
  await pause(550);
  assertInstanceOf(await failure(client.get("a")), MemcacheConnectionError);
  assertEquals(traffic.attempts.length, before + 1);
  await client.close();
});

test("Client opens and closes 300 connections, and keeps none", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ server, client }) => {
    for (let i = 0; i < 300; i++) {
      await client.get("a");
      assertEquals(traffic.open, 1);
      if (i % 3 === 0) {
        await client.disconnect();
      } else {
        server.last.end();
        await server.until(() => server.last.closed);
        while (traffic.open > 0) await turn();
      }
    }
    await server.until(() => server.peers.every((peer) => peer.closed));
    assertEquals(server.peers.length, 300);
  });
});

test("Client counts an idle connection as alive for as long as the server keeps it", async () => {
  const traffic = watched();
  await withPair(
    {},
    { timeout: 60, dial: traffic.dial },
    async ({ client }) => {
      await warm(client);
      await pause(200);
      assertEquals(await client.get("a"), undefined);
      assertEquals(traffic.attempts.length, 1);
    },
  );
});

test("Conn.write() that throws ends the connection, and nothing else", async () => {
  let broken = false;
  const fragile: Dial = async (address, options) => {
    const conn = await dial(address, options);
    const wrapped: Conn = {
      start: (events) => conn.start(events),
      write: (bytes) => {
        if (broken) throw new Error("write failed");
        return conn.write(bytes);
      },
      ref: () => conn.ref(),
      unref: () => conn.unref(),
      close: () => conn.close(),
    };
    return wrapped;
  };
  await withPair({}, { dial: fragile, timeout: 300 }, async ({ client }) => {
    await warm(client);
    broken = true;
    const ends = await outcomes([client.get("a"), client.set("b", 1)]);
    broken = false;
    for (const { error } of ends) assertInstanceOf(error, MemcacheError);
    assertEquals(await client.get("a"), undefined);
  });
});
