/**
 * The figures of an outage, held to their bars. They are printed by
 * `deno task figures outage`.
 */
import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import {
  Client,
  type Dial,
  HashClient,
  type KeyCommands,
  PooledClient,
} from "@x/memcache";
import { needsMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import {
  attempts,
  fleet,
  oneHashClient,
  quantile,
  restarts,
  silence,
  threeClients,
  timeouts,
} from "./_outage.ts";

const options = { ...needsMemcached, timeout: 30_000 };

test(
  "Client tells timeouts of a frozen server within 50 ms, and none early",
  async () => {
    const { late, early, calls } = await timeouts(2);
    assertEquals(calls, 40);
    assertLessOrEqual(late, 50);
    // Deno's clock and Node's timers may differ by part of a millisecond.
    assertLess(early, 1);
  },
  options,
);

test(
  "Client finds a restarted memcached within 250 ms, and loses no call to an idle connection",
  async () => {
    const { waits, lost, idle } = await restarts([
      0,
      60,
      120,
      200,
      300,
      450,
      600,
    ]);
    assertLess(quantile(waits, 0.5), 250, waits.join(" "));
    assertEquals([lost, idle], [0, 7]);
  },
  options,
);

/** Clients of one server, which count the attempts to reach it. */
const CLIENTS: Record<string, (server: string, dial: Dial) => KeyCommands> = {
  Client: (server, dial) => new Client(server, { dial }),
  PooledClient: (server, dial) => new PooledClient(server, { dial }),
  HashClient: (server, dial) => new HashClient([server], { dial }),
  "HashClient over pools": (server, dial) =>
    new HashClient([server], { dial, usePooling: true, retryTimeout: 20 }),
};

test(
  "No client tries a memcached that is down over 20 times in 2 s, nor twice a second then",
  async () => {
    await Promise.all(
      Object.entries(CLIENTS).map(async ([name, make]) => {
        const { first, perSecond, calls } = await attempts(make, 3);
        assertLessOrEqual(first, 20, name);
        assertGreater(first, 1, name);
        assertLessOrEqual(perSecond, 2, name);
        assertGreater(calls, 100, name);
      }),
    );
  },
  options,
);

test("Client does not come back in step with 49 others", async () => {
  const { spread, last } = await fleet(50, 700);
  assertGreaterOrEqual(spread, 100);
  assert(last < 1500, `The last one came after ${last} ms`);
}, options);

for (const [name, ways] of Object.entries({ threeClients, oneHashClient })) {
  test(
    `silence() of one server of three costs the others nothing (${name})`,
    async () => {
      const { p99, before, calls, failed } = await silence(ways, 2000);
      assertEquals(calls, 2000);
      assertGreater(failed, 0, "Nobody called the silent one");
      // What it takes at any time is the machine's.
      assertLessOrEqual(p99, 25 + before);
    },
    options,
  );
}
