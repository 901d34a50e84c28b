import {
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
} from "@std/assert";
import {
  MemcacheConnectionError,
  MemcacheError,
  MemcacheNoServersError,
  MemcacheServerError,
  MemcacheUnexpectedCloseError,
} from "../../src/errors.ts";
import type { Hasher } from "../../src/ring/hasher.ts";
import { test } from "../_runtime.ts";
import { World } from "./_world.ts";
import { failure, SERVERS } from "./_ring.ts";

/** Lets events be told. */
async function told({ events }: World): Promise<string[]> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  return events.splice(0);
}

/** Gives every key to one server, whether it is there or not. */
class FixedHash implements Hasher {
  node: string | undefined;

  constructor(node: string | undefined) {
    this.node = node;
  }

  addNode(): void {}

  removeNode(): void {}

  getNode(): string | undefined {
    return this.node;
  }
}

test("RingExecutor sends each key to the server of the ring", async () => {
  const world = new World(SERVERS);
  for (const server of SERVERS) {
    const key = world.keyOf(server);
    assertEquals(await world.client.set(key, server), true);
    assertEquals(world.takeContacted(), [server]);
    assertEquals(await world.client.get(key), server);
    assertEquals(await world.client.get([key, key]), server);
    assertEquals(await world.client.get([`${key}0`, "other"]), undefined);
    world.takeContacted();
  }
});

test("RingExecutor routes by the routing key, everywhere", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const [home, away] = [world.keyOf(SERVERS[0]), world.keyOf(SERVERS[1])];
  const key = [home, away] as const;
  const calls: Array<() => Promise<unknown>> = [
    () => client.set(key, 1),
    () => client.get(key),
    () => client.getItem(key),
    () => client.gets(key),
    () => client.gat(key, 0),
    () => client.gats(key, 0),
    () => client.has(key),
    () => client.getMany([key]),
    () => client.getsMany([key]),
    () => client.add(key, 1),
    () => client.replace(key, 1),
    () => client.cas(key, 1, 1),
    () => client.incr(key),
    () => client.decr(key),
    () => client.incr(key, 1, { initial: 5 }),
    () => client.touch(key, 1),
    () => client.append(key, 1),
    () => client.prepend(key, 1),
    () => client.setMany([[key, 1]]),
    () => client.delete(key),
    () => client.deleteMany([key]),
  ];
  for (const [i, call] of calls.entries()) {
    await call();
    const contacted = [...new Set(world.takeContacted())];
    assertEquals(contacted, [SERVERS[0]], `${i}`);
  }
  assertEquals(world.lane(SERVERS[1]).connects, 0);
});

test("RingExecutor fails fast while a server is failing", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const [one, two] = [world.keyOf(SERVERS[0]), world.keyOf(SERVERS[1])];
  await client.set(one, 1);
  world.down.add(SERVERS[0]);
  world.takeContacted();
  assertInstanceOf(await failure(client.get(one)), MemcacheConnectionError);
  assertEquals(world.takeContacted(), [SERVERS[0]]);
  world.time = 400;
  const error = await failure(client.get(one));
  assertInstanceOf(error, MemcacheConnectionError);
  assertEquals(
    error.message,
    `Cannot send get: ${SERVERS[0]} is failing, it is tried again in 600 ms: ` +
      "Connection refused",
  );
  assertEquals([error.server, error.command, error.key, error.sent], [
    SERVERS[0],
    "get",
    one,
    false,
  ]);
  assertInstanceOf(error.cause, MemcacheConnectionError);
  assertEquals(world.takeContacted(), []);
  // Others are not concerned.
  assertEquals(await client.get(two), undefined);
  assertEquals(world.takeContacted(), [SERVERS[1]]);
  world.down.clear();
  world.time = 1000;
  assertEquals(await client.get(one), 1);
  assertEquals(world.state(SERVERS[0]), "up");
  assertEquals(await told(world), [
    `connectionopened ${SERVERS[0]}`,
    `serverfailing ${SERVERS[0]}`,
    `connectionopened ${SERVERS[1]}`,
    `connectionopened ${SERVERS[0]}`,
    `serverback ${SERVERS[0]}`,
  ]);
});

test("RingExecutor moves the keys of a dead server, and back", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const key = world.keyOf(SERVERS[0]);
  const [, next] = world.executor.order(key);
  await client.set(key, "first");
  world.down.add(SERVERS[0]);
  for (const time of [0, 1000, 2000]) {
    world.time = time;
    await failure(client.get(key));
  }
  assertEquals(world.state(SERVERS[0]), "dead");
  world.takeContacted();
  assertEquals(await client.set(key, "second"), true);
  assertEquals(world.takeContacted(), [next]);
  world.time = 61_999;
  assertEquals(await client.get(key), "second");
  world.down.clear();
  world.time = 62_000;
  assertEquals(await client.get(key), "first");
  assertEquals(await told(world), [
    `connectionopened ${SERVERS[0]}`,
    `serverfailing ${SERVERS[0]}`,
    `serverdead ${SERVERS[0]}`,
    `connectionopened ${next}`,
    `serverback ${SERVERS[0]}`,
    `connectionopened ${SERVERS[0]}`,
  ]);
});

test("RingExecutor puts one that comes back in vain on trial again", async () => {
  const world = new World(SERVERS, { retryAttempts: 1 });
  const key = world.keyOf(SERVERS[0]);
  world.down.add(SERVERS[0]);
  for (const time of [0, 1000]) {
    world.time = time;
    await failure(world.client.get(key));
  }
  assertEquals(world.state(SERVERS[0]), "dead");
  world.time = 61_000;
  await failure(world.client.get(key));
  assertEquals(world.state(SERVERS[0]), "failing");
  world.time = 62_000;
  await failure(world.client.get(key));
  assertEquals(world.state(SERVERS[0]), "dead");
});

test("RingExecutor lets few wait for a server that hangs on trial", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const key = world.keyOf(SERVERS[0]);
  world.down.add(SERVERS[0]);
  await failure(client.get(key));
  world.down.clear();
  const lane = world.lane(SERVERS[0]);
  lane.holds = true;
  world.time = 1000;
  const first = client.get(key);
  world.time = 1100;
  const second = client.get(key);
  world.time = 1101;
  const third = await failure(client.get(key));
  assertStringIncludes(third.message, "it is being tried again");
  // Two commands, and the probe.
  assertEquals(lane.waiting.length, 3);
  assertEquals(world.state(SERVERS[0]), "failing");
  lane.release();
  assertEquals(await Promise.all([first, second]), [undefined, undefined]);
  assertEquals(world.state(SERVERS[0]), "up");
  assertEquals(await client.get(key), undefined);
});

test("RingExecutor learns from a trial whose command is given up", async () => {
  const world = new World(SERVERS);
  const key = world.keyOf(SERVERS[0]);
  world.down.add(SERVERS[0]);
  await failure(world.client.get(key));
  world.down.clear();
  const lane = world.lane(SERVERS[0]);
  lane.holds = true;
  world.time = 1000;
  const controller = new AbortController();
  const call = world.client.get(key, { signal: controller.signal });
  controller.abort(new Error("enough"));
  const error: unknown = await call.catch((error) => error);
  assertStringIncludes(String(error), "enough");
  assertEquals(world.state(SERVERS[0]), "failing");
  lane.release();
  assertEquals(world.state(SERVERS[0]), "up");
});

test("RingExecutor takes a trial that disconnect() ended for none", async () => {
  const world = new World(SERVERS);
  const key = world.keyOf(SERVERS[0]);
  world.down.add(SERVERS[0]);
  await failure(world.client.get(key));
  world.down.clear();
  world.lane(SERVERS[0]).holds = true;
  world.time = 1000;
  const call = failure(world.client.get(key));
  await world.client.disconnect();
  assertInstanceOf(await call, MemcacheUnexpectedCloseError);
  const [member] = world.executor.members;
  assertEquals([member.health.state, member.health.attempts], ["failing", 0]);
  world.lane(SERVERS[0]).holds = false;
  assertEquals(await world.client.get(key), undefined);
  assertEquals(world.state(SERVERS[0]), "up");
});

test("RingExecutor takes aborts and error replies for no failure", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const key = world.keyOf(SERVERS[0]);
  const lane = world.lane(SERVERS[0]);
  await client.set(key, "text");
  for (let i = 0; i < 5; i++) {
    lane.says = "SERVER_ERROR out of memory\r\n";
    assertInstanceOf(await failure(client.get(key)), MemcacheServerError);
    lane.says = undefined;
    const signal = AbortSignal.abort();
    await client.get(key, { signal }).catch(() => {});
  }
  assertEquals(world.state(SERVERS[0]), "up");
  assertEquals(await client.get(key), "text");
});

test("RingExecutor tries again at once after one loss", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const key = world.keyOf(SERVERS[0]);
  const lane = world.lane(SERVERS[0]);
  await client.set(key, 1);
  for (let i = 0; i < 3; i++) {
    world.time += 10;
    await client.set(key, i);
    lane.holds = true;
    const lost = failure(client.get(key));
    lane.lose();
    await lost;
    lane.holds = false;
    assertEquals(await client.get(key), i);
  }
  assertEquals(lane.connects, 4);
});

test("RingExecutor costs a dead server's keys only", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const keys = SERVERS.map((server) => world.keyOf(server));
  await client.setMany(keys.map((key) => [key, key] as const));
  world.down.add(SERVERS[1]);
  for (const call of ["getMany", "getsMany"] as const) {
    const error = await failure(client[call](keys));
    assertInstanceOf(error, MemcacheConnectionError);
    assertEquals(error.server, SERVERS[1]);
    assertEquals(error.failedKeys, [keys[1]]);
    assertEquals([...error.values?.keys() ?? []], [keys[0], keys[2]]);
  }
  const stored = await failure(
    client.setMany(keys.map((key) => [key, "new"] as const)),
  );
  assertInstanceOf(stored, MemcacheConnectionError);
  assertEquals([stored.server, stored.failedKeys], [SERVERS[1], [keys[1]]]);
  assertEquals(
    await client.getMany([keys[0], keys[2]]),
    new Map([[keys[0], "new"], [keys[2], "new"]]),
  );
  const deleted = await failure(client.deleteMany(keys));
  assertEquals(deleted.failedKeys, [keys[1]]);
  assertEquals((await client.getMany([keys[0], keys[2]])).size, 0);
});

test("RingExecutor goes on with many stores where one server fails", async () => {
  const world = new World(SERVERS);
  const { client, executor } = world;
  // More than two windows, those of the failing server among the first.
  const keys = Array.from({ length: 2500 }, (_, i) => `key${i}`);
  const lost = keys.filter((key) => executor.order(key)[0] === SERVERS[1]);
  world.down.add(SERVERS[1]);
  const error = await failure(
    client.setMany(keys.map((key) => [key, key] as const)),
  );
  assertEquals(error.failedKeys, lost);
  world.down.clear();
  world.time = 1000;
  assertEquals((await client.getMany(keys)).size, keys.length - lost.length);
});

test("RingExecutor names every server that failed", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const keys = SERVERS.map((server) => world.keyOf(server));
  await client.setMany(keys.map((key) => [key, key] as const));
  world.down.add(SERVERS[0]).add(SERVERS[2]);
  const error = await failure(client.getMany(keys));
  assertInstanceOf(error, MemcacheConnectionError);
  assertEquals(error.server, `${SERVERS[0]}, ${SERVERS[2]}`);
  assertEquals(error.errors?.map(({ server }) => server), [
    SERVERS[0],
    SERVERS[2],
  ]);
  assertEquals(error.failedKeys, [keys[0], keys[2]]);
  assertEquals(error.values, new Map([[keys[1], keys[1]]]));
  assertStringIncludes(error.message, "2 servers failed");
});

test("RingExecutor answers misses for a dead server, if errors are", async () => {
  const seen: MemcacheError[] = [];
  const world = new World(SERVERS, {}, {
    errorsAsMisses: true,
    onError: (error) => void seen.push(error),
  });
  const { client } = world;
  const keys = SERVERS.map((server) => world.keyOf(server));
  await client.setMany(keys.map((key) => [key, key] as const));
  world.down.add(SERVERS[1]);
  assertEquals(
    await client.getMany(keys),
    new Map([[keys[0], keys[0]], [keys[2], keys[2]]]),
  );
  assertEquals(await client.get(keys[1], { default: "none" }), "none");
  assertEquals(await client.has(keys[1]), false);
  assertEquals(seen.map(({ server }) => server), Array(3).fill(SERVERS[1]));
  assertInstanceOf(await failure(client.set(keys[1], 1)), MemcacheError);
});

test("RingExecutor without a server left says so", async () => {
  const world = new World(SERVERS, { retryAttempts: 0 });
  const { client } = world;
  for (const server of SERVERS) world.down.add(server);
  for (const server of SERVERS) await failure(client.get(world.keyOf(server)));
  world.takeContacted();
  world.time = 1000;
  const calls: Array<() => Promise<unknown>> = [
    () => client.get("k"),
    () => client.getMany(["k", "l"]),
    () => client.set("k", 1),
    () => client.setMany({ k: 1 }),
    () => client.delete("k"),
  ];
  for (const call of calls) {
    const error = await failure(call());
    assertInstanceOf(error, MemcacheNoServersError);
    assertEquals(error.sent, false);
    assertStringIncludes(error.message, "none of 3 can be used");
    assertStringIncludes(error.message, "59000 ms: Connection refused");
  }
  assertEquals(world.takeContacted(), []);
  const misses = new World(SERVERS, { retryAttempts: 0 }, {
    errorsAsMisses: true,
  });
  for (const server of SERVERS) misses.down.add(server);
  for (const server of SERVERS) await misses.client.get(misses.keyOf(server));
  assertEquals(await misses.client.get("k", { default: 1 }), 1);
  assertEquals((await misses.client.getMany(["k"])).size, 0);
});

test("RingExecutor says so where the hasher has no server for a key", async () => {
  const hasher = new FixedHash(undefined);
  const world = new World(SERVERS, { retryAttempts: 0 }, {}, undefined, hasher);
  const error = await failure(world.client.get("k"));
  assertInstanceOf(error, MemcacheNoServersError);
  assertEquals(
    error.message,
    "Cannot send get: no server, the hasher has none for the key among the " +
      "3 that can be used, of 3",
  );
  hasher.node = SERVERS[1];
  world.down.add(SERVERS[1]);
  await failure(world.client.get("k"));
  hasher.node = "10.0.0.9:11211";
  world.time = 1000;
  assertEquals(
    (await failure(world.client.get("k"))).message,
    "Cannot send get: no server, the hasher has none for the key among the " +
      `2 that can be used, of 3; the first to be tried is ${
        SERVERS[1]
      }, it is tried again in ` +
      "59000 ms: Connection refused",
  );
});

test("RingExecutor of one server asks no hasher, and lets it die too", async () => {
  const world = new World([SERVERS[0]], { retryAttempts: 0 });
  assertEquals(world.executor.ways, undefined);
  assertEquals(await world.client.set("k", 1), true);
  world.down.add(SERVERS[0]);
  assertInstanceOf(
    await failure(world.client.get("k")),
    MemcacheConnectionError,
  );
  assertInstanceOf(
    await failure(world.client.get("k")),
    MemcacheNoServersError,
  );
  world.down.clear();
  world.time = 60_000;
  assertEquals(await world.client.get("k"), 1);
});

test("RingExecutor without any server says so", async () => {
  const world = new World([]);
  const error = await failure(world.client.get("k"));
  assertInstanceOf(error, MemcacheNoServersError);
  assertEquals(error.message, "Cannot send get: no server, there are none");
});

test("getMany() of many servers keeps the order of the call", async () => {
  const world = new World(SERVERS);
  const { client } = world;
  const keys = Array.from({ length: 300 }, (_, i) => `key${i}`);
  await client.setMany(
    keys.filter((_, i) => i % 3 !== 0).map((key) => [key, key] as const),
  );
  const [slow, down] = SERVERS;
  world.lane(slow).isLate = true;
  const stored = keys.filter((_, i) => i % 3 !== 0);
  assertEquals([...(await client.getMany(keys)).keys()], stored);
  const versions = await client.getsMany([...keys, ...keys]);
  assertEquals([...versions.keys()], stored);
  world.down.add(down);
  const isLost = (key: string) => world.executor.order(key)[0] === down;
  const error = await failure(client.getMany(keys));
  assertEquals(error.failedKeys, keys.filter(isLost));
  assertEquals(
    [...error.values?.keys() ?? []],
    stored.filter((key) => !isLost(key)),
  );
});
