import { assertEquals, assertRejects } from "@std/assert";
import { type Bound, KeyTurns } from "../../src/client/key_turns.ts";
import { FakeTime } from "../_fake_time.ts";
import { test } from "../_runtime.ts";

const unbound: Bound = (promise) => promise;

test("KeyTurns gives each its turn, in the order of the calls", () =>
  FakeTime.with(async (time) => {
    const turns = new KeyTurns();
    const log: string[] = [];
    const releases: Array<() => void> = [];
    for (const name of ["a", "b", "c"]) {
      turns.take("key", unbound).then((release) => {
        log.push(name);
        releases.push(release);
      });
    }
    const other = await turns.take("other", unbound);
    await time.settle();
    assertEquals(log, ["a"]);
    releases[0]();
    await time.settle();
    assertEquals(log, ["a", "b"]);
    // Whose turn is over has no say.
    releases[0]();
    await time.settle();
    assertEquals(log, ["a", "b"]);
    releases[1]();
    await time.settle();
    assertEquals(log, ["a", "b", "c"]);
    releases[2]();
    other();
    const again = await turns.take("key", unbound);
    again();
  }));

test("KeyTurns passes over those who have given up", () =>
  FakeTime.with(async (time) => {
    const turns = new KeyTurns();
    const release = await turns.take("key", unbound);
    const reason = new Error("enough");
    let giveUp!: () => void;
    const bound: Bound = (promise) =>
      Promise.race([
        promise,
        new Promise<never>((_, reject) => giveUp = () => reject(reason)),
      ]);
    const gone = turns.take("key", bound);
    const next = turns.take("key", unbound);
    giveUp();
    await assertRejects(() => gone, Error, "enough");
    release();
    (await next)();
    await time.settle();
    (await turns.take("key", unbound))();
  }));

test("KeyTurns gives the turn on of who gives up as it comes", () =>
  FakeTime.with(async (time) => {
    const turns = new KeyTurns();
    const release = await turns.take("key", unbound);
    // It has begun, and whoever waited hears of nothing but its failure.
    const late: Bound = (promise) =>
      promise.then(() => Promise.reject(new Error("too late")));
    const gone = turns.take("key", late);
    const next = turns.take("key", unbound);
    release();
    await assertRejects(() => gone, Error, "too late");
    (await next)();
    await time.settle();
  }));

test("KeyTurns waits for nobody for more than a second", () =>
  FakeTime.with(async (time) => {
    const turns = new KeyTurns();
    const stuck = await turns.take("key", unbound);
    let begun = 0;
    const releases: Array<() => void> = [];
    for (let i = 0; i < 2; i++) {
      turns.take("key", unbound).then((release) => {
        begun++;
        releases.push(release);
      });
    }
    await time.tick(999);
    assertEquals(begun, 0);
    await time.tick(1);
    assertEquals(begun, 1);
    // The turn is no longer its own.
    stuck();
    await time.settle();
    assertEquals(begun, 1);
    releases[0]();
    await time.settle();
    assertEquals(begun, 2);
    releases[1]();
  }));
