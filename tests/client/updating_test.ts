/**
 * `update()`: nobody's change is lost, and every call ends in time.
 */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  Client,
  type ClientOptions,
  dial,
  MemcacheCasError,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
  MemcacheServerError,
  MemcacheTimeoutError,
  RetryingClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test, type TestOptions } from "../_runtime.ts";
import { outcome, rejects } from "../conformance/stage.ts";

type Use = (
  open: (options?: ClientOptions) => Client,
  server: MemcachedServer | undefined,
) => Promise<void>;

/** Runs a test with clients of one server, and closes them. */
async function withClients(
  server: string,
  use: (open: (options?: ClientOptions) => Client) => Promise<void>,
): Promise<void> {
  const clients: Client[] = [];
  try {
    await use((options) => {
      const client = new Client(server, options);
      clients.push(client);
      return client;
    });
  } finally {
    for (const client of clients) await client.close();
  }
}

async function embedded(use: Use): Promise<void> {
  const server = await MemcachedServer.start();
  try {
    await withClients(server.address, (open) => use(open, server));
  } finally {
    await server.close();
  }
}

const SERVERS: Record<string, [run: (use: Use) => Promise<void>, TestOptions]> =
  {
    memcached: [
      (use) =>
        withMemcached(
          {},
          ({ server }) => withClients(server, (open) => use(open, undefined)),
        ),
      needsMemcached,
    ],
    "the embedded server": [embedded, {}],
  };

interface Tally {
  count: number;
  by: Record<string, number>;
}

/** Counts one by a client. */
const one = (name: string) => (tally: Tally | undefined): Tally => ({
  count: (tally?.count ?? 0) + 1,
  by: { ...tally?.by, [name]: (tally?.by[name] ?? 0) + 1 },
});

const CLIENTS = 8;
const EACH = 200;

for (const [title, [run, options]] of Object.entries(SERVERS)) {
  for (const protocol of ["auto", "classic"] as const) {
    test(
      `update() loses none of 8 clients' changes on ${title}, ${protocol}`,
      () =>
        run(async (open) => {
          const clients = Array.from(
            { length: CLIENTS },
            () => open({ protocol, timeout: 10_000 }),
          );
          const seen = await Promise.all(
            clients.flatMap((client, i) =>
              Array.from(
                { length: EACH },
                () => client.update("tally", one(`client ${i}`)),
              )
            ),
          );
          const expected: Tally = {
            count: CLIENTS * EACH,
            by: Object.fromEntries(
              clients.map((_, i) => [`client ${i}`, EACH]),
            ),
          };
          assertEquals(await clients[0].get("tally"), expected);
          // Each of them has stored a count that no other has.
          const counts = new Set(seen.map((tally) => tally?.count));
          assertEquals(counts.size, CLIENTS * EACH);
        }),
      { ...options, timeout: 60_000 },
    );
  }
}

test("update() stores with the lifetime that it is given", () =>
  embedded(async (open, server) => {
    const client = open();
    await client.set("k", 1, { ttl: 500 });
    const from = server?.requests.length;
    const add = (value: number | undefined) => (value ?? 0) + 1;
    await client.update("k", add, { ttl: 100 });
    await client.update("k", add);
    await client.update("new", add, { ttl: 50 });
    const stores = server?.requests.slice(from)
      .map(({ line }) => line.split(" "))
      .filter(([name]) => name === "cas" || name === "add");
    assertEquals(stores?.map(([name, , , ttl]) => [name, ttl]), [
      ["cas", "100"],
      ["cas", "0"],
      ["add", "50"],
    ]);
  }));

test("update() takes turns with those of its key on the same client", () =>
  embedded(async (open, server) => {
    const client = open();
    await client.set("k", 0);
    const from = server?.requests.length;
    await Promise.all(
      Array.from(
        { length: 20 },
        () => client.update<number>("k", (value) => (value ?? 0) + 1),
      ),
    );
    // Nobody has to begin again: two commands for each.
    assertEquals(server?.requests.slice(from).length, 40);
    assertEquals(await client.get("k"), 20);
  }));

test("update() waits for a function that hangs for its own time only", () =>
  embedded(async (open) => {
    const client = open();
    const begin = performance.now();
    await rejects(
      () => client.update("k", () => new Promise(() => {}), { timeout: 50 }),
      MemcacheTimeoutError,
      { key: "k", sent: true, code: "ERR_TIMEOUT" },
    );
    const took = performance.now() - begin;
    assert(took >= 49 && took < 1000, `${took} ms`);
    // Whoever waits behind one that hangs does so within its own time, too.
    const hanging = new AbortController();
    const hung = outcome(
      client.update("k", () => new Promise(() => {}), {
        signal: hanging.signal,
      }),
    );
    await rejects(
      () => client.update("k", () => 1, { timeout: 50 }),
      MemcacheTimeoutError,
    );
    const waiting = client.update("k", () => 2);
    hanging.abort(new Error("enough"));
    assertEquals(await waiting, 2);
    assertEquals(await hung.catch((error) => error.message), "enough");
  }));

test("update() lets another have its turn when a function takes a second", () =>
  embedded(async (open) => {
    const client = open();
    let finish!: () => void;
    const finished = new Promise<void>((resolve) => finish = resolve);
    let calls = 0;
    const slow = client.update<string>("k", async (value) => {
      if (++calls === 1) await finished;
      return `${value ?? "nothing"}, slow`;
    });
    assertEquals(await client.update("k", () => "quick"), "quick");
    finish();
    assertEquals(await slow, "quick, slow");
    assertEquals([calls, await client.get("k")], [2, "quick, slow"]);
  }));

test("update() ends with the signal, whatever it waits for", () =>
  embedded(async (open) => {
    const client = open();
    const reason = new Error("enough");
    const given = (call: Promise<unknown>) => call.catch((error) => error);
    let calls = 0;
    const count = () => ++calls;
    const signal = AbortSignal.abort(reason);
    assertStrictEquals(
      await given(client.update("k", count, { signal })),
      reason,
    );
    assertEquals(calls, 0);

    const inside = new AbortController();
    const call = given(
      client.update("k", () => {
        inside.abort(reason);
        return new Promise(() => {});
      }, { signal: inside.signal }),
    );
    assertStrictEquals(await call, reason);

    const delayed = new AbortController();
    let lost = 0;
    const losing = given(
      client.update("k", async () => {
        await client.set("k", ++lost);
        if (lost === 3) queueMicrotask(() => delayed.abort(reason));
        return "mine";
      }, { signal: delayed.signal, attempts: 1000 }),
    );
    assertStrictEquals(await losing, reason);
    assertEquals(await client.get("k"), lost);
  }));

test("update() is done in time or not at all, however often others win", () =>
  embedded(async (open) => {
    const client = open();
    let lost = 0;
    const begin = performance.now();
    await rejects(
      () =>
        client.update("k", async () => {
          await client.set("k", ++lost);
          return "mine";
        }, { timeout: 100, attempts: 1_000_000 }),
      MemcacheTimeoutError,
      { key: "k" },
    );
    const took = performance.now() - begin;
    assert(took >= 95 && took < 1500, `${took} ms`);
    assert(lost > 1, `${lost} attempts`);
    assertEquals(await client.get("k"), lost);
  }));

test("update() makes twenty attempts, and waits longer each time", () =>
  embedded(async (open) => {
    const client = open();
    let lost = 0;
    const random = Math.random;
    try {
      // The longest delay that there may be, made a thousand times shorter.
      Math.random = () => 0.001;
      await rejects(
        () =>
          client.update("k", async () => {
            await client.set("k", ++lost);
            return "mine";
          }),
        MemcacheCasError,
        { code: "ERR_CAS", command: "cas" },
      );
    } finally {
      Math.random = random;
    }
    assertEquals(lost, 20);
  }));

test("update() takes no failed read for a missing value", () =>
  embedded(async (open, server) => {
    const seen: MemcacheError[] = [];
    const client = open({
      errorsAsMisses: true,
      onError: (error) => {
        seen.push(error);
      },
    });
    await client.set("k", "no JSON", { flags: 32 });
    let calls = 0;
    const count = () => ++calls;
    await rejects(() => client.update("k", count), MemcacheSerdeError);
    assertEquals(seen.map(({ code }) => code), ["ERR_SERDE"]);
    server?.fault({ kind: "drop", match: "mg", times: 2 });
    await rejects(() => client.update("k", count), MemcacheError);
    const nowhere = open({
      errorsAsMisses: true,
      dial: () => Promise.reject(new Error("no way")),
    });
    await rejects(() => nowhere.update("k", count), MemcacheConnectionError);
    await client.close();
    await rejects(() => client.update("k", count), MemcacheError, {
      code: "ERR_CLIENT_CLOSED",
    });
    assertEquals(calls, 0);
  }));

test(
  "update() refuses to go on where nothing would guard it",
  () =>
    withMemcached({ args: ["-C"] }, async ({ server }) => {
      const client = new Client(server);
      await client.set("k", 5);
      const from = performance.now();
      await rejects(() => client.update("k", () => 6), MemcacheServerError, {
        key: "k",
      });
      assert(performance.now() - from < 500);
      assertEquals(await client.get("k"), 5);
      const item = await client.getItem("k");
      await rejects(
        async () => await item?.set(6),
        MemcacheIllegalInputError,
        { sent: false },
      );
      assertEquals(await client.get("k"), 5);
      await client.close();
    }),
  needsMemcached,
);

test("update() asks for replies, whatever is sent without by default", () =>
  embedded(async (open) => {
    const client = open({ defaultNoreply: true });
    assertEquals(await client.update("k", () => 1), 1);
    const second = await client.update<number>("n", async (value) => {
      if (value === undefined) await client.set("n", 5, { noreply: false });
      return (value ?? 0) + 1;
    });
    assertEquals([second, await client.get("n")], [6, 6]);
    await rejects(
      () =>
        client.update("k", async () => {
          await client.set("k", 5, { noreply: false });
          return 2;
        }, { attempts: 1 }),
      MemcacheCasError,
    );
    assertEquals(await client.get("k"), 5);
  }));

test("update() stores over the signs of getOrSet", () =>
  embedded(async (open) => {
    const client = open();
    const seen: unknown[] = [];
    const note = (value: unknown) => {
      seen.push(value);
      return "updated";
    };
    const loaded = await client.getOrSet("k", async () => {
      assertEquals(await client.update<unknown>("k", note), "updated");
      return "loaded";
    }, { ttl: 60 });
    assertEquals(loaded, "loaded");
    assertEquals(seen, [undefined]);
    assert(["updated", "loaded"].includes(await client.get("k") ?? ""));
  }));

test("RetryingClient attempts an update again only if nothing was sent", () =>
  embedded(async (open, server) => {
    let dials = 0;
    const inner = open({
      dial: (address, options) =>
        ++dials === 1
          ? Promise.reject(new Error("no way"))
          : dial(address, options),
    });
    const client = new RetryingClient(inner, { attempts: 3 });
    let calls = 0;
    const count = () => ++calls;
    assertEquals(await client.update("k", count), 1);
    assertEquals([dials, calls], [2, 1]);
    server?.fault({ kind: "drop", match: "cas", times: 1 });
    server?.fault({ kind: "drop", match: "set", times: 1 });
    const lost = await client.update("k", count).catch((error) => error);
    assertEquals([lost.code, lost.sent], ["ERR_UNEXPECTED_CLOSE", true]);
    assertEquals(calls, 2);
  }));
