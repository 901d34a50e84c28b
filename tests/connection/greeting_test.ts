import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
} from "@std/assert";
import {
  MemcacheIllegalInputError,
  MemcacheTimeoutError,
  MemcacheUnknownCommandError,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { classic, type Peer, type Script } from "../_scripted.ts";
import { failure, turn, warm, withPair } from "./_calls.ts";

/** Answers as a memcached of some version does. */
function versioned(version: string): Script {
  return (command, peer) =>
    command.name === "version"
      ? peer.send(`VERSION ${version}\r\n`) as undefined
      : peer.answer(command) as undefined;
}

/** Answers all but the question for the version. */
function unanswered(command: { name: string }): boolean {
  return command.name === "version";
}

const NEEDS = { newCas: 7n };

test("a flag that not every version knows has the version asked, once", async () => {
  await withPair({ command: versioned("1.6.27") }, {}, async (pair) => {
    const { server, client } = pair;
    await client.meta.get("a");
    await client.meta.delete("a");
    assert(!server.lines.includes("version"), "asked without a need");
    for (let i = 0; i < 3; i++) {
      await Promise.all([
        client.meta.get("a", NEEDS),
        client.meta.set("a", "x", NEEDS),
        client.meta.delete("b", NEEDS),
      ]);
    }
    const asked = server.lines.filter((line) => line === "version");
    assertEquals(asked.length, 1);
    const at = server.lines.indexOf("version");
    assert(
      server.lines.slice(0, at).every((line) => !/ E7/.test(line)),
      "sent before the answer",
    );
    assertEquals(server.lines.filter((line) => / E7/.test(line)).length, 9);
  });
});

test("what meta commands store goes by the classic ones to memcached before 1.6.10", async () => {
  // Its ms has the length in a flag, and runs a value as commands.
  for (const version of ["1.5.22", "1.6.9", "mcrouter 0.41.0"]) {
    await withPair({ command: versioned(version) }, {}, async (pair) => {
      const { server, client, errors } = pair;
      const value = "x\r\nset evil 0 0 1\r\n1";
      const error = await failure(client.meta.set("a", value));
      assertInstanceOf(error, MemcacheUnknownCommandError);
      assertEquals(error.sent, false);
      await client.set("a", value, { noreply: true });
      assertEquals(await client.get("a"), value);
      assertEquals(await client.getOrSet("b", () => value, { ttl: 9 }), value);
      assertEquals(await client.get("b"), value);
      const item = await client.getItem("b");
      assertEquals(await item?.set("y"), true);
      assertEquals(await client.get("b"), "y");
      assertEquals(server.lines.filter((line) => /^ms /.test(line)), []);
      assertEquals(
        server.lines.filter((line) => line === "version").length,
        1,
        version,
      );
      assert(
        errors.every(({ code }) => code !== "ERR_UNKNOWN_REPLY"),
        String(errors),
      );
    });
  }
});

test("the version is asked anew on every connection", async () => {
  await withPair({ command: versioned("1.6.40") }, {}, async (pair) => {
    const { server, client } = pair;
    await client.meta.get("a", { compareCas: 1 });
    server.script = versioned("1.6.18");
    server.last.end();
    await server.until(() => server.last.closed);
    await turn();
    const error = await failure(client.meta.get("a", { compareCas: 1 }));
    assertInstanceOf(error, MemcacheIllegalInputError);
    assertEquals(
      error.message,
      "Cannot send mg: compareCas (C) needs memcached 1.6.40 or later, " +
        'this server is "1.6.18"',
    );
    assertEquals([error.sent, error.command], [false, "mg"]);
    assertEquals(server.last.lines, ["mn", "version"]);
    // Of what was refused no trace is left.
    assertEquals(await client.get("a"), undefined);
    assertEquals(server.peers.length, 2);
  });
});

test("commands keep their order around one that waits for the version", async () => {
  await withPair({ command: versioned("1.6.40") }, {}, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    const from = server.last.lines.length;
    const calls = [
      client.set("a", "1"),
      client.meta.set("a", "2", NEEDS),
      client.get("a"),
      client.meta.set("a", "3"),
      client.get("a"),
    ];
    const [, set, two, , three] = await Promise.all(calls);
    assertEquals(set, { status: "stored" });
    assertEquals([two, three], ["2", "3"]);
    const names = server.last.lines.slice(from).map((line) =>
      line.split(" ")[0]
    );
    assertEquals(names, ["set", "version", "ms", "mg", "ms", "mg"]);
  });
});

test("a meta command waits for the probe, and what stands before it does not", async () => {
  await withPair({ command: versioned("1.6.40") }, {}, async (pair) => {
    const { server, client } = pair;
    const calls = [
      client.set("a", "1"),
      client.meta.get("a"),
      client.get("a"),
      client.meta.get("a", NEEDS),
    ];
    const results = await Promise.all(calls);
    assertEquals(results.map((one) => JSON.stringify(one)), [
      "true",
      '{"status":"hit","value":"1"}',
      '"1"',
      '{"status":"hit","value":"1"}',
    ]);
    assertEquals(server.last.packets[0], "mn\r\nset a 16 0 1\r\n1\r\n");
    const names = server.last.lines.map((line) => line.split(" ")[0]);
    assertEquals(names, ["mn", "set", "mg", "mg", "version", "mg"]);
  });
});

test("a command whose time is up while the version is awaited is not sent", async () => {
  await withPair({ command: versioned("1.6.40") }, {}, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    server.script = (command, peer) =>
      unanswered(command) ? undefined : peer.answer(command) as undefined;
    const error = await failure(
      client.meta.get("a", { ...NEEDS, timeout: 30 }),
    );
    assertInstanceOf(error, MemcacheTimeoutError);
    assertEquals([error.sent, error.command, error.key], [false, "mg", "a"]);
    assert(server.lines.every((line) => !/ E7/.test(line)));
    // Then it is answered after all: nobody's reply is taken for another's.
    server.last.send("VERSION 1.6.40\r\n");
    server.script = versioned("1.6.40");
    await client.set("a", "x");
    assertEquals(await client.meta.get("a", NEEDS), {
      status: "hit",
      value: "x",
    });
  });
});

test("a command that is given up while the version is awaited is not sent", async () => {
  await withPair({ command: versioned("1.6.40") }, {}, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    server.script = (command, peer) =>
      unanswered(command) ? undefined : peer.answer(command) as undefined;
    const reason = new Error("enough");
    const control = new AbortController();
    const first = failure(
      client.meta.set("a", "x", { ...NEEDS, signal: control.signal }),
    );
    const behind = client.get("a");
    await server.until(() => server.last.lines.includes("version"));
    control.abort(reason);
    assertStrictEquals(await first, reason as unknown);
    // What stands behind it waits no longer than for the answer.
    server.last.send("VERSION 1.6.40\r\n");
    assertEquals(await behind, undefined);
    assert(server.lines.every((line) => !line.startsWith("ms")));
    await client.meta.set("a", "y", NEEDS);
    assertEquals(
      server.lines.filter((line) => line === "version").length,
      1,
    );
  });
});

for (const line of ["ERROR", "SERVER_ERROR not here", "CLIENT_ERROR no"]) {
  test(`a server that answers version with ${line} knows no later flags`, async () => {
    const command: Script = (command, peer) =>
      unanswered(command)
        ? peer.send(`${line}\r\n`) as undefined
        : peer.answer(command) as undefined;
    await withPair({ command }, {}, async ({ server, client }) => {
      for (let i = 0; i < 2; i++) {
        const error = await failure(client.meta.delete("a", NEEDS));
        assertInstanceOf(error, MemcacheIllegalInputError);
        assertMatch(error.message, /this server does not tell its version$/);
      }
      assertEquals(await client.meta.delete("a"), { status: "notFound" });
      assertEquals(
        server.lines.filter((line) => line === "version").length,
        1,
      );
      assertEquals(server.peers.length, 1);
    });
  });
}

/** What servers say that they are, and whether it is 1.6.27 or later. */
const VERSIONS: ReadonlyArray<readonly [version: string, isLater: boolean]> = [
  ["1.6.27", true],
  ["1.6.28", true],
  ["1.6.26", false],
  ["1.6.9", false],
  ["1.6.100", true],
  ["1.7", true],
  ["1.7.0", true],
  ["2.0.0", true],
  ["1.10.0", true],
  ["1.6", false],
  ["1.5.99", false],
  ["0.9.99", false],
  ["1.6.40_beta1", true],
  ["1.6.45-rc1 extra words", true],
  ["v1.6.45", true],
  ["mcrouter 1.6.45", true],
  ["1", false],
  ["", false],
  ["banana", false],
  ["99999999.0.0", false],
  ["1.6.\u0661", false],
];

test("isSince() reads what servers say that they are", async () => {
  for (const [version, isLater] of VERSIONS) {
    await withPair({ command: versioned(version) }, {}, async ({ client }) => {
      const call = client.meta.get("a", NEEDS);
      if (isLater) assertEquals(await call, { status: "miss" }, version);
      else {
        assertInstanceOf(
          await failure(call),
          MemcacheIllegalInputError,
          version,
        );
      }
    });
  }
});

test("what is no answer to version ends the connection: what waits goes by the next", async () => {
  for (
    const line of ["MN", "STORED", "EN", "HD O1", "BANANA", "VALUE a 0 0\r\n"]
  ) {
    await withPair({ command: versioned("1.6.40") }, {}, async (pair) => {
      const { server, client } = pair;
      await warm(client);
      const good = server.script;
      server.script = (command, peer) => {
        if (!unanswered(command)) return peer.answer(command) as undefined;
        server.script = good;
        return peer.send(`${line}\r\n`) as undefined;
      };
      const result = await client.meta.get("a", NEEDS);
      assertEquals(result, { status: "miss" }, line);
      assertEquals(await client.get("a"), undefined);
      assertEquals(server.peers.length, 2, line);
    });
  }
});

test("a server that dies while it is asked its version is asked again by the next connection", async () => {
  await withPair({ command: versioned("1.6.40") }, {}, async (pair) => {
    const { server, client } = pair;
    await warm(client);
    const good = server.script;
    server.script = (command, peer) => {
      if (!unanswered(command)) return peer.answer(command) as undefined;
      server.script = good;
      peer.reset();
      return undefined;
    };
    assertEquals(await client.meta.set("a", "x", NEEDS), { status: "stored" });
    assertEquals(await client.meta.set("b", "x", NEEDS), { status: "stored" });
    assertEquals(server.peers.length, 2);
    assertEquals(server.last.lines.slice(0, 2), ["mn", "version"]);
  });
});

test("a server that never answers version as it should is not asked over and over", async () => {
  const broken: Readonly<Record<string, (peer: Peer) => unknown>> = {
    "says something else": (peer) => peer.send("BANANA\r\n"),
    "ends the connection": (peer) => peer.end(),
    "resets the connection": (peer) => peer.reset(),
  };
  for (const [about, act] of Object.entries(broken)) {
    const command: Script = (command, peer) =>
      unanswered(command)
        ? act(peer) as undefined
        : peer.answer(command) as undefined;
    await withPair({ command }, {}, async ({ server, client }) => {
      const calls = Array.from(
        { length: 50 },
        (_, i) => failure(client.meta.get(`k${i}`, NEEDS)),
      );
      for (const error of await Promise.all(calls)) {
        assertInstanceOf(error, MemcacheIllegalInputError, about);
        assertMatch(error.message, /this server does not tell its version$/);
        assertEquals(error.sent, false);
      }
      assertEquals(server.peers.length, 3, about);
      assertEquals(await client.get("a"), undefined);
      // A new connection asks anew, as there may be a new server.
      server.last.end();
      await server.until(() => server.last.closed);
      await turn();
      server.script = versioned("1.6.40");
      assertEquals(await client.meta.get("a", NEEDS), { status: "miss" });
    });
  }
});

test("a server without meta commands is not asked its version, and refused at once", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair({ command: classic }, { protocol }, async (pair) => {
      const { server, client } = pair;
      const calls = [
        () => client.meta.get("a"),
        () => client.meta.getMany(["a"]),
        () => client.meta.set("a", "x", NEEDS),
        () => client.meta.delete("a"),
        () => client.meta.arithmetic("a"),
        () => client.meta.debug(new Uint8Array([1])),
        () => client.meta.noop(),
      ];
      for (const call of calls) {
        const error = await failure(call);
        assertInstanceOf(error, MemcacheUnknownCommandError);
        assertEquals(error.sent, false, `${error}`);
        assertMatch(
          error.message,
          /^Cannot send m[gsdaen]: it needs the meta commands of/,
        );
      }
      assertEquals(server.lines, []);
      assertEquals(await client.get("a"), undefined);
      assertEquals(server.peers.length, 1);
    });
  }
});

test("a command that is refused on its way takes no error of one without reply with it", async () => {
  const command: Script = (command, peer) =>
    command.noreply
      ? peer.send("SERVER_ERROR of the delete\r\n") as undefined
      : classic(command, peer);
  await withPair({ command }, { protocol: "classic" }, async (pair) => {
    const { server, client, errors } = pair;
    await client.get("warm");
    const [quiet, refused, read] = await Promise.all([
      client.delete("a", { noreply: true }),
      failure(client.meta.get("b")),
      client.get("c"),
    ]);
    assertInstanceOf(refused, MemcacheUnknownCommandError);
    // The error that comes first may be the delete's: it is not the get's.
    assertEquals([quiet, read], [true, undefined]);
    assert(errors.some(({ command, key }) => command === "delete" && !key));
    assertEquals(server.peers.length, 2);
  });
});
