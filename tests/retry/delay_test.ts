import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  exponentialDelay,
  type ExponentialDelayOptions,
  MemcacheIllegalInputError,
} from "@x/memcache";
import { test } from "../_runtime.ts";

function withRandom(random: () => number, fn: () => void): void {
  const before = Math.random;
  Math.random = random;
  try {
    fn();
  } finally {
    Math.random = before;
  }
}

/** The upper bounds after 1, 2, … attempts. */
const BOUNDS: ReadonlyArray<[ExponentialDelayOptions, number[]]> = [
  [{}, [50, 100, 200, 400, 800, 1000, 1000]],
  [{ first: 10, max: 35 }, [10, 20, 35, 35]],
  [{ first: 500, max: 20 }, [20, 20]],
  [{ first: 0.5 }, [0.5, 1, 2]],
];

test("exponentialDelay() doubles the bound and draws evenly below it", () => {
  for (const [options, bounds] of BOUNDS) {
    const delay = exponentialDelay(options);
    for (const share of [0, 0.25, 0.5, 1]) {
      withRandom(() => share, () => {
        assertEquals(
          bounds.map((_, i) => delay(i + 1)),
          bounds.map((bound) => bound * share),
        );
      });
    }
  }
  assertEquals(exponentialDelay()(5000) <= 1000, true);
});

test("exponentialDelay() draws anew each time", () => {
  const delay = exponentialDelay({ first: 1000 });
  const drawn = new Set(Array.from({ length: 20 }, () => delay(1)));
  assert(drawn.size > 10);
});

test("exponentialDelay() refuses bounds that are none", () => {
  for (const value of [0, -1, NaN, Infinity, 2 ** 31, "5", null]) {
    for (const name of ["first", "max"]) {
      assertThrows(
        // No type would let these through.
        () => exponentialDelay({ [name]: value } as ExponentialDelayOptions),
        MemcacheIllegalInputError,
        `Cannot use option ${name}: `,
      );
    }
  }
});
