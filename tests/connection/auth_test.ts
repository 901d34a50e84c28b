import {
  assert,
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertLess,
  assertMatch,
} from "@std/assert";
import {
  Client,
  type ClientOptions,
  MemcacheAuthError,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheTimeoutError,
} from "@x/memcache";
import type { Peer, Script } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import { assertSecret as assertUnseen } from "../_secrets.ts";
import {
  allWithin,
  failure,
  outcome,
  outcomes,
  turn,
  watched,
  withPair,
} from "./_calls.ts";

const PASSWORD = "correct-horse battery";
const auth = { username: "ada", password: PASSWORD };
const PROTOCOLS = ["auto", "classic", "meta"] as const;

/** A server that wants a user and a password, as memcached -Y does. */
function guarded(): Script {
  const known = new Set<Peer>();
  return (command, peer) => {
    if (known.has(peer)) return peer.reply(command);
    if (command.name !== "set") return "CLIENT_ERROR unauthenticated\r\n";
    if (command.data !== `ada ${PASSWORD}`) {
      return "CLIENT_ERROR authentication failure\r\n";
    }
    known.add(peer);
    return "STORED\r\n";
  };
}

function calls(client: Client): Array<Promise<unknown>> {
  return [
    client.get("a"),
    client.set("b", "x"),
    client.getMany(["c", "d"]),
    client.incr("e", 1),
    client.version(),
  ];
}

const SECRETS = [PASSWORD, "correct-horse", "battery", "zebra"];

function assertSecret(things: readonly unknown[]): void {
  assertUnseen(things, SECRETS);
}

test("Client authenticates before it sends anything else, on every connection", async () => {
  for (const protocol of PROTOCOLS) {
    await withPair({ command: guarded() }, { protocol, auth }, async (pair) => {
      const { server, client, errors } = pair;
      for (let round = 1; round <= 3; round++) {
        const ends = await outcomes(calls(client));
        assertEquals(ends.map(({ error }) => error), Array(5).fill(undefined));
        assertEquals(server.peers.length, round);
        // Nothing travels with the password: it may be refused.
        const [login] = server.last.commands;
        assertEquals(login.data, `ada ${PASSWORD}`);
        assertMatch(
          server.last.packets[0],
          /^set \S+ 0 0 \d+\r\nada [^\r]+\r\n$/,
        );
        assertEquals(
          server.last.lines.filter((line) => line === "mn").length,
          protocol === "classic" ? 0 : 1,
        );
        server.last.end();
        await server.until(() => server.last.closed);
        await turn();
      }
      assertEquals(errors, []);
      assertEquals(server.items.has("auth"), false);
      assertSecret([client, server.address]);
    });
  }
});

test("Client takes user and password from the address, too", async () => {
  const script = guarded();
  await withPair({ command: script }, {}, async ({ server }) => {
    const url = `memcached://ada:${
      encodeURIComponent(PASSWORD)
    }@${server.address}`;
    const client = new Client(url);
    assertEquals(await client.set("a", "x"), true);
    assertSecret([client]);
    await client.close();
  });
});

test("Client fails with a MemcacheAuthError where the password is wrong", async () => {
  for (const protocol of PROTOCOLS) {
    const traffic = watched();
    await withPair({ command: guarded() }, {
      protocol,
      auth: { username: "ada", password: "zebra" },
      dial: traffic.dial,
    }, async ({ server, client, errors }) => {
      for (let round = 0; round < 4; round++) {
        for (const { error, ms } of await outcomes(calls(client))) {
          assertInstanceOf(error, MemcacheAuthError);
          assertEquals(error.code, "ERR_AUTH");
          assertEquals(error.sent, false, "Nothing but the password was sent");
          assertEquals(error.server, server.address);
          assertMatch(error.message, /^Cannot authenticate: .*refused/);
          assertLess(ms, 300);
          assertSecret([error]);
        }
      }
      assert(server.lines.every((line) => /^set \S+ 0 0 9$/.test(line)));
      await server.until(() => server.peers.every((peer) => peer.closed));
      assertEquals(traffic.open, 0);
      assertSecret([client, ...errors]);
    });
  }
});

test("Client says that a password is wanted where it has none", async () => {
  for (const protocol of PROTOCOLS) {
    await withPair({ command: guarded() }, { protocol }, async (pair) => {
      const { client } = pair;
      let told = 0;
      for (const { error } of await outcomes(calls(client))) {
        assertInstanceOf(error, MemcacheError);
        if (error instanceof MemcacheAuthError) {
          assertEquals(error.code, "ERR_AUTH");
          assertMatch(
            error.message,
            /wants authentication, see the option auth/,
          );
          told++;
        }
      }
      assert(told > 0);
      const error = await failure(client.get("a"));
      assertInstanceOf(error, MemcacheAuthError);
    });
  }
});

test("Client gives up a login that is not answered after connectTimeout", async () => {
  const traffic = watched();
  await withPair({ command: () => undefined }, {
    auth,
    dial: traffic.dial,
    connectTimeout: 60,
    timeout: 3000,
  }, async ({ server, client, errors }) => {
    for (const { error, ms } of await allWithin(110, calls(client))) {
      assertInstanceOf(error, MemcacheTimeoutError);
      assertMatch(error.message, /60 ms \(connectTimeout\)/);
      assertEquals(error.sent, false);
      assertGreater(ms, 58);
    }
    await server.until(() => server.peers.every((peer) => peer.closed));
    assertEquals(traffic.open, 0);
    server.script = guarded();
    assertEquals((await until(() => client.get("a"))).error, undefined);
    assertSecret([client, ...errors]);
  });
});

async function until(call: () => Promise<unknown>) {
  const start = performance.now();
  for (;;) {
    const end = await outcome(call);
    if (end.error === undefined || performance.now() - start > 2000) return end;
    await turn();
  }
}

const BAD: Record<string, (peer: Peer) => void> = {
  "an end": (peer) => peer.end(),
  "a reset": (peer) => peer.reset(),
  "half of a word": (peer) => peer.end("STOR"),
  "a word of another command": (peer) => peer.send("END\r\n"),
  "a value": (peer) => peer.send("VALUE auth 0 1\r\nx\r\nEND\r\n"),
  "an unknown command": (peer) => peer.send("ERROR\r\n"),
  "a refusal to store": (peer) => peer.send("NOT_STORED\r\n"),
  "an error of its own": (peer) => peer.send("SERVER_ERROR busy\r\n"),
  "too many connections": (peer) =>
    peer.end("ERROR Too many open connections\r\n"),
  "all that it said": (peer) => peer.send(peer.text),
  "its own value": (peer) => peer.send(`${peer.commands[0].data}\r\n`),
  "a value of it": (peer) => {
    const { data } = peer.commands[0];
    peer.send(`VALUE a 0 ${data.length}\r\n${data}\r\nEND\r\n`);
  },
  "an ERROR that repeats it": (peer) =>
    peer.send(`ERROR ${peer.commands[0].data}\r\n`),
  "an ERROR that goes on with it": (peer) =>
    peer.send(`ERROR${peer.commands[0].data}\r\n`),
  "a CLIENT_ERROR that repeats it": (peer) =>
    peer.send(`CLIENT_ERROR bad: ${peer.commands[0].data}\r\n`),
  "a SERVER_ERROR that repeats it": (peer) =>
    peer.send(`SERVER_ERROR ${peer.commands[0].data}\r\n`),
};

for (const [what, answer] of Object.entries(BAD)) {
  test(`Client fails, and tells no password, where its login is answered by ${what}`, async () => {
    await withPair(
      {
        command: (_, peer) => {
          answer(peer);
          return undefined;
        },
      },
      { auth, timeout: 500, connectTimeout: 400 },
      async (pair) => {
        const { server, client, errors } = pair;
        for (const { error, ms } of await outcomes(calls(client))) {
          assertInstanceOf(error, MemcacheError);
          assertEquals(error.sent, false);
          assertLess(ms, 350);
          if (what === "too many connections") {
            assertInstanceOf(error, MemcacheConnectionError);
            assertEquals(error.code, "ERR_TOO_MANY_CONNECTIONS");
          }
        }
        assert(server.lines.every((line) => line.startsWith("set ")));
        assertSecret([client, ...errors]);
        server.script = guarded();
        assertEquals((await until(() => client.get("a"))).error, undefined);
      },
    );
  });
}

test("Client sends nothing of what timed out while it was logging in", async () => {
  let login: (() => void) | undefined;
  await withPair({}, { auth, connectTimeout: 3000 }, async (pair) => {
    const { server, client } = pair;
    const script = guarded();
    server.script = (command, peer) => {
      const reply = script(command, peer);
      if (login !== undefined) return reply;
      login = () => peer.send(reply ?? "");
      return undefined;
    };
    const late = outcome(() => client.set("late", "x", { timeout: 30 }));
    const kept = client.get("kept");
    const { error } = await late;
    assertInstanceOf(error, MemcacheTimeoutError);
    assertEquals(error.sent, false);
    login?.();
    assertEquals(await kept, undefined);
    assert(!server.lines.some((line) => line.includes("late")));
  });
});

test("Client refuses what can be no user or password, without repeating it", () => {
  const long = "zebra".repeat(4000);
  const refused: unknown[] = [
    { username: "", password: "zebra" },
    { username: "a b", password: "zebra" },
    { username: "a\r\nb", password: "zebra" },
    { username: "ada", password: "zebra\r\nflush_all" },
    { username: "ada", password: "zebra\0" },
    { username: "ada", password: long },
    { username: "ada" },
    { username: "ada", password: 5 },
    { password: "zebra" },
    "ada:zebra",
  ];
  for (const bad of refused) {
    const options = { auth: bad } as ClientOptions;
    let error: unknown;
    try {
      new Client("127.0.0.1:1", options);
    } catch (thrown) {
      error = thrown;
    }
    assertInstanceOf(error, MemcacheIllegalInputError, JSON.stringify(bad));
    assertSecret([error]);
  }
});

test("Client sends a password of any kind as it is", async () => {
  for (
    const password of ["", " ", "a b c", "pässwörd", "🔑", "x".repeat(5000)]
  ) {
    const seenAt: string[] = [];
    const script: Script = (command, peer) => {
      if (peer.commands.length > 1) return peer.reply(command);
      seenAt.push(command.data);
      return "STORED\r\n";
    };
    await withPair(
      { command: script },
      { auth: { username: "ü", password } },
      async ({ client }) => {
        assertEquals(await client.get("a"), undefined);
        const sent = new TextDecoder().decode(
          Uint8Array.from(seenAt[0], (unit) => unit.charCodeAt(0)),
        );
        assertEquals(sent, `ü ${password}`);
      },
    );
  }
});
