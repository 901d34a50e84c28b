/**
 * Hands the cases of a codec to `deno bench`.
 *
 * @module
 */
import type { Case } from "./_measure.ts";

/** Registers cases; one run of each does as many operations as its name says. */
export function bench(cases: readonly Case[]): void {
  for (const { group, name, baseline, count, bytes, run } of cases) {
    const kib = Math.ceil(bytes / 1024);
    const size = bytes === 0 ? `${count}` : `${count}, ${kib} KiB`;
    Deno.bench(`${name} (${size})`, { group, baseline }, () => {
      run();
    });
  }
}
