/**
 * Keys: which are sent, and how.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  type Key,
  type KeyCommands,
  MemcacheIllegalInputError,
  murmur3Keys,
  sha256Keys,
} from "@x/memcache";
import {
  type Behaviours,
  local,
  refuses,
  rejects,
  TOO_LARGE,
} from "./stage.ts";

/** Every command on a key. */
export const ON_KEY: Record<
  string,
  (client: KeyCommands, key: Key) => Promise<unknown>
> = {
  get: (client, key) => client.get(key),
  getItem: (client, key) => client.getItem(key),
  getMany: (client, key) => client.getMany([key]),
  gets: (client, key) => client.gets(key),
  getsMany: (client, key) => client.getsMany([key]),
  gat: (client, key) => client.gat(key, 0),
  gats: (client, key) => client.gats(key, 0),
  has: (client, key) => client.has(key),
  set: (client, key) => client.set(key, "1"),
  add: (client, key) => client.add(key, "1"),
  replace: (client, key) => client.replace(key, "1"),
  append: (client, key) => client.append(key, "1"),
  prepend: (client, key) => client.prepend(key, "1"),
  cas: (client, key) => client.cas(key, "1", 1n),
  setMany: (client, key) => client.setMany([[key, "1"]]),
  incr: (client, key) => client.incr(key),
  decr: (client, key) => client.decr(key),
  touch: (client, key) => client.touch(key, 0),
  delete: (client, key) => client.delete(key),
  deleteMany: (client, key) => client.deleteMany([key]),
};

const LONG = "k".repeat(250);

/** Keys that look like something else, or are as far as keys may go. */
const ODD: readonly string[] = [
  ...["a", "!", "~", "0", "-1", "noreply", "END", "VALUE", "get", "mn"],
  ...["__proto__", "constructor", "toString", "a:b/c?d=e&f#g%20", "\\\"'"],
  ...["O1", "k", "v", "q", "S5", "1", LONG, `${LONG.slice(1)}!`],
];

const ILLEGAL: readonly string[] = [
  ...["", " ", "a b", " a", "a ", "\t", "\n", "\r\n", "a\nb", "a\0b", "\0"],
  ...["\x01", "\x1f", "\x7f", "a\x7f", `${LONG}k`, "k".repeat(100_000)],
  ...["a\r\nflush_all", "a b\r\ndelete c", "a 0 0 1\r\nx"],
  ...["ä", "\x80", "\u2028", "😀", "a\u00a0b", "\ud800", "a\udfff"],
];

const NO_KEYS: readonly unknown[] = [
  ...[undefined, null, 5, 5n, true, {}, [], ["a"], ["a", "b", "c"], [1, "a"]],
  ...[["a", 5], ["a", null], Symbol("a"), () => "a", new String("a")],
  ...[new Uint8Array(3), { toString: () => "a" }, new Date()],
];

/** Behaviours of keys. */
export const KEYS: Behaviours = {
  "keys() lists the client's own, each once": async ({ open }) => {
    const options = { keyPrefix: "list:", allowUnicodeKeys: true };
    await open(options, async ({ client }) => {
      const names = ["a", "b%", "c:ü", ...Array(30).keys()].map(String);
      for (const name of names) await client.set(name, "1", { ttl: 1000 });
      const listed: string[] = [];
      for await (const { key, ttl, cas } of client.keys()) {
        listed.push(String(key));
        assert(ttl > 900 && ttl <= 1001, `${ttl}`);
        assertEquals(typeof cas, "bigint");
      }
      assertEquals(listed.sort(), [...names].sort());
      for await (const { key } of client.keys({ prefix: "c:" })) {
        assertEquals(key, "c:ü");
      }
      await client.deleteMany(names);
      assertEquals((await client.keys().next()).done, true);
    });
  },

  "every legal key works with every command": async ({ client }) => {
    await Promise.all(ODD.map(async (name) => {
      await client.delete(name);
      assertEquals(await client.add(name, "1"), true, name);
      assertEquals(await client.add(name, "2"), false, name);
      for (const [command, call] of Object.entries(ON_KEY)) {
        await call(client, name);
        const gone = command.startsWith("delete");
        assertEquals(await client.has(name), !gone, `${command} ${name}`);
      }
      await client.setMany(new Map([[name, "x"]]));
      assertEquals([...await client.getMany([name])], [[name, "x"]]);
      await client.delete(name);
    }));
  },

  "an illegal key is refused by every command, with nothing sent": local(async (
    { tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      for (const key of ILLEGAL) {
        for (const [command, call] of Object.entries(ON_KEY)) {
          const about = `${command} ${JSON.stringify(key.slice(0, 20))}`;
          const error = await rejects(
            () => call(client, key),
            MemcacheIllegalInputError,
            { key, sent: false, code: "ERR_ILLEGAL_INPUT" },
            about,
          );
          assert(key.length < 4 || !error.message.includes(key), about);
          await refuses(() => call(client, ["route", key]), about);
        }
      }
      assertEquals([tap.connects, tap.sent], [0, ""]);
    });
  }),

  "what is no key is refused by every command, with nothing sent": local(async (
    { tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      for (const key of NO_KEYS) {
        for (const [command, call] of Object.entries(ON_KEY)) {
          await refuses(
            () => call(client, key as Key),
            `${command} ${String(key)}`,
          );
        }
      }
      assertEquals([tap.connects, tap.sent], [0, ""]);
    });
  }),

  "keyPrefix goes before every key and stays out of every result": async (
    { client, key, open },
  ) => {
    await open({ keyPrefix: "p:" }, async ({ client: prefixed }) => {
      const [a, b] = [key(), key()];
      await prefixed.set(a, "a");
      // A prefix plays no part in the choice of a server.
      assertEquals(await client.get([a, `p:${a}`]), "a");
      assertEquals(await client.get(a), undefined);
      assertEquals(await prefixed.setMany({ [b]: "b" }), []);
      assertEquals(
        await prefixed.getMany([a, b]),
        new Map([[a, "a"], [b, "b"]]),
      );
      assertEquals(
        [...(await prefixed.getsMany([b, a])).keys()].sort(),
        [a, b].sort(),
      );
      assertEquals((await prefixed.getItem(a))?.key, a);
      assertEquals((await prefixed.gets(a))?.value, "a");
      assertEquals(await prefixed.gat(a, 60), "a");
      assertEquals((await prefixed.gats(a, 60))?.value, "a");
      assertEquals(await prefixed.has(a), true);
      assertEquals(await prefixed.touch(a, 60), true);
      assertEquals(await prefixed.append(a, "+"), true);
      assertEquals(await client.get([a, `p:${a}`]), "a+");
      assertEquals(await prefixed.setMany({ [b]: TOO_LARGE }), [b]);
      await prefixed.set(a, 1);
      assertEquals(await prefixed.incr(a), 2);
      assertEquals(await client.get([a, `p:${a}`]), 2);
      await prefixed.deleteMany([a, b]);
      assertEquals(await client.has([a, `p:${a}`]), false);
    });
  },

  "keyPrefix counts towards the length of a key": async ({ key, open }) => {
    const keyPrefix = "p".repeat(240);
    await open({ keyPrefix }, async ({ client }) => {
      const short = key("").padEnd(10, "k").slice(0, 10);
      assertEquals(await client.set(short, 1), true);
      assertEquals(await client.get(short), 1);
      const error = await rejects(
        () => client.set(`${short}k`, 1),
        MemcacheIllegalInputError,
        { key: `${short}k` },
      );
      assertEquals(
        error.message,
        "Cannot send key: 251 bytes, at most 250 are allowed",
      );
      assertEquals(await client.set("", 2), true);
      assertEquals(await client.get(""), 2);
    });
  },

  "allowUnicodeKeys sends keys as UTF-8": async ({ key, open }) => {
    await open({ allowUnicodeKeys: true }, async ({ client }) => {
      const long = "€".repeat(83);
      for (
        const name of [key("ä"), key("日本"), key("😀"), `${long}a`, "ÿ\x80"]
      ) {
        await client.set(name, name);
        assertEquals(await client.get(name), name);
        assertEquals((await client.getItem(name))?.key, name);
        assertEquals(await client.getMany([name]), new Map([[name, name]]));
        assertEquals([...(await client.getsMany([name])).keys()], [name]);
        assertEquals(await client.gat(name, 60), name);
        assertEquals(await client.delete(name), true);
      }
      const [a, b] = [key("ä"), key("a\u0308")];
      await client.setMany({ [a]: 1, [b]: 2 });
      assertEquals(await client.getMany([a, b]), new Map([[a, 1], [b, 2]]));
      for (
        const bad of [`${long}ab`, "ä b", "ä\r\n", "\ud800", "a\udc00", "é\0"]
      ) {
        await refuses(() => client.get(bad), JSON.stringify(bad));
      }
    });
  },

  "keyEncoder makes legal keys of others": async ({ client, key, open }) => {
    for (const keyEncoder of [sha256Keys, murmur3Keys]) {
      await open({ keyEncoder }, async ({ client: encoding }) => {
        const long = key("x".repeat(1000));
        const keys = [long, key("a b"), key("a\r\nflush_all"), key("ä😀"), ""];
        for (const name of keys) {
          await encoding.set(name, name);
          assertEquals(await encoding.get(name), name);
          assertEquals(await client.get([name, keyEncoder(name)]), name);
          assertEquals((await encoding.getItem(name))?.key, name);
        }
        assertEquals(
          await encoding.getMany(keys),
          new Map(keys.map((name) => [name, name])),
        );
        assertEquals(await encoding.deleteMany(keys), true);
        const legal = key();
        await encoding.set(legal, 1);
        assertEquals(await client.get(legal), 1);
      });
    }
  },

  "keyEncoder sees keys without their prefix": async (
    { client, key, open },
  ) => {
    const seen: string[] = [];
    const keyEncoder = (name: string) => {
      seen.push(name);
      return name.replaceAll(" ", "_");
    };
    await open(
      { keyEncoder, keyPrefix: "p:" },
      async ({ client: encoding }) => {
        const [legal, illegal] = [key(), key("a b")];
        await encoding.setMany({ [legal]: 1, [illegal]: 2 });
        assertEquals(seen, [illegal]);
        const encoded = keyEncoder(illegal);
        assertEquals(await client.get([illegal, `p:${encoded}`]), 2);
        assertEquals(await client.get([legal, `p:${legal}`]), 1);
      },
    );
  },

  "keyEncoder is checked like a key": local(async ({ open, key }) => {
    const bad: unknown[] = ["", "a b", "x".repeat(251), "a\r\nb", "ä", 5, null];
    for (const result of bad) {
      const keyEncoder = () => result as string;
      await open({ keyEncoder }, async ({ client }) => {
        await refuses(() => client.get("a b"), String(result));
        assertEquals(await client.get(key()), undefined);
      });
    }
  }),

  "long keys go with every command and in numbers": async (
    { client, key },
  ) => {
    const names = Array.from({ length: 150 }, () => key("").padEnd(250, "k"));
    await client.setMany(names.map((name, i) => [name, i]));
    const got = await client.getMany(names);
    assertEquals(got, new Map(names.map((name, i) => [name, i])));
    const all = await Promise.all(names.map((name) => client.get(name)));
    assertEquals(all, names.map((_, i) => i));
    await client.deleteMany(names);
  },
};
