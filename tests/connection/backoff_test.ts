import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertLessOrEqual,
} from "@std/assert";
import { Backoff } from "../../src/connection/backoff.ts";
import { test } from "../_runtime.ts";
import { random } from "./_random.ts";

/** When a server that refuses at once is tried, with calls at all times. */
function attempts(seed: number, until: number): number[] {
  const backoff = new Backoff(random(seed));
  const times: number[] = [];
  for (let at = 0; at < until; at = Math.max(at + 0.1, backoff.readyAt)) {
    times.push(at);
    backoff.failed(at, "refused");
  }
  return times;
}

const SEEDS = Array.from({ length: 2000 }, (_, i) => i + 1);

test("Backoff allows at most 20 attempts in 2 s, and then about one a second", () => {
  let early = 0;
  let late = 0;
  for (const seed of SEEDS) {
    const times = attempts(seed, 22_000);
    const first = times.filter((at) => at < 2000).length;
    const rest = times.length - first;
    assertLessOrEqual(first, 20, `seed ${seed}`);
    assert(rest >= 15 && rest <= 32, `seed ${seed}: ${rest} in 20 s`);
    early += first;
    late += rest;
  }
  assertGreater(early / SEEDS.length, 8);
  assertLess(early / SEEDS.length, 16);
  assertGreater(late / SEEDS.length / 20, 0.8);
  assertLess(late / SEEDS.length / 20, 1.3);
});

test("Backoff lets a server that is back be found soon", () => {
  for (
    const [down, median] of [[100, 100], [300, 150], [1000, 150], [1900, 160]]
  ) {
    const waits = SEEDS.map((seed) => {
      const next = attempts(seed, 10_000).find((at) => at >= down) ?? Infinity;
      return next - down;
    }).sort((a, b) => a - b);
    assertLess(waits[waits.length / 2], median, `down for ${down} ms`);
    assertLess(waits[waits.length - 1], 1400, `down for ${down} ms`);
  }
  // However long it was down: in time for a user who looks again.
  for (const seed of SEEDS) {
    const times = attempts(seed, 30_000);
    for (let i = 1; i < times.length; i++) {
      assertLess(times[i] - times[i - 1], 1400);
    }
  }
});

test("Backoff does not leave its limit to chance", () => {
  for (const chance of [0, 0.01, 0.1]) {
    const backoff = new Backoff(() => chance);
    let early = 0;
    for (let at = 0; at < 2000; at = Math.max(at + 0.1, backoff.readyAt)) {
      backoff.failed(at, "refused");
      early++;
    }
    assertLessOrEqual(early, 20, `chance ${chance}`);
  }
});

test("Backoff spreads a fleet that lost its server in the same moment", () => {
  for (const down of [500, 1500, 5000, 20_000]) {
    const next = SEEDS.slice(0, 100).map((seed) =>
      attempts(seed, down + 3000).find((at) => at >= down) ?? 0
    ).sort((a, b) => a - b);
    assertGreater(next[90] - next[10], 100, `down for ${down} ms`);
  }
});

test("Backoff forgets an outage once the server has answered", () => {
  const backoff = new Backoff(() => 1);
  for (let i = 0; i < 10; i++) backoff.failed(i * 1000, "refused");
  assertGreater(backoff.readyAt, 9000);
  backoff.succeeded();
  assertEquals(backoff.failures, 0);
  assertEquals(backoff.readyAt, 0);
  assertEquals(backoff.cause, undefined);
  backoff.failed(100_000, "again");
  assertEquals(backoff.readyAt, 100_000, "One failure costs no pause");
  assertEquals(backoff.cause, "again");
});
