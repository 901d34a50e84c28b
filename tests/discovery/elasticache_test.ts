import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Client,
  type Discovery,
  ElastiCacheDiscovery,
  type ElastiCacheOptions,
  MemcacheConnectionError,
  MemcacheError,
  MemcacheIllegalInputError,
  MemcacheTimeoutError,
  MemcacheUnknownError,
  type ServerSpec,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { CA, SERVER_CERT, SERVER_KEY } from "../_certs.ts";
import { test } from "../_runtime.ts";
import { withServer } from "../_scripted.ts";

/** A test whose waits keep no process alive. */
function held(name: string, run: () => Promise<void>): void {
  test(name, async () => {
    const timer = setInterval(() => {}, 1000);
    try {
      await run();
    } finally {
      clearInterval(timer);
    }
  });
}

/** Look-ups follow one another as fast as may be. */
const FAST = { interval: 1 };

/** A reply as a cluster gives it. */
function config(version: number, ...hosts: string[]): string {
  const list = hosts.map((host) => `${host}||11211`).join(" ");
  const payload = `${version}\n${list}\n`;
  return `CONFIG cluster 0 ${payload.length}\r\n${payload}\r\nEND\r\n`;
}

function servers(...hosts: string[]): ServerSpec[] {
  return hosts.map((host) => ({ host, port: 11211 }));
}

/** Waits for one list. */
async function next(
  iterator: AsyncIterator<readonly ServerSpec[]>,
): Promise<readonly ServerSpec[]> {
  const { done, value } = await iterator.next();
  assert(!done);
  return value;
}

function iterate(discovery: Discovery): AsyncIterator<readonly ServerSpec[]> {
  return discovery[Symbol.asyncIterator]();
}

held("ElastiCacheDiscovery tells the servers of a cluster", async () => {
  const server = await MemcachedServer.start({
    cluster: [
      { host: "a.cache.example", ip: "10.0.0.1", port: 11211 },
      { host: "b.cache.example", port: 11212 },
    ],
  });
  const errors: MemcacheError[] = [];
  const iterator = iterate(
    new ElastiCacheDiscovery(server.address, {
      ...FAST,
      onError: (error) => void errors.push(error),
    }),
  );
  try {
    const list = await next(iterator);
    assertEquals(list, [
      { host: "a.cache.example", port: 11211 },
      { host: "b.cache.example", port: 11212 },
    ]);
    assert(Object.isFrozen(list) && Object.isFrozen(list[0]));
    const changed = next(iterator);
    // It goes on asking, and tells nothing as long as nothing changes.
    for (let i = 0; i < 5; i++) await server.nextRequest("config");
    server.cluster = [{ host: "c", port: 11211 }];
    assertEquals(await changed, servers("c"));
    assertEquals(errors, []);
  } finally {
    await iterator.return?.();
    await server.close();
  }
});

held("ElastiCacheDiscovery keeps on over outages of the endpoint", async () => {
  const server = await MemcachedServer.start({
    cluster: [{ host: "a", port: 11211 }],
  });
  let seen = (_error: MemcacheError): void => {};
  const iterator = iterate(
    new ElastiCacheDiscovery(server.address, {
      ...FAST,
      onError: (error) => seen(error),
    }),
  );
  try {
    assertEquals(await next(iterator), servers("a"));
    await server.stop();
    const failed = new Promise<MemcacheError>((resolve) => seen = resolve);
    const changed = next(iterator);
    const error = await failed;
    assert(error instanceof MemcacheConnectionError, String(error));
    assertEquals(error.server, server.address);
    server.cluster = [{ host: "b", port: 11211 }];
    await server.resume();
    assertEquals(await changed, servers("b"));
  } finally {
    await iterator.return?.();
    await server.close();
  }
});

held(
  "ElastiCacheDiscovery has a connection for each look-up only",
  async () => {
    const server = await MemcachedServer.start({
      cluster: [{ host: "a", port: 11211 }],
    });
    const iterator = iterate(new ElastiCacheDiscovery(server.address, FAST));
    await next(iterator);
    const waiting = iterator.next();
    const numbers = new Set<number>();
    for (let i = 0; i < 3; i++) {
      numbers.add((await server.nextRequest("config")).connection);
    }
    assertEquals(numbers.size, 3);
    await iterator.return?.();
    assertEquals(await waiting, { done: true, value: undefined });
    await server.close();
  },
);

held("ElastiCacheDiscovery knows the item of old engines", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  const errors: MemcacheError[] = [];
  const iterator = iterate(
    new ElastiCacheDiscovery(server.address, {
      ...FAST,
      onError: (error) => void errors.push(error),
    }),
  );
  try {
    await client.set("AmazonElastiCache:cluster", "7\na|10.0.0.1|11211\n");
    assertEquals(await next(iterator), servers("a"));
    const changed = next(iterator);
    await server.nextRequest("config");
    await client.set("AmazonElastiCache:cluster", "8\nb|10.0.0.1|11211\n");
    assertEquals(await changed, servers("b"));
    assertEquals(errors, []);
  } finally {
    await iterator.return?.();
    await client.close();
    await server.close();
  }
});

held(
  "ElastiCacheDiscovery believes an older version when it stays",
  async () => {
    // A server that has not learnt of the change, and a cluster made anew.
    const replies = [
      ...[config(5, "a"), config(6, "b"), config(5, "a"), config(5, "a")],
      ...[config(6, "b"), config(5, "a"), config(4, "x"), config(5, "a")],
      ...[config(7, "c"), config(1, "d"), config(1, "d"), config(1, "d")],
      ...[config(2, "e")],
    ];
    let asked = 0;
    await withServer({
      command: (command, peer) => {
        if (command.name !== "config") return peer.reply(command);
        return replies[Math.min(asked++, replies.length - 1)];
      },
    }, async (server) => {
      const iterator = iterate(new ElastiCacheDiscovery(server.address, FAST));
      const lists: [ServerSpec[], number][] = [];
      for (let i = 0; i < 5; i++) {
        lists.push([[...await next(iterator)], asked]);
      }
      assertEquals(lists, [
        [servers("a"), 1],
        [servers("b"), 2],
        [servers("c"), 9],
        [servers("d"), 12],
        [servers("e"), 13],
      ]);
      await iterator.return?.();
    });
  },
);

/** What is no list of servers, and what becomes of it. */
const HOSTILE: ReadonlyArray<
  [reply: string, expected: new () => MemcacheError]
> = [
  ["CONFIG cluster 0 4\r\n1\n\r\n\r\nEND\r\n", MemcacheUnknownError],
  ["CONFIG cluster 0 99\r\n1\na||1\n\r\nEND\r\n", MemcacheUnknownError],
  ["CONFIG cluster 0 8\r\n1\nab||x\n\r\nEND\r\n", MemcacheUnknownError],
  ["VALUE cluster 0 8\r\n1\na||1\n\r\nEND\r\n", MemcacheUnknownError],
  ["END\r\n", MemcacheUnknownError],
  ["STORED\r\n", MemcacheTimeoutError],
  ["CONFIG cluster 0 7\r\n1\na||1\n", MemcacheTimeoutError],
  ["SERVER_ERROR out of order\r\n", MemcacheError],
  [`CONFIG cluster 0 300000\r\n${"x".repeat(300_000)}`, MemcacheUnknownError],
];

held(
  "ElastiCacheDiscovery refuses hostile replies, and keeps its list",
  async () => {
    for (const [hostile, expected] of HOSTILE) {
      const replies = [config(1, "a"), hostile, config(2, "b")];
      let asked = 0;
      await withServer({
        command: (command, peer) => {
          if (command.name !== "config") return peer.reply(command);
          return replies[Math.min(asked++, replies.length - 1)];
        },
      }, async (server) => {
        const errors: MemcacheError[] = [];
        const iterator = iterate(
          new ElastiCacheDiscovery(server.address, {
            ...FAST,
            timeout: 400,
            onError: (error) => void errors.push(error),
          }),
        );
        assertEquals(await next(iterator), servers("a"));
        assertEquals(await next(iterator), servers("b"));
        const about = `${hostile.slice(0, 40)}: ${errors}`;
        assertEquals(errors.length, 1, about);
        assert(errors[0] instanceof expected, about);
        assertEquals(errors[0].server, server.address, about);
        await iterator.return?.();
      });
    }
  },
);

held(
  "ElastiCacheDiscovery says what is no configuration endpoint",
  async () => {
    const server = await MemcachedServer.start();
    const controller = new AbortController();
    const errors: MemcacheError[] = [];
    const discovery = new ElastiCacheDiscovery(server.address, {
      signal: controller.signal,
      onError: (error) => {
        errors.push(error);
        controller.abort();
      },
    });
    for await (const list of discovery) assertEquals(list, []);
    assertEquals(
      errors.map(({ message }) => message),
      [
        "Cannot read the list of servers: the server is no configuration endpoint",
      ],
    );
    await server.close();
  },
);

held("ElastiCacheDiscovery ends in the middle of a look-up", async () => {
  const server = await MemcachedServer.start({ cluster: [] });
  server.fault({ kind: "swallow" });
  const errors: MemcacheError[] = [];
  const iterator = iterate(
    new ElastiCacheDiscovery(server.address, {
      timeout: 0,
      onError: (error) => void errors.push(error),
    }),
  );
  const waiting = iterator.next();
  await server.nextRequest();
  await iterator.return?.();
  assertEquals(await waiting, { done: true, value: undefined });
  assertEquals(errors, []);
  await server.close();
});

held("ElastiCacheDiscovery asks by TLS", async () => {
  const server = await MemcachedServer.start({
    cluster: [{ host: "a", port: 11211 }],
    tls: { cert: SERVER_CERT, key: SERVER_KEY },
  });
  const iterator = iterate(
    new ElastiCacheDiscovery({ host: "localhost", port: server.port }, {
      tls: { caCerts: [CA] },
    }),
  );
  assertEquals(await next(iterator), servers("a"));
  await iterator.return?.();
  await server.close();
});

test("ElastiCacheDiscovery refuses options that are none", () => {
  const bad: ElastiCacheOptions[] = [
    { interval: 0 },
    { timeout: -1 },
    { connectTimeout: NaN },
    { auth: { username: "", password: "x" } },
    // No type would let these through.
    { onError: 1 } as unknown as ElastiCacheOptions,
    { signal: {} } as unknown as ElastiCacheOptions,
    { dial: 1 } as unknown as ElastiCacheOptions,
    null as unknown as ElastiCacheOptions,
  ];
  for (const options of bad) {
    assertThrows(
      () => new ElastiCacheDiscovery("cache", options),
      MemcacheIllegalInputError,
    );
  }
  assertThrows(
    () => new ElastiCacheDiscovery("a b"),
    MemcacheIllegalInputError,
  );
});
