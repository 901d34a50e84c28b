import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { soon, turnIsOver } from "../../src/connection/turns.ts";
import { test } from "../_runtime.ts";

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => setImmediate(resolve));

/** Works for some milliseconds. */
function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

test("soon() does what came first, first, and all of it in one turn", async () => {
  const done: number[] = [];
  for (let i = 0; i < 5; i++) soon(() => done.push(i));
  assertEquals(done, []);
  await nextTurn();
  assertEquals(done, [0, 1, 2, 3, 4]);
});

test("soon() leaves what is too much for one turn to later ones, in its order", async () => {
  const done: number[] = [];
  const turns: number[] = [];
  let turn = 0;
  for (let i = 0; i < 12; i++) {
    soon(() => {
      spin(1);
      turns.push(turn);
      done.push(i);
      // Those who come later wait behind those who are here.
      if (i === 0) soon(() => done.push(12));
    });
  }
  while (done.length < 13) {
    turn++;
    await nextTurn();
  }
  assertEquals(done, Array.from({ length: 13 }, (_, i) => i));
  for (let i = 1; i <= turn; i++) {
    const work = turns.filter((at) => at === i).length;
    // One that began just before the end of the share may take its time.
    assertLessOrEqual(work, 4, `in turn ${i}`);
  }
});

test("soon() does the rest in the next turn where one fails", async () => {
  const done: string[] = [];
  const { setImmediate } = globalThis;
  const due: Array<() => void> = [];
  Object.assign(globalThis, {
    setImmediate: (run: () => void) => due.push(run),
  });
  try {
    soon(() => {
      throw new Error("wrong");
    });
    soon(() => done.push("the rest"));
    let thrown = "";
    for (let run = due.shift(); run !== undefined; run = due.shift()) {
      try {
        run();
      } catch (error) {
        thrown += error;
      }
    }
    assertEquals([thrown, done], ["Error: wrong", ["the rest"]]);
  } finally {
    Object.assign(globalThis, { setImmediate });
  }
  await nextTurn();
});

test("turnIsOver() is true after 3 ms of a turn's work, and outside of it", async () => {
  let before = true;
  let after = false;
  // A machine that is busy may take the time away: so there are more tries.
  for (let i = 0; i < 20 && before; i++) {
    await new Promise<void>((resolve) => {
      soon(() => {
        before = turnIsOver();
        spin(3.1);
        after = turnIsOver();
        resolve();
      });
    });
  }
  assertEquals([before, after], [false, true]);
  spin(1);
  assert(turnIsOver());
});
