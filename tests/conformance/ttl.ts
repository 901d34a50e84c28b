/**
 * Lifetimes: what each form of a `ttl` means to the server.
 *
 * @module
 */
import { assertEquals, assertStrictEquals } from "@std/assert";
import type { KeyCommands, Ttl } from "@x/memcache";
import {
  assertTtl,
  type Behaviours,
  local,
  refuses,
  type ServerBehaviours,
} from "./stage.ts";

const DAY = 86_400;
const later = (seconds: number) => new Date(Date.now() + seconds * 1000);

/** Forms of a `ttl`, and the seconds that an item has left; -1 is for ever. */
const FORMS: () => Array<[ttl: Ttl | undefined, left: number | undefined]> =
  () => [
    [undefined, -1],
    [0, -1],
    [-0, -1],
    [60, 60],
    [30 * DAY, 30 * DAY],
    [30 * DAY + 1, 30 * DAY + 1],
    [365 * DAY, 365 * DAY],
    [later(3600), 3600],
    [later(40 * DAY), 40 * DAY],
    [-1, undefined],
    [-1_000_000_000_000, undefined],
    [later(-1), undefined],
    [new Date(0), undefined],
    [new Date(-1), undefined],
  ];

const BAD: readonly unknown[] = [
  ...[1.5, NaN, Infinity, -Infinity, "60", "0 1\r\nx", 60n, {}, [], true, null],
  ...[new Date(NaN), 2 ** 32, Number.MAX_SAFE_INTEGER],
  ...[new Date(2 ** 32 * 1000), { getTime: () => 0 }],
];

type Store = (client: KeyCommands, key: string, ttl: Ttl) => Promise<unknown>;

/** Everything that sets a lifetime, on an item that has 1000 seconds left. */
const SETTERS: Record<string, Store> = {
  set: (client, key, ttl) => client.set(key, "1", { ttl }),
  replace: (client, key, ttl) => client.replace(key, "1", { ttl }),
  cas: async (client, key, ttl) =>
    client.cas(key, "1", (await client.gets(key))?.cas ?? 0n, { ttl }),
  setMany: (client, key, ttl) => client.setMany({ [key]: "1" }, { ttl }),
  touch: (client, key, ttl) => client.touch(key, ttl),
  gat: (client, key, ttl) => client.gat(key, ttl),
  gats: (client, key, ttl) => client.gats(key, ttl),
};

/** The same where there is no item. */
const CREATORS: Record<string, Store> = {
  set: SETTERS.set,
  setMany: SETTERS.setMany,
  add: (client, key, ttl) => client.add(key, "1", { ttl }),
  incr: (client, key, ttl) => client.incr(key, 1, { initial: 1, ttl }),
  decr: (client, key, ttl) => client.decr(key, 1n, { initial: 1n, ttl }),
};

/** Behaviours of lifetimes. */
export const TTL: ServerBehaviours = {
  "a ttl means the same in every form": async (stage) => {
    const { client, key } = stage;
    for (const [ttl, left] of FORMS()) {
      const about = `ttl ${ttl?.toString()}`;
      const name = key();
      assertEquals(await client.set(name, "value", { ttl }), true, about);
      await assertTtl(stage, name, left, about);
      assertEquals(await client.has(name), left !== undefined, about);
    }
  },

  "every command that takes a ttl sets it": async (stage) => {
    const { client, key } = stage;
    for (const [title, set] of Object.entries(SETTERS)) {
      for (const ttl of [60, 0, later(200), -1]) {
        const name = key();
        await client.set(name, "1", { ttl: 1000 });
        await set(client, name, ttl);
        const left = new Map<Ttl, number | undefined>([
          [60, 60],
          [0, -1],
          [-1, undefined],
        ]);
        const seconds = left.has(ttl) ? left.get(ttl) : 200;
        await assertTtl(stage, name, seconds, `${title} ${ttl}`);
      }
    }
  },

  "every command that creates an item gives it its ttl": async (stage) => {
    const { client, key } = stage;
    for (const [title, create] of Object.entries(CREATORS)) {
      for (const [ttl, seconds] of [[60, 60], [0, -1], [31 * DAY, 31 * DAY]]) {
        const name = key();
        await create(client, name, ttl);
        await assertTtl(stage, name, seconds, `${title} ${ttl}`);
      }
    }
  },

  "commands without a ttl leave it or end it as memcached does": async (
    stage,
  ) => {
    const { client, key } = stage;
    const cases: Array<[(key: string) => Promise<unknown>, left: number]> = [
      [(name) => client.append(name, "0"), 60],
      [(name) => client.prepend(name, "1"), 60],
      [(name) => client.incr(name), 60],
      [(name) => client.decr(name), 60],
      [(name) => client.get(name), 60],
      [(name) => client.set(name, "1"), -1],
      [(name) => client.replace(name, "1"), -1],
    ];
    for (const [i, [change, left]] of cases.entries()) {
      const name = key();
      await client.set(name, "1", { ttl: 60 });
      await change(name);
      await assertTtl(stage, name, left, `case ${i}`);
    }
  },

  "a counter that exists keeps its ttl": async (stage) => {
    const { client, key } = stage;
    const name = key();
    await client.set(name, 5, { ttl: 60 });
    assertEquals(await client.incr(name, 1, { initial: 1, ttl: 1000 }), 6);
    await assertTtl(stage, name, 60);
  },
};

/** Behaviours of lifetimes that need no look at the server. */
export const ENDS: Behaviours = {
  "a negative ttl ends what was there": async ({ client, key }) => {
    const name = key();
    await client.set(name, "old");
    assertEquals(await client.set(name, "new", { ttl: -1 }), true);
    assertStrictEquals(await client.get(name), undefined);
    await client.set(name, "old");
    assertEquals(await client.touch(name, -1), true);
    assertStrictEquals(await client.get(name), undefined);
    assertEquals(await client.touch(name, 60), false);
    assertEquals(await client.add(name, "next"), true);
  },

  "a ttl that is none is refused": local(async ({ client, key }) => {
    const name = key();
    await client.set(name, "1");
    const all = { ...SETTERS, ...CREATORS };
    for (const [title, set] of Object.entries(all)) {
      for (const ttl of BAD) {
        await refuses(
          () => set(client, name, ttl as Ttl),
          `${title} ${String(ttl)}`,
        );
      }
    }
    assertEquals(await client.get(name), "1");
  }),
};
