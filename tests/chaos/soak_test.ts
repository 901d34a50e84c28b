/**
 * A short soak, with the same faults each time: `deno task soak` makes long
 * ones.
 */
import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import { needsMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import { NETWORK_FAULTS, PROCESS_FAULTS } from "./_faults.ts";
import { KINDS } from "./_kinds.ts";
import { linesOf, soak } from "./_soak.ts";

test("soak() finds nothing wrong in 10 s of faults", async () => {
  const report = await soak({ kind: KINDS.client, seconds: 10, seed: 1 });
  const told = linesOf(report).join("\n");
  assertEquals(report.wrong, [], told);
  const faults = { ...PROCESS_FAULTS, ...NETWORK_FAULTS };
  assertEquals(report.faults.size, Object.keys(faults).length);
  const { calls, judged, reconnects, descriptors } = report;
  assertGreater(calls.good, 300, told);
  assertGreater(judged, 300, told);
  assertGreater(reconnects, report.faults.size);
  assertEquals(calls.open, 0);
  // A connection may be on its way out.
  assertLessOrEqual(descriptors.after, descriptors.before + 4, told);
}, { ...needsMemcached, timeout: 60_000 });
