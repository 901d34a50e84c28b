/**
 * The registry of flag bits: pymemcache's, and two of our own. A serde that
 * writes a bit belongs in this list, so that no two give one bit two meanings.
 *
 * @module
 */

/** A Python pickle. Ours never write it and cannot read it. */
export const FLAG_PICKLE = 1;
/** Decimal text of a whole number. */
export const FLAG_INTEGER = 2;
/** Decimal text of a whole number of any size, a `bigint` here. */
export const FLAG_BIGINT = 4;
/** Compressed bytes: belongs to `compressedSerde` alone. */
export const FLAG_COMPRESSED = 8;
/** UTF-8 text. */
export const FLAG_TEXT = 16;
/** JSON text: our own bit, which pymemcache leaves alone. */
export const FLAG_JSON = 32;
/**
 * A structured value: our own bit too. 64 is left to serdes of users, which the
 * documentation shows with it.
 */
export const FLAG_STRUCTURED = 128;
