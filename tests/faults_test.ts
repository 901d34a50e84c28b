/**
 * What bit the users of other clients, each case named after the threads that
 * tell of it: wrong values, and silent failure. The themes are tested in
 * depth under tests/connection; here every thread that concerns one server has a
 * case.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  rawSerde,
} from "@x/memcache";
import { test } from "./_runtime.ts";
import {
  failure,
  outcome,
  outcomes,
  turn,
  warm,
  withPair,
} from "./connection/_calls.ts";
import { names, thread, usual } from "./connection/_threads.ts";

// A wrong value for another key, and connections out of step.

thread(
  "3rd-Eden/memcached#231: in a burst, get() never returns another key's document",
  async ({ server, client }) => {
    const keys = names(800);
    const documents = keys.map((id) => ({ id, text: id.repeat(20) }));
    await Promise.all(keys.map((key, i) => client.set(key, documents[i])));
    // Replies in pieces of all sizes, as a busy network gives them.
    server.script = (command, peer) => {
      const reply = peer.reply(command);
      const cut = reply.length % 7;
      peer.send(reply.slice(0, cut));
      peer.send(reply.slice(cut));
      return undefined;
    };
    for (let round = 0; round < 3; round++) {
      const got = await Promise.all(keys.map((key) => client.get(key)));
      assertEquals(got, documents);
    }
  },
);

thread(
  "3rd-Eden/memcached#1: values with CRLF, END and VALUE come back whole, also concurrently",
  async ({ client }) => {
    const values = [
      "\r\n",
      "END\r\n",
      "a\r\nEND\r\nb",
      "VALUE k1 0 1\r\nx\r\nEND\r\n",
      "EN\r\n",
      "",
    ];
    await Promise.all(values.map((value, i) => client.set(`k${i}`, value)));
    const keys = values.map((_, i) => `k${i}`);
    assertEquals(await Promise.all(keys.map((key) => client.get(key))), values);
    assertEquals([...(await client.getMany(keys)).values()], values);
  },
);

thread(
  "3rd-Eden/memcached#4: replies to incr() and decr() are taken by nobody else",
  async ({ client }) => {
    await Promise.all(names(20).map((key, i) => client.set(key, i)));
    const got = await Promise.all(
      names(20).flatMap((key, i) => [
        client.incr(key, 5),
        client.get(key),
        client.decr(key, 3),
        client.getMany([key]),
        client.set(`s${i}`, i),
      ]),
    );
    assertEquals(
      got,
      names(20).flatMap((key, i) => [
        i + 5,
        i + 5,
        i + 2,
        new Map([[key, i + 2]]),
        true,
      ]),
    );
  },
);

thread(
  "memcachier/memjs#20: the reply to a set() is not taken for that of a get()",
  async ({ server, client }) => {
    server.script = (command, peer) =>
      /\ba\b/.test(command.line) ? "STORED\r\n" : peer.reply(command);
    const [get, set] = await outcomes([client.get("a"), client.set("b", 1)]);
    assert(get.error !== undefined);
    assert(set.error !== undefined || set.value === true);
    assertEquals(await client.get("none"), undefined);
  },
);

thread(
  "petergoldstein/dalli#956, petergoldstein/dalli#957, petergoldstein/dalli#1136, linsomniac/python-memcached#166: an interrupted command leaves no reply to the next one",
  async ({ server, client }) => {
    await Promise.all(names(10).map((key) => client.set(key, `v${key}`)));
    for (let round = 0; round < 10; round++) {
      let held = "";
      server.script = (command, peer) => {
        held += peer.reply(command);
        return undefined;
      };
      const controller = new AbortController();
      const { signal } = controller;
      const gone = outcomes([
        client.get("k0", { signal }),
        client.getMany(["k1", "k2"], { signal }),
        client.set("k3", "new", { signal }),
      ]);
      await server.until(() => held.endsWith("STORED\r\n"));
      controller.abort("interrupted");
      for (const { error } of await gone) {
        assertEquals(String(error), "interrupted");
      }
      server.script = usual;
      server.last.send(held);
      const got = await Promise.all(
        names(10).map((key) => client.get(key)),
      );
      assertEquals(
        got,
        names(10).map((key) => key === "k3" ? "new" : `v${key}`),
      );
    }
  },
);

thread(
  "petergoldstein/dalli#1135: a value that ends with the connection is no value",
  async ({ server, client }) => {
    server.script = (command, peer) => {
      if (!command.line.includes("big")) return peer.reply(command);
      const opaque = command.args.at(-1);
      peer.end(
        command.name === "mg"
          ? `VA 50 f16 ${opaque}\r\nshort`
          : "VALUE big 16 50\r\nshort",
      );
      return undefined;
    };
    for (let round = 0; round < 3; round++) {
      await client.get("small");
      assertInstanceOf(
        await failure(client.get("big")),
        MemcacheUnexpectedCloseError,
      );
    }
  },
);

thread(
  "php-memcached-dev/php-memcached#531, php-memcached-dev/php-memcached#366, php-memcached-dev/php-memcached#552: a connection that is used after timeouts gives right values",
  async ({ server, client }) => {
    await Promise.all(names(20).map((key) => client.set(key, `v${key}`)));
    // Every reply is late, by less than the client has patience with silence.
    server.script = (command, peer) => {
      const reply = peer.reply(command);
      setTimeout(() => peer.send(reply), 8);
      return undefined;
    };
    let late = 0;
    for (let round = 0; round < 6; round++) {
      const ends = await outcomes(
        names(20).map((key, i) =>
          client.get(key, { timeout: i % 2 === 0 ? 3 : 500 })
        ),
      );
      ends.forEach(({ value, error }, i) => {
        if (error === undefined) assertEquals(value, `vk${i}`);
        else {
          assertInstanceOf(error, MemcacheTimeoutError);
          late++;
        }
      });
    }
    assert(late > 20);
    assertEquals(server.peers.length, 1);
  },
);

thread(
  "php-memcached-dev/php-memcached#543: after network errors nobody gets another's session",
  async ({ server, client }) => {
    await Promise.all(
      names(10).map((key) => client.set(key, { session: key })),
    );
    for (let round = 0; round < 10; round++) {
      let answers = round;
      server.script = (command, peer) => {
        if (answers-- === 0) {
          peer.end(peer.reply(command).slice(0, round * 3));
          return undefined;
        }
        return peer.closed ? undefined : peer.reply(command);
      };
      const ends = await outcomes(names(10).map((key) => client.gets(key)));
      server.script = usual;
      ends.forEach(({ value, error }, i) => {
        if (error === undefined) {
          assertEquals((value as { value: unknown }).value, {
            session: `k${i}`,
          });
        } else assertInstanceOf(error, MemcacheUnexpectedCloseError);
      });
      assertEquals(await client.get("k1"), { session: "k1" });
    }
  },
);

thread(
  "pinterest/pymemcache#239: a fractional ttl with noreply is refused before it is sent",
  async ({ server, client }) => {
    const before = server.lines.length;
    for (const ttl of [1.5, NaN, Infinity]) {
      const error = await failure(client.set("a", 1, { ttl, noreply: true }));
      assertInstanceOf(error, MemcacheIllegalInputError);
      assertEquals(error.sent, false);
    }
    assertEquals(await client.get("a"), undefined);
    assertEquals(server.lines.length, before + 1);
  },
);

thread(
  "pinterest/pymemcache#405, pinterest/pymemcache#34, pinterest/pymemcache#612: one client serves many tasks at the same time",
  async ({ client }) => {
    await Promise.all(
      names(30).map(async (key, i) => {
        for (let round = 0; round < 10; round++) {
          assertEquals(await client.set(key, `${i}:${round}`), true);
          assertEquals(await client.get(key), `${i}:${round}`);
          if (round % 3 === 0) await turn();
        }
      }),
    );
  },
);

thread(
  "memcached/memcached#868, RevenueCat/meta-memcache-py#13, Shopify/async-memcached#85: an error to a command without reply is nobody else's",
  async ({ server, client, errors }) => {
    await client.set("a", "mine");
    server.script = (command, peer) =>
      command.noreply ? "SERVER_ERROR out of memory\r\n" : peer.reply(command);
    for (let round = 0; round < 5; round++) {
      const [, read] = await Promise.all([
        client.set("b", 1, { noreply: true }),
        client.get("a"),
      ]);
      assertEquals(read, "mine");
    }
    assertEquals(
      errors.filter((error) => error instanceof MemcacheServerError).length >=
        5,
      true,
    );
  },
);

thread(
  "memcached/memcached#880: a miss of a server before 1.6.18, without its opaque, is a miss",
  async ({ server, client }) => {
    server.script = (command, peer) =>
      command.name === "mg" ? "EN\r\n" : peer.reply(command);
    assertEquals(
      await Promise.all(names(5).map((key) => client.get(key))),
      Array(5).fill(undefined),
    );
    assertEquals(await client.has("a"), false);
    assertEquals(server.peers.length, 1);
  },
);

thread(
  "Shopify/async-memcached 0.5.0: a key that is too long never leaves",
  async ({ server, client }) => {
    const before = server.last.received;
    for (
      const call of [
        () => client.get("k".repeat(251)),
        () => client.set("k".repeat(251), 1),
        () => client.getMany(["fine", "k".repeat(251)]),
        () => client.setMany({ fine: 1, ["k".repeat(251)]: 2 }),
      ]
    ) assertInstanceOf(await failure(call), MemcacheIllegalInputError);
    assertEquals(server.last.received, before);
  },
);

thread(
  "aliexpressru/memcached: bytes that nobody has asked for end the connection",
  async ({ server, client }) => {
    const first = server.last;
    first.send("END\r\n");
    await server.until(() => first.closed || first.ended);
    assertEquals(await client.get("a"), undefined);
    assertEquals(server.peers.length, 2);
  },
);

thread(
  "jaredwray/memcache 1.10.0: after a cut in a's value, b is not its first bytes",
  async ({ server, client }) => {
    await client.set("b", "b's own value");
    server.script = (command, peer) => {
      if (!/\ba\b/.test(command.line)) return peer.reply(command);
      const opaque = command.args.at(-1);
      peer.end(
        command.name === "mg"
          ? `VA 20 f16 ${opaque}\r\nSECRETVALU`
          : "VALUE a 16 20\r\nSECRETVALU",
      );
      return undefined;
    };
    assertInstanceOf(
      await failure(client.get("a")),
      MemcacheUnexpectedCloseError,
    );
    assertEquals(await client.get("b"), "b's own value");
  },
);

thread(
  "electrode-io/memcache-client 1.0.5: a key cannot smuggle in a command",
  async ({ server, client }) => {
    await client.set("safe", "v");
    const before = server.last.received;
    for (
      const key of [
        "x\r\ndelete safe",
        "x\ndelete safe",
        "x y",
        "x\0",
        "x\x7f",
        "x\t",
        "",
      ]
    ) {
      for (
        const call of [
          () => client.get(key),
          () => client.getMany(["fine", key]),
          () => client.set(key, 1),
          () => client.delete(key),
          () => client.incr(key, 1),
          () => client.touch(key, 1),
          () => client.gat(key, 1),
        ]
      ) {
        assertInstanceOf(
          await failure(call),
          MemcacheIllegalInputError,
          JSON.stringify(key),
        );
      }
    }
    assertEquals(server.last.received, before);
    assertEquals(await client.get("safe"), "v");
  },
);

// Silent failure, and what things mean.

test("pinterest/pymemcache#313, pinterest/pymemcache#350: a read that fails as a miss is seen by onError, and gives the default", async () => {
  await withPair({}, { errorsAsMisses: true, timeout: 60 }, async (pair) => {
    const { server, client, errors } = pair;
    await warm(client);
    await server.close();
    assertEquals(await client.get("a"), undefined);
    assertEquals(await client.get("a", { default: 5 }), 5);
    assertEquals(await client.gat("a", 9, { default: 6 }), 6);
    assertEquals(await client.getMany(["a"]), new Map());
    assertEquals(await client.has("a"), false);
    assertEquals(errors.length, 5);
    assert(
      (await outcome(client.set("a", 1))).error instanceof MemcacheError,
    );
  });
});

thread(
  "pinterest/pymemcache#24: a store is acknowledged, unless its caller says otherwise",
  async ({ server, client }) => {
    await client.set("a", 1);
    await client.delete("a");
    assert(server.lines.every((line) => !line.includes("noreply")));
  },
);

test("petergoldstein/dalli#1022: a raw client stores no number as text", async () => {
  await withPair({}, { serde: rawSerde }, async ({ server, client }) => {
    for (const value of [5, null, undefined, true, { a: 1 }]) {
      assertInstanceOf(
        await failure(client.set("a", value)),
        MemcacheSerdeError,
      );
    }
    assertEquals(server.peers.length, 0);
  });
});

thread(
  "3rd-Eden/memcached#167, 3rd-Eden/memcached#304, 3rd-Eden/memcached#270: a value is stored byte by byte as it is",
  async ({ server, client }) => {
    await client.set("a", "a\r\nb\\");
    assertEquals(server.items.get("a")?.data, "a\r\nb\\");
  },
);

thread(
  "3rd-Eden/memcached#2, 3rd-Eden/memcached#18: a call with many keys says which were found",
  async ({ client }) => {
    await client.set("b", 2);
    const got = await client.getMany(["a", "b", "c"]);
    assertEquals([...got], [["b", 2]]);
    assertEquals(got.has("a"), false);
  },
);

thread(
  "3rd-Eden/memcached#269: what append() has made of JSON is an error, and no value",
  async ({ client }) => {
    await client.set("a", { n: 1 });
    await client.append("a", "tail");
    assertInstanceOf(await failure(client.get("a")), MemcacheSerdeError);
    await client.set("b", "text");
    await client.append("b", " and more");
    assertEquals(await client.get("b"), "text and more");
  },
);

thread("memcachier/memjs#95: prepend() puts before", async ({ client }) => {
  await client.set("a", "b");
  await client.prepend("a", "a");
  await client.append("a", "c");
  assertEquals(await client.get("a"), "abc");
});

thread(
  "memcachier/memjs#55: flags can be given, and are seen",
  async ({ client }) => {
    await client.set("a", "x", { flags: 16 + 1024 });
    assertEquals((await client.getItem("a"))?.flags, 16 + 1024);
  },
);

thread(
  "victorquinn/memcache-plus#51: values of several lines, of END and of nothing come back",
  async ({ client }) => {
    for (const value of ["one\ntwo\r\nthree", "END", ""]) {
      await client.set("a", value);
      assertEquals(await client.get("a"), value);
    }
  },
);

thread(
  "indico/indico#1766, dirkmc/press#42: a ttl of more than 30 days does not end in 1970",
  async ({ server, client }) => {
    const ttl = 40 * 24 * 3600;
    await client.set("a", 1, { ttl });
    const [, , exptime] = server.lines.at(-1)?.split(" ").slice(1) ?? [];
    const due = Date.now() / 1000 + ttl;
    assert(Math.abs(Number(exptime) - due) < 3, exptime);
  },
);

thread(
  "electrode-io/memcache README: NOT_STORED is an answer, no error",
  async ({ server, client, errors }) => {
    server.script = (command, peer) =>
      command.data === "" ? peer.reply(command) : "NOT_STORED\r\n";
    assertEquals(await client.set("a", 1), false);
    assertEquals(await client.setMany({ a: 1 }), ["a"]);
    assertEquals(errors, []);
  },
);
