/**
 * How the connections to one server take turns.
 */
import { assertEquals, assertLess } from "@std/assert";
import { test } from "../_runtime.ts";
import { Approach, Turn } from "../../src/connection/approach.ts";

/** Turns of one approach, and which of them were called. */
function turns(approach: Approach, count: number): [Turn[], number[]] {
  const called: number[] = [];
  const made = Array.from(
    { length: count },
    (_, i) => new Turn(approach, () => called.push(i)),
  );
  return [made, called];
}

test("Turn.take() lets four try at a time, the others when one has ended", async () => {
  const approach = new Approach();
  const [made, called] = turns(approach, 6);
  const at = performance.now();
  assertEquals(
    made.map((turn) => turn.take(at)),
    [true, true, true, true, false, false],
  );
  assertEquals(made.map(({ waits }) => waits).lastIndexOf(false), 3);
  made[1].leave();
  assertEquals(called, []);
  await Promise.resolve();
  assertEquals(called, [4, 5]);
  assertEquals([made[4].take(at), made[5].take(at)], [true, false]);
});

test("Turn.take() lets one try at a time while the server fails", async () => {
  const approach = new Approach();
  const at = performance.now();
  approach.backoff.failed(at, new Error("refused"));
  const [[first, second, third], called] = turns(approach, 3);
  assertEquals(approach.open(at), true);
  assertEquals([first.take(at), second.take(at)], [true, false]);
  assertEquals(approach.open(at), false);
  second.leave();
  third.take(at);
  first.leave();
  third.leave();
  await Promise.resolve();
  assertEquals(called, []);
  assertEquals([second.take(at), second.waits], [true, false]);
});

test("Turn.take() waits for the end of a pause", async () => {
  const approach = new Approach();
  const start = performance.now();
  approach.backoff.readyAt = start + 30;
  assertEquals(approach.open(start), false);
  await new Promise<void>((resolve) => {
    const turn: Turn = new Turn(approach, () => {
      if (turn.take(performance.now())) resolve();
    });
    assertEquals([turn.take(start), turn.waits], [false, true]);
  });
  assertLess(start + 29, performance.now());
  const left: Turn = new Turn(approach, () => {
    throw new Error("called after it was left");
  });
  approach.backoff.readyAt = performance.now() + 10;
  left.take(performance.now());
  left.leave();
  assertEquals(left.waits, false);
});

test("Approach.leave() of one who has no turn wakes nobody", async () => {
  const approach = new Approach();
  const at = performance.now();
  const [made, called] = turns(approach, 6);
  for (const turn of made) turn.take(at);
  made[5].leave();
  made[5].leave();
  await Promise.resolve();
  assertEquals(called, []);
});
