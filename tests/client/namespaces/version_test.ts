import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  isNewer,
  isVersion,
  nextVersion,
} from "../../../src/client/namespaces/version.ts";
import { test } from "../../_runtime.ts";

/** Runs `fn` while the clock shows a time. */
function at<T>(time: number, fn: () => T): T {
  const { now } = Date;
  Date.now = () => time;
  try {
    return fn();
  } finally {
    Date.now = now;
  }
}

test("nextVersion() makes 16 letters and digits that none had before", () => {
  const made = new Set<string>();
  // The same millisecond: chance alone tells them apart.
  at(1_800_000_000_000, () => {
    for (let i = 0; i < 100_000; i++) made.add(nextVersion());
  });
  assertEquals(made.size, 100_000);
  for (const version of made) {
    assert(isVersion(version), version);
    assertEquals(version.length, 16);
  }
});

test("nextVersion() is newer than what it is given, whatever the clock", () => {
  const late = at(1_900_000_000_000, () => nextVersion());
  for (const time of [0, 1, 1_000_000_000_000, 1_900_000_000_000]) {
    const next = at(time, () => nextVersion(undefined, late, "no version"));
    assert(isNewer(next, late), `${next} after ${late}`);
    assert(isVersion(next));
    assert(!isNewer(late, next));
  }
  assertNotEquals(at(5, () => nextVersion()), late);
  assert(isNewer(late, at(5, () => nextVersion())));
});

test("versions stay in order when they get a digit more, in 2059", () => {
  const before = at(36 ** 8 - 1, () => nextVersion());
  const after = at(0, () => nextVersion(before));
  assertEquals([before.length, after.length], [16, 17]);
  assert(isVersion(after));
  assert(isNewer(after, before));
  assert(!isNewer(before, after));
});

test("isVersion() takes nothing else", () => {
  const others = [
    ...[undefined, "", "a", "0".repeat(15), "0".repeat(18), "A".repeat(16)],
    ...["0".repeat(15) + "\n", "0".repeat(15) + " ", "é".repeat(16)],
    "0".repeat(16) + "\r\n",
  ];
  for (const text of others) assertEquals(isVersion(text), false, text);
});
