/**
 * The keys of a listing.
 *
 * @module
 */
import type { KeyEntry } from "@x/memcache";

/** The keys of entries. */
export function keysOf(
  entries: readonly KeyEntry[],
): Array<string | Uint8Array> {
  return entries.map(({ key }) => key);
}

/** The keys of entries as text, in their order. */
export function sorted(entries: readonly KeyEntry[]): string[] {
  return keysOf(entries).map(String).sort();
}
