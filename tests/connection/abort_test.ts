import { assert, assertEquals, assertLess } from "@std/assert";
import type { Client, CommandOptions } from "@x/memcache";
import { test } from "../_runtime.ts";
import {
  outcome,
  outcomes,
  turn,
  warm,
  watched,
  within,
  withPair,
} from "./_calls.ts";

/** Every kind of call, with its options. */
const CALLS: Record<
  string,
  (client: Client, options: CommandOptions) => Promise<unknown>
> = {
  "get()": (client, options) => client.get("gone", options),
  "gets()": (client, options) => client.gets("gone", options),
  "getMany()": (client, options) => client.getMany(["gone", "none"], options),
  "gat()": (client, options) => client.gat("gone", 9, options),
  "has()": (client, options) => client.has("gone", options),
  "set()": (client, options) => client.set("gone", "new", options),
  "setMany()": (client, options) =>
    client.setMany({ gone: 1, none: 2 }, options),
  "delete()": (client, options) => client.delete("gone", options),
  "deleteMany()": (client, options) =>
    client.deleteMany(["gone", "none"], options),
  "incr()": (client, options) => client.incr("gone", 1, options),
  "incr() with initial": (client, options) =>
    client.incr("gone", 1, { ...options, initial: 1 }),
  "touch()": (client, options) => client.touch("gone", 9, options),
  "version()": (client, options) => client.version(options),
  "rawCommand()": (client, options) => client.rawCommand("version", options),
};

class Reason extends Error {}

for (const protocol of ["auto", "classic"] as const) {
  test(`Client rejects with the signal's reason, and sends nothing that was aborted in time (${protocol})`, async () => {
    await withPair({}, { protocol }, async ({ server, client, errors }) => {
      await warm(client);
      for (const [name, call] of Object.entries(CALLS)) {
        const reason = new Reason();
        const before = server.lines.length;
        // Aborted before the call, and in the turn of the call.
        const controller = new AbortController();
        const calls = [
          outcome(call(client, { signal: AbortSignal.abort(reason) })),
          outcome(call(client, { signal: controller.signal })),
          outcome(client.gets("other")),
        ];
        controller.abort(reason);
        const [aborted, late, other] = await Promise.all(calls);
        assert(Object.is(aborted.error, reason), name);
        assert(Object.is(late.error, reason), name);
        assertEquals(other.error, undefined, name);
        const sent = server.lines.slice(before).filter((line) =>
          !line.includes("other")
        );
        // A lone command may have left at once.
        assertLess(sent.length, 2, `${name}: ${sent}`);
      }
      assertEquals(errors, [], "An abort is no failure");
      assertEquals(server.peers.length, 1);
    });
  });

  test(`Client reads the replies of what was aborted in flight, and throws them away (${protocol})`, async () => {
    await withPair({}, { protocol }, async ({ server, client }) => {
      server.items.set("gone", { flags: "2", data: "5", cas: 1 });
      server.items.set("kept", { flags: "16", data: "mine", cas: 1 });
      await warm(client);
      for (const [name, call] of Object.entries(CALLS)) {
        let held = "";
        server.script = (command, peer) => {
          held += peer.reply(command);
          return undefined;
        };
        const controller = new AbortController();
        const { signal } = controller;
        const kept = client.gets("kept");
        const gone = outcome(call(client, { signal }));
        const last = client.getMany(["kept"]);
        await server.until(() =>
          server.last.commands.at(-1)?.line === "get kept"
        );
        const reason = new Reason();
        controller.abort(reason);
        assert(Object.is((await gone).error, reason), name);
        server.script = (command, peer) => peer.reply(command);
        server.last.send(held);
        assertEquals((await kept)?.value, "mine", name);
        assertEquals((await last).get("kept"), "mine", name);
      }
      assertEquals(server.peers.length, 1);
    });
  });
}

test("Client rejects at once what is aborted while connecting", async () => {
  let open: (() => void) | undefined;
  const gate = new Promise<void>((resolve) => open = resolve);
  const traffic = watched();
  await withPair({}, {
    dial: async (address, options) => {
      await gate;
      return traffic.dial(address, options);
    },
  }, async ({ server, client }) => {
    const controller = new AbortController();
    const calls = Object.values(CALLS).map((call) =>
      outcome(() => call(client, { signal: controller.signal }))
    );
    const kept = client.get("kept");
    await turn();
    controller.abort("enough");
    for (const { error, ms } of await Promise.all(calls)) {
      assertEquals(String(error), "enough");
      assertLess(ms, 200);
    }
    open?.();
    assertEquals(await kept, undefined);
    assertEquals(server.lines, ["get kept"]);
  });
});

test("Client takes an abort with AbortSignal.timeout(), and any reason", async () => {
  await withPair(
    { command: () => undefined },
    { timeout: 1000 },
    async ({ client }) => {
      const { error } = await within(
        80,
        () => client.get("a", { signal: AbortSignal.timeout(30) }),
      );
      assertEquals(error?.name, "TimeoutError");
      for (const reason of [undefined, null, 0, "", "text", { code: 1 }]) {
        const controller = new AbortController();
        const call = outcome(client.get("a", { signal: controller.signal }));
        controller.abort(reason);
        const rejected = await call;
        // Without a reason the signal makes one of its own.
        assert(
          Object.is(
            rejected.error ?? undefined,
            controller.signal.reason ?? undefined,
          ),
        );
      }
    },
  );
});

test("Client listens to a signal only for as long as the call lasts", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await warm(client);
    const { signal } = new AbortController();
    let listening = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      // A runtime warns where one signal has many listeners.
      assertEquals(++listening, 1);
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listening--;
      remove(...args);
    };
    await Promise.all(
      Object.values(CALLS).map((call) => outcome(call(client, { signal }))),
    );
    assertEquals(listening, 0, "after many calls");
    for (const [name, call] of Object.entries(CALLS)) {
      await outcome(call(client, { signal }));
      assertEquals(listening, 0, name);
      server.script = () => undefined;
      await outcome(call(client, { signal, timeout: 5 }));
      assertEquals(listening, 0, `${name} that timed out`);
      server.script = (command, peer) => peer.reply(command);
      await client.disconnect();
    }
    const lost = outcomes(
      Object.values(CALLS).map((call) => call(client, { signal })),
    );
    await client.disconnect();
    await lost;
    assertEquals(listening, 0, "after a lost connection");
  });
});

test("Client uses one signal for many calls", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await warm(client);
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from(
      { length: 500 },
      (_, i) => client.get(`k${i}`, { signal }),
    );
    assertEquals(new Set(await Promise.all(calls)).size, 1);
    server.script = () => undefined;
    const lost = Array.from(
      { length: 500 },
      (_, i) => client.get(`k${i}`, { signal }),
    );
    const ends = outcomes(lost);
    controller.abort("enough");
    for (const { error } of await ends) assertEquals(String(error), "enough");
  });
});

test("Client ignores an abort after the end of the call", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    const controller = new AbortController();
    const { signal } = controller;
    assertEquals(await client.set("a", "v", { signal }), true);
    controller.abort("late");
    assertEquals(await client.get("a"), "v");
    assertEquals(server.peers.length, 1);
  });
});
