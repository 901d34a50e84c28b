/**
 * Commands that are given up: by a signal, or by their timeout.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertLess,
  assertStrictEquals,
} from "@std/assert";
import {
  type CommandOptions,
  type KeyCommands,
  MemcacheTimeoutError,
} from "@x/memcache";
import {
  type Behaviours,
  local,
  outcome,
  pattern,
  refuses,
  rejects,
} from "./stage.ts";

type Call = (
  client: KeyCommands,
  key: string,
  options: CommandOptions,
) => Promise<unknown>;

/** Every command on keys, with options. */
const CALLS: Record<string, Call> = {
  get: (c, k, o) => c.get(k, o),
  getItem: (c, k, o) => c.getItem(k, o),
  getMany: (c, k, o) => c.getMany([k, `${k}-`], o),
  gets: (c, k, o) => c.gets(k, o),
  getsMany: (c, k, o) => c.getsMany([k, `${k}-`], o),
  gat: (c, k, o) => c.gat(k, 60, o),
  gats: (c, k, o) => c.gats(k, 60, o),
  has: (c, k, o) => c.has(k, o),
  set: (c, k, o) => c.set(k, "new", o),
  add: (c, k, o) => c.add(k, "new", o),
  replace: (c, k, o) => c.replace(k, "new", o),
  append: (c, k, o) => c.append(k, "new", o),
  prepend: (c, k, o) => c.prepend(k, "new", o),
  cas: (c, k, o) => c.cas(k, "new", 1n, o),
  setMany: (c, k, o) => c.setMany({ [k]: "new", [`${k}-`]: 1 }, o),
  incr: (c, k, o) => c.incr(k, 1, o),
  "incr with initial": (c, k, o) => c.incr(k, 1, { ...o, initial: 1 }),
  decr: (c, k, o) => c.decr(k, 1, o),
  touch: (c, k, o) => c.touch(k, 60, o),
  delete: (c, k, o) => c.delete(k, o),
  deleteMany: (c, k, o) => c.deleteMany([k, `${k}-`], o),
};

/** Their names in protocol.txt, where they differ. */
const COMMANDS: Record<string, string> = {
  getItem: "gets",
  getMany: "get",
  getsMany: "gets",
  has: "get",
  setMany: "set",
  deleteMany: "delete",
  "incr with initial": "incr",
};

/** Longest time that a timeout may be late by, on a busy machine. */
const SLACK = 500;

/** Behaviours of the options `signal` and `timeout`. */
export const ABORTS: Behaviours = {
  "an aborted signal rejects with its reason, and nothing is sent": local(
    async (
      { key, tapped },
    ) => {
      await tapped(async (tap, { client }) => {
        const reason = { why: "enough" };
        const signal = AbortSignal.abort(reason);
        for (const [title, call] of Object.entries(CALLS)) {
          const got = await call(client, key(), { signal }).catch((e) => e);
          assertStrictEquals(got, reason, title);
        }
        const got = await rejects(
          () => client.get(key(), { signal: AbortSignal.abort() }),
          Error,
        );
        assertEquals(got.name, "AbortError");
        assertEquals([tap.connects, tap.sent], [0, ""]);
      });
    },
  ),

  "an abort in flight rejects at once, and the connection stays in step":
    async (
      { key, tapped, ordered },
    ) => {
      await tapped(async (tap, { client }) => {
        const other = key();
        await client.set(other, "other");
        const { connects } = tap;
        for (const [title, call] of Object.entries(CALLS)) {
          const name = key();
          await client.set(name, "1");
          const controller = new AbortController();
          const reason = new Error(title);
          tap.hold();
          tap.sent = "";
          const aborted = call(client, name, { signal: controller.signal });
          await Promise.all([
            rejectsWith(aborted, reason, title),
            tap.wrote(name).then(() => controller.abort(reason)),
          ]);
          const next = outcome(client.get(other));
          tap.release();
          assertEquals(await next, "other", title);
        }
        if (ordered) assertEquals(tap.connects, connects);
      });
    },

  "an abort before the connection is open sends nothing": local(async (
    { key, open },
  ) => {
    const opened = new Promise<never>(() => {});
    await open({ dial: () => opened }, async ({ client }) => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const { signal } = controller;
      const calls = Object.entries(CALLS).map(([title, call]) =>
        rejectsWith(call(client, key(), { signal }), reason, title)
      );
      controller.abort(reason);
      await Promise.all(calls);
    });
  }),

  "an abort of one among many gets leaves the others alone": async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      const names = Array.from({ length: 300 }, () => key());
      await client.setMany(names.map((name) => [name, name]));
      const controller = new AbortController();
      const reason = new Error("enough");
      tap.hold();
      tap.sent = "";
      const gets = names.map((name, i) =>
        outcome(client.get(
          name,
          i % 7 === 0 ? { signal: controller.signal } : {},
        ))
      );
      await tap.wrote(names[299]);
      controller.abort(reason);
      await rejectsWith(gets[0], reason);
      tap.release();
      const got = await Promise.allSettled(gets);
      for (const [i, outcome] of got.entries()) {
        assertEquals(
          outcome,
          i % 7 === 0
            ? { status: "rejected", reason }
            : { status: "fulfilled", value: names[i] },
        );
      }
    });
  },

  "an abort while a large value arrives leaves the others alone": async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      const [large, other] = [key(), key()];
      await client.setMany({ [large]: pattern(900_000), [other]: "other" });
      const controller = new AbortController();
      const reason = new Error("enough");
      tap.hold();
      tap.sent = "";
      const { signal } = controller;
      const read = outcome(client.get(large, { signal }));
      const next = outcome(client.get(other));
      await tap.wrote(large);
      controller.abort(reason);
      tap.release();
      await rejectsWith(read, reason);
      assertEquals(await next, "other");
      assertEquals(await client.get(other), "other");
    });
  },

  "an abort after the result changes nothing": async ({ client, key }) => {
    const name = key();
    const controller = new AbortController();
    const { signal } = controller;
    assertEquals(await client.set(name, "value", { signal }), true);
    const got = client.get(name, { signal });
    assertEquals(await got, "value");
    controller.abort();
    assertEquals(await got, "value");
    assertEquals(await client.get(name), "value");
  },

  "a signal is listened to no longer than its command takes": async (
    { client, key },
  ) => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: unknown[]) => {
      listeners++;
      Reflect.apply(addEventListener, signal, args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      listeners--;
      Reflect.apply(removeEventListener, signal, args);
    };
    for (const [title, call] of Object.entries(CALLS)) {
      const name = key();
      await client.set(name, 1);
      await call(client, name, { signal }).catch(() => {});
      assertEquals(listeners, 0, title);
    }
    await rejects(() => client.get("a b", { signal }), Error);
    assertEquals(listeners, 0);
  },

  "a timeout rejects in time, and the connection stays in step": async (
    { key, tapped, ordered },
  ) => {
    await tapped(async (tap, { client }) => {
      const other = key();
      await client.set(other, "other");
      const { connects } = tap;
      tap.hold();
      const start = performance.now();
      const calls = Object.entries(CALLS).map(async ([title, call]) => {
        const name = key();
        const error = await rejects(
          () => call(client, name, { timeout: 15 }),
          MemcacheTimeoutError,
          {
            code: "ERR_TIMEOUT",
            sent: true,
            command: COMMANDS[title] ?? title,
          },
          title,
        );
        const took = performance.now() - start;
        assert(took >= 14, `${title}: ${took} ms`);
        assertLess(took, 15 + SLACK, title);
        if (!title.includes("Many")) assertEquals(error.key, name, title);
      });
      const between = outcome(client.get(other));
      await Promise.all(calls);
      const after = client.get(other);
      tap.release();
      assertEquals([await between, await after], ["other", "other"]);
      if (ordered) assertEquals(tap.connects, connects);
    });
  },

  "a timeout of the client holds for every command": async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      tap.hold();
      const start = performance.now();
      await rejects(() => client.get(key()), MemcacheTimeoutError, {
        command: "get",
      });
      assertLess(performance.now() - start, 15 + SLACK);
      tap.release();
    }, { timeout: 15 });
  },

  "a timeout of 0 is none": async ({ key, tapped }) => {
    await tapped(async (tap, { client }) => {
      const name = key();
      await client.set(name, "value", { timeout: 1000 });
      tap.hold();
      const patient = outcome(client.get(name, { timeout: 0 }));
      await rejects(
        () => client.get(key(), { timeout: 5 }),
        MemcacheTimeoutError,
      );
      tap.release();
      assertEquals(await patient, "value");
    }, { timeout: 2000 });
  },

  "timeouts of many calls each keep their own time": async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      const name = key();
      await client.set(name, "value");
      tap.hold();
      const start = performance.now();
      const calls = [20, 5, 15, 3].map(async (timeout) => {
        await rejects(
          () => client.get(name, { timeout }),
          MemcacheTimeoutError,
        );
        const took = performance.now() - start;
        assert(took >= timeout - 1, `${timeout} ms: ${took} ms`);
        assertLess(took, timeout + SLACK);
      });
      const last = outcome(client.get(name));
      await Promise.all(calls);
      tap.release();
      assertEquals(await last, "value");
    });
  },

  "a timeout while connecting says that nothing was sent": local(async (
    { key, open },
  ) => {
    const opened = new Promise<never>(() => {});
    await open({ dial: () => opened, timeout: 20 }, async ({ client }) => {
      await Promise.all(
        Object.entries(CALLS).map(([title, call]) =>
          rejects(
            () => call(client, key(), {}),
            MemcacheTimeoutError,
            { sent: false },
            title,
          )
        ),
      );
    });
  }),

  "a connection that is not open in time is a timeout": local(async (
    { key, open },
  ) => {
    const opened = new Promise<never>(() => {});
    const options = { dial: () => opened, connectTimeout: 20 };
    await open(options, async ({ client }) => {
      const start = performance.now();
      await rejects(() => client.set(key(), 1), MemcacheTimeoutError, {
        sent: false,
        command: "set",
      });
      assertLess(performance.now() - start, 20 + SLACK);
    });
  }),

  "a timeout that is none is refused": local(async ({ key, tapped }) => {
    await tapped(async (tap, { client }) => {
      const bad: unknown[] = [-1, NaN, Infinity, 2 ** 31, "5", null, 5n, {}];
      for (const timeout of bad) {
        for (const [title, call] of Object.entries(CALLS)) {
          await refuses(
            () => call(client, key(), { timeout: timeout as number }),
            `${title}, timeout ${String(timeout)}`,
          );
        }
      }
      assertEquals(tap.sent, "");
    });
  }),

  "many-key stores that time out say which keys are in doubt": async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      const [a, b] = [key(), key()];
      tap.hold();
      await Promise.all([
        rejects(
          () => client.setMany({ [a]: 1, [b]: 2 }, { timeout: 15 }),
          MemcacheTimeoutError,
          { failedKeys: [a, b] },
        ),
        rejects(
          () => client.deleteMany([b, a], { timeout: 15 }),
          MemcacheTimeoutError,
          { failedKeys: [b, a] },
        ),
      ]);
      tap.release();
    });
  },
};

async function rejectsWith(
  promise: Promise<unknown>,
  reason: unknown,
  about?: string,
): Promise<void> {
  const got = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  assert("error" in got, `${about}: resolved`);
  assertStrictEquals(got.error, reason, about);
}
