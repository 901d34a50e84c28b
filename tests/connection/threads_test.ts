/**
 * What bit the users of other clients, each case named after the threads that
 * tell of it: hangs, crashes and waste. The themes are tested in
 * depth under tests/connection; here every thread that concerns one server has a
 * case.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertMatch,
} from "@std/assert";
import {
  Client,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import {
  failure,
  outcome,
  outcomes,
  pause,
  turn,
  warm,
  watched,
  withPair,
} from "./_calls.ts";
import { names, thread, usual } from "./_threads.ts";

// Hangs, crashes, the event loop, leaks.

thread(
  "3rd-Eden/memcached#162, 3rd-Eden/memcached#273, 3rd-Eden/memcached#152, 3rd-Eden/memcached#96, 3rd-Eden/memcached#6: with the server down every call is answered soon",
  async ({ server, client }) => {
    await server.close();
    for (let round = 0; round < 5; round++) {
      const ends = await outcomes([
        () => client.get("a"),
        () => client.set("a", 1),
        () => client.getMany(["a"]),
      ]);
      for (const { error, ms } of ends) {
        assertInstanceOf(error, MemcacheError);
        assertLess(ms, 900);
      }
    }
    await server.listen();
  },
);

thread(
  "3rd-Eden/memcached#169, 3rd-Eden/memcached#336: a call with no keys is answered",
  async ({ client }) => {
    assertEquals(await client.getMany([]), new Map());
    assertEquals(await client.getsMany([]), new Map());
    assertEquals(await client.setMany([]), []);
    assertEquals(await client.setMany({}), []);
    assertEquals(await client.deleteMany([]), true);
  },
);

thread(
  "3rd-Eden/memcached#68, 3rd-Eden/memcached#9: a failure is told once",
  async ({ server, client, errors }) => {
    server.script = (_, peer) => {
      peer.send("GARBAGE\r\nERROR\r\n");
      peer.reset();
      return undefined;
    };
    let told = 0;
    const calls = names(5).map((key) => client.gets(key).catch(() => told++));
    await Promise.all(calls);
    await pause(20);
    assertEquals(told, 5);
    assertEquals(errors.length, 5);
    assertEquals(new Set(errors).size, 5);
  },
);

thread(
  "3rd-Eden/memcached#188, 3rd-Eden/memcached#50, 3rd-Eden/memcached#145, pinterest/pymemcache#267: no number of concurrent calls is a silent miss",
  async ({ server, client }) => {
    await client.set("a", "v");
    const got = await Promise.all(
      Array.from({ length: 3000 }, () => client.get("a")),
    );
    assertEquals(got.filter((value) => value !== "v"), []);
    assertEquals(server.peers.length, 1);
  },
);

thread(
  "3rd-Eden/memcached#75, pinterest/pymemcache#621, pinterest/pymemcache#195: a client has one connection, whatever it is asked",
  async ({ server, client }) => {
    for (let i = 0; i < 100; i++) await client.set(`k${i}`, i);
    await Promise.all(names(200).map((key) => client.get(key)));
    assertEquals(server.peers.length, 1);
  },
);

thread(
  "3rd-Eden/memcached#218, 3rd-Eden/memcached#281, memcachier/memjs#162, memcachier/memjs#114, pinterest/pymemcache#307: a client comes back with its server, without being asked to",
  async ({ server, client }) => {
    for (const how of ["end", "reset"] as const) {
      server.last[how]();
      await server.close();
      for (let i = 0; i < 3; i++) {
        assertInstanceOf(await failure(client.get("a")), MemcacheError);
      }
      await server.listen();
      const start = performance.now();
      while (
        (await outcome(client.get("a"))).error !== undefined
      ) {
        await pause(5);
      }
      assertLess(performance.now() - start, 1000);
    }
  },
);

thread(
  "3rd-Eden/memcached#82: onError is told that the server has gone",
  async ({ server, client, errors }) => {
    await server.close();
    await turn();
    await outcome(client.get("a"));
    assert(errors.length > 0);
    assertEquals(errors[0].server, server.address);
    await server.listen();
  },
);

thread(
  "memcachier/memjs#117, memcachier/memjs#89: a timeout is not for ever",
  async ({ server, client }) => {
    server.script = (command, peer) =>
      peer.number === 0 ? undefined : peer.reply(command);
    assertInstanceOf(await failure(client.set("a", 1)), MemcacheTimeoutError);
    assertEquals(await client.set("a", 1), true);
    assertEquals(await client.get("a"), 1);
  },
  { timeout: 60 },
);

thread(
  "memcachier/memjs#37, electrode-io/memcache#26, victorquinn/memcache-plus#75: what comes while nobody waits crashes nothing",
  async ({ server, client, errors }) => {
    for (
      const text of [
        "CLIENT_ERROR bad command line format\r\n",
        "ERROR\r\n",
        "VALUE a 0 1\r\nx\r\nEND\r\n",
        "\0",
        "",
      ]
    ) {
      const peer = server.last;
      peer.send(text);
      if (text === "") peer.reset();
      await server.until(() => peer.closed || peer.ended);
      // A client that has not noticed yet sends what was idle for long again.
      await pause(120);
      assertEquals(await client.get("a"), undefined);
    }
    assertEquals(errors, []);
  },
);

thread(
  "memcachier/memjs#171: a large value has the time that its caller gives it",
  async ({ server, client }) => {
    server.items.set("big", { flags: "16", data: "x".repeat(200_000), cas: 1 });
    server.script = (command, peer) => {
      const reply = peer.reply(command);
      let at = 0;
      const drip = setInterval(() => {
        peer.send(reply.slice(at, at += 20_000));
        if (at >= reply.length) clearInterval(drip);
      }, 15);
      return undefined;
    };
    const value = await client.get<string>("big", { timeout: 3000 });
    assertEquals(value?.length, 200_000);
  },
  { timeout: 100 },
);

thread(
  "petergoldstein/dalli#776, petergoldstein/dalli#941: a call with very many keys is answered, though nobody reads all at once",
  async ({ server, client }) => {
    const keys = names(20_000, "a-key-of-some-length-");
    for (const key of keys) {
      server.items.set(key, { flags: "16", data: key, cas: 1 });
    }
    // The server stops to read while its replies are not taken.
    server.script = (command, peer) => {
      const reply = peer.reply(command);
      peer.send(reply);
      if (peer.socket.writableLength > 0) {
        peer.pause();
        peer.socket.once("drain", () => peer.resume());
      }
      return undefined;
    };
    const got = await client.getMany<string>(keys, { timeout: 8000 });
    assertEquals(got.size, keys.length);
    for (const [key, value] of got) assertEquals(key, value);
  },
);

thread(
  "pinterest/pymemcache#309: an idle connection that the server has dropped costs no call",
  async ({ server, client, errors }) => {
    for (let round = 0; round < 5; round++) {
      server.last.end();
      await server.until(() => server.last.closed);
      assertEquals(await client.set("a", round), true);
    }
    assertEquals(errors, []);
  },
);

test("pinterest/pymemcache#550: a full server is no unknown command", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair(
      {
        accept: (peer) => peer.end("ERROR Too many open connections\r\n"),
        command: () => undefined,
      },
      { protocol },
      async ({ client }) => {
        const error = await failure(client.get("a"));
        assertInstanceOf(error, MemcacheConnectionError);
        assertEquals(error.code, "ERR_TOO_MANY_CONNECTIONS");
      },
    );
  }
});

thread(
  "pinterest/pymemcache#377, aliexpressru/memcached README: a value that is too large is refused with the server's words",
  async ({ server, client }) => {
    server.script = (command, peer) =>
      command.data.length > 1000
        ? "SERVER_ERROR object too large for cache\r\n"
        : peer.reply(command);
    const error = await failure(client.set("a", "x".repeat(2000)));
    assertInstanceOf(error, MemcacheServerError);
    assertMatch(error.message, /too large/);
    assertEquals(await client.setMany({ b: "x".repeat(2000), c: 1 }), ["b"]);
    assertEquals(await client.get("c"), 1);
    assertEquals(server.peers.length, 1);
  },
);

thread(
  "pior/memcache: the nearer of two deadlines counts",
  async ({ server, client }) => {
    server.script = () => undefined;
    const [signal, timeout] = await outcomes([
      () => client.get("a", { signal: AbortSignal.timeout(30), timeout: 5000 }),
      () => client.get("a", { signal: AbortSignal.timeout(5000), timeout: 30 }),
    ]);
    assertEquals(signal.error?.name, "TimeoutError");
    assertInstanceOf(timeout.error, MemcacheTimeoutError);
    assertLess(Math.max(signal.ms, timeout.ms), 2000);
  },
);

// Speed, where it is a matter of what is sent.

test("pinterest/pymemcache#319, petergoldstein/dalli#1107: many stores leave together", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ client }) => {
    await warm(client);
    const before = traffic.writes.length;
    await client.setMany(
      names(100).map((key): [string, string] => [key, key]),
    );
    assertLess(traffic.writes.length - before, 4);
  });
});

thread(
  "memcached/memcached#849: a call with many keys is sent in lines that any server reads",
  async ({ server, client }) => {
    await client.getMany(names(1000, "k".repeat(200)));
    assert(server.lines.length >= 10);
    for (const line of server.lines) assertLess(line.split(" ").length, 103);
  },
);

test("jaredwray/keyv#865: a client that lets go leaves no promise behind", async () => {
  await withPair({ command: () => undefined }, {}, async ({ client }) => {
    const calls = outcomes([
      client.get("a"),
      client.set("b", 1),
      client.getMany(["c"]),
    ]);
    await turn();
    await client.disconnect();
    for (const { error } of await calls) {
      assertInstanceOf(error, MemcacheUnexpectedCloseError);
    }
    const late = outcomes([client.get("a"), client.set("b", 1)]);
    await client.close();
    for (const { error } of await late) {
      assertEquals(error?.code, "ERR_CLIENT_CLOSED");
    }
  });
});

test("3rd-Eden/memcached#348: nothing of a closed client is left", async () => {
  // The sanitizers of the runner see what is; see also process_test.ts.
  const client = new Client("127.0.0.1:1", { connectTimeout: 5000 });
  const call = outcome(client.get("a"));
  await client.close();
  assertEquals((await call).error?.code, "ERR_CLIENT_CLOSED");
});

thread(
  "petergoldstein/dalli#1149: a call with many keys tells of a lost connection",
  async ({ server, client }) => {
    for (
      const call of [
        () => client.getMany(names(250)),
        () => client.getsMany(names(250)),
        () =>
          client.setMany(names(50).map((key): [string, number] => [key, 1])),
        () => client.deleteMany(names(50)),
      ]
    ) {
      await client.get("fine");
      let answers = 2;
      server.script = (command, peer) => {
        if (answers-- > 0) return peer.reply(command);
        peer.end();
        return undefined;
      };
      const error = await failure(call);
      server.script = usual;
      assertInstanceOf(error, MemcacheUnexpectedCloseError);
    }
    const error = await failure(async () => {
      server.script = (command, peer) => {
        if (/\bk0\b/.test(command.line)) return peer.reply(command);
        peer.end();
        return undefined;
      };
      await client.setMany({ k0: 1, k1: 2, k2: 3 });
    });
    assertEquals(error.failedKeys, ["k1", "k2"]);
  },
);
