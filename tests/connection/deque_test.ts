import { assertEquals, assertLess, assertStrictEquals } from "@std/assert";
import { Deque } from "../../src/connection/deque.ts";
import { test } from "../_runtime.ts";
import { random } from "./_random.ts";

/** Expects that a deque holds what an array does, in its order. */
function assertSame<T>(deque: Deque<T>, model: readonly T[]): void {
  assertEquals(deque.length, model.length);
  assertStrictEquals(deque.peek(), model[0]);
  for (let i = 0; i < model.length; i++) {
    assertStrictEquals(deque.at(i), model[i]);
  }
}

test("Deque does what an array does", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const chance = random(seed);
    // More comes than goes for a while, and then the other way round.
    const deque = new Deque<number>();
    const model: number[] = [];
    for (let step = 0; step < 2000; step++) {
      const dice = chance();
      const growing = Math.floor(step / 250) % 2 === 0;
      if (dice < (growing ? 0.5 : 0.25)) {
        deque.push(step);
        model.push(step);
      } else if (dice < (growing ? 0.7 : 0.35)) {
        deque.unshift(step);
        model.unshift(step);
      } else assertStrictEquals(deque.shift(), model.shift());
      assertEquals(deque.length, model.length);
      assertStrictEquals(deque.peek(), model[0]);
      if (step % 50 === 0) assertSame(deque, model);
    }
    assertSame(deque, model);
    while (model.length > 0) assertStrictEquals(deque.shift(), model.shift());
    assertSame(deque, model);
  }
});

test("Deque grows wherever its first one stands", () => {
  for (let first = 0; first < 40; first++) {
    for (const count of [15, 16, 17, 32, 33, 64, 65]) {
      const deque = new Deque<number>();
      for (let i = 0; i < first; i++) deque.push(-1);
      for (let i = 0; i < first; i++) deque.shift();
      const model: number[] = [];
      for (let i = 0; i < count; i++) {
        if (i % 3 === 0) {
          deque.unshift(i);
          model.unshift(i);
        } else {
          deque.push(i);
          model.push(i);
        }
      }
      assertSame(deque, model);
    }
  }
});

test("shift() and peek() say undefined when nothing is queued", () => {
  const deque = new Deque<string>();
  for (let round = 0; round < 40; round++) {
    assertStrictEquals(deque.peek(), undefined);
    assertStrictEquals(deque.shift(), undefined);
    assertEquals(deque.length, 0);
    if (round % 2 === 0) deque.push("a");
    else deque.unshift("a");
    assertStrictEquals(deque.shift(), "a");
  }
});

test("Deque is usable after it was large and ran empty", () => {
  const deque = new Deque<number>();
  for (const count of [1023, 1024, 1025, 5000]) {
    for (let i = 0; i < count; i++) deque.push(i);
    for (let i = 0; i < count; i++) assertStrictEquals(deque.shift(), i);
    deque.unshift(1);
    deque.push(2);
    assertSame(deque, [1, 2]);
    deque.shift();
    deque.shift();
  }
});

test("Deque takes the same time per item, however many there are", () => {
  const time = (count: number): number => {
    const deque = new Deque<number>();
    const start = performance.now();
    for (let i = 0; i < count; i++) deque.push(i);
    while (deque.length > 0) deque.shift();
    return performance.now() - start;
  };
  time(100_000);
  let ratio = Infinity;
  for (let round = 0; round < 10 && ratio >= 10; round++) {
    const before = time(100_000);
    ratio = time(400_000) / Math.max(before, 0.5);
  }
  assertLess(ratio, 10, "4 times the items");
});
