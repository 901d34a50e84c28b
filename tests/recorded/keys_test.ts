import { assertEquals } from "@std/assert";
import { test } from "../_runtime.ts";
import {
  type Case,
  keyCases,
  keyServerCases,
  ONE_KEY,
  serverKeys,
} from "./_cases.ts";
import { expectedOf, mismatches } from "./_differences.ts";
import { Replay } from "./_replay.ts";

async function replayAll(cases: readonly Case[]): Promise<void> {
  await Replay.with((_step, left) => left, async (replay) => {
    const found: string[] = [];
    for (const recorded of cases) {
      const expected = expectedOf(recorded);
      const observed = await replay.run(recorded, expected);
      found.push(...mismatches(recorded, expected, observed));
    }
    assertEquals(found, []);
  });
}

test("Client takes the keys and prefixes that pymemcache takes", async () => {
  await replayAll(keyCases());
}, { timeout: 60_000 });

test(
  "Client sends the keys that memcached reads as one, and no others",
  async () => {
    await replayAll(keyServerCases());
  },
  { timeout: 60_000 },
);

test("memcached reads every key that Client sends as one, on any protocol", () => {
  const cases = keyServerCases();
  let sent = 0;
  for (const [index, recorded] of serverKeys().entries()) {
    const [, get] = expectedOf(cases[index]);
    if (get.sent === "") continue;
    sent++;
    for (const form of ["get", "set", "mg", "ms"] as const) {
      assertEquals(recorded[form].reply, ONE_KEY[form], recorded.key);
    }
  }
  assertEquals(sent, 38);
});
