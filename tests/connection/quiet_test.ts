/**
 * Commands that are answered only if something is out of the ordinary: whose
 * the answers are that come, and what is told where none does.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type Client,
  type ErrorClass,
  MemcacheCasError,
  type MemcacheError,
  MemcacheNonNumericError,
  MemcacheNotFoundError,
  MemcacheNotStoredError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownCommandError,
  MemcacheUnknownError,
} from "@x/memcache";
import { test } from "../_runtime.ts";
import { classic, type Command, type Peer, type Script } from "../_scripted.ts";
import {
  acquaint,
  failure,
  outcome,
  outcomes,
  turn,
  watched,
  withPair,
} from "./_calls.ts";

const QUIET = { noreply: true };

const REFUSED = "SERVER_ERROR out of memory storing object\r\n";
const TOO_LARGE = "SERVER_ERROR object too large for cache\r\n";

/** The opaque token of a command, with a blank before it. */
function opaque({ args }: Command): string {
  return ` ${args.find((flag) => /^O\d+$/.test(flag))}`;
}

/** Answers quiet commands by their keys, and all others as memcached does. */
function answers(
  byKey: Readonly<Record<string, (command: Command, peer: Peer) => string>>,
): Script {
  return (command, peer) => {
    const key = command.args[0] ?? command.name;
    const answer = Object.hasOwn(byKey, key) ? byKey[key] : undefined;
    return answer === undefined ? peer.reply(command) : answer(command, peer);
  };
}

/** What `onError` was told: the class, the command and the key of each error. */
function told(errors: readonly MemcacheError[]): unknown[] {
  return errors.map(({ name, command, key }) => [name, command, key]);
}

/** Sends stores without reply in one turn. */
function stores(client: Client, ...keys: string[]): Promise<boolean[]> {
  return Promise.all(keys.map((key) => client.set(key, "v", QUIET)));
}

/** Waits until the server has answered all that was sent. */
function behind(client: Client): Promise<unknown> {
  return client.get("behind");
}

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

/** Answers that can be no answer to what was sent. */
const FOREIGN: Record<string, (command: Command) => string> = {
  "the number of nobody": () => "NS O1000001\r\n",
  "no number": () => "NS\r\n",
  "a word of the classic protocol": () => "STORED\r\n",
  "a number twice": (c) => `NS${opaque(c)}\r\nNS${opaque(c)}\r\n`,
  "another command's answer": (c) => `EN${opaque(c)}\r\n`,
  "a flood of errors": () => "ERROR\r\n".repeat(20),
};

for (const [name, answer] of Object.entries(FOREIGN)) {
  test(`Client drops a link that answers a quiet store with ${name}`, async () => {
    await withPair({}, {}, async ({ server, client, errors }) => {
      await acquaint(client);
      server.items.set("x", { flags: "16", data: "v", cas: 1 });
      server.script = answers({ b: answer });
      const quiet = client.set("b", "v", QUIET);
      const ends = await outcomes([
        client.meta.set("c", "v", { quiet: true }),
        client.meta.get("x", { quiet: true }),
        client.get("x"),
        client.set("d", "v"),
      ]);
      assertEquals(await quiet, true);
      const wrong = ends.filter(({ value }) =>
        value !== undefined && value !== "v" &&
        (value as { value?: unknown }).value !== "v"
      );
      assertEquals(wrong, []);
      const writes = [ends[0], ends[3]].map(({ error }) => error);
      for (const error of writes) {
        assert(
          error instanceof MemcacheUnknownError ||
            error instanceof MemcacheUnexpectedCloseError,
          String(error),
        );
      }
      const lost = errors.filter(({ failedKeys }) => failedKeys?.includes("b"));
      const refused = errors.filter(({ key }) => key === "b");
      assertEquals(lost.length + refused.length, 1, String(errors));
      server.script = (command, peer) => peer.reply(command);
      assertEquals(await client.get("x"), "v");
      assertEquals(server.peers.length, 2);
    });
  });
}

test("Client drops a link that answers by the number of a command without one", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    server.script = answers({
      b: (c) => `NS O${Number(opaque(c).slice(2)) - 1}\r\n`,
    });
    // The delete stands in the run, but goes as it always did.
    await Promise.all([client.delete("a", QUIET), client.set("b", 1, QUIET)]);
    while (errors.length === 0) await turn();
    assertEquals(told(errors), [
      ["MemcacheUnexpectedCloseError", undefined, undefined],
    ]);
    assertEquals(errors[0].failedKeys, ["a", "b"]);
  });
});

test("Client drops a link on an answer that nothing is owed", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    await stores(client, "a");
    await behind(client);
    const [first] = server.peers;
    first.send("MN\r\n");
    await server.until(() => first.closed);
    assertEquals(await client.get("a"), "v");
    assertEquals([server.peers.length, errors], [2, []]);
  });
});

test("client.meta settles quiet commands as it does others", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    server.items.set("x", { flags: "16", data: "v", cas: 5 });
    await acquaint(client);
    const { meta } = client;
    const quiet = true;
    const { length } = server.last.commands;
    const results = await Promise.all([
      meta.get("none", { quiet }),
      meta.get("x", { quiet, returnCas: true }),
      meta.get("none", { quiet, opaque: "mine", returnKey: true }),
      meta.set("y", "w", { quiet }),
      meta.set("y", "w", { quiet, mode: "add" }),
      meta.set("y", "w", { quiet, compareCas: 99n }),
      meta.set("none", "w", { quiet, compareCas: 99n, opaque: "mine" }),
      meta.delete("y", { quiet }),
      meta.delete("y", { quiet }),
    ]);
    assertEquals(results, [
      { status: "miss" },
      { status: "hit", value: "v", cas: 5n },
      { status: "miss", opaque: "mine", key: "none" },
      { status: "stored" },
      { status: "notStored" },
      { status: "exists" },
      { status: "notFound", opaque: "mine" },
      { status: "deleted" },
      { status: "notFound" },
    ]);
    const sent = server.last.commands.slice(length);
    // One run, one fence; and our numbers only.
    assertEquals(
      sent.map(({ name }) => name).join(" "),
      "mg mg mg ms ms ms ms md md mn",
    );
    assert(sent.every(({ line }) => !line.includes("mine")));
    assertEquals(errors, []);
  });
});

test("client.meta.getMany() sends quiet gets in one write with one fence", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ server, client }) => {
    for (const key of ["b", "d"]) {
      server.items.set(key, { flags: "16", data: key, cas: 1 });
    }
    await acquaint(client);
    const before = traffic.writes.length;
    const { length } = server.last.commands;
    const results = await client.meta.getMany(["a", "b", "c", "d", "e"], {
      quiet: true,
    });
    assertEquals(results.map(({ value }) => value), [
      ...[undefined, "b", undefined, "d", undefined],
    ]);
    assertEquals(traffic.writes.length - before, 1);
    const names = server.last.commands.slice(length).map(({ name }) => name);
    assertEquals(names.join(" "), "mg mg mg mg mg mn");
  });
});

test("client.meta keeps an answer that returns something", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await acquaint(client);
    server.script = answers({
      k: (c) =>
        `${c.name === "ms" ? "HD c9" : "VA 1"}${opaque(c)}\r\n` +
        (c.name === "ms" ? "" : "7\r\n"),
    });
    const quiet = true;
    const [set, count] = await Promise.all([
      client.meta.set("k", "v", { quiet, returnCas: true }),
      client.meta.arithmetic("k", { quiet }),
    ]);
    assertEquals(set, { status: "stored", cas: 9n });
    assertEquals(count, { status: "stored", value: 7 });
    const lines = server.lines.filter((line) => / k /.test(line));
    assertEquals(lines.map((line) => / q\b/.test(line)), [false, false]);
    server.script = answers({});
    await client.meta.delete("k", { quiet });
    await behind(client);
  });
});

test("client.meta rejects each quiet command that may have earned an error line", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    const quiet = true;
    server.script = answers({ b: () => "ERROR\r\n" });
    const ends = await outcomes([
      client.meta.set("a", "v", { quiet }),
      client.meta.set("b", "v", { quiet }),
      client.set("c", "v", QUIET),
      client.get("a"),
    ]);
    for (const { error } of ends.slice(0, 2)) {
      assertInstanceOf(error, MemcacheUnknownCommandError);
      assertEquals(error.failedKeys, ["a", "b", "c"]);
    }
    assertEquals(ends.slice(0, 2).map(({ error }) => error?.key), ["a", "b"]);
    assertEquals(ends[3].value, "v");
    // Those of the two that reject, and one for the one that cannot.
    assertEquals(errors.map(({ key }) => key), [undefined, "a", "b"]);
    // A command of its own is blamed alone.
    const { error } = await outcome(client.meta.set("b", "v", { quiet }));
    assertInstanceOf(error, MemcacheUnknownCommandError);
    assertEquals(error.failedKeys, undefined);
    assertEquals(server.peers.length, 1);
  });
});

test("client.meta ends quiet commands by their timeouts and aborts", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    server.items.set("x", { flags: "16", data: "v", cas: 1 });
    await acquaint(client);
    let held = "";
    let peer: Peer | undefined;
    server.script = (command, from) => {
      peer = from;
      held += from.reply(command);
      return undefined;
    };
    const aborter = new AbortController();
    const quiet = true;
    const late = failure(client.meta.get("none", { quiet, timeout: 30 }));
    const given = failure(
      client.meta.get("x", { quiet, signal: aborter.signal }),
    );
    const patient = client.meta.getMany(["none", "x"], {
      quiet,
      timeout: 5000,
    });
    await server.until(() => held.includes("MN"));
    aborter.abort(new Error("given up"));
    assertEquals((await given).message, "given up");
    assertInstanceOf(await late, MemcacheTimeoutError);
    server.script = (command, peer) => peer.reply(command);
    peer?.send(held);
    assertEquals((await patient).map(({ status }) => status), ["miss", "hit"]);
    assertEquals(await client.get("x"), "v");
    assertEquals(server.peers.length, 1);
  });
});

test("client.meta sends quiet reads again on a new link, and writes never", async () => {
  await withPair({}, { timeout: 150 }, async ({ server, client, errors }) => {
    server.items.set("x", { flags: "16", data: "v", cas: 1 });
    await acquaint(client);
    const quiet = true;
    const [first] = server.peers;
    server.script = (command, peer) =>
      peer === first ? undefined : peer.reply(command);
    const silent = outcome(client.get("x", { timeout: 30 }));
    const ends = outcomes([
      client.meta.get("x", { quiet, timeout: 5000 }),
      client.meta.set("y", "v", { quiet, timeout: 400 }),
    ]);
    assertInstanceOf((await silent).error, MemcacheTimeoutError);
    const [read, write] = await ends;
    assertEquals(read.value, { status: "hit", value: "v" });
    assertInstanceOf(write.error, MemcacheTimeoutError);
    assertEquals(write.error.sent, true);
    assertEquals(server.items.has("y"), false);
    assertEquals(errors.length, 2);
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

test("Client reads the answers of quiet commands in any pieces", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    server.items.set("x", { flags: "16", data: "MN\r\nNS O1\r\n", cas: 1 });
    await acquaint(client);
    let held = "";
    let peer: Peer | undefined;
    server.script = (command, from) => {
      peer = from;
      held += command.args[0] === "b" ? REFUSED : from.reply(command);
      return undefined;
    };
    const calls = Promise.all([
      client.add("x", "v", QUIET),
      client.meta.get("x", { quiet: true }),
      client.set("b", "v", QUIET),
      client.meta.get("none", { quiet: true }),
      client.get("none"),
    ]);
    await server.until(() => /EN O\d+\r\n$/.test(held));
    for (const byte of held) {
      peer?.send(byte);
      await turn();
    }
    const [, hit, , miss, none] = await calls;
    assertEquals(hit, { status: "hit", value: "MN\r\nNS O1\r\n" });
    assertEquals([miss, none], [{ status: "miss" }, undefined]);
    assertEquals(told(errors), [
      ["MemcacheNotStoredError", "add", "x"],
      ["MemcacheServerError", "set", "b"],
    ]);
    assertInstanceOf(errors[1], MemcacheServerError);
  });
});
