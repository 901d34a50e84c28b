/**
 * Failures of the connection and of the server, and `onError`.
 *
 * @module
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheNonNumericError,
  MemcacheOverloadError,
  MemcacheSerdeError,
  MemcacheServerError,
  MemcacheTimeoutError,
  MemcacheUnexpectedCloseError,
  MemcacheUnknownError,
} from "@x/memcache";
import {
  type Behaviours,
  local,
  outcome,
  pattern,
  rejects,
  TOO_LARGE,
} from "./stage.ts";

/** Behaviours of failures. */
export const ERRORS: Behaviours = {
  "a server that cannot be reached is a connection error": local(async (
    { key, open, traits },
  ) => {
    const cause = new Error("no way");
    await open({ dial: () => Promise.reject(cause) }, async ({ client }) => {
      const name = key();
      const error = await rejects(
        () => client.set(name, 1),
        MemcacheConnectionError,
        { code: "ERR_CONNECTION", command: "set", key: name, sent: false },
      );
      assertStrictEquals(error.cause, cause);
      assert(error.message.includes("no way"), error.message);
      if (traits.name !== undefined) assertEquals(error.server, traits.name);
    });
  }),

  "a lost connection fails what is in flight, and the next command works":
    async (
      { key, tapped, traits },
    ) => {
      await tapped(async (tap, { client }) => {
        const name = key();
        await client.set(name, 1);
        tap.hold();
        const lost = [
          rejects(
            () => client.incr(name),
            MemcacheUnexpectedCloseError,
            {
              code: "ERR_UNEXPECTED_CLOSE",
              command: "incr",
              key: name,
              sent: true,
              ...(traits.name === undefined ? {} : { server: traits.name }),
            },
          ),
          rejects(() => client.append(name, "1"), MemcacheServerError, {
            sent: true,
          }),
        ];
        await tap.wrote(`append ${name}`);
        tap.cut();
        await Promise.all(lost);
        tap.release();
        assertEquals(await client.set(name, 5), true);
        assertEquals(await client.get(name), 5);
      });
    },

  "a lost connection between two commands costs nothing": async (
    { key, tapped, ordered },
  ) => {
    await tapped(async (tap, { client }) => {
      const name = key();
      await client.set(name, "value");
      const { connects } = tap;
      tap.cut();
      assertEquals(await client.get(name), "value");
      if (ordered) assertEquals(tap.connects, connects + 1);
    });
  },

  "many-key stores on a lost connection say which keys are in doubt": async (
    { key, ordered, tapped, traits },
  ) => {
    // A connection that has yet to answer its first command gets another try.
    if (!ordered) return;
    const repeated = (traits.attempts ?? 1) > 1;
    await tapped(async (tap, { client }) => {
      const [a, b] = [key(), key()];
      await client.get(a);
      tap.hold();
      const stored = outcome(client.setMany({ [a]: 1, [b]: 2 }));
      await tap.wrote(`set ${b}`);
      tap.cut();
      if (repeated) {
        tap.release();
        assertEquals(await stored, []);
        return;
      }
      await rejects(() => stored, MemcacheUnexpectedCloseError, {
        failedKeys: [a, b],
      });
      tap.release();
      assertEquals(await client.setMany({ [a]: 1, [b]: 2 }), []);
    });
  },

  "errors say which server, command and key they are about": async (
    { key, open, traits },
  ) => {
    await open({}, async ({ client }) => {
      const name = key();
      await client.set(name, "text");
      const error = await rejects(() => client.incr(name), MemcacheError, {
        command: "incr",
        key: name,
        sent: true,
        code: "ERR_NON_NUMERIC",
      });
      if (traits.name === undefined) assert(error.server !== undefined);
      else assertEquals(error.server, traits.name);
      assertEquals(error.name, "MemcacheNonNumericError");
      assert(!error.message.includes(name), error.message);
    });
  },

  "errors never show values": async ({ key, open }) => {
    await open({}, async ({ client }) => {
      const name = key();
      const secret = "hunter2-".repeat(10);
      const shown: string[] = [];
      const note = (error: unknown) => {
        assert(error instanceof MemcacheError);
        shown.push(`${error.message} ${error.stack} ${JSON.stringify(error)}`);
      };
      await client.set(name, secret);
      await client.incr(name).catch(note);
      await client.set(name, secret, { flags: 32 });
      await client.get(name).catch(note);
      await client.set(name, secret, { flags: 2 });
      await client.get(name).catch(note);
      await client.set(name, secret.padEnd(1024 * 1024)).catch(note);
      await client.set(name, { secret, bad: NaN }).catch(note);
      await client.set(name, `${secret}\ud800`).catch(note);
      assertEquals(shown.length, 6);
      for (const text of shown) assert(!text.includes("hunter2"), text);
    });
  },

  "maxPending refuses what is too much, at once": async (
    { key, tapped, ordered },
  ) => {
    if (!ordered) return;
    await tapped(async (tap, { client }) => {
      const name = key();
      await client.set(name, "value");
      tap.hold();
      const waiting = [client.get(name), client.get(name), client.get(name)];
      await rejects(() => client.get(name), MemcacheOverloadError, {
        code: "ERR_OVERLOAD",
        command: "get",
        key: name,
        sent: false,
      });
      tap.release();
      assertEquals(await Promise.all(waiting), ["value", "value", "value"]);
      assertEquals(await client.get(name), "value");
    }, { maxPending: 3 });
  },

  "maxValueSize drops a connection with a larger value": async (
    { client, key, tapped, ordered, traits },
  ) => {
    const [small, large] = [key(), key()];
    await client.set(small, pattern(1000));
    await client.set(large, pattern(1001));
    await tapped(async (tap, { client }) => {
      assertEquals((await client.get<Uint8Array>(small))?.length, 1000);
      await rejects(() => client.get(large), MemcacheUnknownError, {
        key: large,
        sent: true,
      });
      assertEquals((await client.get<Uint8Array>(small))?.length, 1000);
      if (ordered) assertEquals(tap.connects, 1 + (traits.attempts ?? 1));
    }, { maxValueSize: 1000 });
  },

  "onError sees every failure once": async ({ key, open, tapped, traits }) => {
    const seen: MemcacheError[] = [];
    const onError = (error: MemcacheError) => {
      seen.push(error);
    };
    const expects = async (
      error: MemcacheError | Promise<MemcacheError>,
      times = 1,
    ): Promise<void> => {
      const expected = await error;
      assertEquals(seen.length, times, `${seen} for ${expected}`);
      assertStrictEquals(seen.pop(), expected);
      seen.length = 0;
    };
    await open({ onError }, async ({ client }) => {
      const name = key();
      await client.set(name, "text");
      assertEquals(await client.get(key()), undefined);
      assertEquals(await client.add(name, 1), false);
      assertEquals(seen, []);
      await expects(rejects(() => client.incr(name), MemcacheNonNumericError));
      await expects(
        rejects(() => client.get("a b"), MemcacheIllegalInputError),
      );
      await expects(
        rejects(() => client.getMany(["a b"]), MemcacheIllegalInputError),
      );
      await expects(rejects(() => client.set(name, NaN), MemcacheSerdeError));
      await expects(
        rejects(
          () => client.set(name, TOO_LARGE),
          MemcacheServerError,
        ),
      );
      await client.set(name, "no JSON", { flags: 32 });
      await expects(rejects(() => client.get(name), MemcacheSerdeError));
      await expects(rejects(() => client.getMany([name]), MemcacheSerdeError));
      await outcome(client.get(name, { signal: AbortSignal.abort() }))
        .catch(() => {});
      assertEquals(seen, []);
    });
    await tapped(async (tap, { client }) => {
      tap.hold();
      await expects(
        rejects(() => client.get(key(), { timeout: 10 }), MemcacheTimeoutError),
      );
      tap.release();
    }, { onError });
    const dial = () => Promise.reject(new Error("no way"));
    await open({ onError, dial }, async ({ client }) => {
      await expects(
        rejects(() => client.get(key()), MemcacheConnectionError),
        traits.attempts,
      );
    });
  },

  "onError may fail without harm": async ({ key, open }) => {
    const onError = () => {
      throw new Error("onError itself");
    };
    await open({ onError }, async ({ client }) => {
      const name = key();
      await client.set(name, "text");
      await rejects(() => client.incr(name), MemcacheNonNumericError);
      await rejects(() => client.get("a b"), MemcacheIllegalInputError);
      assertEquals(await client.get(name), "text");
    });
  },
};
