/**
 * Whatever a caller gives, nothing but one command is sent.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Key, KeyCommands, Ttl } from "@x/memcache";
import { type Behaviours, local, outcome, refuses } from "./stage.ts";

const EVIL: readonly string[] = [
  "0\r\nflush_all",
  "1 noreply",
  "1\r\nset canary 0 0 1\r\nx",
  "a\r\ndelete canary\r\nget a",
  "a\nflush_all\n",
  "1\0",
  "a b",
];

/** Things that turn into evil text when they are put into a line. */
const DISGUISED: readonly unknown[] = [
  ...EVIL,
  { toString: () => EVIL[0] },
  { valueOf: () => EVIL[0], toString: () => EVIL[1] },
  { [Symbol.toPrimitive]: () => EVIL[0] },
  [EVIL[0]],
  Object.assign(() => 1, { toString: () => EVIL[0] }),
];

type Call = (client: KeyCommands, key: string, evil: never) => Promise<unknown>;

const PLACES: Record<string, Call> = {
  "key of get": (c, _, evil) => c.get(evil),
  "key of getItem": (c, _, evil) => c.getItem(evil),
  "key of gets": (c, _, evil) => c.gets(evil),
  "key of gat": (c, _, evil) => c.gat(evil, 0),
  "key of gats": (c, _, evil) => c.gats(evil, 0),
  "key of has": (c, _, evil) => c.has(evil),
  "key of getMany": (c, k, evil) => c.getMany([k, evil]),
  "key of getsMany": (c, k, evil) => c.getsMany([k, evil]),
  "key of set": (c, _, evil) => c.set(evil, "1"),
  "key of a pair": (c, _, evil) => c.set(["route", evil] as Key, "1"),
  "key of cas": (c, _, evil) => c.cas(evil, "1", 1n),
  "key of setMany": (c, k, evil) => c.setMany([[k, 1], [evil, "1"]]),
  "key of delete": (c, _, evil) => c.delete(evil),
  "key of deleteMany": (c, k, evil) => c.deleteMany([k, evil]),
  "key of incr": (c, _, evil) => c.incr(evil),
  "key of touch": (c, _, evil) => c.touch(evil, 0),
  "flags": (c, k, flags) => c.set(k, "1", { flags }),
  "flags of setMany": (c, k, flags) => c.setMany({ [k]: 1 }, { flags }),
  "ttl of set": (c, k, ttl) => c.set(k, "1", { ttl }),
  "ttl of touch": (c, k, ttl) => c.touch(k, ttl as Ttl),
  "ttl of gat": (c, k, ttl) => c.gat(k, ttl),
  "ttl of gats": (c, k, ttl) => c.gats(k, ttl),
  "ttl of incr": (c, k, ttl) => c.incr(k, 1, { initial: 1, ttl }),
  "cas": (c, k, cas) => c.cas(k, "1", cas),
  "delta of incr": (c, k, delta) => c.incr(k, delta),
  "delta of decr": (c, k, delta) => c.decr(k, delta),
  "initial": (c, k, initial) => c.incr(k, 1, { initial }),
};

/** Behaviours under attack. */
export const INJECTION: Behaviours = {
  "nothing that is put into a line can add a command": local(async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      for (const [place, call] of Object.entries(PLACES)) {
        for (const [i, evil] of DISGUISED.entries()) {
          await refuses(
            () => call(client, key(), evil as never),
            `${place}, case ${i}`,
          );
        }
      }
      assertEquals([tap.connects, tap.sent], [0, ""]);
    });
  }),

  "values are data, whatever they contain": async ({ client, key, tapped }) => {
    const canary = key("canary");
    await client.set(canary, "alive");
    const values = [
      `\r\ndelete ${canary}\r\n`,
      `1\r\nflush_all\r\n`,
      `\r\n`.repeat(100) + `set ${canary} 0 0 1\r\nx\r\n`,
    ];
    await tapped(async (tap, { client }) => {
      for (const value of values) {
        const name = key();
        await client.set(name, value);
        assertEquals(await client.get(name), value);
        await client.set(name, value, { noreply: true });
        await client.append(name, value);
        await client.prepend(name, value, { noreply: true });
        await client.setMany({ [name]: value });
        assertEquals(await client.get(name), value);
        await client.set(name, [value]);
        assertEquals(await client.get(name), [value]);
      }
      assertEquals(tap.connects > 0, true);
    });
    assertEquals(await client.get(canary), "alive");
  },

  "options that are no numbers or booleans add nothing to a line": async (
    { client, key, tapped },
  ) => {
    const canary = key("canary");
    await client.set(canary, "alive");
    await tapped(async (tap, { client }) => {
      const name = key();
      await client.set(name, "1");
      for (const noreply of [`\r\ndelete ${canary}`, {}, 1, null]) {
        const options = { noreply: noreply as boolean };
        await outcome(client.set(name, "1", options)).catch(() => {});
        await outcome(client.delete(name, options)).catch(() => {});
        await outcome(client.touch(name, 0, options)).catch(() => {});
      }
      assertEquals(await client.get(canary), "alive");
      assertEquals(tap.sent.includes(`delete ${canary}`), false);
    });
  },
};
