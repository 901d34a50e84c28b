/**
 * A ring whose servers change while it is in use.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { parseServer } from "../../src/conn/address.ts";
import { ModuloHash } from "../../src/ring/modulo.ts";
import { test } from "../_runtime.ts";
import { World } from "./_world.ts";
import { failure, SERVERS } from "./_ring.ts";

test("remove() drains: what is in flight comes to its end", async () => {
  const world = new World(SERVERS);
  const { client, executor } = world;
  const key = world.keyOf(SERVERS[0]);
  const [, next] = executor.order(key);
  const lane = world.lane(SERVERS[0]);
  await client.set(key, "old");
  lane.holds = true;
  const pending = client.get(key);
  let isRemoved = false;
  const removed = executor.remove(SERVERS[0]).then((known) => {
    isRemoved = true;
    return known;
  });
  world.takeContacted();
  // Whatever comes now goes elsewhere.
  assertEquals(await client.get(key), undefined);
  assertEquals(world.takeContacted(), [next]);
  assertEquals([isRemoved, lane.closed], [false, true]);
  lane.release();
  assertEquals(await pending, "old");
  assertEquals(await removed, true);
  assertEquals(await executor.remove(SERVERS[0]), false);
  assert(executor.members.every(({ name }) => name !== SERVERS[0]));
});

test("close() ends what drains, too", async () => {
  const world = new World(SERVERS);
  const key = world.keyOf(SERVERS[0]);
  world.lane(SERVERS[0]).holds = true;
  const pending = failure(world.client.get(key));
  const removed = world.executor.remove(SERVERS[0]);
  await world.client.close();
  await pending;
  assertEquals(await removed, true);
  assert([...world.lanes.values()].every(({ closed }) => closed));
});

test("add() moves about a share of the keys, and only to itself", async () => {
  const world = new World(SERVERS);
  const { executor } = world;
  const keys = Array.from({ length: 4000 }, (_, i) => `key${i}`);
  const before = keys.map((key) => executor.order(key)[0]);
  const added = "10.0.0.4:11211";
  executor.update([...SERVERS, added].map(address));
  const after = keys.map((key) => executor.order(key)[0]);
  const moved = after.filter((server, i) => server !== before[i]);
  assert(moved.length > 850 && moved.length < 1150, `${moved.length}`);
  assertEquals([...new Set(moved)], [added]);
  executor.update(SERVERS.map(address));
  assertEquals(keys.map((key) => executor.order(key)[0]), before);
  await world.client.close();
});

test("update() leaves servers that stay as they are", async () => {
  const world = new World(SERVERS);
  const lanes = new Map(world.lanes);
  world.down.add(SERVERS[0]);
  await failure(world.client.get(world.keyOf(SERVERS[0])));
  world.executor.update(SERVERS.slice(0, 2).map(address));
  assertEquals(world.state(SERVERS[0]), "failing");
  assertEquals(world.state(SERVERS[2]), undefined);
  assertEquals(lanes.get(SERVERS[2])?.closed, true);
  for (const name of SERVERS.slice(0, 2)) {
    assertEquals(world.lane(name), lanes.get(name));
    assertEquals(world.lane(name).closed, false);
  }
});

test("update() changes nothing where the hasher refuses a server", async () => {
  const hasher = new ModuloHash({ variant: "gomemcache" });
  const world = new World(SERVERS, { retryAttempts: 0 }, {}, undefined, hasher);
  const { executor, client } = world;
  const names = () => executor.members.map(({ name }) => name);
  const heavy = parseServer({ host: "10.0.0.9", weight: 2 });
  assertThrows(
    () => executor.update([address("10.0.0.8:11211"), heavy]),
    MemcacheIllegalInputError,
  );
  assertEquals(names(), SERVERS);
  const owner = executor.order("k")[0];
  const same = parseServer({ host: owner.replace(":11211", ""), weight: 2 });
  assertThrows(() => executor.add(same), MemcacheIllegalInputError);
  world.down.add(owner);
  await failure(client.get("k"));
  assertEquals(world.state(owner), "dead");
  assertThrows(() => executor.add(same), MemcacheIllegalInputError);
  assertEquals(executor.members.map(({ address }) => address.weight), [
    1,
    1,
    1,
  ]);
  world.down.clear();
  world.time = 100_000;
  assertEquals(await client.get("k"), undefined);
  assertEquals(world.state(owner), "up");
});

test("update() takes the last of the servers with one name", async () => {
  const world = new World([]);
  const [first, last] = ["ada:old", "ada:new"].map((who) =>
    parseServer(`memcached://${who}@10.0.0.1`)
  );
  world.executor.update([first, last]);
  assertEquals(world.executor.members.map(({ address }) => address), [last]);
  await world.client.close();
});

test("update() forgets a dead server that is gone", async () => {
  const world = new World(SERVERS, { retryAttempts: 0 });
  world.down.add(SERVERS[0]);
  await failure(world.client.get(world.keyOf(SERVERS[0])));
  assertEquals(world.state(SERVERS[0]), "dead");
  world.executor.update(SERVERS.slice(1).map(address));
  world.time = 100_000;
  world.down.clear();
  const servers = new Set(
    Array.from({ length: 100 }, (_, i) => world.executor.order(`k${i}`)[0]),
  );
  assertEquals([...servers].sort(), SERVERS.slice(1));
  // Who comes again comes with a clean slate.
  world.executor.update(SERVERS.map(address));
  assertEquals(world.state(SERVERS[0]), "up");
});

function address(name: string) {
  const [host, port] = name.split(":");
  const transport = "tcp" as const;
  return { transport, host, port: Number(port), name, weight: 1 };
}
