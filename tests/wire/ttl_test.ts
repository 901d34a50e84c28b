import { assert, assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import type { Ttl } from "../../src/types.ts";
import {
  MAX_EXPTIME,
  MAX_RELATIVE_EXPTIME,
  toExptime,
} from "../../src/wire/ttl.ts";
import { test } from "../_runtime.ts";

const NOW = 1_700_000_000;
const DAYS_30 = 2_592_000;

/** A date so many seconds after 1970. */
function at(seconds: number): Date {
  return new Date(seconds * 1000);
}

test("toExptime() sends seconds as they are up to 30 days", () => {
  const cases: ReadonlyArray<readonly [number | undefined, number]> = [
    [undefined, 0],
    [0, 0],
    [-0, 0],
    [1, 1],
    [60, 60],
    [DAYS_30 - 1, DAYS_30 - 1],
    [DAYS_30, DAYS_30],
    [-1, -1],
    [-60, -1],
    [-(2 ** 31), -1],
    [-(2 ** 53), -1],
    [-1e300, -1],
  ];
  for (const [ttl, exptime] of cases) {
    for (const now of [0, NOW, NOW + 0.9]) {
      assert(Object.is(toExptime(ttl, now), exptime), String(ttl));
    }
  }
  assertEquals(MAX_RELATIVE_EXPTIME, DAYS_30);
});

test("toExptime() sends more than 30 days as an absolute time", () => {
  const cases: ReadonlyArray<readonly [number, number, number]> = [
    [DAYS_30 + 1, NOW, NOW + DAYS_30 + 1],
    [DAYS_30 + 1, NOW + 0.999, NOW + DAYS_30 + 1],
    [365 * 86_400, NOW, NOW + 365 * 86_400],
    // A Unix time given by mistake is a number of seconds like any other.
    [NOW, NOW, NOW + NOW],
    [DAYS_30 + 1, 0, DAYS_30 + 1],
    [MAX_EXPTIME - NOW, NOW, MAX_EXPTIME],
  ];
  for (const [ttl, now, exptime] of cases) {
    assertEquals(toExptime(ttl, now), exptime);
  }
});

test("toExptime() sends a Date as the second that it ends in", () => {
  const cases: ReadonlyArray<readonly [Date, number, number]> = [
    [at(NOW + 1), NOW, NOW + 1],
    [at(NOW + 60), NOW + 0.5, NOW + 60],
    // Never shorter than asked: up to the next second.
    [at(NOW + 0.001), NOW, NOW + 1],
    [at(NOW + 60.001), NOW, NOW + 61],
    [at(NOW + 60.999), NOW, NOW + 61],
    [at(NOW + 0.7), NOW + 0.5, NOW + 1],
    [at(NOW + DAYS_30), NOW, NOW + DAYS_30],
    [at(NOW + 10 * 365 * 86_400), NOW, NOW + 10 * 365 * 86_400],
    [at(MAX_EXPTIME), NOW, MAX_EXPTIME],
    [at(MAX_EXPTIME - 0.5), NOW, MAX_EXPTIME],
  ];
  for (const [date, now, exptime] of cases) {
    assertEquals(toExptime(date, now), exptime, date.toISOString());
  }
});

test("toExptime() takes a Date that is not after now for expired", () => {
  const cases: ReadonlyArray<readonly [Date, number]> = [
    [at(NOW), NOW],
    [at(NOW - 0.001), NOW],
    [at(NOW + 0.3), NOW + 0.5],
    [at(NOW + 0.123), (NOW * 1000 + 123) / 1000],
    [at(NOW - 86_400), NOW],
    // Seconds where milliseconds are meant, and other times near 1970: as an
    // exptime they would be up to 30 days of life.
    [new Date(NOW), NOW],
    [at(DAYS_30), NOW],
    [at(1), NOW],
    [at(0), NOW],
    [at(-1), NOW],
    [new Date(-8.64e15), NOW],
  ];
  for (const [date, now] of cases) {
    assertEquals(toExptime(date, now), -1, date.toISOString());
  }
});

test("toExptime() sends a Date as seconds from now where the clock is in 1970", () => {
  assertEquals(toExptime(at(100), 0), 100);
  assertEquals(toExptime(at(100.5), 40.5), 61);
  assertEquals(toExptime(at(DAYS_30), 1000), DAYS_30 - 1000);
  assertEquals(toExptime(at(DAYS_30 + 1), 1000), DAYS_30 + 1);
});

test("toExptime() refuses what is no ttl", () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const wanted = "whole seconds from now, 0 for never, or a valid Date";
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    [1.5, `1.5, must be ${wanted}`],
    [0.1, `0.1, must be ${wanted}`],
    [-0.5, `-0.5, must be ${wanted}`],
    [DAYS_30 + 0.5, `2592000.5, must be ${wanted}`],
    [NaN, `NaN, must be ${wanted}`],
    [Infinity, `Infinity, must be ${wanted}`],
    [-Infinity, `-Infinity, must be ${wanted}`],
    [new Date(NaN), `an invalid Date, must be ${wanted}`],
    ["60", `"60", must be ${wanted}`],
    ["60 1\r\nx", `"60 1\\r\\nx", must be ${wanted}`],
    ["", `"", must be ${wanted}`],
    [60n, `60n, must be ${wanted}`],
    [null, `null, must be ${wanted}`],
    [true, `true, must be ${wanted}`],
    [Symbol(), `a symbol, must be ${wanted}`],
    [{}, `an object, must be ${wanted}`],
    [[60], `an array, must be ${wanted}`],
    [Object(60), `an object, must be ${wanted}`],
    [{ getTime: () => 1e13 }, `an object, must be ${wanted}`],
    [{ valueOf: () => 60 }, `an object, must be ${wanted}`],
    [Object.create(Date.prototype), `an object, must be ${wanted}`],
    [new Proxy(at(NOW + 60), {}), `an object, must be ${wanted}`],
    [revoked.proxy, `an object, must be ${wanted}`],
  ];
  for (const [ttl, message] of cases) {
    const error = assertThrows(
      () => toExptime(ttl as Ttl, NOW, "set"),
      MemcacheIllegalInputError,
    );
    assertEquals(error.message, `Cannot send ttl: ${message}`);
    assertEquals(error.sent, false);
    assertEquals(error.command, "set");
  }
});

test("toExptime() refuses an end past 2^32 - 1", () => {
  const limit = "at most 4294967295 (the year 2106) is allowed";
  const cases: ReadonlyArray<readonly [Ttl, string]> = [
    [
      MAX_EXPTIME - NOW + 1,
      `2594967296 seconds means the Unix time 4294967296, ${limit}`,
    ],
    [2 ** 32, `4294967296 seconds means the Unix time 5994967296, ${limit}`],
    [1e300, `1e+300 seconds means the Unix time 1e+300, ${limit}`],
    [
      at(MAX_EXPTIME + 0.001),
      `a Date means the Unix time 4294967296, ${limit}`,
    ],
    [new Date(8.64e15), `a Date means the Unix time 8640000000000, ${limit}`],
  ];
  for (const [ttl, message] of cases) {
    const error = assertThrows(
      () => toExptime(ttl, NOW, "touch"),
      MemcacheIllegalInputError,
    );
    assertEquals(error.message, `Cannot send ttl: ${message}`);
    assertEquals(error.sent, false);
    assertEquals(error.command, "touch");
  }
});

test("toExptime() calls no method of a Date", () => {
  class Liar extends Date {
    override getTime(): number {
      return NaN;
    }
    override valueOf(): number {
      throw new Error("called");
    }
    override [Symbol.toPrimitive](): never {
      throw new Error("called");
    }
  }
  assertEquals(toExptime(new Liar((NOW + 5) * 1000), NOW), NOW + 5);
});
