/**
 * What `explain()` says, held against where commands go.
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  Client,
  type Explanation,
  FallbackClient,
  HashClient,
  KetamaHash,
  MemcacheIllegalInputError,
  MemcacheSerdeError,
  ModuloHash,
  RendezvousHash,
  StrictClient,
} from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";

const KEYS = Array.from({ length: 40 }, (_, i) => `key:${i}`);

/** What is said of the server that a key is on. */
const current = ({ server, servers }: Explanation) =>
  servers.find((one) => one.server === server);

test("explain() of a client of one server tells its health", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address, { keyPrefix: "app:" });
  const said = client.explain("user:1");
  assertEquals(said, {
    ...{ key: "user:1", routingKey: "user:1", wireKey: "app:user:1" },
    ...{ server: server.address, reason: "only" },
    text: `${server.address} is the only server`,
    servers: [{
      ...{ server: server.address, state: "up", retryIn: 0 },
      ...{ connections: 0, inFlight: 0 },
    }],
  });
  await client.get("user:1");
  assertEquals(current(client.explain("user:1"))?.connections, 1);
  await server.close();
  await assertRejects(() => client.get("user:1"));
  await assertRejects(() => client.get("user:1"));
  const { text, servers: [{ state, lastError }] } = client.explain("user:1");
  assertEquals(state, "failing");
  assert(lastError !== undefined && lastError.ago >= 0);
  assertMatch(lastError.code, /^ERR_/);
  assert(text.includes(lastError.message), text);
  assert(!/next attempt is due/.test(text), text);
  await client.close();
  const closed = client.explain("user:1");
  assertEquals([closed.server, closed.reason], [undefined, "none"]);
  assertMatch(closed.text, /^There is no server for this key: .*closed/);
});

test("explain() refuses what is no key", async () => {
  const client = new Client("localhost:1");
  for (const key of ["", "a b", "x".repeat(251), 7, undefined, ["a"]]) {
    assertThrows(
      () => client.explain(key as string),
      MemcacheIllegalInputError,
    );
  }
  await client.close();
});

for (
  const [name, make] of [
    ["the default", () => undefined],
    ["RendezvousHash", () => new RendezvousHash()],
    ["ModuloHash", () => new ModuloHash()],
    ["KetamaHash", () => new KetamaHash()],
  ] as const
) {
  test(`explain() tells where keys of a cluster go, and who has stood in (${name})`, async () => {
    const servers = await Promise.all(
      [1, 2, 3].map(() => MemcachedServer.start()),
    );
    const addresses = servers.map(({ address }) => address);
    const hasher = make();
    const client = new HashClient(addresses, {
      ...{ retryAttempts: 0, deadTimeout: 600_000 },
      ...(hasher === undefined ? {} : { hasher }),
    });
    const homes = new Map<string, string>();
    for (const key of KEYS) {
      const { reason, server, servers, text } = client.explain(key);
      assertEquals(reason, "first");
      assertEquals(server, client.serversFor(key)[0]);
      assertEquals(text, `${server} is the first of 3 servers for this key`);
      assertEquals(
        servers.map(({ server }) => server).sort(),
        [...addresses].sort(),
      );
      homes.set(key, server ?? "");
    }
    await servers[0].close();
    const lost = KEYS.find((key) => homes.get(key) === addresses[0]) ?? "";
    await assertRejects(() => client.get(lost));
    for (const key of KEYS) {
      const said = client.explain(key);
      // Asking changes nothing.
      assertEquals(client.explain(key).server, said.server);
      assertEquals(said.server, client.serversFor(key)[0]);
      await client.set(key, "1");
      if (homes.get(key) !== addresses[0]) {
        assertEquals([said.reason, said.server], ["first", homes.get(key)]);
        continue;
      }
      assertEquals(said.reason, "failover");
      const [home] = said.servers;
      assertEquals([home.server, home.state], [addresses[0], "dead"]);
      assert(home.retryIn > 590_000 && home.retryIn <= 660_000);
      assert(home.lastError !== undefined);
      assertMatch(
        said.text,
        / stands in for this key: .* is dead, it is tried again in \d+ ms/,
      );
    }
    await client.close();
    for (const server of servers) await server.close();
  });
}

test("explain() tells why a cluster has no server for a key", async () => {
  const empty = new HashClient([]);
  assertEquals(
    empty.explain("a").text,
    "There is no server for this key: the client has none",
  );
  await empty.close();

  const server = await MemcachedServer.start();
  await server.close();
  const client = new HashClient([server.address], { retryAttempts: 0 });
  await assertRejects(() => client.get("a"));
  const { reason, text } = client.explain("a");
  assertEquals(reason, "none");
  assert(
    text.startsWith(
      `There is no server for this key: ${server.address} is dead`,
    ),
    text,
  );
  await client.close();

  let fail: (reason: Error) => void = () => {};
  const lists = {
    async *[Symbol.asyncIterator](): AsyncGenerator<string[]> {
      yield await new Promise<string[]>((_, reject) => fail = reject);
    },
  };
  const waiting = new HashClient(lists, { timeout: 20 });
  assertMatch(
    waiting.explain("a").text,
    /the list of servers has not come yet$/,
  );
  await assertRejects(() => waiting.get("a"));
  fail(new Error("no such name"));
  await assertRejects(() => waiting.get("a"));
  assertMatch(waiting.explain("a").text, /no such name/);
  await waiting.close();
});

test("explain() goes by the routing key, also in a namespace", async () => {
  const servers = await Promise.all(
    [1, 2, 3].map(() => MemcachedServer.start()),
  );
  const client = new HashClient(servers.map(({ address }) => address));
  const users = client.namespace("users:");
  for (const route of KEYS) {
    const said = client.explain([route, "item"]);
    assertEquals([said.key, said.routingKey], ["item", route]);
    assertEquals(said.server, client.explain(route).server);
    const inside = users.explain([route, "item"]);
    assertEquals(inside.server, client.explain(`users:${route}`).server);
    assertEquals([inside.key, inside.routingKey], ["item", route]);
    assert(!("wireKey" in inside));
    // It is where the command goes.
    await users.set([route, route], "1");
    const at = servers.filter(({ requests }) =>
      requests.some(({ line }) =>
        line.startsWith("set ") && line.includes(`:${route} `)
      )
    );
    assertEquals(at.map(({ address }) => address), [inside.server]);
  }
  await client.close();
  for (const server of servers) await server.close();
});

test("explain() of clients around others is that of the first", async () => {
  const first = new Client("localhost:1");
  const both = new FallbackClient([first, new Client("localhost:2")]);
  const { text, ...rest } = first.explain("a");
  assertEquals(both.explain("a"), {
    ...rest,
    text:
      `${text}, of the first client; what it does not have is read from 1 more`,
  });
  assertEquals(new StrictClient(first).explain("a"), first.explain("a"));
  await both.close();
});

test("explain() tells of no failure that says nothing of the server", async () => {
  const server = await MemcachedServer.start();
  const client = new Client(server.address);
  await client.set("a", { id: 1 });
  const broken = {
    serialize: () => ({ data: "", flags: 0 }),
    deserialize: () => {
      throw new Error("unreadable");
    },
  };
  const other = new Client(server.address, { serde: broken });
  await assertRejects(() => other.get("a"), MemcacheSerdeError);
  await assertRejects(() => other.get("no key"), MemcacheIllegalInputError);
  const { servers: [{ lastError }], text } = other.explain("a");
  assertEquals(lastError, undefined);
  assertEquals(text, `${server.address} is the only server`);
  await other.close();
  await client.close();
  await server.close();
});
