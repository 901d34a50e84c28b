/**
 * What `getOrSet` stores where there is no value: a sign that one is being
 * computed, or that there is none.
 *
 * An item is such a sign by its flags. Serdes know none of their bits, so that
 * to other programs it is a few bytes, or none.
 *
 * @module
 */

/** The flags of an item that is no value, "lea" and a zero byte. */
export const MARKER = 0x6c65_6100;

/**
 * What a sign says: a value is being computed (no data), the load gave
 * `undefined` (`u`) or `null` (`n`), or it failed (`e`).
 */
export type Mark = "computing" | "undefined" | "null" | "failed";

/** The data block of each sign. */
export const MARK_DATA: Readonly<Record<Mark, string>> = {
  computing: "",
  undefined: "u",
  null: "n",
  failed: "e",
};

/** Reads a sign; what is none of ours is taken for a value to come. */
export function markIn(data: Uint8Array, start: number, end: number): Mark {
  if (end - start !== 1) return "computing";
  switch (data[start]) {
    case 0x75:
      return "undefined";
    case 0x6e:
      return "null";
    case 0x65:
      return "failed";
    default:
      return "computing";
  }
}
