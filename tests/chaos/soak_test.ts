/**
 * A short soak, with the same faults each time: `deno task soak` makes long
 * ones.
 */
import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { needsMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { NETWORK_FAULTS, PROCESS_FAULTS } from "./_faults.ts";
import { KINDS } from "./_kinds.ts";
import { linesOf, soak, type SoakReport } from "./_soak.ts";

/** What every soak has to come to. */
function check(report: SoakReport): void {
  const told = linesOf(report).join("\n");
  assertEquals(report.wrong, [], told);
  const faults = { ...PROCESS_FAULTS, ...NETWORK_FAULTS };
  assertEquals(report.faults.size, Object.keys(faults).length);
  const { calls, judged, reconnects } = report;
  assertGreater(calls.good, 300, told);
  assertGreater(judged, 300, told);
  assertGreater(reconnects, report.faults.size, told);
  assertEquals(calls.open, 0);
}

test("soak() finds nothing wrong in 10 s of faults", async () => {
  const report = await soak({ kind: KINDS.client, seconds: 10, seed: 1 });
  check(report);
  // A connection may be on its way out.
  const { before, after } = report.descriptors;
  assertLessOrEqual(after, before + 4, linesOf(report).join("\n"));
}, { ...needsMemcached, timeout: 60_000 });

for (const count of [1, 3]) {
  test(
    `soak() finds nothing wrong in any client of ${count} servers`,
    async () => {
      const kinds = Object.values(KINDS).filter((kind) =>
        kind !== KINDS.client && kind.servers === count
      );
      // As long as it takes until every fault has happened to every server.
      const reports = await Promise.all(
        kinds.map((kind, i) => soak({ kind, seconds: 1, seed: i + 2 })),
      );
      for (const report of reports) check(report);
    },
    { ...needsMemcached, timeout: 60_000 },
  );
}
