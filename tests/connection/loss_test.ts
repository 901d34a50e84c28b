import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotMatch,
} from "@std/assert";
import {
  type Client,
  MemcacheConnectionError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import type { Command, Peer, Script } from "../_scripted.ts";
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

const PROTOCOLS = ["auto", "classic"] as const;

/** Ways for a server to go. */
const ENDS: Record<string, (peer: Peer) => void> = {
  "an end": (peer) => peer.end(),
  "a reset": (peer) => peer.reset(),
};

/** What a command is answered with, once it has been asked for by its key. */
const REPLIES: ReadonlyArray<
  readonly [
    call: (client: Client) => Promise<unknown>,
    classic: string,
    meta: string,
  ]
> = [
  [
    (client) => client.get("a"),
    "VALUE a 16 10\r\nSECRETVALU\r\nEND\r\n",
    "VA 10 f16 O#\r\nSECRETVALU\r\n",
  ],
  [
    (client) => client.gets("a"),
    "VALUE a 16 10 77\r\nSECRETVALU\r\nEND\r\n",
    "VA 10 c77 f16 O#\r\nSECRETVALU\r\n",
  ],
  [
    (client) => client.getMany(["a", "b"]),
    "VALUE a 16 10\r\nSECRETVALU\r\nVALUE b 16 4\r\nSECR\r\nEND\r\n",
    "VALUE a 16 10\r\nSECRETVALU\r\nVALUE b 16 4\r\nSECR\r\nEND\r\n",
  ],
  [(client) => client.set("a", 1), "STORED\r\n", "STORED\r\n"],
  [(client) => client.incr("a", 1), "123456\r\n", "123456\r\n"],
  [(client) => client.stats(), "STAT a 1\r\nEND\r\n", "STAT a 1\r\nEND\r\n"],
];

for (const protocol of PROTOCOLS) {
  for (const [how, end] of Object.entries(ENDS)) {
    test(`Client gives nothing of a reply that is cut by ${how}, at any byte (${protocol})`, async () => {
      for (const [call, classic, meta] of REPLIES) {
        // What travels the same way on both is tried on one.
        if (protocol === "auto" && meta === classic) continue;
        const reply = protocol === "classic" ? classic : meta;
        let cut = 0;
        const script: Script = (command, peer) => {
          const other = /\bnext\b|^mn$/.test(command.line);
          if (other) return peer.reply(command);
          const opaque = command.args.find((arg) => /^O\d/.test(arg)) ?? "O";
          peer.send(reply.replace("O#", opaque).slice(0, cut));
          end(peer);
          return undefined;
        };
        await withPair({ command: script }, { protocol }, async (pair) => {
          const { server, client } = pair;
          server.items.set("next", { flags: "16", data: "mine", cas: 1 });
          // The opaque is longer than its sign: the reply is, too.
          for (cut = 0; cut < reply.length; cut++) {
            await client.get("next");
            const [lost, behind] = await outcomes([
              call(client),
              client.get("behind"),
            ]);
            const about = `${JSON.stringify(reply)} cut at ${cut}`;
            assertInstanceOf(lost.error, MemcacheUnexpectedCloseError, about);
            assertEquals(lost.error.sent, true, about);
            assertNotMatch(lost.error.message, /SECR/, about);
            assertInstanceOf(behind.error, MemcacheUnexpectedCloseError, about);
            assertEquals(await client.get("next"), "mine", about);
          }
        });
      }
    });
  }
}

/** Calls that may be sent twice. */
const IDEMPOTENT: Record<string, (client: Client) => Promise<unknown>> = {
  "get()": (client) => client.get("a"),
  "gets()": (client) => client.gets("a"),
  "gat()": (client) => client.gat("a", 60),
  "getMany()": (client) => client.getMany(["a", "b"]),
  "set()": (client) => client.set("a", "new"),
  "replace()": (client) => client.replace("a", "new"),
  "delete()": (client) => client.delete("a"),
  "touch()": (client) => client.touch("a", 60),
  "setMany()": (client) => client.setMany({ a: 1, b: 2 }),
  "deleteMany()": (client) => client.deleteMany(["a", "b"]),
  "version()": (client) => client.version(),
  "flushAll()": (client) => client.flushAll(),
};

/** Calls that may not. */
const ONCE: Record<string, (client: Client) => Promise<unknown>> = {
  "add()": (client) => client.add("a", "new"),
  "append()": (client) => client.append("a", "new"),
  "prepend()": (client) => client.prepend("a", "new"),
  "cas()": (client) => client.cas("a", "new", 1n),
  "incr()": (client) => client.incr("n", 1),
  "decr()": (client) => client.decr("n", 1),
  "rawCommand()": (client) => client.rawCommand("incr n 1"),
};

function stock(
  items: Map<string, { flags: string; data: string; cas: number }>,
) {
  items.set("a", { flags: "16", data: "old", cas: 1 });
  items.set("n", { flags: "0", data: "5", cas: 1 });
}

for (const [how, end] of Object.entries(ENDS)) {
  test(`Client speaks classic to a server that answers its probe by ${how}`, async () => {
    const script: Script = (command, peer) => {
      if (command.name === "mn") {
        end(peer);
        return undefined;
      }
      return peer.closed || peer.lines[0] === "mn"
        ? undefined
        : peer.reply(command);
    };
    for (const [name, call] of Object.entries(IDEMPOTENT)) {
      await withPair({ command: script }, {}, async ({ server, client }) => {
        stock(server.items);
        const { error } = await outcome(call(client));
        assertEquals(error, undefined, name);
        assertEquals(server.peers.length, 2, name);
        assert(!server.last.lines.includes("mn"), name);
        // And from then on.
        server.last.end();
        await server.until(() => server.last.closed);
        await call(client);
        assertEquals(server.peers.length, 3, name);
        assert(!server.last.lines.includes("mn"), name);
      });
    }
    for (const [name, call] of Object.entries(ONCE)) {
      await withPair({ command: script }, {}, async ({ server, client }) => {
        stock(server.items);
        const error = await failure(call(client));
        assertInstanceOf(error, MemcacheUnexpectedCloseError, name);
        assertEquals(error.sent, true, name);
        assert((await outcome(call(client))).error === undefined, name);
        assert(!server.last.lines.includes("mn"), name);
      });
    }
  });

  test(`Client survives a server that accepts its first connection by ${how}`, async () => {
    for (const protocol of PROTOCOLS) {
      await withPair(
        {
          accept: (peer) => {
            if (peer.number === 0) end(peer);
          },
        },
        { protocol },
        async ({ server, client }) => {
          stock(server.items);
          const { error } = await outcome(client.get("a"));
          // The reset may also come while the runtime is still connecting.
          assert(
            error === undefined || error instanceof MemcacheConnectionError ||
              error instanceof MemcacheUnexpectedCloseError,
            String(error),
          );
          assertEquals(await client.get("a"), "old");
          assertEquals(server.peers.length, 2);
        },
      );
    }
  });

  test(`Client fails where every connection is accepted by ${how}`, async () => {
    for (const protocol of PROTOCOLS) {
      const traffic = watched();
      await withPair(
        { accept: end },
        { protocol, dial: traffic.dial },
        async (pair) => {
          const { server, client, errors } = pair;
          const ends = await outcomes([
            client.get("a"),
            client.set("b", 1),
            client.incr("c", 1),
            client.getMany(["d", "e"]),
          ]);
          for (const { error, ms } of ends) {
            assert(
              error instanceof MemcacheUnexpectedCloseError ||
                error instanceof MemcacheConnectionError,
              String(error),
            );
            assertEquals(error.server, server.address);
            assert(ms < 500, `told after ${ms} ms`);
          }
          assertEquals(errors.length, 4);
          assert(traffic.attempts.length <= 3);
        },
      );
    }
  });

  test(`Client notices ${how} of an idle connection, and opens the next`, async () => {
    for (const protocol of PROTOCOLS) {
      const traffic = watched();
      const { dial } = traffic;
      await withPair({}, { protocol, dial }, async (pair) => {
        const { server, client, errors } = pair;
        stock(server.items);
        for (let round = 0; round < 5; round++) {
          assertEquals(await client.incr("n", 1), 6 + round);
          end(server.last);
          while (traffic.open > 0) await turn();
        }
        assertEquals(errors, []);
      });
    }
  });

  test(`Client sends what can be sent twice, where ${how} met it after an idle time`, async () => {
    for (const protocol of PROTOCOLS) {
      let gone: Command | undefined;
      const script: Script = (command, peer) => {
        if (peer.number === 0 && peer.commands.length > 2) {
          gone = command;
          end(peer);
          return undefined;
        }
        return peer.closed || gone === command
          ? undefined
          : peer.reply(command);
      };
      const run = async (
        name: string,
        call: (client: Client) => Promise<unknown>,
        again: boolean,
      ) => {
        await withPair({ command: script }, { protocol }, async (pair) => {
          const { server, client, errors } = pair;
          stock(server.items);
          await client.get("a");
          while (server.last.commands.length < 2) await client.get("a");
          await pause(110);
          const { error } = await outcome(call(client));
          if (again) assertEquals(error, undefined, name);
          else assertInstanceOf(error, MemcacheUnexpectedCloseError, name);
          assertEquals(errors.length, again ? 0 : 1, name);
          assertEquals(await client.get("none"), undefined, name);
          assertEquals(server.peers.length, 2, name);
        });
      };
      await Promise.all([
        ...Object.entries(IDEMPOTENT).map(([name, call]) =>
          run(name, call, true)
        ),
        ...Object.entries(ONCE).map(([name, call]) => run(name, call, false)),
      ]);
    }
  });
}

test("Client fails at once where the server ends its side, and still reads", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await warm(client);
    const first = server.last;
    server.script = (command, peer) => {
      if (peer !== first) return peer.reply(command);
      peer.socket.end();
      return undefined;
    };
    const { error, ms } = await outcome(client.get("a"));
    assertInstanceOf(error, MemcacheUnexpectedCloseError);
    assert(ms < 500, `told after ${ms} ms`);
    assertEquals(await client.get("a"), undefined);
  });
});

test("Client keeps the replies that came before the end, and fails the rest", async () => {
  for (const protocol of PROTOCOLS) {
    await withPair({}, { protocol }, async ({ server, client }) => {
      stock(server.items);
      await warm(client);
      let answered = 0;
      const first = server.last;
      server.script = (command, peer) => {
        if (peer !== first) return peer.reply(command);
        if (answered === 3) return undefined;
        peer.send(peer.reply(command));
        if (++answered === 3) peer.end();
        return undefined;
      };
      const ends = await outcomes([
        client.gets("a"),
        client.incr("n", 1),
        client.set("b", 1),
        client.set("c", 1),
        client.gets("a"),
      ]);
      assertEquals(ends.map(({ value }) => value), [
        { value: "old", cas: 1n },
        6,
        true,
        undefined,
        undefined,
      ]);
      for (const { error } of ends.slice(3)) {
        assertInstanceOf(error, MemcacheUnexpectedCloseError);
        assertEquals(error.sent, true);
      }
    });
  }
});

test("Client names the reason of a reset as the cause", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await warm(client);
    server.script = (_, peer) => {
      peer.reset();
      return undefined;
    };
    const error = await failure(client.get("a"));
    assertInstanceOf(error, MemcacheUnexpectedCloseError);
    assertEquals(error.code, "ERR_UNEXPECTED_CLOSE");
    assertEquals(error.server, server.address);
    assertEquals(error.command, "get");
    assertEquals(error.key, "a");
    // A cause of a kind is given wherever the runtime tells of the reset.
    if (error.cause !== undefined) {
      assertInstanceOf(error.cause, MemcacheConnectionError);
    }
  });
});

test("Client sends nothing twice that was in flight with traffic", async () => {
  // The connection was not idle: what went wrong is not known.
  await withPair({}, {}, async ({ server, client }) => {
    stock(server.items);
    await warm(client);
    server.script = (command, peer) => {
      if (peer.number > 0) return peer.reply(command);
      peer.end();
      return undefined;
    };
    const ends = await outcomes(
      Object.values(IDEMPOTENT).map((call) => call(client)),
    );
    for (const { error } of ends) {
      assertInstanceOf(error, MemcacheUnexpectedCloseError);
    }
    assertEquals(server.peers.length, 1);
  });
});

test("Client makes no use of bytes that an old connection has left", async () => {
  // The new connection must not get the rest of the old one's reply, nor the
  // old decoder's idea of how much is missing.
  for (const protocol of PROTOCOLS) {
    await withPair(
      {},
      { protocol, timeout: 500 },
      async ({ server, client }) => {
        server.items.set("b", { flags: "16", data: "B".repeat(40), cas: 1 });
        await warm(client);
        const first = server.last;
        server.script = (command, peer) => {
          if (peer !== first) return peer.reply(command);
          peer.end(
            protocol === "auto"
              ? `VA 40 f16 ${command.args.at(-1)}\r\nSECRETVALU`
              : "VALUE a 16 40\r\nSECRETVALU",
          );
          return undefined;
        };
        const a = await outcome(client.get("a"));
        assertInstanceOf(a.error, MemcacheUnexpectedCloseError);
        assertEquals(await client.get("b"), "B".repeat(40));
        assertEquals(await client.get("a"), undefined);
      },
    );
  }
});
