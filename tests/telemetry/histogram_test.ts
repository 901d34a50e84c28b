import { assert, assertEquals } from "@std/assert";
import { Histogram } from "../../src/telemetry/histogram.ts";
import { test } from "../_runtime.ts";

test("Histogram counts every time in the bucket that ends at it or behind it", () => {
  for (const bits of [3, 5]) {
    const wide = 1 / 2 ** bits;
    const times = new Set([0, 1, 2, 3, 2_147_483_646, 2_147_483_647]);
    for (let power = 1; power < 31; power++) {
      for (const by of [-1, 0, 1]) times.add(2 ** power + by);
    }
    for (let i = 0; i < 1000; i++) times.add(Math.floor(i ** 3.1));
    for (const time of times) {
      const histogram = new Histogram(bits);
      histogram.add(time);
      const [{ end, count }, ...others] = [...histogram.buckets()];
      assertEquals([count, others.length], [1, 0]);
      assert(end >= time, `${time} is in the bucket up to ${end}`);
      assert(end - time <= Math.max(0, time * wide), `${end} for ${time}`);
      assertEquals(histogram.percentile(1), time);
      assertEquals([histogram.max, histogram.mean], [time, time]);
    }
  }
});

test("Histogram buckets ascend, and percentiles are those of the times", () => {
  const histogram = new Histogram(3);
  assertEquals(histogram.percentile(0.99), 0);
  assertEquals([histogram.count, histogram.mean, histogram.max], [0, 0, 0]);
  for (let i = 1; i <= 10_000; i++) histogram.add(i);
  assertEquals(histogram.count, 10_000);
  assertEquals(histogram.mean, 5000.5);
  const buckets = [...histogram.buckets()];
  assertEquals(buckets.reduce((sum, { count }) => sum + count, 0), 10_000);
  for (let i = 1; i < buckets.length; i++) {
    assert(buckets[i].end > buckets[i - 1].end);
  }
  for (const share of [0.001, 0.5, 0.9, 0.99, 0.999]) {
    const found = histogram.percentile(share);
    const exact = share * 10_000;
    assert(found >= exact && found <= exact * 1.125, `${share}: ${found}`);
  }
});

test("Histogram counts what is too long as the longest", () => {
  const histogram = new Histogram(3);
  histogram.add(1e12);
  assertEquals(histogram.max, 2_147_483_647);
  assertEquals(histogram.percentile(0.5), 2_147_483_647);
});
