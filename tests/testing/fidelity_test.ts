import { assertEquals } from "@std/assert";
import { MemcachedServer } from "@x/memcache/testing";
import { test } from "../_runtime.ts";
import { optionsOf, PAIRS, readCases, sendOf } from "./_pairs.ts";
import { RawClient } from "./_raw.ts";

// There are no exceptions: times, versions and what memcached itself did not
// answer in the same way each time are as they were recorded.
for (const [file, count] of Object.entries(PAIRS)) {
  test(`MemcachedServer answers ${file} byte for byte`, async () => {
    let pairs = 0;
    for (const recorded of readCases(file)) {
      const { id, steps } = recorded;
      let now = 1_700_000_000_500;
      const server = await MemcachedServer.start({
        ...optionsOf(recorded),
        now: () => now,
      });
      const client = await RawClient.connect(server);
      for (const step of steps) {
        if (step.wait_s !== undefined) {
          now += step.wait_s * 1000;
          continue;
        }
        client.write(sendOf(step));
        const length = step.closed ? Infinity : step.recv.length;
        assertEquals(await client.read(length), step.recv, id);
        if (!step.closed) assertEquals(client.ended, false, id);
        pairs++;
      }
      assertEquals(await client.rest(), "", `${id}: more than was expected`);
      await server.close();
    }
    assertEquals(pairs, count);
  }, { timeout: 60_000 });
}
