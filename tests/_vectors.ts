/**
 * The recorded behaviour of other clients and of memcached: tests/vectors.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Reads tests/vectors/`name`, such as `"stats.json"`, from source and from a bundle. */
export function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(join(folder(), name), "utf8"));
}

/** Turns a latin1 text of the vectors, one character per byte, into bytes. */
export function bytes(latin1: string): Uint8Array {
  return Uint8Array.from(latin1, (character) => character.charCodeAt(0));
}

// A bundle lies some folders deep in the checkout: the way up finds it.
function folder(): string {
  for (const start of [fileURLToPath(import.meta.url), process.cwd()]) {
    for (let dir = start; dir !== dirname(dir); dir = dirname(dir)) {
      const vectors = join(dir, "tests", "vectors");
      if (existsSync(vectors)) return vectors;
    }
  }
  throw new Error("Cannot find tests/vectors above this module");
}
