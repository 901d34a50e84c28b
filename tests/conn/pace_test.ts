import { assertEquals, assertLessOrEqual } from "@std/assert";
import { readEnough } from "../../src/conn/pace.ts";
import { test } from "../_runtime.ts";

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => setImmediate(resolve));

test("readEnough() counts what all read in one turn, and starts anew in the next", async () => {
  // What other tests have left behind.
  if (readEnough(performance.now() - 10)) await nextTurn();
  for (let round = 0; round < 3; round++) {
    assertEquals(readEnough(performance.now() - 0.1), false);
    assertEquals(readEnough(performance.now() - 0.1), false);
    assertEquals(readEnough(performance.now() - 2), true);
    assertEquals(readEnough(performance.now()), true, "the same turn");
    await nextTurn();
  }
});

test("readEnough() asks for one turn at a time", () => {
  const { setImmediate } = globalThis;
  const due: Array<() => void> = [];
  Object.assign(globalThis, {
    setImmediate: (run: () => void) => due.push(run),
  });
  try {
    for (let i = 0; i < 10; i++) readEnough(performance.now() - 5);
    assertLessOrEqual(due.length, 1);
    for (const run of due) run();
  } finally {
    Object.assign(globalThis, { setImmediate });
  }
});
