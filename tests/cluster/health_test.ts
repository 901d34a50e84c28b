import { assert, assertEquals, assertLess } from "@std/assert";
import { Health, type HealthPolicy } from "../../src/cluster/health.ts";
import type { Loss } from "../../src/connection/watch.ts";
import { MemcacheError } from "../../src/errors.ts";
import { test } from "../_runtime.ts";

const ERROR = new MemcacheError("down");

const POLICY: HealthPolicy = {
  retryAttempts: 2,
  retryTimeout: 1000,
  deadTimeout: 60_000,
  random: () => 0,
};

function lossAt(openedAt: number, loss: Partial<Loss> = {}): Loss {
  return {
    kind: "closed",
    error: ERROR,
    hasServed: true,
    openedAt,
    silence: 0,
    ...loss,
  };
}

test("Health fails, is tried as often as it may, dies and comes back", () => {
  const health = new Health(POLICY);
  assertEquals([health.state, health.isWell], ["up", true]);
  assertEquals(health.failed(0, ERROR), true);
  assertEquals([health.state, health.isWell], ["failing", false]);
  assertEquals([health.attempts, health.retryAt], [0, 1000]);
  for (const attempt of [1, 2]) {
    const at = attempt * 1000;
    assertEquals([health.isDue(at - 1), health.isDue(at)], [false, true]);
    assertEquals(health.admits(at), false);
    health.try(at);
    // Who comes together with the first may pass, others have to wait.
    assertEquals([health.admits(at), health.admits(at + 100)], [true, true]);
    assertEquals([health.admits(at + 101), health.isDue(at + 101)], [
      false,
      false,
    ]);
    assertEquals(health.failed(at, ERROR), attempt === 2);
    assertEquals(health.attempts, attempt);
  }
  assertEquals([health.state, health.retryAt], ["dead", 62_000]);
  assertEquals(health.isDue(62_000), false);
  assertEquals([health.isBackDue(61_999), health.isBackDue(62_000)], [
    false,
    true,
  ]);
  health.comeBack();
  assertEquals([health.state, health.isWell, health.attempts], [
    "up",
    false,
    0,
  ]);
  assertEquals(health.isDue(70_000), true);
  health.try(70_000);
  assertEquals(health.succeeded(), false);
  assertEquals([health.state, health.isWell], ["up", true]);
});

test("Health begins anew once the server has answered", () => {
  const health = new Health(POLICY);
  health.failed(0, ERROR);
  health.try(1000);
  health.failed(1000, ERROR);
  health.try(2000);
  assertEquals(health.succeeded(), true);
  assertEquals([health.state, health.isWell, health.error], [
    "up",
    true,
    undefined,
  ]);
  health.failed(3000, ERROR);
  assertEquals([health.state, health.attempts], ["failing", 0]);
});

test("Health with retryAttempts 0 dies of the first failure", () => {
  const health = new Health({ ...POLICY, retryAttempts: 0 });
  assertEquals(health.failed(0, ERROR), true);
  assertEquals([health.state, health.retryAt], ["dead", 60_000]);
});

test("Health takes no notice of old news", () => {
  const health = new Health(POLICY);
  health.failed(0, ERROR);
  // Of connections that had begun before.
  assertEquals(health.failed(10, ERROR), false);
  assertEquals(health.lost(10, lossAt(5), ERROR), false);
  assertEquals([health.attempts, health.retryAt], [0, 1000]);
  health.try(1000);
  health.failed(1000, ERROR);
  health.try(2000);
  health.failed(2000, ERROR);
  assertEquals(health.failed(2010, ERROR), false);
  assertEquals(health.succeeded(), false);
  assertEquals([health.state, health.retryAt], ["dead", 62_000]);
});

test("Health can be tried again after a trial that told nothing", () => {
  const failing = new Health(POLICY);
  failing.failed(0, ERROR);
  failing.try(1000);
  failing.abandonTrial();
  assertEquals([failing.state, failing.attempts], ["failing", 0]);
  assertEquals(failing.isDue(1000), true);
  const back = new Health({ ...POLICY, retryAttempts: 0 });
  back.failed(0, ERROR);
  back.comeBack();
  back.try(60_000);
  back.abandonTrial();
  assertEquals([back.isWell, back.isDue(60_001)], [false, true]);
});

test("Health spreads the pauses of many clients", () => {
  const ends = (random: number) => {
    const health = new Health({ ...POLICY, random: () => random });
    health.failed(0, ERROR);
    const retryAt = health.retryAt;
    health.try(2000);
    health.failed(2000, ERROR);
    health.try(4000);
    health.failed(4000, ERROR);
    return [retryAt, health.retryAt - 4000];
  };
  assertEquals(ends(0), [1000, 60_000]);
  assertEquals(ends(1), [1200, 66_000]);
  const [retry, dead] = ends(0.5);
  assert(retry > 1000 && dead > 60_000);
  assertLess(retry, 1200);
  assertLess(dead, 66_000);
});

test("Health forgives a connection that served and was closed", () => {
  const health = new Health(POLICY);
  for (let at = 10; at < 200; at += 10) {
    assertEquals(health.lost(at, lossAt(at - 5), ERROR), false, `${at}`);
  }
  assertEquals(health.isWell, true);
});

test("Health fails of connections that serve nothing", () => {
  const health = new Health(POLICY);
  const idle = { hasServed: false };
  assertEquals(health.lost(10, lossAt(5, idle), ERROR), false);
  assertEquals(health.lost(20, lossAt(15, idle), ERROR), true);
  assertEquals(health.state, "failing");
  // One that served in between begins the count anew.
  const other = new Health(POLICY);
  other.lost(10, lossAt(5, idle), ERROR);
  other.lost(20, lossAt(15), ERROR);
  assertEquals(other.state, "up");
  assertEquals(other.lost(30, lossAt(25, idle), ERROR), true);
});

test("Health takes connections that end together for one", () => {
  const health = new Health(POLICY);
  for (const hasServed of [true, false, false, false]) {
    assertEquals(health.lost(10, lossAt(5, { hasServed }), ERROR), false);
  }
  assertEquals(health.isWell, true);
});

test("Health fails of a long silence at once, of a short one twice", () => {
  const long = new Health(POLICY);
  const silence = (silence: number) => ({ kind: "silent", silence }) as const;
  assertEquals(long.lost(500, lossAt(0, silence(200)), ERROR), true);
  const short = new Health(POLICY);
  assertEquals(short.lost(50, lossAt(0, silence(199)), ERROR), false);
  const again = { ...silence(50), hasServed: false };
  assertEquals(short.lost(110, lossAt(60, again), ERROR), true);
});
