import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type Client,
  MemcacheClientError,
  MemcacheServerError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
} from "@x/memcache";
import { classic, type Command, type Script } from "../_scripted.ts";
import { test } from "../_runtime.ts";
import {
  acquaint,
  outcome,
  outcomes,
  type Pair,
  turn,
  warm,
  watched,
  withPair,
} from "./_calls.ts";

const QUIET = { noreply: true };

/** What can be sent without asking for a reply, and what it resolves to. */
const CALLS: Record<
  string,
  readonly [(client: Client) => Promise<unknown>, unknown]
> = {
  "set()": [(client) => client.set("q", "x", QUIET), true],
  "add()": [(client) => client.add("q", "x", QUIET), true],
  "replace()": [(client) => client.replace("q", "x", QUIET), true],
  "append()": [(client) => client.append("q", "x", QUIET), true],
  "prepend()": [(client) => client.prepend("q", "x", QUIET), true],
  "cas()": [(client) => client.cas("q", "x", 1n, QUIET), true],
  "delete()": [(client) => client.delete("q", QUIET), true],
  "touch()": [(client) => client.touch("q", 9, QUIET), true],
  "incr()": [(client) => client.incr("q", 1, QUIET), undefined],
  "decr()": [(client) => client.decr("q", 1, QUIET), undefined],
  "flushAll()": [(client) => client.flushAll(QUIET), true],
  "setMany()": [(client) => client.setMany({ q: "x" }, QUIET), []],
  "deleteMany()": [(client) => client.deleteMany(["q"], QUIET), true],
};

/** Answers commands without reply by an error line, all others as usual. */
function erring(line: string, normal: Script): Script {
  return (command: Command, peer) => {
    if (command.noreply) return line;
    return normal(command, peer);
  };
}

const usual: Script = (command, peer) => peer.reply(command);

const LINES: ReadonlyArray<
  readonly [
    line: string,
    type: typeof MemcacheClientError | typeof MemcacheServerError,
  ]
> = [
  ["ERROR\r\n", MemcacheUnknownCommandError],
  ["CLIENT_ERROR bad data chunk\r\n", MemcacheClientError],
  ["SERVER_ERROR out of memory storing object\r\n", MemcacheServerError],
];

test("Client resolves a command without reply once it is handed over", async () => {
  for (const [name, [call, wanted]] of Object.entries(CALLS)) {
    for (const protocol of ["auto", "classic"] as const) {
      await withPair({}, { protocol }, async ({ server, client, errors }) => {
        await (protocol === "auto" ? acquaint : warm)(client);
        server.script = () => undefined;
        assertEquals(await call(client), wanted, name);
        await server.until(() => server.last.commands.some((c) => c.noreply));
        assertEquals(errors, [], name);
      });
    }
  }
});

for (const [line, type] of LINES) {
  test(`Client puts "${line.trim()}" to the command without reply, and to no other (auto)`, async () => {
    for (const [name, [call, wanted]] of Object.entries(CALLS)) {
      await withPair({}, {}, async ({ server, client, errors }) => {
        server.items.set("a", { flags: "16", data: "v", cas: 1 });
        await warm(client);
        server.script = erring(line, usual);
        // The command's own turn, and commands on both of its sides.
        const ends = await outcomes([
          client.get("a"),
          call(client),
          client.get("a"),
          call(client),
          call(client),
          client.set("b", 1),
          client.incr("none", 1),
          client.getMany(["a"]),
        ]);
        assertEquals(ends.map(({ error }) => error), Array(8).fill(undefined));
        assertEquals(ends.map(({ value }) => value), [
          "v",
          wanted,
          "v",
          wanted,
          wanted,
          true,
          undefined,
          new Map([["a", "v"]]),
        ], name);
        // A refused value has one line; of other errors there may be two for one
        // of the commands that went together, and none for the other.
        const single = line.startsWith("SERVER_ERROR");
        assertEquals(errors.length, single ? 3 : 2, name);
        for (const error of errors) {
          assertInstanceOf(error, type, name);
          assertEquals(error.sent, true);
          assertEquals(error.server, server.address);
          assert(error.command !== undefined && error.command !== "mn");
        }
        assertEquals(server.peers.length, 1);
      });
    }
  });
}

test("Client sends the commands without reply of one turn in one write", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ server, client }) => {
    await acquaint(client);
    await client.get("a");
    const before = traffic.writes.length;
    const quiet = Array.from(
      { length: 50 },
      (_, i) => client.set(`k${i}`, "x", { noreply: true }),
    );
    await Promise.all(quiet);
    await client.get("a");
    assertEquals(server.items.size, 50);
    assertEquals(traffic.writes.length - before, 2);
  });
});

test("Client fences commands without reply once for all that follow them", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await acquaint(client);
    const before = server.last.commands.length;
    await Promise.all([
      client.set("a", 1, QUIET),
      client.set("b", 1, QUIET),
      client.get("a"),
      client.get("b"),
      client.set("c", 1, QUIET),
    ]);
    await client.get("c");
    await client.get("c");
    const names = server.last.commands.slice(before).map(({ name }) => name);
    assertEquals(names.join(" "), "ms ms mn mg mg ms mn mg mg");
  });
});

for (const [line] of LINES) {
  test(`Client drops a classic connection where nobody knows whose "${line.trim()}" is`, async () => {
    const script = erring(line, (command, peer) => classic(command, peer));
    for (const protocol of ["auto", "classic"] as const) {
      await withPair({ command: script }, { protocol }, async (pair) => {
        const { server, client, errors } = pair;
        server.items.set("a", { flags: "16", data: "v", cas: 1 });
        await warm(client);
        const ends = await outcomes([
          client.gets("a"),
          client.set("q", 1, QUIET),
          client.get("a"),
          client.getMany(["a", "none"]),
          client.set("b", 1),
          client.incr("none", 1),
          client.gets("a"),
        ]);
        const item = { value: "v", cas: 1n };
        assertEquals(ends.map(({ value }) => value), [
          item,
          true,
          "v",
          new Map([["a", "v"]]),
          undefined,
          undefined,
          item,
        ]);
        for (const { error } of [ends[4], ends[5]]) {
          assertInstanceOf(error, MemcacheUnexpectedCloseError);
          assertEquals(error.sent, true);
        }
        assertEquals(server.peers.length, 2);
        // The error line itself, and the writes that it took with it.
        assertEquals(errors.length, 3);
        assertEquals(
          server.peers[1].lines.some((l) => /^(set|incr)/.test(l)),
          false,
        );
      });
    }
  });
}

test("Client takes a good reply for what it is, after commands without reply", async () => {
  await withPair(
    { command: classic },
    {},
    async ({ server, client, errors }) => {
      await warm(client);
      for (let round = 0; round < 5; round++) {
        await client.set("a", `v${round}`, QUIET);
        assertEquals(await client.get("a"), `v${round}`);
      }
      assertEquals(server.peers.length, 1);
      assertEquals(errors, []);
      // An error to a command that nothing unanswered stands before is its own.
      server.script = (command, peer) =>
        command.name === "incr"
          ? "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
          : peer.reply(command);
      await client.get("a");
      const { error } = await outcome(client.incr("a", 1));
      assertEquals(error?.code, "ERR_NON_NUMERIC");
      assertEquals(server.peers.length, 1);
    },
  );
});

test("Client tells onError of an error line that comes while nothing is in flight", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair({}, { protocol }, async ({ server, client, errors }) => {
      await warm(client);
      server.script = erring(
        "SERVER_ERROR out of memory storing object\r\n",
        usual,
      );
      await client.set("a", "x", QUIET);
      await server.until(() => server.last.commands.some((c) => c.noreply));
      while (errors.length === 0) await turn();
      assertEquals(errors[0].command, "set");
      assertEquals(await client.get("a"), undefined);
      assertEquals(server.peers.length, 1);
      assertEquals(errors.length, 1);
    });
  }
});

test("Client drops a connection that answers what asked for no answer", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair({}, { protocol }, async ({ server, client }) => {
      server.items.set("a", { flags: "16", data: "v", cas: 1 });
      await warm(client);
      server.script = erring("STORED\r\n", usual);
      const first = server.last;
      const ends = await outcomes([
        client.set("q", 1, QUIET),
        client.get("a"),
        client.set("b", 1),
      ]);
      // STORED can be no answer to a get, nor to the fence before it.
      assertEquals(ends[0].value, true);
      for (const { error } of ends.slice(1)) assert(error !== undefined);
      await server.until(() => first.closed);
      server.script = usual;
      assertEquals(await client.get("a"), "v");
    });
  }
});

test("Client keeps commands without reply apart from a large answer before them", async () => {
  await withPair({}, {}, async ({ server, client, errors }: Pair) => {
    server.items.set("big", { flags: "16", data: "x".repeat(300_000), cas: 1 });
    await warm(client);
    server.script = erring("SERVER_ERROR out of memory\r\n", usual);
    const [big, , small] = await Promise.all([
      client.get<string>("big"),
      client.set("q", "y".repeat(100_000), QUIET),
      client.get("none"),
    ]);
    assertEquals(big?.length, 300_000);
    assertEquals(small, undefined);
    assertEquals(errors.length, 1);
  });
});

test("Client survives an onError that throws", async () => {
  const script = erring("ERROR\r\n", usual);
  let calls = 0;
  await withPair({ command: script }, {
    onError: () => {
      calls++;
      throw new Error("of onError");
    },
  }, async ({ server, client }) => {
    await warm(client);
    await client.set("a", 1, QUIET);
    assertEquals(await client.get("a"), undefined);
    server.script = () => "ERROR\r\n";
    const ends = await outcomes([
      client.get("a"),
      client.set("a", 1),
      client.getMany(["a"]),
    ]);
    for (const { error } of ends) {
      assert(error !== undefined && !/of onError/.test(error.message));
    }
    assert(calls >= 4);
  });
});
