/**
 * Damaged replies against a whole client. `deno task fuzz` runs as many cases
 * as are wanted.
 */
import { assert, assertEquals, assertLess } from "@std/assert";
import { runtime, test } from "../_runtime.ts";
import { type Failure, fuzz, type Tally } from "./_fuzz.ts";
import { KINDS } from "./_mutate.ts";

const CASES = 20_000;

function assertFine(failures: readonly Failure[], seed: number): void {
  for (const { number, fault, report } of failures) {
    throw new Error(
      `deno task fuzz --seed=${seed} --case=${number}\n${fault}\n${report}`,
    );
  }
}

/** A fuzzer that only knows one sort of case proves little. */
function assertVaried(tally: Tally): void {
  assertEquals(tally.cases, CASES);
  for (const kind of KINDS) assertLess(CASES / 25, tally.kinds[kind], kind);
  assertLess(CASES * 0.8, tally.damaged);
  assertLess(CASES * 3, tally.exact);
  // What nobody can see is there, and rare.
  assert(tally.altered > 0 && tally.altered < CASES / 10, `${tally.altered}`);
  assertLess(CASES, tally.connections);
  for (
    const code of ["ERR_UNKNOWN_REPLY", "ERR_UNEXPECTED_CLOSE", "ERR_TIMEOUT"]
  ) assertLess(CASES / 50, tally.errors[code], code);
}

test(
  "Client gives nothing that damaged replies do not say, and settles every call",
  async () => {
    // Another seed on every runtime: there are as many more cases.
    const seed = ["deno", "node", "bun"].indexOf(runtime) + 1;
    const { tally, failures } = await fuzz({ seed, count: CASES });
    assertFine(failures, seed);
    assertVaried(tally);
  },
  { timeout: 120_000 },
);
