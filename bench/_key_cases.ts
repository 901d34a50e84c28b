/**
 * What the checks of keys are measured with, on any runtime.
 *
 * @module
 */
import { keyFault, type KeyRules, sameKey, wireKey } from "../src/wire/key.ts";
import { keysOf } from "./_encoder_cases.ts";
import type { Case } from "./_measure.ts";

const COUNT = 64;
const PLAIN: KeyRules = {
  keyPrefix: "",
  allowUnicodeKeys: false,
  keyEncoder: undefined,
};
const PREFIX: KeyRules = { ...PLAIN, keyPrefix: "app:v1:" };
const WIDE: KeyRules = { ...PLAIN, allowUnicodeKeys: true };

function faults(list: readonly string[], unicode: boolean): number {
  let found = 0;
  for (const key of list) if (keyFault(key, unicode) !== undefined) found++;
  return found;
}

function wire(list: readonly string[], rules: KeyRules): number {
  let length = 0;
  for (const key of list) length += wireKey(key, rules, "get").length;
  return length;
}

function same(
  bytes: Uint8Array,
  size: number,
  list: readonly string[],
): number {
  let found = 0;
  for (let i = 0; i < list.length; i++) {
    if (sameKey(bytes, i * size, (i + 1) * size, list[i])) found++;
  }
  return found;
}

/** Makes all cases. */
export function keyCases(): Case[] {
  const cases: Case[] = [];
  for (const length of [20, 200]) {
    const plain = keysOf(length, "k");
    const wide = keysOf(length / 2, "é");
    const received = new TextEncoder().encode(plain.join(""));
    const add = (name: string, run: () => unknown, baseline = false) =>
      cases.push({
        group: `keys of ${length} bytes`,
        name,
        baseline,
        count: COUNT,
        bytes: 0,
        run,
      });
    add("keyFault()", () => faults(plain, false), true);
    add("keyFault(), half of it é", () => faults(wide, true));
    add("wireKey()", () => wire(plain, PLAIN));
    add("wireKey(), with a prefix", () => wire(plain, PREFIX));
    add("wireKey(), half of it é", () => wire(wide, WIDE));
    add("sameKey()", () => same(received, length, plain));
  }
  return cases;
}
