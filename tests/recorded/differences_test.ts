import { assert, assertEquals } from "@std/assert";
import { test } from "../_runtime.ts";
import { allCases } from "./_cases.ts";
import { DIFFERENCES, differencesOf, expectedOf } from "./_differences.ts";

/** How many cases each file has. */
const CASES: Readonly<Record<string, number>> = {
  wire_store: 187,
  wire_fetch: 173,
  wire_misc: 147,
  wire_options: 133,
  wire_suite_unit: 228,
  wire_suite_integration: 66,
  stats: 87,
  key_validity: 544,
  key_server: 102,
  addresses: 123,
};

test("every recorded case is the same, or matched by one difference", () => {
  const perFile: Record<string, { same: number; other: number }> = {};
  const perEntry = new Map(DIFFERENCES.map(({ name }) => [name, 0]));
  for (const recorded of allCases()) {
    const found = differencesOf(recorded).map(({ name }) => name);
    const where = `${recorded.file}, ${recorded.id}: ${found.join("; ")}`;
    assert(found.length < 2, where);
    const counts = perFile[recorded.file] ??= { same: 0, other: 0 };
    if (found.length === 0) counts.same++;
    else {
      counts.other++;
      perEntry.set(found[0], (perEntry.get(found[0]) ?? 0) + 1);
    }
  }
  for (const [file, { same, other }] of Object.entries(perFile)) {
    console.log(`${file}: ${same} the same, ${other} different on purpose`);
  }
  for (const { name, why } of DIFFERENCES) {
    console.log(`${String(perEntry.get(name)).padStart(5)}  ${name} (${why})`);
  }
  const totals = Object.fromEntries(
    Object.entries(perFile).map(([file, { same, other }]) => [
      file,
      same + other,
    ]),
  );
  assertEquals(totals, CASES);
  const unused = [...perEntry].filter(([, count]) => count === 0);
  assertEquals(unused, []);
});

test("a difference is one: what is expected is not what was recorded", () => {
  for (const recorded of allCases()) {
    const [difference] = differencesOf(recorded);
    if (difference === undefined) continue;
    const expected = expectedOf(recorded);
    const alike = recorded.steps.every((step, index) =>
      step.sent === expected[index]?.sent &&
      step.outcome === expected[index]?.outcome &&
      step.open === expected[index]?.open
    );
    assert(!alike, `${recorded.file}, ${recorded.id}: ${difference.name}`);
  }
});
