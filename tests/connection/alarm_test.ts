import { assert, assertEquals } from "@std/assert";
import { Alarm, now } from "../../src/connection/alarm.ts";
import { test } from "../_runtime.ts";

/** What stands in for a timer of the runtime. */
interface Timer {
  delay: number;
  alive: boolean;
  ring(): void;
  ref(): void;
  unref(): void;
}

/** The timers that are set at the moment. */
type Timers = Set<Timer>;

/** Runs a test with timers that ring when the test says so. */
function withTimers(fn: (timers: Timers) => void): void {
  const { setTimeout, clearTimeout } = globalThis;
  const timers: Timers = new Set();
  Object.assign(globalThis, {
    setTimeout: (callback: () => void, delay: number): Timer => {
      const timer = {
        delay,
        alive: true,
        ring: () => {
          assert(timers.delete(timer), "a timer rings once");
          callback();
        },
        ref: () => void (timer.alive = true),
        unref: () => void (timer.alive = false),
      };
      timers.add(timer);
      return timer;
    },
    clearTimeout: (timer: Timer) => timers.delete(timer),
  });
  try {
    fn(timers);
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
  }
}

/** The only timer that is set. */
function only(timers: Timers): Timer {
  assertEquals(timers.size, 1);
  return [...timers][0];
}

test("set() waits until the deadline, in whole milliseconds", () => {
  const cases: ReadonlyArray<
    readonly [deadline: number, from: number, delay: number]
  > = [
    [1500, 1000, 500],
    [1000.001, 1000, 1],
    [1000.2, 999.1, 2],
    [1000, 1000, 1],
    [1000, 5000, 1],
    [2_147_483_647 + 7, 7, 2_147_483_647],
    [2_147_483_648 + 7, 7, 2_147_483_647],
    [Number.MAX_SAFE_INTEGER, 7, 2_147_483_647],
    [Infinity, 7, 2_147_483_647],
  ];
  for (const [deadline, from, delay] of cases) {
    withTimers((timers) => {
      new Alarm(() => {}).set(deadline, from);
      assertEquals(only(timers).delay, delay, `${deadline} from ${from}`);
    });
  }
});

test("set() keeps the earliest deadline, on one timer", () => {
  withTimers((timers) => {
    let rings = 0;
    const alarm = new Alarm(() => rings++);
    alarm.set(2000, 1000);
    const first = only(timers);
    alarm.set(2000, 1200);
    alarm.set(3000, 1200);
    assertEquals(only(timers), first);
    alarm.set(1900, 1500);
    const second = only(timers);
    assertEquals([second === first, second.delay], [false, 400]);
    second.ring();
    assertEquals([rings, timers.size], [1, 0]);
    // What was set before it rang is forgotten.
    alarm.set(3000, 2000);
    assertEquals(only(timers).delay, 1000);
    only(timers).ring();
    assertEquals([rings, timers.size], [2, 0]);
  });
});

test("set() can be called while the alarm rings", () => {
  withTimers((timers) => {
    let at = 0;
    const alarm = new Alarm(() => {
      if (++at < 5) alarm.set(at + 10, at);
    });
    alarm.set(10, 0);
    while (timers.size > 0) {
      assertEquals(only(timers).delay, 10);
      only(timers).ring();
    }
    assertEquals(at, 5);
  });
});

test("clear() takes the alarm back", () => {
  withTimers((timers) => {
    let rings = 0;
    const alarm = new Alarm(() => rings++);
    alarm.clear();
    alarm.set(2000, 1000);
    alarm.clear();
    alarm.clear();
    assertEquals([timers.size, rings], [0, 0]);
    // A deadline later than the one taken back counts.
    alarm.set(5000, 1000);
    assertEquals(only(timers).delay, 4000);
    alarm.clear();
    assertEquals(timers.size, 0);
  });
});

test("hold() says whether the alarm keeps the process alive", () => {
  withTimers((timers) => {
    const alarm = new Alarm(() => {});
    alarm.set(2000, 1000);
    assertEquals(only(timers).alive, false, "by default it does not");
    alarm.hold(true);
    assertEquals(only(timers).alive, true);
    alarm.set(1500, 1000);
    assertEquals(only(timers).alive, true, "nor does a new timer change it");
    alarm.hold(false);
    assertEquals(only(timers).alive, false);
    only(timers).ring();
    alarm.hold(true);
    alarm.set(2000, 1000);
    assertEquals(only(timers).alive, true);
    alarm.clear();
    alarm.hold(false);
    alarm.set(2000, 1000);
    assertEquals(only(timers).alive, false);
  });
});

test("Alarm rings with the timers of the runtime", async () => {
  const start = now();
  await new Promise<void>((resolve) => {
    const alarm = new Alarm(resolve);
    // Nothing else keeps the process alive here.
    alarm.hold(true);
    alarm.set(start + 5000, start);
    alarm.set(start + 20, start);
  });
  const waited = now() - start;
  assert(waited >= 18 && waited < 4000, `${waited} ms`);
});

test("now() does not go back", () => {
  let last = now();
  for (let i = 0; i < 10_000; i++) {
    const next = now();
    assert(next >= last);
    last = next;
  }
});
