/**
 * Commands that ask for no reply.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  type KeyCommands,
  MemcacheError,
  MemcacheNonNumericError,
  MemcacheUnexpectedCloseError,
} from "@x/memcache";
import {
  type Behaviours,
  rejects,
  settles,
  type Stage,
  TOO_LARGE,
} from "./stage.ts";

type Send = (
  client: KeyCommands,
  key: string,
  options: { noreply?: boolean },
) => Promise<unknown>;

/** A command, what it resolves to, and what it makes of the value "5". */
const COMMANDS: Record<string, [send: Send, resolves: unknown, then: unknown]> =
  {
    set: [(c, k, o) => c.set(k, "new", o), true, "new"],
    add: [(c, k, o) => c.add(k, "new", o), true, "5"],
    replace: [(c, k, o) => c.replace(k, "new", o), true, "new"],
    append: [(c, k, o) => c.append(k, "1", o), true, "51"],
    prepend: [(c, k, o) => c.prepend(k, "1", o), true, "15"],
    cas: [
      async (c, k, o) => c.cas(k, "new", (await c.gets(k))?.cas ?? 0n, o),
      true,
      "new",
    ],
    "cas of an old version": [(c, k, o) => c.cas(k, "new", 1n, o), true, "5"],
    setMany: [(c, k, o) => c.setMany({ [k]: "new" }, o), [], "new"],
    delete: [(c, k, o) => c.delete(k, o), true, undefined],
    deleteMany: [(c, k, o) => c.deleteMany([k], o), true, undefined],
    "touch to its end": [(c, k, o) => c.touch(k, -1, o), true, undefined],
    incr: [(c, k, o) => c.incr(k, 2, o), undefined, "7"],
    "incr by a bigint": [(c, k, o) => c.incr(k, 2n, o), undefined, "7"],
    decr: [(c, k, o) => c.decr(k, 2, o), undefined, "3"],
  };

/** What the commands make of a key without a value. */
const ON_NOTHING: Record<string, [send: Send, then: unknown]> = {
  add: [(c, k, o) => c.add(k, "new", o), "new"],
  replace: [(c, k, o) => c.replace(k, "new", o), undefined],
  append: [(c, k, o) => c.append(k, "new", o), undefined],
  prepend: [(c, k, o) => c.prepend(k, "new", o), undefined],
  cas: [(c, k, o) => c.cas(k, "new", 1n, o), undefined],
  delete: [(c, k, o) => c.delete(k, o), undefined],
  deleteMany: [(c, k, o) => c.deleteMany([k], o), undefined],
  touch: [(c, k, o) => c.touch(k, 60, o), undefined],
  incr: [(c, k, o) => c.incr(k, 1, o), undefined],
  decr: [(c, k, o) => c.decr(k, 1, o), undefined],
};

/** The commands that go by `defaultNoreply`, and those that do not. */
const BY_DEFAULT: Record<string, [send: Send, asked: unknown, not: unknown]> = {
  add: [(c, k, o) => c.add(k, "new", o), false, true],
  "setMany too large": [
    (c, k, o) => c.setMany({ [k]: TOO_LARGE }, o),
    "the key",
    [],
  ],
  "replace of nothing": [(c, k, o) => c.replace(`${k}-`, 1, o), false, true],
  "append to nothing": [(c, k, o) => c.append(`${k}-`, 1, o), false, true],
  "prepend to nothing": [(c, k, o) => c.prepend(`${k}-`, 1, o), false, true],
  "delete of nothing": [(c, k, o) => c.delete(`${k}-`, o), false, true],
  "touch of nothing": [(c, k, o) => c.touch(`${k}-`, 60, o), false, true],
};

/**
 * Checks that an error is the command's own. Without fences nobody can tell, and
 * the connection is given up.
 */
function assertOwn({ traits }: Stage, error: MemcacheError): void {
  const unsure = error instanceof MemcacheUnexpectedCloseError &&
    traits.fences === false;
  assert(error instanceof MemcacheNonNumericError || unsure, String(error));
}

/** Behaviours of `noreply` and `defaultNoreply`. */
export const NOREPLY: Behaviours = {
  "noreply resolves at once and the next command sees the effect": async (
    stage,
  ) => {
    const { client, key } = stage;
    for (const [title, [send, resolves, then]] of Object.entries(COMMANDS)) {
      const name = key();
      await client.set(name, "5");
      assertEquals(
        await send(client, name, { noreply: true }),
        resolves,
        title,
      );
      await settles(stage, async () => {
        assertStrictEquals(await client.get(name), then, title);
      });
    }
  },

  "noreply hides a miss": async (stage) => {
    const { client, key } = stage;
    for (const [title, [send, then]] of Object.entries(ON_NOTHING)) {
      const name = key();
      const counted = title === "incr" || title === "decr";
      assertEquals(
        await send(client, name, { noreply: true }),
        counted ? undefined : true,
        title,
      );
      await settles(stage, async () => {
        assertStrictEquals(await client.get(name), then, title);
      });
    }
  },

  "commands without a reply do not wait for the server": async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      const name = key();
      // The first one on a connection waits for what the server is.
      await client.set(name, "5", { noreply: true });
      await client.flush();
      tap.hold();
      assertEquals(await client.set(name, "new", { noreply: true }), true);
      assertEquals(await client.incr(name, 1, { noreply: true }), undefined);
      assertEquals(await client.delete(name, { noreply: true }), true);
      await tap.wrote(`delete ${name} noreply\r\n`);
      tap.release();
      assertEquals(await client.get(name), undefined);
    });
  },

  "errors of commands without a reply are nobody else's": async (stage) => {
    const { key, open, ordered } = stage;
    await open({}, async ({ client }) => {
      const [text, large, other] = [key(), key(), key()];
      await client.setMany({ [text]: "text", [other]: "other", [large]: 1 });
      const [, , , value, counted] = await Promise.all([
        client.incr(text, 1, { noreply: true }),
        client.set(large, TOO_LARGE, { noreply: true }),
        client.append(large, TOO_LARGE, { noreply: true }),
        client.get(other),
        rejects(() => client.incr(text), MemcacheError, { key: text }),
      ]);
      assertEquals(value, "other");
      assertOwn(stage, counted);
      assertEquals(await client.get(text), "text");
      if (ordered) assertEquals(await client.get(large), undefined);
      assertEquals(await client.get(other), "other");
    });
  },

  "an error right behind a command without a reply is its own": async (
    stage,
  ) => {
    const { key, open } = stage;
    await open({}, async ({ client }) => {
      const [text, other] = [key(), key()];
      // The very first command of its connection, too.
      await client.set(text, "text", { noreply: true });
      for (let i = 0; i < 5; i++) {
        const [, counted] = await Promise.all([
          client.set(other, i, { noreply: true }),
          rejects(() => client.incr(text), MemcacheError, { key: text }),
        ]);
        assertOwn(stage, counted);
        assertEquals(await client.get(text), "text");
        assertEquals(await client.get(other), i);
      }
    });
  },

  "flush() resolves once what was sent before is done": async (
    { traits, key, open },
  ) => {
    const errors: MemcacheError[] = [];
    const onError = (error: MemcacheError) => void errors.push(error);
    await open({ onError }, async ({ client }) => {
      const [taken, other] = [key("taken"), key("other")];
      await client.set(taken, "value");
      for (let i = 0; i < 3; i++) {
        await client.add(taken, "new", { noreply: true });
        await client.set(other, i, { noreply: true });
        assertEquals(await client.flush(), undefined);
      }
      assertEquals(await client.get(other), 2);
      assertEquals(await client.get(taken), "value");
      // What was refused has been told, where the server tells it.
      const { length } = errors.filter(({ key, code }) =>
        key === taken && code === "ERR_NOT_STORED"
      );
      assertEquals(length, traits.fences === false ? 0 : 3);
      assertEquals(errors.length, length);
    });
  },

  "flush() opens no connection": async ({ tapped }) => {
    await tapped(async (tap, { client }) => {
      await client.flush();
      await client.flush({ timeout: 5 });
      assertEquals(tap.connects, 0);
    });
  },

  "flush() waits for what is still to be sent": async ({ key, open }) => {
    await open({}, async ({ client }) => {
      const names = Array.from({ length: 50 }, () => key());
      // A namespace has to know its version before it sends anything.
      await client.get(names[0]);
      const stores = names.map((name) => client.set(name, name));
      let stored = 0;
      for (const store of stores) store.then(() => stored++);
      await client.flush();
      assertEquals(stored, names.length);
    });
  },

  "flush() of a closed client rejects": async ({ open }) => {
    await open({}, async ({ client }) => {
      await client.close();
      await rejects(() => client.flush(), MemcacheError, {
        code: "ERR_CLIENT_CLOSED",
        sent: false,
      });
    });
  },

  "many commands without a reply are all carried out": async (stage) => {
    const { client, key } = stage;
    const name = key();
    await client.set(name, 0);
    await Promise.all(
      Array.from(
        { length: 500 },
        () => client.incr(name, 1, { noreply: true }),
      ),
    );
    await settles(stage, async () => {
      assertEquals(await client.get(name), 500);
    });
  },

  "defaultNoreply is for stores, deletes and touches": async (
    { client, key, open },
  ) => {
    await open({ defaultNoreply: true }, async ({ client: silent }) => {
      for (const [title, [send, asked, not]] of Object.entries(BY_DEFAULT)) {
        const runs: Array<[KeyCommands, { noreply?: boolean }, unknown]> = [
          [client, {}, asked],
          [silent, {}, not],
          [silent, { noreply: false }, asked],
          [client, { noreply: true }, not],
        ];
        for (const [i, [sender, options, resolves]] of runs.entries()) {
          const name = key();
          await client.set(name, "value");
          // What went before without a reply is over when this has one.
          await sender.get(name);
          assertEquals(
            await send(sender, name, options),
            resolves === "the key" ? [name] : resolves,
            `${title} ${i}`,
          );
        }
      }
    });
  },

  "defaultNoreply is not for cas, incr and decr": async (
    { key, open, ordered },
  ) => {
    await open({ defaultNoreply: true }, async ({ client }) => {
      const name = key();
      await client.set(name, 5);
      if (!ordered) await client.set(name, 5, { noreply: false });
      assertEquals(await client.incr(name), 6);
      assertEquals(await client.decr(name), 5);
      assertEquals(await client.cas(name, 0, 1n), false);
      assertEquals(await client.cas(key(), 0, 1n), undefined);
      assertEquals(await client.incr(key()), undefined);
      assertEquals(await client.incr(key(), 1, { initial: 3 }), 3);
    });
  },
};
