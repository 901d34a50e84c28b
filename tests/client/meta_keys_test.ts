import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  Client,
  type ClientOptions,
  HashClient,
  MemcacheIllegalInputError,
  type MetaKey,
  rawSerde,
  sha256Keys,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test, type TestOptions } from "../_runtime.ts";
import { Tap } from "../conformance/tap.ts";
import { failure } from "../connection/_calls.ts";

/** Servers, each as a function that hands one over. */
const SERVERS: ReadonlyArray<
  readonly [
    name: string,
    run: (use: (server: string) => Promise<void>) => Promise<void>,
    options: TestOptions,
  ]
> = [
  ["the embedded server", async (use) => {
    const server = await MemcachedServer.start();
    try {
      await use(server.address);
    } finally {
      await server.close();
    }
  }, {}],
  [
    "memcached",
    (use) => withMemcached({}, ({ server }) => use(server)),
    needsMemcached,
  ],
];

async function withClient(
  server: string,
  options: ClientOptions,
  use: (client: Client) => Promise<void>,
): Promise<void> {
  const client = new Client(server, options);
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

const utf8 = (text: string) => new TextEncoder().encode(text);
const filled = (length: number, byte = 0xff) =>
  new Uint8Array(length).fill(byte);

for (const [name, run, options] of SERVERS) {
  test(`keys of bytes and of text name the same item, on ${name}`, async () => {
    await run((server) =>
      withClient(server, {}, async (client) => {
        await client.meta.set("foo", "text");
        const binary = await client.meta.get(utf8("foo"), { returnKey: true });
        assertEquals(binary, {
          status: "hit",
          value: "text",
          key: utf8("foo"),
        });
        // The item tells the form of the key it was stored under.
        await client.meta.set(utf8("bar"), "bytes");
        for (const key of ["bar", utf8("bar")]) {
          const told = await client.meta.get(key, { returnKey: true });
          assertEquals(told, { status: "hit", value: "bytes", key });
        }
        assertEquals(await client.get("bar"), "bytes");
        assertEquals((await client.getMany(["foo", "bar"])).size, 2);
        const debug = await client.meta.debug("bar");
        assertEquals(debug?.cas, (await client.meta.debug(utf8("bar")))?.cas);
        assertEquals(await client.meta.delete("bar", { returnKey: true }), {
          status: "deleted",
          key: "bar",
        });
        assertEquals(await client.meta.get(utf8("bar")), { status: "miss" });
        // Stored plainly anew, it is plain again.
        await client.meta.set(utf8("foo"), "x", { returnKey: true });
        assertEquals(await client.meta.arithmetic(utf8("n"), { vivify: 0 }), {
          status: "stored",
          value: 0,
        });
        assertEquals(await client.incr("n"), 1);
      })
    );
  }, options);

  test(`what a plain key cannot be goes as base64, on ${name}`, async () => {
    const keys: MetaKey[] = [
      ...[
        "a b",
        "tab\there",
        "line\r\nend",
        "nul\0",
        "é",
        "日本",
        "😀",
        "\x7f",
      ],
      ...[filled(1), filled(186), filled(3, 0), utf8("x y"), utf8(" ")],
      ["route", "with blank "],
      ["route", filled(7, 1)],
      " ".repeat(186),
      "é".repeat(93),
    ];
    await run((server) =>
      withClient(server, {}, async (client) => {
        for (const [i, key] of keys.entries()) {
          const stored = await client.meta.set(key, i, { returnKey: true });
          const given = Array.isArray(key) ? key[1] : key;
          assertEquals(stored, { status: "stored", key: given });
        }
        for (const [i, key] of keys.entries()) {
          const given = Array.isArray(key) ? key[1] : key;
          assertEquals(await client.meta.get(key, { returnKey: true }), {
            status: "hit",
            value: i,
            key: given,
          });
          assertEquals((await client.meta.debug(key))?.fetched, true);
          assertEquals(
            await client.meta.delete(key, { returnKey: true, quiet: true }),
            { status: "deleted", key: given },
          );
          assertEquals(await client.meta.debug(key), undefined);
        }
      })
    );
  }, options);

  test(`a prefix stands before bytes as before text, on ${name}`, async () => {
    await run(async (server) => {
      const options = { keyPrefix: "p:", serde: rawSerde };
      await withClient(server, options, async (prefixed) => {
        await withClient(server, { serde: rawSerde }, async (bare) => {
          await prefixed.meta.set(utf8("k"), "v");
          assertEquals(await bare.get("p:k"), utf8("v"));
          assertEquals(await prefixed.get("k"), utf8("v"));
          const told = await prefixed.meta.get("k", { returnKey: true });
          assertEquals(told.key, "k");
          const bytes = await prefixed.meta.get(utf8("k"), { returnKey: true });
          assertEquals(bytes.key, utf8("k"));
          // 186 bytes are the most, and the prefix is a part of them.
          await prefixed.meta.set(filled(184), "v");
          const error = await failure(prefixed.meta.set(filled(185), "v"));
          assertInstanceOf(error, MemcacheIllegalInputError);
          assertEquals(
            error.message,
            "Cannot send key: 187 bytes, at most 186 are allowed where it " +
              "goes as base64",
          );
        });
      });
    });
  }, options);
}

test("a key of bytes has a limit of its own", async () => {
  const server = await MemcachedServer.start();
  const tap = new Tap();
  await withClient(server.address, { dial: tap.dial }, async (client) => {
    const bad: unknown[] = [
      ...[filled(187), filled(250), filled(0), "é".repeat(94), "\ud800", ""],
      ...[" ".repeat(187), "x".repeat(251), ["r", filled(187)], ["r", ""]],
      ...[[filled(1), "k"], ["r", "k", "x"], ["r"], 5, null, undefined],
      ...[new ArrayBuffer(3), new Uint16Array(3), [1, 2, 3]],
    ];
    for (const key of bad as MetaKey[]) {
      const calls = [
        () => client.meta.get(key),
        () => client.meta.set(key, 1),
        () => client.meta.delete(key),
        () => client.meta.arithmetic(key),
        () => client.meta.debug(key),
      ];
      for (const call of calls) {
        const error = await failure(call);
        assertInstanceOf(error, MemcacheIllegalInputError);
        assertEquals(error.sent, false);
      }
    }
    assertEquals([tap.connects, tap.sent], [0, ""]);
  });
  await server.close();
});

test("text without UTF-8 is refused for that, not for want of an option", async () => {
  await withClient("localhost:1", {}, async (client) => {
    for (const key of ["\ud800", "a b\udc00", "\ud83d\ude00\ud83d"]) {
      assertEquals(
        (await failure(() => client.meta.get(key))).message,
        "Cannot send key: it has a lone surrogate, which UTF-8 cannot carry",
      );
    }
  });
});

test("bytes that are changed after the call are sent as they were", async () => {
  const server = await MemcachedServer.start();
  await withClient(server.address, {}, async (client) => {
    const key = utf8("before");
    const stored = client.meta.set(key, "v", { returnKey: true });
    key.fill(120);
    assertEquals((await stored).status, "stored");
    assertEquals(await client.get("before"), "v");
    const view = new Uint8Array(utf8("..k..").buffer, 2, 1);
    await client.meta.set(view, "w");
    assertEquals(await client.get("k"), "w");
  });
  await server.close();
});

test("with an encoder or unicode keys text goes as every other command sends it", async () => {
  const server = await MemcachedServer.start();
  const rules: ClientOptions[] = [
    { keyEncoder: sha256Keys },
    { allowUnicodeKeys: true },
    { keyEncoder: sha256Keys, keyPrefix: "p:" },
    { allowUnicodeKeys: true, keyPrefix: "ü:" },
  ];
  for (const options of rules) {
    await withClient(server.address, options, async (client) => {
      for (const key of ["é日", "plain"]) {
        await client.meta.set(key, "v");
        assertEquals(await client.get(key), "v");
        const told = await client.meta.get(key, { returnKey: true });
        assertEquals(told.key, key);
      }
      // Bytes are no text to encode.
      await client.meta.set(filled(3), "v");
      assertEquals((await client.meta.get(filled(3))).value, "v");
    });
  }
  await server.close();
});

test("both forms of a key go to the same server of a cluster", async () => {
  const servers = await Promise.all(
    [0, 1, 2].map(() => MemcachedServer.start()),
  );
  const client = new HashClient(servers.map(({ address }) => address));
  const places = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const key = `key${i}`;
    await client.set(key, i);
    assertEquals((await client.meta.get(utf8(key))).value, i, key);
    assertEquals((await client.meta.get(key)).value, i, key);
    await client.meta.set(utf8(`b${key}`), i);
    assertEquals(await client.get(`b${key}`), i);
    places.add(client.serversFor(key)[0]);
    // Not UTF-8: it is somewhere, and always there.
    await client.meta.set(Uint8Array.of(0xff, i), i);
    assertEquals((await client.meta.get(Uint8Array.of(0xff, i))).value, i);
    // Where the pair says so.
    await client.meta.set(["same", utf8(`p${i}`)], i);
    assertEquals(await client.get(["same", `p${i}`]), i);
  }
  assertEquals(places.size, 3);
  await client.close();
  for (const server of servers) await server.close();
});
