import { assertEquals } from "@std/assert";
import { Random } from "../wire/_random.ts";
import { test } from "../_runtime.ts";
import { type Case, statsCases, WIRE_FILES, wireCases } from "./_cases.ts";
import { expectedOf, mismatches } from "./_differences.ts";
import { type Cut, Replay } from "./_replay.ts";

/** Short pieces and long ones, the same in every run. */
function cutAtRandom(): Cut {
  const random = new Random(20250709);
  return (_step, left) => {
    const limit = random.oneIn(2) ? Math.min(left, 8) : left;
    return 1 + random.below(limit);
  };
}

/** How replies arrive. */
const DELIVERIES: Readonly<Record<string, () => Cut>> = {
  "whole": () => (_step, left) => left,
  "byte by byte": () => () => 1,
  "cut at random": cutAtRandom,
};

/** Replays cases, one after another. */
async function replayAll(cases: readonly Case[], cut: Cut): Promise<void> {
  await Replay.with(cut, async (replay) => {
    const found: string[] = [];
    for (const recorded of cases) {
      const expected = expectedOf(recorded);
      const observed = await replay.run(recorded, expected);
      found.push(...mismatches(recorded, expected, observed));
    }
    assertEquals(found, []);
  });
}

for (const [name, cut] of Object.entries(DELIVERIES)) {
  for (const file of WIRE_FILES) {
    test(`Client does as pymemcache in ${file}, replies ${name}`, async () => {
      await replayAll(wireCases(file), cut());
    }, { timeout: 60_000 });
  }

  test(`Client does as pymemcache in stats, replies ${name}`, async () => {
    await replayAll(statsCases(), cut());
  }, { timeout: 60_000 });
}

test(
  "Client does as pymemcache in its tests, replies cut as there",
  async () => {
    const cases = [
      ...wireCases("wire_suite_unit"),
      ...wireCases("wire_suite_integration"),
    ];
    await replayAll(cases, ({ pieces }, left, count) => pieces[count] ?? left);
  },
  { timeout: 60_000 },
);
