import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertMatch,
} from "@std/assert";
import {
  MemcacheConnectionError,
  MemcacheError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
} from "@x/memcache";
import { classic, type Script } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import {
  allWithin,
  failure,
  outcome,
  outcomes,
  turn,
  withPair,
} from "./_calls.ts";

test("Client asks what a server speaks in the packet of its first commands", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    const first = [client.get("a"), client.set("b", 1), client.gets("c")];
    await Promise.all(first);
    // The commands behind the probe are classic, those after it meta.
    const [packet] = server.last.packets;
    assertEquals(packet, "mn\r\nget a\r\nset b 2 0 1\r\n1\r\ngets c\r\n");
    await Promise.all([client.get("a"), client.gets("c"), client.has("d")]);
    const lines = server.last.lines.slice(4);
    assertMatch(lines[0], /^mg a f v O\d+$/);
    assertMatch(lines[1], /^mg c c f v O\d+$/);
    assertMatch(lines[2], /^mg d f O\d+$/);
    assertEquals(server.last.lines.filter((line) => line === "mn").length, 1);
  });
});

test("has() takes the OK of memcached before 1.6.10 for a hit", async () => {
  const script: Script = (command, peer) => {
    const reply = String(peer.reply(command));
    return command.name === "mg" ? reply.replace(/^HD/, "OK") : reply;
  };
  await withPair({ command: script }, {}, async ({ client }) => {
    await client.set("a", 1);
    assertEquals(await client.has("a"), true);
    assertEquals(await client.has("b"), false);
    assertEquals(await client.get("a"), 1);
  });
});

test("Client asks anew on every connection: a server may have been replaced", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await client.get("a");
    await client.get("a");
    server.script = classic;
    server.last.end();
    await server.until(() => server.last.closed);
    await turn();
    await client.get("a");
    await client.get("a");
    assertEquals(server.last.lines, ["mn", "get a", "get a"]);
  });
});

test('Client with protocol "classic" never asks, and sends no meta command', async () => {
  await withPair(
    { command: classic },
    { protocol: "classic" },
    async (pair) => {
      const { server, client } = pair;
      for (let round = 0; round < 2; round++) {
        await client.set("a", "x", { noreply: true });
        await Promise.all([
          client.get("a"),
          client.gets("a"),
          client.has("a"),
          client.gat("a", 60),
          client.getItem("a"),
          client.getMany(["a", "b"]),
          client.delete("a", { noreply: true }),
          client.incr("n", 1, { initial: 1 }),
          client.touch("a", 60),
          client.version(),
        ]);
        server.last.end();
        await server.until(() => server.last.closed);
        await turn();
      }
      const lines = server.peers.flatMap((peer) => peer.lines);
      assert(lines.every((line) => !/^m[a-z]\b/.test(line)), lines.join("\n"));
      assertEquals(server.peers.length, 2);
    },
  );
});

const REFUSALS = [
  // As memcached 1.5.19 to 1.5.21 do it, whose meta commands are others.
  "EN\r\n",
  "ERROR\r\n",
  "ERROR unknown command\r\n",
  "CLIENT_ERROR bad command line format\r\n",
  "CLIENT_ERROR unknown command: mn\r\n",
  "SERVER_ERROR unsupported command\r\n",
];

test("Client speaks classic to a server that does not know the probe", async () => {
  for (const refusal of REFUSALS) {
    const script: Script = (command, peer) => {
      if (/^m[a-z]$/.test(command.name)) return refusal;
      return peer.reply(command);
    };
    await withPair({ command: script }, {}, async (pair) => {
      const { server, client, errors } = pair;
      assertEquals(await client.set("a", "x"), true);
      const values = await Promise.all([
        client.get("a"),
        client.gets("a"),
        client.has("b"),
      ]);
      assertEquals(values, ["x", { value: "x", cas: 1n }, false]);
      assertEquals(server.peers.length, 1);
      const metas = server.last.lines.filter((line) => /^m[a-z]\b/.test(line));
      assertEquals(metas, ["mn"]);
      assertEquals(errors, [], "The answer to the probe is nobody's failure");
    });
  }
});

test("Client works with a server that answers the probe, and then goes", async () => {
  // As proxies do that take a command they do not know for an attack.
  for (const refusal of REFUSALS) {
    const script: Script = (command, peer) => {
      if (peer.lines.includes("mn")) {
        if (command.name === "mn") peer.end(refusal);
        return undefined;
      }
      return peer.reply(command);
    };
    await withPair({ command: script }, {}, async ({ server, client }) => {
      const ends = await outcomes([client.set("a", "x"), client.get("b")]);
      assertEquals(ends.map(({ error }) => error), [undefined, undefined]);
      assertEquals(await client.get("a"), "x");
      assertEquals(server.peers.length, 2);
    });
  }
});

test("Client gives each caller the server's answer, if it is ERROR to everything", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair(
      { command: () => "ERROR\r\n" },
      { protocol },
      async (pair) => {
        const { server, client } = pair;
        const reads = [
          client.get("a"),
          client.gets("a"),
          client.getMany(["a", "b"]),
          client.incr("n", 1),
          client.delete("a"),
          client.touch("a", 1),
          client.version(),
          client.stats(),
          client.flushAll(),
        ];
        for (const { error } of await outcomes(reads)) {
          assertInstanceOf(error, MemcacheUnknownCommandError);
          assertEquals(error.code, "ERR_UNKNOWN_COMMAND");
          assertEquals(error.sent, true);
        }
        assertEquals(server.peers.length, 1, "One line is one answer");
        const write = await failure(client.set("a", "x"));
        assertInstanceOf(write, MemcacheUnknownCommandError);
        await server.until(() => server.last.closed);
        assertInstanceOf(
          await failure(client.get("a")),
          MemcacheUnknownCommandError,
        );
        assertEquals(
          server.peers.length,
          2,
          "A value may be read as a command",
        );
      },
    );
  }
});

test('Client with protocol "meta" says so where the server speaks classic', async () => {
  for (const refusal of REFUSALS) {
    const script: Script = (command, peer) =>
      /^m[a-z]$/.test(command.name) ? refusal : peer.reply(command);
    await withPair({ command: script }, { protocol: "meta" }, async (pair) => {
      const { client, server } = pair;
      for (let round = 0; round < 4; round++) {
        const ends = await outcomes([
          client.get("a"),
          client.set("a", 1),
          client.incr("n", 1),
        ]);
        for (const { error } of ends) {
          assertInstanceOf(error, MemcacheUnknownCommandError);
          assertMatch(error.message, /Cannot speak meta/);
          assertEquals(error.server, server.address);
        }
      }
    });
  }
});

test('Client with protocol "meta" works where the server speaks it', async () => {
  await withPair({}, { protocol: "meta" }, async ({ server, client }) => {
    assertEquals(await client.set("a", "x"), true);
    assertEquals(await client.get("a"), "x");
    assertMatch(server.last.lines[2], /^mg a /);
  });
});

const FULL = "ERROR Too many open connections\r\n";

for (const protocol of ["auto", "classic", "meta"] as const) {
  test(`Client takes no greeting for a reply (${protocol})`, async () => {
    let full = true;
    await withPair(
      {
        accept: (peer) => {
          if (full) peer.end(FULL);
        },
        command: (command, peer) => full ? undefined : peer.reply(command),
      },
      { protocol },
      async ({ server, client }) => {
        for (let round = 0; round < 6; round++) {
          const ends = await outcomes([
            client.get("a"),
            client.set("b", 1),
            client.getMany(["c"]),
            client.incr("d", 1),
          ]);
          let told = 0;
          for (const { error } of ends) {
            // Who comes behind the first may see no more than the end.
            if (error instanceof MemcacheConnectionError) {
              assertEquals(error.code, "ERR_TOO_MANY_CONNECTIONS");
              assertMatch(error.message, /too many open connections/);
              told++;
            } else assertInstanceOf(error, MemcacheUnexpectedCloseError);
          }
          assert(told > 0, "Somebody is told why");
          assertEquals(
            ends.some(({ error }) =>
              error instanceof MemcacheUnknownCommandError
            ),
            false,
          );
        }
        assertLess(server.peers.length, 8);
        full = false;
        const { error, value } = await until(() => client.get("a"));
        assertEquals(error, undefined);
        assertEquals(value, undefined);
      },
    );
  });
}

/** Calls until a call succeeds, for at most two seconds. */
async function until(call: () => Promise<unknown>) {
  const start = performance.now();
  for (;;) {
    const end = await outcome(call);
    if (end.error === undefined || performance.now() - start > 2000) return end;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("Client takes a greeting that comes in pieces for what it is", async () => {
  await withPair(
    {
      accept: (peer) => {
        peer.send(FULL.slice(0, 5));
        setTimeout(() => peer.end(FULL.slice(5)), 5);
      },
      command: () => undefined,
    },
    {},
    async ({ client }) => {
      const error = await failure(client.get("a"));
      assertInstanceOf(error, MemcacheConnectionError);
      assertEquals(error.code, "ERR_TOO_MANY_CONNECTIONS");
    },
  );
});

const STRANGERS: Record<string, string> = {
  "a web server": "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
  "a Redis": "-ERR unknown command 'mn'\r\n",
  "an SSH server": "SSH-2.0-OpenSSH_9.6\r\n",
  "an SMTP server": "220 mail.example.com ESMTP\r\n",
  "a TLS server": "\x15\x03\x03\x00\x02\x02\x46",
  "a database": "\x4a\x00\x00\x00\x0a8.0.36\0",
  "bytes of any kind": "\xff\xfe\x00\n\r\n\n",
};

for (const [what, words] of Object.entries(STRANGERS)) {
  test(`Client fails with an error that names it, where it meets ${what}`, async () => {
    for (const protocol of ["auto", "classic"] as const) {
      await withPair(
        {
          command: (_, peer) => {
            peer.send(words);
            return undefined;
          },
        },
        { protocol, timeout: 100 },
        async ({ server, client }) => {
          const ends = await allWithin(150, [
            () => client.get("a"),
            () => client.set("b", 1),
          ]);
          for (const { error } of ends) {
            assertInstanceOf(error, MemcacheError);
            assert(
              !(error instanceof MemcacheServerError) ||
                error instanceof MemcacheUnexpectedCloseError,
            );
            assertEquals(error.server, server.address);
          }
        },
      );
    }
  });
}

test("Client takes only MN for an answer that means meta", async () => {
  for (const answer of ["MN\n", "mn\r\n", "OK\r\n", "END\r\n", "MNX\r\n"]) {
    await withPair(
      {
        command: (command, peer) =>
          command.name === "mn" ? answer : peer.reply(command),
      },
      { timeout: 100 },
      async ({ server, client }) => {
        const { error } = await outcome(client.get("a"));
        assertInstanceOf(error, MemcacheUnexpectedCloseError, answer);
        assert(!server.lines.some((line) => line.startsWith("mg")), answer);
      },
    );
  }
  // With flags, or late, it is one.
  for (const answer of ["MN\r\n", "MN \r\n", "MN Oabc\r\n"]) {
    await withPair(
      {
        command: (command, peer) =>
          command.name === "mn" ? answer : peer.reply(command),
      },
      {},
      async ({ client }) => {
        assertEquals(await client.get("a"), undefined, answer);
      },
    );
  }
});

test("Client is not held up by a probe that is not answered", async () => {
  // The first connection is given up after a timeout; its commands are not
  // replayed to one that speaks another protocol, they are replayed as they
  // are.
  await withPair(
    {
      command: (command, peer) =>
        peer.number === 0 ? undefined : peer.reply(command),
    },
    { timeout: 80 },
    async ({ client }) => {
      const first = await outcome(() => client.get("a"));
      assertInstanceOf(first.error, MemcacheTimeoutError);
      assertEquals((await outcome(() => client.get("a"))).error, undefined);
    },
  );
});
