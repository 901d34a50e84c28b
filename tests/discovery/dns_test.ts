import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Client,
  DnsDiscovery,
  type DnsOptions,
  MemcacheConnectionError,
  type MemcacheError,
  MemcacheIllegalInputError,
  MemcacheTimeoutError,
  type ServerSpec,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { FakeTime } from "../_fake_time.ts";
import { test } from "../_runtime.ts";

type Answer =
  | readonly string[]
  | Error
  | (() => Promise<readonly string[]>);

/** A name that has these addresses, one answer after another. */
function named(
  server: ServerSpec,
  answers: readonly Answer[],
  options: DnsOptions = {},
): {
  iterator: AsyncIterator<readonly ServerSpec[]>;
  asked: string[];
  errors: MemcacheError[];
} {
  const asked: string[] = [];
  const errors: MemcacheError[] = [];
  const left = [...answers];
  const discovery = new DnsDiscovery(server, {
    onError: (error) => void errors.push(error),
    lookup: (host) => {
      asked.push(host);
      const answer = left.length > 1 ? left.shift() : left[0];
      if (answer instanceof Error) throw answer;
      return typeof answer === "function"
        ? answer()
        : Promise.resolve(answer ?? []);
    },
    ...options,
  });
  return { iterator: discovery[Symbol.asyncIterator](), asked, errors };
}

/** Draws the same number each time. */
async function withRandom(
  share: number,
  run: () => Promise<void>,
): Promise<void> {
  const before = Math.random;
  Math.random = () => share;
  try {
    await run();
  } finally {
    Math.random = before;
  }
}

function servers(...hosts: string[]): ServerSpec[] {
  return hosts.map((host) => ({ host, port: 11211, weight: 1 }));
}

/** What a name comes to: the server, its addresses, and the list. */
const LISTS: ReadonlyArray<
  [ServerSpec, Answer, expected: unknown[], options?: DnsOptions]
> = [
  ["cache", ["10.0.0.2", "10.0.0.1", "10.0.0.2"], [
    ...servers("10.0.0.1", "10.0.0.2"),
  ]],
  [["cache", 11212], ["10.0.0.1"], [
    { host: "10.0.0.1", port: 11212, weight: 1 },
  ]],
  ["cache", ["2001:db8::2", "2001:db8::1"], [
    ...servers("2001:db8::1", "2001:db8::2"),
  ]],
  // One server may have both: it must not count twice.
  ["cache", ["2001:db8::1", "10.0.0.1"], servers("10.0.0.1")],
  ["cache", ["2001:db8::1", "10.0.0.1"], servers("10.0.0.1"), { family: 4 }],
  ["cache", ["2001:db8::1", "10.0.0.1"], servers("2001:db8::1"), { family: 6 }],
  [{ host: "cache", weight: 3, tls: false }, ["10.0.0.1"], [
    { host: "10.0.0.1", port: 11211, weight: 3, tls: false },
  ]],
  ["memcacheds://user:word@cache", ["10.0.0.1"], [{
    ...{ host: "10.0.0.1", port: 11211, weight: 1 },
    tls: { serverName: "cache" },
    auth: { username: "user", password: "word" },
  }]],
  [
    { host: "cache", tls: { serverName: "other", alpnProtocols: ["x"] } },
    ["10.0.0.1"],
    [{
      ...{ host: "10.0.0.1", port: 11211, weight: 1 },
      tls: { serverName: "other", alpnProtocols: ["x"] },
    }],
  ],
];

test("DnsDiscovery makes a server of each address", async () => {
  for (const [server, answer, expected, options] of LISTS) {
    const { iterator, asked, errors } = named(server, [answer], options);
    assertEquals<unknown>(await iterator.next(), {
      done: false,
      value: expected,
    });
    assertEquals([asked, errors], [["cache"], []]);
    await iterator.return?.();
  }
});

/** Answers that are none. */
const FAILURES: ReadonlyArray<[Answer, why: string, options?: DnsOptions]> = [
  [[], "no address"],
  [["10.0.0.1"], "no address of IPv6", { family: 6 }],
  [new Error("getaddrinfo ENOTFOUND cache"), "ENOTFOUND"],
  [() => Promise.reject(new Error("SERVFAIL")), "SERVFAIL"],
  [["10.0.0.1", "a b"], "no address"],
  [[""], "no address"],
  [[5 as unknown as string], "no address"],
  ["10.0.0.1" as unknown as string[], "no array"],
  [
    Array.from({ length: 1025 }, (_, i) => `10.0.${i >> 8}.${i & 255}`),
    "at most 1024",
  ],
];

test("DnsDiscovery reports what failed, and goes on", () =>
  FakeTime.with(async (time) => {
    for (const [answer, why, options] of FAILURES) {
      const good = options?.family === 6 ? "::1" : "10.0.0.9";
      const { iterator, errors } = named("cache", [answer, [good]], options);
      const next = iterator.next();
      await time.settle();
      const [error] = errors;
      assert(error instanceof MemcacheConnectionError, `${why}: ${error}`);
      assert(error.message.includes(why), `${error.message}, not ${why}`);
      assertEquals([error.server, error.sent], ["cache:11211", false]);
      await time.tick(500);
      assertEquals((await next).value, servers(good));
      assertEquals(errors.length, 1);
      await iterator.return?.();
    }
  }));

test("DnsDiscovery gives a look-up so much time and no more", () =>
  FakeTime.with(async (time) => {
    for (const timeout of [undefined, 70]) {
      const never = () => new Promise<never>(() => {});
      const { iterator, errors } = named("cache", [never, ["10.0.0.1"]], {
        timeout,
      });
      const next = iterator.next();
      await time.tick((timeout ?? 5000) - 1);
      assertEquals(errors, []);
      await time.tick(1);
      assert(errors[0] instanceof MemcacheTimeoutError, String(errors));
      await time.tick(500);
      assertEquals((await next).value, servers("10.0.0.1"));
      await iterator.return?.();
    }
  }));

test("DnsDiscovery gives a list only when it has changed", () =>
  FakeTime.with((time) =>
    withRandom(0.5, async () => {
      const { iterator, asked } = named("cache", [
        ...[["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"]],
        ...[["10.0.0.2", "10.0.0.1"], ["10.0.0.1"]],
      ]);
      assertEquals((await iterator.next()).value, [
        ...servers("10.0.0.1", "10.0.0.2"),
      ]);
      // Nobody waits: nothing is asked.
      await time.tick(45_000);
      assertEquals(asked.length, 1);
      const next = iterator.next();
      await time.tick(0);
      assertEquals(asked.length, 2);
      await time.tick(29_999);
      assertEquals(asked.length, 2);
      await time.tick(30_001);
      assertEquals((await next).value, servers("10.0.0.1"));
      assertEquals(asked.length, 4);
      await iterator.return?.();
    })
  ));

test("DnsDiscovery spreads its look-ups", () =>
  FakeTime.with(async (time) => {
    for (const [share, pause] of [[0, 750], [0.5, 1000], [1, 1250]]) {
      await withRandom(share, async () => {
        const { iterator, asked } = named("cache", [["10.0.0.1"]], {
          interval: 1000,
        });
        await iterator.next();
        const next = iterator.next();
        await time.settle();
        assertEquals(time.next, pause);
        await time.tick(pause * 3);
        assertEquals(asked.length, 4);
        await iterator.return?.();
        assertEquals(await next, { done: true, value: undefined });
      });
    }
  }));

test("DnsDiscovery tries again sooner at first, but never in a rush", () =>
  FakeTime.with(async (time) => {
    for (const [share, factor] of [[0, 0.5], [1, 1]]) {
      await withRandom(share, async () => {
        const down = new Error("down");
        const { iterator, errors } = named("cache", [
          ...[down, down, down, down, down, ["10.0.0.1"], down, ["10.0.0.2"]],
        ], { interval: 3000 });
        const first = iterator.next();
        await time.settle();
        for (const bound of [500, 1000, 2000, 3000, 3000]) {
          assertEquals(time.next, bound * factor);
          await time.tick(bound * factor);
        }
        assertEquals((await first).value, servers("10.0.0.1"));
        // A success is a new start.
        const second = iterator.next();
        await time.settle();
        await time.tick(time.next ?? 0);
        assertEquals(errors.length, 6);
        assertEquals(time.next, 500 * factor);
        await time.tick(500);
        assertEquals((await second).value, servers("10.0.0.2"));
        await iterator.return?.();
      });
    }
  }));

const DONE: IteratorResult<unknown> = { done: true, value: undefined };

test("Discovery ends at once, whatever it waits for", () =>
  FakeTime.with(async (time) => {
    for (const how of ["return", "signal"]) {
      const controller = new AbortController();
      const options = { signal: controller.signal };
      const end = (iterator: AsyncIterator<unknown>): void => {
        if (how === "return") void iterator.return?.();
        else controller.abort();
      };
      // Between two look-ups.
      const idle = named("cache", [["10.0.0.1"]], options);
      await idle.iterator.next();
      const waiting = [idle.iterator.next(), idle.iterator.next()];
      // In a look-up.
      const never = () => new Promise<never>(() => {});
      const busy = named("cache", [never], options);
      waiting.push(busy.iterator.next());
      // Before the first.
      const fresh = named("cache", [["10.0.0.1"]], options);
      await time.settle();
      assertEquals(time.timers, 2);
      for (const { iterator } of [idle, busy, fresh]) end(iterator);
      for (const next of waiting) assertEquals(await next, DONE);
      assertEquals(await fresh.iterator.next(), DONE);
      assertEquals(await idle.iterator.next(), DONE);
      assertEquals(fresh.asked, []);
      assertEquals([...idle.errors, ...busy.errors], []);
      assertEquals(time.timers, 0);
      const late = named("cache", [["10.0.0.1"]], {
        signal: AbortSignal.abort(),
      });
      assertEquals(await late.iterator.next(), DONE);
      assertEquals(late.asked, []);
    }
  }));

test("Discovery leaves no listener on the signal", async () => {
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
  const { iterator } = named("cache", [["10.0.0.1"]], { signal });
  assertEquals(listeners, 0);
  await iterator.next();
  assertEquals(listeners, 1);
  await iterator.return?.();
  assertEquals(listeners, 0);
});

test("Discovery takes no harm from its observer", () =>
  FakeTime.with(async (time) => {
    let seen = 0;
    const { iterator } = named("cache", [[], ["10.0.0.1"]], {
      onError: () => {
        seen++;
        throw new Error("onError itself");
      },
    });
    const next = iterator.next();
    await time.tick(500);
    assertEquals((await next).value, servers("10.0.0.1"));
    assertEquals(seen, 1);
    await iterator.return?.();
  }));

test("Discovery answers every next() in its turn", () =>
  FakeTime.with(async (time) => {
    const { iterator } = named("cache", [
      ...[["10.0.0.1"], ["10.0.0.2"], ["10.0.0.3"]],
    ], { interval: 10 });
    const calls = [iterator.next(), iterator.next(), iterator.next()];
    await time.tick(100);
    assertEquals(
      (await Promise.all(calls)).map(({ value }) => value),
      ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((host) => servers(host)),
    );
    await iterator.return?.();
  }));

test("DnsDiscovery begins anew with each iteration", async () => {
  const discovery = new DnsDiscovery("cache", {
    lookup: () => Promise.resolve(["10.0.0.1"]),
  });
  for (let i = 0; i < 2; i++) {
    for await (const list of discovery) {
      assertEquals(list, servers("10.0.0.1"));
      assert(Object.isFrozen(list) && Object.isFrozen(list[0]));
      break;
    }
  }
});

test("DnsDiscovery refuses options that are none", () => {
  const bad: Record<string, unknown[]> = {
    interval: [0, 0.5, -1, NaN, Infinity, 2 ** 31, "60", null],
    timeout: [0, NaN, "1", null, 2 ** 31],
    family: [0, 5, "4", null],
    lookup: [1, null, {}],
    onError: [1, null],
    signal: [1, null, {}],
  };
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      assertThrows(
        // No type would let these through.
        () => new DnsDiscovery("cache", { [name]: value } as DnsOptions),
        MemcacheIllegalInputError,
        `Cannot use option ${name}: `,
      );
    }
  }
  for (const server of ["/run/m.sock", "a b", "http://a", ""]) {
    assertThrows(() => new DnsDiscovery(server), MemcacheIllegalInputError);
  }
  assertThrows(
    () => new DnsDiscovery("cache", null as unknown as DnsOptions),
    MemcacheIllegalInputError,
  );
});

test("DnsDiscovery looks up by the system", async () => {
  const server = await MemcachedServer.start();
  const discovery = new DnsDiscovery(["localhost", server.port], { family: 4 });
  for await (const [first, ...others] of discovery) {
    assertEquals(others, []);
    const client = new Client(first);
    assertEquals(await client.set("key", 1), true);
    await client.close();
    break;
  }
  await server.close();
});
