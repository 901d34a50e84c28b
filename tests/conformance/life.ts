/**
 * The life of a client: opened by its first command, let go, closed.
 *
 * @module
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { MemcacheError, MemcacheUnexpectedCloseError } from "@x/memcache";
import { type Behaviours, local, rejects } from "./stage.ts";
import { ON_KEY } from "./keys.ts";

/** Behaviours of a client's life. */
export const LIFE: Behaviours = {
  "the first command connects, and commands at once share it": async (
    { key, tapped, ordered },
  ) => {
    await tapped(async (tap, { client }) => {
      assertEquals(tap.connects, 0);
      await Promise.all(
        Array.from({ length: 50 }, () => client.get(key())),
      );
      if (ordered) assertEquals(tap.connects, 1);
      assert(tap.connects > 0);
      const { connects } = tap;
      for (let i = 0; i < 20; i++) await client.get(key());
      if (ordered) assertEquals(tap.connects, connects);
    });
  },

  "disconnect() lets go, and the next command connects again": async (
    { key, tapped, ordered },
  ) => {
    await tapped(async (tap, { client }) => {
      await client.disconnect();
      assertEquals(tap.connects, 0);
      const name = key();
      await client.set(name, "value");
      for (let i = 2; i < 5; i++) {
        await client.disconnect();
        assertEquals(await client.get(name), "value");
        if (ordered) assertEquals(tap.connects, i);
      }
      await client.disconnect();
      await client.disconnect();
    });
  },

  "disconnect() fails what is pending": async ({ key, tapped }) => {
    await tapped(async (tap, { client }) => {
      const name = key();
      await client.set(name, 1);
      tap.hold();
      tap.sent = "";
      const pending = rejects(
        () => client.get(name),
        MemcacheUnexpectedCloseError,
        { command: "get", key: name, sent: true },
      );
      await tap.wrote(name);
      await client.disconnect();
      await pending;
      tap.release();
      assertEquals(await client.get(name), 1);
    });
  },

  "close() is final, and closing twice is fine": async ({ key, open }) => {
    await open({}, async ({ client }) => {
      await client.set(key(), 1);
      await client.close();
      await client.close();
      for (const [title, call] of Object.entries(ON_KEY)) {
        const error = await rejects(
          () => call(client, key()),
          MemcacheError,
          { code: "ERR_CLIENT_CLOSED", sent: false },
          title,
        );
        assertEquals(error.name, "MemcacheError", title);
      }
      await client.disconnect();
      await client.close();
    });
  },

  "close() of a client that was never used opens nothing": local(async (
    { key, tapped },
  ) => {
    await tapped(async (tap, { client }) => {
      await client.close();
      await rejects(() => client.get(key()), MemcacheError, {
        code: "ERR_CLIENT_CLOSED",
      });
      assertEquals(tap.connects, 0);
    });
  }),

  "close() rejects what is pending at once": async ({ key, tapped }) => {
    await tapped(async (tap, { client }) => {
      const name = key();
      await client.set(name, 1);
      tap.hold();
      tap.sent = "";
      const pending = Object.entries(ON_KEY).map(([title, call]) =>
        rejects(
          () => call(client, name),
          MemcacheError,
          { code: "ERR_CLIENT_CLOSED" },
          title,
        )
      );
      await tap.wrote(`delete ${name}`);
      const start = performance.now();
      await client.close();
      await Promise.all(pending);
      assertLess(performance.now() - start, 500);
    });
  },

  "close() while connecting rejects what waits": local(
    async ({ key, open }) => {
      const opened = new Promise<never>(() => {});
      let signal: AbortSignal | undefined;
      await open({
        dial: (_, options) => {
          signal = options.signal;
          return opened;
        },
      }, async ({ client }) => {
        const pending = Object.entries(ON_KEY).map(([title, call]) =>
          rejects(
            () => call(client, key()),
            MemcacheError,
            { code: "ERR_CLIENT_CLOSED", sent: false },
            title,
          )
        );
        // A turn of the event loop later the attempt has begun.
        while (signal === undefined) {
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        await client.close();
        await Promise.all(pending);
        assert(signal.aborted);
      });
    },
  ),

  "a connection that opens after close() is closed": local(async (
    { key, open },
  ) => {
    let closed = false;
    let settle: (() => void) | undefined;
    await open({
      dial: () =>
        new Promise((resolve) => {
          settle = () =>
            resolve({
              start: () => {},
              write: () => true,
              ref: () => {},
              unref: () => {},
              close: () => {
                closed = true;
              },
            });
        }),
    }, async ({ client }) => {
      const pending = rejects(() => client.get(key()), MemcacheError, {
        code: "ERR_CLIENT_CLOSED",
      });
      while (settle === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      await client.close();
      await pending;
      settle();
      await new Promise((resolve) => setTimeout(resolve, 0));
      assertEquals(closed, true);
    });
  }),

  "a client is disposed of by closing it": async ({ key, open }) => {
    await open({}, async ({ client }) => {
      assert(Symbol.asyncDispose in client);
      const dispose = client[Symbol.asyncDispose] as () => Promise<void>;
      await client.get(key());
      await dispose.call(client);
      await rejects(() => client.get(key()), MemcacheError, {
        code: "ERR_CLIENT_CLOSED",
      });
    });
  },
};
