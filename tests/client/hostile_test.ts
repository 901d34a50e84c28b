/** What callers do to the client, on purpose or not, and what it takes. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "@std/assert";
import {
  Client,
  type ClientOptions,
  type Conn,
  dial,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheServerError,
  MemcacheTimeoutError,
  rawSerde,
  type Serde,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";

async function withClient(
  options: ClientOptions,
  run: (client: Client, server: MemcachedServer) => Promise<void>,
): Promise<void> {
  for (const protocol of ["auto", "classic"] as const) {
    const server = await MemcachedServer.start();
    const client = new Client(server.address, { ...options, protocol });
    try {
      await client.version();
      await run(client, server);
    } finally {
      await client.close();
      await server.close();
    }
  }
}

const text = new TextDecoder();
const read = async (client: Client, key: string): Promise<string> =>
  text.decode(await client.get<Uint8Array>(key));

for (const size of [100, 30_000]) {
  test(`set() of ${size} bytes that are transferred away harms no one`, async () => {
    await withClient({ serde: rawSerde }, async (client) => {
      const bytes = new Uint8Array(size).fill(65);
      const before = client.set("before", "1");
      const lost = client.set("bytes", bytes).catch((error) => error);
      const after = client.set("after", "2");
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      assertEquals(await before, true);
      assertEquals(await after, true);
      const outcome = await lost;
      if (outcome === true) {
        assertEquals((await read(client, "bytes")).length, size);
      } else {
        assertInstanceOf(outcome, MemcacheIllegalInputError);
        assertEquals(outcome.sent, false);
      }
      assertEquals(await read(client, "after"), "2");
    });
  });
}

test("set() stores the bytes of the call, not those of later", async () => {
  await withClient({ serde: rawSerde }, async (client) => {
    const bytes = new Uint8Array([65, 66]);
    const stored = client.set("pre", "x").then(() => client.set("a", bytes));
    const direct = client.set("b", bytes);
    bytes[0] = 90;
    await Promise.all([stored, direct]);
    assertEquals(await read(client, "b"), "AB");
  });
});

test("set() sends no more than the bytes of a value that lies about its length", async () => {
  await withClient({ serde: rawSerde }, async (client) => {
    await client.set("secret", "S".repeat(200));
    const bytes = new Uint8Array(4).fill(65);
    Object.defineProperty(bytes, "length", { value: 40 });
    await client.set("a", bytes);
    assertEquals(await read(client, "a"), "AAAA");
  });
});

const never = new Promise<never>(() => {});
const STALLS: Record<string, Serde> = {
  deserialize: {
    serialize: (_key, value) => ({ data: String(value), flags: 0 }),
    deserialize: () => never,
  },
  serialize: {
    serialize: () => never,
    deserialize: () => 1,
  },
};

for (const [stall, serde] of Object.entries(STALLS)) {
  const call = (client: Client): Array<Promise<unknown>> =>
    stall === "serialize"
      ? [client.set("a", 1), client.setMany({ a: 1 })]
      : [client.get("a"), client.getMany(["a"]), client.gets("a")];

  test(`Client gives up a serde whose ${stall}() never answers`, async () => {
    await withClient({ serde, timeout: 60 }, async (client) => {
      await client.rawCommand(new TextEncoder().encode("set a 0 0 1\r\n1"));
      for (const outcome of await Promise.allSettled(call(client))) {
        assert(outcome.status === "rejected");
        assertInstanceOf(outcome.reason, MemcacheTimeoutError);
      }
    });
  });

  test(`close() ends the wait for a serde whose ${stall}() never answers`, async () => {
    await withClient({ serde, timeout: 0 }, async (client) => {
      await client.rawCommand(new TextEncoder().encode("set a 0 0 1\r\n1"));
      const calls = call(client).map((outcome) =>
        outcome.catch((error) => error)
      );
      await client.version();
      await client.close();
      for (const outcome of calls) {
        const error = await outcome;
        assertInstanceOf(error, MemcacheError);
        assertEquals(error.code, "ERR_CLIENT_CLOSED");
      }
    });
  });
}

test("incr() with initial gives up a server that neither counts nor creates", async () => {
  await withClient({ timeout: 0 }, async (client, server) => {
    const replies = { incr: "NOT_FOUND\r\n", add: "NOT_STORED\r\n" };
    for (const [match, bytes] of Object.entries(replies)) {
      server.fault({ kind: "garbage", place: "instead", bytes, match });
    }
    await assertRejects(
      () => client.incr("n", 1, { initial: 5 }),
      MemcacheServerError,
    );
    const counts = server.requests.filter(({ command }) => command === "incr");
    assert(counts.length < 20, `${counts.length} requests`);
  });
});

test("shutdown() that is refused holds up no other command", async () => {
  await withClient({ timeout: 0 }, async (client) => {
    await client.set("a", 1);
    const refused = client.shutdown().catch((error) => error.code);
    const values = [client.get("a"), client.get("a")];
    assertEquals(await Promise.all(values), [1, 1]);
    assertEquals(await refused, "ERR_UNKNOWN_COMMAND");
  });
});

test("a closed client refuses calls with no keys, too", async () => {
  await withClient({}, async (client) => {
    await client.close();
    for (
      const call of [
        client.getMany([]),
        client.getsMany([]),
        client.setMany([]),
        client.deleteMany([]),
      ]
    ) {
      const error = await call.then(() => undefined, (error) => error);
      assertEquals(error?.code, "ERR_CLIENT_CLOSED");
    }
  });
});

test("onError may be async, and may fail", async () => {
  // An unhandled rejection would end this test.
  const onError = (): Promise<never> => Promise.reject(new Error("mine"));
  await withClient({ onError }, async (client) => {
    await assertRejects(() => client.get("a b"), MemcacheIllegalInputError);
  });
});

test("Client takes a wrong signal, entry or lifetime for illegal input", async () => {
  await withClient({}, async (client) => {
    // What callers without types give.
    const loose = client as unknown as Record<
      string,
      (...args: unknown[]) => Promise<unknown>
    >;
    const calls: Array<() => Promise<unknown>> = [
      () => loose.get("a", { signal: {} }),
      () => loose.getMany(["a"], { signal: "now" }),
      () => loose.setMany(["ab"]),
      () => loose.setMany([null]),
      () => loose.touch("a"),
      () => loose.gat("a"),
    ];
    for (const call of calls) {
      await assertRejects(call, MemcacheIllegalInputError);
    }
    assertEquals(await loose.get("a", { signal: null }), undefined);
    assertEquals(await loose.get("a", null), undefined);
    assertEquals(await loose.set("a", 1, null), true);
  });
});

for (const method of ["start", "ref", "unref", "close"] as const) {
  test(`Client survives a transport whose ${method}() throws`, async () => {
    const server = await MemcachedServer.start();
    const opened: Conn[] = [];
    const client = new Client(server.address, {
      timeout: 300,
      dial: async (address, options) => {
        const conn = await dial(address, options);
        opened.push(conn);
        const broken: Conn = {
          start: (events) => conn.start(events),
          write: (bytes) => conn.write(bytes),
          ref: () => conn.ref(),
          unref: () => conn.unref(),
          close: () => conn.close(),
        };
        broken[method] = () => {
          throw new Error(`${method} is broken`);
        };
        return broken;
      },
    });
    const outcome = await client.set("a", 1).catch((error) => error);
    if (method === "start") assertInstanceOf(outcome, MemcacheConnectionError);
    else assertEquals(outcome, true);
    await client.close();
    for (const conn of opened) conn.close();
    await server.close();
  });
}
