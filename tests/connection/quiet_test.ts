/**
 * Commands that are answered only if something is out of the ordinary: whose
 * the answers are that come, and what is told where none does.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type Client,
  type ErrorClass,
  MemcacheCasError,
  MemcacheNonNumericError,
  MemcacheNotFoundError,
  MemcacheNotStoredError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { classic, type Command } from "../_scripted.ts";
import { acquaint, turn, watched, withPair } from "./_calls.ts";
import {
  answers,
  behind,
  opaque,
  QUIET,
  REFUSED,
  stores,
  told,
} from "./_quiet.ts";

const TOO_LARGE = "SERVER_ERROR object too large for cache\r\n";

const LINES: Record<string, [(client: Client) => Promise<unknown>, RegExp]> = {
  "set()": [(c) => c.set("k", "v", QUIET), /^ms k 1 F16 q O\d+$/],
  "set() with a ttl and flags": [
    (c) => c.set("k", "v", { ...QUIET, ttl: 60, flags: 7 }),
    /^ms k 1 F7 T60 q O\d+$/,
  ],
  "set() of what has expired": [
    (c) => c.set("k", new Uint8Array(3), { ...QUIET, ttl: -1 }),
    /^ms k 3 T-1 q O\d+$/,
  ],
  "add()": [(c) => c.add("k", "v", QUIET), /^ms k 1 ME F16 q O\d+$/],
  "replace()": [(c) => c.replace("k", "v", QUIET), /^ms k 1 MR F16 q O\d+$/],
  "append()": [(c) => c.append("k", "v", QUIET), /^ms k 1 MA F16 q O\d+$/],
  "prepend()": [(c) => c.prepend("k", "v", QUIET), /^ms k 1 MP F16 q O\d+$/],
  "cas()": [(c) => c.cas("k", "v", 7n, QUIET), /^ms k 1 F16 C7 q O\d+$/],
  "setMany()": [(c) => c.setMany({ k: "é" }, QUIET), /^ms k 2 F16 q O\d+$/],
  "delete()": [(c) => c.delete("k", QUIET), /^delete k noreply$/],
  "touch()": [(c) => c.touch("k", 60, QUIET), /^touch k 60 noreply$/],
  "incr()": [(c) => c.incr("k", 1, QUIET), /^incr k 1 noreply$/],
  "flushAll()": [(c) => c.flushAll(QUIET), /^flush_all noreply$/],
};

test("Client sends stores without reply as quiet ones", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    for (const [name, [call, line]] of Object.entries(LINES)) {
      const { length } = server.last.lines;
      await call(client);
      await behind(client);
      const [sent, fence] = server.last.lines.slice(length);
      assert(line.test(sent), `${name} sent ${sent}`);
      assertEquals(fence, "mn", name);
    }
    // Those that met an item, or none: what is refused is told.
    assertEquals(told(errors), [
      ["MemcacheNotStoredError", "add", "k"],
      ["MemcacheCasError", "cas", "k"],
    ]);
  });
});

test("Client keeps to noreply where the server speaks no meta", async () => {
  for (const protocol of ["auto", "classic"] as const) {
    await withPair({ command: classic }, { protocol }, async (pair) => {
      const { server, client } = pair;
      await client.set("k", "v", QUIET);
      await client.set("k", "w", QUIET);
      await client.flush();
      assertEquals(
        server.lines,
        ["set k 16 0 1 noreply", "set k 16 0 1 noreply", "version"],
      );
    });
  }
});

test("Client waits for what the server speaks before it sends stores without reply", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    let release: (() => void) | undefined;
    server.script = (command, peer) => {
      if (release !== undefined) return peer.reply(command);
      release = () => peer.answer(command);
    };
    let handed = 0;
    const calls = ["a", "b"].map((key) =>
      client.add(key, 1, QUIET).then(() => handed++)
    );
    await server.until(() => release !== undefined);
    for (let i = 0; i < 3; i++) await turn();
    assertEquals([server.last.lines, handed], [["mn"], 0]);
    release?.();
    await Promise.all(calls);
    await client.add("b", 1, QUIET);
    await client.flush();
    assertEquals(told(errors), [["MemcacheNotStoredError", "add", "b"]]);
    const [asked, ...lines] = server.lines;
    assertEquals(asked, "version");
    assert(lines.every((line) => /^ms [ab] 1 ME F2 q O/.test(line)));
  });
});

const REFUSALS: ReadonlyArray<
  readonly [
    command: string,
    call: (client: Client) => Promise<unknown>,
    code: string,
    type: ErrorClass,
  ]
> = [
  ["add()", (c) => c.add("b", "v", QUIET), "NS", MemcacheNotStoredError],
  [
    "replace()",
    (c) => c.replace("b", "v", QUIET),
    "NS",
    MemcacheNotStoredError,
  ],
  ["append()", (c) => c.append("b", "v", QUIET), "NS", MemcacheNotStoredError],
  [
    "prepend()",
    (c) => c.prepend("b", "v", QUIET),
    "NS",
    MemcacheNotStoredError,
  ],
  ["cas()", (c) => c.cas("b", "v", 1n, QUIET), "EX", MemcacheCasError],
  ["cas()", (c) => c.cas("b", "v", 1n, QUIET), "NF", MemcacheNotFoundError],
];

for (const [command, call, code, type] of REFUSALS) {
  test(
    `Client puts ${code} to its ${command} between silent ones`,
    async () => {
      await withPair({}, {}, async ({ server, client, errors }) => {
        await acquaint(client);
        server.script = answers({ b: (c) => `${code}${opaque(c)}\r\n` });
        const ends = await Promise.all([
          ...[client.set("a", 1, QUIET), call(client)],
          ...[client.set("c", 1, QUIET), client.get("a"), client.get("c")],
        ]);
        assertEquals(ends, [true, true, true, 1, 1]);
        assertEquals(errors.length, 1);
        const [error] = errors;
        assertInstanceOf(error, type);
        assertEquals(
          [error.key, error.server, error.sent],
          ["b", server.address, true],
        );
        assertEquals(server.peers.length, 1);
      });
    },
  );
}

test("Client knows whose an error line is by the answers around it", async () => {
  const refuse = (c: Command) => `NS${opaque(c)}\r\n`;
  const places: ReadonlyArray<readonly [string, string[], string]> = [
    // At the front, in the middle, at the end: all others have answered.
    ["a", ["b", "c"], "a"],
    ["b", ["a", "c"], "b"],
    ["c", ["a", "b"], "c"],
    // What has answered is not what is silent behind it, nor before it.
    ["c", ["b"], "c"],
    ["a", ["b"], "a"],
  ];
  for (const [bad, others, key] of places) {
    await withPair({}, {}, async ({ server, client, errors }) => {
      await acquaint(client);
      server.script = answers({
        [bad]: () => "ERROR\r\n",
        ...Object.fromEntries(others.map((key) => [key, refuse])),
      });
      await stores(client, "a", "b", "c");
      await behind(client);
      const unknown = errors.filter((error) =>
        error instanceof MemcacheUnknownCommandError
      );
      assertEquals(told(unknown), [[
        "MemcacheUnknownCommandError",
        "set",
        key,
      ]]);
      assertEquals(errors.length, others.length + 1);
      assertEquals(server.peers.length, 1);
    });
  }
});

test("Client tells all who may have earned an error line, once, and fences each from then on", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    server.script = answers({ b: () => "CLIENT_ERROR bad data chunk\r\n" });
    await stores(client, "a", "b", "c");
    await behind(client);
    assertEquals(told(errors), [["MemcacheClientError", "set", undefined]]);
    assertEquals(errors[0].failedKeys, ["a", "b", "c"]);
    assertEquals(errors[0].sent, true);
    const { length } = server.last.commands;
    await stores(client, "a", "b", "c");
    await behind(client);
    assertEquals(told(errors.slice(1)), [["MemcacheClientError", "set", "b"]]);
    const names = server.last.commands.slice(length).map(({ name }) => name);
    assertEquals(names.join(" "), "ms mn ms mn ms mn mg");
    assertEquals(server.peers.length, 1);
  });
});

test("Client puts as many refusals as there are stores to each of them", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    const bad = () => REFUSED;
    server.script = answers({ a: bad, b: bad });
    await Promise.all([
      ...[client.set("a", 1, QUIET), client.delete("x", QUIET)],
      ...[client.set("b", 1, QUIET), client.get("x")],
    ]);
    assertEquals(told(errors), [
      ["MemcacheServerError", "set", "a"],
      ["MemcacheServerError", "set", "b"],
    ]);
    for (const { code } of errors) assertEquals(code, "ERR_VALUE_REFUSED");
  });
});

test("Client knows that only a large value can be too large", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    for (const size of [900, 5000, 100_000]) {
      const { length } = server.last.commands;
      server.script = answers({ b: () => TOO_LARGE });
      await Promise.all([
        client.set("a", "v", QUIET),
        client.set("b", "v".repeat(size), QUIET),
        client.set("c", "v", QUIET),
      ]);
      await behind(client);
      assertEquals(told(errors.splice(0)), [[
        "MemcacheServerError",
        "set",
        "b",
      ]]);
      // Two runs, whatever way the value goes to the transport.
      const names = server.last.commands.slice(length).map(({ name }) => name);
      assertEquals(names.join(" "), "ms ms mn ms mn mg");
    }
  });
});

test("Client puts the error of a counter to the only command that counts", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    server.script = answers({
      n: () =>
        "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    });
    await Promise.all([
      ...[client.set("a", 1, QUIET), client.incr("n", 1, QUIET)],
      ...[client.delete("b", QUIET), client.get("a")],
    ]);
    assertEquals(told(errors), [["MemcacheNonNumericError", "incr", "n"]]);
    assertInstanceOf(errors[0], MemcacheNonNumericError);
  });
});

test("Client fences each write of quiet commands, and needs no other", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ server, client }) => {
    await acquaint(client);
    const before = traffic.writes.length;
    await stores(client, "a", "b", "c");
    await server.until(() => server.last.commands.at(-1)?.name === "mn");
    assertEquals(traffic.writes.length - before, 1);
    const names = server.last.commands.map(({ name }) => name);
    assertEquals(names.slice(-4), ["ms", "ms", "ms", "mn"]);
  });
});

test("Client keeps the process alive only until quiet commands are done", async () => {
  let refs = 0;
  const traffic = watched();
  const dial: typeof traffic.dial = async (address, options) => {
    const conn = await traffic.dial(address, options);
    return {
      start: (events) => conn.start(events),
      write: (bytes) => conn.write(bytes),
      ref: () => (refs = 1, conn.ref()),
      unref: () => (refs = 0, conn.unref()),
      close: () => conn.close(),
    };
  };
  await withPair({}, { dial }, async ({ server, client }) => {
    await acquaint(client);
    while (refs > 0) await turn();
    let release: (() => void) | undefined;
    server.script = (command, peer) => {
      if (command.name !== "mn") return peer.reply(command);
      release = () => peer.answer(command);
    };
    await client.set("a", "v", QUIET);
    await server.until(() => release !== undefined);
    assertEquals(refs, 1);
    release?.();
    while (refs > 0) await turn();
  });
});

test("Client tells once how many commands are not known to be done when the link is lost", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    server.script = (command, peer) => {
      if (command.name === "mn") peer.reset();
      else return peer.reply(command);
    };
    await Promise.all([
      stores(client, "a", "b"),
      client.delete("c", QUIET),
    ]);
    while (errors.length === 0) await turn();
    const [error] = errors;
    assertInstanceOf(error, MemcacheUnexpectedCloseError);
    assertEquals(error.failedKeys, ["a", "b", "c"]);
    assertEquals([error.sent, error.command], [true, undefined]);
    assert(/3 commands/.test(error.message), error.message);
    server.script = (command, peer) => peer.reply(command);
    assertEquals(await client.get("a"), "v");
    assertEquals(errors.length, 1);
  });
});

test("Client tells of commands that close() and disconnect() have given up", async () => {
  for (const method of ["close", "disconnect"] as const) {
    await withPair({}, {}, async ({ server, client, errors }) => {
      await acquaint(client);
      server.script = (command, peer) =>
        command.name === "mn" ? undefined : peer.reply(command);
      await stores(client, "a");
      await client[method]();
      assertEquals(told(errors), [
        ["MemcacheUnexpectedCloseError", "set", undefined],
      ]);
      assertEquals(errors[0].failedKeys, ["a"]);
    });
  }
});

test("Client replaces a link whose fence is not answered", async () => {
  await withPair({}, { timeout: 100 }, async ({ server, client, errors }) => {
    await acquaint(client);
    server.script = () => undefined;
    await stores(client, "a", "b");
    while (errors.length === 0) await turn();
    assertEquals(told(errors), [
      ["MemcacheUnexpectedCloseError", "set", undefined],
    ]);
    assertEquals(errors[0].failedKeys, ["a", "b"]);
    server.script = (command, peer) => peer.reply(command);
    assertEquals(await client.set("c", 1), true);
    assertEquals(server.peers.length, 2);
    assertEquals(errors.length, 1);
  });
});

test("Client lets commands without reply wait where many are on their way", async () => {
  await withPair({}, { maxPending: 10 }, async ({ server, client, errors }) => {
    await acquaint(client);
    const fences: Array<() => void> = [];
    server.script = (command, peer) => {
      if (command.name !== "mn") return peer.reply(command);
      fences.push(() => peer.answer(command));
    };
    const sent = () =>
      server.last.commands.filter(({ name }) => name === "ms").length;
    await stores(client, ..."abcdefghij");
    let more = 0;
    const waiting = [..."klmno"].map((key) =>
      client.set(key, "v", QUIET).then(() => more++)
    );
    await server.until(() => fences.length > 0);
    for (let i = 0; i < 3; i++) await turn();
    assertEquals([sent(), more], [10, 0]);
    fences.shift()?.();
    await server.until(() => sent() === 15);
    await Promise.all(waiting);
    fences.shift()?.();
    server.script = (command, peer) => peer.reply(command);
    assertEquals(await client.get("o"), "v");
    assertEquals(errors, []);
  });
});
