import { assertEquals } from "@std/assert";
import type { Client } from "@x/memcache";
import { test } from "../_runtime.ts";
import { call } from "./_calls.ts";
import { addressCases } from "./_cases.ts";
import { expectedOf } from "./_differences.ts";
import { settled } from "./_replay.ts";

test("parseServer() names servers as pymemcache does", async () => {
  for (const recorded of addressCases()) {
    const [expected] = expectedOf(recorded);
    // No client is needed for it.
    const outcome = await settled(() =>
      call(null as unknown as Client, expected)
    );
    assertEquals(outcome, expected.outcome, recorded.id);
  }
});
