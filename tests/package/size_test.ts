/**
 * The size that README.md states of the package.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  compareParts,
  countBySource,
  measure,
  readRecord,
  readTable,
  writeTable,
} from "../../tools/size.ts";
import { LAYERS } from "../_layers.ts";
import { test } from "../_runtime.ts";
import { ROOT } from "./_programs.ts";

/** How far the size may be from what is stated. */
const MARGIN = 0.03;

test("README.md states the sizes that are recorded", async () => {
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  assertEquals(readTable(readme), writeTable(await readRecord()));
});

test("the package is as large as stated", async () => {
  const stated = await readRecord();
  const now = await measure();
  assertEquals(Object.keys(now.imports), Object.keys(stated.imports));
  for (const [name, { minified, gzip }] of Object.entries(now.imports)) {
    const far = [
      minified / stated.imports[name].minified - 1,
      gzip / stated.imports[name].gzip - 1,
    ];
    assert(
      far.every((share) => Math.abs(share) <= MARGIN),
      `${name}: ${minified} bytes, after gzip ${gzip}; stated are ${
        stated.imports[name].minified
      } and ${stated.imports[name].gzip}. If that is meant, deno task size ` +
        `writes it down. Changed: ${
          compareParts(stated.parts, now.parts).join(", ")
        }`,
    );
  }
  // Whoever grows has a name, and the names cover all of the bundle.
  const names = Object.keys(now.parts);
  assertEquals(
    names.filter((name) => !(name in LAYERS) && name !== "bundler"),
    [],
  );
  const sum = Object.values(now.parts).reduce((sum, bytes) => sum + bytes, 0);
  const [{ minified }] = Object.values(now.imports);
  assert(Math.abs(sum - minified) < 100, `${sum} of ${minified}`);
}, { timeout: 60_000 });

test("compareParts() names who changed, the largest change first", () => {
  assertEquals(
    compareParts(
      { wire: 10, pool: 500, ring: 7, old: 3 },
      { wire: 30, pool: 400, ring: 7, cache: 50 },
    ),
    ["pool -100", "cache +50", "wire +20", "old -3"],
  );
});

test("countBySource() counts what each source has in a text", () => {
  // Columns 0, 2 and 5 of the first line, then column 1 of the second.
  const map = { sources: ["a.ts", "b.ts"], mappings: "AAAA,ECAA,GDAA;CCCA" };
  assertEquals(
    [...countBySource("aabbbaaa\n-bb", map)],
    [["a.ts", 5], ["b.ts", 5], ["", 1]],
  );
  const none = { sources: ["a.ts"], mappings: "AAAA,E;" };
  assertEquals(
    [...countBySource("aa...\n", none)],
    [["a.ts", 2], ["", 3]],
  );
});
